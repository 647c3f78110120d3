//! The Windows 2000/XP/Server 2003 IPsec policy system.
//!
//! ```text
//!  netsh script --netsh--> Store --compile--> PolicyDatabases (SPD, PAD, IKE policy of `ipsec-core`)
//! ```
//!
//! * The object model is Microsoft's: a [`Store`] holds [`Policy`]s, [`FilterList`]s and [`FilterAction`]s; a policy's
//!   [`Rule`]s tie one list to one action, with authentication methods, a tunnel endpoint and a connection type.
//! * [`netsh`] reads `netsh ipsec` scripts as people write them and edits a store, or all the [`Stores`] of a computer.
//! * [`compile`](mod@compile) turns the assigned policy into what RFC 4301 calls for, most specific filter first.
//!
//! Values that no public source confirms live in one table, [`defaults`], each with its confidence.
#![forbid(unsafe_code)]

pub mod auth_method;
pub mod compile;
pub mod defaults;
pub mod domain;
pub mod dynamic;
pub mod examples;
pub mod exempt;
pub mod filter;
pub mod filter_action;
pub mod live;
pub mod netsh;
pub mod policy;
pub mod profile;
pub mod rule;
pub mod security_method;
pub mod store;
pub mod stores;
pub mod tools;
pub mod weight;
mod width;

pub use auth_method::AuthMethod;
pub use domain::Domain;
pub use filter::{Address, Filter, FilterList};
pub use filter_action::{Action, FilterAction};
pub use live::Live;
pub use policy::Policy;
pub use profile::Profile;
pub use rule::{ConnectionType, Rule};
pub use security_method::SecurityMethod;
pub use store::{Guid, Store, StoreError};
pub use stores::Stores;
