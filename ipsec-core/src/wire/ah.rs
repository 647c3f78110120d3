//! The AH packet format (RFC 4302 2).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Next Header   |  Payload Len  |          RESERVED             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                 Security Parameters Index (SPI)               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                    Sequence Number Field                      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                Integrity Check Value-ICV (variable)           ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use core::fmt;

use super::{DecodeError, DecodeErrorKind, IpProtocol, Reader, Writer};

/// Octets before the ICV.
pub const FIXED_LEN: usize = 12;

/// A view of an AH header and what it precedes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ah<'a> {
    /// What follows.
    pub next_header: IpProtocol,
    /// RESERVED: sent as zero, ignored on receipt, but the ICV covers it (RFC 4302 2.3).
    pub reserved: u16,
    /// Security parameters index.
    pub spi: u32,
    /// Sequence number; with extended ones the low half.
    pub sequence: u32,
    /// Integrity check value, with its padding.
    pub icv: &'a [u8],
    /// What the header precedes.
    pub payload: &'a [u8],
}

impl<'a> Ah<'a> {
    /// Reads the payload of an IP packet of protocol 51.
    pub fn decode(bytes: &'a [u8]) -> Result<Ah<'a>, DecodeError> {
        let mut r = Reader::new(bytes);
        let next_header = IpProtocol(r.u8("ah.next_header")?);
        let length = header_len(r.u8("ah.payload_len")?);
        let reserved = r.u16("ah.reserved")?;
        let spi = r.u32("ah.spi")?;
        let sequence = r.u32("ah.sequence")?;
        let bad = DecodeError::new("ah.payload_len", 1, DecodeErrorKind::BadLength { length });
        let icv = r.bytes("ah.icv", length.checked_sub(FIXED_LEN).ok_or(bad)?)?;
        Ok(Ah { next_header, reserved, spi, sequence, icv, payload: r.rest() })
    }

    /// Octets of the header, ICV included.
    pub const fn header_len(&self) -> usize {
        FIXED_LEN + self.icv.len()
    }

    /// Writes the header and its payload. An ICV whose length is not a multiple of four cannot be told; see
    /// [`icv_padding`].
    pub fn encode(&self, w: &mut Writer) {
        w.u8(self.next_header.0);
        w.u8(payload_len(self.icv.len()));
        w.u16(self.reserved);
        w.u32(self.spi);
        w.u32(self.sequence);
        w.bytes(self.icv);
        w.bytes(self.payload);
    }
}

/// Octets of a header whose Payload Len field is `payload_len`: four-octet units, minus two (RFC 4302 2.2).
pub const fn header_len(payload_len: u8) -> usize {
    (payload_len as usize + 2) * 4
}

/// The Payload Len field for an ICV of `icv_len` octets, padding included.
pub const fn payload_len(icv_len: usize) -> u8 {
    ((FIXED_LEN + icv_len) / 4 - 2) as u8
}

/// Octets of padding after an ICV of `icv_len`: the header is a multiple of 4 octets in IPv4, of 8 in IPv6 (RFC 4302
/// 3.3.3.2.1).
pub const fn icv_padding(icv_len: usize, ipv6: bool) -> usize {
    let align = if ipv6 { 8 } else { 4 };
    (align - (FIXED_LEN + icv_len) % align) % align
}

/// `AH spi 0x12345678 seq 1 icv 12`.
impl fmt::Display for Ah<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AH spi 0x{:08x} seq {} icv {}", self.spi, self.sequence, self.icv.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;
    use hex_literal::hex;
    use proptest::prelude::*;

    /// HMAC-96 in transport mode over ICMP, laid out as RFC 4302 figure 1 says.
    const SAMPLE: [u8; 28] = hex!("01040000 12345678 00000007 000102030405060708090a0b 0800f7ff");

    #[test]
    fn decodes_the_picture() {
        let ah = Ah::decode(&SAMPLE).unwrap();
        assert_eq!((ah.next_header, ah.spi, ah.sequence), (IpProtocol::ICMP, 0x1234_5678, 7));
        assert_eq!((ah.icv.len(), ah.payload, ah.header_len()), (12, hex!("0800f7ff").as_slice(), 24));
        assert_eq!(ah.to_string(), "AH spi 0x12345678 seq 7 icv 12");
        let mut w = Writer::new();
        ah.encode(&mut w);
        assert_eq!(w.as_bytes(), SAMPLE);
    }

    #[test]
    fn rejects_short() {
        for length in 0..24 {
            assert!(Ah::decode(&SAMPLE[..length]).is_err());
        }
    }

    #[test]
    fn rejects_bad_length() {
        let mut bytes = SAMPLE;
        bytes[1] = 0;
        assert_eq!(Ah::decode(&bytes).unwrap_err().field, "ah.payload_len");
        bytes[1] = 255;
        assert_eq!(Ah::decode(&bytes).unwrap_err().field, "ah.icv");
    }

    #[test]
    fn lengths_are_those_of_rfc_4302() {
        // Section 2.2: a 96-bit ICV has Payload Len 4. Section 3.3.3.2.1: no padding is needed for it.
        assert_eq!(payload_len(12), 4);
        assert_eq!((icv_padding(12, false), icv_padding(12, true)), (0, 0));
        // HMAC-SHA-256-128: RFC 4868 with 16 octets needs four more in IPv6.
        assert_eq!((icv_padding(16, false), icv_padding(16, true)), (0, 4));
    }

    proptest! {
        #[test]
        fn agrees_with_etherparse(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let ours = Ah::decode(&bytes);
            match etherparse::IpAuthHeader::from_slice(&bytes) {
                Ok((theirs, rest)) => {
                    let ours = ours.unwrap();
                    prop_assert_eq!(ours.payload, rest);
                    prop_assert_eq!(ours.icv, theirs.raw_icv());
                    prop_assert_eq!((ours.spi, ours.sequence), (theirs.spi, theirs.sequence_number));
                }
                Err(_) => prop_assert!(ours.is_err()),
            }
        }

        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = Ah::decode(&bytes);
        }
    }
}
