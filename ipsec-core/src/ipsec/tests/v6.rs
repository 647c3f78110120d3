//! IPv6 inside, outside, and both.

use super::*;

fn outer6(n: u8) -> IpAddr {
    ip(if n == 1 { "2001:db8::1" } else { "2001:db8::2" })
}

fn gateway(me: u8, six_inside: bool, six_outside: bool) -> Ipsec {
    let peer = 3 - me;
    let (outer, any): (fn(u8) -> IpAddr, _) = if six_outside {
        (outer6, Prefix::new(ip("::"), 0))
    } else {
        (super::outer, Prefix::new(ip("0.0.0.0"), 0))
    };
    let net = |n: u8| match six_inside {
        true => Prefix::new(ip(if n == 1 { "fd00:1::" } else { "fd00:2::" }), 32).into(),
        false => Prefix::new([10, n, 0, 0].into(), 16).into(),
    };
    let selector = Selector::between(net(me), net(peer));
    let mode = Mode::Tunnel { local: Some(outer(me)), remote: outer(peer) };
    let mut config = config(me, vec![entry(1, selector.clone(), Action::Protect(protect(mode)))]);
    config.interfaces[1].addresses = vec![Prefix::new(outer(me), 64)];
    config.routes.add(Route { destination: any, next_hop: None, interface: OUTSIDE, source: None });
    config.routes.add(Route {
        destination: Prefix::new(ip(if me == 1 { "fd00:1::" } else { "fd00:2::" }), 32),
        next_hop: None,
        interface: INSIDE,
        source: None,
    });
    config.interfaces[0].addresses.push(Prefix::new(ip(if me == 1 { "fd00:1::1" } else { "fd00:2::1" }), 32));
    let mut node = Ipsec::new(config, [me; 32], NOW);
    for from in [1, 2] {
        let mut spec = bundle(me, from, mode, selector.clone(), &[IpsecProtocol::Esp, IpsecProtocol::Ah]);
        (spec.local, spec.peer) = (outer(me), outer(peer));
        node.handle_input(Input::Command(Command::Install(spec)), NOW);
    }
    assert!(drain(&mut node).is_empty());
    node
}

fn flow(six_inside: bool, len: usize) -> Packet {
    match six_inside {
        true => udp(ip("fd00:1::10"), ip("fd00:2::10"), (4000, 7), len),
        false => request(len),
    }
}

#[test]
fn any_family_in_any() {
    for (inside, outside) in [(true, true), (true, false), (false, true)] {
        let (mut a, mut b) = (gateway(1, inside, outside), gateway(2, inside, outside));
        // The entry asks for ESP alone, the pair is AH+ESP: the same entry, so the negotiation is trusted.
        let original = flow(inside, 200);
        let (sent, _, _) = outbound(&mut a, original.clone());
        let info = IpInfo::parse(sent[0].1.bytes()).unwrap();
        assert_eq!((info.is_v4(), info.upper.protocol), (!outside, protocol::AH));
        let (_, delivered, _) = inbound(&mut b, sent[0].1.clone());
        assert_eq!(delivered[0].1.bytes(), original.bytes(), "{inside} {outside}");
    }
}

#[test]
fn ipv6_senders_are_told_and_small_packets_are_cut_outside() {
    for outside in [true, false] {
        let (mut a, mut b) = (gateway(1, true, outside), gateway(2, true, outside));
        let (sent, delivered, events) = outbound(&mut a, flow(true, 1440));
        assert!(sent.is_empty());
        let [Event::Dropped { reason: DropReason::TooBig { mtu }, .. }] = events[..] else {
            panic!("{events:?}")
        };
        // ICMPv6 Packet Too Big from the gateway's inside address, checksum over the pseudo-header.
        let error = delivered[0].1.bytes();
        let info = IpInfo::parse(error).unwrap();
        assert_eq!((info.source, info.destination), (ip("fd00:1::1"), ip("fd00:1::10")));
        assert_eq!((error[40], &error[44..48]), (2, &u32::from(mtu).to_be_bytes()[..]));
        assert_eq!(crate::ip::upper_checksum(info.source, info.destination, 58, &error[40..]), 0);
        assert_eq!(outbound(&mut a, flow(true, usize::from(mtu) - 48)).0.len(), 1);
        // With a path that carries only 1,280, an inner packet of 1,280 must still get through (RFC 8200 section 5).
        a.config.interfaces[1].egress = Egress::Fragment { mtu: 1280 };
        let original = flow(true, 1280 - 48);
        let (sent, _, _) = outbound(&mut a, original.clone());
        assert_eq!(sent.len(), 2);
        let arrived: Vec<_> = sent.into_iter().flat_map(|(_, f)| inbound(&mut b, f).1).collect();
        assert_eq!(arrived[0].1.bytes(), original.bytes());
    }
}
