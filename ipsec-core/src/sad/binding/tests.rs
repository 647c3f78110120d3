use super::*;
use crate::crypto::{Cipher, Mac};
use crate::pad::Secret;
use crate::rng::Streams;
use crate::sad::{BundleSpec, InstallContext, IpsecProtocol, SaSpec, Spi, UdpEncapsulation};
use crate::selector::Selector;
use crate::spd::{EntryId, Lifetime, Mode};
use alloc::vec;

const NOW: Instant = Instant::EPOCH;
const SERVER: [u8; 4] = [203, 0, 113, 2];
const NAT: [u8; 4] = [198, 51, 100, 7];

/// Pair `pair` of a server with the client whose port the NAT has made `port`.
fn install(sad: &mut Sad, pair: u64, port: u16) {
    install_for(sad, pair, port, port.into());
}

fn install_for(sad: &mut Sad, pair: u64, port: u16, client: u64) {
    for inbound in [true, false] {
        let spec = BundleSpec {
            pair: PairId(pair),
            inbound,
            entry: EntryId(1),
            selector: Selector::any(),
            mode: Mode::Transport,
            local: SERVER.into(),
            peer: NAT.into(),
            sas: vec![SaSpec {
                protocol: IpsecProtocol::Esp,
                spi: Spi(0x1000 + pair as u32),
                cipher: Cipher::Null,
                cipher_key: Secret::new(vec![]),
                mac: Some(Mac::HmacSha1_96),
                mac_key: Secret::new(vec![1; 20]),
            }],
            lifetime: Lifetime::default(),
            initiator: false,
            udp: Some(UdpEncapsulation {
                local_port: 4500,
                peer_port: port,
                original: None,
                follow: true,
                client,
            }),
        };
        let streams = Streams::new([1; 32]);
        let cx = InstallContext { streams: &streams, window: 64, margin_permille: 100, now: NOW };
        sad.install(&spec, &cx).unwrap();
    }
}

/// Clients 1 and 2 behind one NAT, with the pairs of these numbers.
fn two() -> Sad {
    let mut sad = Sad::default();
    install(&mut sad, 1, 61_001);
    install(&mut sad, 2, 61_002);
    sad
}

fn flow(port: u16) -> Flow {
    Flow { local: SERVER.into(), remote: NAT.into(), protocol: 17, ports: (1701, port) }
}

fn choose(sad: &Sad, flow: Flow, now: Instant) -> Choice {
    sad.choose(Some(NAT.into()), |_| true, || Some(flow), now)
}

#[test]
fn answers_follow_the_binding() {
    let mut sad = two();
    assert_eq!(choose(&sad, flow(1701), NOW), Choice::Ambiguous(PairId(2)));
    for (pair, port) in [(1, 1701), (2, 1702)] {
        assert!(sad.claim(PairId(pair), flow(port), Part::Member, 9, NOW));
    }
    assert_eq!(choose(&sad, flow(1701), NOW), Choice::Pair(PairId(1)));
    assert_eq!(choose(&sad, flow(1702), NOW), Choice::Pair(PairId(2)));
    // RFC 3948 section 5.2: no second client gets a flow in use, and the first keeps it.
    assert!(!sad.claim(PairId(2), flow(1701), Part::Member, 9, NOW));
    assert_eq!(choose(&sad, flow(1701), NOW), Choice::Pair(PairId(1)));
    // With one client there is nothing to confuse.
    sad.remove(PairId(1));
    assert_eq!(choose(&sad, flow(9), NOW), Choice::Pair(PairId(2)));
    assert!(sad.claim(PairId(2), flow(1701), Part::Member, 9, NOW));
}

#[test]
fn a_rekeyed_client_keeps_its_flows() {
    let mut sad = two();
    assert!(sad.claim(PairId(1), flow(1701), Part::Member, 9, NOW));
    install(&mut sad, 3, 61_001);
    sad.hand_over(PairId(1), PairId(3));
    sad.remove(PairId(1));
    assert_eq!(choose(&sad, flow(1701), NOW), Choice::Pair(PairId(3)));
    assert!(!sad.claim(PairId(2), flow(1701), Part::Member, 9, NOW));
}

