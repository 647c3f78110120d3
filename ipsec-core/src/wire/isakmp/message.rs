//! A whole message in clear.

use alloc::vec::Vec;
use core::fmt;

use super::chain::fmt_types;
use super::{HEADER_LEN, Header, Payload, decode_chain, encode_chain, split};
use crate::wire::{DecodeError, DecodeErrorKind};

/// An ISAKMP message whose payloads are in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The header; its next payload and length are computed when encoding.
    pub header: Header,
    /// The payloads in order.
    pub payloads: Vec<Payload>,
}

impl Message {
    /// Reads a datagram whose payloads are in clear; nothing may follow them (RFC 2408 5.1).
    pub fn decode(datagram: &[u8]) -> Result<Message, DecodeError> {
        let (header, body) = split(datagram)?;
        let (chain, consumed) = decode_chain(header.next_payload, body)?;
        if consumed < body.len() {
            let kind = DecodeErrorKind::Trailing { count: body.len() - consumed };
            return Err(DecodeError::new("isakmp.length", HEADER_LEN + consumed, kind));
        }
        Ok(Message { header, payloads: chain.into_payloads() })
    }

    /// The datagram.
    pub fn encode(&self) -> Vec<u8> {
        let (first, body) = encode_chain(&self.payloads);
        self.header.encode_with(first, &body)
    }
}

/// `isakmp main mode I cookie 5b..->00.. [SA VID VID]`.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.header)?;
        fmt_types(&self.payloads, f)
    }
}
