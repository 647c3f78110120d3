//! The Proposal payload (RFC 2408 3.5).
//!
//! ```text
//!                     1                   2                   3
//! 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! Next Payload  !   RESERVED    !         Payload Length        !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !  Proposal #   !  Protocol-Id  !    SPI Size   !# of Transforms!
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !                        SPI (variable)                         !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use alloc::vec::Vec;
use core::fmt;

use super::{
    AhTransform, EspTransform, IpcompTransform, IsakmpTransform, Phase1Attribute, Phase2Attribute,
    ProtocolId, Transform,
};
use crate::wire::isakmp::{PayloadType, Reserved};
use crate::wire::{DecodeError, DecodeErrorKind, Reader, Writer};

/// The most proposals an SA payload may have.
pub const MAX_PROPOSALS: usize = 64;

/// One protocol with the transforms to choose from.
///
/// Proposals of the same number stand together (AND), different numbers are alternatives (OR): RFC 2408 4.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Proposal number; the responder echoes it.
    pub number: u8,
    /// The protocol proposed.
    pub protocol: ProtocolId,
    /// The sender's SPI; empty for ISAKMP in phase 1, where the cookies serve (RFC 2408 2.4).
    pub spi: Vec<u8>,
    /// The transforms, most wanted first.
    pub transforms: Vec<Transform>,
}

impl Proposal {
    /// The SPI as the number AH and ESP use; `None` when it is not four octets.
    pub fn spi_u32(&self) -> Option<u32> {
        <[u8; 4]>::try_from(self.spi.as_slice()).ok().map(u32::from_be_bytes)
    }

    /// Reads what follows the generic header; "# of Transforms" must be the truth.
    pub fn decode_with(r: &mut Reader<'_>, reserved: Reserved) -> Result<Proposal, DecodeError> {
        let number = r.u8("proposal.number")?;
        let protocol = ProtocolId(r.u8("proposal.protocol")?);
        let spi_size = r.u8("proposal.spi_size")?.into();
        let count_at = r.offset();
        let count: usize = r.u8("proposal.transforms")?.into();
        let spi = r.bytes("proposal.spi", spi_size)?.to_vec();
        let mut transforms = Vec::new();
        let list =
            List { item: PayloadType::TRANSFORM, field: "transform.next", limit: u8::MAX.into(), reserved };
        list.decode(r, |body| {
            transforms.push(Transform::decode_with(body, reserved)?);
            Ok(())
        })?;
        if transforms.len() != count {
            let kind = DecodeErrorKind::BadLength { length: count };
            return Err(DecodeError::new("proposal.transforms", count_at, kind));
        }
        Ok(Proposal { number, protocol, spi, transforms })
    }

    /// Writes what follows the generic header.
    pub fn encode(&self, w: &mut Writer) {
        w.u8(self.number);
        w.u8(self.protocol.0);
        w.u8(u8::try_from(self.spi.len()).unwrap_or(u8::MAX));
        w.u8(u8::try_from(self.transforms.len()).unwrap_or(u8::MAX));
        w.bytes(&self.spi);
        encode_list(w, PayloadType::TRANSFORM, &self.transforms, Transform::encode);
    }
}

/// A list of payloads of one type inside another payload: each announces `item` or the end.
pub(super) struct List {
    /// The type of every payload in the list.
    pub(super) item: PayloadType,
    /// The name of the next-payload field, for errors.
    pub(super) field: &'static str,
    /// The most items.
    pub(super) limit: usize,
    /// What to do with RESERVED.
    pub(super) reserved: Reserved,
}

impl List {
    /// Reads at least one payload, up to the end of `r`.
    pub(super) fn decode(
        &self,
        r: &mut Reader<'_>,
        mut item: impl FnMut(&mut Reader<'_>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        for _ in 0..self.limit {
            let at = r.offset();
            let (next, mut body) = crate::wire::isakmp::decode_generic(r, self.reserved)?;
            item(&mut body)?;
            body.expect_empty(self.field)?;
            if next == PayloadType::NONE {
                return r.expect_empty(self.field);
            }
            if next != self.item {
                return Err(DecodeError::new(
                    self.field,
                    at,
                    DecodeErrorKind::BadValue { value: next.0.into() },
                ));
            }
        }
        Err(r.error(self.field, DecodeErrorKind::TooMany { limit: self.limit }))
    }
}

/// Writes `items` as a list: each with its generic header, announcing `kind` or the end.
pub(super) fn encode_list<T>(w: &mut Writer, kind: PayloadType, items: &[T], encode: fn(&T, &mut Writer)) {
    for (index, item) in items.iter().enumerate() {
        let start = w.len();
        w.u8(if index + 1 == items.len() { PayloadType::NONE.0 } else { kind.0 });
        w.u8(0);
        let length = w.slot16();
        encode(item, w);
        w.fill_length16(length, start);
    }
}

/// `#1 PROTO_IPSEC_ESP spi c1dd109b (#1 ESP_DES Life-Type=seconds ...)`.
impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {}", self.number, self.protocol)?;
        if !self.spi.is_empty() {
            f.write_str(" spi ")?;
            self.spi.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
        }
        for transform in &self.transforms {
            write!(f, " (#{} ", transform.number)?;
            match self.protocol {
                ProtocolId::ISAKMP => write!(f, "{}", IsakmpTransform(transform.id))?,
                ProtocolId::AH => write!(f, "{}", AhTransform(transform.id))?,
                ProtocolId::ESP => write!(f, "{}", EspTransform(transform.id))?,
                ProtocolId::IPCOMP => write!(f, "{}", IpcompTransform(transform.id))?,
                _ => write!(f, "{}", transform.id)?,
            }
            for attribute in &transform.attributes {
                f.write_str(" ")?;
                match self.protocol {
                    ProtocolId::ISAKMP => Phase1Attribute::fmt_attribute(attribute, f)?,
                    _ => Phase2Attribute::fmt_attribute(attribute, f)?,
                }
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}
