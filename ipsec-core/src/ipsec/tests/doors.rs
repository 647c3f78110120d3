//! Who passes which door.

use super::*;
use crate::config::{Config, SaChecks};

#[test]
fn a_packet_goes_through_the_tunnel_and_comes_out_the_same() {
    let (mut a, mut b) = tunnel();
    let original = request(100);
    let (sent, _, events) = outbound(&mut a, original.clone());
    assert_eq!(events, [Event::Protected { packet: 42, pair: PairId(1) }]);
    let [(OUTSIDE, sealed)] = sent.as_slice() else { panic!() };
    let info = IpInfo::parse(sealed.bytes()).unwrap();
    assert_eq!((info.source, info.destination, info.upper.protocol), (outer(1), outer(2), protocol::ESP));
    let (_, delivered, events) = inbound(&mut b, sealed.clone());
    assert_eq!(events, [Event::Opened { packet: 42, pair: PairId(1) }]);
    assert_eq!(delivered, [(OUTSIDE, original)].map(|(i, p)| (i, delivered_form(p, &delivered))));
    // The same packet again is a replay (RFC 4303 section 3.4.3).
    assert_eq!(refused(&mut b, sealed.clone()), DropReason::Replayed(PairId(1)));
}

/// Buffers may lie elsewhere: equality is of bytes and ids.
fn delivered_form(original: Packet, delivered: &[(InterfaceId, Packet)]) -> Packet {
    let packet = delivered[0].1.clone();
    assert_eq!((packet.bytes(), packet.id()), (original.bytes(), original.id()));
    packet
}

#[test]
fn every_boundary_has_its_doors() {
    let discard = || vec![entry(1, Selector::any(), Action::Discard)];
    let mut node = node(1, discard());
    // Leaving and arriving on the protected side: no check (RFC 4301 section 3.1).
    node.handle_input(Input::Outbound(INSIDE, request(1)), NOW);
    node.handle_input(Input::Inbound(INSIDE, request(1)), NOW);
    let (sent, delivered, events) = packets(drain(&mut node));
    assert_eq!((sent.len(), delivered.len(), events.len()), (1, 1, 0));
    for (input, expected) in [(Input::Outbound as fn(_, _) -> _, 0), (Input::Inbound as fn(_, _) -> _, 0)] {
        node.handle_input(input(OUTSIDE, request(1)), NOW);
        let (sent, delivered, events) = packets(drain(&mut node));
        assert_eq!(sent.len() + delivered.len(), expected);
        assert!(matches!(events[..], [Event::Dropped { reason: DropReason::PolicyDiscard(EntryId(1)), .. }]));
    }
    let drops: Vec<_> = node.status().drops().collect();
    assert_eq!(drops, [("policy-discard", 2)]);
    assert_eq!(node.status().hits().collect::<Vec<_>>(), [(EntryId(1), 2)]);
}

#[test]
fn nothing_matching_is_discarded() {
    let mut node = node(1, vec![]);
    assert_eq!(refused(&mut node, request(1)), DropReason::NoPolicy);
    let (sent, _, events) = outbound(&mut node, request(1));
    assert!(sent.is_empty());
    assert!(matches!(events[..], [Event::Dropped { reason: DropReason::NoPolicy, .. }]));
}

#[test]
fn clear_text_that_should_be_protected_is_refused() {
    let (_, mut b) = tunnel();
    assert_eq!(refused(&mut b, request(1)), DropReason::ClearTextRefused(EntryId(1)));
    // Other traffic is bypassed.
    let (_, delivered, events) = inbound(&mut b, udp(outer(9), outer(2), (1, 2), 3));
    assert_eq!(
        (delivered.len(), events.as_slice()),
        (1, &[Event::Bypassed { packet: 42, entry: EntryId(9) }][..])
    );
}

#[test]
fn accept_clear_inbound_accepts() {
    let mut policy = tunnel_policy(2);
    if let Action::Protect(p) = &mut policy[0].action {
        p.accept_clear_inbound = true;
    }
    assert_eq!(inbound(&mut node(2, policy), request(1)).1.len(), 1);
}

