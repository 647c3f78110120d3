//! Twenty-four hours on a loss-free link: no ping lost, old SPIs gone, memory flat, whatever makes the SAs end.

use ipsec_core::io::DeleteReason;
use ipsec_core::selector::FlowKey;
use ipsec_core::spd::{EntryId, Lifetime};
use ipsec_core::{Command, Duration, Event, Instant};
use ipsec_sim::{Action, Ping};

use super::{Events, Held, assert_heard, held, seconds, to_ha, with_lifetimes};
use crate::gateways::{Gateways, to_hb};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// Pings from both sides every minute of a day; gives what was reported.
fn a_day(mut gateways: Gateways) -> Events {
    let minutely = |ping: Ping| {
        let mut ping = ping.size(1_000).count(1_440);
        ping.interval = Duration::from_secs(60);
        ping
    };
    let (ha, hb) = (gateways.ha, gateways.hb);
    let pings = [gateways.ping_at(0, ha, minutely(to_hb())), gateways.ping_at(31, hb, minutely(to_ha()))];
    let ends = gateways.ends();
    let mut network = gateways.builder.build().unwrap();
    let mut events = Events::default();
    let mut halves = [Held::default(); 2];
    // Looked at at odd times, so that all phases of the SAs' lives are seen.
    for n in 1..=DAY / 97 {
        network.run_until(Instant::from_secs(n * 97), &mut events);
        let half = usize::from(n * 97 > DAY / 2);
        for end in ends {
            halves[half] = halves[half].max(held(network.ipsec(end).unwrap()));
        }
    }
    assert_eq!(network.finish(&mut ()), [], "{}", events.tail());
    for ping in pings {
        let ping = network.ping(ping).unwrap();
        assert!(ping.sent >= 1_400, "{}", ping.sent);
        let expected = ping.sent - u32::from(ping.finished.is_none());
        assert!(ping.received >= expected, "{} of {}\n{}", ping.received, ping.sent, events.tail());
    }
    let [morning, evening] = halves;
    assert!(evening.pairs <= 4 && evening.ike.pairs <= 4, "{evening:?}");
    assert!(evening.ike.isakmp_sas <= 4 && evening.ike.quick_modes <= 4, "{evening:?}");
    // Not more in the evening than in the morning, but for what the phases of the moments differ.
    assert!(evening.ike.replies <= morning.ike.replies + 4, "{morning:?} {evening:?}");
    assert!(evening.ike.timers <= morning.ike.timers + 4, "{morning:?} {evening:?}");
    assert!(evening.ike.message_ids <= 4 * 256 && evening.reserved <= 2, "{evening:?}");
    // Some quiet minutes later, what was replaced is gone, and each end hears the other.
    network.run_until(Instant::from_secs(DAY + 200), &mut events);
    for (from, to) in [(ends[0], ends[1]), (ends[1], ends[0])] {
        assert_heard(&network, from, to);
        assert!(network.ipsec(from).unwrap().status().pairs().count() <= 2);
    }
    let made = events.count(|e| matches!(e, Event::QuickModeEstablished(_)));
    let main_modes = events.count(|e| matches!(e, Event::MainModeEstablished(_)));
    assert_eq!(
        events.count(|e| matches!(e, Event::Dropped { .. } | Event::Failed(_))),
        0,
        "{}",
        events.tail()
    );
    assert_eq!(events.count(|e| matches!(e, Event::InstallFailed { .. })), 0);
    println!("24 h: 2 x 1,440 pings, {made} ends of pairs, {main_modes} ends of ISAKMP SAs, {evening:?}");
    events
}

fn pairs_made(events: &Events) -> usize {
    events.count(|e| matches!(e, Event::QuickModeEstablished(_)))
}

#[test]
fn rekeyed_by_seconds() {
    let events = a_day(with_lifetimes(1, seconds(900), 28_800));
    // A pair of 900 s serves at most 95 % of it.
    assert!(pairs_made(&events) >= 2 * (DAY as usize / 900));
}

#[test]
fn rekeyed_by_kilobytes() {
    let lifetime = Lifetime { seconds: Some(2 * DAY as u32), kilobytes: Some(128) };
    let events = a_day(with_lifetimes(2, lifetime, 28_800));
    // 2,880 datagrams of 1,028 octets each way.
    assert!(pairs_made(&events) >= 2 * (2_860 * 1_028 / (128 * 1_024)));
}

#[test]
fn rekeyed_by_both_ends_at_once() {
    let mut gateways = with_lifetimes(3, seconds(HOUR as u32), 28_800);
    let mut times = 0;
    for at in (600..DAY).step_by(600) {
        times += 1;
        let nets = ["10.1.0.10", "10.2.0.10"].map(|a| a.parse().unwrap());
        for (node, [local, remote]) in [(gateways.gwa, nets), (gateways.gwb, [nets[1], nets[0]])] {
            let flow = FlowKey { local, remote, protocol: 1, local_port: None, remote_port: None };
            let initiate = Action::Ipsec(Command::Initiate(EntryId(0), flow));
            gateways.builder.schedule(Instant::from_secs(at), node, initiate);
        }
    }
    let events = a_day(gateways);
    // Each time two pairs, each with two ends.
    assert!(pairs_made(&events) >= 4 * times, "{} for {times}", pairs_made(&events));
    println!("both ends at once: {times} times");
}

#[test]
fn across_the_ends_of_main_modes() {
    let events = a_day(with_lifetimes(4, seconds(700), 1_800));
    let expired = |e: &Event| matches!(e, Event::IsakmpSaDeleted { why: DeleteReason::Expired, .. });
    assert!(events.count(expired) >= DAY as usize / 1_800 - 1, "{}", events.count(expired));
}
