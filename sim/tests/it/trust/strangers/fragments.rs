//! Fragments of IKE messages (MS-IKEE section 3.3) made up by strangers: memory stays bounded, and the true message is put
//! together all the same.

use ipsec_core::config::VendorIdRule;
use ipsec_core::crypto::{Cipher, Mac};
use ipsec_core::ike::v1::vendor_id::FRAGMENTATION;
use ipsec_core::spd::{Action as Policy, Lifetime, Spd};
use ipsec_core::wire::ikev1::Fragment;
use ipsec_core::wire::isakmp::{PayloadType, encode_chain};
use ipsec_sim::adversary::{Deed, Matcher, Rule, Which};

use super::*;
use crate::gateways::esp;

/// The most fragments that one ISAKMP SA keeps.
const KEPT: usize = 192;

struct Run {
    received: u32,
    /// When quick mode was established at either end.
    established: Vec<Instant>,
    most: Held,
    /// IKE messages outside: they went to the second gateway, and what they were.
    ike: Vec<(bool, Vec<u8>)>,
}

/// Both gateways announce fragmentation. The first quick-mode message is too long for a while to cross whole.
fn run(protection: Option<DosProtection>, injected: &[(Instant, Vec<u8>)]) -> Run {
    let (mut gateways, link) = open_to_all(9);
    guard(&mut gateways, protection);
    for node in gateways.ends() {
        let ipsec = gateways.builder.node_mut(node).unwrap().ipsec.as_mut().unwrap();
        ipsec.ike.vendor_ids = vec![VendorIdRule::always(FRAGMENTATION)];
        let mut entries = ipsec.policy.spd.entries().to_vec();
        for entry in &mut entries {
            let Policy::Protect(protect) = &mut entry.action else { continue };
            let offer = |n| {
                let cipher = if n % 2 == 0 { Cipher::Des } else { Cipher::TripleDes };
                let lifetime = Lifetime { seconds: Some(28_000 + n), kilobytes: None };
                Offer { lifetime, ..esp(cipher, Mac::HmacMd5_96) }
            };
            protect.offers = (0..26u32).map(offer).collect();
        }
        ipsec.policy.spd = Arc::new(Spd::new(entries));
    }
    let matcher = Matcher::IkeMessage { exchange: 32, message: 1 };
    let (link_only, from, which) = (Some(link), Some(gateways.gwa), Which::First(2));
    gateways.builder.rule(Rule { link: link_only, from, matcher, which, deed: Deed::Drop });
    for (at, bytes) in injected {
        let next_hop = B.parse().unwrap();
        gateways.builder.inject(Injection { at: *at, link, next_hop, bytes: bytes.clone() });
    }
    let id = gateways.ping(to_hb().count(30));
    let gwb = gateways.gwb;
    let mut network = gateways.builder.build().unwrap();
    let mut sinks = (Capture::new(network.names()), Events::default());
    let mut most = Held::default();
    for tenth in 1..=400 {
        network.run_until(Instant::from_millis(100 * tenth), &mut sinks);
        most = most.max(held(network.ipsec(gwb).unwrap()));
    }
    assert_eq!(network.finish(&mut ()), []);
    let ike = sinks.0.packets().iter().filter(|p| p.link == link).filter_map(|packet| {
        let view = IpView::parse(&packet.bytes)?;
        Some((view.destination == B.parse::<IpAddr>().unwrap(), view.isakmp()?.to_vec()))
    });
    Run {
        received: network.ping(id).unwrap().received,
        established: sinks.1.all.iter().filter(|e| is_quick_mode(&e.2)).map(|e| e.0).collect(),
        most,
        ike: ike.collect(),
    }
}

fn is_quick_mode(event: &Event) -> bool {
    matches!(event, Event::QuickModeEstablished(_))
}

fn is_fragment(message: &[u8]) -> bool {
    message.get(16) == Some(&PayloadType::FRAGMENT.0)
}

#[test]
fn forged_fragments_fill_no_memory_and_the_true_message_arrives() {
    for protection in [None, Some(DosProtection::AT_ONCE)] {
        let honest = run(protection, &[]);
        let true_ones: Vec<&[u8]> =
            honest.ike.iter().filter(|(to_b, m)| *to_b && is_fragment(m)).map(|(_, m)| &m[..]).collect();
        assert!(true_ones.len() >= 2 && honest.established.len() == 2, "{}", true_ones.len());
        let sample = true_ones[0];
        let cookie = |at: usize| Cookie(sample[at..at + 8].try_into().unwrap());
        let message_id = u32::from_be_bytes(sample[20..24].try_into().unwrap());
        let true_id = u16::from_be_bytes(sample[32..34].try_into().unwrap());
        let mut noise = Noise(0xf7a6);
        let forged = |n: u32| {
            let known = !n.is_multiple_of(8);
            let random = Cookie(noise.next().to_be_bytes());
            let cookies = if known { (cookie(0), cookie(8)) } else { (cookie(0), random) };
            let exchange = [ExchangeType::QUICK_MODE, ExchangeType::MAIN_MODE][n as usize % 7 / 6];
            let exact = n.is_multiple_of(3);
            let message_id = if exact { message_id } else { noise.next() as u32 };
            // Against the true message's own place, against a few messages with many small parts, and any.
            let (id, number, most) = match n % 3 {
                0 => (true_id, 1 + n as u64 / 3 % 3, 1_200),
                1 => (1_000 + (n / 3_000) as u16, 1 + noise.next() % 255, 64),
                _ => (noise.next() as u16 % 4, 1 + noise.next() % 255, 1_200),
            };
            let last = noise.next().is_multiple_of(4);
            let fragment = Fragment { id, number: number as u8, last, data: noise.bytes(most) };
            let header = Isakmp::new(cookies.0, cookies.1, exchange, Flags::NONE, message_id);
            let (first, body) = encode_chain(&[fragment.to_payload()]);
            let source = if n.is_multiple_of(5) { stranger(n) } else { A.parse().unwrap() };
            let port = if n.is_multiple_of(11) { 1_024 + (n % 50_000) as u16 } else { 500 };
            let at = Instant::from_millis(100 + u64::from(n));
            (at, udp(source, (port, 500), &header.encode_with(first, &body)))
        };
        let forged: Vec<_> = (0..20_000).map(forged).collect();
        let attacked = run(protection, &forged);
        assert_eq!((attacked.received, attacked.established), (honest.received, honest.established));
        let most = attacked.most;
        assert!((1..=KEPT).contains(&most.ike.fragments), "{most:?}");
        assert_eq!((most.ike.isakmp_sas, most.pairs, most.ike.quick_modes), (1, 1, 1), "{most:?}");
        assert!(most.ike.half_open <= 1 && most.ike.message_ids <= 8 && most.ike.timers <= 8, "{most:?}");
        println!("forged fragments, {protection:?}: {} cases, {most:?}", forged.len());
    }
}
