//! RFC 2401 and RFC 4301: the boundary, its databases and its tunnels.

use super::node::*;
use ipsec_core::config::DfPolicy;
use ipsec_core::ip::NewHeader;
use ipsec_core::sad::{IpsecProtocol, PairId};
use ipsec_core::selector::{AddressRange, PortRange, Prefix, Selector};
use ipsec_core::spd::{Action, Direction, EntryId, Mode};
use ipsec_core::{Command, DropReason, Event};

const ESP_ONLY: [IpsecProtocol; 1] = [IpsecProtocol::Esp];

fn manual(selector: Selector) -> Manual {
    Manual { selector, ..Manual::tunnel(&ESP_ONLY) }
}

/// A gateway 1 whose policy and SA carry everything, and a gateway 2 whose SA has these selectors, seen from gateway 1.
fn liar_and_judge(selector: Selector) -> (Node, Node) {
    let mut liar = Setup::tunnel(1);
    liar.entries[0].selector = Selector::any();
    let mut a = liar.node();
    a.install(1, &manual(Selector::any()));
    let mut judge = Setup::tunnel(2);
    judge.entries[0].selector = Selector::any();
    let mut b = judge.node();
    b.install(2, &manual(selector));
    (a, b)
}

fn accepts(nodes: &mut (Node, Node), packet: &[u8]) -> bool {
    let sealed = nodes.0.seal(packet);
    nodes.1.events.clear();
    let delivered = nodes.1.inbound(&sealed);
    if delivered.is_empty() {
        let mismatch = DropReason::SelectorMismatch(PairId(1 << 32));
        let drop = |e: &Event| matches!(e, Event::Dropped { reason, .. } if *reason == mismatch);
        assert!(nodes.1.events.iter().any(drop), "{:?}", nodes.1.events);
    }
    !delivered.is_empty()
}

fn range(start: &str, end: &str) -> AddressRange {
    AddressRange { start: ip(start), end: ip(end) }
}

/// RFC 4301 section 5.2 step 4: single addresses, ranges, prefixes, lists and wildcards, each at its borders.
#[test]
fn an_sa_carries_its_addresses_and_not_one_more() {
    let all = AddressRange::ANY_V4;
    let cases: [(Vec<AddressRange>, &[&str], &[&str]); 5] = [
        (vec![AddressRange::single(ip("10.1.0.5"))], &["10.1.0.5"], &["10.1.0.4", "10.1.0.6"]),
        (vec![range("10.1.0.5", "10.1.0.9")], &["10.1.0.5", "10.1.0.9"], &["10.1.0.4", "10.1.0.10"]),
        (
            vec![Prefix::new(ip("10.1.2.0"), 24).into()],
            &["10.1.2.0", "10.1.2.255"],
            &["10.1.1.255", "10.1.3.0"],
        ),
        (
            vec![AddressRange::single(ip("10.1.0.5")), range("10.1.0.7", "10.1.0.8")],
            &["10.1.0.5", "10.1.0.7", "10.1.0.8"],
            &["10.1.0.6", "10.1.0.9"],
        ),
        (vec![all], &["0.0.0.1", "10.1.0.1", "223.255.255.254"], &[]),
    ];
    for (ranges, inside, outside) in cases {
        for source in [true, false] {
            let mut selector = Selector::between(all, all);
            *(if source { &mut selector.local } else { &mut selector.remote }) = ranges.clone();
            let mut nodes = liar_and_judge(selector);
            for (address, expected) in
                inside.iter().map(|a| (a, true)).chain(outside.iter().map(|a| (a, false)))
            {
                let (from, to) = if source { (ip(address), host(2)) } else { (host(1), ip(address)) };
                assert_eq!(accepts(&mut nodes, &udp(from, to, (1, 2), 4)), expected, "{address} {source}");
            }
        }
    }
}

/// IPv6 ranges inside an IPv4 tunnel.
#[test]
fn an_sa_carries_its_ipv6_addresses_and_not_one_more() {
    let local = vec![range("fd00:1::5", "fd00:1::9")];
    let selector = Selector { local, ..Selector::any() };
    let mut nodes = liar_and_judge(selector);
    for (address, expected) in
        [("fd00:1::5", true), ("fd00:1::9", true), ("fd00:1::4", false), ("fd00:1::a", false)]
    {
        assert_eq!(accepts(&mut nodes, &udp(ip(address), ip("fd00:2::1"), (1, 2), 4)), expected);
    }
}