#[test]
fn one_way_tunnel_halves() {
    // The outbound half alone does not demand protection of what comes in; the inbound half alone does not acquire.
    let half = |direction| {
        let mut policy = tunnel_policy(2);
        policy[0].direction = direction;
        policy
    };
    assert_eq!(inbound(&mut node(2, half(Direction::Outbound)), request(1)).1.len(), 1);
    let mut b = node(2, half(Direction::Inbound));
    assert_eq!(refused(&mut b, request(1)), DropReason::ClearTextRefused(EntryId(1)));
    let reply = || udp(ip("10.2.0.10"), ip("10.1.0.10"), (7, 4000), 1);
    let (sent, _, events) = outbound(&mut b, reply());
    assert_eq!(
        (sent.len(), events.as_slice()),
        (1, &[Event::Bypassed { packet: 42, entry: EntryId(9) }][..])
    );
    // With both halves, the pair that the inbound half authorised carries what the outbound half wants sent.
    let mut policy = half(Direction::Inbound);
    let out = SpdEntry { id: EntryId(2), direction: Direction::Outbound, ..policy[0].clone() };
    policy.insert(1, out);
    let mut b = node(2, policy);
    install(&mut b, 2, tunnel_mode(2), &nets(2), &[IpsecProtocol::Esp]);
    let (_, _, events) = outbound(&mut b, reply());
    assert_eq!(events, [Event::Protected { packet: 42, pair: PairId(1) }]);
}

#[test]
fn an_sa_carries_only_its_selectors() {
    let (mut a, mut b) = tunnel();
    // A liar seals traffic that the SA is not for: its policy says so, ours does not.
    let mut liar = node(1, vec![entry(1, Selector::any(), Action::Protect(protect(tunnel_mode(1))))]);
    install(&mut liar, 1, tunnel_mode(1), &Selector::any(), &[IpsecProtocol::Esp]);
    let (sent, _, _) = outbound(&mut liar, udp(ip("10.3.0.1"), ip("10.2.0.10"), (1, 2), 3));
    assert_eq!(refused(&mut b, sent[0].1.clone()), DropReason::SelectorMismatch(PairId(1)));
    // From another outer source.
    let (sent, _, _) = outbound(&mut a, request(10));
    let mut packet = sent[0].1.clone();
    write(packet.bytes_mut(), 12, &[192, 0, 2, 77]);
    crate::ip::refresh_checksum(packet.bytes_mut());
    assert_eq!(refused(&mut b, packet), DropReason::WrongOuterSource(PairId(1)));
    let mut packet = sent[0].1.clone();
    packet.bytes_mut()[22] ^= 1;
    assert_eq!(refused(&mut b, packet), DropReason::UnknownSpi(0x1101));
}

/// HP-UX/Windows guide p. 42: Windows does not compare packets of an SA with the filter again. What a filter is about it
/// decides all the same. RFC 4301 section 4.1: SAs are found without the outer source.
#[test]
fn what_is_asked_of_protected_packets_can_be_less() {
    let lax = |selectors, outer_source, policy: Vec<SpdEntry>| {
        let sa_checks = SaChecks { selectors, outer_source };
        let mut b = Ipsec::new(Config { sa_checks, ..config(2, policy) }, [2; 32], NOW);
        install(&mut b, 2, tunnel_mode(2), &nets(2), &[IpsecProtocol::Esp]);
        b
    };
    let mut liar = node(1, vec![entry(1, Selector::any(), Action::Protect(protect(tunnel_mode(1))))]);
    install(&mut liar, 1, tunnel_mode(1), &Selector::any(), &[IpsecProtocol::Esp]);
    let (sent, _, _) = outbound(&mut liar, udp(ip("10.3.0.1"), ip("10.2.0.10"), (1, 2), 3));
    let foreign = sent[0].1.clone();
    let only = || vec![entry(1, nets(2), Action::Protect(protect(tunnel_mode(2))))];
    assert_eq!(inbound(&mut lax(false, true, only()), foreign.clone()).1.len(), 1);
    assert_eq!(
        refused(&mut lax(true, false, only()), foreign.clone()),
        DropReason::SelectorMismatch(PairId(1))
    );
    let mut blocking = only();
    blocking.push(entry(2, Selector::any(), Action::Discard));
    let refusal = refused(&mut lax(false, true, blocking), foreign);
    assert_eq!(refusal, DropReason::PolicyDiscard(EntryId(2)));

    let (sent, _, _) = outbound(&mut liar, request(10));
    let mut moved = sent[0].1.clone();
    write(moved.bytes_mut(), 12, &[192, 0, 2, 77]);
    crate::ip::refresh_checksum(moved.bytes_mut());
    assert_eq!(inbound(&mut lax(true, false, only()), moved.clone()).1.len(), 1);
    assert_eq!(refused(&mut lax(false, true, only()), moved), DropReason::WrongOuterSource(PairId(1)));
}

