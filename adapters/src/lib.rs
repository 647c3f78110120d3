//! A live IPsec node: the [`Ipsec`](ipsec_core::Ipsec) of the simulator between real sockets and a TUN device.
//!
//! ```text
//!            applications, networks behind us                     the unprotected side
//!                        |                                                |
//!     kernel:   routes -> TUN device                       UDP 500, 4500, protocols 50, 51
//!                        |                                                |
//!     node:              +--> Input::Outbound --> Ipsec --> Output::Transmit --> sockets
//!                        +<-- Output::Deliver <-- Ipsec <-- Input::Inbound  <-- sockets
//! ```
//!
//! The core has no clock, no sockets and no randomness of its own: they are here. One thread reads batches of packets, hands
//! them to the core, carries out what it says and sleeps until the next deadline or packet; a second one computes
//! Diffie-Hellman exchanges meanwhile.
//!
//! [`Node`] is the node, for programs that have an SPD and a PAD; [`live`] is `ipseclab live`: a configuration file around it.
#![forbid(unsafe_code)]

pub mod capture;
pub mod clock;
pub mod control;
mod error;
pub mod guard;
mod keys;
pub mod live;
mod log;
mod mark;
pub mod node;
pub mod outside;
pub mod privileges;
pub mod raw;
pub mod record;
pub mod replay;
mod routes;
mod seed;
pub mod signals;
mod sockets;
mod system;
pub mod tun;
pub mod udp;
mod wait;
mod worker;

pub use error::OpenError;
pub use guard::Guard;
pub use mark::Mark;
pub use node::{Host, Node, Settings};
pub use outside::Outside;