/// Protocol and ports; ANY means any; a later fragment cannot show the port an SA asks for.
#[test]
fn an_sa_carries_its_protocol_and_ports_only() {
    let mut selector = nets(1);
    selector.protocol = Some(UDP);
    let mut tcp = request(12);
    tcp[9] = 6;
    let tcp = fix(tcp);
    let mut nodes = liar_and_judge(selector.clone());
    assert!(accepts(&mut nodes, &request(4)));
    assert!(!accepts(&mut nodes, &tcp));
    // Without a protocol: all of them.
    assert!(accepts(&mut liar_and_judge(nets(1)), &tcp));

    selector.remote_ports = PortRange { start: 7, end: 8 };
    let mut nodes = liar_and_judge(selector);
    for (port, expected) in [(6, false), (7, true), (8, true), (9, false)] {
        assert_eq!(accepts(&mut nodes, &udp(host(1), host(2), (4000, port), 4)), expected, "{port}");
    }
}

/// RFC 4301 section 7: fragments on an SA with ports, and on one without.
#[test]
fn later_fragments_need_an_sa_without_ports() {
    let whole = ipsec_core::Packet::from_slice(1, &request(1400));
    let fragments = ipsec_core::fragment::fragment(whole, 576, 0).unwrap();
    let mut any = liar_and_judge(Selector { protocol: Some(UDP), ..nets(1) });
    for fragment in &fragments {
        assert!(accepts(&mut any, fragment.bytes()));
    }
    // Seen from gateway 2, whose own policy has ports too: what it cannot judge it drops, what the entry refuses as well.
    let mut setup = Setup::tunnel(2);
    setup.entries[0].selector.protocol = Some(UDP);
    setup.entries[0].selector.local_ports = PortRange::single(7);
    let mut b = setup.node();
    let mut selector = nets(1);
    (selector.protocol, selector.remote_ports) = (Some(UDP), PortRange::single(7));
    b.install(2, &manual(selector));
    let mut a = Setup::tunnel(1).node();
    a.install(1, &manual(nets(1)));
    for fragment in &fragments[1..] {
        let sealed = a.seal(fragment.bytes());
        b.refused(&sealed);
    }
    // The same in clear, where the entry would want protection: dropped, not bypassed by the entry behind it.
    for fragment in &fragments[1..] {
        assert_eq!(b.refused(fragment.bytes()), DropReason::FragmentWithoutPorts);
    }
}

/// RFC 4301 section 7.4: a later fragment of bypassed or discarded traffic with ports does not pass.
#[test]
fn later_fragments_of_entries_with_ports_do_not_pass() {
    for action in [Action::Bypass, Action::Discard] {
        let mut setup = Setup::tunnel(2);
        let mut selector = nets(2);
        (selector.protocol, selector.local_ports) = (Some(UDP), PortRange::single(7));
        setup.entries = vec![entry(1, selector, action.clone())];
        let mut b = setup.node();
        let whole = ipsec_core::Packet::from_slice(1, &request(1400));
        let fragments = ipsec_core::fragment::fragment(whole, 576, 0).unwrap();
        let passes = b.inbound(fragments[0].bytes()).len();
        assert_eq!(passes, usize::from(action == Action::Bypass));
        assert_eq!(b.refused(fragments[1].bytes()), DropReason::FragmentWithoutPorts);
        // Where the entry names no port, it decides about fragments like about anything else.
        setup.entries[0].selector = nets(2);
        let mut b = setup.node();
        assert_eq!(b.inbound(fragments[1].bytes()).len(), usize::from(action == Action::Bypass));
    }
}

