//! ESP in UDP (RFC 3948): what port 4500 carries, the UDP header around ESP, and the checksums a NAT has broken.
//!
//! Pure functions over packets; which SA is encapsulated, and where its peer is, the SAD knows.
//!
//! # What the policy sees behind a NAT
//!
//! After decapsulation a transport mode packet has the addresses it arrived with: the source is the NAT's, not the one the
//! client knows itself by (RFC 3948 section 3.1.2 repairs the checksum for exactly these addresses). Selectors of SPD
//! entries and of SAs are therefore about the addresses on packets as this node receives and sends them. The original
//! addresses of NAT-OA serve the checksum and nothing else. In tunnel mode the inner addresses crossed no NAT, and are
//! judged as without one (section 3.1.1, first choice).

use core::net::{IpAddr, SocketAddr};

use crate::ip::{IpInfo, protocol, read_u16, refresh_length, upper_checksum, write};
use crate::packet::Packet;
use crate::wire::checksum;
use crate::wire::udp::{self, Udp};

/// UDP port of IKE and ESP behind a NAT (RFC 3947 section 4).
pub const PORT: u16 = 4500;

/// Four zero octets where ESP has its SPI: IKE follows (RFC 3948 section 2.2).
pub const NON_ESP_MARKER: [u8; 4] = [0; 4];

/// Payload of a NAT keepalive (RFC 3948 section 2.3).
pub const KEEPALIVE: [u8; 1] = [0xff];

/// Octets that encapsulation adds.
pub const OVERHEAD: usize = udp::HEADER_LEN;

/// What a datagram on port 4500 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// An ISAKMP message, its marker taken off.
    Ike(&'a [u8]),
    /// ESP, from its SPI on.
    Esp(&'a [u8]),
    /// A NAT keepalive.
    Keepalive,
}

/// Tells the three kinds of payload apart (RFC 3948 section 2). `None` when it is too short for a marker or an SPI.
pub fn classify(payload: &[u8]) -> Option<Content<'_>> {
    match payload {
        [0xff] => Some(Content::Keepalive),
        [0, 0, 0, 0, message @ ..] => Some(Content::Ike(message)),
        [_, _, _, _, ..] => Some(Content::Esp(payload)),
        _ => None,
    }
}

/// Whether a datagram could be sent there (RFC 1122 section 3.2.1.3; RFC 768: port 0 takes no answers).
pub(crate) fn reachable(peer: SocketAddr) -> bool {
    let everybody = matches!(peer.ip(), IpAddr::V4(address) if address.is_broadcast());
    peer.port() != 0 && !peer.ip().is_unspecified() && !peer.ip().is_multicast() && !everybody
}

/// Source and destination port of the UDP header.
pub type Ports = (u16, u16);

/// Puts the UDP header between the IP header and ESP, for transport and tunnel mode alike (RFC 3948 sections 3.2 and 3.4).
/// `None`, and the packet to be dropped, when it becomes too long.
///
/// The checksum is zero as section 2.1 has it: ESP protects what it would cover. IPv6 forbids that (RFC 8200 section 8.1),
/// and has no NATs to traverse; it is refused.
pub fn encapsulate(packet: &mut Packet, (from, to): Ports) -> Option<()> {
    let info = IpInfo::parse(packet.bytes())?;
    if !info.is_v4() || info.fragment.is_some() || info.total_len + OVERHEAD > usize::from(u16::MAX) {
        return None;
    }
    packet.truncate(info.total_len);
    let at = info.header_len;
    let header = packet.splice_front(at, 0, OVERHEAD)?;
    write(header, 0, &udp::header(from, to, info.total_len - at));
    write(packet.bytes_mut(), info.transport.number_at, &[protocol::UDP]);
    refresh_length(packet.bytes_mut()).then_some(())
}

/// Takes the UDP header off: source and destination port (RFC 3948 sections 3.3 and 3.5). `None`, and the packet
/// unchanged, when there is no whole UDP datagram.
pub fn decapsulate(packet: &mut Packet) -> Option<Ports> {
    let info = IpInfo::parse(packet.bytes()).filter(|i| i.upper.protocol == protocol::UDP)?;
    let at = info.upper.offset;
    let udp = Udp::decode(packet.bytes().get(at..info.total_len)?).ok()?;
    let (ports, end) = ((udp.src_port, udp.dst_port), at + OVERHEAD + udp.payload.len());
    packet.truncate(end);
    packet.splice_front(at, OVERHEAD, 0)?;
    write(packet.bytes_mut(), info.upper.number_at, &[protocol::ESP]);
    refresh_length(packet.bytes_mut()).then_some(ports)
}

/// Makes the TCP or UDP checksum of a decapsulated transport mode packet fit the addresses it now has (RFC 3948 section
/// 3.1.2). `original` are source and destination as the sender's packet had them.
///
/// With them it is the first choice of the section, the incremental one: a segment that was wrong before it was sealed stays
/// wrong. Without them (the drafts let each end tell only its own address) it is the second, computing it anew. A UDP
/// checksum of zero says that there is none and stays (RFC 768). ICMP's covers no addresses. Of a fragment only the first
/// has the field, and only the incremental way can mend it; ESP in transport mode carries none (RFC 4303 section 3.3.4).
pub fn repair_checksum(packet: &mut Packet, original: Option<(IpAddr, IpAddr)>) {
    let Some(info) = IpInfo::parse(packet.bytes()) else { return };
    let field = match info.upper.protocol {
        protocol::TCP => info.upper.offset + 16,
        protocol::UDP => info.upper.offset + 6,
        _ => return,
    };
    let is_udp = info.upper.protocol == protocol::UDP;
    let segment = packet.bytes().get(info.upper.offset..info.total_len).unwrap_or_default();
    let too_short = segment.len() < if is_udp { udp::HEADER_LEN } else { 20 };
    let Some(old) = read_u16(packet.bytes(), field).filter(|_| !too_short) else { return };
    let has_none = is_udp && old == 0;
    if has_none || info.is_later_fragment() || original == Some((info.source, info.destination)) {
        return;
    }
    let new = match original {
        Some((source, destination)) => {
            let sum = replace(old, source, info.source);
            sum.and_then(|sum| replace(sum, destination, info.destination))
        }
        None if info.fragment.is_some() => None,
        None => {
            let at = info.upper.offset;
            write(packet.bytes_mut(), field, &[0, 0]);
            let segment = packet.bytes().get(at..info.total_len).unwrap_or_default();
            // A UDP header may announce less than the datagram has; its checksum covers what it announces.
            let covered = match read_u16(segment, 4).map(usize::from) {
                Some(len) if is_udp && len >= udp::HEADER_LEN => segment.get(..len).unwrap_or(segment),
                _ => segment,
            };
            Some(upper_checksum(info.source, info.destination, info.upper.protocol, covered))
        }
    };
    let Some(new) = new else { return };
    // RFC 768: a computed zero is sent as all ones.
    let new = if is_udp && new == 0 { 0xffff } else { new };
    write(packet.bytes_mut(), field, &new.to_be_bytes());
}

/// The checksum after one address became another (RFC 1624); `None` between families.
fn replace(sum: u16, old: IpAddr, new: IpAddr) -> Option<u16> {
    match (old, new) {
        (IpAddr::V4(old), IpAddr::V4(new)) => Some(checksum::update(sum, &old.octets(), &new.octets())),
        (IpAddr::V6(old), IpAddr::V6(new)) => Some(checksum::update(sum, &old.octets(), &new.octets())),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
