//! Sans-IO IPsec.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod crypto;
pub mod ike;
pub mod rng;
pub mod time;
pub mod wire;
