//! Fragmentation and reassembly of IP datagrams (RFC 791 section 3.2, RFC 8200 section 4.5), as pure functions and one
//! bounded table. Fragmentation happens below IPsec, reassembly before it (RFC 4303 section 3.3.4); routers use both too.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::ip::{IpInfo, NewHeader, protocol, read_u16, refresh_length, write};
use crate::packet::{Packet, PacketId};
use crate::time::{Duration, Instant};

/// Why a datagram was not fragmented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum FragmentError {
    /// Not a well-formed datagram.
    #[error("malformed IP datagram")]
    Malformed,
    /// DF is set.
    #[error("DF is set")]
    DontFragment,
    /// The MTU has no room for the headers and 8 octets.
    #[error("the MTU is too small")]
    MtuTooSmall,
}

/// Cuts a datagram into fragments of at most `mtu` octets, in order; a datagram that fits is returned as it is.
///
/// `ident` is the identification of IPv6 fragments; IPv4 datagrams bring their own. A router must not call it for IPv6
/// datagrams of others, and a datagram with DF is refused when `mtu` is too small for it; the fragments keep the
/// provenance id.
pub fn fragment(packet: Packet, mtu: u16, ident: u32) -> Result<Vec<Packet>, FragmentError> {
    let info = IpInfo::parse(packet.bytes()).ok_or(FragmentError::Malformed)?;
    let mut packet = packet;
    packet.truncate(info.total_len);
    if info.total_len <= usize::from(mtu) {
        return Ok(alloc::vec![packet]);
    }
    let fragments = if info.is_v4() {
        fragment_v4(&packet, &info, mtu)?
    } else {
        fragment_v6(&packet, &info, mtu, ident)?
    };
    // Headers alone that do not fit: nothing could be cut, and nothing must get lost without a word.
    if fragments.is_empty() { Err(FragmentError::MtuTooSmall) } else { Ok(fragments) }
}

fn fragment_v4(packet: &Packet, info: &IpInfo, mtu: u16) -> Result<Vec<Packet>, FragmentError> {
    if info.dont_fragment {
        return Err(FragmentError::DontFragment);
    }
    let (first, data) = packet.bytes().split_at_checked(info.header_len).ok_or(FragmentError::Malformed)?;
    let later = copied_options(first);
    let mut fragments = Vec::new();
    let (base, last_has_more) = info.fragment.map_or((0, false), |f| (f.offset, f.more));
    let mut rest = data;
    let mut header = first;
    while !rest.is_empty() {
        let room = usize::from(mtu).saturating_sub(header.len()) & !7;
        let room = if rest.len() + header.len() <= usize::from(mtu) { rest.len() } else { room };
        if room == 0 {
            return Err(FragmentError::MtuTooSmall);
        }
        let (now, then) = rest.split_at(room);
        let mut bytes = Vec::with_capacity(header.len() + now.len());
        bytes.extend_from_slice(header);
        bytes.extend_from_slice(now);
        let offset = (base + data.len() - rest.len()) / 8;
        let more = !then.is_empty() || last_has_more;
        write(&mut bytes, 6, &(offset as u16 | u16::from(more) << 13).to_be_bytes());
        if !refresh_length(&mut bytes) {
            return Err(FragmentError::Malformed);
        }
        fragments.push(Packet::from_slice(packet.id(), &bytes));
        (rest, header) = (then, &later);
    }
    Ok(fragments)
}

/// The header of later fragments: only options with the "copied" bit (RFC 791 section 3.1).
fn copied_options(header: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = header.iter().copied().take(20).collect();
    let mut at = 20;
    while let Some(kind) = header.get(at).copied().filter(|k| *k != 0) {
        let len = if kind == 1 { 1 } else { header.get(at + 1).map_or(0, |n| usize::from(*n)) };
        let Some(option) = header.get(at..at + len).filter(|o| !o.is_empty()) else { break };
        if kind & 0x80 != 0 {
            out.extend_from_slice(option);
        }
        at += len;
    }
    out.resize(out.len().next_multiple_of(4), 0);
    let words = (out.len() / 4) as u8;
    if let Some(octet) = out.first_mut() {
        *octet = 0x40 | words;
    }
    out
}

