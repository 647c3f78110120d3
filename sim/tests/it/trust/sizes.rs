//! Datagrams larger than the path: cut outside when they may be, refused with a path-MTU error inside when not, and the
//! octets arrive as they were.

use ipsec_core::Instant;
use ipsec_sim::app::tcp::Answer;
use ipsec_sim::capture::Capture;
use ipsec_sim::ip::{IpView, protocol};
use ipsec_sim::{Action, AppId, Network, Payload};

use super::{seconds, with_lifetimes};
use crate::gateways::{Gateways, to_hb};

const MTUS: [u16; 3] = [1_500, 1_400, 576];

fn narrow(mtu: u16) -> Gateways {
    let mut gateways = with_lifetimes(u64::from(mtu), seconds(28_800), 28_800);
    let link = gateways.builder.node_mut(gateways.gwa).unwrap().interfaces[1].link;
    gateways.builder.link_mut(link).unwrap().mtu = mtu;
    gateways
}

/// Runs, and gives what crossed the outside link.
fn run(gateways: Gateways, until: u64) -> (Network, Vec<Vec<u8>>) {
    let mut network = gateways.builder.build().unwrap();
    let mut capture = Capture::new(network.names());
    network.run_until(Instant::from_secs(until), &mut capture);
    assert_eq!(network.finish(&mut ()), []);
    let outside = network.names().links.iter().position(|name| name == "outside").unwrap();
    let of_link = capture.packets().iter().filter(|p| usize::from(p.link.0) == outside);
    let packets = of_link.map(|p| p.bytes.clone()).collect();
    (network, packets)
}

/// Every packet fits, and is IKE or ESP, or a piece of it. Gives the numbers of whole ESP packets and of pieces.
fn assert_sealed(packets: &[Vec<u8>], mtu: u16) -> (usize, usize) {
    let (mut whole, mut pieces) = (0, 0);
    for packet in packets {
        assert!(packet.len() <= usize::from(mtu), "{} octets on a link of {mtu}", packet.len());
        let view = IpView::parse(packet).unwrap();
        if view.protocol == protocol::ESP {
            *(if view.is_fragment() { &mut pieces } else { &mut whole }) += 1;
            continue;
        }
        assert!(view.is_ike() || view.protocol == protocol::UDP && view.is_fragment(), "{view:?}");
    }
    (whole, pieces)
}

#[test]
fn a_ping_of_1500_octets_that_may_be_cut_is_cut_outside() {
    for mtu in MTUS {
        let mut gateways = narrow(mtu);
        let id = gateways.ping(to_hb().size(1_472));
        let (network, packets) = run(gateways, 30);
        let ping = network.ping(id).unwrap();
        assert_eq!(ping.received, 4, "MTU {mtu}: {:?}", ping.lines);
        let (whole, pieces) = assert_sealed(&packets, mtu);
        // 20 outer header + 8 ESP + 8 IV + 1,500 + 2 trailer, padded to 8 as a whole, + 12 ICV: 1,552 octets, of which
        // 1,532 are cut into multiples of 8.
        let room = usize::from(mtu - 20) / 8 * 8;
        let expected = 8 * 1_532_usize.div_ceil(room);
        assert_eq!((whole, pieces), (0, expected), "MTU {mtu}");
    }
    println!("1,500-octet pings with DF clear: {} MTUs", MTUS.len());
}

#[test]
fn a_ping_of_1500_octets_that_must_not_be_cut_meets_an_error_inside() {
    for mtu in MTUS {
        let mut gateways = narrow(mtu);
        // The first pings, which fit, make the SAs: what waits for them has no size yet.
        gateways.ping(to_hb());
        let id = gateways.ping_at(10, gateways.ha, to_hb().size(1_472).dont_fragment());
        let (network, packets) = run(gateways, 40);
        let ping = network.ping(id).unwrap();
        assert_eq!(ping.received, 0, "MTU {mtu}");
        let told = "Reply from 10.1.0.1: Packet needs to be fragmented but DF set.";
        assert_eq!(ping.lines.iter().filter(|l| *l == told).count(), 4, "MTU {mtu}: {:?}", ping.lines);
        assert_eq!(assert_sealed(&packets, mtu), (8, 0), "MTU {mtu}");
    }
    println!("1,500-octet pings with DF set: {} MTUs", MTUS.len());
}

fn transfer(mtu: u16, discovery: bool) -> (Network, Vec<Vec<u8>>, [AppId; 2]) {
    let mut gateways = narrow(mtu);
    for host in [gateways.ha, gateways.hb] {
        gateways.builder.node_mut(host).unwrap().path_mtu_discovery = discovery;
    }
    let listen = Action::TcpListen { port: 80, answer: Answer::Nothing };
    let server = gateways.builder.schedule(Instant::EPOCH, gateways.hb, listen);
    let remote = "10.2.0.10:80".parse().unwrap();
    let connect = Action::TcpConnect { remote, local_port: None, send: Payload::Pattern(1 << 20), expect: 0 };
    let client = gateways.builder.schedule(Instant::EPOCH, gateways.ha, connect);
    let (network, packets) = run(gateways, 300);
    (network, packets, [server, client])
}

#[test]
fn a_megabyte_of_tcp_arrives_intact() {
    for mtu in MTUS {
        for discovery in [true, false] {
            let (network, packets, [server, client]) = transfer(mtu, discovery);
            assert!(network.tcp(client).unwrap().succeeded(), "MTU {mtu}, discovery {discovery}");
            let server = network.tcp(server).unwrap();
            assert_eq!((server.received, server.is_pattern), (1 << 20, true), "MTU {mtu}");
            let (whole, pieces) = assert_sealed(&packets, mtu);
            // Who discovers the MTU sends what fits; who does not has it cut.
            assert_eq!(pieces == 0, discovery, "MTU {mtu}: {whole} whole, {pieces} pieces");
        }
    }
    println!("1 MB of TCP: {} MTUs, with and without path MTU discovery", MTUS.len());
}
