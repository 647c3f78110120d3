//! Two gateways back to back with manual keys, and one node against the network.

use super::*;
use crate::config::{DfPolicy, PolicyDatabases};
use crate::crypto::{Cipher, Group, HashAlg, Mac};
use crate::interface::{ConnectionKind, Egress};
use crate::ip::IpInfo;
use crate::pad::{AuthMethod, MainModeProposal, Pad, PadEntry, PadEntryId, Secret};
use crate::route::{Route, RouteTable};
use crate::sad::{IpsecProtocol, SaSpec, Spi};
use crate::selector::{AddressRange, Prefix, Selector};
use crate::spd::{Direction, EspTransform, Lifetime, Offer, Pfs, Populate, Protect, Spd};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;
use proptest::prelude::*;

mod addresses;
mod default_response;
mod doors;
mod exhaustion;
mod floating;
mod habits;
mod hold;
mod idle;
mod life;
mod mtu;
mod negotiated;
mod soft;
mod stateful;
mod v6;

const INSIDE: InterfaceId = InterfaceId(0);
const OUTSIDE: InterfaceId = InterfaceId(1);
const NOW: Instant = Instant::EPOCH;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Addresses of gateway `n`: 10.n.0.1/16 inside, 192.0.2.n/24 outside.
fn inner(n: u8) -> IpAddr {
    [10, n, 0, 1].into()
}

fn outer(n: u8) -> IpAddr {
    [192, 0, 2, n].into()
}

const AES_MD5: EspTransform = EspTransform { cipher: Cipher::Aes128, mac: Some(Mac::HmacMd5_96) };

fn offer(ah: Option<Mac>, esp: Option<EspTransform>) -> Offer {
    Offer { ah, esp, lifetime: Lifetime::default() }
}

fn protect(mode: Mode) -> Protect {
    Protect {
        mode,
        offers: vec![offer(None, Some(AES_MD5))],
        pfs: Pfs::No,
        accept_clear_inbound: false,
        fallback: false,
        populate: Populate::default(),
    }
}

fn entry(id: u32, selector: Selector, action: Action) -> SpdEntry {
    SpdEntry {
        id: EntryId(id),
        name: String::new(),
        selector,
        direction: Direction::Both,
        connection: None,
        action,
    }
}

/// 10.me.0.0/16 to 10.peer.0.0/16.
fn nets(me: u8) -> Selector {
    let net = |n: u8| Prefix::new([10, n, 0, 0].into(), 16).into();
    Selector::between(net(me), net(3 - me))
}

fn tunnel_mode(me: u8) -> Mode {
    Mode::Tunnel { local: Some(outer(me)), remote: outer(3 - me) }
}

/// The policy of gateway `me`: tunnel between the nets, bypass for the rest.
fn tunnel_policy(me: u8) -> Vec<SpdEntry> {
    vec![
        entry(1, nets(me), Action::Protect(protect(tunnel_mode(me)))),
        entry(9, Selector::any(), Action::Bypass),
    ]
}

/// Main mode with everybody, so that what waits waits for an answer.
fn anyone() -> Pad {
    let entry = PadEntry {
        id: PadEntryId(1),
        name: String::new(),
        local: vec![AddressRange::ANY_V4],
        peer: vec![AddressRange::ANY_V4],
        methods: vec![AuthMethod::PreSharedKey(Secret::new(b"secret".to_vec()))],
        proposals: vec![MainModeProposal {
            cipher: Cipher::TripleDes,
            hash: HashAlg::Md5,
            group: Group::Modp768,
        }],
        lifetime_seconds: 28_800,
        quick_modes: 0,
        ..PadEntry::default()
    };
    Pad { entries: vec![entry] }
}

fn config(me: u8, entries: Vec<SpdEntry>) -> Config {
    let interface = |id, boundary, address, len| Interface {
        id,
        name: String::new(),
        kind: ConnectionKind::Lan,
        boundary,
        addresses: vec![Prefix::new(address, len)],
        egress: Egress::Fragment { mtu: 1500 },
    };
    let mut routes = RouteTable::new();
    for (destination, interface) in [
        (Prefix::new([10, me, 0, 0].into(), 16), INSIDE),
        (Prefix::new(outer(0), 24), OUTSIDE),
        (Prefix::new([0, 0, 0, 0].into(), 0), OUTSIDE),
    ] {
        routes.add(Route { destination, next_hop: None, interface, source: None });
    }
    let policy = PolicyDatabases { spd: Arc::new(Spd::new(entries)), pad: Arc::new(anyone()) };
    Config::new(
        vec![
            interface(INSIDE, Boundary::Protected, inner(me), 16),
            interface(OUTSIDE, Boundary::Unprotected, outer(me), 24),
        ],
        routes,
        policy,
    )
}

