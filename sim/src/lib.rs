//! Deterministic simulated networks of IPsec nodes.
//!
//! A [`Network`] is hosts, gateways and routers joined by links. It has one event queue ordered by (time, sequence) and
//! jumps from event to event; it reads no clock and draws every random number from one seed. The same topology, schedule
//! and seed give the same [`Digest`](digest::Digest) on every target.
//!
//! ```text
//!   apps (ping, TCP, UDP)            host.rs, app/*
//!   host stack (smoltcp for TCP)     host/stack.rs
//!   ---------------------------------------------------
//!   forwarding, ICMP errors          node.rs, node/icmp.rs
//!   address translation              nat.rs, node/translate.rs
//!   IP packet filter                 packet_filter.rs
//!   IPsec (ipsec_core::Ipsec)        SPD, SAD, IKE
//!   fragmentation, reassembly        ipsec_core::fragment
//!   ---------------------------------------------------
//!   links, faults, adversary         link.rs, adversary.rs
//! ```
//!
//! What happens is reported as [`Record`]s to a [`Sink`] outside the world: [`Trace`](trace::Trace),
//! [`Capture`](capture::Capture), [`DigestSink`](digest::DigestSink), [`Statistics`](statistics::Statistics), a tuple of
//! them, or one of your own. [`invariant`] watches every step.
//!
//! ```
//! use ipsec_sim::{Action, Builder, InterfaceConfig, LinkConfig, NodeConfig, Ping};
//! use ipsec_core::Instant;
//!
//! let mut b = Builder::new(1);
//! let lan = b.link(LinkConfig::new("lan"));
//! let alice = b.node(NodeConfig::host("alice").interface(InterfaceConfig::new("lan", lan, "10.0.0.1/24")));
//! b.node(NodeConfig::host("bob").interface(InterfaceConfig::new("lan", lan, "10.0.0.2/24")));
//! let ping = b.schedule(Instant::EPOCH, alice, Action::Ping(Ping::new("10.0.0.2".parse().unwrap())));
//! let mut network = b.build().unwrap();
//! network.run_until(Instant::from_secs(10), &mut ());
//! assert_eq!(network.ping(ping).unwrap().received, 4);
//! ```
#![forbid(unsafe_code)]

pub mod adversary;
pub mod app;
pub mod capture;
pub mod digest;
mod host;
pub mod invariant;
pub mod ip;
pub mod link;
pub mod model;
pub mod nat;
pub mod network;
mod node;
pub mod packet_filter;
mod queue;
pub mod sink;
pub mod statistics;
pub mod topology;
pub mod trace;
pub mod verdict;
pub mod wireshark;
pub mod work;
mod world;

pub use app::{Action, App, Payload, ping::Ping};
pub use link::{Faults, LinkConfig};
pub use nat::{Nat, NatConfig};
pub use network::Network;
pub use sink::{DropCause, Effect, Fate, Record, Sink};
pub use topology::{AppId, Builder, InterfaceConfig, IpsecConfig, LinkId, Names, NodeConfig, NodeId};
