//! What the datapath needs to know of an IP datagram, read and changed in place.
//!
//! The codecs in [`wire`](crate::wire) build and take apart whole headers; the walks touch a few fields of each packet and
//! must not allocate. [`IpInfo`] is read once a step and says where things are.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::selector::FlowKey;

/// Protocol numbers the datapath acts upon (IANA "Assigned Internet Protocol Numbers").
pub mod protocol {
    /// IPv6 hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// IPv4 in IP.
    pub const IPV4: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// DCCP.
    pub const DCCP: u8 = 33;
    /// IPv6 in IP.
    pub const IPV6: u8 = 41;
    /// IPv6 routing header.
    pub const ROUTING: u8 = 43;
    /// IPv6 fragment header.
    pub const FRAGMENT: u8 = 44;
    /// Encapsulating Security Payload.
    pub const ESP: u8 = 50;
    /// Authentication Header.
    pub const AH: u8 = 51;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// No next header: in ESP, a dummy packet (RFC 4303 section 2.6).
    pub const NONE: u8 = 59;
    /// IPv6 destination options.
    pub const DESTINATION: u8 = 60;
    /// SCTP.
    pub const SCTP: u8 = 132;
    /// IPv6 mobility header.
    pub const MOBILITY: u8 = 135;
    /// UDP-Lite.
    pub const UDP_LITE: u8 = 136;
}

use protocol::*;

/// Extension headers looked through at most; a longer chain is malformed.
const MAX_EXTENSIONS: usize = 16;

/// A place in the header chain: a protocol number, the octet that holds it, and where that protocol's header begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Protocol number of the header at `offset`.
    pub protocol: u8,
    /// Index of the octet that holds `protocol`.
    pub number_at: usize,
    /// Index of the header's first octet.
    pub offset: usize,
}

/// That a datagram is a fragment, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentInfo {
    /// Place of its data in the original, in octets.
    pub offset: usize,
    /// Whether more fragments follow.
    pub more: bool,
    /// The identification all fragments share.
    pub ident: u32,
    /// IPv6: index of the fragment header; IPv4: 0.
    pub header_at: usize,
}

/// Where things are in one IP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpInfo {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Length of the IPv4 header with options; 40 for IPv6.
    pub header_len: usize,
    /// Length of the datagram by its own account, at most that of the buffer.
    pub total_len: usize,
    /// IPv4 type of service, IPv6 traffic class.
    pub traffic_class: u8,
    /// IPv4 time to live, IPv6 hop limit.
    pub ttl: u8,
    /// IPv4 DF; always true for IPv6, which routers do not fragment.
    pub dont_fragment: bool,
    /// `None` for whole datagrams.
    pub fragment: Option<FragmentInfo>,
    /// Where an ESP or AH header belongs in transport mode: behind hop-by-hop, routing and fragment headers, and behind
    /// destination options that a routing header follows (RFC 4303 section 3.1.1).
    pub transport: Place,
    /// The upper-layer protocol, or ESP or AH: behind all extension headers. For a non-first fragment, its data.
    pub upper: Place,
}

impl IpInfo {
    /// Reads the IP header and the IPv6 extension chain. `None` when the datagram is malformed.
    pub fn parse(bytes: &[u8]) -> Option<IpInfo> {
        match bytes.first()? >> 4 {
            4 => parse_v4(bytes),
            6 => parse_v6(bytes),
            _ => None,
        }
    }

    /// Whether this is IPv4.
    pub fn is_v4(&self) -> bool {
        self.source.is_ipv4()
    }

    /// Whether this is a fragment without the beginning of the upper-layer header.
    pub fn is_later_fragment(&self) -> bool {
        self.fragment.is_some_and(|f| f.offset > 0)
    }

    /// The flow of an outgoing packet: its source is local.
    pub fn outbound_flow(&self, bytes: &[u8]) -> FlowKey {
        let (source, destination) = self.ports(bytes);
        FlowKey {
            local: self.source,
            remote: self.destination,
            protocol: self.upper.protocol,
            local_port: source,
            remote_port: destination,
        }
    }

    /// The flow of an incoming packet: its destination is local.
    pub fn inbound_flow(&self, bytes: &[u8]) -> FlowKey {
        let (source, destination) = self.ports(bytes);
        FlowKey {
            local: self.destination,
            remote: self.source,
            protocol: self.upper.protocol,
            local_port: destination,
            remote_port: source,
        }
    }

    /// Source and destination port. ICMP type and code stand in for the sender's port (RFC 4301 section 4.4.1.1).
    fn ports(&self, bytes: &[u8]) -> (Option<u16>, Option<u16>) {
        if self.is_later_fragment() {
            return (None, None);
        }
        let at = self.upper.offset;
        match self.upper.protocol {
            TCP | UDP | DCCP | SCTP | UDP_LITE => (read_u16(bytes, at), read_u16(bytes, at + 2)),
            ICMP | ICMPV6 => (read_u16(bytes, at), None),
            // RFC 4301 section 4.4.1.1: the mobility header type takes the place of a port.
            MOBILITY => (bytes.get(at + 2).map(|t| u16::from(*t) << 8), None),
            _ => (None, None),
        }
    }
}

