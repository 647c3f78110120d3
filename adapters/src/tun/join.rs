//! Joining what leaves for the kernel: segments of one TCP stream, and UDP datagrams of one flow and length, become one large
//! packet with a virtio header (virtio 1.2 section 5.1.6) that says how to take it apart again. The kernel carries that as
//! one, perhaps to the application.
//!
//! Only what the kernel would cut back into the very same packets is joined: neighbours in their stream with equal headers,
//! and with a checksum that is right, since the kernel computes new ones. A flow keeps its order.

use std::io::IoSlice;

use ipsec_core::Packet;
use ipsec_core::ip::{protocol, read_u16, read_u32, write};
use ipsec_core::packet::PacketPool;
use ipsec_core::wire::IpProtocol;
use ipsec_core::wire::checksum::{Checksum, checksum};

/// `struct virtio_net_hdr`, without the field that only other devices have.
pub(super) const HEADER_LEN: usize = 10;
/// VIRTIO_NET_HDR_F_NEEDS_CSUM.
const NEEDS_CSUM: u8 = 1;
/// VIRTIO_NET_HDR_GSO_TCPV4, _TCPV6 and _UDP_L4.
const GSO: [u8; 3] = [1, 4, 5];
/// Packets that become one at most: what every kernel takes for UDP.
const MOST: usize = 64;
/// Flows whose packets wait for more.
const RUNS: usize = 16;
/// The longest IP datagram, in octets.
const LONGEST: usize = 65_535;

const ACK: u8 = 0x10;
const PSH: u8 = 0x08;

/// Pieces of one packet for the kernel.
pub(super) type Pieces<'a, 'b> = &'a [IoSlice<'b>];

/// Packets that wait for more of their flow.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    /// Whether the kernel takes UDP datagrams apart.
    udp: bool,
    /// The first `open` are in use.
    runs: Vec<Run>,
    open: usize,
}

/// Packets that leave as one.
#[derive(Debug, Default)]
struct Run {
    flow: Option<Flow>,
    packets: Vec<Packet>,
    /// Of the first packet.
    segment: Segment,
    /// Octets of the whole.
    len: usize,
    /// Nothing follows a short packet, or one that wants to be delivered at once.
    closed: bool,
}

/// Whose packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Flow {
    protocol: u8,
    /// Source and destination, IPv4 addresses with zeros behind.
    addresses: [u8; 32],
    ports: [u8; 4],
}

/// Where things are in a packet that can be joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Segment {
    tcp: bool,
    /// Length of the IP header.
    ip: usize,
    /// Length of all headers.
    headers: usize,
    /// Length of what is behind.
    payload: usize,
}

impl Joiner {
    /// `udp`: whether the kernel takes UDP datagrams apart.
    pub(super) fn new(udp: bool) -> Joiner {
        Joiner { udp, ..Joiner::default() }
    }

    /// Takes a packet. What has to leave before it does goes to `out`, in its order.
    pub(super) fn push(
        &mut self,
        packet: Packet,
        pool: &mut PacketPool,
        out: &mut impl FnMut(Pieces<'_, '_>),
    ) {
        let Some((flow, ip)) = Flow::of(packet.bytes()) else {
            // A fragment may belong to any flow.
            self.flush(pool, out);
            return alone(packet, pool, out);
        };
        let segment = Segment::of(packet.bytes(), &flow, ip, self.udp);
        let runs = self.runs.get_mut(..self.open).unwrap_or_default();
        if let Some(run) = runs.iter_mut().find(|run| run.flow == Some(flow)) {
            if let Some(segment) = segment.filter(|segment| run.accepts(packet.bytes(), segment)) {
                return run.add(packet, segment);
            }
            run.leave(pool, out);
            match segment {
                Some(segment) => run.begin(flow, packet, segment),
                None => alone(packet, pool, out),
            }
            return;
        }
        let Some(segment) = segment else { return alone(packet, pool, out) };
        if self.open == RUNS {
            self.flush(pool, out);
        }
        if self.open == self.runs.len() {
            self.runs.push(Run::default());
        }
        if let Some(run) = self.runs.get_mut(self.open) {
            run.begin(flow, packet, segment);
            self.open += 1;
        }
    }

    /// Lets everything leave.
    pub(super) fn flush(&mut self, pool: &mut PacketPool, out: &mut impl FnMut(Pieces<'_, '_>)) {
        self.runs.iter_mut().take(self.open).for_each(|run| run.leave(pool, out));
        self.open = 0;
    }
}