fn fragment_v6(packet: &Packet, info: &IpInfo, mtu: u16, ident: u32) -> Result<Vec<Packet>, FragmentError> {
    if info.fragment.is_some() {
        return Err(FragmentError::DontFragment);
    }
    // The unfragmentable part ends where an IPsec header would go too: behind hop-by-hop and routing.
    let place = info.transport;
    let (front, data) = packet.bytes().split_at_checked(place.offset).ok_or(FragmentError::Malformed)?;
    let room = usize::from(mtu).saturating_sub(front.len() + 8) & !7;
    if room == 0 {
        return Err(FragmentError::MtuTooSmall);
    }
    let mut fragments = Vec::new();
    for (n, part) in data.chunks(room).enumerate() {
        let offset = n * room;
        let more = offset + part.len() < data.len();
        let mut bytes = Vec::with_capacity(front.len() + 8 + part.len());
        bytes.extend_from_slice(front);
        write(&mut bytes, place.number_at, &[protocol::FRAGMENT]);
        bytes.extend_from_slice(&[place.protocol, 0]);
        bytes.extend_from_slice(&(offset as u16 | u16::from(more)).to_be_bytes());
        bytes.extend_from_slice(&ident.to_be_bytes());
        bytes.extend_from_slice(part);
        if !refresh_length(&mut bytes) {
            return Err(FragmentError::Malformed);
        }
        fragments.push(Packet::from_slice(packet.id(), &bytes));
    }
    Ok(fragments)
}

/// What became of a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reassembly {
    /// The datagram is whole.
    Whole(Packet),
    /// Others are missing.
    Waiting,
    /// It overlaps another, contradicts it, or is too small or too long: the whole datagram is dropped.
    Bad,
}

/// How long fragments wait for each other: 60 s (RFC 8200 section 4.5, RFC 1122 section 3.3.2).
pub const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    /// RFC 791 keeps protocols apart, RFC 8200 does not.
    protocol: u8,
    ident: u32,
}

#[derive(Clone, Debug)]
struct Partial {
    id: PacketId,
    deadline: Instant,
    /// The headers in front of the first fragment's data.
    front: Option<Vec<u8>>,
    parts: BTreeMap<usize, Vec<u8>>,
    /// Length of the data, known from the last fragment.
    total: Option<usize>,
    octets: usize,
    ecn: u8,
}

/// Datagrams in reassembly: a bounded table.
#[derive(Clone, Debug)]
pub struct Reassembler {
    partials: BTreeMap<Key, Partial>,
    max_datagrams: usize,
    max_octets: usize,
    octets: usize,
}

impl Reassembler {
    /// A table of at most so many datagrams with so many octets in all. When full, the one that has waited longest makes
    /// room.
    pub fn new(max_datagrams: usize, max_octets: usize) -> Self {
        Reassembler { partials: BTreeMap::new(), max_datagrams, max_octets, octets: 0 }
    }

    /// Takes a packet. Whole datagrams come back at once. `dropped` gets the ids of datagrams that made room.
    pub fn push(&mut self, packet: Packet, now: Instant, dropped: &mut Vec<PacketId>) -> Reassembly {
        let Some(info) = IpInfo::parse(packet.bytes()) else { return Reassembly::Bad };
        let Some(part) = info.fragment else { return Reassembly::Whole(packet) };
        let data_at = if info.is_v4() { info.header_len } else { part.header_at + 8 };
        let bytes = packet.bytes().get(..info.total_len).unwrap_or_default();
        let Some((front, data)) = bytes.split_at_checked(data_at) else { return Reassembly::Bad };
        let protocol = if info.is_v4() { info.upper.protocol } else { 0 };
        let key = Key { source: info.source, destination: info.destination, protocol, ident: part.ident };
        let end = part.offset + data.len();
        // RFC 1858, RFC 3128: a first fragment without its ports, or one that would overwrite them, hides something.
        let tiny = part.more && (data.len() < 8 || !data.len().is_multiple_of(8));
        if tiny || data.is_empty() || end + front.len() > usize::from(u16::MAX) {
            self.forget(&key);
            return Reassembly::Bad;
        }
        // A duplicate takes no room, so it must not cost anyone else's.
        if self.partials.get(&key).is_some_and(|partial| partial.has(part.offset, data)) {
            return Reassembly::Waiting;
        }
        self.make_room(&key, data.len(), dropped);
        if data.len() + self.octets > self.max_octets || self.max_datagrams == 0 {
            // Without this part the datagram can never be whole.
            self.forget(&key);
            return Reassembly::Bad;
        }
        let partial = self.partials.entry(key).or_insert_with(|| Partial {
            id: packet.id(),
            deadline: now + TIMEOUT,
            front: None,
            parts: BTreeMap::new(),
            total: None,
            octets: 0,
            ecn: info.traffic_class & 3,
        });
        match partial.add(&info, part.more, part.offset, front, data) {
            Added::Contradiction => {
                self.forget(&key);
                return Reassembly::Bad;
            }
            Added::New => self.octets += data.len(),
        }
        if !partial.is_whole() {
            return Reassembly::Waiting;
        }
        match self.forget(&key).and_then(Partial::into_packet) {
            Some(packet) => Reassembly::Whole(packet),
            None => Reassembly::Bad,
        }
    }

