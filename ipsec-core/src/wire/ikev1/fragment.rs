//! Microsoft's IKE fragment (MS-IKEE 2.2.3.1): part of a whole ISAKMP message, whose own header comes in the first part.
//!
//! ```text
//!                     1                   2                   3
//! 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+---------------+---------------+
//! ! Next Payload  !   RESERVED    !         Payload length        !
//! +---------------+---------------+---------------+---------------+
//! !          Fragment ID          !    Number     !     Flags     !
//! +---------------+---------------+---------------+---------------+
//! ~                         Fragment data                         ~
//! +---------------+---------------+---------------+---------------+
//! ```

use alloc::vec::Vec;
use core::fmt;

use crate::wire::isakmp::{Payload, PayloadType};
use crate::wire::{DecodeError, DecodeErrorKind, Reader, Writer};

/// Octets of a fragment payload in front of its data, the generic header among them.
pub const FRAGMENT_HEADER_LEN: usize = 8;

/// The flag of the last fragment of a message.
const LAST_FRAGMENT: u8 = 1;

/// Part of an ISAKMP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The same for all fragments of a message.
    pub id: u16,
    /// The place in the message, from 1.
    pub number: u8,
    /// Whether it is the last one.
    pub last: bool,
    /// Octets of the message.
    pub data: Vec<u8>,
}

impl Fragment {
    /// Reads the body of the payload. Fails when it is cut short, or its number is 0. Unknown flags are ignored.
    pub fn decode(r: &mut Reader<'_>) -> Result<Fragment, DecodeError> {
        let id = r.u16("fragment.id")?;
        let at = r.offset();
        let number = r.u8("fragment.number")?;
        if number == 0 {
            return Err(DecodeError::new("fragment.number", at, DecodeErrorKind::BadValue { value: 0 }));
        }
        let last = r.u8("fragment.flags")? & LAST_FRAGMENT != 0;
        Ok(Fragment { id, number, last, data: r.rest().to_vec() })
    }

    /// Writes the body of the payload.
    pub fn encode(&self, w: &mut Writer) {
        w.u16(self.id);
        w.u8(self.number);
        w.u8(if self.last { LAST_FRAGMENT } else { 0 });
        w.bytes(&self.data);
    }

    /// The payload.
    pub fn to_payload(&self) -> Payload {
        let mut w = Writer::new();
        self.encode(&mut w);
        Payload::Other { payload_type: PayloadType::FRAGMENT, body: w.into_bytes() }
    }
}

impl fmt::Display for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = if self.last { " last" } else { "" };
        write!(f, "FRAG {} {}{last} len {}", self.id, self.number, self.data.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    /// Laid out by hand after the picture in MS-IKEE section 2.2.3.1.
    const BODY: [u8; 7] = [0x12, 0x34, 2, 1, 0xaa, 0xbb, 0xcc];

    #[test]
    fn round_trips() {
        let fragment = Fragment::decode(&mut Reader::new(&BODY)).unwrap();
        let expected = Fragment { id: 0x1234, number: 2, last: true, data: vec![0xaa, 0xbb, 0xcc] };
        assert_eq!(fragment, expected);
        assert_eq!(fragment.to_payload().to_body(), BODY);
        assert_eq!(fragment.to_string(), "FRAG 4660 2 last len 3");
    }

    #[test]
    fn rejects_short() {
        for len in 0..4 {
            assert!(Fragment::decode(&mut Reader::new(&BODY[..len])).is_err());
        }
        assert!(Fragment::decode(&mut Reader::new(&BODY[..4])).unwrap().data.is_empty());
    }

    #[test]
    fn rejects_number_zero_and_ignores_unknown_flags() {
        assert!(Fragment::decode(&mut Reader::new(&[0, 1, 0, 1, 5])).is_err());
        assert!(!Fragment::decode(&mut Reader::new(&[0, 1, 1, 0xfe, 5])).unwrap().last);
    }
}
