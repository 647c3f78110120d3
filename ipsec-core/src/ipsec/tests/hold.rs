//! What waits for IKE, and what becomes of it.

use super::*;

fn holding(policy: Vec<SpdEntry>) -> Ipsec {
    let mut a = node(1, policy);
    let (sent, _, events) = outbound(&mut a, request(5));
    assert!(sent.iter().all(|(_, p)| p.bytes()[9] == protocol::UDP && p.len() > 60), "only IKE leaves");
    assert!(events.contains(&Event::Held { packet: 42, entry: EntryId(1) }));
    a
}

fn acquire_of(node: &Ipsec) -> Acquire {
    node.status().pending().next().unwrap().0.clone()
}

#[test]
fn held_packets_leave_when_the_pair_is_there() {
    let mut a = holding(tunnel_policy(1));
    outbound(&mut a, request(6));
    assert_eq!(a.status().pending().map(|(_, n)| n).collect::<Vec<_>>(), [2]);
    for from in [2, 1] {
        let spec = bundle(1, from, tunnel_mode(1), nets(1), &[IpsecProtocol::Esp]);
        a.handle_input(Input::Command(Command::Install(spec)), NOW);
    }
    let (sent, _, events) = packets(drain(&mut a));
    let protected = Event::Protected { packet: 42, pair: PairId(1) };
    assert_eq!(events.iter().filter(|e| **e == protected).count(), 2);
    assert_eq!(sent.iter().filter(|(_, p)| p.bytes()[9] == protocol::ESP).count(), 2);
    assert_eq!(a.status().pending().count(), 0);
}

/// A filter from "me" on a computer with several addresses; an identity of quick mode has room for one range.
#[test]
fn of_several_ranges_an_acquire_asks_for_the_packets() {
    let mut policy = tunnel_policy(1);
    let net = policy[0].selector.local[0];
    policy[0].selector.local.insert(0, crate::selector::AddressRange::single(outer(1)));
    assert_eq!(acquire_of(&holding(policy)).selector.local, [net]);
}

#[test]
fn an_acquire_is_narrowed_by_the_populate_flags() {
    let mut policy = tunnel_policy(1);
    assert_eq!(acquire_of(&holding(policy.clone())).selector, nets(1));
    if let Action::Protect(p) = &mut policy[0].action {
        p.populate = Populate { local: false, remote: true, protocol: true, ports: true };
    }
    let acquire = acquire_of(&holding(policy));
    assert_eq!((acquire.local, acquire.peer, acquire.replaces), (outer(1), outer(2), None));
    assert_eq!(alloc::format!("{}", acquire.selector), "10.1.0.0/16:4000 -> 10.2.0.10:7 udp");
}

#[test]
fn failed_negotiations_drop_what_waited() {
    let mut a = holding(tunnel_policy(1));
    let acquire = acquire_of(&a);
    a.apply(Effect::AcquireFailed { acquire, silent: true }, NOW);
    let (sent, _, events) = packets(drain(&mut a));
    assert!(sent.is_empty());
    assert!(matches!(events[..], [Event::Dropped { reason: DropReason::NegotiationFailed(EntryId(1)), .. }]));
}

#[test]
fn only_silence_falls_back_to_clear_and_only_for_a_while() {
    let mut policy = tunnel_policy(1);
    if let Action::Protect(p) = &mut policy[0].action {
        p.fallback = true;
    }
    for (silent, leaves) in [(true, 1), (false, 0)] {
        let mut a = holding(policy.clone());
        let acquire = acquire_of(&a);
        a.apply(Effect::AcquireFailed { acquire, silent }, NOW);
        let (sent, _, _) = packets(drain(&mut a));
        assert_eq!(sent.len(), leaves);
        if silent {
            // The next one does not wait, until the note has aged.
            assert_eq!(outbound(&mut a, request(7)).2, [Event::Bypassed { packet: 42, entry: EntryId(1) }]);
            assert_eq!(a.status().soft_associations().count(), 1);
            a.handle_input(Input::Timeout, Instant::from_secs(300));
            assert_eq!(a.status().soft_associations().count(), 0);
        }
    }
}

#[test]
fn what_waits_is_bounded() {
    let mut a = node(1, tunnel_policy(1));
    for _ in 0..a.config.limits.pending_packets {
        outbound(&mut a, request(5));
    }
    let (_, _, events) = outbound(&mut a, request(5));
    assert!(matches!(events[..], [Event::Dropped { reason: DropReason::PendingFull, .. }]));
}

#[test]
fn a_new_policy_decides_again_about_what_waits() {
    let mut a = holding(tunnel_policy(1));
    let spd = Arc::new(Spd::new(vec![entry(3, Selector::any(), Action::Bypass)]));
    a.handle_input(Input::Command(Command::SetPolicy(PolicyDatabases { spd, ..Default::default() })), NOW);
    let (_, _, events) = packets(drain(&mut a));
    assert!(events.contains(&Event::Bypassed { packet: 42, entry: EntryId(3) }));
}

#[test]
fn octets_that_wait_are_bounded() {
    let mut a = node(1, tunnel_policy(1));
    a.config.limits.pending_octets = 2 * request(5).len();
    let full = [0; 3].map(|_| {
        let (_, _, events) = outbound(&mut a, request(5));
        events.iter().any(|e| matches!(e, Event::Dropped { reason: DropReason::PendingFull, .. }))
    });
    assert_eq!(full, [false, false, true]);
}
