//! A driver without IKE: what it starts is answered, what nobody asked for stays out.

use super::*;
use crate::wire::icmp;

fn stateful() -> Ipsec {
    let mut node = node(1, tunnel_policy(1));
    let spd = Arc::new(Spd::new(vec![entry(5, Selector::any(), Action::Stateful)]));
    node.handle_input(Input::Command(Command::StopIke(spd)), NOW);
    assert!(drain(&mut node).is_empty());
    node
}

fn from_peer(ports: (u16, u16)) -> Packet {
    udp(outer(2), outer(1), ports, 3)
}

fn ping(from: IpAddr, to: IpAddr, message: icmp::IcmpMessage, quoted: &[u8]) -> Packet {
    let body = icmp::encode_v4(message, quoted);
    let header = NewHeader {
        source: from,
        destination: to,
        protocol: protocol::ICMP,
        traffic_class: 0,
        ttl: 63,
        dont_fragment: false,
        ident: 1,
    };
    let mut bytes = vec![0; header.len()];
    bytes.extend_from_slice(&body);
    assert!(header.write(&mut bytes));
    Packet::from_slice(43, &bytes)
}

/// windows-ipsec.md section 10: replies by the peer's address, protocol and ports.
#[test]
fn answers_pass_and_nothing_else_does() {
    let mut node = stateful();
    let unsolicited = DropReason::Unsolicited(EntryId(5));
    assert_eq!(refused(&mut node, from_peer((53, 1024))), unsolicited);
    assert_eq!(outbound(&mut node, udp(outer(1), outer(2), (1024, 53), 3)).0.len(), 1);
    let (_, delivered, events) = inbound(&mut node, from_peer((53, 1024)));
    assert_eq!(
        (delivered.len(), events.as_slice()),
        (1, &[Event::Bypassed { packet: 42, entry: EntryId(5) }][..])
    );
    // Another port of the peer, another of ours, another peer, everybody.
    for other in [
        from_peer((54, 1024)),
        from_peer((53, 1025)),
        udp(outer(3), outer(1), (53, 1024), 3),
        udp(outer(2), ip("192.0.2.255"), (53, 1024), 3),
        udp(outer(2), ip("224.0.0.1"), (53, 1024), 3),
    ] {
        assert_eq!(refused(&mut node, other), unsolicited);
    }
}

#[test]
fn questions_are_no_answers() {
    use icmp::IcmpMessage::{EchoReply, EchoRequest};
    let mut node = stateful();
    outbound(&mut node, ping(outer(1), outer(2), EchoRequest { id: 7, seq: 1 }, b"abc"));
    let back = |message| ping(outer(2), outer(1), message, b"abc");
    let unsolicited = DropReason::Unsolicited(EntryId(5));
    assert_eq!(refused(&mut node, back(EchoRequest { id: 7, seq: 1 })), unsolicited);
    assert_eq!(refused(&mut node, back(EchoReply { id: 7, seq: 2 })), unsolicited);
    assert_eq!(inbound(&mut node, back(EchoReply { id: 7, seq: 1 })).1.len(), 1);
    // An answer of ours starts nothing.
    outbound(&mut node, ping(outer(1), outer(2), EchoReply { id: 8, seq: 1 }, b"abc"));
    assert_eq!(refused(&mut node, back(EchoReply { id: 8, seq: 1 })), unsolicited);
}

/// A router on the way says that the peer cannot be reached: it answers what it quotes.
#[test]
fn errors_answer_what_they_quote() {
    let mut node = stateful();
    let sent = udp(outer(1), outer(2), (1024, 53), 3);
    let error =
        |quoted: &Packet| ping(outer(9), outer(1), icmp::IcmpMessage::TooBig { mtu: 1400 }, quoted.bytes());
    assert_eq!(refused(&mut node, error(&sent)), DropReason::Unsolicited(EntryId(5)));
    outbound(&mut node, sent.clone());
    assert_eq!(inbound(&mut node, error(&sent)).1.len(), 1);
}

#[test]
fn a_policy_ends_it() {
    let mut node = stateful();
    outbound(&mut node, udp(outer(1), outer(2), (1024, 53), 3));
    assert_eq!((node.status().started_flows(), node.status().ike_runs()), (1, false));
    let spd = Arc::new(Spd::new(vec![entry(5, Selector::any(), Action::Stateful)]));
    let policy = PolicyDatabases { spd, ..Default::default() };
    node.handle_input(Input::Command(Command::SetPolicy(policy)), NOW);
    assert_eq!((node.status().started_flows(), node.status().ike_runs()), (0, true));
    assert_eq!(refused(&mut node, from_peer((53, 1024))), DropReason::Unsolicited(EntryId(5)));
}

