//! NAT traversal among strangers: on port 4500 anybody can say anything from any port (RFC 3947 section 8), and no peer moves
//! for it.

use ipsec_core::config::VendorIdRule;
use ipsec_core::crypto::{Cipher, Group, HashAlg, Secret};
use ipsec_core::ike::v1::vendor_id::RFC_3947;
use ipsec_core::pad::{AuthMethod, MainModeProposal, Pad, PadEntry};
use ipsec_core::selector::Selector;
use ipsec_sim::IpsecConfig;

use super::*;
use crate::esp_in_udp::{one, policy};
use crate::nat::{ALICE, ANNA, BOB, World, config, world};

const SERVER: &str = "198.51.100.7";
const OUTSIDE: &str = "203.0.113.1";
/// Where strangers sit: on the translator's link to the world, and on the server's.
const NET: LinkId = LinkId(1);
const FAR: LinkId = LinkId(2);

/// Alice has Bob's key, and Anna, behind the same translator, has not.
fn clients(protection: Option<DosProtection>) -> World {
    let mut world = world(config(), 1_400);
    let mut node = |node, local: &str, remote: &str, peers: &str, key: &str| {
        let mut databases = policy(Selector::between(one(local), one(remote)), des_md5());
        let proposal =
            MainModeProposal { cipher: Cipher::TripleDes, hash: HashAlg::Sha1, group: Group::Modp1024 };
        let entry = PadEntry {
            local: vec![one(local)],
            peer: vec![parse_prefix(peers).unwrap().into()],
            methods: vec![AuthMethod::PreSharedKey(Secret::from(key.as_bytes()))],
            proposals: vec![proposal],
            ..PadEntry::default()
        };
        databases.pad = Arc::new(Pad { entries: vec![entry] });
        let mut ipsec = IpsecConfig::new(databases);
        ipsec.ike.vendor_ids = vec![VendorIdRule::always(RFC_3947)];
        (ipsec.ike.dos_protection, ipsec.ike.answers_dos_cookies) = (protection, true);
        world.builder.node_mut(node).unwrap().ipsec = Some(ipsec);
    };
    node(ALICE, "10.0.0.2", SERVER, SERVER, "the key");
    node(ANNA, "10.0.0.3", SERVER, SERVER, "another key");
    node(BOB, SERVER, OUTSIDE, "0.0.0.0/0", "the key");
    world
}

/// What crossed the server's link: to it or from it, and the whole datagram.
type Seen = Vec<(bool, Vec<u8>)>;

struct Run {
    seen: Seen,
    events: Events,
    most: Held,
    received: u32,
}

fn run(protection: Option<DosProtection>, injected: Vec<Injection>) -> Run {
    let mut world = clients(protection);
    let hostile = !injected.is_empty();
    injected.into_iter().for_each(|injection| world.builder.inject(injection));
    let id = world.ping(ALICE, SERVER, |ping| ping.count(100));
    if hostile {
        for second in [15, 82] {
            let ping = Ping::new(SERVER.parse().unwrap());
            world.act(second, ANNA, ipsec_sim::Action::Ping(ping));
        }
    }
    let mut network = world.builder.build().unwrap();
    let mut sinks = (Capture::new(network.names()), Events::default());
    let mut most = Held::default();
    for second in 1..=150 {
        network.run_until(Instant::from_secs(second), &mut sinks);
        for node in [ALICE, BOB] {
            most = most.max(held(network.ipsec(node).unwrap()));
        }
    }
    assert_eq!(network.finish(&mut ()), []);
    let server: IpAddr = SERVER.parse().unwrap();
    let far = sinks.0.packets().iter().filter(|p| p.link == FAR);
    let seen = far.map(|p| (IpView::parse(&p.bytes).unwrap().destination == server, p.bytes.clone()));
    Run { seen: seen.collect(), events: sinks.1, most, received: network.ping(id).unwrap().received }
}

/// The UDP ports and payload of a datagram.
fn parts(bytes: &[u8]) -> ((u16, u16), &[u8]) {
    let port = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    ((port(20), port(22)), &bytes[28..])
}

/// One thing that can be said on port 4500, after what was said there before in this direction.
fn say(n: u32, old: &[&[u8]], noise: &mut Noise) -> Vec<u8> {
    let pick = |noise: &mut Noise, ike: bool| -> Vec<u8> {
        let of: Vec<_> = old.iter().filter(|d| d.len() > 8 && d.starts_with(&[0; 4]) == ike).collect();
        of[noise.next() as usize % of.len()].to_vec()
    };
    match n % 10 {
        // IKE as it was, and with a bit turned, the NAT-D payloads of messages 3 and 4 among it.
        0 => pick(noise, true),
        1 | 2 => {
            let mut message = pick(noise, true);
            let at = message.len() - 1 - noise.next() as usize % (message.len() - 4).min(100);
            message[at] ^= 1 << (n / 10 % 8);
            message
        }
        3 => [&[0; 4][..], &noise.bytes(300)].concat(),
        // ESP of SPIs that nobody has, of the true SPI, and old packets whole.
        4 => [&(noise.next() as u32 | 1).to_be_bytes()[..], &noise.bytes(300)].concat(),
        5 | 6 => {
            let spi = &pick(noise, false)[..4];
            let sequence = if n % 10 == 5 { 500 + n } else { noise.next() as u32 };
            [spi, &sequence.to_be_bytes(), &noise.bytes(300)].concat()
        }
        7 => pick(noise, false),
        // Keepalives, and what is too short for anything.
        8 => vec![0xff],
        _ => noise.bytes(8),
    }
}

