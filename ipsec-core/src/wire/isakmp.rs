//! The Internet Security Association and Key Management Protocol (RFC 2408): header, payload chain, messages.
//!
//! Receiving has two steps, because the payloads may be encrypted: [`split`] gives the header and the bytes after
//! it; once those are in clear, [`decode_chain`] gives the [`Chain`]. A chain keeps the bytes as received: every
//! HASH of RFC 2409 covers those, never a re-encoding.
//!
//! ```
//! use ipsec_core::wire::ikev1::Nonce;
//! use ipsec_core::wire::isakmp::{Cookie, ExchangeType, Flags, Header, Message, Payload, decode_chain, split};
//!
//! let header = Header::new(Cookie([1; 8]), Cookie::ZERO, ExchangeType::IDENTITY_PROTECTION, Flags::NONE, 0);
//! let nonce = Payload::Nonce(Nonce { data: vec![7; 16] });
//! let datagram = Message { header, payloads: vec![nonce.clone()] }.encode();
//!
//! let (header, body) = split(&datagram)?;
//! let (chain, consumed) = decode_chain(header.next_payload, body)?;
//! assert_eq!(consumed, body.len());
//! assert_eq!(chain.get(0), Some(&nonce));
//! assert_eq!(chain.body(0), [7; 16]);
//! # Ok::<(), ipsec_core::wire::DecodeError>(())
//! ```

mod chain;
mod header;
mod lie;
mod message;
mod payload;
mod raw;

pub(crate) use chain::decode_generic;
pub use chain::{Chain, MAX_PAYLOADS, Reserved, decode_chain, decode_chain_with, encode_chain};
pub use header::{Cookie, ExchangeType, Flags, HEADER_LEN, Header, PayloadType, Version, split};
pub use lie::Lie;
pub use message::Message;
pub use payload::Payload;
pub use raw::{RawPayload, decode_raw_chain, encode_raw_chain};

/// Octets of the generic payload header (RFC 2408 3.2).
pub const GENERIC_HEADER_LEN: usize = 4;

#[cfg(test)]
mod tests;
