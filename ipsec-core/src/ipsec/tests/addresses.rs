//! Addresses of this node that change while it runs.

use super::*;

/// The node's outside interface has this address from now on, and the routes say so.
fn readdress(node: &mut Ipsec, address: IpAddr) -> Vec<Output> {
    let mut interfaces = node.config.interfaces.clone();
    for interface in interfaces.iter_mut().filter(|i| i.id == OUTSIDE) {
        interface.addresses = vec![Prefix::new(address, 24)];
    }
    let routes = node.config.routes.clone();
    node.handle_input(Input::Command(Command::SetInterfaces(interfaces, routes)), NOW);
    drain(node)
}

fn gone(outputs: &[Output]) -> Vec<&Event> {
    let events = outputs.iter().filter_map(|o| match o {
        Output::Event(event) => Some(event),
        _ => None,
    });
    events.filter(|e| matches!(e, Event::PairDeleted { .. } | Event::IsakmpSaDeleted { .. })).collect()
}

/// Nothing can leave from an address that is gone: its SAs go, and no packet tells of it.
#[test]
fn sas_from_an_address_that_is_gone_are_gone() {
    let (mut a, _) = tunnel();
    assert_eq!(a.status().pairs().count(), 1);
    let outputs = readdress(&mut a, outer(9));
    assert_eq!(gone(&outputs), [&Event::PairDeleted { pair: PairId(1), why: DeleteReason::AddressGone }]);
    assert!(!outputs.iter().any(|o| matches!(o, Output::Transmit(..))), "{outputs:?}");
    assert!(!a.owns(outer(1)) && a.owns(outer(9)));
}

/// An address more, or the same again, ends nothing.
#[test]
fn sas_from_an_address_that_stays_stay() {
    let (mut a, _) = tunnel();
    let outputs = readdress(&mut a, outer(1));
    assert!(gone(&outputs).is_empty(), "{outputs:?}");
    assert_eq!(a.status().pairs().count(), 1);
}

/// What IKE negotiates from the old address fails, the packet that waits for it is dropped, and the peer does not count as
/// silent: it was not asked to the end.
#[test]
fn negotiations_from_an_address_that_is_gone_fail() {
    let mut policy = tunnel_policy(1);
    if let Action::Protect(protect) = &mut policy[0].action {
        protect.fallback = true;
    }
    let mut a = node(1, policy);
    outbound(&mut a, request(5));
    assert_eq!(a.status().pending().count(), 1);
    let outputs = readdress(&mut a, outer(9));
    let dropped = |o: &Output| {
        matches!(o, Output::Event(Event::Dropped { reason: DropReason::NegotiationFailed(EntryId(1)), .. }))
    };
    assert!(outputs.iter().any(dropped), "{outputs:?}");
    assert_eq!((a.status().pending().count(), a.status().soft_associations().count()), (0, 0));
    assert_eq!(a.poll_timeout(), None, "nothing is repeated");
}

/// The same for a change of policy: main mode ends, since the new policy has other methods for the peer, before the peer had
/// its time to answer. It is asked anew, and nothing goes in clear.
#[test]
fn a_new_policy_in_the_middle_of_main_mode_makes_no_soft_association() {
    let mut policy = tunnel_policy(1);
    if let Action::Protect(protect) = &mut policy[0].action {
        protect.fallback = true;
    }
    let mut a = node(1, policy);
    outbound(&mut a, request(5));
    let mut databases = a.config.policy.clone();
    Arc::make_mut(&mut databases.pad).entries[0].id = PadEntryId(77);
    a.handle_input(Input::Command(Command::SetPolicy(databases)), NOW);
    let (sent, _, events) = packets(drain(&mut a));
    assert!(!events.iter().any(|e| matches!(e, Event::SoftAssociation { .. })), "{events:?}");
    let udp = |p: &Packet| IpInfo::parse(p.bytes()).is_some_and(|info| info.source == outer(1));
    assert!(sent.iter().all(|(_, packet)| udp(packet)), "only IKE leaves");
}
