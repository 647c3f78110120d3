//! Payloads with every header field free: for looking at, and for building broken messages.

use alloc::vec::Vec;
use core::fmt;

use super::{GENERIC_HEADER_LEN, HEADER_LEN, MAX_PAYLOADS, Payload, PayloadType};
use crate::wire::{DecodeError, DecodeErrorKind, Reader, Writer};

/// A payload as bytes, whose generic header is written as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawPayload {
    /// Type of the payload that follows; NONE ends the chain.
    pub next: PayloadType,
    /// The RESERVED octet.
    pub reserved: u8,
    /// The length as written, which may differ from the truth.
    pub length: u16,
    /// The octets after the generic header.
    pub body: Vec<u8>,
}

impl RawPayload {
    /// A well-formed payload with this body, followed by one of type `next`.
    pub fn new(next: PayloadType, body: Vec<u8>) -> Self {
        let length = u16::try_from(body.len().saturating_add(GENERIC_HEADER_LEN)).unwrap_or(u16::MAX);
        RawPayload { next, reserved: 0, length, body }
    }

    /// The well-formed chain of `payloads`, ready to be spoilt.
    pub fn chain(payloads: &[Payload]) -> Vec<RawPayload> {
        let following = payloads.iter().skip(1).map(Payload::payload_type).chain([PayloadType::NONE]);
        payloads
            .iter()
            .zip(following)
            .map(|(payload, next)| RawPayload::new(next, payload.to_body()))
            .collect()
    }

    /// Reads one payload; its length must fit the bytes that are there.
    pub fn decode(r: &mut Reader<'_>) -> Result<RawPayload, DecodeError> {
        let next = PayloadType(r.u8("payload.next")?);
        let reserved = r.u8("payload.reserved")?;
        let at = r.offset();
        let length = r.u16("payload.length")?;
        let bad = DecodeErrorKind::BadLength { length: length.into() };
        let body = usize::from(length).checked_sub(GENERIC_HEADER_LEN).ok_or(DecodeError::new(
            "payload.length",
            at,
            bad,
        ))?;
        Ok(RawPayload { next, reserved, length, body: r.bytes("payload.body", body)?.to_vec() })
    }

    /// Writes the fields as they are.
    pub fn encode(&self, w: &mut Writer) {
        w.u8(self.next.0);
        w.u8(self.reserved);
        w.u16(self.length);
        w.bytes(&self.body);
    }
}

impl fmt::Display for RawPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "payload length {} body {} next {}", self.length, self.body.len(), self.next)
    }
}

/// Splits the bytes after the header into payloads without reading them; also gives the bytes it took.
pub fn decode_raw_chain(first: PayloadType, bytes: &[u8]) -> Result<(Vec<RawPayload>, usize), DecodeError> {
    let mut r = Reader::at(bytes, HEADER_LEN);
    let mut payloads = Vec::new();
    let mut next = first;
    while next != PayloadType::NONE {
        if payloads.len() == MAX_PAYLOADS {
            return Err(r.error("payload.count", DecodeErrorKind::TooMany { limit: MAX_PAYLOADS }));
        }
        let payload = RawPayload::decode(&mut r)?;
        next = payload.next;
        payloads.push(payload);
    }
    Ok((payloads, r.consumed()))
}

/// Writes `payloads` one after the other, as they are.
pub fn encode_raw_chain(payloads: &[RawPayload]) -> Vec<u8> {
    let mut w = Writer::new();
    payloads.iter().for_each(|payload| payload.encode(&mut w));
    w.into_bytes()
}
