//! The chain of payloads, each announced by the one before it (RFC 2408 3.2).
//!
//! ```text
//!                     1                   2                   3
//! 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! Next Payload  !   RESERVED    !         Payload Length        !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use alloc::vec::Vec;
use core::fmt;

use super::{GENERIC_HEADER_LEN, HEADER_LEN, Payload, PayloadType};
use crate::wire::ikev1::{
    Certificate, CertificateRequest, Delete, Hash, Identification, KeyExchange, NatD, NatOa, Nonce,
    Notification, SaPayload, Signature, VendorId,
};
use crate::wire::{DecodeError, DecodeErrorKind, Reader, Slot8, Writer};

/// The most payloads a message may have; real ones stay below 20.
pub const MAX_PAYLOADS: usize = 64;

/// What to do with a RESERVED octet that is not zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reserved {
    /// Refuse the message (RFC 2408 5.3).
    #[default]
    MustBeZero,
    /// Read on; the octet stays in the received bytes.
    Ignore,
}

/// The payloads of a received message, with the bytes they were read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    first: PayloadType,
    bytes: Vec<u8>,
    payloads: Vec<Payload>,
    /// Where each payload's generic header starts in `bytes`.
    starts: Vec<usize>,
}

/// Reads the chain that starts with `first`; gives it and the bytes it took.
///
/// What follows a chain is cipher padding in an encrypted message, and an error in a clear one: the caller compares
/// the count. Offsets in errors count from the start of the message, whose header precedes `bytes`.
pub fn decode_chain(first: PayloadType, bytes: &[u8]) -> Result<(Chain, usize), DecodeError> {
    decode_chain_with(first, bytes, Reserved::MustBeZero)
}

/// [`decode_chain`] with a choice about RESERVED octets.
pub fn decode_chain_with(
    first: PayloadType,
    bytes: &[u8],
    reserved: Reserved,
) -> Result<(Chain, usize), DecodeError> {
    let mut r = Reader::at(bytes, HEADER_LEN);
    let (mut payloads, mut starts) = (Vec::new(), Vec::new());
    let mut next = first;
    while next != PayloadType::NONE {
        if payloads.len() == MAX_PAYLOADS {
            return Err(r.error("payload.count", DecodeErrorKind::TooMany { limit: MAX_PAYLOADS }));
        }
        starts.push(r.consumed());
        let payload_type = next;
        let (following, mut body) = decode_generic(&mut r, reserved)?;
        payloads.push(Payload::decode(payload_type, &mut body, reserved)?);
        next = following;
    }
    let consumed = r.consumed();
    let bytes = bytes.get(..consumed).unwrap_or_default().to_vec();
    Ok((Chain { first, bytes, payloads, starts }, consumed))
}

/// Reads a generic header: the next payload's type, and a reader confined to this payload's body.
pub(crate) fn decode_generic<'a>(
    r: &mut Reader<'a>,
    reserved: Reserved,
) -> Result<(PayloadType, Reader<'a>), DecodeError> {
    let next = PayloadType(r.u8("payload.next")?);
    let at = r.offset();
    let octet = r.u8("payload.reserved")?;
    if octet != 0 && reserved == Reserved::MustBeZero {
        let kind = DecodeErrorKind::NotZero { value: octet.into() };
        return Err(DecodeError::new("payload.reserved", at, kind));
    }
    let at = r.offset();
    let length = usize::from(r.u16("payload.length")?);
    let bad_length = DecodeError::new("payload.length", at, DecodeErrorKind::BadLength { length });
    let body = length.checked_sub(GENERIC_HEADER_LEN).ok_or(bad_length)?;
    if body > r.remaining() {
        return Err(bad_length);
    }
    Ok((next, r.sub("payload.body", body)?))
}

/// Writes `payloads` as a chain; gives the type of the first and the bytes.
pub fn encode_chain(payloads: &[Payload]) -> (PayloadType, Vec<u8>) {
    let mut w = Writer::new();
    let mut previous: Option<Slot8> = None;
    for payload in payloads {
        if let Some(slot) = previous {
            w.fill8(slot, payload.payload_type().0);
        }
        let start = w.len();
        previous = Some(w.slot8());
        w.u8(0);
        let length = w.slot16();
        payload.encode(&mut w);
        w.fill_length16(length, start);
    }
    let first = payloads.first().map_or(PayloadType::NONE, Payload::payload_type);
    (first, w.into_bytes())
}