fn parse_v4(b: &[u8]) -> Option<IpInfo> {
    let header_len = usize::from(b.first()? & 0x0f) * 4;
    let total_len = usize::from(read_u16(b, 2)?);
    if header_len < 20 || total_len < header_len || b.len() < total_len {
        return None;
    }
    let flags = read_u16(b, 6)?;
    let (offset, more) = (usize::from(flags & 0x1fff) * 8, flags & 0x2000 != 0);
    let fragment = (more || offset > 0).then_some(FragmentInfo {
        offset,
        more,
        ident: u32::from(read_u16(b, 4)?),
        header_at: 0,
    });
    let place = Place { protocol: *b.get(9)?, number_at: 9, offset: header_len };
    Some(IpInfo {
        source: Ipv4Addr::from_octets(*b.get(12..)?.first_chunk()?).into(),
        destination: Ipv4Addr::from_octets(*b.get(16..)?.first_chunk()?).into(),
        header_len,
        total_len,
        traffic_class: *b.get(1)?,
        ttl: *b.get(8)?,
        dont_fragment: flags & 0x4000 != 0,
        fragment,
        transport: place,
        upper: place,
    })
}

fn parse_v6(b: &[u8]) -> Option<IpInfo> {
    let total_len = 40 + usize::from(read_u16(b, 4)?);
    if b.len() < total_len {
        return None;
    }
    let mut place = Place { protocol: *b.get(6)?, number_at: 6, offset: 40 };
    let mut transport = place;
    let mut fragment = None;
    for _ in 0..MAX_EXTENSIONS {
        let len = match place.protocol {
            HOP_BY_HOP | ROUTING | DESTINATION => 8 + 8 * usize::from(*b.get(place.offset + 1)?),
            FRAGMENT => {
                let field = read_u16(b, place.offset + 2)?;
                fragment = Some(FragmentInfo {
                    offset: usize::from(field & 0xfff8),
                    more: field & 1 != 0,
                    ident: read_u32(b, place.offset + 4)?,
                    header_at: place.offset,
                });
                8
            }
            _ => break,
        };
        let next =
            Place { protocol: *b.get(place.offset)?, number_at: place.offset, offset: place.offset + len };
        if next.offset > total_len {
            return None;
        }
        if place.protocol != DESTINATION {
            transport = next;
        }
        place = next;
        if fragment.is_some_and(|f| f.offset > 0) {
            break;
        }
    }
    let chain_ends = fragment.is_some_and(|f| f.offset > 0)
        || !matches!(place.protocol, HOP_BY_HOP | ROUTING | DESTINATION | FRAGMENT);
    chain_ends.then_some(())?;
    Some(IpInfo {
        source: Ipv6Addr::from_octets(*b.get(8..)?.first_chunk()?).into(),
        destination: Ipv6Addr::from_octets(*b.get(24..)?.first_chunk()?).into(),
        header_len: 40,
        total_len,
        traffic_class: (read_u16(b, 0)? >> 4) as u8,
        ttl: *b.get(7)?,
        dont_fragment: true,
        // An atomic fragment is a whole datagram (RFC 6946).
        fragment: fragment.filter(|f| f.more || f.offset > 0),
        transport,
        upper: place,
    })
}

/// The big-endian 16-bit number at `at`.
pub fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_be_bytes(*b))
}

/// The big-endian 32-bit number at `at`.
pub fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_be_bytes(*b))
}

/// Writes `value` at `at`; nothing happens when it does not fit.
pub fn write(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(to) = bytes.get_mut(at..at + value.len()) {
        to.copy_from_slice(value);
    }
}

