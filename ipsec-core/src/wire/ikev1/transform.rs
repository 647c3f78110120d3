//! The Transform payload (RFC 2408 3.6).
//!
//! ```text
//!                     1                   2                   3
//! 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ! Next Payload  !   RESERVED    !         Payload Length        !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! !  Transform #  !  Transform-Id !           RESERVED2           !
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                        SA Attributes                          ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use alloc::vec::Vec;

use super::Attribute;
use crate::wire::isakmp::Reserved;
use crate::wire::{DecodeError, DecodeErrorKind, Reader, Writer};

/// One way to protect: a transform and its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transform {
    /// Transform number; the responder echoes it.
    pub number: u8,
    /// Transform-Id, in the number space of the proposal's protocol (`IsakmpTransform`, `EspTransform`, ...).
    pub id: u8,
    /// SA attributes in the order and form in which they were sent.
    pub attributes: Vec<Attribute>,
}

impl Transform {
    /// The first attribute of type `kind`.
    pub fn attribute(&self, kind: impl Into<u16>) -> Option<&Attribute> {
        let kind = kind.into();
        self.attributes.iter().find(|attribute| attribute.kind == kind)
    }

    /// Reads what follows the generic header. RFC 2408 3.6 has RESERVED2 set to 0; in message 2 of main mode nothing
    /// authenticates it, so this is the only check that it has.
    pub fn decode_with(r: &mut Reader<'_>, reserved: Reserved) -> Result<Transform, DecodeError> {
        let number = r.u8("transform.number")?;
        let id = r.u8("transform.id")?;
        let at = r.offset();
        let octets = r.u16("transform.reserved2")?;
        if octets != 0 && reserved == Reserved::MustBeZero {
            let kind = DecodeErrorKind::NotZero { value: octets.into() };
            return Err(DecodeError::new("transform.reserved2", at, kind));
        }
        Ok(Transform { number, id, attributes: Attribute::decode_all(r)? })
    }

    /// Writes what follows the generic header.
    pub fn encode(&self, w: &mut Writer) {
        w.u8(self.number);
        w.u8(self.id);
        w.u16(0);
        self.attributes.iter().for_each(|attribute| attribute.encode(w));
    }
}
