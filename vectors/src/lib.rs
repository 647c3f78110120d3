//! Known-answer data for IPsec and IKE: values from RFCs, from NIST and from recorded exchanges, with a small
//! reader.
//!
//! The data is compiled in, so tests that use it run on every target. Each directory under `data/` has a
//! `SOURCE.md` that names source, section and licence.
//!
//! ```
//! use ipsec_vectors::{rfc, rsp};
//!
//! for case in rsp::cases(rfc::RFC2202_HMAC) {
//!     let (key, data, digest) = (case.bytes("Key"), case.bytes("Data"), case.bytes("Digest"));
//!     assert!(!key.is_empty() && !data.is_empty() && digest.len() >= 16);
//! }
//! ```

pub mod nist;
pub mod recorded;
pub mod rfc;
pub mod rsp;

/// The bytes of a hexadecimal string.
///
/// # Panics
///
/// When it is not one: the data is part of this crate.
pub fn hex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "odd number of digits: {digits}");
    (0..digits.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&digits[i..i + 2], 16).expect("hexadecimal digits"))
        .collect()
}
