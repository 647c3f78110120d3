//! Reassembly against a naive model, and fragmentation followed by reassembly.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipsec_core::fragment::{Reassembler, Reassembly, fragment};
use ipsec_core::wire::IpProtocol;
use ipsec_core::wire::ipv4::{Ipv4, Ipv4Header};
use ipsec_core::wire::ipv6::{FragmentHeader, Ipv6, Ipv6Header};
use ipsec_core::{Duration, Instant, Packet};

use crate::alter::normalised;
use crate::bytes::Bytes;

const MAX_DATAGRAMS: usize = 4;
const MAX_OCTETS: usize = 4096;

/// First a mode, then either fragments of five octets of choice each, or a datagram to be cut and put together.
pub fn body(data: &[u8]) {
    let mut b = Bytes::new(data);
    if b.u8() & 1 == 0 { fragments(&mut b) } else { there_and_back(&mut b) }
}

/// One fragment as the fuzzer chose it.
#[derive(Clone, Debug)]
struct Part {
    /// Which of eight datagrams; the first four are IPv4.
    datagram: u8,
    offset: usize,
    more: bool,
    data: Vec<u8>,
}

impl Part {
    fn choose(b: &mut Bytes<'_>) -> Self {
        let (flags, offset, len, fill) = (b.u8(), usize::from(b.u8()), usize::from(b.u8()), b.u8());
        // Offsets up to the largest that 13 bits hold.
        let offset = if flags & 0x10 == 0 { offset } else { 8191 - offset } * 8;
        let len = if flags & 0x20 == 0 { len * 8 } else { len };
        let data = (0..len).map(|i| fill.wrapping_add((offset + i) as u8)).collect();
        Part { datagram: flags & 7, offset, more: flags & 8 != 0, data }
    }

    fn packet(&self) -> Option<Vec<u8>> {
        if self.datagram < 4 {
            let mut header = Ipv4Header::new(Ipv4Addr::LOCALHOST, Ipv4Addr::BROADCAST, IpProtocol::UDP);
            header.identification = self.datagram.into();
            (header.more_fragments, header.fragment_offset) = (self.more, self.offset as u16);
            return header.packet(&self.data).ok();
        }
        let header = Ipv6Header::new(Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED, IpProtocol::FRAGMENT);
        let fragment = FragmentHeader {
            next_header: IpProtocol::UDP,
            offset: self.offset as u16,
            more: self.more,
            identification: self.datagram.into(),
        };
        header.packet(&[&fragment.to_bytes(), self.data.as_slice()].concat()).ok()
    }

    fn end(&self) -> usize {
        self.offset + self.data.len()
    }

    fn overlaps(&self, other: &Part) -> bool {
        self.offset < other.end() && other.offset < self.end()
    }
}

/// What an honest reader of RFC 791 and RFC 8200 knows about one datagram.
#[derive(Default)]
struct Model {
    parts: Vec<Part>,
}

impl Model {
    /// The data, when the parts are all there and neither overlap nor leave gaps.
    fn whole(&self) -> Option<Vec<u8>> {
        let mut parts: Vec<&Part> = self.parts.iter().collect();
        parts.sort_by_key(|p| p.offset);
        let last = parts.last().filter(|p| !p.more)?;
        let mut data = Vec::new();
        for part in &parts {
            (part.offset == data.len()).then_some(())?;
            data.extend_from_slice(&part.data);
        }
        (data.len() == last.end()).then_some(data)
    }

    fn octets(&self) -> usize {
        self.parts.iter().map(|p| p.data.len()).sum()
    }
}