/// RFC 4301 section 4.4.1: each action in each direction; the first entry that matches decides; nothing matches: dropped.
#[test]
fn discard_bypass_and_protect_in_both_directions() {
    let single = |n: u8| AddressRange::single([10, 2, 0, n].into());
    let about = |n: u8| Selector::between(AddressRange::ANY_V4, single(n));
    for direction in [Direction::Outbound, Direction::Inbound] {
        let mut setup = Setup::tunnel(1);
        let protect = setup.entries[0].action.clone();
        setup.entries = [(11, Action::Discard), (12, Action::Bypass), (13, protect), (12, Action::Discard)]
            .into_iter()
            .zip(1..)
            .map(|((n, action), id)| {
                let mut entry = entry(id, about(n), action);
                entry.direction = direction;
                entry
            })
            .collect();
        let mut node = setup.node();
        let mut try_host = |n: u8| {
            let far = [10, 2, 0, n].into();
            match direction {
                Direction::Outbound => node.outbound(&udp(host(1), far, (1, 2), 4)),
                _ => node.inbound(&udp(far, host(1), (1, 2), 4)),
            }
        };
        assert_eq!(try_host(11), Vec::<Vec<u8>>::new());
        let clear = try_host(12);
        assert_eq!((clear.len(), clear[0][9]), (1, UDP));
        // Outbound, only IKE leaves (to port 500); inbound, nothing passes and nothing is negotiated.
        let protected = try_host(13);
        match direction {
            Direction::Outbound => assert_eq!(protected[0][22..24], 500_u16.to_be_bytes()),
            _ => assert_eq!((protected.len(), node.sent.len()), (0, 0)),
        }
        // Nothing matches.
        let mut node = setup.node();
        assert_eq!(node.refused(&udp(ip("10.2.0.99"), host(1), (1, 2), 4)), DropReason::NoPolicy);
        assert_eq!(node.outbound(&udp(host(1), ip("10.2.0.99"), (1, 2), 4)), Vec::<Vec<u8>>::new());
    }
}

/// RFC 4301 section 5.2 step 3b: clear text for protected traffic is dropped, and no negotiation starts.
#[test]
fn clear_text_negotiates_nothing() {
    let mut b = Setup::tunnel(2).node();
    for _ in 0..3 {
        assert_eq!(b.refused(&request(8)), DropReason::ClearTextRefused(EntryId(1)));
    }
    b.wait(120);
    assert!(b.sent.is_empty() && b.ipsec.status().pairs().count() == 0);
}

/// RFC 4301 section 5.1: without an answer from the peer, nothing ever leaves but IKE, and the packets are dropped.
#[test]
fn without_an_sa_nothing_leaves_in_clear() {
    let mut a = Setup::tunnel(1).node();
    for _ in 0..5 {
        for packet in a.outbound(&request(8)) {
            assert_eq!((packet[9], &packet[22..24]), (UDP, &500_u16.to_be_bytes()[..]));
        }
    }
    a.events.clear();
    a.wait(120);
    assert!(a.sent.iter().all(|packet| packet[22..24] == 500_u16.to_be_bytes()));
    let failed = DropReason::NegotiationFailed(EntryId(1));
    let drops = a.events.iter().filter(|e| matches!(e, Event::Dropped { reason, .. } if *reason == failed));
    assert_eq!(drops.count(), 5);
}

/// RFC 4301 section 5.2 step 3: only what is addressed to this device goes to the SAD.
#[test]
fn ipsec_for_others_is_traffic_like_any_other() {
    let (mut a, _) = Manual::tunnel(&ESP_ONLY).pair();
    let mut packet = a.seal(&request(8));
    // To a host behind gateway 2, and IKE for it: the entry that bypasses lets both pass unchanged.
    packet[16..20].copy_from_slice(&[10, 2, 0, 77]);
    let packet = fix(packet);
    let ike = udp(ip("198.51.100.1"), ip("10.2.0.77"), (500, 500), 40);
    let (_, mut b) = Manual::tunnel(&ESP_ONLY).pair();
    for packet in [packet, ike] {
        assert_eq!(b.inbound(&packet), std::slice::from_ref(&packet));
    }
}

/// RFC 4301 section 4.1: two SAs with the same selectors between the same peers both carry traffic.
#[test]
fn parallel_sas() {
    let (mut a, mut b) = Manual::tunnel(&ESP_ONLY).pair();
    let second = Manual { pair: (1 << 32) + 1, spi: 0x3000, ..Manual::tunnel(&ESP_ONLY) };
    b.install(2, &second);
    let mut other = Setup::tunnel(1).node();
    other.install(1, &second);
    for n in 0..6 {
        let sender = if n % 2 == 0 { &mut a } else { &mut other };
        let sealed = sender.seal(&request(n));
        assert_eq!(b.inbound(&sealed), [request(n)]);
    }
}

