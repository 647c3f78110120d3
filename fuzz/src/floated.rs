//! A server with two clients behind one NAT, and whatever may arrive at its port 4500 (RFC 3948).
//!
//! Keys are set by hand. A model beside the server knows what each client has sealed, from where its newest packet came,
//! and whose flow is whose: what comes out was sealed by a client and comes once, a client is only where a packet of its
//! own came from, and an answer goes to nobody but the client that asked.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use ipsec_core::config::PolicyDatabases;
use ipsec_core::crypto::{Cipher, Mac, Secret};
use ipsec_core::interface::{Boundary, ConnectionKind, Egress, Interface, InterfaceId};
use ipsec_core::ip::{refresh_checksum, write};
use ipsec_core::route::{Route, RouteTable};
use ipsec_core::sad::{BundleSpec, IpsecProtocol, OriginalAddresses, PairId, SaSpec, Spi, UdpEncapsulation};
use ipsec_core::selector::{AddressRange, Prefix, Selector};
use ipsec_core::spd::{
    Action, Direction, EntryId, EspTransform, Lifetime, Mode, Offer, Pfs, Populate, Protect, Spd, SpdEntry,
};
use ipsec_core::wire::ipv4::{Ipv4, Ipv4Header};
use ipsec_core::wire::{IpProtocol, udp};
use ipsec_core::{Command, Config, Duration, Input, Instant, Ipsec, Output, Packet};

use crate::bytes::Bytes;

const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
const NAT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
/// What both clients call themselves.
const LAPTOP: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 3);
/// Behind the server, in tunnel mode.
const SUZY: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 10);
/// Where a packet may say that it comes from; most of them are nobody's.
const SOURCES: [Ipv4Addr; 6] = [
    NAT,
    Ipv4Addr::new(198, 51, 100, 99),
    Ipv4Addr::UNSPECIFIED,
    Ipv4Addr::BROADCAST,
    Ipv4Addr::new(224, 0, 0, 9),
    SERVER,
];

const INTERFACE: InterfaceId = InterfaceId(0);
const MAX_STEPS: usize = 64;
/// How long a flow of UDP stays bound (RFC 4787 requirement 5).
const IDLE: Duration = Duration::from_secs(300);
/// Packets that may be under way or come again.
const KEPT: usize = 64;

/// The mode, then step after step.
pub fn body(data: &[u8]) {
    let mut b = Bytes::new(data);
    let bits = b.u8();
    let mut world = World::new(bits & 1 != 0, bits & 2 != 0, key_of(data));
    for _ in 0..MAX_STEPS {
        if b.is_empty() {
            break;
        }
        world.step(&mut b);
    }
}

/// A key that follows from all of the input (FNV-1a): no input can hold an ICV that the fuzzer saw with another one.
fn key_of(data: &[u8]) -> u64 {
    data.iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, octet| (hash ^ u64::from(*octet)).wrapping_mul(0x100_0000_01b3))
}

/// A packet that a client has sealed.
#[derive(Clone, Debug)]
struct Sealed {
    client: usize,
    sequence: u32,
    port: u16,
    payload: Vec<u8>,
    /// From its SPI on.
    esp: Vec<u8>,
    /// The server has taken it.
    taken: bool,
}

struct World {
    tunnel: bool,
    server: Ipsec,
    clients: [Ipsec; 2],
    now: Instant,
    sealed: Vec<Sealed>,
    sequence: [u32; 2],
    /// The newest packet of each client that the server has taken, and where its peer has to be.
    newest: [u32; 2],
    peer: [SocketAddrV4; 2],
    /// The ports that the NAT gives the clients now.
    mapped: [u16; 2],
    /// By client port: whose it is, and since when nothing was heard of it.
    owner: BTreeMap<u16, (usize, Instant)>,
    flow_bindings: usize,
}

