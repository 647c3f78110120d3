//! ESP in UDP through a translator, with keys set by hand: pings and TCP of two clients behind it, which rebinds.

use std::sync::Arc;

use ipsec_core::config::PolicyDatabases;
use ipsec_core::crypto::{Cipher, Mac, Secret};
use ipsec_core::sad::{BundleSpec, IpsecProtocol, OriginalAddresses, PairId, SaSpec, Spi, UdpEncapsulation};
use ipsec_core::selector::{AddressRange, Selector};
use ipsec_core::spd::{
    Action as Policy, Direction, EntryId, Lifetime, Mode, Offer, Pfs, Populate, Protect, Spd, SpdEntry,
};
use ipsec_core::{Command, DropReason, Event, Instant};
use ipsec_sim::app::tcp::Answer;
use ipsec_sim::capture::Capture;
use ipsec_sim::topology::parse_prefix;
use ipsec_sim::{Action, Effect, IpsecConfig, Payload, Ping, Record, Sink};

use crate::capture::{folder, tshark};
use crate::gateways::des_md5;
use crate::nat::{ALICE, ANNA, BOB, NAT, World, config, world};

const CLIENTS: [&str; 2] = ["10.0.0.2", "10.0.0.3"];
const SERVER: &str = "198.51.100.7";
const OUTSIDE: &str = "203.0.113.1";

pub(crate) fn one(address: &str) -> AddressRange {
    AddressRange::from(parse_prefix(address).unwrap())
}

pub(crate) fn policy(selector: Selector, offer: Offer) -> PolicyDatabases {
    let protect = Policy::Protect(Protect {
        mode: Mode::Transport,
        offers: vec![offer],
        pfs: Pfs::No,
        accept_clear_inbound: false,
        fallback: false,
        populate: Populate::default(),
    });
    let entry = SpdEntry {
        id: EntryId(0),
        name: String::new(),
        selector,
        direction: Direction::Both,
        connection: None,
        action: protect,
    };
    PolicyDatabases { spd: Arc::new(Spd::new(vec![entry])), ..PolicyDatabases::default() }
}

/// One direction of a client's pair, `at` the client or the server. Nobody knows yet which port the translator will take:
/// the server's first guess is wrong.
fn bundle(client: u8, at_server: bool, inbound: bool) -> BundleSpec {
    let own = CLIENTS[usize::from(client)];
    let (local, peer) = if at_server { (SERVER, OUTSIDE) } else { (own, SERVER) };
    let to_server = at_server == inbound;
    let original = match at_server {
        true => OriginalAddresses { local: SERVER.parse().unwrap(), peer: own.parse().unwrap() },
        false => OriginalAddresses { local: OUTSIDE.parse().unwrap(), peer: SERVER.parse().unwrap() },
    };
    BundleSpec {
        pair: PairId(u64::from(client)),
        inbound,
        entry: EntryId(0),
        selector: Selector::between(one(local), one(peer)),
        mode: Mode::Transport,
        local: local.parse().unwrap(),
        peer: peer.parse().unwrap(),
        sas: vec![SaSpec {
            protocol: IpsecProtocol::Esp,
            spi: Spi(0x1000 + 16 * u32::from(client) + u32::from(to_server)),
            cipher: Cipher::Des,
            cipher_key: Secret::new(
                (0..8).map(|i| 8 * i + client + 2 * u8::from(to_server)).collect::<Vec<u8>>(),
            ),
            mac: Some(Mac::HmacMd5_96),
            mac_key: Secret::new(vec![client + 1; 16]),
        }],
        lifetime: Lifetime::default(),
        initiator: !at_server,
        udp: Some(UdpEncapsulation {
            local_port: 4500,
            peer_port: if at_server { 1 + u16::from(client) } else { 4500 },
            original: Some(original),
            follow: at_server,
            client: client.into(),
        }),
    }
}

/// Both clients and the server, each with its policy and its SAs.
fn protected() -> World {
    let offer = des_md5();
    let mut world = world(config(), 1_400);
    for (node, local, remote) in
        [(ALICE, CLIENTS[0], SERVER), (ANNA, CLIENTS[1], SERVER), (BOB, SERVER, OUTSIDE)]
    {
        let policy = policy(Selector::between(one(local), one(remote)), offer);
        world.builder.node_mut(node).unwrap().ipsec = Some(IpsecConfig::new(policy));
    }
    for (client, node) in [(0, ALICE), (1, ANNA)] {
        for inbound in [true, false] {
            for (node, at_server) in [(node, false), (BOB, true)] {
                let install = Command::Install(bundle(client, at_server, inbound));
                world.act(0, node, Action::Ipsec(install));
            }
        }
    }
    world
}