/// Half of it to the server, half to the client by the translator's ports: from strangers, from other ports of the peer, and from
/// the peer's own.
fn hostile(honest: &Run, count: u32) -> Vec<Injection> {
    let mut noise = Noise(0x4500);
    let marked = |m: &[u8], port: u16| if port == 4500 { m.to_vec() } else { [&[0; 4], m].concat() };
    let said = |to_server: bool| -> Vec<Vec<u8>> {
        let mine = honest.seen.iter().filter(|(to, b)| *to == to_server && b[9] == protocol::UDP);
        // Later packets have not been said when the first lies come.
        mine.map(|(_, b)| parts(b))
            .map(|((s, d), m)| marked(m, if to_server { d } else { s }))
            .take(20)
            .collect()
    };
    let (to_server, to_client) = (said(true), said(false));
    let last = honest.seen.iter().rfind(|(to, b)| *to && b[9] == protocol::UDP).unwrap();
    let mapped = parts(&last.1).0.0;
    let mut injection = |n: u32| {
        let (server, outside): (IpAddr, IpAddr) = (SERVER.parse().unwrap(), OUTSIDE.parse().unwrap());
        let to_b = n.is_multiple_of(2);
        let old: Vec<&[u8]> = if to_b { &to_server } else { &to_client }.iter().map(Vec::as_slice).collect();
        let data = say(n / 2, &old, &mut noise);
        let other = 1_024 + (noise.next() % 60_000) as u16;
        let (peer, own_port) = if to_b { (outside, mapped) } else { (server, 4500) };
        let (source, port) = match n / 20 % 4 {
            0 => (stranger(n), other),
            1 => (stranger(n), 4500),
            2 => (peer, other),
            _ => (peer, own_port),
        };
        let (destination, own) = if to_b { (server, 4500) } else { (outside, mapped) };
        // A few on port 500, where there is no marker.
        let (data, own) = match data.strip_prefix(&[0; 4]) {
            Some(message) if to_b && n.is_multiple_of(7) => (message.to_vec(), 500),
            _ => (data, own),
        };
        let bytes = udp_between(source, destination, (port, own), &data);
        let (link, next_hop) = if to_b { (FAR, server) } else { (NET, outside) };
        let at = Instant::from_millis(25_000 + u64::from(n) * 70_000 / u64::from(count));
        Injection { at, link, next_hop, bytes }
    };
    (0..count).map(&mut injection).collect()
}

fn moves(events: &Events) -> usize {
    events.count(|e| matches!(e, Event::PeerMoved { .. } | Event::IsakmpPeerMoved { .. }))
}

#[test]
fn nobody_on_port_4500_moves_a_peer_or_gets_anything_through() {
    let count = 40_000;
    for protection in [None, Some(DosProtection::AT_ONCE)] {
        let honest = run(protection, Vec::new());
        assert!(honest.received >= 98, "{}", honest.received);
        let attacked = run(protection, hostile(&honest, count));
        assert_eq!(attacked.received, honest.received);
        assert_eq!(moves(&attacked.events), moves(&honest.events), "{}", attacked.events.tail());
        let of = |run: &Run, wanted: fn(&Event) -> bool| run.events.count(wanted);
        for wanted in [
            (|e| matches!(e, Event::MainModeEstablished(_))) as fn(&Event) -> bool,
            |e| matches!(e, Event::QuickModeEstablished(_)),
            |e| matches!(e, Event::Opened { .. }),
            |e| matches!(e, Event::PairDeleted { .. } | Event::IsakmpSaDeleted { .. }),
        ] {
            assert_eq!(of(&attacked, wanted), of(&honest, wanted));
        }
        let annas = |e: &Event| matches!(e, Event::Failed(failure) if failure.initiator);
        assert_eq!((attacked.events.count(annas), honest.events.count(annas)), (2, 0));
        let most = attacked.most;
        assert_eq!((most.pairs, most.ike.pairs), (1, 1), "{most:?}");
        // Old first messages count as new ones from wherever they come; who is asked for a cookie does not answer.
        let half_open = if protection.is_some() { 2 } else { Limits::default().half_open };
        // Anna's tries, one at a time, and Alice's.
        assert!(most.ike.isakmp_sas <= 4 && most.ike.half_open <= half_open, "{most:?}");
        assert!(most.ike.timers <= 16, "{most:?}");
        assert!(most.ike.replies <= 32 && most.ike.message_ids <= 8 && most.pending <= 32, "{most:?}");
        println!("on port 4500, {protection:?}: {count} cases, {most:?}");
    }
}
