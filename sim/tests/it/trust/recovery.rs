//! Deletes that cross or get lost, peers that lose their memory at every step, and ends that begin at the same time: the
//! tunnel stands again, without help.

use ipsec_core::io::{DeleteReason, Keys};
use ipsec_core::sad::PairId;
use ipsec_core::spd::Mode;
use ipsec_core::{Command, Event, Instant};
use ipsec_sim::adversary::{Deed, Matcher, Rule, Which};
use ipsec_sim::{Action, AppId, Network};

use super::{Events, assert_heard, held, late_ping, seconds, to_ha, with_lifetimes};
use crate::gateways::{Gateways, to_hb};

fn fresh(seed: u64) -> Gateways {
    with_lifetimes(seed, seconds(600), 28_800)
}

/// An operator deletes the first pair at the first gateway, and so many milliseconds later at the other.
fn delete_first_pair(gateways: &mut Gateways, other: Option<u64>) {
    let ends = gateways.ends();
    for (node, after) in ends.into_iter().zip([Some(0), other]) {
        let command = Action::Ipsec(Command::DeletePair(PairId(1)));
        if let Some(after) = after {
            gateways.builder.schedule(Instant::from_millis(30_000 + after), node, command);
        }
    }
}

/// Both ends send on what the other hears, nothing is left over, and no invariant was broken.
fn assert_settled(network: &mut Network, ends: [ipsec_sim::NodeId; 2], what: &str, events: &Events) {
    assert_eq!(network.finish(&mut ()), [], "{what}\n{}", events.tail());
    assert_heard(network, ends[0], ends[1]);
    assert_heard(network, ends[1], ends[0]);
    for end in ends {
        let held = held(network.ipsec(end).unwrap());
        assert!(held.pairs <= 3 && held.ike.isakmp_sas <= 3 && held.pending == 0, "{what}: {held:?}");
    }
}

fn assert_answered(network: &Network, ping: AppId, what: &str, events: &Events) {
    let ping = network.ping(ping).unwrap();
    assert_eq!(ping.received, ping.count, "{what}: {:?}\n{}", ping.lines, events.tail());
}

#[test]
fn deletes_that_cross() {
    for seed in 0..8 {
        let mut gateways = fresh(seed);
        gateways.ping(to_hb());
        // From the same nanosecond to beyond one latency, 10 ms.
        delete_first_pair(&mut gateways, Some(seed * 2));
        let (late, ends) = (late_ping(&mut gateways, 40), gateways.ends());
        let mut network = gateways.builder.build().unwrap();
        let mut events = Events::default();
        network.run_until(Instant::from_secs(120), &mut events);
        assert_answered(&network, late, "crossed deletes", &events);
        assert_settled(&mut network, ends, "crossed deletes", &events);
        let old = |e: &Event| matches!(e, Event::PairDeleted { pair: PairId(1), .. });
        assert_eq!(events.count(old), 2);
    }
    println!("crossed deletes: 8 cases");
}

#[test]
fn a_delete_that_is_lost() {
    for deleter_speaks in [true, false] {
        let mut gateways = fresh(1);
        gateways.ping(to_hb());
        delete_first_pair(&mut gateways, None);
        let matcher = Matcher::IkeMessage { exchange: 5, message: 1 };
        let rule =
            Rule { link: None, from: Some(gateways.gwa), matcher, which: Which::First(4), deed: Deed::Drop };
        gateways.builder.rule(rule);
        // The end that forgot its pair makes a new one as soon as it has something to send. Else the other end, which
        // hears nothing, does so when its own is old, at the latest after 600 s.
        let (at, node, ping) =
            if deleter_speaks { (40, gateways.ha, to_hb()) } else { (640, gateways.hb, to_ha()) };
        let (late, ends) = (gateways.ping_at(at, node, ping), gateways.ends());
        let lost = gateways.ping_at(50, gateways.hb, to_ha().count(2));
        let mut network = gateways.builder.build().unwrap();
        let mut events = Events::default();
        network.run_until(Instant::from_secs(700), &mut events);
        let what = format!("lost delete, the deleter speaks: {deleter_speaks}");
        assert_answered(&network, late, &what, &events);
        assert_eq!(network.ping(lost).unwrap().received, if deleter_speaks { 2 } else { 0 }, "{what}");
        assert_settled(&mut network, ends, &what, &events);
    }
    println!("lost deletes: 2 cases");
}