/// The Internet checksum of the concatenation of `parts`, each of even length but the last (RFC 1071).
pub fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u64;
    for part in parts {
        let (pairs, odd) = part.as_chunks::<2>();
        sum += pairs.iter().map(|p| u64::from(u16::from_be_bytes(*p))).sum::<u64>();
        sum += odd.first().map_or(0, |b| u64::from(*b) << 8);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The checksum of an upper-layer `payload` between these addresses, pseudo-header included (RFC 768, RFC 8200 section 8.1).
pub fn upper_checksum(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> u16 {
    let len = (payload.len() as u32).to_be_bytes();
    let tail = [0, 0, 0, protocol];
    match (source, destination) {
        (IpAddr::V4(s), IpAddr::V4(d)) => checksum(&[&s.octets(), &d.octets(), &len, &tail, payload]),
        (IpAddr::V6(s), IpAddr::V6(d)) => checksum(&[&s.octets(), &d.octets(), &len, &tail, payload]),
        _ => 0,
    }
}

/// Computes the IPv4 header checksum again, after a change. Does nothing to IPv6.
pub fn refresh_checksum(bytes: &mut [u8]) {
    if bytes.first().is_none_or(|b| b >> 4 != 4) {
        return;
    }
    let header_len = bytes.first().map_or(0, |b| usize::from(b & 0x0f) * 4);
    write(bytes, 10, &[0, 0]);
    let sum = bytes.get(..header_len).map_or(0, |header| checksum(&[header]));
    write(bytes, 10, &sum.to_be_bytes());
}

/// Makes the IP header's length field say what the buffer holds, and the checksum fit. `false` when the length does not fit
/// the field.
#[must_use]
pub fn refresh_length(bytes: &mut [u8]) -> bool {
    let v4 = bytes.first().is_some_and(|b| b >> 4 == 4);
    let (at, len) = if v4 { (2, bytes.len()) } else { (4, bytes.len().saturating_sub(40)) };
    let Ok(len) = u16::try_from(len) else { return false };
    write(bytes, at, &len.to_be_bytes());
    refresh_checksum(bytes);
    true
}

/// Fields of a fresh IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewHeader {
    /// Source address.
    pub source: IpAddr,
    /// Destination address, of the same family.
    pub destination: IpAddr,
    /// Protocol of the payload.
    pub protocol: u8,
    /// Type of service or traffic class.
    pub traffic_class: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// IPv4 only: the DF bit.
    pub dont_fragment: bool,
    /// IPv4 only: the identification.
    pub ident: u16,
}

impl NewHeader {
    /// Length of the header in octets: 20 or 40.
    pub fn len(&self) -> usize {
        if self.source.is_ipv4() { 20 } else { 40 }
    }

    /// Never: a header has octets.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Writes the header into the first [`len`](Self::len) octets of `bytes`, whose rest is the payload. `false` when the
    /// payload is too long or the families differ.
    #[must_use]
    pub fn write(&self, bytes: &mut [u8]) -> bool {
        match (self.source, self.destination) {
            (IpAddr::V4(s), IpAddr::V4(d)) => {
                let mut h = [0; 20];
                h[0] = 0x45;
                h[1] = self.traffic_class;
                h[4..6].copy_from_slice(&self.ident.to_be_bytes());
                h[6] = if self.dont_fragment { 0x40 } else { 0 };
                h[8] = self.ttl;
                h[9] = self.protocol;
                h[12..16].copy_from_slice(&s.octets());
                h[16..20].copy_from_slice(&d.octets());
                write(bytes, 0, &h);
            }
            (IpAddr::V6(s), IpAddr::V6(d)) => {
                let mut h = [0; 40];
                h[0] = 0x60 | self.traffic_class >> 4;
                h[1] = self.traffic_class << 4;
                h[6] = self.protocol;
                h[7] = self.ttl;
                h[8..24].copy_from_slice(&s.octets());
                h[24..40].copy_from_slice(&d.octets());
                write(bytes, 0, &h);
            }
            _ => return false,
        }
        bytes.len() >= self.len() && refresh_length(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn checksum_of_rfc_1071() {
        // RFC 1071 section 3: the sum is ddf2.
        assert_eq!(checksum(&[&hex!("0001f203f4f5f6f7")]), !0xddf2);
        assert_eq!(
            checksum(&[&[1]]),
            internet_checksum::checksum(&[1]).iter().fold(0, |n, b| n << 8 | u16::from(*b))
        );
    }

    #[test]
    fn place_for_esp_in_ipv6() {
        // hop-by-hop, destination options, routing, fragment (atomic), destination options, UDP: RFC 4303 section 3.1.1.
        let mut b = vec_v6(0);
        for next in [60, 43, 44, 60, 17] {
            b.extend([next, 0, 0, 0, 0, 0, 0, 0]);
        }
        b.extend(hex!("0035 1234 0008 0000"));
        b[5] = (b.len() - 40) as u8;
        let info = IpInfo::parse(&b).unwrap();
        assert_eq!(info.transport, Place { protocol: 60, number_at: 64, offset: 72 });
        assert_eq!(info.upper, Place { protocol: 17, number_at: 72, offset: 80 });
        let flow = info.outbound_flow(&b);
        assert_eq!((flow.local_port, flow.remote_port), (Some(0x35), Some(0x1234)));
        for n in 0..b.len() {
            assert_eq!(IpInfo::parse(&b[..n]), None);
        }
    }

    fn vec_v6(next: u8) -> alloc::vec::Vec<u8> {
        let mut b = alloc::vec![0; 40];
        (b[0], b[6], b[7]) = (0x60, next, 64);
        b
    }
}