#[test]
fn the_bundle_must_be_whole_and_in_order() {
    let mut policy = tunnel_policy(2);
    if let Action::Protect(p) = &mut policy[0].action {
        p.offers = vec![offer(Some(Mac::HmacSha1_96), Some(AES_MD5))];
    }
    let both = [IpsecProtocol::Esp, IpsecProtocol::Ah];
    let mut b = node(2, policy);
    install(&mut b, 2, tunnel_mode(2), &nets(2), &both);
    let mut a = node(1, tunnel_policy(1));
    install(&mut a, 1, tunnel_mode(1), &nets(1), &both);
    let (sent, _, _) = outbound(&mut a, request(30));
    assert_eq!(sent[0].1.bytes()[9], protocol::AH);
    assert_eq!(inbound(&mut b, sent[0].1.clone()).1.len(), 1);
    // ESP alone where AH+ESP is asked for (RFC 2401 section 5.2.1).
    let mut lazy = node(1, tunnel_policy(1));
    install(&mut lazy, 1, tunnel_mode(1), &nets(1), &[IpsecProtocol::Esp]);
    for _ in 0..2 {
        let (sent, _, _) = outbound(&mut lazy, request(30));
        let expected = [DropReason::EspWithoutAh(PairId(1)), DropReason::Replayed(PairId(1))];
        assert!(expected.contains(&refused(&mut b, sent[0].1.clone())));
    }
}

#[test]
fn ah_alone_is_not_the_bundle() {
    let (mut a, mut b) = (node(1, tunnel_policy(1)), node(2, tunnel_policy(2)));
    install(&mut a, 1, tunnel_mode(1), &nets(1), &[IpsecProtocol::Ah]);
    install(&mut b, 2, tunnel_mode(2), &nets(2), &[IpsecProtocol::Esp, IpsecProtocol::Ah]);
    let (sent, _, _) = outbound(&mut a, request(30));
    assert_eq!(refused(&mut b, sent[0].1.clone()), DropReason::AhWithoutEsp(PairId(1)));
}

#[test]
fn another_entry_needs_its_own_protection() {
    // The pair was made for entry 1; port 7 has entry 2 with a stronger demand, which comes first.
    let mut policy = tunnel_policy(2);
    let mut strict = entry(2, nets(2), Action::Protect(protect(tunnel_mode(2))));
    strict.selector.protocol = Some(protocol::UDP);
    strict.selector.local_ports = crate::selector::PortRange::single(7);
    if let Action::Protect(p) = &mut strict.action {
        p.offers = vec![offer(Some(Mac::HmacSha1_96), Some(AES_MD5))];
    }
    policy.insert(0, strict);
    let mut b = node(2, policy);
    install(&mut b, 2, tunnel_mode(2), &nets(2), &[IpsecProtocol::Esp]);
    let (mut a, _) = tunnel();
    let (sent, _, _) = outbound(&mut a, request(1));
    assert_eq!(refused(&mut b, sent[0].1.clone()), DropReason::BundleMismatch(PairId(1)));
}

#[test]
fn later_fragments_stop_at_entries_with_ports() {
    let mut policy = tunnel_policy(1);
    policy[0].selector.protocol = Some(protocol::UDP);
    policy[0].selector.remote_ports = crate::selector::PortRange::single(7);
    let mut a = node(1, policy);
    let fragments = crate::fragment::fragment(request(1000), 576, 0).unwrap();
    let (sent, _, events) = outbound(&mut a, fragments[1].clone());
    assert!(sent.is_empty(), "a fragment of protected traffic left in clear");
    assert!(matches!(events[..], [Event::Dropped { reason: DropReason::FragmentWithoutPorts, .. }]));
    // Of another protocol, it cannot be that traffic.
    let mut icmp = fragments[1].clone();
    icmp.bytes_mut()[9] = protocol::ICMP;
    assert_eq!(outbound(&mut a, icmp).0.len(), 1);
}

