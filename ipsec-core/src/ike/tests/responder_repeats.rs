//! A responder that repeats its messages of main mode while the initiator is silent, as ike-scan measured Windows'.

use alloc::vec;
use alloc::vec::Vec;

use super::harness::*;
use crate::config::{IkeConfig, RetransmitSchedule};
use crate::ike::effect::Datagram;
use crate::ike::failure::{FailureReason, Progress};
use crate::io::Event;
use crate::time::{Duration, Instant};

fn windows() -> Setup {
    let ike = IkeConfig { responder_retransmit: Some(RetransmitSchedule::default()), ..IkeConfig::default() };
    Setup { ike, ..Setup::default() }
}

/// Seconds from `start` at which the responder sends, when only the first `heard` messages of the initiator arrive and
/// nothing of the responder's, except what is needed for that.
fn sends(setup: &Setup, heard: usize) -> (Net, Vec<u64>, Vec<Datagram>) {
    let mut net = Net::new([&Setup::default(), setup]);
    net.acquire(0);
    for round in 1..=heard {
        let ours = net.take().expect("the initiator's message");
        net.deliver(&ours);
        if round < heard {
            let theirs = net.take().expect("the responder's answer");
            net.deliver(&theirs);
        }
    }
    // From here on there is only the responder.
    let start = net.now;
    let mut sent = vec![net.take().expect("the responder's answer")];
    let mut seconds = vec![0];
    while let Some(next) =
        net.nodes[1].ike.poll_timeout().filter(|next| *next <= start + Duration::from_secs(500))
    {
        net.now = next;
        net.call(1, |ike, cx| ike.handle_timeout(cx));
        while let Some(datagram) = net.take() {
            seconds.push((next.as_millis() - start.as_millis()) / 1000);
            sent.push(datagram);
        }
    }
    (net, seconds, sent)
}

/// ike-scan, ike-backoff-patterns, "Windows 2000, 2003 or XP": 0, 1, 2, 4, 8, 16, 32.
#[test]
fn message_2_is_sent_seven_times_with_the_gaps_of_windows() {
    let (net, seconds, sent) = sends(&windows(), 1);
    assert_eq!(seconds, [0, 1, 3, 7, 15, 31, 63]);
    assert!(sent.iter().all(|datagram| *datagram == sent[0]));
    let attempts: Vec<u32> = net.nodes[1]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Retransmitted { message_id: 0, attempt, .. } => Some(*attempt),
            _ => None,
        })
        .collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5, 6]);
    assert_eq!(net.nodes[1].ike.poll_timeout(), None);
}

/// RFC 2408 section 5.1 leaves it to the initiator; MS-IKEE section 3.1.5 describes a responder without a timer.
#[test]
fn without_a_schedule_the_responder_only_answers() {
    assert_eq!(sends(&Setup::default(), 1).1, [0]);
    assert_eq!(sends(&Setup::default(), 2).1, [0]);
}

#[test]
fn message_4_is_repeated_as_well_until_the_responder_gives_up() {
    let (net, seconds, sent) = sends(&windows(), 2);
    assert_eq!(seconds, [0, 1, 3, 7, 15, 31, 63]);
    assert!(sent.iter().all(|datagram| *datagram == sent[0]));
    let [FailureReason::TimedOut(expected)] = net.nodes[1].failures()[..] else {
        panic!("{:?}", net.nodes[1].failures());
    };
    assert_eq!(expected, "waiting for main mode message 5");
    assert_eq!(net.nodes[1].ike.sizes().isakmp_sas, 0);
}

/// An initiator that says no more after message 1 has failed to negotiate, which is told once either end's schedule is over.
#[test]
fn a_main_mode_of_which_only_message_1_came_is_given_up() {
    for setup in [Setup::default(), windows()] {
        let (net, ..) = sends(&setup, 1);
        let [Event::Failed(failure)] =
            &net.nodes[1].events.iter().filter(|e| matches!(e, Event::Failed(_))).collect::<Vec<_>>()[..]
        else {
            panic!("{:?}", net.nodes[1].events);
        };
        assert_eq!(failure.reason, FailureReason::TimedOut("waiting for main mode message 3"));
        assert_eq!((failure.initiator, failure.progress), (false, Progress::SaProcessed));
        assert_eq!(failure.peer, socket(0));
        let sizes = net.nodes[1].ike.sizes();
        assert_eq!((sizes.half_open, sizes.timers), (0, 0));
    }
    // One that goes on is not.
    let mut net = Net::same(&windows());
    net.acquire(0);
    net.run_for(200);
    net.assert_same_pairs(1);
    assert_eq!(net.nodes[1].failures(), []);
}

/// What arrives ends the repetition of what it answers, and nothing is repeated once there is an SA.
#[test]
fn repetition_ends_with_the_initiators_next_message() {
    let mut net = Net::new([&Setup::default(), &windows()]);
    net.acquire(0);
    net.run_for(200);
    net.assert_same_pairs(1);
    let repeated = |event: &Event| matches!(event, Event::Retransmitted { .. });
    assert_eq!(net.nodes[1].count(repeated), 0);
}

/// Only the responder repeats message 2 here: it alone must bring the negotiation to its end.
#[test]
fn the_responders_repetition_alone_mends_the_loss_of_message_2() {
    let silent = RetransmitSchedule { gaps: vec![], last_wait: Duration::from_secs(60) };
    let initiator =
        Setup { ike: IkeConfig { retransmit: silent, ..IkeConfig::default() }, ..Setup::default() };
    let mut net = Net::new([&initiator, &windows()]);
    net.acquire(0);
    let until = net.now + Duration::from_secs(30);
    net.run(until, &mut |number, datagram| {
        let lost = number == 2 && datagram.local.ip() == address(1);
        if lost { Fate::Drop } else { Fate::Deliver }
    });
    net.assert_same_pairs(1);
}

/// A flood of first messages from forged addresses arms one timer, and what was displaced is not repeated.
#[test]
fn a_flood_arms_one_timer() {
    let setup = windows();
    let mut node = Net::new([&setup, &setup]);
    let mut sent = 0;
    for seed in 1..=60 {
        let mut stranger = Net::same(&Setup::default());
        stranger.nodes[0].reseed(seed);
        stranger.acquire(0);
        let first = stranger.take().expect("message 1");
        node.now = Instant::from_secs(1);
        sent += node.nodes[1].receive(node.now, &first).len();
    }
    assert_eq!((sent, node.nodes[1].ike.sizes().timers), (60, 1));
    node.now = Instant::from_secs(2);
    node.call(1, |ike, cx| ike.handle_timeout(cx));
    let per_source = crate::config::Limits::default().half_open_per_source;
    assert_eq!(node.sent.len(), per_source);
}
