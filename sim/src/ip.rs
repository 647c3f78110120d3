//! The little of IP that forwarding, filters and descriptions need: a borrowed view of a datagram, and building one.

use std::net::IpAddr;

/// Protocol numbers (IANA).
pub mod protocol {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// Encapsulating Security Payload.
    pub const ESP: u8 = 50;
    /// Authentication Header.
    pub const AH: u8 = 51;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
}

/// IKE's UDP port (RFC 2408 section 2.5.1).
pub const IKE_PORT: u16 = 500;
/// IKE and ESP in UDP (RFC 3948).
pub const NATT_PORT: u16 = 4500;

/// What a datagram's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpView<'a> {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Upper-layer protocol; for IPv6 the one after the extension headers.
    pub protocol: u8,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Identification (16 bits in IPv4; 32 in an IPv6 fragment header, else 0).
    pub ident: u32,
    /// Don't Fragment; always true in IPv6, where routers never fragment.
    pub dont_fragment: bool,
    /// Offset of this fragment in octets.
    pub offset: u16,
    /// Whether more fragments follow.
    pub more: bool,
    /// Octets in front of the payload, extension headers included.
    pub header_len: usize,
    /// What follows the header.
    pub payload: &'a [u8],
}

impl<'a> IpView<'a> {
    /// Reads a header (RFC 791 section 3.1, RFC 8200 section 3); `None` when it is not well-formed.
    pub fn parse(bytes: &'a [u8]) -> Option<IpView<'a>> {
        match bytes.first()? >> 4 {
            4 => Self::parse_v4(bytes),
            6 => Self::parse_v6(bytes),
            _ => None,
        }
    }

    /// Reads the header of a datagram that is cut short, as ICMP errors quote it.
    pub fn parse_quoted(bytes: &'a [u8]) -> Option<IpView<'a>> {
        match bytes.first()? >> 4 {
            4 => Self::read_v4(bytes, bytes.len()),
            6 => Self::read_v6(bytes, bytes.len()),
            _ => None,
        }
    }

    fn parse_v4(bytes: &'a [u8]) -> Option<IpView<'a>> {
        let total = usize::from(be16(bytes, 2)?);
        if bytes.len() < total { None } else { Self::read_v4(bytes, total) }
    }

    fn read_v4(bytes: &'a [u8], total: usize) -> Option<IpView<'a>> {
        let header_len = usize::from(bytes[0] & 15) * 4;
        if header_len < 20 || total < header_len {
            return None;
        }
        let flags = be16(bytes, 6)?;
        Some(IpView {
            source: IpAddr::from(<[u8; 4]>::try_from(bytes.get(12..16)?).ok()?),
            destination: IpAddr::from(<[u8; 4]>::try_from(bytes.get(16..20)?).ok()?),
            protocol: *bytes.get(9)?,
            ttl: *bytes.get(8)?,
            ident: u32::from(be16(bytes, 4)?),
            dont_fragment: flags & 0x4000 != 0,
            offset: (flags & 0x1fff) << 3,
            more: flags & 0x2000 != 0,
            header_len,
            payload: bytes.get(header_len..total)?,
        })
    }

    fn parse_v6(bytes: &'a [u8]) -> Option<IpView<'a>> {
        Self::read_v6(bytes, 40 + usize::from(be16(bytes, 4)?))
    }

    fn read_v6(bytes: &'a [u8], total: usize) -> Option<IpView<'a>> {
        let mut view = IpView {
            source: IpAddr::from(<[u8; 16]>::try_from(bytes.get(8..24)?).ok()?),
            destination: IpAddr::from(<[u8; 16]>::try_from(bytes.get(24..40)?).ok()?),
            protocol: *bytes.get(6)?,
            ttl: *bytes.get(7)?,
            ident: 0,
            dont_fragment: true,
            offset: 0,
            more: false,
            header_len: 40,
            payload: &[],
        };
        // Hop-by-hop, routing, destination options and fragment headers (RFC 8200 section 4).
        while matches!(view.protocol, 0 | 43 | 44 | 60) {
            let header = bytes.get(view.header_len..total)?;
            let len = if view.protocol == 44 { 8 } else { (usize::from(*header.get(1)?) + 1) * 8 };
            if view.protocol == 44 {
                let field = be16(header, 2)?;
                (view.offset, view.more) = (field & 0xfff8, field & 1 != 0);
                view.ident = u32::from(be16(header, 4)?) << 16 | u32::from(be16(header, 6)?);
            }
            view.protocol = header[0];
            view.header_len += len;
            if view.offset != 0 {
                break;
            }
        }
        view.payload = bytes.get(view.header_len..total)?;
        Some(view)
    }

    /// Whether this is a part of a larger datagram.
    pub fn is_fragment(&self) -> bool {
        self.more || self.offset != 0
    }

    /// Source and destination port, when the packet is TCP or UDP and carries them.
    pub fn ports(&self) -> Option<(u16, u16)> {
        let has = matches!(self.protocol, protocol::TCP | protocol::UDP) && self.offset == 0;
        if has { Some((be16(self.payload, 0)?, be16(self.payload, 2)?)) } else { None }
    }

    /// Whether this is an IKE datagram: UDP 500, or UDP 4500 behind the non-ESP marker (RFC 3948 section 2.2).
    pub fn is_ike(&self) -> bool {
        self.isakmp().is_some()
    }

    /// The ISAKMP message inside, as far as this datagram or first fragment carries it.
    pub fn isakmp(&self) -> Option<&'a [u8]> {
        let (source, destination) = self.ports()?;
        if self.protocol != protocol::UDP {
            return None;
        }
        let data = self.payload.get(8..)?;
        if source == IKE_PORT || destination == IKE_PORT {
            return Some(data);
        }
        let floated = source == NATT_PORT || destination == NATT_PORT;
        if floated { data.strip_prefix(&[0, 0, 0, 0]) } else { None }
    }

    /// SPI and sequence number of the outermost ESP or AH header, with its protocol; ESP in UDP counts.
    pub fn sa(&self) -> Option<(u8, u32, u32)> {
        if self.offset != 0 {
            return None;
        }
        match self.protocol {
            protocol::ESP => Some((protocol::ESP, be32(self.payload, 0)?, be32(self.payload, 4)?)),
            protocol::AH => Some((protocol::AH, be32(self.payload, 4)?, be32(self.payload, 8)?)),
            protocol::UDP => {
                let (source, destination) = self.ports()?;
                let data = self.payload.get(8..)?;
                let spi = be32(data, 0)?;
                let floated = source == NATT_PORT || destination == NATT_PORT;
                if floated && spi != 0 { Some((protocol::ESP, spi, be32(data, 4)?)) } else { None }
            }
            _ => None,
        }
    }

    /// Whether this is a NAT keepalive: one octet ff to or from port 4500 (RFC 3948 section 2.3).
    pub fn is_keepalive(&self) -> bool {
        let floated = self.ports().is_some_and(|(from, to)| from == NATT_PORT || to == NATT_PORT);
        self.protocol == protocol::UDP && floated && self.payload.get(8..) == Some(&[0xff])
    }

    /// Whether nothing of the payload is readable or forgeable by design: ESP, AH or IKE.
    pub fn is_ipsec(&self) -> bool {
        matches!(self.protocol, protocol::ESP | protocol::AH) || self.is_ike() || self.sa().is_some()
    }
}

/// Sixteen bits at `at`, big-endian.
pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Thirty-two bits at `at`, big-endian.
pub(crate) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The Internet checksum of `parts` laid end to end; all but the last have even length (RFC 1071).
pub fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u64;
    for part in parts {
        let mut words = part.chunks_exact(2);
        for w in &mut words {
            sum += u64::from(u16::from_be_bytes([w[0], w[1]]));
        }
        if let [last] = words.remainder() {
            sum += u64::from(*last) << 8;
        }
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The checksum over pseudo-header and segment (RFC 793, RFC 768, RFC 8200 section 8.1).
pub(crate) fn transport_checksum(source: IpAddr, destination: IpAddr, protocol: u8, segment: &[u8]) -> u16 {
    let len = (segment.len() as u32).to_be_bytes();
    let next = [0, protocol];
    match (source, destination) {
        (IpAddr::V4(s), IpAddr::V4(d)) => checksum(&[&s.octets(), &d.octets(), &next, &len, segment]),
        (IpAddr::V6(s), IpAddr::V6(d)) => checksum(&[&s.octets(), &d.octets(), &next, &len, segment]),
        _ => 0,
    }
}

/// Whether an IPv4 header's checksum holds; IPv6 has none.
pub(crate) fn header_intact(bytes: &[u8]) -> bool {
    let Some(first) = bytes.first() else { return false };
    first >> 4 == 6 || bytes.get(..usize::from(first & 15) * 4).is_some_and(|h| checksum(&[h]) == 0)
}

/// Writes the checksums of a datagram that was tampered with: the IPv4 header's, and UDP's where there is one, as an
/// adversary would. What is no longer a datagram stays as it is.
pub fn mend_checksums(bytes: &mut [u8]) {
    if bytes.is_empty() {
        return;
    }
    fix_header(bytes);
    let Some(view) = IpView::parse(bytes) else { return };
    let (source, destination, at) = (view.source, view.destination, view.header_len);
    let end = at + view.payload.len();
    if view.protocol != protocol::UDP || view.is_fragment() || view.payload.len() < 8 {
        return;
    }
    bytes[at + 6..at + 8].fill(0);
    let sum = match transport_checksum(source, destination, protocol::UDP, &bytes[at..end]) {
        // RFC 768: zero means that there is none.
        0 => 0xffff,
        sum => sum,
    };
    bytes[at + 6..at + 8].copy_from_slice(&sum.to_be_bytes());
}

/// Writes the checksum of an IPv4 header; does nothing to IPv6.
pub(crate) fn fix_header(bytes: &mut [u8]) {
    let len = usize::from(bytes[0] & 15) * 4;
    if bytes[0] >> 4 == 4 && bytes.len() >= len && len >= 20 {
        bytes[10..12].fill(0);
        let sum = checksum(&[&bytes[..len]]);
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    }
}

/// Takes one from the TTL or hop limit; `false` when it would reach zero (RFC 1812 section 5.3.1).
pub(crate) fn decrement_ttl(bytes: &mut [u8]) -> bool {
    let at = if bytes[0] >> 4 == 4 { 8 } else { 7 };
    if bytes[at] <= 1 {
        return false;
    }
    bytes[at] -= 1;
    fix_header(bytes);
    true
}

/// What a new datagram's header shall say.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// Source address.
    pub source: IpAddr,
    /// Destination address, of the same family.
    pub destination: IpAddr,
    /// Upper-layer protocol.
    pub protocol: u8,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// IPv4 identification.
    pub ident: u16,
    /// IPv4 Don't Fragment.
    pub dont_fragment: bool,
}

/// The octets of a datagram with this header and payload. A payload beyond what the length field takes is cut.
pub fn datagram(header: Header, payload: &[u8]) -> Vec<u8> {
    match (header.source, header.destination) {
        (IpAddr::V4(s), IpAddr::V4(d)) => {
            let payload = &payload[..payload.len().min(65_515)];
            let mut bytes = Vec::with_capacity(20 + payload.len());
            bytes.extend([0x45, 0]);
            bytes.extend((20 + payload.len() as u16).to_be_bytes());
            bytes.extend(header.ident.to_be_bytes());
            bytes.extend([if header.dont_fragment { 0x40 } else { 0 }, 0, header.ttl, header.protocol, 0, 0]);
            bytes.extend(s.octets());
            bytes.extend(d.octets());
            bytes.extend(payload);
            fix_header(&mut bytes);
            bytes
        }
        (s, d) => {
            let octets = |a: IpAddr| match a {
                IpAddr::V4(a) => a.to_ipv6_mapped().octets(),
                IpAddr::V6(a) => a.octets(),
            };
            let payload = &payload[..payload.len().min(65_535)];
            let mut bytes = Vec::with_capacity(40 + payload.len());
            bytes.extend([0x60, 0, 0, 0]);
            bytes.extend((payload.len() as u16).to_be_bytes());
            bytes.extend([header.protocol, header.ttl]);
            bytes.extend(octets(s));
            bytes.extend(octets(d));
            bytes.extend(payload);
            bytes
        }
    }
}

/// A 64-bit fold of some octets: equal octets fold alike on every target. It is no cryptographic hash.
pub fn fold(bytes: &[u8]) -> u64 {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ (bytes.len() as u64);
    let mut mix = |word: u64| {
        state = (state ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        state ^= state >> 32;
    };
    let mut words = bytes.chunks_exact(8);
    for w in &mut words {
        mix(u64::from_le_bytes(w.try_into().unwrap_or_default()));
    }
    let mut last = [0; 8];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    mix(u64::from_le_bytes(last));
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(source: &str, destination: &str) -> Header {
        Header {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            protocol: protocol::UDP,
            ttl: 2,
            ident: 7,
            dont_fragment: true,
        }
    }

    #[test]
    fn header_checksum_is_the_one_of_rfc_1071() {
        // The worked example of RFC 1071 section 3: the sum is ddf2, its complement 220d.
        assert_eq!(checksum(&[&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]]), 0x220d);
    }

    #[test]
    fn what_is_built_parses_for_both_families() {
        for (s, d) in [("10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8::2")] {
            let mut bytes = datagram(header(s, d), &[1, 244, 1, 244, 0, 12, 0, 0, 9, 9, 9, 9]);
            assert!(header_intact(&bytes));
            let view = IpView::parse(&bytes).unwrap();
            assert_eq!(view.source.to_string(), s);
            assert_eq!(view.ports(), Some((500, 500)));
            assert_eq!(view.isakmp(), Some(&[9, 9, 9, 9][..]));
            assert!(decrement_ttl(&mut bytes) && header_intact(&bytes) && !decrement_ttl(&mut bytes));
            for cut in 0..bytes.len() {
                assert_eq!(IpView::parse(&bytes[..cut]), None);
            }
        }
    }
}