/// RFC 4301 section 4.1: the two directions are two SAs, with keys and SPIs of their own, in one mode.
#[test]
fn ah_with_esp_is_two_sas_with_ah_outside() {
    for tunnel in [true, false] {
        let both = [IpsecProtocol::Esp, IpsecProtocol::Ah];
        let manual = if tunnel { Manual::tunnel(&both) } else { Manual::transport(&both) };
        let (mut a, mut b) = manual.pair();
        let original = if tunnel { request(8) } else { udp(outer(1), outer(2), (4000, 7), 8) };
        let packet = a.seal(&original);
        // IP, AH, ESP.
        assert_eq!((packet[9], packet[20]), (AH, ESP));
        assert_eq!(packet[44..48], [0, 0, 0x10, 0x01]);
        assert_eq!(b.inbound(&packet), [original]);
    }
}

/// RFC 4301 sections 4.1 and 5.1.2: DSCP is not checked, nor taken inside; ECN is.
#[test]
fn outer_dscp_stays_outside() {
    let (mut a, mut b) = Manual::tunnel(&ESP_ONLY).pair();
    let mut original = request(8);
    original[1] = 0x28;
    let original = fix(original);
    let sealed = a.seal(&original);
    assert_eq!(sealed[1], 0x28);
    assert_eq!(b.inbound(&flipped(&sealed, 1, 0xb8)), std::slice::from_ref(&original));
    // Each pair of inner and outer ECN (RFC 6040 figure 4); a mark on a packet that cannot carry it is dropped.
    for inner in 0..4 {
        for arriving in 0..4 {
            let mut original = original.clone();
            original[1] = 0x28 | inner;
            let original = fix(original);
            let mut sealed = a.seal(&original);
            assert_eq!(sealed[1] & 3, inner);
            sealed[1] = sealed[1] & !3 | arriving;
            let expected = match (inner, arriving) {
                (0, 3) => None,
                (0, _) => Some(0),
                (_, 3) => Some(3),
                (2, 1) => Some(1),
                (inner, _) => Some(inner),
            };
            let delivered = b.inbound(&fix(sealed));
            assert_eq!(delivered.first().map(|packet| packet[1] & 3), expected, "{inner} {arriving}");
            if let Some(packet) = delivered.first() {
                assert_eq!((packet[1] & !3, &packet[12..]), (0x28, &original[12..]));
            }
        }
    }
}

/// An IPv4 datagram with a router alert, from behind gateway 1.
fn with_options() -> Vec<u8> {
    let mut bytes = request(8);
    bytes.splice(20..20, [0x94, 4, 0, 0]);
    (bytes[0], bytes[3]) = (0x46, bytes[3] + 4);
    fix(bytes)
}

/// RFC 4301 section 5.1.2.1: how the outer header is made, and that the inner one is as it was.
#[test]
fn the_outer_header() {
    for df in [DfPolicy::Copy, DfPolicy::Set, DfPolicy::Clear] {
        for inner_df in [false, true] {
            let mut setup = Setup::tunnel(1);
            setup.df = df;
            let mut a = setup.node();
            let null =
                ipsec_core::spd::EspTransform { cipher: ipsec_core::crypto::Cipher::Null, mac: AES_SHA1.mac };
            a.install(1, &Manual { esp: null, ..Manual::tunnel(&ESP_ONLY) });
            let mut original = with_options();
            (original[1], original[6], original[8]) = (0x2a, if inner_df { 0x40 } else { 0 }, 17);
            let original = fix(original);
            let packet = a.seal(&original);
            // Version and header length (no options), TOS copied, length, protocol, addresses, checksum.
            assert_eq!((packet[0], packet[1], packet[9]), (0x45, 0x2a, ESP));
            assert_eq!(usize::from(u16::from_be_bytes([packet[2], packet[3]])), packet.len());
            assert_eq!(packet[12..20], [192, 0, 2, 1, 192, 0, 2, 2]);
            assert_eq!(internet_checksum::checksum(&packet[..20]), [0, 0]);
            // TTL and identification are its own.
            assert_ne!(packet[8], 17);
            assert_ne!(a.seal(&original)[4..6], packet[4..6]);
            let expected = match df {
                DfPolicy::Copy => inner_df,
                DfPolicy::Set => true,
                DfPolicy::Clear => false,
            };
            assert_eq!(packet[6] & 0x40 != 0, expected);
            // With NULL encryption the inner datagram, options included, is there to be compared.
            assert_eq!(packet[28..28 + original.len()], original);
        }
    }
}

