//! IPsec without I/O: IKE, the security policy, association and peer databases, ESP and AH as one state machine that owns no
//! socket, no clock and no randomness.
//!
//! ```text
//!            protected side                                    unprotected side
//!
//!  Input::Outbound ──▶ flow ▶ SPD ─┬─ bypass ───────────────────────▶┐
//!                                  ├─ discard ▶ Event::Dropped       ├▶ fragment ▶ Output::Transmit
//!                                  └─ protect ▶ SAD ─┬─ tunnel, seal ▶┘                ▲
//!                                                    └─ no SA: hold, ask ┐             │ datagrams
//!                                                                        ▼             │
//!                                                 effects: install ◀──  IKE  ──────────┘
//!                                                                        ▲ UDP 500
//!  Output::Deliver ◀── SPD check ◀─┬─ clear ◀────────────────────────────┤
//!                                  └─ selectors ◀ open, strip ◀ SAD ◀────┴ reassemble ◀ Input::Inbound
//! ```
//!
//! The left column is a host's stack or a router's forwarding, the right one the links; whoever drives an [`Ipsec`] carries
//! packets between them and tells it the time:
//!
//! ```
//! use ipsec_core::config::PolicyDatabases;
//! use ipsec_core::route::RouteTable;
//! use ipsec_core::{Config, Input, Instant, Ipsec, Output};
//!
//! fn drive(node: &mut Ipsec, arrived: Vec<Input>, now: Instant) -> Option<Instant> {
//!     for input in arrived {
//!         node.handle_input(input, now);
//!     }
//!     while let Some(output) = node.poll_output() {
//!         match output {
//!             Output::Transmit(interface, packet) => println!("{interface:?} sends {} octets", packet.len()),
//!             Output::Deliver(interface, packet) => println!("{interface:?} brought {} octets", packet.len()),
//!             Output::Event(event) => println!("{now} {event:?}"),
//!             Output::Work(id, work) => node.handle_input(Input::WorkDone(id, work.run()), now),
//!         }
//!     }
//!     node.poll_timeout() // when to come back with Input::Timeout, if nothing arrives before
//! }
//!
//! let config = Config::new(Vec::new(), RouteTable::new(), PolicyDatabases::default());
//! let mut node = Ipsec::new(config, [7; 32], Instant::EPOCH);
//! assert_eq!(drive(&mut node, Vec::new(), Instant::EPOCH), None);
//! ```
//!
//! Same configuration, seed and inputs: same outputs, octet for octet, on every target.
//!
//! The parts are usable alone: [`esp`] and [`ah`] transform a packet with given keys, [`tunnel`] and [`fragment`] are pure
//! functions, [`ike::v1`] has the key derivation and message protection of IKEv1, [`wire`] every codec.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod ah;
pub mod config;
pub mod crypto;
pub mod esp;
pub mod fragment;
pub mod ike;
pub mod interface;
pub mod io;
pub mod ip;
mod ipsec;
pub mod natt;
pub mod packet;
pub mod pad;
pub mod rng;
pub mod route;
pub mod sad;
pub mod selector;
pub mod spd;
pub mod time;
pub mod tunnel;
pub mod wire;
pub mod work;

pub use config::Config;
pub use io::{Command, DropReason, Event, Input, Output};
pub use ipsec::{IkeCounters, Ipsec, Octets, Processed, SoftAssociation, Status, TrafficCounters};
pub use packet::Packet;
pub use time::{Duration, Instant};
