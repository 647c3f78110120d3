//! Sans-IO IPsec.
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
pub use ipsec::{Ipsec, Status};
pub use packet::Packet;
pub use time::{Duration, Instant};