fn node(me: u8, entries: Vec<SpdEntry>) -> Ipsec {
    Ipsec::new(config(me, entries), [me; 32], NOW)
}

/// One direction of pair 1 of the two gateways, as `me` installs it. Directions have their own keys and SPIs.
fn bundle(me: u8, from: u8, mode: Mode, selector: Selector, protocols: &[IpsecProtocol]) -> BundleSpec {
    let sa = |protocol: &IpsecProtocol| {
        let esp = *protocol == IpsecProtocol::Esp;
        SaSpec {
            protocol: *protocol,
            spi: Spi(0x1000 + u32::from(from)),
            cipher: if esp { Cipher::Aes128 } else { Cipher::Null },
            cipher_key: Secret::new(if esp { vec![from; 16] } else { vec![] }),
            mac: Some(if esp { Mac::HmacMd5_96 } else { Mac::HmacSha1_96 }),
            mac_key: Secret::new(if esp { vec![from; 16] } else { vec![from; 20] }),
        }
    };
    BundleSpec {
        pair: PairId(1),
        inbound: from != me,
        entry: EntryId(1),
        selector,
        mode,
        local: outer(me),
        peer: outer(3 - me),
        sas: protocols.iter().map(sa).collect(),
        lifetime: Lifetime::default(),
        initiator: me == 1,
        udp: None,
    }
}

fn install(node: &mut Ipsec, me: u8, mode: Mode, selector: &Selector, protocols: &[IpsecProtocol]) {
    for from in [1, 2] {
        let spec = bundle(me, from, mode, selector.clone(), protocols);
        node.handle_input(Input::Command(Command::Install(spec)), NOW);
    }
    assert!(drain(node).is_empty());
}

/// Both gateways with the tunnel installed.
fn tunnel() -> (Ipsec, Ipsec) {
    let mut nodes = (node(1, tunnel_policy(1)), node(2, tunnel_policy(2)));
    install(&mut nodes.0, 1, tunnel_mode(1), &nets(1), &[IpsecProtocol::Esp]);
    install(&mut nodes.1, 2, tunnel_mode(2), &nets(2), &[IpsecProtocol::Esp]);
    nodes
}

fn udp(source: IpAddr, destination: IpAddr, ports: (u16, u16), len: usize) -> Packet {
    let header = NewHeader {
        source,
        destination,
        protocol: protocol::UDP,
        traffic_class: 0,
        ttl: 63,
        dont_fragment: false,
        ident: 0x4444,
    };
    let mut bytes = vec![0; header.len()];
    bytes.extend_from_slice(&ports.0.to_be_bytes());
    bytes.extend_from_slice(&ports.1.to_be_bytes());
    bytes.extend_from_slice(&((len + 8) as u16).to_be_bytes());
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend((0..len).map(|i| i as u8));
    assert!(header.write(&mut bytes));
    Packet::from_slice(42, &bytes)
}

/// From a host in net 1 to a host in net 2.
fn request(len: usize) -> Packet {
    udp(ip("10.1.0.10"), ip("10.2.0.10"), (4000, 7), len)
}

fn drain(node: &mut Ipsec) -> Vec<Output> {
    core::iter::from_fn(|| node.poll_output()).collect()
}

type Placed = Vec<(InterfaceId, Packet)>;
/// What left, what was delivered, and the events.
type Seen = (Placed, Placed, Vec<Event>);

fn packets(outputs: Vec<Output>) -> Seen {
    let (mut sent, mut delivered, mut events) = (vec![], vec![], vec![]);
    for output in outputs {
        match output {
            Output::Transmit(interface, packet) => sent.push((interface, packet)),
            Output::Deliver(interface, packet) => delivered.push((interface, packet)),
            Output::Event(event) => events.push(event),
            Output::Work(..) => {}
        }
    }
    (sent, delivered, events)
}

fn outbound(node: &mut Ipsec, packet: Packet) -> Seen {
    node.handle_input(Input::Outbound(OUTSIDE, packet), NOW);
    packets(drain(node))
}

fn inbound(node: &mut Ipsec, packet: Packet) -> Seen {
    node.handle_input(Input::Inbound(OUTSIDE, packet), NOW);
    packets(drain(node))
}

/// Why an arriving packet was dropped.
fn refused(node: &mut Ipsec, packet: Packet) -> DropReason {
    let (sent, delivered, events) = inbound(node, packet);
    assert!(sent.is_empty() && delivered.is_empty(), "{delivered:?}");
    match events.as_slice() {
        [Event::Dropped { reason, .. }] => *reason,
        other => panic!("{other:?}"),
    }
}