impl World {
    fn new(tunnel: bool, crowded: bool, key: u64) -> Self {
        let flow_bindings = if crowded { 2 } else { 4_096 };
        let mapped = [61_001, 61_002];
        let mut world = World {
            tunnel,
            server: node(tunnel, true, flow_bindings),
            clients: [0, 1].map(|_| node(tunnel, false, flow_bindings)),
            now: Instant::EPOCH,
            sealed: Vec::new(),
            sequence: [0; 2],
            newest: [0; 2],
            peer: mapped.map(|port| SocketAddrV4::new(NAT, port)),
            mapped,
            owner: BTreeMap::new(),
            flow_bindings,
        };
        for client in [0, 1] {
            for inbound in [false, true] {
                for (node, at_server) in [(&mut world.server, true), (&mut world.clients[client], false)] {
                    let spec = bundle(tunnel, client, at_server, inbound, mapped[client], key);
                    node.handle_input(Input::Command(Command::Install(spec)), world.now);
                    assert!(node.poll_output().is_none(), "the SAs cannot be installed");
                }
            }
        }
        world
    }

    fn step(&mut self, b: &mut Bytes<'_>) {
        match b.u8() % 8 {
            0 | 1 => self.ask(b),
            2 => self.again(b),
            3 => {
                let (from, port) = (*b.pick(&SOURCES), b.u16());
                let (checksum, len) = (b.u8(), usize::from(b.u8()));
                self.arrive(&datagram(SocketAddrV4::new(from, port), b.take(len), checksum));
            }
            4 => {
                let port = 1_000 + u16::from(b.u8() % 4);
                self.answer(port);
            }
            5 => self.now = self.now + Duration::from_millis(u64::from(b.u16()) * 100),
            6 => {
                let client = usize::from(b.u8() & 1);
                self.mapped[client] = b.u16();
            }
            _ => {
                let len = usize::from(b.u8());
                let packet =
                    Ipv4Header::new(*b.pick(&SOURCES), SERVER, IpProtocol(b.u8())).packet(b.take(len));
                self.arrive(&packet.unwrap_or_default());
            }
        }
    }

    /// Addresses as a client sees the conversation, its own first; or as the server does.
    fn ends(&self, at_server: bool) -> (Ipv4Addr, Ipv4Addr) {
        match (self.tunnel, at_server) {
            (true, _) => (LAPTOP, SUZY),
            (false, true) => (NAT, SERVER),
            (false, false) => (LAPTOP, SERVER),
        }
    }

    /// A client asks; the packet arrives, or is under way.
    fn ask(&mut self, b: &mut Bytes<'_>) {
        let bits = b.u8();
        let (client, port) = (usize::from(bits & 1), 1_000 + u16::from(bits >> 1 & 3));
        if self.sealed.len() >= KEPT {
            self.sealed.remove(0);
        }
        self.sequence[client] += 1;
        let sequence = self.sequence[client];
        let payload = format!("{client} asks {sequence}").into_bytes();
        let (own, other) = self.ends(false);
        let question = clear((own, port), (other, 80), &payload);
        let node = &mut self.clients[client];
        node.handle_input(Input::Outbound(INTERFACE, Packet::from_slice(1, &question)), self.now);
        let sent = outputs(node).0;
        let esp = in_udp(&sent[0], 4500).expect("ESP in UDP").to_vec();
        self.sealed.push(Sealed { client, sequence, port, payload, esp, taken: false });
        if bits & 0x80 == 0 {
            let last = self.sealed.len() - 1;
            self.genuine(last, SocketAddrV4::new(NAT, self.mapped[client]), bits >> 3);
        }
    }

    /// Something that a client has sealed, from wherever; or almost that.
    fn again(&mut self, b: &mut Bytes<'_>) {
        let (which, from, bits, at) = (usize::from(b.u8()), *b.pick(&SOURCES), b.u8(), usize::from(b.u8()));
        let port = b.u16();
        if self.sealed.is_empty() {
            return;
        }
        let which = which % self.sealed.len();
        let from = SocketAddrV4::new(from, port);
        if bits == 0 {
            self.genuine(which, from, at as u8);
        } else {
            let mut esp = self.sealed[which].esp.clone();
            let at = at % esp.len();
            esp[at] ^= bits;
            self.arrive(&datagram(from, &esp, 0));
        }
    }

