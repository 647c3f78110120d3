//! The Windows computer around the IPsec driver, as a sans-IO value.
//!
//! ```text
//!  registry (Stores) --Policy Agent--> PolicyDatabases --> ipsec_core::Ipsec (the driver and IKE)
//!      ^                                                        |
//!      netsh                                  events --> event log, Oakley log, monitor, netdiag
//! ```
//!
//! `policy` says what a policy means, `ipsec-core` does it; what lies between the two on a computer is here: services that
//! start and stop, the order of things at boot, what the computer knows of its network, and what its tools show people.
#![forbid(unsafe_code)]

pub mod audit;
pub mod computer;
pub mod directory;
pub mod driver_mode;
pub mod event_log;
pub mod ipconfig;
pub mod kerberos;
pub mod monitor;
pub mod netdiag;
pub mod network_settings;
pub mod oakley_log;
pub mod policy_agent;
pub mod routing_and_remote_access;
