//! Pairs that carry nothing (MS-IKEE section 3.5).

use super::negotiated::Link;
use super::*;
use crate::config::{IdleTimeout, VendorIdRule};
use crate::ike::v1::vendor_id::NLBS_PRESENT;

/// Two gateways, the first with a timeout for idle pairs; the second may be one of a cluster.
fn link(idle: Option<IdleTimeout>, cluster: bool) -> Link {
    let mut link = Link::between(tunnel_policy(1), tunnel_policy(2));
    let mut first = config(1, tunnel_policy(1));
    first.ike.idle = idle;
    let mut second = config(2, tunnel_policy(2));
    second.ike.vendor_ids = cluster.then(|| VendorIdRule::always(NLBS_PRESENT)).into_iter().collect();
    link.nodes = [Ipsec::new(first, [1; 32], NOW), Ipsec::new(second, [2; 32], NOW)];
    link
}

/// When pairs were deleted, in seconds, and why.
fn deleted(link: &mut Link, until: u64, ping_every: Option<u64>) -> Vec<(u64, DeleteReason)> {
    let mut found = vec![];
    for second in 0..=until {
        link.advance(Instant::from_secs(second));
        if second == 0 || ping_every.is_some_and(|every| second.is_multiple_of(every)) {
            link.ping();
        }
        found.extend(link.events.drain(..).filter_map(|event| match event {
            Event::PairDeleted { why, .. } => Some((second, why)),
            _ => None,
        }));
    }
    found
}

#[test]
fn an_idle_pair_is_deleted_after_five_minutes_or_one_in_a_cluster() {
    use DeleteReason::{Idle, PeerDeleted};
    for (idle, cluster, end) in [
        (Some(IdleTimeout::WINDOWS), false, Some(300)),
        (Some(IdleTimeout::WINDOWS), true, Some(60)),
        (None, false, None),
        (None, true, None),
    ] {
        let mut link = link(idle, cluster);
        let ends = deleted(&mut link, 1_000, None);
        let expected: Vec<_> = end.into_iter().flat_map(|at| [(at, Idle), (at, PeerDeleted)]).collect();
        assert_eq!(ends, expected);
        assert_eq!(
            link.nodes.each_ref().map(|n| n.status().pairs().count()),
            [usize::from(end.is_none()); 2]
        );
        // The next packet makes a new one.
        link.ping();
        assert_eq!(link.nodes.each_ref().map(|n| n.status().pairs().count()), [1, 1]);
    }
}

#[test]
fn traffic_keeps_a_pair() {
    let mut link = link(Some(IdleTimeout::WINDOWS), false);
    assert_eq!(deleted(&mut link, 1_200, Some(299)), []);
    assert_eq!(link.delivered, [5, 5]);
    // Counted from the last packet, at 1,196 s.
    assert_eq!(deleted_after(&mut link, 1_495), 0);
    assert_eq!(deleted_after(&mut link, 1_496), 2);
}

fn deleted_after(link: &mut Link, until: u64) -> usize {
    link.advance(Instant::from_secs(until));
    link.events.drain(..).filter(|event| matches!(event, Event::PairDeleted { .. })).count()
}

/// Windows Server 2003 SP1: a tunnel ends and begins again every five minutes (KB 923339).
#[test]
fn a_timer_that_ignores_traffic_ends_pairs_in_use() {
    let quirk = IdleTimeout { ignores_traffic: true, ..IdleTimeout::WINDOWS };
    let mut link = link(Some(quirk), false);
    let ends = deleted(&mut link, 1_000, Some(1));
    use DeleteReason::{Idle, PeerDeleted};
    assert_eq!(ends, [300, 600, 900].map(|at| [(at, Idle), (at, PeerDeleted)]).concat());
    // No ping is lost.
    assert_eq!(link.delivered, [1_001, 1_001]);
}
