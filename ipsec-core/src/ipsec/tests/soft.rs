//! Soft associations: what begins them, what forbids them, what ends them.

use super::*;

const ENDED: Event = Event::SoftAssociationEnded { entry: EntryId(1), peer: IpAddr::V4(PEER) };
const PEER: core::net::Ipv4Addr = core::net::Ipv4Addr::new(192, 0, 2, 2);

fn policy(fallback: bool) -> Vec<SpdEntry> {
    let mut policy = tunnel_policy(1);
    if let Action::Protect(p) = &mut policy[0].action {
        p.fallback = fallback;
    }
    policy
}

/// A node that holds a packet for the silent gateway 2, and then hears that there was no answer.
fn after_silence(mut a: Ipsec) -> (Ipsec, Vec<Event>) {
    outbound(&mut a, request(5));
    let acquire = a.status().pending().next().expect("a packet waits").0.clone();
    a.apply(Effect::AcquireFailed { acquire, silent: true }, NOW);
    let (_, _, events) = packets(drain(&mut a));
    (a, events)
}

#[test]
fn silence_makes_one_that_is_listed() {
    let (a, events) = after_silence(node(1, policy(true)));
    assert_eq!(events.first(), Some(&Event::SoftAssociation { entry: EntryId(1), peer: PEER.into() }));
    let listed: Vec<_> = a.status().soft_associations().copied().collect();
    let until = NOW + Duration::from_secs(300);
    let (entry, local, peer) = (EntryId(1), outer(1), PEER.into());
    assert_eq!(listed, [SoftAssociation { entry, local, peer, since: NOW, until }]);
    assert_eq!(a.status().pairs().count(), 0, "it is no pair of SAs");
    assert_eq!(after_silence(node(1, policy(false))).0.status().soft_associations().count(), 0);
}

/// Clear packets of the peer come in as long as it lives, and not before.
#[test]
fn it_counts_both_ways() {
    let mut transport = policy(true);
    let side = |n| AddressRange::single(outer(n));
    transport[0].selector = Selector::between(side(1), side(2));
    if let Action::Protect(p) = &mut transport[0].action {
        p.mode = Mode::Transport;
    }
    let (request, answer) = (udp(outer(1), outer(2), (4000, 7), 5), || udp(outer(2), outer(1), (7, 4000), 5));
    let mut a = node(1, transport);
    assert_eq!(refused(&mut a, answer()), DropReason::ClearTextRefused(EntryId(1)));
    outbound(&mut a, request);
    let acquire = a.status().pending().next().expect("a packet waits").0.clone();
    a.apply(Effect::AcquireFailed { acquire, silent: true }, NOW);
    drain(&mut a);
    assert_eq!(inbound(&mut a, answer()).1.len(), 1);
}

#[test]
fn the_main_mode_policy_says_how_long_it_lives() {
    let mut a = node(1, policy(true));
    Arc::make_mut(&mut a.config.policy.pad).entries[0].soft_seconds = Some(20);
    let (mut a, _) = after_silence(a);
    assert_eq!(a.poll_timeout(), Some(Instant::from_secs(1)), "IKE's own timers come first here");
    a.ike = crate::ike::Ike::new(&a.config);
    assert_eq!(a.poll_timeout(), Some(Instant::from_secs(20)));
    a.handle_input(Input::Timeout, Instant::from_secs(20));
    assert_eq!(packets(drain(&mut a)).2, [ENDED]);
    // The next packet asks IKE again.
    a.handle_input(Input::Outbound(OUTSIDE, request(6)), Instant::from_secs(21));
    assert!(packets(drain(&mut a)).2.contains(&Event::Held { packet: 42, entry: EntryId(1) }));
}

/// "If any reply comes from the responder, no fallback is allowed": a peer with which we have SAs has replied.
#[test]
fn a_peer_with_living_sas_is_only_silent_at_the_moment() {
    let mut a = node(1, policy(true));
    let narrow = Selector { protocol: Some(protocol::ICMP), ..nets(1) };
    install(&mut a, 1, tunnel_mode(1), &narrow, &[IpsecProtocol::Esp]);
    let (a, events) = after_silence(a);
    assert_eq!(a.status().soft_associations().count(), 0);
    assert!(
        matches!(events[..], [Event::Dropped { reason: DropReason::NegotiationFailed(EntryId(1)), .. }]),
        "{events:?}"
    );
}

#[test]
fn sas_with_the_peer_end_it() {
    let (mut a, _) = after_silence(node(1, policy(true)));
    for from in [2, 1] {
        let spec = bundle(1, from, tunnel_mode(1), nets(1), &[IpsecProtocol::Esp]);
        a.handle_input(Input::Command(Command::Install(spec)), NOW);
    }
    assert!(packets(drain(&mut a)).2.contains(&ENDED));
    let answer = udp(ip("10.2.0.10"), ip("10.1.0.10"), (7, 4000), 5);
    assert_eq!(refused(&mut a, answer), DropReason::ClearTextRefused(EntryId(1)));
}

#[test]
fn a_new_policy_ends_it() {
    let (mut a, _) = after_silence(node(1, policy(true)));
    let databases = a.config.policy.clone();
    a.handle_input(Input::Command(Command::SetPolicy(databases)), NOW);
    assert!(packets(drain(&mut a)).2.contains(&ENDED));
    assert_eq!(a.status().soft_associations().count(), 0);
}

/// Bounded as all that is noted of peers; the one that ends first makes room.
#[test]
fn there_are_only_so_many() {
    let mut a = node(1, policy(true));
    a.config.limits.peer_notes = 2;
    for n in 1..=3 {
        let acquire = Acquire {
            entry: EntryId(1),
            local: outer(1),
            peer: [198, 51, 100, n].into(),
            selector: nets(1),
            replaces: None,
        };
        a.apply(Effect::AcquireFailed { acquire, silent: true }, Instant::from_secs(n.into()));
    }
    let peers: Vec<IpAddr> = a.status().soft_associations().map(|soft| soft.peer).collect();
    assert_eq!(peers, [ip("198.51.100.2"), ip("198.51.100.3")]);
}
