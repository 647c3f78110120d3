//! The default response rule: clear until somebody asks, protected from then on.

use super::negotiated::Link;
use super::*;

/// Where nothing is said, everything passes.
fn permit() -> SpdEntry {
    entry(9, Selector::any(), Action::Bypass)
}

/// An SPD with these rules, the permit behind them, and the default response rule, which gets number 10.
fn responding(mut rules: Vec<SpdEntry>) -> Spd {
    rules.push(permit());
    Spd::new(rules).with_default_response("Default Response", protect(Mode::Transport))
}

const DEFAULT: EntryId = EntryId(10);

fn databases(spd: Spd) -> PolicyDatabases {
    PolicyDatabases { spd: Arc::new(spd), pad: Arc::new(anyone()) }
}

fn between(me: u8) -> Selector {
    Selector::between(AddressRange::single(outer(me)), AddressRange::single(outer(3 - me)))
}

/// Node 1 with the rule, and, when `asked`, the pair that node 2 has asked for.
fn client(rules: Vec<SpdEntry>, asked: Option<Selector>) -> Ipsec {
    let mut node = node(1, vec![]);
    node.handle_input(Input::Command(Command::SetPolicy(databases(responding(rules)))), NOW);
    for from in [1, 2] {
        if let Some(selector) = &asked {
            let spec = bundle(1, from, Mode::Transport, selector.clone(), &[IpsecProtocol::Esp]);
            let spec = BundleSpec { entry: DEFAULT, ..spec };
            node.handle_input(Input::Command(Command::Install(spec)), NOW);
        }
    }
    assert!(drain(&mut node).is_empty());
    node
}

fn to_peer() -> Packet {
    udp(outer(1), outer(2), (4000, 7), 8)
}

fn from_peer() -> Packet {
    udp(outer(2), outer(1), (7, 4000), 8)
}

fn bypassed() -> Vec<Event> {
    vec![Event::Bypassed { packet: 42, entry: EntryId(9) }]
}

#[test]
fn clear_until_asked_and_protected_while_the_pair_lives() {
    let mut node = client(vec![], None);
    assert_eq!(outbound(&mut node, to_peer()).2, bypassed());
    assert_eq!(inbound(&mut node, from_peer()).2, bypassed());
    let mut node = client(vec![], Some(between(1)));
    assert_eq!(outbound(&mut node, to_peer()).2, [Event::Protected { packet: 42, pair: PairId(1) }]);
    assert_eq!(refused(&mut node, from_peer()), DropReason::ClearTextRefused(DEFAULT));
    // Others have not asked.
    assert_eq!(outbound(&mut node, udp(outer(1), outer(7), (4000, 7), 8)).2, bypassed());
    assert_eq!(inbound(&mut node, udp(outer(7), outer(1), (7, 4000), 8)).2, bypassed());
    node.handle_input(Input::Command(Command::DeletePair(PairId(1))), NOW);
    drain(&mut node);
    assert_eq!(outbound(&mut node, to_peer()).2, bypassed());
    assert_eq!(inbound(&mut node, from_peer()).2, bypassed());
}

/// Server (Request Security) permits ICMP in clear while it protects all else, and Client (Respond Only) answers it.
#[test]
fn a_rule_that_accepts_unsecured_traffic_takes_it_and_answers_protected() {
    let mut node = client(vec![], Some(between(1)));
    let accepting = Protect { accept_clear_inbound: true, ..protect(Mode::Transport) };
    let spd = Spd::new(vec![permit()]).with_default_response("Default Response", accepting);
    node.handle_input(Input::Command(Command::SetPolicy(databases(spd))), NOW);
    assert_eq!(inbound(&mut node, from_peer()).2, bypassed());
    assert_eq!(outbound(&mut node, to_peer()).2, [Event::Protected { packet: 42, pair: PairId(1) }]);
}

#[test]
fn rules_come_first() {
    let dns = Selector {
        protocol: Some(protocol::UDP),
        remote_ports: crate::selector::PortRange::single(7),
        ..Selector::any()
    };
    for (action, expected) in
        [(Action::Bypass, None), (Action::Discard, Some(DropReason::PolicyDiscard(EntryId(1))))]
    {
        let mut node = client(vec![entry(1, dns.clone(), action)], Some(between(1)));
        let (_, _, events) = outbound(&mut node, to_peer());
        match expected {
            None => assert_eq!(events, [Event::Bypassed { packet: 42, entry: EntryId(1) }]),
            Some(why) => assert!(matches!(events[..], [Event::Dropped { reason, .. }] if reason == why)),
        }
    }
}