/// A stranger cannot fill it, for only packets that leave count; what leaves finds room.
#[test]
fn the_memory_of_flows_is_bounded() {
    let mut config = config(1, vec![entry(5, Selector::any(), Action::Stateful)]);
    config.limits.stateful_flows = 2;
    let mut node = Ipsec::new(config, [1; 32], NOW);
    for (second, port) in (0..).zip([1, 2, 1, 3]) {
        let packet = udp(outer(1), outer(2), (port, 53), 3);
        node.handle_input(Input::Outbound(OUTSIDE, packet), Instant::from_secs(second));
    }
    drain(&mut node);
    assert_eq!(node.status().started_flows(), 2);
    // Port 1 was used again after port 2.
    let late = Instant::from_secs(9);
    let mut answered = |port| {
        node.handle_input(Input::Inbound(OUTSIDE, from_peer((53, port))), late);
        packets(drain(&mut node)).1.len()
    };
    assert_eq!([answered(1), answered(2), answered(3)], [1, 0, 1]);
}

/// Where IKE does not run, its datagrams and ESP are packets like any other, and nobody answers them.
#[test]
fn without_ike_its_datagrams_are_packets() {
    let mut node = node(1, tunnel_policy(1));
    let spd = Arc::new(Spd::new(vec![entry(5, Selector::any(), Action::Bypass)]));
    node.handle_input(Input::Command(Command::StopIke(spd)), NOW);
    for datagram in [from_peer((500, 500)), from_peer((4500, 4500))] {
        let (sent, delivered, events) = inbound(&mut node, datagram);
        assert_eq!((sent.len(), delivered.len()), (0, 1));
        assert_eq!(events, [Event::Bypassed { packet: 42, entry: EntryId(5) }]);
    }
    // Once there is policy again, IKE looks at them.
    let policy = PolicyDatabases { spd: Arc::new(Spd::new(tunnel_policy(1))), pad: Arc::new(anyone()) };
    node.handle_input(Input::Command(Command::SetPolicy(policy)), NOW);
    assert_eq!(inbound(&mut node, from_peer((500, 500))).1.len(), 0);
}

#[test]
fn a_service_that_stops_takes_its_pairs_along() {
    let (mut a, mut b) = tunnel();
    let (sealed, ..) = outbound(&mut b, udp(ip("10.2.0.10"), ip("10.1.0.10"), (7, 4000), 1));
    let spd = Arc::new(Spd::new(vec![entry(5, Selector::any(), Action::Bypass)]));
    a.handle_input(Input::Command(Command::StopIke(spd)), NOW);
    let (.., events) = packets(drain(&mut a));
    assert!(events.contains(&Event::PairDeleted { pair: PairId(1), why: DeleteReason::Command }));
    assert_eq!(a.poll_timeout(), None, "nothing is left to do");
    let (_, delivered, _) = inbound(&mut a, sealed[0].1.clone());
    assert_eq!(delivered.len(), 1, "still sealed, and for whoever wants it");
    assert_eq!(outbound(&mut a, request(1)).2, [Event::Bypassed { packet: 42, entry: EntryId(5) }]);
}

/// In the middle of main mode, and in that of a quick mode: peers are told of what is established, nothing is left, and what
/// comes back later finds nobody. Afterwards it works as before, with numbers of its own.
#[test]
fn a_service_may_stop_while_it_negotiates() {
    for established in [false, true] {
        let mut link = super::negotiated::Link::between(tunnel_policy(1), tunnel_policy(2));
        if established {
            link.ping();
            let pair = link.nodes[0].status().pairs().next().unwrap().id;
            link.nodes[0].handle_input(Input::Command(Command::RekeyPair(pair)), link.now);
        } else {
            link.nodes[0].handle_input(Input::Outbound(OUTSIDE, request(1)), link.now);
        }
        let node = &mut link.nodes[0];
        let spd = Arc::new(Spd::new(vec![entry(5, Selector::any(), Action::Bypass)]));
        node.handle_input(Input::Command(Command::StopIke(spd)), link.now);
        let status = node.status();
        let left = (status.pairs().count(), status.isakmp_sas().count(), status.pending().count());
        assert_eq!((left, status.reserved_spis(), node.poll_timeout()), ((0, 0, 0), 0, None));
        link.settle();
        assert_eq!(link.nodes[1].status().pairs().count(), 0, "the peer was told");
        let policy = PolicyDatabases { spd: Arc::new(Spd::new(tunnel_policy(1))), pad: Arc::new(anyone()) };
        link.nodes[0].handle_input(Input::Command(Command::SetPolicy(policy)), link.now);
        link.delivered = [0, 0];
        link.advance(link.now + Duration::from_secs(70));
        link.ping();
        assert_eq!(link.delivered, [1, 1]);
        let cookies: Vec<_> = link
            .events
            .iter()
            .filter_map(|event| match event {
                Event::MainModeEstablished(info) if info.initiator => Some(info.cky_i),
                _ => None,
            })
            .collect();
        let different: alloc::collections::BTreeSet<_> = cookies.iter().collect();
        assert_eq!(
            (cookies.len(), different.len()),
            (1 + usize::from(established), 1 + usize::from(established))
        );
    }
}