    /// A sealed packet arrives unaltered: the newest tells where its client is now.
    fn genuine(&mut self, which: usize, from: SocketAddrV4, checksum: u8) {
        let Sealed { client, sequence, taken, .. } = self.sealed[which];
        let place = *from.ip();
        let nobody = [Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST, SERVER].contains(&place);
        let reachable = from.port() != 0 && !nobody && !place.is_multicast();
        // Transport mode: the policy is about the NAT's address alone.
        let moves = reachable && (self.tunnel || place == NAT);
        let good = checksum % 3 != 2;
        let esp = self.sealed[which].esp.clone();
        self.arrive(&datagram(from, &esp, checksum));
        if good && moves && !taken && sequence == self.newest[client] {
            assert_eq!(self.peer[client], from, "a client is not where its newest packet came from");
        }
    }

    /// Hands the server a datagram, and compares with the model.
    fn arrive(&mut self, packet: &[u8]) {
        self.server.handle_input(Input::Inbound(INTERFACE, Packet::from_slice(2, packet)), self.now);
        let (_, delivered) = outputs(&mut self.server);
        let ip = Ipv4::decode(packet).ok();
        let esp = in_udp(packet, 4500);
        let known = self.sealed.iter_mut().find(|sealed| esp == Some(&sealed.esp[..]) && !sealed.taken);
        for client in [0, 1] {
            let pair = self.server.status().pairs().find(|pair| pair.id == PairId(client as u64));
            let now = pair.expect("nobody deletes it").peer_socket();
            if now == SocketAddr::V4(self.peer[client]) {
                continue;
            }
            let sealed = known.as_ref().expect("moved by what no client sealed, or has arrived before");
            assert!(
                sealed.client == client && sealed.sequence > self.newest[client],
                "moved by another's, or late"
            );
            let from =
                ip.as_ref().map(|ip| (ip.src(), u16::from_be_bytes([ip.payload()[0], ip.payload()[1]])));
            let SocketAddr::V4(now) = now else { panic!("no IPv4 address") };
            assert_eq!(from, Some((*now.ip(), now.port())), "moved to elsewhere");
            self.peer[client] = now;
        }
        assert!(delivered.len() <= 1);
        if let Some(sealed) = known {
            let authenticated = self.server.status().pairs().any(|pair| {
                pair.id == PairId(sealed.client as u64)
                    && pair
                        .inbound
                        .as_ref()
                        .is_some_and(|b| b.sas()[0].sequence() >= u64::from(sealed.sequence))
            });
            if authenticated && sealed.sequence > self.newest[sealed.client] {
                self.newest[sealed.client] = sealed.sequence;
                sealed.taken = true;
            }
            if let Some(arrived) = delivered.first() {
                sealed.taken = true;
                let (port, client, payload) = (sealed.port, sealed.client, sealed.payload.clone());
                self.taken(arrived, port, client, &payload);
            }
        } else {
            assert!(delivered.is_empty(), "no client has sealed it, or it has arrived before");
        }
        self.bounded();
    }

    /// What the server delivered is what the client sent, and the flow is nobody else's.
    fn taken(&mut self, arrived: &[u8], port: u16, client: usize, payload: &[u8]) {
        let (from, to) = self.ends(true);
        let expected = clear((from, port), (to, 80), payload);
        assert_eq!(arrived[12..], expected[12..], "not what was sent, or with a wrong checksum");
        if let Some((owner, since)) = self.owner.insert(port, (client, self.now)) {
            let free = owner == client || self.now >= since + IDLE || self.flow_bindings < 4;
            assert!(free, "a flow was given away");
        }
    }

