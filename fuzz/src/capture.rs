//! Captures of strangers: any bytes as a file, and as the one packet of a file of our own making.

use ipsec_sim::verdict::{Findings, read};
use pcap_file::pcap::PcapParser;

/// Link type of bare IP datagrams.
const RAW: u32 = 101;

/// `data` is a file, and also a datagram inside one.
pub fn body(data: &[u8]) {
    file(data);
    packet(data);
}

fn file(data: &[u8]) {
    let Ok(whole) = read(data) else { return };
    let judged: u64 = whole.pairs.values().map(|b| b.ike + b.keepalives + b.esp + b.ah + b.clear).sum();
    assert!(judged <= whole.frames, "{judged} datagrams in {} frames", whole.frames);
    assert!(whole.frames <= data.len() as u64, "a frame has octets");
    assert!(whole.damaged_at.is_none_or(|at| at <= data.len() as u64), "damage is inside the file");
    assert!(!whole.is_whole() || whole.not_judged() == 0);
    // What is cut off at the end takes nothing from what comes before.
    if let Ok(half) = read(&data[..data.len() / 2]) {
        assert!(half.frames <= whole.frames, "{} frames in a half of {}", half.frames, whole.frames);
    }
    if let Some(frames) = another_reader(data) {
        assert_eq!(whole.frames, frames, "another reader finds as many");
    }
}

/// How many packets another reader finds in a pcap file to which it has no objections.
fn another_reader(data: &[u8]) -> Option<u64> {
    let (mut rest, parser) = PcapParser::new(data).ok()?;
    let mut frames = 0;
    while !rest.is_empty() {
        (rest, _) = parser.next_raw_packet(rest).ok()?;
        frames += 1;
    }
    Some(frames)
}

/// A datagram is the same in any file, and without one.
fn packet(datagram: &[u8]) {
    let mut alone = Findings::default();
    alone.add(datagram);
    let alone = (alone.verdict(), alone.pairs.into_keys().collect::<Vec<_>>());
    for file in [pcap(datagram), pcapng(datagram)] {
        let found = read(&file).expect("a capture");
        assert_eq!((found.frames, found.damaged_at), (1, None));
        assert_eq!((found.verdict(), found.pairs.into_keys().collect::<Vec<_>>()), alone);
    }
}

fn pcap(datagram: &[u8]) -> Vec<u8> {
    let length = datagram.len() as u32;
    let header = [0xa1b2_c3d4, 0x0002_0004, 0, 0, 65_535, RAW];
    let words = header.into_iter().chain([0, 0, length, length]).flat_map(u32::to_be_bytes);
    words.chain(datagram.iter().copied()).collect()
}

fn pcapng(datagram: &[u8]) -> Vec<u8> {
    let length = datagram.len() as u32;
    let padded = length.next_multiple_of(4);
    let section = [0x0a0d_0d0a, 28, 0x1a2b_3c4d, 0x0001_0000, u32::MAX, u32::MAX, 28];
    let interface = [1, 20, RAW << 16, 0, 20];
    let packet = [6, 32 + padded, 0, 0, 0, length, length];
    let words = section.into_iter().chain(interface).chain(packet).flat_map(u32::to_be_bytes);
    let mut file: Vec<u8> = words.chain(datagram.iter().copied()).collect();
    file.resize(file.len() + (padded - length) as usize, 0);
    file.extend((32 + padded).to_be_bytes());
    file
}
