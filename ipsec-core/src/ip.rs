//! What the datapath needs to know of an IP datagram, read and changed in place.
//!
//! The views in [`wire`](crate::wire) are of one family each and borrow the packet; the walks change it. [`IpInfo`] is read
//! once a step, for either family, and says where things are.

use core::net::IpAddr;

use crate::selector::FlowKey;
use crate::wire::checksum::{Checksum, checksum};
use crate::wire::ipv4::{Ipv4, Ipv4Header};
use crate::wire::ipv6::{Ipv6, Ipv6Header};
use crate::wire::{IpProtocol, ipv6};

/// Protocol numbers the datapath acts upon, as the octets of the headers (names: [`IpProtocol`]).
pub mod protocol {
    use crate::wire::IpProtocol;

    /// ICMP for IPv4.
    pub const ICMP: u8 = IpProtocol::ICMP.0;
    /// IPv4 in IP.
    pub const IPV4: u8 = IpProtocol::IPV4.0;
    /// TCP.
    pub const TCP: u8 = IpProtocol::TCP.0;
    /// UDP.
    pub const UDP: u8 = IpProtocol::UDP.0;
    /// DCCP.
    pub const DCCP: u8 = 33;
    /// IPv6 in IP.
    pub const IPV6: u8 = IpProtocol::IPV6.0;
    /// IPv6 fragment header.
    pub const FRAGMENT: u8 = IpProtocol::FRAGMENT.0;
    /// Encapsulating Security Payload.
    pub const ESP: u8 = IpProtocol::ESP.0;
    /// Authentication Header.
    pub const AH: u8 = IpProtocol::AH.0;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = IpProtocol::ICMPV6.0;
    /// No next header: in ESP, a dummy packet (RFC 4303 section 2.6).
    pub const NONE: u8 = IpProtocol::NO_NEXT_HEADER.0;
    /// SCTP.
    pub const SCTP: u8 = 132;
    /// IPv6 mobility header.
    pub const MOBILITY: u8 = 135;
    /// UDP-Lite.
    pub const UDP_LITE: u8 = 136;
}

use protocol::*;

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
    /// An IPv6 fragment header that says "first and last" (RFC 6946), if there is one.
    pub atomic: Option<Place>,
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

fn parse_v4(bytes: &[u8]) -> Option<IpInfo> {
    let packet = Ipv4::decode(bytes).ok()?;
    let fragment = packet.is_fragment().then(|| FragmentInfo {
        offset: packet.fragment_offset().into(),
        more: packet.more_fragments(),
        ident: packet.identification().into(),
        header_at: 0,
    });
    let place = Place { protocol: packet.protocol().0, number_at: 9, offset: packet.header_len() };
    Some(IpInfo {
        source: packet.src().into(),
        destination: packet.dst().into(),
        header_len: packet.header_len(),
        total_len: packet.total_len(),
        traffic_class: packet.tos(),
        ttl: packet.ttl(),
        dont_fragment: packet.dont_fragment(),
        fragment,
        atomic: None,
        transport: place,
        upper: place,
    })
}

fn parse_v6(bytes: &[u8]) -> Option<IpInfo> {
    let packet = Ipv6::decode(bytes).ok()?;
    let mut place = Place { protocol: packet.next_header().0, number_at: 6, offset: ipv6::HEADER_LEN };
    let mut transport = place;
    let (mut fragment, mut announced) = (None, place);
    let mut extensions = packet.extensions();
    // For IPsec, AH is what the headers lead to; in a first fragment it may be cut short.
    while place.protocol != AH {
        let Some(extension) = extensions.next() else { break };
        let extension = extension.ok()?;
        if let Some(header) = extension.fragment() {
            fragment = Some(FragmentInfo {
                offset: header.offset.into(),
                more: header.more,
                ident: header.identification,
                header_at: extension.offset,
            });
            announced = Place { protocol: extension.next_header.0, ..place };
        }
        place = Place {
            protocol: extension.next_header.0,
            number_at: extension.offset,
            offset: extension.offset + extension.bytes.len(),
        };
        if extension.kind != IpProtocol::DESTINATION_OPTIONS {
            transport = place;
        }
    }
    Some(IpInfo {
        source: packet.src().into(),
        destination: packet.dst().into(),
        header_len: ipv6::HEADER_LEN,
        total_len: ipv6::HEADER_LEN + packet.payload_len(),
        traffic_class: packet.traffic_class(),
        ttl: packet.hop_limit(),
        dont_fragment: true,
        // An atomic fragment is a whole datagram (RFC 6946).
        fragment: fragment.filter(|f| f.more || f.offset > 0),
        atomic: fragment.filter(|f| !f.more && f.offset == 0).map(|_| announced),
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

/// The checksum of an upper-layer `payload` between these addresses, pseudo-header included (RFC 768, RFC 8200 section 8.1).
pub fn upper_checksum(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> u16 {
    let sum = Checksum::new().pseudo_header(source, destination, IpProtocol(protocol), payload.len());
    sum.bytes(payload).finish()
}

/// Whether the IPv4 header checksum holds. IPv6 has none.
pub fn header_intact(bytes: &[u8]) -> bool {
    Ipv4::decode(bytes).map_or(true, |packet| packet.checksum_ok())
}

/// Computes the IPv4 header checksum again, after a change. Does nothing to IPv6.
pub fn refresh_checksum(bytes: &mut [u8]) {
    if bytes.first().is_none_or(|b| b >> 4 != 4) {
        return;
    }
    let header_len = bytes.first().map_or(0, |b| usize::from(b & 0x0f) * 4);
    write(bytes, 10, &[0, 0]);
    let sum = bytes.get(..header_len).map_or(0, checksum);
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
        let Some(payload_len) = bytes.len().checked_sub(self.len()) else { return false };
        let protocol = IpProtocol(self.protocol);
        let written = match (self.source, self.destination) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Ipv4Header {
                tos: self.traffic_class,
                identification: self.ident,
                dont_fragment: self.dont_fragment,
                ttl: self.ttl,
                ..Ipv4Header::new(src, dst, protocol)
            }
            .write(bytes, payload_len),
            (IpAddr::V6(src), IpAddr::V6(dst)) => Ipv6Header {
                traffic_class: self.traffic_class,
                hop_limit: self.ttl,
                ..Ipv6Header::new(src, dst, protocol)
            }
            .write(bytes, payload_len),
            _ => return false,
        };
        written.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

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

    #[test]
    fn first_fragment_cut_inside_ah() {
        let mut b = vec_v6(44);
        // Fragment header: AH, offset 0, more; then 16 of the 24 octets that Payload Len 4 announces (RFC 4302 2.2).
        b.extend(hex!("33000001 00000009 01040000 12345678 00000001 5a5a5a5a"));
        b[5] = (b.len() - 40) as u8;
        let info = IpInfo::parse(&b).unwrap();
        assert_eq!(info.upper, Place { protocol: AH, number_at: 40, offset: 48 });
        assert!(info.fragment.is_some_and(|f| f.more));
    }

    fn vec_v6(next: u8) -> alloc::vec::Vec<u8> {
        let mut b = alloc::vec![0; 40];
        (b[0], b[6], b[7]) = (0x60, next, 64);
        b
    }
}
