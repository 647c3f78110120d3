//! The seed of everything random in a node, from the operating system.

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

/// 32 octets of the kernel's entropy. Whoever knows them knows every key of the run, so they are used once and not kept.
///
/// # Errors
/// When the kernel has no entropy yet, or none at all.
pub(crate) fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    let drawn = getrandom(&mut seed, GetRandomFlags::empty())?;
    if drawn == seed.len() { Ok(seed) } else { Err(io::Error::other("the kernel gave too little entropy")) }
}