impl Chain {
    /// The type of the first payload; NONE for an empty chain.
    pub fn first_type(&self) -> PayloadType {
        self.first
    }

    /// How many payloads there are.
    pub fn len(&self) -> usize {
        self.payloads.len()
    }

    /// True for a message without payloads.
    pub fn is_empty(&self) -> bool {
        self.payloads.is_empty()
    }

    /// The payload at `index`.
    pub fn get(&self, index: usize) -> Option<&Payload> {
        self.payloads.get(index)
    }

    /// The payloads in order.
    pub fn payloads(&self) -> &[Payload] {
        &self.payloads
    }

    /// The payloads alone.
    pub fn into_payloads(self) -> Vec<Payload> {
        self.payloads
    }

    /// The chain as received, without what followed it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The received bytes from the generic header of payload `index` to the end of the chain; empty when there
    /// is none. `from(1)` is what HASH(1) covers after a leading HASH payload (RFC 2409 5.5).
    pub fn from(&self, index: usize) -> &[u8] {
        let start = self.starts.get(index).copied().unwrap_or(self.bytes.len());
        self.bytes.get(start..).unwrap_or_default()
    }

    /// The received bytes of payload `index`, generic header included; empty when there is none.
    pub fn raw(&self, index: usize) -> &[u8] {
        let from = self.from(index);
        from.get(..from.len() - self.from(index.saturating_add(1)).len()).unwrap_or_default()
    }

    /// The received bytes of payload `index` after its generic header (the RFC's `<P>_b`); empty when there is none.
    pub fn body(&self, index: usize) -> &[u8] {
        self.raw(index).get(GENERIC_HEADER_LEN..).unwrap_or_default()
    }

    /// Where the first payload of `payload_type` is.
    pub fn position(&self, payload_type: PayloadType) -> Option<usize> {
        self.positions(payload_type).next()
    }

    /// Where the payloads of `payload_type` are.
    pub fn positions(&self, payload_type: PayloadType) -> impl Iterator<Item = usize> + '_ {
        let payloads = self.payloads.iter().enumerate();
        payloads.filter(move |(_, payload)| payload.payload_type() == payload_type).map(|(index, _)| index)
    }

    /// The received body of the first payload of `payload_type`.
    pub fn body_of(&self, payload_type: PayloadType) -> Option<&[u8]> {
        self.position(payload_type).map(|index| self.body(index))
    }
}

/// Defines an accessor for the first payload of a kind and one for all of them.
macro_rules! accessors {
    ($($variant:ident($payload:ty): $first:ident, $all:ident;)*) => {
        impl Chain { $(
            #[doc = concat!("The first `", stringify!($payload), "`.")]
            pub fn $first(&self) -> Option<&$payload> {
                self.$all().next()
            }

            #[doc = concat!("Every `", stringify!($payload), "`, in order.")]
            pub fn $all(&self) -> impl Iterator<Item = &$payload> {
                self.payloads.iter().filter_map(|payload| match payload {
                    Payload::$variant(payload) => Some(payload),
                    _ => None,
                })
            }
        )* }
    };
}

accessors! {
    Sa(SaPayload): sa, sas;
    KeyExchange(KeyExchange): key_exchange, key_exchanges;
    Identification(Identification): identification, identifications;
    Certificate(Certificate): certificate, certificates;
    CertificateRequest(CertificateRequest): certificate_request, certificate_requests;
    Hash(Hash): hash, hashes;
    Signature(Signature): signature, signatures;
    Nonce(Nonce): nonce, nonces;
    Notification(Notification): notification, notifications;
    Delete(Delete): delete, deletes;
    VendorId(VendorId): vendor_id, vendor_ids;
    NatD(NatD): nat_d, nat_ds;
    NatOa(NatOa): nat_oa, nat_oas;
}

/// `[SA KE NONCE]`.
impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_types(&self.payloads, f)
    }
}

/// Writes the payloads' types in brackets.
pub(super) fn fmt_types(payloads: &[Payload], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("[")?;
    for (index, payload) in payloads.iter().enumerate() {
        let space = if index == 0 { "" } else { " " };
        write!(f, "{space}{}", payload.payload_type())?;
    }
    f.write_str("]")
}
