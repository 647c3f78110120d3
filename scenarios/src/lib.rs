//! Network stories that can be replayed: data first, one directory each, and the library that runs them.
//!
//! ```text
//!  topology.toml, steps.toml, *.netsh   one directory a scenario       topology, steps
//!  twin.toml, ../twins.toml             what differs, what must show   twin
//!  family.toml                          many scenarios, written once   family
//!        |  embedded, or from a directory: source, scenario
//!        v
//!  ipsec_sim::Network  <-- build (netsh scripts through ipsec-policy)
//!        |  run: steps at their times; observe: what was seen
//!        v
//!  checks -> Report; story, trace, captures
//! ```
//!
//! ```
//! use ipsec_scenarios::{RunOptions, embedded, run};
//!
//! let scenario = embedded::scenario(embedded::resolve("kb816514").unwrap()).unwrap();
//! let outcomes = run(&scenario, &RunOptions { record: false, ..RunOptions::default() }).unwrap();
//! assert!(outcomes.report.held, "{:#?}", outcomes.report.checks);
//! ```
//!
//! The library reads no file and no clock: scenarios are compiled in, and run on every target.
#![forbid(unsafe_code)]

mod build;
mod check;
mod computer;
mod domains;
pub mod embedded;
pub mod error;
mod explain;
pub mod family;
pub mod faults;
mod flood;
mod forge;
mod inject;
mod logs;
pub mod names;
mod observe;
pub mod random;
pub mod record;
pub mod report;
mod run;
pub mod scenario;
pub mod source;
pub mod steps;
mod story;
pub mod sweep;
pub mod topology;
mod traffic;
pub mod twin;
pub mod value;

pub use error::LoadError;
pub use family::Family;
pub use faults::FaultPlan;
pub use record::Recording;
pub use report::Report;
pub use run::{Outcomes, RunOptions, Watch, replay, run};
pub use scenario::Scenario;
pub use source::Files;
