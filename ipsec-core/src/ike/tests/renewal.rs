//! ISAKMP SAs that get a successor, by themselves or because an operator says so.

use alloc::vec::Vec;

use super::harness::*;
use crate::config::IkeConfig;
use crate::ike::effect::Acquire;
use crate::io::{DeleteReason, Event};
use crate::wire::isakmp::Cookie;

fn renewing(seconds: u32) -> Setup {
    let ike = IkeConfig { renews_isakmp_sas: true, ..IkeConfig::default() };
    Setup { ike, lifetime_seconds: seconds, ..Setup::default() }
}

fn connected(setup: &Setup) -> Net {
    let mut net = Net::same(setup);
    net.acquire(0);
    net.settle();
    net.assert_same_pairs(1);
    net
}

/// Who began each ISAKMP SA, in order, as this node tells it.
fn begun(node: &Node) -> Vec<bool> {
    let initiator = |event: &Event| match event {
        Event::MainModeEstablished(info) => Some(info.initiator),
        _ => None,
    };
    node.events.iter().filter_map(initiator).collect()
}

fn isakmp_deletes(node: &Node) -> Vec<DeleteReason> {
    let why = |event: &Event| match event {
        Event::IsakmpSaDeleted { why, .. } => Some(*why),
        _ => None,
    };
    node.events.iter().filter_map(why).collect()
}

fn cookie(node: &Node) -> Cookie {
    let cookie = |event: &Event| match event {
        Event::MainModeEstablished(info) => Some(info.cky_i),
        _ => None,
    };
    node.events.iter().find_map(cookie).unwrap()
}

#[test]
fn the_initiator_has_a_successor_in_good_time() {
    let mut net = connected(&renewing(600));
    // A tenth of the lifetime before its end; the responder would begin at 570 s.
    net.run_for(539);
    assert_eq!(begun(&net.nodes[0]), [true]);
    net.run_for(2);
    assert_eq!((begun(&net.nodes[0]), begun(&net.nodes[1])), ([true; 2].to_vec(), [false; 2].to_vec()));
    net.run_for(10);
    // The old one ends, and with it no pair.
    assert_eq!(isakmp_deletes(&net.nodes[0]), [DeleteReason::Expired]);
    assert_eq!(isakmp_deletes(&net.nodes[1]), [DeleteReason::PeerDeleted]);
    net.run_for(48);
    assert_eq!(net.nodes.each_ref().map(|node| begun(node).len()), [2, 2]);
    assert_eq!((net.nodes[0].deleted(), net.nodes[1].deleted()), (Vec::new(), Vec::new()));
}

#[test]
fn without_pairs_or_without_being_asked_to_nobody_renews() {
    let mut net = connected(&Setup { lifetime_seconds: 600, ..Setup::default() });
    net.run_for(700);
    assert_eq!(begun(&net.nodes[0]), [true]);
    let mut net = connected(&renewing(600));
    let pair = net.nodes[0].inbound[0].pair;
    net.call(0, |ike, cx| ike.pair_deleted(pair, &[], DeleteReason::Idle, cx));
    let pair = net.nodes[1].inbound[0].pair;
    net.call(1, |ike, cx| ike.pair_deleted(pair, &[], DeleteReason::Idle, cx));
    net.run_for(700);
    assert_eq!(begun(&net.nodes[0]), [true]);
}

#[test]
fn either_end_may_be_told_to_renew() {
    for node in [0, 1] {
        let mut net = connected(&Setup::default());
        let old = cookie(&net.nodes[node]);
        net.call(node, |ike, cx| {
            assert!(ike.renew(old, cx));
            // While it is under way, once is enough.
            assert!(ike.renew(old, cx));
            assert!(!ike.renew(Cookie([7; 8]), cx));
        });
        net.settle();
        assert_eq!(begun(&net.nodes[node]), [node == 0, true]);
        // The next quick mode runs under the new one.
        let quick_mode_under = |net: &Net| {
            let under = |event: &Event| match event {
                Event::QuickModeEstablished(info) => Some(info.cky_i),
                _ => None,
            };
            net.nodes[0].events.iter().filter_map(under).next_back()
        };
        let replaces = Some(net.nodes[0].inbound[0].pair);
        let acquire = Acquire { replaces, ..net.wanted(0) };
        net.call(0, |ike, cx| ike.acquire(acquire, cx));
        net.settle();
        assert!(quick_mode_under(&net).is_some_and(|cky_i| cky_i != old));
        net.run_for(11);
        assert_eq!(isakmp_deletes(&net.nodes[node]), [DeleteReason::Expired]);
    }
}
