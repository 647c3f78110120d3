//! The IPv4 packets in a capture.

use pcap_file::DataLink;
use pcap_file::pcap::PcapReader;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// An IPv4 packet of a capture, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpPacket {
    /// Since the first frame, in microseconds.
    pub micros: u64,
    /// Its protocol: 17 is UDP, 50 ESP.
    pub protocol: u8,
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// What follows the IPv4 header.
    pub payload: Vec<u8>,
}

/// One UDP datagram of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Since the first frame, in microseconds.
    pub micros: u64,
    /// Source address and port.
    pub source: (Ipv4Addr, u16),
    /// Destination address and port.
    pub destination: (Ipv4Addr, u16),
    /// What follows the UDP header.
    pub payload: Vec<u8>,
}

impl IpPacket {
    /// The UDP datagram in it, if it holds one.
    pub fn datagram(&self) -> Option<Datagram> {
        let udp = Some(self.payload.as_slice()).filter(|_| self.protocol == 17)?;
        Some(Datagram {
            micros: self.micros,
            source: (self.source, u16_at(udp, 0)?),
            destination: (self.destination, u16_at(udp, 2)?),
            payload: udp.get(8..usize::from(u16_at(udp, 4)?))?.to_vec(),
        })
    }
}

/// The packets of a capture, in the order in which they were complete.
pub(super) fn packets(capture: &[u8]) -> Vec<IpPacket> {
    let mut reader = PcapReader::new(capture).expect("pcap header");
    let link = reader.header().datalink;
    let (mut first, mut partial, mut packets) = (None, BTreeMap::new(), Vec::new());
    while let Some(frame) = reader.next_packet() {
        let frame = frame.expect("pcap record");
        let micros = frame.timestamp.as_micros() as u64;
        let since = micros - *first.get_or_insert(micros);
        packets.extend(ipv4(link, &frame.data).and_then(|bytes| whole(since, bytes, &mut partial)));
    }
    packets
}

/// The IPv4 packet in a frame.
fn ipv4(link: DataLink, frame: &[u8]) -> Option<&[u8]> {
    const ETHERTYPE: [u8; 2] = [0x08, 0x00];
    let behind = |at: usize, header: usize| {
        (frame.get(at..at + 2) == Some(&ETHERTYPE)).then(|| frame.get(header..)).flatten()
    };
    match link {
        DataLink::ETHERNET => behind(12, 14),
        DataLink::LINUX_SLL => behind(14, 16),
        DataLink::LINUX_SLL2 => behind(0, 20),
        DataLink::RAW | DataLink::IPV4 => frame.first().is_some_and(|b| b >> 4 == 4).then_some(frame),
        other => panic!("captures of {other:?} are not read"),
    }
}

/// Fragments of one packet by offset, and whether the last one is there (RFC 791 section 3.2).
type Partial = BTreeMap<(Ipv4Addr, Ipv4Addr, u8, u16), (BTreeMap<usize, Vec<u8>>, bool)>;

fn whole(micros: u64, packet: &[u8], partial: &mut Partial) -> Option<IpPacket> {
    let header_len = usize::from(packet.first()? & 0x0f) * 4;
    let payload = packet.get(header_len..usize::from(u16_at(packet, 2)?))?.to_vec();
    let address = |at: usize| packet.get(at..at + 4)?.try_into().ok().map(|a: [u8; 4]| Ipv4Addr::from(a));
    let (source, destination, protocol) = (address(12)?, address(16)?, *packet.get(9)?);
    let flags = u16_at(packet, 6)?;
    let (offset, more) = (usize::from(flags & 0x1fff) * 8, flags & 0x2000 != 0);
    if offset == 0 && !more {
        return Some(IpPacket { micros, protocol, source, destination, payload });
    }
    let key = (source, destination, protocol, u16_at(packet, 4)?);
    let (pieces, has_last) = partial.entry(key).or_default();
    pieces.insert(offset, payload);
    *has_last |= !more;
    let joined = pieces.iter().try_fold(Vec::new(), |mut joined, (offset, piece)| {
        (joined.len() == *offset).then(|| joined.extend(piece))?;
        Some(joined)
    });
    let payload = joined.filter(|_| *has_last)?;
    partial.remove(&key);
    Some(IpPacket { micros, protocol, source, destination, payload })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_put_together_in_any_order() {
        let fragment = |flags: u16, payload: &[u8]| {
            let mut packet = vec![0x45, 0, 0, 20 + payload.len() as u8, 0, 7, 0, 0, 64, 17, 0, 0];
            packet[6..8].copy_from_slice(&flags.to_be_bytes());
            [&packet, &[192, 0, 2, 1, 192, 0, 2, 2][..], payload].concat()
        };
        let datagram = [&[1, 244, 1, 244, 0, 20, 0, 0][..], &[0xaa; 12]].concat();
        let (start, end) = (fragment(0x2000, &datagram[..16]), fragment(2, &datagram[16..]));
        for order in [[&start, &end], [&end, &start]] {
            let mut partial = Partial::new();
            assert_eq!(whole(0, order[0], &mut partial), None);
            let packet = whole(9, order[1], &mut partial).unwrap();
            assert_eq!(packet.datagram().unwrap().payload, [0xaa; 12]);
            assert!(partial.is_empty());
        }
    }
}
