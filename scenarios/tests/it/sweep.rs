//! Every fault at every place. Of the altered and shortened datagrams, which are tens of thousands, one of each sort is
//! here; `cargo run --release -p ipsec-scenarios --example sweep` makes all runs.

use ipsec_scenarios::embedded;
use ipsec_scenarios::sweep::{Kind, Message, Sweep, with_method};

const TUNNEL: &str = "kb816514-neta-netb-tunnel";

/// Makes all runs of the kinds, and prints how many.
fn holds(name: &str, kinds: &[Kind]) {
    let scenario = embedded::scenario(name).unwrap();
    let mut sweep = Sweep::new(&scenario, 1).unwrap();
    for kind in kinds {
        let tally = sweep.tally(*kind, |_| {});
        println!("{tally}");
        assert!(tally.held(), "{tally}\n{}", tally.failures.join("\n"));
    }
}

/// Makes the runs of a kind that are about the first datagrams of these sorts.
fn holds_for_first(sweep: &mut Sweep<'_>, kind: Kind, wanted: impl Fn(Message) -> bool, count: usize) {
    let places: Vec<usize> =
        (1..).zip(sweep.datagrams()).filter(|(_, d)| wanted(d.message)).map(|(n, _)| n).take(count).collect();
    assert_eq!(places.len(), count);
    holds_at(sweep, kind, &places);
}

/// Makes the runs of a kind that are about these datagrams.
fn holds_at(sweep: &mut Sweep<'_>, kind: Kind, places: &[usize]) {
    for &n in places {
        let cases = sweep.cases_of(kind, n);
        let octets = sweep.datagrams()[n - 1].bytes.len();
        assert_eq!(cases.len(), if kind == Kind::FlipOctet { octets } else { octets - 1 });
        for case in cases {
            if let Err(why) = sweep.judge(&case) {
                panic!("{case}: {why}\n{}", sweep.trace(&case).unwrap());
            }
        }
    }
}

#[test]
fn every_drop_and_every_pair_of_drops() {
    let kinds = [Kind::Drop, Kind::DropMainModePair, Kind::DropQuickModePair, Kind::DropIkePair];
    holds(TUNNEL, &kinds);
}

#[test]
fn every_duplicate_delay_and_swap() {
    holds(TUNNEL, &[Kind::Duplicate, Kind::Delay, Kind::Swap]);
}

#[test]
fn every_replay() {
    holds(TUNNEL, &[Kind::Replay(1), Kind::Replay(60)]);
}

#[test]
fn altered_esp_is_never_delivered() {
    let scenario = embedded::scenario(TUNNEL).unwrap();
    let mut sweep = Sweep::new(&scenario, 1).unwrap();
    holds_for_first(&mut sweep, Kind::FlipOctet, |m| m == Message::Esp, 2);
    holds_for_first(&mut sweep, Kind::Truncate, |m| m == Message::Esp, 1);
}

#[test]
fn altered_ah_is_delivered_if_only_mutable_fields_are() {
    for method in ["AH[SHA1]", "AH[SHA1]+ESP[DES,MD5]"] {
        let scenario = with_method(TUNNEL, method).unwrap();
        let mut sweep = Sweep::new(&scenario, 1).unwrap();
        holds_for_first(&mut sweep, Kind::FlipOctet, |m| m == Message::Ah, 2);
        holds_for_first(&mut sweep, Kind::Truncate, |m| m == Message::Ah, 1);
    }
}

#[test]
fn altered_ike_makes_nothing() {
    let scenario = embedded::scenario(TUNNEL).unwrap();
    let mut sweep = Sweep::new(&scenario, 1).unwrap();
    let of = |wanted: u8| move |m| matches!(m, Message::Ike { exchange, .. } if exchange == wanted);
    holds_for_first(&mut sweep, Kind::FlipOctet, of(2), 2);
    holds_for_first(&mut sweep, Kind::FlipOctet, of(32), 1);
    holds_for_first(&mut sweep, Kind::TruncateIsakmp, of(2), 1);
    holds_for_first(&mut sweep, Kind::TruncateIsakmp, of(32), 1);
}

