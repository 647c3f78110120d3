//! Data attributes (RFC 2408 3.3).
//!
//! ```text
//!                     1                   2                   3
//! 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !A!       Attribute Type        !    AF=0  Attribute Length     !
//! !F!                             !    AF=1  Attribute Value      !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! .                   AF=0  Attribute Value                       .
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use alloc::vec::Vec;
use core::fmt;

use crate::wire::{DecodeError, DecodeErrorKind, Reader, Writer};

/// The most attributes a transform may have; the registries hold 17.
pub const MAX_ATTRIBUTES: usize = 64;

const AF: u16 = 0x8000;

/// One attribute, in the form in which it was sent.
///
/// A responder returns attributes unmodified (RFC 2408 4.2), so the form is kept: four seconds sent as a TLV of
/// four octets are not the same attribute as four seconds sent as a TV.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Attribute type without the format bit, 0 to 32767; what it means depends on the phase.
    pub kind: u16,
    /// Its value.
    pub value: AttributeValue,
}

/// An attribute's value in one of the two formats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// Two octets in place of the length (AF=1, "TV").
    Basic(u16),
    /// Length and octets (AF=0, "TLV").
    Variable(Vec<u8>),
}

impl Attribute {
    /// A basic attribute. The format bit of `kind` is ignored.
    pub fn basic(kind: impl Into<u16>, value: impl Into<u16>) -> Self {
        Attribute { kind: kind.into() & !AF, value: AttributeValue::Basic(value.into()) }
    }

    /// A variable-length attribute. The format bit of `kind` is ignored.
    pub fn variable(kind: impl Into<u16>, value: Vec<u8>) -> Self {
        Attribute { kind: kind.into() & !AF, value: AttributeValue::Variable(value) }
    }

    /// A duration as Windows writes it: four octets, also when two would do.
    pub fn long(kind: impl Into<u16>, value: u32) -> Self {
        Attribute::variable(kind, value.to_be_bytes().to_vec())
    }

    /// A duration in its shortest form: basic when it fits two octets, else four octets.
    pub fn number(kind: impl Into<u16>, value: u32) -> Self {
        match u16::try_from(value) {
            Ok(short) => Attribute::basic(kind, short),
            Err(_) => Attribute::long(kind, value),
        }
    }

    /// The value as a number, in either format; `None` when it is empty or above 64 bits.
    pub fn as_u64(&self) -> Option<u64> {
        match &self.value {
            AttributeValue::Basic(value) => Some((*value).into()),
            AttributeValue::Variable(octets) if octets.is_empty() => None,
            AttributeValue::Variable(octets) => octets.iter().try_fold(0_u64, |sum, octet| {
                // Leading zeros carry no weight; a value that would be shifted out is refused.
                (sum >> 56 == 0).then_some(sum << 8 | u64::from(*octet))
            }),
        }
    }

    /// The value of a basic attribute. Those that are defined as basic MUST NOT be sent as variable (RFC 2409
    /// App. A, RFC 2407 4.5), so `None` means that such an attribute is malformed.
    pub fn as_basic(&self) -> Option<u16> {
        match self.value {
            AttributeValue::Basic(value) => Some(value),
            AttributeValue::Variable(_) => None,
        }
    }

    /// Reads one attribute.
    pub fn decode(r: &mut Reader<'_>) -> Result<Attribute, DecodeError> {
        let word = r.u16("attribute.type")?;
        let kind = word & !AF;
        if word & AF != 0 {
            return Ok(Attribute { kind, value: AttributeValue::Basic(r.u16("attribute.value")?) });
        }
        let length = r.u16("attribute.length")?.into();
        let octets = r.bytes("attribute.value", length)?;
        Ok(Attribute { kind, value: AttributeValue::Variable(octets.to_vec()) })
    }

    /// Reads attributes to the end of `r`.
    pub fn decode_all(r: &mut Reader<'_>) -> Result<Vec<Attribute>, DecodeError> {
        let mut attributes = Vec::new();
        while !r.is_empty() {
            if attributes.len() == MAX_ATTRIBUTES {
                return Err(r.error("attribute.count", DecodeErrorKind::TooMany { limit: MAX_ATTRIBUTES }));
            }
            attributes.push(Attribute::decode(r)?);
        }
        Ok(attributes)
    }

    /// Writes the attribute in its form.
    pub fn encode(&self, w: &mut Writer) {
        match &self.value {
            AttributeValue::Basic(value) => {
                w.u16(self.kind | AF);
                w.u16(*value);
            }
            AttributeValue::Variable(octets) => {
                w.u16(self.kind & !AF);
                let length = w.slot16();
                let start = w.len();
                w.bytes(octets);
                w.fill_length16(length, start);
            }
        }
    }
}

/// `4=2`, the numbers alone; a long value in hexadecimal.
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.kind, self.value)
    }
}

impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttributeValue::Basic(value) => write!(f, "{value}"),
            AttributeValue::Variable(octets) => match octets.as_slice() {
                [a, b, c, d] => write!(f, "{}", u32::from_be_bytes([*a, *b, *c, *d])),
                octets => {
                    f.write_str("0x")?;
                    octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
                }
            },
        }
    }
}