#[test]
fn a_peer_rebooted_at_each_step_of_the_handshake() {
    let mut cases = 0;
    for who in [0, 1] {
        for step in 1.. {
            let mut gateways = fresh(step as u64);
            gateways.ping(to_hb());
            // Traffic from both sides: whoever lost its memory has something to send.
            let back = gateways.ping_at(150, gateways.hb, to_ha());
            let (late, ends) = (late_ping(&mut gateways, 160), gateways.ends());
            let mut network = gateways.builder.build().unwrap();
            let mut events = Events::default();
            while events.ike < step && network.step(&mut events) && network.now() < Instant::from_secs(20) {}
            if events.ike < step {
                // Main mode, quick mode and what follows them.
                assert!(step > 9, "{step}");
                break;
            }
            network.reboot(ends[who]);
            network.run_until(Instant::from_secs(300), &mut events);
            let what = format!("gateway {who} rebooted after datagram {step}");
            assert_answered(&network, back, &what, &events);
            assert_answered(&network, late, &what, &events);
            assert_settled(&mut network, ends, &what, &events);
            cases += 1;
        }
    }
    println!("rebooted in the handshake: {cases} cases");
}

#[test]
fn a_peer_rebooted_in_mid_life() {
    for who in [0, 1] {
        for rebooted_speaks in [true, false] {
            let mut gateways = fresh(who as u64);
            gateways.ping(to_hb());
            let hosts = [gateways.ha, gateways.hb];
            let to = |n: usize| if n == 0 { to_hb() } else { to_ha() };
            let speaker = if rebooted_speaks { who } else { 1 - who };
            // Without a word of the rebooted end, the other one finds out when its pair or ISAKMP SA is used up.
            let at = if rebooted_speaks { 110 } else { 750 };
            // The survivor sends all the time, as it would.
            let trying = gateways.ping_at(105, hosts[speaker], to(speaker).count(600));
            let late = gateways.ping_at(at, hosts[speaker], to(speaker));
            let back = gateways.ping_at(at + 10, hosts[1 - speaker], to(1 - speaker));
            let ends = gateways.ends();
            let mut network = gateways.builder.build().unwrap();
            let mut events = Events::default();
            network.run_until(Instant::from_secs(100), &mut events);
            network.reboot(ends[who]);
            network.run_until(Instant::from_secs(at + 100), &mut events);
            let what = format!("gateway {who} rebooted, it speaks first: {rebooted_speaks}");
            assert_answered(&network, late, &what, &events);
            assert_answered(&network, back, &what, &events);
            assert!(network.ping(trying).unwrap().received > 0);
            assert_settled(&mut network, ends, &what, &events);
            let purged = |(_, n, e): &&(Instant, _, Event)| {
                *n == ends[1 - who]
                    && matches!(e, Event::PairDeleted { why: DeleteReason::InitialContact, .. })
            };
            if rebooted_speaks {
                assert_eq!(events.all.iter().filter(purged).count(), 1, "{what}\n{}", events.tail());
            }
        }
    }
    println!("rebooted in mid-life: 4 cases");
}

#[test]
fn both_ends_begin_at_the_same_time() {
    for seed in 0..10 {
        let mut gateways = fresh(seed);
        let pings = [gateways.ping_at(0, gateways.ha, to_hb()), gateways.ping_at(0, gateways.hb, to_ha())];
        let (late, ends) = (late_ping(&mut gateways, 100), gateways.ends());
        let mut network = gateways.builder.build().unwrap();
        let mut events = Events::default();
        network.run_until(Instant::from_secs(140), &mut events);
        for ping in pings.into_iter().chain([late]) {
            assert_answered(&network, ping, "both begin", &events);
        }
        assert_settled(&mut network, ends, "both begin", &events);
    }
    println!("simultaneous initiation: 10 cases");
}

#[test]
fn an_spi_that_is_taken_is_not_given_out_again() {
    // What the second gateway chooses, first left alone, then with an SA of the operator's that has this SPI already.
    let run = |taken| {
        let mut gateways = fresh(5);
        let id = gateways.ping(to_hb());
        if let Some(spec) = taken {
            let install = Action::Ipsec(Command::Install(spec));
            gateways.builder.schedule(Instant::EPOCH, gateways.gwb, install);
        }
        let gwb = gateways.gwb;
        let mut network = gateways.builder.build().unwrap();
        let mut events = Events::default();
        network.run_until(Instant::from_secs(30), &mut events);
        assert_eq!(network.finish(&mut ()), []);
        assert_answered(&network, id, "SPI", &events);
        assert_eq!(events.count(|e| matches!(e, Event::InstallFailed { .. })), 0);
        let spec = events.all.iter().rev().find_map(|(_, node, event)| match event {
            Event::Keys(Keys::Ipsec(spec)) if *node == gwb && spec.inbound => Some(spec.clone()),
            _ => None,
        });
        spec.unwrap()
    };
    let mut spec = run(None);
    let first = spec.sas[0].spi;
    // Another peer's, so that nothing of this traffic is its.
    spec.peer = "203.0.113.77".parse().unwrap();
    spec.mode = Mode::Tunnel { local: Some(spec.local), remote: spec.peer };
    spec.pair = PairId(1 << 32);
    let second = run(Some(spec)).sas[0].spi;
    assert_ne!(first, second);
    assert!(first.0 > 255 && second.0 > 255);
    println!("SPI collision: 1 case");
}