    /// The server answers on a flow.
    fn answer(&mut self, port: u16) {
        let (own, other) = self.ends(true);
        let answer = clear((other, 80), (own, port), b"answer");
        self.server.handle_input(Input::Outbound(INTERFACE, Packet::from_slice(3, &answer)), self.now);
        let (sent, _) = outputs(&mut self.server);
        for packet in sent {
            let esp = in_udp(&packet, self.port_of(&packet)).expect("nothing in clear, and no bare ESP");
            if packet[20..22] != 4500_u16.to_be_bytes() || esp.starts_with(&[0; 4]) {
                continue; // IKE, for somebody who asked.
            }
            let client = usize::from(esp[2]);
            let (owner, since) = self.owner.get(&port).copied().expect("nobody has asked");
            assert_eq!(owner, client, "answered to another client");
            assert!(self.now < since + IDLE, "answered on a flow long idle");
            self.owner.insert(port, (client, self.now));
            let ip = Ipv4::decode(&packet).expect("IPv4");
            assert_eq!(SocketAddrV4::new(ip.dst(), self.port_of(&packet)), self.peer[client]);
            // Behind the NAT again.
            let mut packet = packet.clone();
            write(&mut packet, 16, &LAPTOP.octets());
            write(&mut packet, 22, &4500_u16.to_be_bytes());
            refresh_checksum(&mut packet);
            let node = &mut self.clients[client];
            node.handle_input(Input::Inbound(INTERFACE, Packet::from_slice(4, &packet)), self.now);
            let (_, delivered) = outputs(node);
            let (own, other) = self.ends(false);
            let expected = clear((other, 80), (own, port), b"answer");
            assert_eq!(delivered.first().map(|arrived| &arrived[12..]), Some(&expected[12..]));
        }
        self.bounded();
    }

    fn port_of(&self, packet: &[u8]) -> u16 {
        u16::from_be_bytes([packet[22], packet[23]])
    }

    fn bounded(&self) {
        let status = self.server.status();
        assert!(status.flow_bindings() <= self.flow_bindings && status.reassemblies() <= 64);
    }
}

/// What a node transmits and delivers.
fn outputs(node: &mut Ipsec) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut sent, mut delivered) = (vec![], vec![]);
    while let Some(output) = node.poll_output() {
        match output {
            Output::Transmit(_, packet) => sent.push(packet.bytes().to_vec()),
            Output::Deliver(_, packet) => delivered.push(packet.bytes().to_vec()),
            Output::Event(_) | Output::Work(..) => {}
        }
    }
    (sent, delivered)
}

/// A UDP datagram to the server's port 4500, without a checksum, with a good one, or with another.
fn datagram(from: SocketAddrV4, payload: &[u8], checksum: u8) -> Vec<u8> {
    let mut udp = udp::datagram((IpAddr::V4(*from.ip()), from.port()), (SERVER.into(), 4500), payload);
    match checksum % 3 {
        0 => udp[6..8].fill(0),
        1 => {}
        _ => udp[7] ^= 1,
    }
    Ipv4Header::new(*from.ip(), SERVER, IpProtocol::UDP).packet(&udp).expect("it fits")
}

/// A UDP datagram in clear.
fn clear(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), payload: &[u8]) -> Vec<u8> {
    let udp = udp::datagram((from.0.into(), from.1), (to.0.into(), to.1), payload);
    Ipv4Header::new(from.0, to.0, IpProtocol::UDP).packet(&udp).expect("it fits")
}

/// What follows the UDP header of a datagram to this port.
fn in_udp(packet: &[u8], to: u16) -> Option<&[u8]> {
    let ip = Ipv4::decode(packet).ok().filter(|ip| ip.protocol() == IpProtocol::UDP)?;
    let udp = udp::Udp::decode(ip.payload()).ok().filter(|udp| udp.dst_port == to)?;
    Some(udp.payload)
}