/// What a node has dropped, and when a peer moved.
#[derive(Default)]
struct Seen {
    dropped: Vec<DropReason>,
    moved: usize,
}

impl Sink for Seen {
    fn record(&mut self, record: &Record<'_>) {
        match record.effect {
            Effect::Ipsec(Event::Dropped { reason, .. }) => self.dropped.push(*reason),
            Effect::Ipsec(Event::PeerMoved { .. }) => self.moved += 1,
            _ => {}
        }
    }
}

#[test]
fn two_clients_are_served_at_once_while_their_nat_rebinds() {
    let mut world = protected();
    let pings = [ALICE, ANNA].map(|node| world.ping(node, SERVER, |p| p.count(4)));
    world.act(0, BOB, Action::TcpListen { port: 80, answer: Answer::Echo });
    let connections = [(ALICE, 1025), (ANNA, 1026)].map(|(node, port)| {
        let (remote, send) = (format!("{SERVER}:80").parse().unwrap(), Payload::Pattern(400_000));
        world.act(1, node, Action::TcpConnect { remote, local_port: Some(port), send, expect: 400_000 })
    });
    world.act(2, NAT, Action::Rebind { move_address: false });
    let mut seen = Seen::default();
    let mut network = world.builder.build().unwrap();
    network.run_until(Instant::from_secs(60), &mut seen);
    for ping in pings {
        assert!(network.ping(ping).unwrap().received >= 3);
    }
    for tcp in connections {
        assert_eq!(network.tcp(tcp).unwrap().received, 400_000);
    }
    // Each client once from the guess to its port, and once to the next.
    assert_eq!(seen.moved, 4);
    assert_eq!(network.finish(&mut ()), []);
}

#[test]
fn one_local_port_serves_one_client() {
    // RFC 3948 section 5.2: behind the NAT both are 203.0.113.1 port 1025. The second is refused, and the first not disturbed.
    let mut world = protected();
    world.act(0, BOB, Action::TcpListen { port: 80, answer: Answer::Echo });
    let [first, second] = [(1, ALICE), (2, ANNA)].map(|(second, node)| {
        let (remote, send) = (format!("{SERVER}:80").parse().unwrap(), Payload::Pattern(5_000));
        let connect = Action::TcpConnect { remote, local_port: Some(1025), send, expect: 5_000 };
        world.act(second, node, connect)
    });
    let mut seen = Seen::default();
    let network = world.run(&mut seen);
    assert_eq!(network.tcp(first).unwrap().received, 5_000);
    assert_eq!(network.tcp(second).unwrap().received, 0);
    // The link of 1,400 octets is heard of through the translator: 20 + 8 + 8 + 8 + (n - 20 + 2 in blocks of 8) + 12, so n = 1362.
    let (mtu, refused): (Vec<_>, Vec<_>) =
        seen.dropped.into_iter().partition(|reason| matches!(reason, DropReason::TooBig { .. }));
    assert_eq!(mtu, [DropReason::TooBig { mtu: 1_362 }]);
    assert!(!refused.is_empty());
    assert!(refused.iter().all(|reason| *reason == DropReason::OverlappingFlow(PairId(1))));
}

#[test]
fn tshark_decrypts_on_both_sides_of_the_translator() {
    let mut world = protected();
    let size = |ping: Ping| ping.size(1_000).count(2);
    for node in [ALICE, ANNA] {
        world.ping(node, SERVER, size);
    }
    let mut network = world.builder.build().unwrap();
    let mut capture = Capture::new(network.names());
    network.run_until(Instant::from_secs(10), &mut capture);
    let folder = folder("esp_in_udp");
    capture.write(&folder).unwrap();
    for link in ["home", "net"] {
        let file = format!("{link}.pcapng");
        let good = "udp.dstport == 4500 && icmp.type == 8 && esp.icv_good == 1";
        let Some(requests) = tshark(&folder, &file, &["-Y", good]) else { return };
        assert_eq!(requests.len(), 4, "{requests:?}");
        let wrong =
            "_ws.malformed || ip.checksum.status == 0 || udp.checksum.status == 0 || esp.icv_bad == 1";
        assert_eq!(tshark(&folder, &file, &["-Y", wrong]), Some(vec![]));
    }
}
