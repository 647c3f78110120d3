//! Lifetimes of ten seconds on a link that reorders: a rekeying costs no packet.

use ipsec_core::crypto::{Cipher, Mac};
use ipsec_core::spd::{Lifetime, Offer};
use ipsec_core::{Duration, Instant};
use ipsec_sim::statistics::Statistics;
use ipsec_sim::{Action, Faults};

use crate::gateways::{esp, gateways, to_hb};

/// Four pings at once, so that packets of one overtake what IKE says for another.
#[test]
fn packets_that_overtake_message_3_are_not_lost() {
    for seed in 0..3 {
        let lifetime = Lifetime { seconds: Some(10), kilobytes: None };
        let offer = Offer { lifetime, ..esp(Cipher::Aes128, Mac::HmacSha1_96) };
        // Every second packet is up to 50 ms late.
        let faults = Faults { reordering: 500_000, ..Faults::NONE };
        let mut gateways = gateways(seed, offer, faults, Instant::NEVER);
        let first = gateways.ping(to_hb());
        let mut quick = to_hb().count(1_000);
        quick.interval = Duration::from_millis(3);
        let start = |n: u64| Instant::from_secs(5) + Duration::from_millis(7 * n);
        let pings: Vec<_> = (0..4)
            .map(|n| gateways.builder.schedule(start(n), gateways.ha, Action::Ping(quick.clone())))
            .collect();
        let mut network = gateways.builder.build().unwrap();
        let mut statistics = Statistics::default();
        network.run_until(Instant::from_secs(80), &mut statistics);
        assert_eq!(network.finish(&mut ()), [], "seed {seed}");
        assert!(network.ping(first).unwrap().received > 0);
        assert!(statistics.quick_modes >= 8, "seed {seed}: {}", statistics.quick_modes);
        for ping in pings {
            let ping = network.ping(ping).unwrap();
            assert_eq!((ping.sent, ping.received), (1_000, 1_000), "seed {seed}: {:?}", statistics.drops);
        }
    }
}