#[test]
fn transport_mode_between_hosts() {
    let all =
        |me: u8| Selector::between(AddressRange::single(outer(me)), AddressRange::single(outer(3 - me)));
    let policy = |me| vec![entry(1, all(me), Action::Protect(protect(Mode::Transport)))];
    for protocols in
        [&[IpsecProtocol::Esp][..], &[IpsecProtocol::Ah], &[IpsecProtocol::Esp, IpsecProtocol::Ah]]
    {
        let (mut a, mut b) = (node(1, policy(1)), node(2, policy(2)));
        install(&mut a, 1, Mode::Transport, &all(1), protocols);
        install(&mut b, 2, Mode::Transport, &all(2), protocols);
        let original = udp(outer(1), outer(2), (4000, 7), 33);
        let (sent, _, _) = outbound(&mut a, original.clone());
        let (_, delivered, _) = inbound(&mut b, sent[0].1.clone());
        assert_eq!(delivered[0].1.bytes(), original.bytes());
    }
}

#[test]
fn sealed_packets_are_fragmented_below_and_reassembled_before() {
    let (mut a, mut b) = tunnel();
    let original = request(1460);
    let (sent, _, _) = outbound(&mut a, original.clone());
    assert_eq!(sent.len(), 2);
    let mut delivered = vec![];
    for (_, fragment) in sent.into_iter().rev() {
        assert!(fragment.len() <= 1500);
        delivered.extend(inbound(&mut b, fragment).1);
    }
    assert_eq!(delivered[0].1.bytes(), original.bytes());
}

#[test]
fn a_damaged_header_is_not_made_good() {
    let (mut a, mut b) = tunnel();
    let (sent, _, _) = outbound(&mut a, request(9));
    // TTL and TOS are not covered by the ICV, only by the checksum.
    for at in [1, 8] {
        let mut packet = sent[0].1.clone();
        packet.bytes_mut()[at] ^= 4;
        assert_eq!(refused(&mut b, packet), DropReason::Malformed);
    }
    assert_eq!(inbound(&mut b, sent[0].1.clone()).1.len(), 1);
}

#[test]
fn tunnels_in_tunnels_end_at_a_depth() {
    // Pairs whose traffic is anything: each packet may hold another of the same tunnel.
    let all = |me| vec![entry(1, Selector::any(), Action::Protect(protect(tunnel_mode(me))))];
    for (depth, arrives) in [(1, true), (4, true), (5, false)] {
        let (mut a, mut b) = (node(1, all(1)), node(2, all(2)));
        install(&mut a, 1, tunnel_mode(1), &Selector::any(), &[IpsecProtocol::Esp]);
        install(&mut b, 2, tunnel_mode(2), &Selector::any(), &[IpsecProtocol::Esp]);
        let mut packet = request(9);
        for _ in 0..depth {
            packet = outbound(&mut a, packet).0.remove(0).1;
        }
        // The inner packets have older numbers than the outer ones: still inside the window.
        let (_, delivered, events) = inbound(&mut b, packet);
        assert_eq!(delivered.len(), usize::from(arrives), "{events:?}");
    }
}

/// "Port unreachable" about `quoted`, from the gateway's outside address.
fn unreachable(quoted: &Packet) -> Packet {
    let mut bytes = vec![0; 20];
    let message = crate::wire::icmp::IcmpMessage::Unreachable { code: 3 };
    bytes.extend(crate::wire::icmp::encode_v4(message, &quoted.bytes()[..28]));
    let to = IpInfo::parse(quoted.bytes()).unwrap().source;
    assert!(crate::fragment::fresh_header(outer(2), to, protocol::ICMP, 64, 1).write(&mut bytes));
    Packet::from_slice(42, &bytes)
}

#[test]
fn errors_about_protected_packets_do_not_leave_in_clear() {
    // The error itself is bypassed: the outside address is not in the tunnel's nets. What it quotes is.
    let (_, mut b) = tunnel();
    let (sent, _, events) = outbound(&mut b, unreachable(&request(9)));
    assert!(sent.is_empty());
    assert!(matches!(events[..], [Event::Dropped { reason: DropReason::QuotesProtected(EntryId(1)), .. }]));
    let clear = udp(outer(9), outer(2), (1, 2), 9);
    assert_eq!(outbound(&mut b, unreachable(&clear)).0.len(), 1);
}

#[test]
fn every_packet_has_an_iv_of_its_own() {
    let (mut a, _) = tunnel();
    // Behind the outer header, SPI and number. The inner packets are equal.
    let mut iv = || outbound(&mut a, request(1)).0[0].1.bytes()[28..44].to_vec();
    let ivs: alloc::collections::BTreeSet<_> = (0..100).map(|_| iv()).collect();
    assert_eq!(ivs.len(), 100);
}

