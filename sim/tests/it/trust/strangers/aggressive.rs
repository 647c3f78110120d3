//! Aggressive mode, whose first message makes a responder compute (RFC 2409 section 5.4): floods of it, from everywhere and in
//! every name, and third messages that are not the initiator's.

use ipsec_core::Duration;
use ipsec_core::crypto::{Cipher, Group, HashAlg, Secret};
use ipsec_core::ike::proposal::phase1;
use ipsec_core::pad::{AuthMethod, MainModeProposal, Phase1Exchange};
use ipsec_core::wire::ikev1::{IdType, Identification, KeyExchange, Nonce};
use ipsec_core::wire::isakmp::{PayloadType, encode_chain};
use ipsec_sim::adversary::{Deed, Matcher, Rule, Which};

use super::*;

/// The gateways; the second one lets anybody begin by aggressive mode, and the first one begins by `exchange`. Quick modes
/// follow each other once a minute.
fn accepting(seed: u64, exchange: Phase1Exchange, protection: Option<DosProtection>) -> (Gateways, LinkId) {
    let (mut gateways, link) = open_for(seed, des_md5_for(60));
    guard(&mut gateways, protection);
    for (node, exchange) in [(gateways.gwa, exchange), (gateways.gwb, Phase1Exchange::MainMode)] {
        let ipsec = gateways.builder.node_mut(node).unwrap().ipsec.as_mut().unwrap();
        let entry = &mut Arc::make_mut(&mut ipsec.policy.pad).entries[0];
        (entry.exchange, entry.accept_aggressive) = (exchange, true);
    }
    (gateways, link)
}

/// A first message that could be true, by somebody who calls himself so.
fn first(number: u32, id_type: IdType, data: Vec<u8>) -> Vec<u8> {
    let proposal =
        MainModeProposal { cipher: Cipher::TripleDes, hash: HashAlg::Sha1, group: Group::Modp1024 };
    let psk = AuthMethod::PreSharedKey(Secret::new(*b"no key at all"));
    let (next, body) = encode_chain(&[
        Payload::Sa(phase1::offer(&[proposal], &[psk], 28_800)),
        // In the group, and nobody's.
        Payload::KeyExchange(KeyExchange { data: vec![0x5a; Group::Modp1024.byte_len()] }),
        Payload::Nonce(Nonce { data: vec![0xa5; 20] }),
        Payload::Identification(Identification { id_type, protocol: 0, port: 0, data }),
    ]);
    let cookie = Cookie((u64::from(number) | 0xf0 << 56).to_be_bytes());
    Isakmp::new(cookie, Cookie::ZERO, ExchangeType::AGGRESSIVE, Flags::NONE, 0).encode_with(next, &body)
}

/// What the stranger with this number sends: one in a hundred as the honest peer, one in eight in a name that nobody has,
/// one in eight in the name of another address.
fn nth(number: u32) -> Vec<u8> {
    let source = if number % 100 == 50 { A.parse().unwrap() } else { stranger(number) };
    let IpAddr::V4(address) = source else { unreachable!("strangers have IPv4 addresses") };
    let (id_type, name) = match number % 8 {
        1 => (IdType::FQDN, b"nobody.example".to_vec()),
        2 => (IdType::IPV4_ADDR, vec![203, 0, 113, 1]),
        _ => (IdType::IPV4_ADDR, address.octets().to_vec()),
    };
    udp(source, (500, 500), &first(number, id_type, name))
}

fn flood(gateways: &mut Gateways, link: LinkId, begin: u64, count: u32) {
    for n in 0..count {
        let (at, next_hop) = (Instant::from_millis(begin + u64::from(n)), B.parse().unwrap());
        gateways.builder.inject(Injection { at, link, next_hop, bytes: nth(n) });
    }
}

/// Aggressive modes that the second gateway computed for.
fn computed(events: &Events) -> usize {
    let aggressive = Phase1Exchange::AggressiveMode;
    events.count(
        |e| matches!(e, Event::MainModeStarted { initiator: false, exchange, .. } if *exchange == aggressive),
    )
}

