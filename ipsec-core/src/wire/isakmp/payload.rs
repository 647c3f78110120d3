//! Every payload of IKE version 1 as one type.

use alloc::vec::Vec;
use core::fmt;

use super::{PayloadType, Reserved};
use crate::wire::ikev1::{
    Certificate, CertificateRequest, Delete, Hash, Identification, KeyExchange, NatD, NatOa, Nonce,
    Notification, SaPayload, Signature, VendorId,
};
use crate::wire::{DecodeError, DecodeErrorKind, Reader, Writer};

/// A payload without its generic header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Security association (RFC 2408 3.4).
    Sa(SaPayload),
    /// Key exchange (RFC 2408 3.7).
    KeyExchange(KeyExchange),
    /// Identification (RFC 2408 3.8, RFC 2407 4.6.2).
    Identification(Identification),
    /// Certificate (RFC 2408 3.9).
    Certificate(Certificate),
    /// Certificate request (RFC 2408 3.10).
    CertificateRequest(CertificateRequest),
    /// Hash (RFC 2408 3.11).
    Hash(Hash),
    /// Signature (RFC 2408 3.12).
    Signature(Signature),
    /// Nonce (RFC 2408 3.13).
    Nonce(Nonce),
    /// Notification (RFC 2408 3.14).
    Notification(Notification),
    /// Delete (RFC 2408 3.15).
    Delete(Delete),
    /// Vendor ID (RFC 2408 3.16).
    VendorId(VendorId),
    /// NAT discovery (RFC 3947 3.2).
    NatD(NatD),
    /// NAT original address (RFC 3947 5.2).
    NatOa(NatOa),
    /// A payload whose contents this crate does not read; it survives as it is.
    Other {
        /// Its number.
        payload_type: PayloadType,
        /// Its octets after the generic header.
        body: Vec<u8>,
    },
}

impl Payload {
    /// The number that announces this payload.
    pub const fn payload_type(&self) -> PayloadType {
        match self {
            Payload::Sa(_) => PayloadType::SA,
            Payload::KeyExchange(_) => PayloadType::KEY_EXCHANGE,
            Payload::Identification(_) => PayloadType::IDENTIFICATION,
            Payload::Certificate(_) => PayloadType::CERTIFICATE,
            Payload::CertificateRequest(_) => PayloadType::CERTIFICATE_REQUEST,
            Payload::Hash(_) => PayloadType::HASH,
            Payload::Signature(_) => PayloadType::SIGNATURE,
            Payload::Nonce(_) => PayloadType::NONCE,
            Payload::Notification(_) => PayloadType::NOTIFICATION,
            Payload::Delete(_) => PayloadType::DELETE,
            Payload::VendorId(_) => PayloadType::VENDOR_ID,
            Payload::NatD(nat_d) => nat_d.payload_type(),
            Payload::NatOa(nat_oa) => nat_oa.payload_type(),
            Payload::Other { payload_type, .. } => *payload_type,
        }
    }

    /// Reads the body of a payload of `payload_type`, which is all that `r` has left.
    ///
    /// Proposals and transforms are refused: they occur inside an SA payload only.
    pub fn decode(
        payload_type: PayloadType,
        r: &mut Reader<'_>,
        reserved: Reserved,
    ) -> Result<Payload, DecodeError> {
        let payload = match payload_type {
            PayloadType::SA => Payload::Sa(SaPayload::decode_with(r, reserved)?),
            PayloadType::KEY_EXCHANGE => Payload::KeyExchange(KeyExchange::decode(r)?),
            PayloadType::IDENTIFICATION => Payload::Identification(Identification::decode(r)?),
            PayloadType::CERTIFICATE => Payload::Certificate(Certificate::decode(r)?),
            PayloadType::CERTIFICATE_REQUEST => Payload::CertificateRequest(CertificateRequest::decode(r)?),
            PayloadType::HASH => Payload::Hash(Hash::decode(r)?),
            PayloadType::SIGNATURE => Payload::Signature(Signature::decode(r)?),
            PayloadType::NONCE => Payload::Nonce(Nonce::decode(r)?),
            PayloadType::NOTIFICATION => Payload::Notification(Notification::decode(r)?),
            PayloadType::DELETE => Payload::Delete(Delete::decode(r)?),
            PayloadType::VENDOR_ID => Payload::VendorId(VendorId::decode(r)?),
            PayloadType::NAT_D | PayloadType::NAT_D_DRAFT => Payload::NatD(NatD::decode(payload_type, r)?),
            PayloadType::NAT_OA | PayloadType::NAT_OA_DRAFT => {
                Payload::NatOa(NatOa::decode(payload_type, r)?)
            }
            PayloadType::NONE | PayloadType::PROPOSAL | PayloadType::TRANSFORM => {
                let value = payload_type.0.into();
                return Err(r.error("payload.next", DecodeErrorKind::BadValue { value }));
            }
            _ => Payload::Other { payload_type, body: r.rest().to_vec() },
        };
        r.expect_empty("payload.length")?;
        Ok(payload)
    }

    /// Writes the body, without a generic header.
    pub fn encode(&self, w: &mut Writer) {
        match self {
            Payload::Sa(payload) => payload.encode(w),
            Payload::KeyExchange(payload) => payload.encode(w),
            Payload::Identification(payload) => payload.encode(w),
            Payload::Certificate(payload) => payload.encode(w),
            Payload::CertificateRequest(payload) => payload.encode(w),
            Payload::Hash(payload) => payload.encode(w),
            Payload::Signature(payload) => payload.encode(w),
            Payload::Nonce(payload) => payload.encode(w),
            Payload::Notification(payload) => payload.encode(w),
            Payload::Delete(payload) => payload.encode(w),
            Payload::VendorId(payload) => payload.encode(w),
            Payload::NatD(payload) => payload.encode(w),
            Payload::NatOa(payload) => payload.encode(w),
            Payload::Other { body, .. } => w.bytes(body),
        }
    }

    /// The body as this payload encodes: what a HASH covers of a payload that is about to be sent.
    pub fn to_body(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.encode(&mut w);
        w.into_bytes()
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Payload::Sa(payload) => payload.fmt(f),
            Payload::KeyExchange(payload) => payload.fmt(f),
            Payload::Identification(payload) => payload.fmt(f),
            Payload::Certificate(payload) => payload.fmt(f),
            Payload::CertificateRequest(payload) => payload.fmt(f),
            Payload::Hash(payload) => payload.fmt(f),
            Payload::Signature(payload) => payload.fmt(f),
            Payload::Nonce(payload) => payload.fmt(f),
            Payload::Notification(payload) => payload.fmt(f),
            Payload::Delete(payload) => payload.fmt(f),
            Payload::VendorId(payload) => payload.fmt(f),
            Payload::NatD(payload) => payload.fmt(f),
            Payload::NatOa(payload) => payload.fmt(f),
            Payload::Other { payload_type, body } => write!(f, "payload {payload_type} len {}", body.len()),
        }
    }
}
