//! How long a peer is asked before it counts as one without IPsec.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::harness::*;
use crate::config::{IkeConfig, RetransmitSchedule};
use crate::spd::{Action, Spd};
use crate::time::Duration;

/// Seconds at which message 1 was sent, and when the acquire failed, where nobody answers.
fn asked(fallback: bool, gaps: &[u64], last_wait: u64) -> (Vec<u64>, u64, Vec<bool>) {
    let seconds = |s: &u64| Duration::from_secs(*s);
    let trial = RetransmitSchedule {
        gaps: gaps.iter().map(seconds).collect(),
        last_wait: Duration::from_secs(last_wait),
    };
    let ike = IkeConfig { soft_trial: Some(trial), ..IkeConfig::default() };
    let mut net = Net::same(&Setup { ike, ..Setup::default() });
    let mut entries = net.nodes[0].policy.spd.entries().to_vec();
    if let Action::Protect(protect) = &mut entries[0].action {
        protect.fallback = fallback;
    }
    net.nodes[0].policy.spd = Arc::new(Spd::new(entries));
    let start = net.now;
    let since = |net: &Net| (net.now.as_millis() - start.as_millis()) / 1000;
    net.acquire(0);
    let mut sent = vec![];
    while net.nodes[0].acquire_failures().is_empty() {
        while net.take().is_some() {
            sent.push(since(&net));
        }
        net.now = net.nodes[0].ike.poll_timeout().expect("a timer");
        net.call(0, |ike, cx| ike.handle_timeout(cx));
    }
    (sent, since(&net), net.nodes[0].acquire_failures())
}

/// KB 914842: three seconds. KB 234580, Windows 2000: the request is tried four times.
#[test]
fn a_peer_that_may_be_spoken_to_in_clear_is_asked_for_a_shorter_time() {
    assert_eq!(asked(true, &[1], 2), (vec![0, 1], 3, vec![true]));
    assert_eq!(asked(true, &[1, 2, 4], 8), (vec![0, 1, 3, 7], 15, vec![true]));
    assert_eq!(asked(false, &[1], 2), (vec![0, 1, 3, 7, 15, 31, 63], 64, vec![true]));
}

/// "If any reply comes from the responder, no fallback is allowed" (Windows 2000 Resource Kit).
#[test]
fn any_reply_forbids_it() {
    let trial = RetransmitSchedule { gaps: vec![Duration::from_secs(1)], last_wait: Duration::from_secs(2) };
    let ike = IkeConfig { soft_trial: Some(trial), ..IkeConfig::default() };
    let mut net = Net::same(&Setup { ike, ..Setup::default() });
    let mut entries = net.nodes[0].policy.spd.entries().to_vec();
    if let Action::Protect(protect) = &mut entries[0].action {
        protect.fallback = true;
    }
    net.nodes[0].policy.spd = Arc::new(Spd::new(entries));
    let start = net.now;
    net.acquire(0);
    // Message 2 comes back, and then nothing more.
    let until = start + Duration::from_secs(100);
    net.run(until, &mut |_, d| {
        if d.payload[18] == 2 && d.peer.ip() == address(1) && d.payload[8..16] != [0; 8] {
            Fate::Drop
        } else {
            Fate::Deliver
        }
    });
    assert_eq!(net.nodes[0].acquire_failures(), [false]);
}
