//! The ESP-in-UDP packets of the recorded exchanges, as inputs of a node with the recorded keys: they come out as the pings
//! they are, and everything else on port 4500 is told from them.

use ipsec_core::config::PolicyDatabases;
use ipsec_core::crypto::{Cipher, Mac, Secret};
use ipsec_core::interface::{Boundary, ConnectionKind, Egress, Interface, InterfaceId};
use ipsec_core::route::RouteTable;
use ipsec_core::sad::{BundleSpec, IpsecProtocol, PairId, SaSpec, Spi, UdpEncapsulation};
use ipsec_core::selector::{Prefix, Selector};
use ipsec_core::spd::{
    Action, Direction, EntryId, EspTransform, Lifetime, Mode, Offer, Pfs, Populate, Protect, Spd, SpdEntry,
};
use ipsec_core::{Command, Config, DropReason, Event, Input, Instant, Ipsec, Output, Packet};
use ipsec_vectors::recorded::{self, Datagram, Recording, Secrets};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

const NOW: Instant = Instant::EPOCH;

/// Gateways of the recordings: 203.0.113.1 before 10.1.0.0/16 and 203.0.113.2 before 10.2.0.0/16.
fn outer(n: u8) -> IpAddr {
    [203, 0, 113, n].into()
}

fn selector(me: u8) -> Selector {
    let net = |n: u8| Prefix::new([10, n, 0, 0].into(), 16).into();
    Selector::between(net(me), net(3 - me))
}

fn gateway(me: u8, esp: EspTransform) -> Ipsec {
    let protect = Protect {
        mode: Mode::Tunnel { local: Some(outer(me)), remote: outer(3 - me) },
        offers: vec![Offer { ah: None, esp: Some(esp), lifetime: Lifetime::default() }],
        pfs: Pfs::No,
        accept_clear_inbound: false,
        fallback: false,
        populate: Populate::default(),
    };
    let entry = SpdEntry {
        id: EntryId(1),
        name: String::new(),
        selector: selector(me),
        direction: Direction::Both,
        connection: None,
        action: Action::Protect(protect),
    };
    let interface = Interface {
        id: InterfaceId(0),
        name: String::new(),
        kind: ConnectionKind::Lan,
        boundary: Boundary::Unprotected,
        addresses: vec![Prefix::new(outer(me), 24)],
        egress: Egress::Fragment { mtu: 1500 },
    };
    let policy = PolicyDatabases { spd: Arc::new(Spd::new(vec![entry])), ..PolicyDatabases::default() };
    Ipsec::new(Config::new(vec![interface], RouteTable::new(), policy), [me; 32], NOW)
}

/// The keys of the SA with this SPI: the seed of its KEYMAT has the SPI behind the protocol (RFC 2409 section 5.5).
fn keys(secrets: &Secrets, spi: [u8; 4]) -> (Vec<u8>, Vec<u8>) {
    let of = |side: &str| {
        let is_its = |seed: &Vec<u8>| seed.windows(5).any(|w| w[0] == 3 && w[1..] == spi);
        let at = secrets[&format!("{side} SA seed")].iter().position(is_its)?;
        let key = |kind: &str| secrets[&format!("{kind} {side} key")][at].clone();
        Some((key("encryption"), key("integrity")))
    };
    of("initiator").or_else(|| of("responder")).expect("a logged SA")
}

/// The datagram as it was on the wire, its checksum zero as both daemons sent it.
fn packet(datagram: &Datagram) -> Packet {
    let mut bytes = Vec::new();
    let length = (8 + datagram.payload.len()) as u16;
    let (from, to) = (datagram.source.0.octets(), datagram.destination.0.octets());
    etherparse::Ipv4Header::new(length, 64, 17.into(), from, to).unwrap().write(&mut bytes).unwrap();
    let (source_port, destination_port) = (datagram.source.1, datagram.destination.1);
    let udp = etherparse::UdpHeader { source_port, destination_port, length, checksum: 0 };
    bytes.extend(udp.to_bytes());
    bytes.extend(&datagram.payload);
    Packet::from_slice(7, &bytes)
}

/// Inputs one packet; what was delivered, and the events.
fn input(node: &mut Ipsec, packet: Packet) -> (Vec<Vec<u8>>, Vec<Event>) {
    node.handle_input(Input::Inbound(InterfaceId(0), packet), NOW);
    let (mut delivered, mut events) = (vec![], vec![]);
    while let Some(output) = node.poll_output() {
        match output {
            Output::Deliver(_, packet) => delivered.push(packet.bytes().to_vec()),
            Output::Event(event) => events.push(event),
            Output::Transmit(..) | Output::Work(..) => {}
        }
    }
    (delivered, events)
}