/// A packet that leaves as it is.
fn alone(packet: Packet, pool: &mut PacketPool, out: &mut impl FnMut(Pieces<'_, '_>)) {
    out(&[IoSlice::new(&[0; HEADER_LEN]), IoSlice::new(packet.bytes())]);
    pool.recycle(packet);
}

impl Flow {
    /// The flow of a whole packet, and the length of its IP header.
    fn of(bytes: &[u8]) -> Option<(Flow, usize)> {
        let mut addresses = [0; 32];
        let (protocol, ip) = match bytes.first()? >> 4 {
            4 => {
                let fragment = read_u16(bytes, 6)? & 0x3fff != 0;
                addresses[..8].copy_from_slice(bytes.get(12..20).filter(|_| !fragment)?);
                (*bytes.get(9)?, usize::from(bytes[0] & 15) * 4)
            }
            6 => {
                addresses.copy_from_slice(bytes.get(8..40)?);
                (*bytes.get(6)?, 40)
            }
            _ => return None,
        };
        // Without ports it is a flow of its own; behind IPv6 extension headers may be a fragment.
        if bytes[0] >> 4 == 6 && !matches!(protocol, protocol::TCP | protocol::UDP | protocol::ICMPV6) {
            return None;
        }
        let ports = match protocol {
            protocol::TCP | protocol::UDP => *bytes.get(ip..)?.first_chunk()?,
            _ => [0; 4],
        };
        Some((Flow { protocol, addresses, ports }, ip))
    }
}

impl Segment {
    /// A packet that can be joined with others: no IP options, data, no other flags than ACK and PSH, a right checksum.
    fn of(bytes: &[u8], flow: &Flow, ip: usize, udp: bool) -> Option<Segment> {
        let v4 = bytes.first()? >> 4 == 4;
        let (len, plain) = match v4 {
            true => (read_u16(bytes, 2)?.into(), ip == 20 && checksum(bytes.get(..20)?) == 0),
            false => (usize::from(read_u16(bytes, 4)?) + 40, true),
        };
        if !plain || len != bytes.len() {
            return None;
        }
        let tcp = flow.protocol == protocol::TCP;
        let headers = match flow.protocol {
            protocol::TCP => {
                let (words, flags) = (*bytes.get(ip + 12)? >> 4, *bytes.get(ip + 13)?);
                // The other four bits of the data offset's octet are reserved or ECN's.
                let plain = flags & !PSH == ACK && bytes[ip + 12] & 15 == 0 && words >= 5;
                plain.then(|| ip + usize::from(words) * 4)?
            }
            // A UDP checksum of zero is none; the kernel would compute one.
            protocol::UDP if udp && read_u16(bytes, ip + 6)? != 0 => {
                (usize::from(read_u16(bytes, ip + 4)?) == bytes.len() - ip).then_some(ip + 8)?
            }
            _ => return None,
        };
        let payload = bytes.len().checked_sub(headers).filter(|payload| *payload > 0)?;
        let right = pseudo(bytes, flow.protocol, bytes.len() - ip).bytes(bytes.get(ip..)?).finish() == 0;
        right.then_some(Segment { tcp, ip, headers, payload })
    }
}

impl Run {
    fn begin(&mut self, flow: Flow, packet: Packet, segment: Segment) {
        *self = Run {
            packets: std::mem::take(&mut self.packets),
            flow: Some(flow),
            segment,
            len: 0,
            closed: false,
        };
        self.len = segment.headers;
        self.add(packet, segment);
    }

    fn add(&mut self, packet: Packet, segment: Segment) {
        let pushes = segment.tcp && packet.bytes().get(segment.ip + 13).is_some_and(|flags| flags & PSH != 0);
        self.closed = pushes || segment.payload < self.segment.payload;
        self.len += segment.payload;
        self.packets.push(packet);
    }

    /// Whether the packet is what the kernel would cut off next.
    fn accepts(&self, next: &[u8], segment: &Segment) -> bool {
        let Some(first) = self.packets.first().map(Packet::bytes) else { return false };
        let count = self.packets.len();
        let same = (segment.tcp, segment.ip, segment.headers)
            == (self.segment.tcp, self.segment.ip, self.segment.headers);
        let fits = !self.closed
            && segment.payload <= self.segment.payload
            && count < MOST
            && self.len + segment.payload <= LONGEST;
        same && fits && same_ip(first, next, count) && (!segment.tcp || self.same_tcp(first, next))
    }

