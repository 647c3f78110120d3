//! Fuzz bodies as plain functions on stable Rust.
//!
//! Each body takes bytes, drives one door of the project with them, and panics when a promise is broken: a decoder that
//! panics, an altered packet that opens, a failed script that changed the store, a negotiation that no longer comes up
//! once the lies have stopped. `cargo test -p ipsec-fuzz` replays the committed corpus and every prefix of every sample
//! in it; `libfuzzer/` holds the thin targets that let libFuzzer look for more.

pub mod ah_open;
pub mod alter;
pub mod bytes;
pub mod capture;
pub mod esp_open;
pub mod exchange;
pub mod floated;
pub mod ipsec_input;
pub mod isakmp;
pub mod netsh;
pub mod packet;
pub mod pair;
pub mod reassembly;

/// One fuzz body with the name of its corpus directory and libFuzzer target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of the directory under `corpus/`, of the module here, and of the libFuzzer target.
    pub name: &'static str,
    /// Takes any bytes; panics only when a promise is broken.
    pub body: fn(&[u8]),
}

/// Every fuzz body, by name.
pub const TARGETS: &[Target] = &[
    Target { name: "ah_open", body: ah_open::body },
    Target { name: "capture", body: capture::body },
    Target { name: "esp_open", body: esp_open::body },
    Target { name: "exchange", body: exchange::body },
    Target { name: "floated", body: floated::body },
    Target { name: "ipsec_input", body: ipsec_input::body },
    Target { name: "isakmp", body: isakmp::body },
    Target { name: "netsh", body: netsh::body },
    Target { name: "packet", body: packet::body },
    Target { name: "reassembly", body: reassembly::body },
];