fn replay(recording: Recording, esp: EspTransform) {
    let secrets = recording.initiator();
    let mut nodes = [1, 2].map(|me| gateway(me, esp));
    let mut installed = vec![];
    let mut pings = vec![];
    let mut others = 0;
    for datagram in recording.datagrams().iter().filter(|d| d.destination.1 == 4500) {
        let me = datagram.destination.0.octets()[3];
        let node = &mut nodes[usize::from(me) - 1];
        let Some(spi) = datagram.payload.first_chunk().copied().filter(|spi| *spi != [0; 4]) else {
            let (delivered, events) = input(node, packet(datagram));
            let is_ike = matches!(events.last(), Some(Event::IkeIgnored { .. }));
            assert!(delivered.is_empty() && (is_ike || datagram.payload == [0xff]), "{events:?}");
            others += 1;
            continue;
        };
        if !installed.contains(&spi) {
            let (cipher_key, mac_key) = keys(&secrets, spi);
            let spec = BundleSpec {
                pair: PairId(installed.len() as u64),
                inbound: true,
                entry: EntryId(1),
                selector: selector(me),
                mode: Mode::Tunnel { local: Some(outer(me)), remote: outer(3 - me) },
                local: outer(me),
                peer: outer(3 - me),
                sas: vec![SaSpec {
                    protocol: IpsecProtocol::Esp,
                    spi: Spi(u32::from_be_bytes(spi)),
                    cipher: esp.cipher,
                    cipher_key: Secret::new(cipher_key),
                    mac: esp.mac,
                    mac_key: Secret::new(mac_key),
                }],
                lifetime: Lifetime::default(),
                initiator: false,
                udp: Some(UdpEncapsulation {
                    local_port: datagram.destination.1,
                    peer_port: datagram.source.1,
                    original: None,
                    follow: true,
                    client: 1,
                }),
            };
            node.handle_input(Input::Command(Command::Install(spec)), NOW);
            installed.push(spi);
        }
        let (delivered, events) = input(node, packet(datagram));
        assert!(matches!(events[..], [Event::Opened { packet: 7, .. }]), "{events:?}");
        let (_, events) = input(node, packet(datagram));
        assert!(matches!(events[..], [Event::Dropped { reason: DropReason::Replayed(_), .. }]), "{events:?}");
        pings.extend(delivered);
    }
    // The counts are tshark's.
    assert_eq!((pings.len(), installed.len()), (16, 6), "{}", recording.name);
    assert!(others > 10);
    for (request, reply) in pings.iter().step_by(2).zip(pings.iter().skip(1).step_by(2)) {
        is_ping(request, reply);
    }
}

/// An echo request and its reply, by etherparse.
fn is_ping(request: &[u8], reply: &[u8]) {
    use etherparse::{Icmpv4Type, NetSlice, SlicedPacket, TransportSlice};
    let read = |bytes: &[u8]| {
        let packet = SlicedPacket::from_ip(bytes).unwrap();
        let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Icmpv4(icmp))) = (packet.net, packet.transport)
        else {
            panic!("{bytes:02x?}")
        };
        assert_eq!(internet_checksum::checksum(icmp.slice()), [0, 0]);
        let ends: [Ipv4Addr; 2] = [ip.header().source_addr(), ip.header().destination_addr()];
        (ends, icmp.icmp_type(), icmp.payload().to_vec())
    };
    let ((asked, question, data), (answered, answer, echoed)) = (read(request), read(reply));
    let (Icmpv4Type::EchoRequest(question), Icmpv4Type::EchoReply(answer)) = (&question, &answer) else {
        panic!("{question:?} {answer:?}")
    };
    assert_eq!((question, data), (answer, echoed));
    assert_eq!([asked[1], asked[0]], answered);
    assert_eq!(
        (asked[0].octets()[..2].to_vec(), asked[1].octets()[..2].to_vec()),
        (vec![10, 1], vec![10, 2])
    );
}

#[test]
fn recorded_packets_come_out_as_pings() {
    let triple_des = EspTransform { cipher: Cipher::TripleDes, mac: Some(Mac::HmacSha1_96) };
    replay(recorded::KB816514, EspTransform { cipher: Cipher::Des, mac: Some(Mac::HmacMd5_96) });
    for recording in [recorded::PFS, recorded::RSA, recorded::AGGRESSIVE] {
        replay(recording, triple_des);
    }
}