fn mode(tunnel: bool, at_server: bool) -> Mode {
    let (local, remote) = if at_server { (SERVER, NAT) } else { (LAPTOP, SERVER) };
    if tunnel { Mode::Tunnel { local: Some(local.into()), remote: remote.into() } } else { Mode::Transport }
}

fn selector(tunnel: bool, at_server: bool) -> Selector {
    let (local, remote) = match (tunnel, at_server) {
        (true, true) => (SUZY, LAPTOP),
        (true, false) => (LAPTOP, SUZY),
        (false, true) => (SERVER, NAT),
        (false, false) => (LAPTOP, SERVER),
    };
    Selector::between(AddressRange::single(local.into()), AddressRange::single(remote.into()))
}

fn node(tunnel: bool, at_server: bool, flow_bindings: usize) -> Ipsec {
    let esp = EspTransform { cipher: Cipher::Null, mac: Some(Mac::HmacMd5_96) };
    let protect = Protect {
        mode: mode(tunnel, at_server),
        offers: vec![Offer { ah: None, esp: Some(esp), lifetime: Lifetime::default() }],
        pfs: Pfs::No,
        accept_clear_inbound: false,
        fallback: false,
        populate: Populate::default(),
    };
    let entry = SpdEntry {
        id: EntryId(0),
        name: "all".into(),
        selector: selector(tunnel, at_server),
        direction: Direction::Both,
        connection: None,
        action: Action::Protect(protect),
    };
    let own = IpAddr::V4(if at_server { SERVER } else { LAPTOP });
    let interface = Interface {
        id: INTERFACE,
        name: "outside".into(),
        kind: ConnectionKind::Lan,
        boundary: Boundary::Host,
        addresses: vec![Prefix::new(own, 24)],
        egress: Egress::Fragment { mtu: 1500 },
    };
    let mut routes = RouteTable::new();
    let destination = Prefix::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    routes.add(Route { destination, next_hop: None, interface: INTERFACE, source: None });
    let policy = PolicyDatabases { spd: Arc::new(Spd::new(vec![entry])), ..PolicyDatabases::default() };
    let mut config = Config::new(vec![interface], routes, policy);
    config.limits.flow_bindings = flow_bindings;
    Ipsec::new(config, [u8::from(at_server); 32], Instant::EPOCH)
}

/// One direction of a client's pair. The client's number is in the SPI.
fn bundle(tunnel: bool, client: usize, at_server: bool, inbound: bool, mapped: u16, key: u64) -> BundleSpec {
    let (local, peer) = if at_server { (SERVER, NAT) } else { (LAPTOP, SERVER) };
    let original = match at_server {
        true => OriginalAddresses { local: SERVER.into(), peer: LAPTOP.into() },
        false => OriginalAddresses { local: NAT.into(), peer: SERVER.into() },
    };
    let to_server = at_server == inbound;
    let own = [2 * client as u8 + u8::from(to_server); 8];
    let sa = SaSpec {
        protocol: IpsecProtocol::Esp,
        spi: Spi(0x0100_0000 + 0x100 * client as u32 + u32::from(to_server)),
        cipher: Cipher::Null,
        cipher_key: Secret::new(vec![]),
        mac: Some(Mac::HmacMd5_96),
        mac_key: Secret::new([own, key.to_be_bytes()].concat()),
    };
    BundleSpec {
        pair: PairId(client as u64),
        inbound,
        entry: EntryId(0),
        selector: selector(tunnel, at_server),
        mode: mode(tunnel, at_server),
        local: local.into(),
        peer: peer.into(),
        sas: vec![sa],
        // Longer than any run.
        lifetime: Lifetime { seconds: Some(u32::MAX), kilobytes: None },
        initiator: !at_server,
        udp: Some(UdpEncapsulation {
            local_port: 4500,
            peer_port: if at_server { mapped } else { 4500 },
            original: (!tunnel).then_some(original),
            follow: at_server,
            client: client as u64,
        }),
    }
}