    fn forget(&mut self, key: &Key) -> Option<Partial> {
        let partial = self.partials.remove(key)?;
        self.octets = self.octets.saturating_sub(partial.octets);
        Some(partial)
    }

    fn make_room(&mut self, key: &Key, octets: usize, dropped: &mut Vec<PacketId>) {
        loop {
            let new = usize::from(!self.partials.contains_key(key));
            let fits =
                self.partials.len() + new <= self.max_datagrams && self.octets + octets <= self.max_octets;
            let others = self.partials.iter().filter(|(k, _)| *k != key);
            let Some(oldest) = others.min_by_key(|(k, p)| (p.deadline, **k)).map(|(k, _)| *k) else { return };
            if fits {
                return;
            }
            dropped.extend(self.forget(&oldest).map(|p| p.id));
        }
    }

    /// When the next datagram has waited long enough.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.partials.values().map(|p| p.deadline).min()
    }

    /// Drops the datagrams that have waited too long; their ids.
    pub fn expire(&mut self, now: Instant) -> Vec<PacketId> {
        let late: Vec<Key> =
            self.partials.iter().filter(|(_, p)| p.deadline <= now).map(|(k, _)| *k).collect();
        late.iter().filter_map(|k| self.forget(k)).map(|p| p.id).collect()
    }

    /// Datagrams that wait for fragments.
    pub fn len(&self) -> usize {
        self.partials.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.partials.is_empty()
    }
}

enum Added {
    New,
    Contradiction,
}

impl Partial {
    fn has(&self, offset: usize, data: &[u8]) -> bool {
        self.parts.get(&offset).is_some_and(|d| d == data)
    }

    fn add(&mut self, info: &IpInfo, more: bool, offset: usize, front: &[u8], data: &[u8]) -> Added {
        let end = offset + data.len();
        let before = self.parts.range(..=offset).next_back().is_some_and(|(at, d)| at + d.len() > offset);
        let behind = self.parts.range(offset..).next().is_some_and(|(at, _)| *at < end);
        let furthest = self.parts.last_key_value().map_or(0, |(at, d)| at + d.len());
        let beyond = self.total.is_some_and(|total| end > total || !more);
        // RFC 8200 section 4.5 drops the datagram when fragments overlap; we do so for IPv4 too.
        if before || behind || beyond || (!more && furthest > end) {
            return Added::Contradiction;
        }
        if offset == 0 {
            let mut headers = front.to_vec();
            if let Some(f) = info.fragment.filter(|_| !info.is_v4()) {
                headers.truncate(f.header_at);
                let number_at = fragment_number_at(front, f.header_at);
                write(&mut headers, number_at, front.get(f.header_at..=f.header_at).unwrap_or_default());
            }
            self.front = Some(headers);
        }
        if !more {
            self.total = Some(end);
        }
        // RFC 3168 section 5.3: congestion experienced by one fragment is experienced by the datagram.
        if info.traffic_class & 3 == 3 {
            self.ecn = 3;
        }
        self.octets += data.len();
        self.parts.insert(offset, data.to_vec());
        Added::New
    }

    fn is_whole(&self) -> bool {
        self.front.is_some() && self.total.is_some_and(|total| total == self.octets)
    }

    fn into_packet(self) -> Option<Packet> {
        let mut bytes = self.front?;
        for part in self.parts.values() {
            bytes.extend_from_slice(part);
        }
        let v4 = bytes.first()? >> 4 == 4;
        let tos = if v4 { *bytes.get(1)? } else { (read_u16(&bytes, 0)? >> 4) as u8 };
        if v4 {
            // Neither MF nor an offset is left.
            write(&mut bytes, 6, &[0, 0]);
            if self.ecn == 3 && tos & 3 != 0 {
                write(&mut bytes, 1, &[tos | 3]);
            }
        } else if self.ecn == 3 && tos & 3 != 0 {
            let octet = *bytes.get(1)?;
            write(&mut bytes, 1, &[octet | 0x30]);
        }
        refresh_length(&mut bytes).then(|| Packet::from_slice(self.id, &bytes))
    }
}

/// Index of the octet that says that a fragment header begins at `header_at`.
fn fragment_number_at(front: &[u8], header_at: usize) -> usize {
    let (mut number_at, mut at) = (6, 40);
    while at < header_at {
        number_at = at;
        at += 8 + 8 * front.get(at + 1).map_or(0, |n| usize::from(*n));
    }
    number_at
}

/// The header of a datagram this node makes and may have to fragment: DF clear.
pub fn fresh_header(source: IpAddr, destination: IpAddr, protocol: u8, ttl: u8, ident: u16) -> NewHeader {
    NewHeader { source, destination, protocol, traffic_class: 0, ttl, dont_fragment: false, ident }
}

#[cfg(test)]
mod tests;
