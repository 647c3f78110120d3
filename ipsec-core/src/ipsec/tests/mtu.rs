//! Path MTU (RFC 4301 section 8).

use super::*;
use crate::ip::read_u16;
use crate::wire::checksum::checksum;

fn with_df(mut packet: Packet) -> Packet {
    packet.bytes_mut()[6] |= 0x40;
    crate::ip::refresh_checksum(packet.bytes_mut());
    packet
}

#[test]
fn the_sender_is_told_the_largest_size_that_fits() {
    let (mut a, _) = tunnel();
    let (sent, delivered, events) = outbound(&mut a, with_df(request(1460)));
    assert!(sent.is_empty());
    let [Event::Dropped { reason: DropReason::TooBig { mtu }, .. }] = events[..] else {
        panic!("{events:?}")
    };
    // AES-128 and MD5 in a tunnel: 20 + 8 + 16 + (n + 2 in blocks of 16) + 12 <= 1500, so n = 1438.
    assert_eq!(mtu, 1438);
    let [(OUTSIDE, error)] = delivered.as_slice() else { panic!() };
    let b = error.bytes();
    assert_eq!((b[9], &b[20..22], read_u16(b, 26)), (protocol::ICMP, &[3, 4][..], Some(1438)));
    assert_eq!((b[12..16].to_vec(), b[16..20].to_vec()), (vec![10, 1, 0, 1], vec![10, 1, 0, 10]));
    assert_eq!((checksum(&b[..20]), checksum(&b[20..])), (0, 0));
    // That size does fit, in one piece.
    let (sent, _, _) = outbound(&mut a, with_df(request(1438 - 28)));
    assert_eq!(sent.len(), 1);
    assert!(sent[0].1.len() <= 1500 && IpInfo::parse(sent[0].1.bytes()).unwrap().dont_fragment);
}

#[test]
fn with_df_cleared_the_outer_packet_is_cut() {
    let mut a = Ipsec::new(Config { df: DfPolicy::Clear, ..config(1, tunnel_policy(1)) }, [1; 32], NOW);
    install(&mut a, 1, tunnel_mode(1), &nets(1), &[IpsecProtocol::Esp]);
    assert_eq!(outbound(&mut a, with_df(request(1460))).0.len(), 2);
}

/// What a router on the way says about a sealed packet.
fn needs_fragmentation(sealed: &Packet, mtu: u16) -> Packet {
    let mut error = Packet::from_slice(0, &sealed.bytes()[..28]);
    error.push_front(8).copy_from_slice(&[3, 4, 0, 0, 0, 0, (mtu >> 8) as u8, mtu as u8]);
    let sum = checksum(error.bytes());
    write(error.bytes_mut(), 2, &sum.to_be_bytes());
    let header = crate::fragment::fresh_header(outer(9), outer(1), protocol::ICMP, 64, 1);
    error.push_front(20);
    assert!(header.write(error.bytes_mut()));
    error
}

#[test]
fn routers_lower_the_path_mtu_of_the_sa() {
    let (mut a, _) = tunnel();
    let (sent, _, _) = outbound(&mut a, with_df(request(1300)));
    let (_, delivered, events) = inbound(&mut a, needs_fragmentation(&sent[0].1, 1200));
    assert!(delivered.is_empty());
    assert_eq!(events, [Event::PathMtu { pair: PairId(1), mtu: 1200 }]);
    let (sent, delivered, _) = outbound(&mut a, with_df(request(1300)));
    assert_eq!((sent.len(), delivered.len()), (0, 1));
    assert!(read_u16(delivered[0].1.bytes(), 26).unwrap() <= 1200 - 56);
    // Not believed below what every path carries, nor about SAs we do not have.
    let (sent, _, _) = outbound(&mut a, request(1));
    assert_eq!(
        inbound(&mut a, needs_fragmentation(&sent[0].1, 68)).2,
        [Event::PathMtu { pair: PairId(1), mtu: 576 }]
    );
    let mut other = needs_fragmentation(&sent[0].1, 68);
    other.bytes_mut()[20 + 8 + 20] ^= 1;
    assert_eq!(inbound(&mut a, other).2, [Event::Bypassed { packet: 0, entry: EntryId(9) }]);
}

#[test]
fn no_error_that_quotes_goes_outside() {
    // The sender is beyond the outside interface: it is not told.
    let mut a = node(1, vec![entry(9, Selector::any(), Action::Bypass)]);
    let (sent, delivered, events) = outbound(&mut a, with_df(udp(ip("10.7.0.1"), outer(2), (1, 2), 1480)));
    assert!(sent.is_empty() && delivered.is_empty());
    assert!(
        events.iter().any(|e| matches!(e, Event::Dropped { reason: DropReason::TooBig { mtu: 1500 }, .. }))
    );
}