/// Aggressive mode's three messages, and R-U-THERE with its acknowledgement, like all others.
#[test]
fn every_fault_of_aggressive_mode_and_dead_peer_detection() {
    for name in ["aggressive-psk", "dpd-one-sided"] {
        let kinds = [Kind::Drop, Kind::DropMainModePair, Kind::DropQuickModePair, Kind::DropIkePair];
        holds(name, &kinds);
        holds(name, &[Kind::Duplicate, Kind::Delay, Kind::Swap, Kind::Replay(1), Kind::Replay(60)]);
    }
}

#[test]
fn altered_messages_of_aggressive_mode_and_dead_peer_detection_make_nothing() {
    let of = |wanted: u8| move |m| matches!(m, Message::Ike { exchange, .. } if exchange == wanted);
    for (name, exchange, count) in [("aggressive-psk", 4, 3), ("dpd-one-sided", 5, 4)] {
        let scenario = embedded::scenario(name).unwrap();
        let mut sweep = Sweep::new(&scenario, 1).unwrap();
        holds_for_first(&mut sweep, Kind::FlipOctet, of(exchange), count);
        holds_for_first(&mut sweep, Kind::TruncateIsakmp, of(exchange), 2);
    }
}

/// Floated IKE and ESP in UDP, between a client and its NAT.
#[test]
fn every_fault_of_nat_traversal() {
    for name in ["nat-ei-apd-rfc3947-tunnel-initiator", "nat-ei-apd-draft02-transport-initiator"] {
        let kinds = [Kind::Drop, Kind::DropMainModePair, Kind::DropQuickModePair, Kind::DropIkePair];
        holds(name, &kinds);
        holds(name, &[Kind::Duplicate, Kind::Delay, Kind::Swap, Kind::Replay(1), Kind::Replay(60)]);
    }
}

/// IP fragments are lost, so messages 5 and 6 leave in fragments of IKE: three each.
#[test]
fn fragments_of_ike_meet_every_fault() {
    holds("fragmented-main-mode", &[Kind::Drop, Kind::DropIkePair]);
    let kinds = [Kind::Duplicate, Kind::Delay, Kind::Swap, Kind::Replay(1), Kind::Replay(60)];
    holds("fragmented-main-mode", &kinds);
    let scenario = embedded::scenario("fragmented-main-mode").unwrap();
    let mut sweep = Sweep::new(&scenario, 1).unwrap();
    // The header behind those of IP and UDP says that a fragment follows (MS-IKEE section 2.2.3.1).
    let is_fragment = |bytes: &[u8]| bytes[20 + 8 + 16] == 132;
    let places: Vec<usize> =
        (1..).zip(sweep.datagrams()).filter(|(_, d)| is_fragment(&d.bytes)).map(|(n, _)| n).collect();
    assert_eq!(places.len(), 6);
    holds_at(&mut sweep, Kind::FlipOctet, &places[..3]);
    // Message 4 with NAT-D, which nothing protects.
    holds_at(&mut sweep, Kind::FlipOctet, &[4]);
    holds_at(&mut sweep, Kind::TruncateIsakmp, &places[2..3]);
}

/// Between two computers with Windows Server 2003: the commit bit and CONNECTED; deletes that are answered.
#[test]
fn microsofts_exchanges_meet_every_fault() {
    let kinds = [Kind::Drop, Kind::Duplicate, Kind::Delay, Kind::Swap, Kind::Replay(1)];
    holds("commit-bit", &kinds);
    holds("dos-protection", &kinds);
    let scenario = embedded::scenario("commit-bit").unwrap();
    let mut sweep = Sweep::new(&scenario, 1).unwrap();
    let quick_mode = |m| matches!(m, Message::Ike { exchange: 32, .. });
    holds_for_first(&mut sweep, Kind::FlipOctet, quick_mode, 4);
    holds_for_first(&mut sweep, Kind::TruncateIsakmp, quick_mode, 4);
}
