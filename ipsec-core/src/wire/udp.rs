//! The UDP header (RFC 768).
//!
//! ```text
//!  0      7 8     15 16    23 24    31
//! +--------+--------+--------+--------+
//! |   Source Port   | Destination Port|
//! +--------+--------+--------+--------+
//! |     Length      |    Checksum     |
//! +--------+--------+--------+--------+
//! ```

use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use super::checksum::Checksum;
use super::{DecodeError, DecodeErrorKind, IpProtocol, Reader};

/// Octets of the header.
pub const HEADER_LEN: usize = 8;

/// A view of a UDP datagram whose length has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Udp<'a> {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// The Checksum field; zero means that the sender computed none.
    pub checksum: u16,
    /// The payload, without what lies beyond the length field.
    pub payload: &'a [u8],
    datagram: &'a [u8],
}

impl<'a> Udp<'a> {
    /// Reads the payload of an IP packet; its Length may leave octets out, but not claim more than there are.
    pub fn decode(bytes: &'a [u8]) -> Result<Udp<'a>, DecodeError> {
        let mut r = Reader::new(bytes);
        let src_port = r.u16("udp.src_port")?;
        let dst_port = r.u16("udp.dst_port")?;
        let length = usize::from(r.u16("udp.length")?);
        let checksum = r.u16("udp.checksum")?;
        let bad = DecodeError::new("udp.length", 4, DecodeErrorKind::BadLength { length });
        let datagram = bytes.get(..length).ok_or(bad)?;
        let payload = datagram.get(HEADER_LEN..).ok_or(bad)?;
        Ok(Udp { src_port, dst_port, checksum, payload, datagram })
    }

    /// True when the checksum is right, or absent, which IPv4 alone allows (RFC 8200 8.1).
    pub fn checksum_ok(&self, src: IpAddr, dst: IpAddr) -> bool {
        if self.checksum == 0 {
            return src.is_ipv4();
        }
        sum(src, dst, self.datagram).finish() == 0
    }
}

fn sum(src: IpAddr, dst: IpAddr, datagram: &[u8]) -> Checksum {
    Checksum::new().pseudo_header(src, dst, IpProtocol::UDP, datagram.len()).bytes(datagram)
}

/// Computes the checksum of `datagram` in place; zero is sent as all ones (RFC 768).
pub fn fill_checksum(src: IpAddr, dst: IpAddr, datagram: &mut [u8]) {
    if let Some(field) = datagram.get_mut(6..8) {
        field.fill(0);
    }
    let checksum = match sum(src, dst, datagram).finish() {
        0 => 0xffff,
        checksum => checksum,
    };
    if let Some(field) = datagram.get_mut(6..8) {
        field.copy_from_slice(&checksum.to_be_bytes());
    }
}

/// Header with a zero checksum for a payload of `payload_len` octets; a length beyond 65535 saturates.
pub fn header(src_port: u16, dst_port: u16, payload_len: usize) -> [u8; HEADER_LEN] {
    let length = u16::try_from(payload_len.saturating_add(HEADER_LEN)).unwrap_or(u16::MAX);
    let [[a, b], [c, d], [e, f]] = [src_port, dst_port, length].map(u16::to_be_bytes);
    [a, b, c, d, e, f, 0, 0]
}

/// A whole datagram with its checksum.
pub fn datagram(src: (IpAddr, u16), dst: (IpAddr, u16), payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(HEADER_LEN + payload.len());
    datagram.extend_from_slice(&header(src.1, dst.1, payload.len()));
    datagram.extend_from_slice(payload);
    fill_checksum(src.0, dst.0, &mut datagram);
    datagram
}

/// `500 > 500: UDP len 176`.
impl fmt::Display for Udp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}: UDP len {}", self.src_port, self.dst_port, self.payload.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use core::net::{Ipv4Addr, Ipv6Addr};
    use hex_literal::hex;
    use proptest::prelude::*;

    /// Port 500 to port 500, nothing inside, no checksum.
    const ZERO_LENGTH: [u8; 8] = hex!("01f401f400080000");

    #[test]
    fn decodes_an_empty_datagram() {
        let udp = Udp::decode(&ZERO_LENGTH).unwrap();
        assert_eq!((udp.src_port, udp.dst_port, udp.payload), (500, 500, [].as_slice()));
        assert!(udp.checksum_ok(Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()));
        assert!(!udp.checksum_ok(Ipv6Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()));
    }

    #[test]
    fn rejects_short() {
        for length in 0..ZERO_LENGTH.len() {
            assert!(Udp::decode(&ZERO_LENGTH[..length]).is_err());
        }
    }

    #[test]
    fn rejects_bad_length() {
        for length in [0, 7, 9, 65535_u16] {
            let mut bytes = ZERO_LENGTH;
            bytes[4..6].copy_from_slice(&length.to_be_bytes());
            let error = Udp::decode(&bytes).unwrap_err();
            assert_eq!((error.field, error.offset), ("udp.length", 4));
        }
    }

    proptest! {
        #[test]
        fn equals_etherparse(
            src: [u8; 4], dst: [u8; 4], ports: (u16, u16), payload in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let ours = datagram((src.into(), ports.0), (dst.into(), ports.1), &payload);
            let mut theirs = vec![];
            let header = etherparse::UdpHeader::with_ipv4_checksum(
                ports.0, ports.1, &etherparse::Ipv4Header::new(0, 64, 17.into(), src, dst).unwrap(), &payload,
            ).unwrap();
            header.write(&mut theirs).unwrap();
            theirs.extend_from_slice(&payload);
            prop_assert_eq!(&ours, &theirs);
            let udp = Udp::decode(&ours).unwrap();
            prop_assert!(udp.checksum_ok(src.into(), dst.into()));
            prop_assert_eq!(udp.payload, payload);
        }

        #[test]
        fn equals_etherparse_over_ipv6(src: [u8; 16], dst: [u8; 16], payload in prop::collection::vec(any::<u8>(), 0..80)) {
            let ours = datagram((src.into(), 500), (dst.into(), 4500), &payload);
            let header = etherparse::Ipv6Header { source: src, destination: dst, ..Default::default() };
            let theirs = etherparse::UdpHeader::with_ipv6_checksum(500, 4500, &header, &payload).unwrap();
            prop_assert_eq!(&ours[..8], theirs.to_bytes());
        }

        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = Udp::decode(&bytes);
        }
    }
}