#[test]
fn a_client_that_moves_takes_its_flows_along() {
    let mut sad = two();
    assert!(sad.claim(PairId(1), flow(1701), Part::Member, 9, NOW));
    let (local, peer) = (SocketAddr::new(SERVER.into(), 4500), SocketAddr::new(NAT.into(), 61_099));
    assert_eq!(sad.move_peer(PairId(1), local, peer), Some(SocketAddr::new(NAT.into(), 61_001)));
    assert_eq!(sad.move_peer(PairId(1), local, peer), None);
    assert_eq!(choose(&sad, flow(1701), NOW), Choice::Pair(PairId(1)));
}

#[test]
fn clients_that_had_one_socket_after_each_other_stay_two() {
    // The NAT forgot the port of client 1 and gave it to client 2: their sockets, as far as we know, are the same.
    let mut sad = Sad::default();
    install_for(&mut sad, 1, 61_001, 1);
    install_for(&mut sad, 2, 61_001, 2);
    assert!(sad.claim(PairId(1), flow(1701), Part::Member, 9, NOW));
    assert!(!sad.claim(PairId(2), flow(1701), Part::Member, 9, NOW));
    assert!(sad.claim(PairId(2), flow(1702), Part::Member, 9, NOW));
    assert_eq!(choose(&sad, flow(1701), NOW), Choice::Pair(PairId(1)));
    assert_eq!(choose(&sad, flow(1702), NOW), Choice::Pair(PairId(2)));
}

#[test]
fn an_echo_is_bound_until_it_is_answered() {
    let mut sad = two();
    let echo = Flow { protocol: 1, ..flow(7) };
    assert!(sad.claim(PairId(1), echo, Part::Question, 9, NOW));
    assert!(!sad.claim(PairId(2), echo, Part::Question, 9, NOW));
    assert_eq!(choose(&sad, echo, NOW), Choice::Pair(PairId(1)));
    // An error about it goes the same way, and leaves it.
    assert!(sad.claim(PairId(1), echo, Part::About, 9, NOW));
    assert!(sad.claim(PairId(1), echo, Part::Answer, 9, NOW));
    assert_eq!(sad.bindings(), 0);
    assert!(sad.claim(PairId(2), echo, Part::Question, 9, NOW));
}

#[test]
fn idle_flows_are_forgotten() {
    let mut sad = two();
    // RFC 4787 requirement 5, RFC 5508 requirement 2, RFC 5382 requirement 5.
    let tcp = Flow { protocol: 6, ..flow(80) };
    let echo = Flow { protocol: 1, ..flow(7) };
    for (flow, part, seconds) in
        [(flow(1701), Part::Member, 300), (echo, Part::Question, 60), (tcp, Part::Member, 2 * 3_600 + 4 * 60)]
    {
        assert!(sad.claim(PairId(1), flow, part, 9, NOW));
        let last = NOW + Duration::from_secs(seconds) - Duration::from_nanos(1);
        assert_eq!(choose(&sad, flow, last), Choice::Pair(PairId(1)));
        assert_eq!(choose(&sad, flow, NOW + Duration::from_secs(seconds)), Choice::Ambiguous(PairId(2)));
    }
    // The next claim sweeps.
    assert!(sad.claim(PairId(2), flow(1), Part::Member, 9, NOW + Duration::from_secs(10_000)));
    assert_eq!(sad.bindings(), 1);
}

#[test]
fn the_table_is_bounded() {
    let mut sad = two();
    for port in 0..100 {
        let now = NOW + Duration::from_millis(u64::from(port));
        assert!(sad.claim(PairId(1), flow(port), Part::Member, 10, now));
        // What is used again is not the oldest.
        assert!(sad.claim(PairId(1), flow(0), Part::Member, 10, now));
        assert!(sad.bindings() <= 10);
    }
    assert_eq!(choose(&sad, flow(0), NOW), Choice::Pair(PairId(1)));
    assert_eq!(choose(&sad, flow(1), NOW), Choice::Ambiguous(PairId(2)));
    // What is evicted is not given to anyone else by mistake.
    sad.remove(PairId(1));
    assert_eq!(sad.bindings(), 0);
}

#[test]
fn without_udp_the_only_client_needs_no_flow() {
    let mut sad = Sad::default();
    install(&mut sad, 1, 61_001);
    sad.get_mut(PairId(1)).unwrap().udp = None;
    assert_eq!(sad.choose(Some(NAT.into()), |_| true, || panic!(), NOW), Choice::Pair(PairId(1)));
}
