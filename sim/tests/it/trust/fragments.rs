//! Sealed datagrams in pieces, honest and not: whole ones come through once, the rest costs bounded memory.

use ipsec_core::fragment::fragment;
use ipsec_core::{Duration, Input, Packet};

use super::{OUTSIDE, Two, echo, seconds, with_lifetimes};

fn two() -> Two {
    Two::established(with_lifetimes(1, seconds(28_800), 28_800)).0
}

/// A sealed datagram of the first gateway, never sent.
fn sealed(two: &mut Two, len: usize) -> Packet {
    two.handle(0, Input::Outbound(OUTSIDE, echo("10.1.0.10", "10.2.0.10", len)));
    let [packet] = two.outputs(0).try_into().unwrap();
    packet
}

fn pieces(packet: &Packet, mtu: u16) -> Vec<Packet> {
    fragment(packet.clone(), mtu, 0).unwrap()
}

/// Hands these in; gives how many datagrams came through.
fn arrive(two: &mut Two, packets: impl IntoIterator<Item = Packet>) -> usize {
    let before = two.delivered[1].len();
    for packet in packets {
        two.handle(1, Input::Inbound(OUTSIDE, packet));
    }
    assert!(two.outputs(1).is_empty());
    two.delivered[1].len() - before
}

/// An honest datagram in pieces still comes through.
fn assert_usable(two: &mut Two) {
    let packet = sealed(two, 1_300);
    assert_eq!(arrive(two, pieces(&packet, 576)), 1);
}

/// Shifts or marks a fragment: new offset in octets, more-fragments bit, source; the header checksum is mended.
fn rewritten(piece: &Packet, offset: Option<u16>, source: Option<u32>, ident: Option<u16>) -> Packet {
    let mut bytes = piece.bytes().to_vec();
    if let Some(offset) = offset {
        let flags = bytes[6] & 0xe0;
        bytes[6..8].copy_from_slice(&(offset / 8).to_be_bytes());
        bytes[6] |= flags;
    }
    if let Some(source) = source {
        bytes[12..16].copy_from_slice(&source.to_be_bytes());
    }
    if let Some(ident) = ident {
        bytes[4..6].copy_from_slice(&ident.to_be_bytes());
    }
    bytes[10..12].fill(0);
    let sum = bytes[..20].chunks(2).fold(0u32, |sum, w| sum + u32::from(w[0]) * 256 + u32::from(w[1]));
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    // Twenty octets cannot carry more than once.
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    Packet::from_slice(piece.id(), &bytes)
}

#[test]
fn in_any_order_twice_and_tiny() {
    let mut two = two();
    let mut cases = 0;
    for mtu in [28, 68, 576, 1_400] {
        for order in 0..3 {
            let packet = sealed(&mut two, 1_300);
            let mut all = pieces(&packet, mtu);
            match order {
                1 => all.reverse(),
                2 => all = all.iter().chain(&all).cloned().collect(),
                _ => {}
            }
            // Copies of pieces are no second datagram: its number has been seen.
            assert_eq!(arrive(&mut two, all), 1, "MTU {mtu}, order {order}");
            cases += 1;
        }
    }
    assert_usable(&mut two);
    println!("fragments in order, reversed and doubled, of 28 to 1,400 octets: {cases} cases");
}

#[test]
fn overlaps_spoil_the_datagram_and_nothing_else() {
    let mut two = two();
    let mut cases = 0;
    let packet = sealed(&mut two, 1_300);
    let honest = pieces(&packet, 576);
    for victim in 0..honest.len() {
        for shift in [-8i32, 8] {
            let piece = &honest[victim];
            let at = i32::from(u16::from_be_bytes([piece.bytes()[6], piece.bytes()[7]]) & 0x1fff) * 8;
            let Ok(offset) = u16::try_from(at + shift) else { continue };
            // Each time under a new identification: the datagram that was spoilt is not waited for.
            let ident = 20_000 + cases as u16;
            let mut all: Vec<Packet> = honest.iter().map(|p| rewritten(p, None, None, Some(ident))).collect();
            all.insert(0, rewritten(piece, Some(offset), None, Some(ident)));
            let before = two.drops(1, "bad-fragment");
            assert_eq!(arrive(&mut two, all), 0, "piece {victim} shifted by {shift}");
            assert!(two.drops(1, "bad-fragment") > before, "piece {victim} shifted by {shift}");
            assert_usable(&mut two);
            cases += 1;
        }
    }
    println!("overlapping fragments: {cases} cases");
}

#[test]
fn what_is_never_completed_is_bounded_and_forgotten() {
    const FLOOD: u32 = 10_000;
    const LARGE: usize = 60_020;
    let mut two = two();
    let packet = sealed(&mut two, 1_300);
    let small = pieces(&packet, 576).swap_remove(0);
    let mut large = small.bytes().to_vec();
    large.resize(LARGE, 0);
    large[2..4].copy_from_slice(&(LARGE as u16).to_be_bytes());
    let large = Packet::from_slice(1, &large);
    for (first, most) in [(small, 64), (large, (1 << 20) / (LARGE - 20))] {
        two = self::two();
        let mut worst = 0;
        for n in 0..FLOOD {
            let piece = rewritten(&first, None, Some(0xc612_0000 + n), None);
            assert_eq!(arrive(&mut two, [piece]), 0);
            worst = worst.max(two.nodes[1].status().reassemblies());
            if n % 1_000 == 999 {
                assert_usable(&mut two);
            }
        }
        // Limits::reassemblies and Limits::reassembly_octets by default.
        assert!(worst <= most, "{worst} in reassembly, {most} fit");
        assert!(two.drops(1, "reassembly-timeout") > 0);
    }
    // RFC 1122 section 3.3.2: 60 to 120 s.
    two.now[1] = two.now[1] + Duration::from_secs(120);
    two.handle(1, Input::Timeout);
    assert_eq!(two.nodes[1].status().reassemblies(), 0);
    assert_usable(&mut two);
    println!("never completed: {} first fragments", 2 * FLOOD);
}
