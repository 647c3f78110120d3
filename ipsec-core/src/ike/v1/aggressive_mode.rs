//! Aggressive mode, authenticated with pre-shared keys (RFC 2409 section 5.4).
//!
//! ```text
//!  1  HDR, SA, KE, Ni, IDii         -->
//!  2                                <--  HDR, SA, KE, Nr, IDir, HASH_R
//!  3  HDR[*], HASH_I                -->
//! ```
//!
//! Half the messages of main mode, at a price: identities are in clear, the group is not negotiated, and the responder
//! computes before the initiator has proved anything (see [`Limits`](crate::config::Limits)). In return the key is found by
//! identity rather than by address.
//!
//! Message 2 proves itself only with the shared secret. The initiator therefore computes first and believes afterwards: until
//! HASH_R verifies, cookie, schedule and state are those of message 1, and a forged message 2 has changed nothing.
//!
//! Message 3 may be in clear. Then no block of phase 1 was encrypted, and the IVs of phase 2 are made from the first IV
//! (RFC 2409 appendix B). When it is lost, the initiator believes in an SA that the responder does not have yet; whatever it
//! sends under it makes the responder repeat message 2, and that the initiator answers with message 3 again.

pub(crate) mod initiator;
pub(crate) mod responder;
