//! Dead peer detection (RFC 3706) among strangers: what they say neither keeps a dead peer alive nor kills a living one.

use ipsec_core::Duration;
use ipsec_core::config::{DeadPeerDetection, VendorIdRule};
use ipsec_core::ike::v1::vendor_id::DEAD_PEER_DETECTION;
use ipsec_core::io::DpdStep;
use ipsec_sim::adversary::{Deed, Matcher, Rule, Which};
use ipsec_sim::{Action, NodeId};

use super::*;

const IDLE: u64 = 3;
/// When the second gateway loses its memory, where it does.
const REBOOT: u64 = 60;

/// One thing somebody says at a time, to the first gateway or the second.
type Said = (Instant, IpAddr, Vec<u8>);

struct Run {
    steps: Vec<(Instant, NodeId, DpdStep)>,
    opened: usize,
    established: usize,
    most: Held,
    /// Informational messages, with their time and where they went.
    said: Vec<Said>,
}

/// Traffic goes one way only, so the first gateway has to ask whether the second one lives. It loses its memory or does not.
fn run(protection: Option<DosProtection>, reboot: bool, injected: &[Said]) -> Run {
    let (mut gateways, link) = open_to_all(8);
    guard(&mut gateways, protection);
    let ends = gateways.ends();
    for node in ends {
        let ike = &mut gateways.builder.node_mut(node).unwrap().ipsec.as_mut().unwrap().ike;
        ike.vendor_ids = vec![VendorIdRule::always(DEAD_PEER_DETECTION)];
    }
    let asks = gateways.builder.node_mut(ends[0]).unwrap().ipsec.as_mut().unwrap();
    asks.ike.dead_peer_detection = Some(DeadPeerDetection::after(Duration::from_secs(IDLE)));
    let (link_only, from, which) = (Some(link), Some(ends[1]), Which::All);
    let silent = Rule { link: link_only, from, matcher: Matcher::Esp, which, deed: Deed::Drop };
    gateways.builder.rule(silent);
    if reboot {
        gateways.builder.schedule(Instant::from_secs(REBOOT), ends[1], Action::Reboot);
    }
    for (at, to, bytes) in injected {
        gateways.builder.inject(Injection { at: *at, link, next_hop: *to, bytes: bytes.clone() });
    }
    gateways.ping(to_hb().count(100));
    let mut network = gateways.builder.build().unwrap();
    let mut sinks = (Capture::new(network.names()), Events::default());
    let mut most = Held::default();
    for second in 1..=100 {
        network.run_until(Instant::from_secs(second), &mut sinks);
        for end in ends {
            most = most.max(held(network.ipsec(end).unwrap()));
        }
    }
    assert_eq!(network.finish(&mut ()), []);
    let step = |(at, node, event): &(Instant, NodeId, Event)| match event {
        Event::DeadPeerDetection { step, .. } => Some((*at, *node, *step)),
        _ => None,
    };
    let said = sinks.0.packets().iter().filter(|p| p.link == link).filter_map(|packet| {
        let view = IpView::parse(&packet.bytes)?;
        let informational = view.isakmp()?.get(18) == Some(&ExchangeType::INFORMATIONAL.0);
        informational.then(|| (packet.time, view.destination, packet.bytes.clone()))
    });
    Run {
        steps: sinks.1.all.iter().filter_map(step).collect(),
        opened: sinks.1.count(|e| matches!(e, Event::Opened { .. })),
        established: sinks.1.count(|e| matches!(e, Event::MainModeEstablished(_))),
        most,
        said: said.collect(),
    }
}

/// Questions and answers in clear and in garbage, about this ISAKMP SA, and authentic ones that were said before.
fn lies(honest: &Run, count: u32) -> Vec<Said> {
    let mut noise = Noise(0xdead);
    let (a, b): (IpAddr, IpAddr) = (A.parse().unwrap(), B.parse().unwrap());
    let sample = IpView::parse(&honest.said[0].2).unwrap().isakmp().unwrap().to_vec();
    let cookie = |at: usize| Cookie(sample[at..at + 8].try_into().unwrap());
    let (cky_i, cky_r) = (cookie(0), cookie(8));
    let mut lies = Vec::new();
    for n in 0..count {
        let at = Instant::from_millis(20_000 + u64::from(n) * 75_000 / u64::from(count));
        let (from, to) = if n % 2 == 0 { (b, a) } else { (a, b) };
        let source = if n % 3 == 0 { stranger(n) } else { from };
        let kind = if n % 4 < 2 { NotifyType::R_U_THERE_ACK } else { NotifyType::R_U_THERE };
        let id = noise.next() as u32 | 1;
        let message = match n % 5 {
            0 | 1 => {
                let mut said = Notification::new(ProtocolId::ISAKMP, [cky_i.0, cky_r.0].concat(), kind);
                said.data = (noise.next() as u32 >> 1).to_be_bytes().to_vec();
                let header = Isakmp::new(cky_i, cky_r, ExchangeType::INFORMATIONAL, Flags::NONE, id);
                Message { header, payloads: vec![Payload::Notification(said)] }.encode()
            }
            2 => {
                let flags = Flags::ENCRYPTION;
                let header = Isakmp::new(cky_i, cky_r, ExchangeType::INFORMATIONAL, flags, id);
                let garbage: Vec<u8> = (0..64).map(|_| noise.next() as u8).collect();
                header.encode_with(ipsec_core::wire::isakmp::PayloadType::HASH, &garbage)
            }
            which => {
                // Said before to this end: once more as it was, or with one bit and perhaps another message ID.
                let old: Vec<_> = honest.said.iter().filter(|(t, d, _)| *t < at && *d == to).collect();
                let Some((.., bytes)) = old.get(noise.next() as usize % old.len().max(1)) else { continue };
                let mut message = IpView::parse(bytes).unwrap().isakmp().unwrap().to_vec();
                if which == 4 {
                    let place = 20 + noise.next() as usize % (message.len() - 20);
                    message[place] ^= 1 << (n % 8);
                }
                message
            }
        };
        lies.push((at, to, udp_between(source, to, (500, 500), &message)));
    }
    lies
}

#[test]
fn strangers_neither_kill_a_living_peer_nor_keep_a_dead_one_alive() {
    let count = 20_000;
    for protection in [None, Some(DosProtection::AT_ONCE)] {
        for reboot in [false, true] {
            let honest = run(protection, reboot, &[]);
            let dead = |run: &Run| run.steps.iter().filter(|(.., step)| *step == DpdStep::Dead).count();
            assert_eq!(dead(&honest) > 0, reboot);
            let alive =
                honest.steps.iter().filter(|(.., step)| matches!(step, DpdStep::Alive { .. })).count();
            assert!(alive >= 10, "{alive}");
            let lies = lies(&honest, count);
            let cases = lies.len();
            assert_eq!(cases, count as usize);
            let attacked = run(protection, reboot, &lies);
            // Each question, answer and verdict is the same, at the same time.
            assert_eq!(attacked.steps, honest.steps);
            assert_eq!((attacked.opened, attacked.established), (honest.opened, honest.established));
            let same = |held: Held| {
                (held.pairs, held.ike.isakmp_sas, held.ike.message_ids, held.ike.replies, held.ike.timers)
            };
            assert_eq!(same(attacked.most), same(honest.most));
            println!(
                "dead peer detection, {protection:?}, reboot {reboot}: {cases} cases, {:?}",
                attacked.most
            );
        }
    }
}