    /// TCP: the next octets of the stream; acknowledgment, window, urgent pointer and options as before.
    fn same_tcp(&self, first: &[u8], next: &[u8]) -> bool {
        let Segment { ip, headers, payload, .. } = self.segment;
        let expected = read_u32(first, ip + 4)
            .map(|sequence| sequence.wrapping_add(payload.wrapping_mul(self.packets.len()) as u32));
        let same = |from: usize, to: usize| first.get(ip + from..ip + to) == next.get(ip + from..ip + to);
        read_u32(next, ip + 4) == expected && same(8, 13) && same(14, 16) && same(18, headers - ip)
    }

    /// Hands the packets over as one.
    fn leave(&mut self, pool: &mut PacketPool, out: &mut impl FnMut(Pieces<'_, '_>)) {
        self.flow = None;
        if self.packets.len() > 1 {
            let header = self.unite();
            let headers = self.segment.headers;
            let mut pieces: [IoSlice<'_>; MOST + 1] = std::array::from_fn(|_| IoSlice::new(&[]));
            pieces[0] = IoSlice::new(&header);
            for (n, (piece, packet)) in pieces.iter_mut().skip(1).zip(&self.packets).enumerate() {
                let from = if n == 0 { 0 } else { headers };
                *piece = IoSlice::new(packet.bytes().get(from..).unwrap_or_default());
            }
            out(pieces.get(..=self.packets.len()).unwrap_or_default());
            self.packets.drain(..).for_each(|packet| pool.recycle(packet));
        } else {
            self.packets.drain(..).for_each(|packet| alone(packet, pool, out));
        }
    }

    /// Makes the first packet's headers those of the whole, and returns the virtio header in front of them.
    fn unite(&mut self) -> [u8; HEADER_LEN] {
        let (Segment { tcp, ip, headers, payload }, len) = (self.segment, self.len);
        let flags_at = ip + 13;
        let last = self.packets.last().and_then(|packet| packet.bytes().get(flags_at)).copied().unwrap_or(0);
        let Some(first) = self.packets.first_mut().map(Packet::bytes_mut) else { return [0; HEADER_LEN] };
        let v4 = ip == 20;
        if v4 {
            write(first, 2, &(len as u16).to_be_bytes());
            write(first, 10, &[0, 0]);
            let sum = checksum(first.get(..ip).unwrap_or_default());
            write(first, 10, &sum.to_be_bytes());
        } else {
            write(first, 4, &((len - ip) as u16).to_be_bytes());
        }
        let sum_at = if tcp { 16 } else { 6 };
        if tcp {
            write(first, flags_at, &[last]);
        } else {
            write(first, ip + 4, &((len - ip) as u16).to_be_bytes());
        }
        // What the kernel goes on from: the sum of the pseudo-header, not complemented.
        let sum = !pseudo(first, if tcp { protocol::TCP } else { protocol::UDP }, len - ip).finish();
        write(first, ip + sum_at, &sum.to_be_bytes());
        let kind = match (tcp, v4) {
            (true, true) => GSO[0],
            (true, false) => GSO[1],
            (false, _) => GSO[2],
        };
        let mut header = [NEEDS_CSUM, kind, 0, 0, 0, 0, 0, 0, 0, 0];
        // Fields have the computer's own octet order.
        for (place, value) in header[2..].chunks_exact_mut(2).zip([headers, payload, ip, sum_at]) {
            place.copy_from_slice(&(value as u16).to_ne_bytes());
        }
        header
    }
}

/// IP headers that are equal but for length, checksum and identification. The kernel numbers the parts one by one; where they
/// must not be fragmented the number says nothing (RFC 6864 section 4.1).
fn same_ip(first: &[u8], next: &[u8], count: usize) -> bool {
    let same = |from: usize, to: usize| first.get(from..to) == next.get(from..to);
    if first.first().is_some_and(|octet| octet >> 4 == 6) {
        return same(0, 4) && same(6, 8);
    }
    let dont_fragment = first.get(6).is_some_and(|flags| flags & 0x40 != 0);
    let ident = |bytes| read_u16(bytes, 4).unwrap_or(0);
    let numbered = dont_fragment || ident(next) == ident(first).wrapping_add(count as u16);
    same(0, 2) && same(6, 10) && numbered
}

/// The sum of the pseudo-header of a TCP or UDP packet of `len` octets (RFC 9293 section 3.1, RFC 8200 section 8.1).
fn pseudo(bytes: &[u8], number: u8, len: usize) -> Checksum {
    let v4 = bytes.first().is_some_and(|octet| octet >> 4 == 4);
    let addresses = if v4 { bytes.get(12..20) } else { bytes.get(8..40) };
    let sum = Checksum::new().bytes(addresses.unwrap_or_default());
    sum.word(IpProtocol(number).0.into()).word(len as u16)
}

#[cfg(test)]
mod tests;
