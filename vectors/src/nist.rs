//! NIST's vectors for IKEv1 key derivation, as text for [`rsp::cases`](crate::rsp::cases).
//!
//! Each group has a section `SHA-1`, `SHA-256`, `SHA-384` or `SHA-512`. Fields: `CKY_I`, `CKY_R`, `Ni`, `Nr`,
//! `g^xy`, `SKEYID`, `SKEYID_d`, `SKEYID_a`, `SKEYID_e`.

/// Pre-shared keys; the further field is `pre-shared-key`.
pub const IKEV1_PSK: &str = include_str!("../data/nist-cavp-ike/ikev1_psk.txt");

/// Signatures.
pub const IKEV1_DSA: &str = include_str!("../data/nist-cavp-ike/ikev1_dsa.txt");
