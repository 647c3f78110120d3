//! The ESP packet format (RFC 4303 2).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |               Security Parameters Index (SPI)                 |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      Sequence Number                          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                    Payload Data (variable)                    ~
//! +               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |               |     Padding (0-255 bytes)                     |
//! +-+-+-+-+-+-+-+-+               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                               |  Pad Length   | Next Header   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~         Integrity Check Value-ICV   (variable)                ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use core::fmt;

use super::{DecodeError, DecodeErrorKind, IpProtocol, Reader, Writer};

/// Octets of SPI and sequence number.
pub const HEADER_LEN: usize = 8;
/// Octets of Pad Length and Next Header.
pub const TRAILER_LEN: usize = 2;

/// What of an ESP packet is never encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EspHeader {
    /// Security parameters index.
    pub spi: u32,
    /// Sequence number; with extended ones the low half.
    pub sequence: u32,
}

impl EspHeader {
    /// Reads SPI and sequence number.
    pub fn decode(r: &mut Reader<'_>) -> Result<EspHeader, DecodeError> {
        Ok(EspHeader { spi: r.u32("esp.spi")?, sequence: r.u32("esp.sequence")? })
    }

    /// Writes SPI and sequence number.
    pub fn encode(&self, w: &mut Writer) {
        w.bytes(&self.to_bytes());
    }

    /// The eight octets.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        (u64::from(self.spi) << 32 | u64::from(self.sequence)).to_be_bytes()
    }
}

/// `ESP spi 0xc1dd109b seq 5`.
impl fmt::Display for EspHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ESP spi 0x{:08x} seq {}", self.spi, self.sequence)
    }
}

/// What lies at the end of the decrypted octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EspTrailer {
    /// Octets of padding.
    pub pad_len: u8,
    /// What the payload is; 59 marks a dummy packet (RFC 4303 2.6).
    pub next_header: IpProtocol,
}

impl EspTrailer {
    /// Splits decrypted octets into payload and trailer, and checks that the padding counts 1, 2, 3, ... (RFC 4303
    /// 2.4). To be done after the ICV was found good.
    pub fn decode(plaintext: &[u8]) -> Result<(&[u8], EspTrailer), DecodeError> {
        let available = plaintext.len();
        let truncated = DecodeErrorKind::Truncated { needed: TRAILER_LEN, available };
        let (rest, [pad_len, next_header]) =
            plaintext.split_last_chunk().ok_or(DecodeError::new("esp.trailer", available, truncated))?;
        let length = usize::from(*pad_len);
        let at = rest.len();
        let start = at.checked_sub(length);
        let (payload, padding) = start
            .and_then(|start| rest.split_at_checked(start))
            .ok_or(DecodeError::new("esp.pad_length", at, DecodeErrorKind::BadLength { length }))?;
        let mut counted = padding.iter().zip(1..=u8::MAX).enumerate();
        if let Some((place, (octet, _))) = counted.find(|(_, (octet, expected))| *octet != expected) {
            let kind = DecodeErrorKind::BadValue { value: (*octet).into() };
            return Err(DecodeError::new("esp.padding", payload.len() + place, kind));
        }
        Ok((payload, EspTrailer { pad_len: *pad_len, next_header: IpProtocol(*next_header) }))
    }

    /// The trailer that brings `payload_len` octets of payload (IV not counted) to a multiple of `block`, and the
    /// padding before it to a four-octet boundary (RFC 4303 2.4). `block` is a power of two up to 128.
    pub const fn for_payload(payload_len: usize, block: usize, next_header: IpProtocol) -> Self {
        let align = if block < 4 { 4 } else { block };
        let pad_len = (align - (payload_len + TRAILER_LEN) % align) % align;
        EspTrailer { pad_len: pad_len as u8, next_header }
    }

    /// Octets of padding, Pad Length and Next Header together.
    pub const fn len(&self) -> usize {
        self.pad_len as usize + TRAILER_LEN
    }

    /// Never: a trailer has at least two octets.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Writes padding, Pad Length and Next Header over `place`, which has [`EspTrailer::len`] octets.
    pub fn write(&self, place: &mut [u8]) {
        let padding = 1..=self.pad_len;
        let octets = padding.chain([self.pad_len, self.next_header.0]);
        place.iter_mut().zip(octets).for_each(|(place, octet)| *place = octet);
    }
}

/// `pad 2 next IPv4`.
impl fmt::Display for EspTrailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pad {} next {}", self.pad_len, self.next_header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;
    use alloc::vec::Vec;
    use hex_literal::hex;
    use proptest::prelude::*;

    #[test]
    fn decodes_captured() {
        // The start of the first ESP packet between two strongSwan 5.9.8 daemons.
        let mut r = Reader::new(&hex!("c1dd109b00000001f669a895b949711b"));
        let header = EspHeader::decode(&mut r).unwrap();
        assert_eq!(header, EspHeader { spi: 0xc1dd_109b, sequence: 1 });
        assert_eq!(header.to_string(), "ESP spi 0xc1dd109b seq 1");
        assert_eq!(r.remaining(), 8);
        assert_eq!(header.to_bytes(), hex!("c1dd109b00000001"));
    }

    #[test]
    fn rejects_short() {
        assert!(EspHeader::decode(&mut Reader::new(&[0; 7])).is_err());
        assert!(EspTrailer::decode(&[]).is_err() && EspTrailer::decode(&[4]).is_err());
    }

    #[test]
    fn rejects_bad_length() {
        let error = EspTrailer::decode(&[1, 2, 3, 4, 4]).unwrap_err();
        assert_eq!((error.field, error.kind), ("esp.pad_length", DecodeErrorKind::BadLength { length: 4 }));
    }

    #[test]
    fn padding_counts_from_one() {
        // RFC 3602 section 4 case 5 pads 84 octets of IPv4 packet with 01 to 0a, length 0a, next header 04.
        let plain = [vec![0x45; 84], hex!("0102030405060708090a 0a 04").to_vec()].concat();
        let (payload, trailer) = EspTrailer::decode(&plain).unwrap();
        assert_eq!((payload.len(), trailer.pad_len, trailer.next_header), (84, 10, IpProtocol::IPV4));
        assert_eq!(EspTrailer::for_payload(84, 16, IpProtocol::IPV4), trailer);

        let wrong = EspTrailer::decode(&[9, 1, 2, 9, 3, 4]).unwrap_err();
        assert_eq!((wrong.field, wrong.offset), ("esp.padding", 3));
    }

    proptest! {
        #[test]
        fn round_trips(payload in prop::collection::vec(any::<u8>(), 0..64), block in 0_u32..6, next: u8) {
            let block = 1_usize << block;
            let trailer = EspTrailer::for_payload(payload.len(), block, IpProtocol(next));
            let mut plain = payload.clone();
            plain.resize(payload.len() + trailer.len(), 0);
            trailer.write(&mut plain[payload.len()..]);
            prop_assert!(plain.len().is_multiple_of(block.max(4)) && usize::from(trailer.pad_len) < block.max(4));
            prop_assert_eq!(EspTrailer::decode(&plain), Ok((payload.as_slice(), trailer)));
        }

        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = EspTrailer::decode(&bytes);
            let _ = EspHeader::decode(&mut Reader::new(&bytes));
        }
    }
}
