//! Writes the named seeds of the corpus again: `cargo run -p ipsec-fuzz --example seeds`.
//!
//! They come from exchanges recorded between real daemons, from RFCs, and from our own codecs. What libFuzzer found and
//! was worth keeping lies beside them under names that are hashes.

mod capture;
mod exchange;
mod floated;
mod ipsec;
mod ipsec_input;
mod isakmp;
mod packet;
mod reassembly;

use std::fs;
use std::path::Path;

/// Writes one sample.
pub(crate) fn write(target: &str, name: &str, sample: &[u8]) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&directory).expect("a writable corpus");
    fs::write(directory.join(name), sample).expect("a writable corpus");
    println!("{target}/{name}: {} octets", sample.len());
}

fn main() {
    capture::seeds();
    isakmp::seeds();
    ipsec_input::seeds();
    exchange::seeds();
    floated::seeds();
    packet::seeds();
    ipsec::seeds();
    reassembly::seeds();
}