fn fragments(b: &mut Bytes<'_>) {
    let mut table = Reassembler::new(MAX_DATAGRAMS, MAX_OCTETS);
    let mut models: BTreeMap<u8, Model> = BTreeMap::new();
    let mut owners: Vec<u8> = Vec::new();
    let mut now = Instant::EPOCH;
    while !b.is_empty() {
        now = now + Duration::from_secs(u64::from(b.u8() & 31));
        for id in table.expire(now) {
            models.remove(&owners[id as usize]);
        }
        let part = Part::choose(b);
        let Some(bytes) = part.packet() else { continue };
        let packet = Packet::from_slice(owners.len() as u64, &bytes);
        owners.push(part.datagram);
        let is_fragment = part.more || part.offset > 0;
        let mut dropped = Vec::new();
        let result = table.push(packet, now, &mut dropped);
        for id in dropped {
            models.remove(&owners[id as usize]);
        }
        if !is_fragment {
            assert!(
                matches!(result, Reassembly::Whole(p) if p.bytes() == bytes),
                "a whole datagram is left alone"
            );
            continue;
        }
        step(&mut models, part, result);
        assert!(table.len() <= MAX_DATAGRAMS);
        assert_eq!(table.len(), models.len(), "the table holds what the model holds");
        assert!(models.values().map(Model::octets).sum::<usize>() <= MAX_OCTETS);
    }
}

fn step(models: &mut BTreeMap<u8, Model>, part: Part, result: Reassembly) {
    let datagram = part.datagram;
    let known = models.get(&datagram).map_or(&[][..], |m| &m.parts);
    let duplicate = known.iter().any(|p| p.offset == part.offset && p.data == part.data);
    let overlap = known.iter().any(|p| p.overlaps(&part));
    match result {
        Reassembly::Bad => {
            models.remove(&datagram);
        }
        Reassembly::Waiting if duplicate => {}
        Reassembly::Waiting => {
            assert!(!overlap, "an overlap was accepted");
            let model = models.entry(datagram).or_default();
            model.parts.push(part);
            assert!(model.whole().is_none(), "all parts are there, but it waits");
        }
        Reassembly::Whole(packet) => {
            assert!(!overlap, "an overlap was accepted");
            let mut model = models.remove(&datagram).unwrap_or_default();
            model.parts.push(part);
            let data = model.whole().expect("whole before all parts are there");
            let bytes = packet.bytes();
            let payload = match datagram {
                0..4 => Ipv4::decode(bytes).expect("a datagram").payload(),
                _ => Ipv6::decode(bytes).expect("a datagram").payload(),
            };
            assert_eq!(payload, data);
        }
    }
}

fn there_and_back(b: &mut Bytes<'_>) {
    let (mtu, order, ident) = (b.u16(), b.u8(), b.u32());
    let datagram = b.rest();
    let Ok(mut fragments) = fragment(Packet::from_slice(1, datagram), mtu, ident) else { return };
    if let [only] = fragments.as_slice() {
        assert!(datagram.starts_with(only.bytes()), "what fits is left alone");
        return;
    }
    assert!(fragments.iter().all(|f| f.len() <= usize::from(mtu) && f.id() == 1));
    let count = fragments.len();
    fragments.rotate_left(usize::from(order) % count);
    if order & 1 == 1 {
        fragments.reverse();
    }
    // A fragment that is cut again stays a fragment, and never becomes whole.
    let v4 = Ipv4::decode(datagram);
    let was_fragment = v4.is_ok_and(|p| p.is_fragment());
    let mut table = Reassembler::new(1, usize::from(u16::MAX));
    for (n, piece) in fragments.into_iter().enumerate() {
        match table.push(piece, Instant::EPOCH, &mut Vec::new()) {
            Reassembly::Waiting => assert!(n + 1 < count || was_fragment, "all fragments are there"),
            Reassembly::Bad => assert!(was_fragment, "its own fragments do not fit each other"),
            Reassembly::Whole(packet) => {
                assert_eq!(n + 1, count);
                let len = packet.len();
                assert_eq!(unmarked(packet.bytes()), unmarked(&datagram[..len]));
            }
        }
    }
}

/// Without checksum and the flag bit that RFC 791 reserves.
fn unmarked(datagram: &[u8]) -> Vec<u8> {
    let mut copy = normalised(datagram);
    if copy.first().is_some_and(|b| b >> 4 == 4) {
        copy[6] &= 0x7f;
    }
    copy
}
