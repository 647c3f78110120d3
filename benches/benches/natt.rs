//! ESP in UDP beside bare ESP, through both walks: one node seals, the other opens.

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ipsec_core::config::PolicyDatabases;
use ipsec_core::crypto::{Cipher, Mac, Secret};
use ipsec_core::interface::{Boundary, ConnectionKind, Egress, Interface, InterfaceId};
use ipsec_core::route::{Route, RouteTable};
use ipsec_core::sad::{BundleSpec, IpsecProtocol, PairId, SaSpec, Spi, UdpEncapsulation};
use ipsec_core::selector::{AddressRange, Prefix, Selector};
use ipsec_core::spd::{
    Action, Direction, EntryId, EspTransform, Lifetime, Mode, Offer, Pfs, Populate, Protect, Spd, SpdEntry,
};
use ipsec_core::wire::ipv4::Ipv4Header;
use ipsec_core::wire::{IpProtocol, udp};
use ipsec_core::{Command, Config, Input, Instant, Ipsec, Output, Packet};

const SIZES: [usize; 2] = [64, 1400];
const ENDS: [[u8; 4]; 2] = [[203, 0, 113, 1], [203, 0, 113, 2]];
const NOW: Instant = Instant::EPOCH;
const OUTSIDE: InterfaceId = InterfaceId(0);

const SUITE: EspTransform = EspTransform { cipher: Cipher::Aes128, mac: Some(Mac::HmacSha1_96) };

/// Which way the packets go.
#[derive(Clone, Copy)]
enum Form {
    Bare,
    InUdp,
}

/// End `me` of a transport mode pair with keys set by hand.
fn node(me: usize, form: Form) -> Ipsec {
    let (local, peer) = (IpAddr::from(ENDS[me]), IpAddr::from(ENDS[1 - me]));
    let interface = Interface {
        id: OUTSIDE,
        name: "outside".into(),
        kind: ConnectionKind::Lan,
        boundary: Boundary::Host,
        addresses: vec![Prefix::new(local, 24)],
        egress: Egress::Fragment { mtu: 1500 },
    };
    let mut routes = RouteTable::new();
    routes.add(Route {
        destination: Prefix::new(local, 24),
        next_hop: None,
        interface: OUTSIDE,
        source: None,
    });
    let selector = Selector::between(AddressRange::single(local), AddressRange::single(peer));
    let protect = Protect {
        mode: Mode::Transport,
        offers: vec![Offer { ah: None, esp: Some(SUITE), lifetime: Lifetime::default() }],
        pfs: Pfs::No,
        accept_clear_inbound: false,
        fallback: false,
        populate: Populate::default(),
    };
    let entry = SpdEntry {
        id: EntryId(0),
        name: "all".into(),
        selector: selector.clone(),
        direction: Direction::Both,
        connection: None,
        action: Action::Protect(protect),
    };
    let policy = PolicyDatabases { spd: Arc::new(Spd::new(vec![entry])), ..PolicyDatabases::default() };
    let mut node = Ipsec::new(Config::new(vec![interface], routes, policy), [me as u8; 32], NOW);
    for from in [0, 1] {
        let sa = SaSpec {
            protocol: IpsecProtocol::Esp,
            spi: Spi(0x1000 + from as u32),
            cipher: SUITE.cipher,
            cipher_key: Secret::new(vec![from as u8; SUITE.cipher.key_len()]),
            mac: SUITE.mac,
            mac_key: Secret::new(vec![from as u8; SUITE.mac.map_or(0, Mac::key_len)]),
        };
        let spec = BundleSpec {
            pair: PairId(0),
            inbound: from != me,
            entry: EntryId(0),
            selector: selector.clone(),
            mode: Mode::Transport,
            local,
            peer,
            sas: vec![sa],
            lifetime: Lifetime::default(),
            initiator: me == 0,
            udp: match form {
                Form::Bare => None,
                Form::InUdp => Some(UdpEncapsulation {
                    local_port: 4500,
                    peer_port: 4500,
                    original: None,
                    follow: false,
                    client: 1,
                }),
            },
        };
        node.handle_input(Input::Command(Command::Install(spec)), NOW);
    }
    node
}

/// The packet that comes out.
fn output(node: &mut Ipsec) -> Packet {
    let mut out = None;
    while let Some(output) = node.poll_output() {
        if let Output::Transmit(_, packet) | Output::Deliver(_, packet) = output {
            out = Some(packet);
        }
    }
    out.expect("it is sealed, and opens")
}

fn natt(c: &mut Criterion) {
    let mut group = c.benchmark_group("natt");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let ends = ENDS.map(IpAddr::from);
        let datagram = udp::datagram((ends[0], 1034), (ends[1], 7), &vec![0x5a; size - 28]);
        let header = Ipv4Header::new(ENDS[0].into(), ENDS[1].into(), IpProtocol::UDP);
        let clear = header.packet(&datagram).expect("it fits");
        for (name, form) in [("bare", Form::Bare), ("in-udp", Form::InUdp)] {
            let [mut a, mut b] = [0, 1].map(|me| node(me, form));
            group.bench_function(BenchmarkId::new(name, size), |bench| {
                bench.iter(|| {
                    let packet = Packet::from_slice(1, black_box(&clear));
                    a.handle_input(Input::Outbound(OUTSIDE, packet), NOW);
                    b.handle_input(Input::Inbound(OUTSIDE, output(&mut a)), NOW);
                    let packet = output(&mut b);
                    b.recycle(packet);
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = ipsec_benches::short();
    targets = natt
}
criterion_main!(benches);