#[test]
fn what_may_belong_to_the_traffic_does_not_leave_in_clear() {
    let asked = Selector {
        protocol: Some(protocol::UDP),
        remote_ports: crate::selector::PortRange::single(7),
        ..between(1)
    };
    let mut node = client(vec![], Some(asked));
    // A later fragment shows no ports (RFC 4301 section 7.4).
    let mut later = to_peer();
    write(later.bytes_mut(), 6, &[0, 8]);
    crate::ip::refresh_checksum(later.bytes_mut());
    let (sent, _, events) = outbound(&mut node, later);
    assert!(sent.is_empty());
    let hidden = DropReason::FragmentWithoutPorts;
    assert!(matches!(events[..], [Event::Dropped { reason, .. }] if reason == hidden), "{events:?}");
    // An error that quotes it (RFC 4301 section 6.2).
    let mut error = Packet::from_slice(42, &from_peer().bytes()[..28]);
    error.push_front(8).copy_from_slice(&[3, 3, 0, 0, 0, 0, 0, 0]);
    let sum = crate::wire::checksum::checksum(error.bytes());
    write(error.bytes_mut(), 2, &sum.to_be_bytes());
    let header = crate::fragment::fresh_header(outer(1), outer(2), protocol::ICMP, 64, 1);
    error.push_front(20);
    assert!(header.write(error.bytes_mut()));
    let (sent, _, events) = outbound(&mut node, error);
    assert!(sent.is_empty());
    let quotes = DropReason::QuotesProtected(DEFAULT);
    assert!(matches!(events[..], [Event::Dropped { reason, .. }] if reason == quotes), "{events:?}");
}

#[test]
fn a_new_policy_keeps_its_pairs_or_not() {
    let rule = |id| entry(id, between(1), Action::Bypass);
    for (spd, left) in [
        (responding(vec![]), 1),
        (responding(vec![rule(1)]), 0),
        (Spd::new(vec![permit()]), 0),
        (
            Spd::new(vec![permit()])
                .with_default_response("", Protect { offers: vec![], ..protect(Mode::Transport) }),
            0,
        ),
    ] {
        let mut node = client(vec![], Some(between(1)));
        node.handle_input(Input::Command(Command::SetPolicy(databases(spd))), NOW);
        assert_eq!(node.status().pairs().count(), left);
    }
}

/// Node 2 wants everything between the two protected; node 1 has these rules and the default response.
fn asks(rules: Vec<SpdEntry>, mode: Mode) -> Link {
    let server = entry(1, between(2), Action::Protect(protect(mode)));
    let mut link = Link::between(vec![], vec![server]);
    link.nodes[0].handle_input(Input::Command(Command::SetPolicy(databases(responding(rules)))), NOW);
    link.nodes[1].handle_input(Input::Outbound(OUTSIDE, from_peer()), NOW);
    link.settle();
    link
}

#[test]
fn whoever_asks_is_answered() {
    let mut link = asks(vec![], Mode::Transport);
    assert_eq!(link.delivered, [1, 0]);
    let pair = link.nodes[0].status().pairs().next().unwrap();
    assert_eq!((pair.entry, pair.sends_for, &pair.selector), (DEFAULT, DEFAULT, &between(1)));
    // Nothing leaves in clear any more (`settle` would fail).
    link.nodes[0].handle_input(Input::Outbound(OUTSIDE, to_peer()), NOW);
    link.settle();
    assert_eq!(link.delivered, [1, 1]);
    // The client renews nothing; the server does, and both ends go on.
    for hour in 1..30 {
        link.advance(Instant::from_secs(hour * 3_600));
        link.nodes[1].handle_input(Input::Outbound(OUTSIDE, from_peer()), link.now);
        link.settle();
        link.nodes[0].handle_input(Input::Outbound(OUTSIDE, to_peer()), link.now);
        link.settle();
    }
    assert_eq!(link.delivered, [30, 30]);
}

#[test]
fn only_transport_mode_is_answered_and_only_where_no_rule_is_about_the_computer() {
    let tunnel = Mode::Tunnel { local: Some(outer(2)), remote: outer(1) };
    assert_eq!(asks(vec![], tunnel).delivered, [0, 0]);
    let tcp = |action| entry(1, Selector { protocol: Some(protocol::TCP), ..between(1) }, action);
    let all = |action| entry(1, between(1), action);
    let negotiate = || Action::Protect(protect(Mode::Transport));
    for (rule, delivered) in [
        // About part of the traffic: a permit or a block leaves the rest, a negotiation does not.
        (tcp(Action::Bypass), 1),
        (tcp(Action::Discard), 1),
        (tcp(negotiate()), 0),
        (all(Action::Bypass), 0),
        (all(Action::Discard), 0),
        (all(negotiate()), 1),
    ] {
        let link = asks(vec![rule.clone()], Mode::Transport);
        assert_eq!(link.delivered, [delivered, 0], "{rule:?}");
        assert!(
            link.nodes[0]
                .status()
                .pairs()
                .all(|pair| (pair.entry == DEFAULT) == (rule.action != negotiate()))
        );
    }
    // Another computer's rule.
    let other = Selector::between(AddressRange::single(outer(1)), AddressRange::single(outer(7)));
    assert_eq!(asks(vec![entry(1, other, negotiate())], Mode::Transport).delivered, [1, 0]);
    // A rule for dial-up connections.
    let dialup = SpdEntry { connection: Some(ConnectionKind::RemoteAccess), ..all(Action::Discard) };
    assert_eq!(asks(vec![dialup], Mode::Transport).delivered, [1, 0]);
}
