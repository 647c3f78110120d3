//! Whatever links and adversaries do, no invariant breaks; and when they stop, the tunnel stands.

use ipsec_core::{Duration, Instant};
use ipsec_sim::adversary::{Alteration, Deed, Matcher, Rule, Which};
use ipsec_sim::digest::DigestSink;
use ipsec_sim::trace::Trace;
use ipsec_sim::{Action, Faults, LinkId};
use proptest::prelude::*;

use crate::gateways::{des_md5, gateways, to_hb};

fn deed() -> impl Strategy<Value = Deed> {
    let millis = (1u64..5_000).prop_map(Duration::from_millis);
    let alteration = (-60i32..60, 1u8..).prop_map(|(at, xor)| Alteration { at, xor });
    prop_oneof![
        Just(Deed::Drop),
        Just(Deed::Duplicate),
        millis.clone().prop_map(Deed::Replay),
        millis.prop_map(Deed::Delay),
        prop::collection::vec(alteration, 1..4).prop_map(Deed::Alter),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let matcher = prop_oneof![
        Just(Matcher::Any),
        Just(Matcher::Esp),
        Just(Matcher::Ike),
        (prop_oneof![Just(2u8), Just(5), Just(32)], 1u32..7)
            .prop_map(|(exchange, message)| Matcher::IkeMessage { exchange, message }),
    ];
    let which = prop_oneof![(1u32..8).prop_map(Which::Nth), (1u32..8).prop_map(Which::First)];
    // The outside link is the second one.
    (matcher, which, deed()).prop_map(|(matcher, which, deed)| Rule {
        link: Some(LinkId(1)),
        from: None,
        matcher,
        which,
        deed,
    })
}

fn faults() -> impl Strategy<Value = Faults> {
    (0u32..300_000, 0u32..300_000, 0u32..300_000, 0u32..100_000).prop_map(
        |(loss, duplication, reordering, corruption)| Faults {
            loss,
            duplication,
            reordering,
            corruption,
            ..Faults::NONE
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn storms_pass(seed: u64, faults in faults(), rules in prop::collection::vec(rule(), 0..4)) {
        let run = || {
            let mut gateways = gateways(seed, des_md5(), faults, Instant::from_secs(60));
            rules.iter().for_each(|r| gateways.builder.rule(r.clone()));
            gateways.ping(to_hb().count(30));
            let back = Action::Ping(ipsec_sim::Ping::new("10.1.0.10".parse().unwrap()).count(30));
            gateways.builder.schedule(Instant::from_millis(1), gateways.hb, back);
            let late = Action::Ping(to_hb().count(2));
            let late = gateways.builder.schedule(Instant::from_secs(300), gateways.ha, late);
            let mut network = gateways.builder.build().unwrap();
            let mut sinks = (DigestSink::new(), Trace::new(network.names()));
            network.run_until(Instant::from_secs(400), &mut sinks);
            let violations = network.finish(&mut sinks).to_vec();
            (violations, network.ping(late).unwrap().received, sinks.0.digest(), sinks.1.text())
        };
        let (violations, received, digest, text) = run();
        prop_assert!(violations.is_empty(), "{violations:?}\n{text}");
        prop_assert_eq!(received, 2, "{}", text);
        prop_assert_eq!(digest, run().2);
    }
}