#[test]
fn a_hundred_thousand_aggressive_modes_disturb_no_tunnel() {
    let aggressive = Phase1Exchange::AggressiveMode;
    let at_once = Some(DosProtection::AT_ONCE);
    // Who asks for cookies asks in main mode alone, and takes no aggressive mode meanwhile.
    for (exchange, protection) in [(aggressive, None), (Phase1Exchange::MainMode, at_once)] {
        let (mut gateways, link) = accepting(5, exchange, protection);
        flood(&mut gateways, link, 5_000, FLOOD);
        let through = gateways.ping_at(0, gateways.ha, to_hb().count(104));
        let back = gateways.ping_at(2, gateways.hb, to_ha().count(102));
        let gwb = gateways.gwb;
        let mut network = gateways.builder.build().unwrap();
        let mut events = Events::default();
        let mut most = Held::default();
        for second in 1..=110 {
            network.run_until(Instant::from_secs(second), &mut events);
            most = most.max(held(network.ipsec(gwb).unwrap()));
        }
        assert_eq!(network.finish(&mut ()), []);
        for (id, count) in [(through, 104), (back, 102)] {
            assert_eq!(network.ping(id).unwrap().received, count, "{:?}", network.ping(id).unwrap().lines);
        }
        assert_eq!(events.count(|e| matches!(e, Event::MainModeEstablished(_))), 2);
        assert!(events.count(|e| matches!(e, Event::QuickModeEstablished(_))) >= 4, "rekeyed meanwhile");
        let limit = Limits::default().aggressive;
        let computed = computed(&events);
        match protection {
            // 105 s of flood are two retransmission schedules of 64 s, begun: each may fill the budget once; one is honest.
            None => assert!(most.ike.isakmp_sas == limit + 1 && computed <= 2 * limit + 1, "{computed}"),
            Some(_) => assert!(most.ike.isakmp_sas == 1 && computed == 0, "{computed} {most:?}"),
        }
        assert!(most.ike.half_open <= 1 && most.pairs <= 2 && most.ike.pairs <= 2, "{most:?}");
        assert!(most.ike.replies <= limit + 8 && most.ike.timers <= limit + 16, "{most:?}");
        println!("aggressive first messages, {protection:?}: {FLOOD} cases, {computed} computed, {most:?}");
    }
}

#[test]
fn under_a_flood_of_aggressive_modes_main_mode_works_and_after_it_aggressive_mode() {
    let (count, aggressive) = (10_000, Phase1Exchange::AggressiveMode);
    for (exchange, at) in [(Phase1Exchange::MainMode, 5), (aggressive, 80)] {
        let (mut gateways, link) = accepting(6, exchange, None);
        flood(&mut gateways, link, 0, count);
        let id = gateways.ping_at(at, gateways.ha, to_hb());
        let mut network = gateways.builder.build().unwrap();
        let mut events = Events::default();
        network.run_until(Instant::from_secs(at + 10), &mut events);
        assert_eq!(network.finish(&mut ()), []);
        assert_eq!(network.ping(id).unwrap().received, 4, "{exchange:?}");
        let honest =
            events.count(|e| matches!(e, Event::MainModeEstablished(info) if info.exchange == exchange));
        assert_eq!(honest, 2);
    }
    println!("during and after a flood of aggressive modes: 2 cases of {count}");
}

