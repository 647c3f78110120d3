//! Ends of SAs.

use super::*;

fn events_of(node: &mut Ipsec) -> Vec<Event> {
    packets(drain(node)).2
}

#[test]
fn hard_expiry_removes_the_pair() {
    let (mut a, _) = tunnel();
    // Nothing agreed: 28,800 s (RFC 2407 section 4.5).
    let before = Instant::from_nanos(28_800 * 1_000_000_000 - 1);
    a.handle_input(Input::Timeout, before);
    assert!(events_of(&mut a).is_empty());
    assert_eq!(a.poll_timeout(), Some(Instant::from_secs(28_800)));
    a.handle_input(Input::Timeout, Instant::from_secs(28_800));
    assert!(events_of(&mut a).contains(&Event::PairDeleted { pair: PairId(1), why: DeleteReason::Expired }));
    assert_eq!(a.status().pairs().count(), 0);
}

#[test]
fn kilobytes_expire_the_pair() {
    let mut a = node(1, tunnel_policy(1));
    for from in [1, 2] {
        let mut spec = bundle(1, from, tunnel_mode(1), nets(1), &[IpsecProtocol::Esp]);
        spec.lifetime.kilobytes = Some(2);
        a.handle_input(Input::Command(Command::Install(spec)), NOW);
    }
    // 1,000 octets and headers each: the third passes 2,048, and is the last.
    for n in 0..3 {
        let (_, _, events) = outbound(&mut a, request(972 - 20));
        assert_eq!(
            events.contains(&Event::PairDeleted { pair: PairId(1), why: DeleteReason::Expired }),
            n == 2
        );
    }
}

#[test]
fn policies_keep_the_pairs_they_allow() {
    let with = |offers| {
        let mut policy = tunnel_policy(1);
        policy[0].id = EntryId(7);
        if let Action::Protect(p) = &mut policy[0].action {
            p.offers = offers;
        }
        Command::SetPolicy(PolicyDatabases { spd: Arc::new(Spd::new(policy)), ..Default::default() })
    };
    let (mut a, _) = tunnel();
    a.handle_input(Input::Command(with(vec![offer(None, Some(AES_MD5))])), NOW);
    assert!(events_of(&mut a).is_empty());
    assert_eq!(a.status().pairs().map(|p| p.entry).collect::<Vec<_>>(), [EntryId(7)]);
    a.handle_input(Input::Command(with(vec![offer(Some(Mac::HmacMd5_96), None)])), NOW);
    assert!(events_of(&mut a).contains(&Event::PairDeleted { pair: PairId(1), why: DeleteReason::Policy }));
}

#[test]
fn operators_delete_and_shut_down() {
    let (mut a, mut b) = tunnel();
    a.handle_input(Input::Command(Command::DeletePair(PairId(1))), NOW);
    b.handle_input(Input::Command(Command::Shutdown), NOW);
    for node in [&mut a, &mut b] {
        assert!(
            events_of(node).contains(&Event::PairDeleted { pair: PairId(1), why: DeleteReason::Command })
        );
    }
}

#[test]
fn handed_over_pairs_only_receive() {
    let (mut a, mut b) = tunnel();
    let (late, _, _) = outbound(&mut b, udp(ip("10.2.0.10"), ip("10.1.0.10"), (7, 4000), 1));
    a.apply(Effect::HandOver { new: PairId(2), old: PairId(1), proven: true }, NOW);
    assert_eq!(inbound(&mut a, late[0].1.clone()).1.len(), 1);
    let (_, _, events) = outbound(&mut a, request(1));
    assert!(events.contains(&Event::Held { packet: 42, entry: EntryId(1) }));
}

#[test]
fn initial_contact_purges_other_pairs_of_the_peer() {
    for (keep, left) in [(vec![PairId(1)], 1), (vec![], 0)] {
        let (mut a, _) = tunnel();
        a.apply(Effect::PurgePeer { peer: outer(2), keep }, NOW);
        assert_eq!(a.status().pairs().count(), left);
    }
}

#[test]
fn keys_are_logged_only_when_asked() {
    for key_log in [false, true] {
        let mut a = Ipsec::new(Config { key_log, ..config(1, tunnel_policy(1)) }, [1; 32], NOW);
        let spec = bundle(1, 1, tunnel_mode(1), nets(1), &[IpsecProtocol::Esp]);
        a.handle_input(Input::Command(Command::Install(spec.clone())), NOW);
        let expected = if key_log { vec![Event::Keys(Keys::Ipsec(spec))] } else { vec![] };
        assert_eq!(events_of(&mut a), expected);
    }
}