#[test]
fn ike_reads_only_intact_datagrams() {
    let (sent, _, _) = outbound(&mut node(1, tunnel_policy(1)), request(1));
    let mut packet = sent[0].1.clone();
    let (last, mut b) = (packet.len() - 1, node(2, tunnel_policy(2)));
    packet.bytes_mut()[last] ^= 1;
    assert_eq!(refused(&mut b, packet.clone()), DropReason::Malformed);
    packet.bytes_mut()[last] ^= 1;
    let (answer, _, _) = inbound(&mut b, packet);
    assert_eq!(answer.len(), 1);
}

#[test]
fn an_sa_serves_its_own_entry() {
    // The pair of entry 1 would carry this flow, but entry 2 comes first, and has no SA yet (RFC 4301 section 5.1).
    let mut first = entry(2, nets(1), Action::Protect(protect(tunnel_mode(1))));
    first.selector.protocol = Some(protocol::UDP);
    first.selector.remote_ports = crate::selector::PortRange::single(7);
    let mut a = node(1, [vec![first], tunnel_policy(1)].concat());
    install(&mut a, 1, tunnel_mode(1), &nets(1), &[IpsecProtocol::Esp]);
    let (_, _, events) = outbound(&mut a, request(1));
    assert!(events.contains(&Event::Held { packet: 42, entry: EntryId(2) }), "{events:?}");
}

proptest! {
    /// RFC 4303 section 3.4.4: nothing altered in ESP is delivered.
    #[test]
    fn no_octet_of_a_sealed_packet_can_change(len in 0usize..100, at: usize, bit in 0u8..8) {
        let (mut a, mut b) = tunnel();
        let (sent, _, _) = outbound(&mut a, request(len));
        let mut packet = sent[0].1.clone();
        let at = 20 + at % (packet.len() - 20);
        packet.bytes_mut()[at] ^= 1 << bit;
        prop_assert!(inbound(&mut b, packet).1.is_empty());
    }

    #[test]
    fn arbitrary_packets_do_not_panic(raw in prop::collection::vec((any::<bool>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..120)), 1..8)) {
        let (mut a, _) = tunnel();
        for (arriving, proto, payload) in raw {
            let mut packet = udp(outer(2), outer(1), (500, 500), payload.len());
            packet.bytes_mut()[9] = proto;
            let n = payload.len();
            packet.bytes_mut()[28..28 + n].copy_from_slice(&payload);
            crate::ip::refresh_checksum(packet.bytes_mut());
            for packet in [packet, Packet::from_slice(0, &payload)] {
                let input = if arriving { Input::Inbound(OUTSIDE, packet) } else { Input::Outbound(OUTSIDE, packet) };
                a.handle_input(input, NOW);
            }
        }
        drain(&mut a);
    }

    /// A batch gives the same bytes and events, in the same order, as single calls.
    #[test]
    fn batches_equal_single_calls(kinds in prop::collection::vec((0u8..6, 0usize..1600), 0..100)) {
        let (mut one, mut b) = tunnel();
        let mut many = one.clone();
        let mut inputs = vec![];
        for (kind, len) in kinds {
            let reply = udp(ip("10.2.0.10"), ip("10.1.0.10"), (7, 4000), len);
            match kind {
                0 => inputs.push(Input::Outbound(OUTSIDE, request(len))),
                1 => inputs.extend(outbound(&mut b, reply).0.into_iter().map(|(i, p)| Input::Inbound(i, p))),
                2 => inputs.push(Input::Inbound(OUTSIDE, reply)),
                // A packet comes again, as it was or with an octet that is another.
                3 | 4 => {
                    let mut again = inputs.get(len % inputs.len().max(1)).cloned();
                    if let (4, Some(Input::Inbound(_, packet))) = (kind, &mut again) {
                        let at = len % packet.len();
                        packet.bytes_mut()[at] ^= 1;
                    }
                    inputs.extend(again);
                }
                _ => inputs.push(Input::Inbound(INSIDE, request(len))),
            }
        }
        for input in inputs.clone() {
            one.handle_input(input, NOW);
        }
        many.handle_batch(&mut inputs, NOW);
        prop_assert!(inputs.is_empty());
        prop_assert_eq!(alloc::format!("{:?}", drain(&mut one)), alloc::format!("{:?}", drain(&mut many)));
    }
}