/// Third messages of everybody but the initiator, with its cookies: hashes and encrypted ones made up. Strangers also say what
/// an initiator says next whose message 3 was lost.
fn thirds(cookies: (Cookie, Cookie), of_stranger: bool, noise: &mut Noise) -> Vec<u8> {
    let kind = noise.next() % if of_stranger { 6 } else { 4 };
    if kind > 3 {
        let exchange = if kind == 4 { ExchangeType::QUICK_MODE } else { ExchangeType::INFORMATIONAL };
        let header = Isakmp::new(cookies.0, cookies.1, exchange, Flags::ENCRYPTION, noise.next() as u32 | 1);
        return header.encode_with(PayloadType::HASH, &[7; 16]);
    }
    let flags = if kind < 2 { Flags::NONE } else { Flags::ENCRYPTION };
    let header = Isakmp::new(cookies.0, cookies.1, ExchangeType::AGGRESSIVE, flags, 0);
    let octets: Vec<u8> = (0..20).map(|_| noise.next() as u8).collect();
    match kind {
        0 => {
            let (next, mut body) = encode_chain(&[Payload::Nonce(Nonce { data: octets })]);
            // A HASH has the same form.
            body[0] = 0;
            header.encode_with(if next == PayloadType::NONCE { PayloadType::HASH } else { next }, &body)
        }
        1 => header.encode_with(PayloadType(noise.next() as u8), &octets),
        _ => {
            let garbage: Vec<u8> = (0..8 * (1 + noise.next() % 12)).map(|_| noise.next() as u8).collect();
            header.encode_with(PayloadType::HASH, &garbage)
        }
    }
}

#[test]
fn third_messages_without_the_key_neither_complete_nor_end_an_aggressive_mode() {
    let run = |forged: Vec<Vec<u8>>| {
        let (mut gateways, link) = accepting(7, Phase1Exchange::AggressiveMode, None);
        let from = Some(gateways.gwa);
        let matcher = Matcher::IkeMessage { exchange: 4, message: 3 };
        let deed = Deed::Delay(Duration::from_millis(900));
        gateways.builder.rule(Rule { link: Some(link), from, matcher, which: Which::First(3), deed });
        // Message 2 leaves after 15 ms. Message 3, said again for each phase 2 message before it, comes after 925.
        let gap = 800_000 / forged.len().max(1) as u64;
        for (n, message) in forged.iter().enumerate() {
            let at = Instant::from_millis(100 + n as u64 * gap / 1_000);
            let source = if n % 2 == 0 { A.parse().unwrap() } else { stranger(n as u32) };
            let bytes = udp(source, (500, 500), message);
            gateways.builder.inject(Injection { at, link, next_hop: B.parse().unwrap(), bytes });
        }
        let id = gateways.ping(to_hb());
        let (ha, gwb) = (id, gateways.gwb);
        let mut network = gateways.builder.build().unwrap();
        let mut sinks = (Capture::new(network.names()), Events::default());
        network.run_until(Instant::from_millis(905), &mut sinks);
        let waiting = held(network.ipsec(gwb).unwrap());
        assert_eq!((waiting.ike.isakmp_sas, waiting.pairs), (1, 0));
        assert_eq!(sinks.1.count(|e| matches!(e, Event::MainModeEstablished(info) if !info.initiator)), 0);
        network.run_until(Instant::from_secs(20), &mut sinks);
        assert_eq!(network.finish(&mut ()), []);
        assert!(network.ping(ha).unwrap().received >= 3);
        assert_eq!(sinks.1.count(|e| matches!(e, Event::MainModeEstablished(_))), 2, "{}", sinks.1.tail());
        let from_b = |p: &&IpView<'_>| p.source == B.parse::<IpAddr>().unwrap();
        let views = sinks.0.packets().iter().filter_map(|p| IpView::parse(&p.bytes));
        let elsewhere = views.filter(|v| from_b(&v) && v.destination != A.parse::<IpAddr>().unwrap()).count();
        assert_eq!(elsewhere, 0, "sent to strangers");
        let second = sinks.0.packets().iter().filter_map(|p| IpView::parse(&p.bytes)?.isakmp()).nth(1);
        let cookie = |at: usize| Cookie(second.unwrap()[at..at + 8].try_into().unwrap());
        (cookie(0), cookie(8))
    };
    let cookies = run(Vec::new());
    let mut noise = Noise(0x5eed);
    let forged: Vec<_> = (0..10_000).map(|n| thirds(cookies, n % 2 == 1, &mut noise)).collect();
    let cases = forged.len();
    assert_eq!(run(forged), cookies, "the same cookies were attacked");
    println!("forged third messages: {cases} cases");
}