/// RFC 4301 section 5.1.2.2, and each family inside the other.
#[test]
fn ipv6_inside_and_outside() {
    let hop_by_hop = |payload: &[u8]| [&[UDP, 0, 1, 4, 0, 0, 0, 0][..], payload].concat();
    let inner = NewHeader { traffic_class: 0x2a, ..header(ip("fd00:1::5"), ip("fd00:2::5"), 0) };
    let original = datagram(inner, &hop_by_hop(&[0, 1, 0, 2, 0, 8, 0, 0]));
    let net = |n: u8| Prefix::new(ip(&format!("fd00:{n}::")), 32).into();
    for v6_outside in [false, true] {
        let ends = |me: u8| match v6_outside {
            true => (ip(&format!("2001:db8::{me}")), ip(&format!("2001:db8::{}", 3 - me))),
            false => (outer(me), outer(3 - me)),
        };
        let [mut a, mut b] = [1, 2].map(|me| {
            let (local, remote) = ends(me);
            let mode = Mode::Tunnel { local: Some(local), remote };
            let mut setup = Setup::tunnel(me);
            setup.protect().mode = mode;
            setup.entries[0].selector = Selector::between(net(me), net(3 - me));
            let mut node = setup.node();
            let manual = manual(Selector::between(net(1), net(2)));
            for from in [1, 2] {
                let mut spec = manual.bundle(me, from);
                (spec.mode, spec.local, spec.peer) = (mode, local, remote);
                node.command(Command::Install(spec));
            }
            node
        });
        let packet = a.seal(&original);
        let outer_info = info(&packet);
        assert_eq!((outer_info.source, outer_info.destination), ends(1));
        // ESP follows directly: extension headers are not copied; the class is.
        assert_eq!((outer_info.upper.protocol, outer_info.upper.offset), (ESP, outer_info.header_len));
        assert_eq!(outer_info.traffic_class, 0x2a);
        assert_eq!(b.inbound(&packet), std::slice::from_ref(&original));
    }
}

/// RFC 4301 section 6: an ICMP error is held to the selectors like any other packet, and does not pass beside them.
#[test]
fn icmp_errors_outside_the_selectors_are_dropped() {
    let mut nodes = liar_and_judge(nets(1));
    let error = |source| {
        let quoted = request(0);
        let body = [&[3, 1, 0, 0, 0, 0, 0, 0][..], &quoted[..28]].concat();
        datagram(header(source, host(2), 1), &body)
    };
    assert!(accepts(&mut nodes, &error(ip("10.1.0.1"))));
    assert!(!accepts(&mut nodes, &error(ip("198.51.100.9"))));
}

/// RFC 4301 section 6.2: an ICMP error from a host inside is sent by the entry and SA it fits, like other traffic.
#[test]
fn icmp_errors_that_fit_are_protected() {
    let (mut a, mut b) = Manual::tunnel(&ESP_ONLY).pair();
    let body = [&[3, 1, 0, 0, 0, 0, 0, 0][..], &request(0)[..28]].concat();
    let error = datagram(header(host(1), host(2), 1), &body);
    let sealed = a.seal(&error);
    assert_eq!(sealed[9], ESP);
    assert_eq!(b.inbound(&sealed), [error]);
}

/// RFC 4301 section 4.4.1.1: ICMP type and code, and the mobility header type, are selected like a sender's port.
#[test]
fn icmp_and_mobility_types_are_selected() {
    let echo = |kind: u8, code: u8| datagram(header(host(1), host(2), 1), &[kind, code, 0, 0, 0, 0, 0, 0]);
    let mut selector = nets(1);
    (selector.protocol, selector.local_ports) = (Some(1), PortRange { start: 0x0300, end: 0x0301 });
    let mut nodes = liar_and_judge(selector);
    for (kind, code, expected) in [(3, 0, true), (3, 1, true), (3, 2, false), (2, 255, false), (8, 0, false)]
    {
        assert_eq!(accepts(&mut nodes, &echo(kind, code)), expected, "{kind}/{code}");
    }
    let mobility =
        |kind: u8| datagram(header(ip("fd00:1::1"), ip("fd00:2::1"), 135), &[59, 0, kind, 0, 0, 0, 0, 0]);
    let ports = PortRange::single(5 << 8);
    let selector = Selector { protocol: Some(135), local_ports: ports, ..Selector::any() };
    let mut nodes = liar_and_judge(selector);
    for (kind, expected) in [(5, true), (4, false), (6, false)] {
        assert_eq!(accepts(&mut nodes, &mobility(kind)), expected, "{kind}");
    }
}
