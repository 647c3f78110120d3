//! Seal and open work in place: in the steady state no packet costs an allocation.
//!
//! A binary of its own, because it counts every allocation of the process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;

use ipsec_core::config::{Config, PolicyDatabases};
use ipsec_core::crypto::{Cipher, Mac};
use ipsec_core::interface::{Boundary, ConnectionKind, Egress, Interface, InterfaceId};
use ipsec_core::pad::Secret;
use ipsec_core::route::{Route, RouteTable};
use ipsec_core::sad::{BundleSpec, IpsecProtocol, PairId, SaSpec, Spi};
use ipsec_core::selector::{Prefix, Selector};
use ipsec_core::spd::{
    Action, Direction, EntryId, EspTransform, Lifetime, Mode, Offer, Pfs, Protect, Spd, SpdEntry,
};
use ipsec_core::{Command, Event, Input, Instant, Ipsec, Output, Packet};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed on unchanged to the system's allocator; the counter is a plain thread-local integer.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const OUTSIDE: InterfaceId = InterfaceId(1);

fn address(me: u8) -> IpAddr {
    [192, 0, 2, me].into()
}

fn node(me: u8, protocols: &[IpsecProtocol]) -> Ipsec {
    let peer = 3 - me;
    let net = |n: u8| Prefix::new([10, n, 0, 0].into(), 16).into();
    let selector = Selector::between(net(me), net(peer));
    let mode = Mode::Tunnel { local: Some(address(me)), remote: address(peer) };
    let has = |protocol| protocols.contains(&protocol);
    let mac = Some(Mac::HmacSha1_96);
    let offer = Offer {
        ah: mac.filter(|_| has(IpsecProtocol::Ah)),
        esp: has(IpsecProtocol::Esp).then_some(EspTransform { cipher: Cipher::Aes128, mac }),
        lifetime: Lifetime::default(),
    };
    let protect = Protect {
        mode,
        offers: vec![offer],
        pfs: Pfs::No,
        accept_clear_inbound: false,
        fallback: false,
        populate: Default::default(),
    };
    let entry = SpdEntry {
        id: EntryId(1),
        name: "tunnel".into(),
        selector: selector.clone(),
        direction: Direction::Both,
        connection: None,
        action: Action::Protect(protect),
    };
    let interface = Interface {
        id: OUTSIDE,
        name: "outside".into(),
        kind: ConnectionKind::Lan,
        boundary: Boundary::Unprotected,
        addresses: vec![Prefix::new(address(me), 24)],
        egress: Egress::Fragment { mtu: 1500 },
    };
    let mut routes = RouteTable::new();
    let destination = Prefix::new(address(0), 24);
    routes.add(Route { destination, next_hop: None, interface: OUTSIDE, source: None });
    let policy = PolicyDatabases { spd: Arc::new(Spd::new(vec![entry])), ..Default::default() };
    let mut node = Ipsec::new(Config::new(vec![interface], routes, policy), [me; 32], Instant::EPOCH);
    for from in [1, 2] {
        let sa = |protocol: &IpsecProtocol| {
            let esp = *protocol == IpsecProtocol::Esp;
            SaSpec {
                protocol: *protocol,
                spi: Spi(0x1000 + u32::from(from)),
                cipher: if esp { Cipher::Aes128 } else { Cipher::Null },
                cipher_key: Secret::new(vec![from; if esp { 16 } else { 0 }]),
                mac,
                mac_key: Secret::new(vec![from; 20]),
            }
        };
        let spec = BundleSpec {
            pair: PairId(1),
            inbound: from != me,
            entry: EntryId(1),
            selector: selector.clone(),
            mode,
            local: address(me),
            peer: address(peer),
            sas: protocols.iter().map(sa).collect(),
            lifetime: Lifetime::default(),
            initiator: me == 1,
            udp: None,
        };
        node.handle_input(Input::Command(Command::Install(spec)), Instant::EPOCH);
    }
    assert!(node.poll_output().is_none());
    node
}

/// The packet that came out, and that it came out as it should.
fn only_packet(node: &mut Ipsec) -> Packet {
    let mut found = None;
    while let Some(output) = node.poll_output() {
        match output {
            Output::Transmit(_, packet) | Output::Deliver(_, packet) => found = Some(packet),
            Output::Event(Event::Protected { .. } | Event::Opened { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    found.expect("a packet")
}

#[test]
fn no_allocation_for_each_packet() {
    use IpsecProtocol::{Ah, Esp};
    for protocols in [&[Esp][..], &[Ah], &[Esp, Ah]] {
        let (mut a, mut b) = (node(1, protocols), node(2, protocols));
        let mut bytes = [0u8; 1000];
        bytes[..20].copy_from_slice(&[
            0x45, 0, 0x03, 0xe8, 0, 1, 0, 0, 63, 17, 0x63, 0x00, 10, 1, 0, 10, 10, 2, 0, 10,
        ]);
        let mut packet = Packet::from_slice(1, &bytes);
        let mut before = 0;
        for n in 0..300 {
            if n == 100 {
                before = ALLOCATIONS.with(Cell::get);
            }
            packet.refill(n, &bytes);
            a.handle_input(Input::Outbound(OUTSIDE, packet), Instant::from_millis(n));
            let sealed = only_packet(&mut a);
            assert_ne!(sealed.bytes()[9], 17);
            b.handle_input(Input::Inbound(OUTSIDE, sealed), Instant::from_millis(n));
            packet = only_packet(&mut b);
            assert_eq!(packet.bytes()[20..], bytes[20..]);
        }
        assert_eq!(ALLOCATIONS.with(Cell::get) - before, 0, "{protocols:?}");
    }
}

/// As a live node works: many packets in one call, whose ciphers and ICVs are computed side by side.
#[test]
fn nor_for_each_packet_of_a_batch() {
    use IpsecProtocol::{Ah, Esp};
    const PACKETS: u64 = 64;
    for protocols in [&[Esp][..], &[Ah], &[Esp, Ah]] {
        let (mut a, mut b) = (node(1, protocols), node(2, protocols));
        let mut bytes = [0u8; 1000];
        bytes[..20].copy_from_slice(&[
            0x45, 0, 0x03, 0xe8, 0, 1, 0, 0, 63, 17, 0x63, 0x00, 10, 1, 0, 10, 10, 2, 0, 10,
        ]);
        let mut packets: Vec<Packet> = (0..PACKETS).map(|n| Packet::from_slice(n, &bytes)).collect();
        let mut inputs = Vec::with_capacity(packets.len());
        let mut before = 0;
        for round in 0..30 {
            if round == 10 {
                before = ALLOCATIONS.with(Cell::get);
            }
            for mut packet in packets.drain(..) {
                packet.refill(packet.id(), &bytes);
                inputs.push(Input::Outbound(OUTSIDE, packet));
            }
            a.handle_batch(&mut inputs, Instant::from_millis(round));
            while let Some(output) = a.poll_output() {
                if let Output::Transmit(_, packet) = output {
                    inputs.push(Input::Inbound(OUTSIDE, packet));
                }
            }
            b.handle_batch(&mut inputs, Instant::from_millis(round));
            while let Some(output) = b.poll_output() {
                if let Output::Deliver(_, packet) = output {
                    assert_eq!(packet.bytes()[20..], bytes[20..]);
                    packets.push(packet);
                }
            }
            assert_eq!(packets.len() as u64, PACKETS);
        }
        assert_eq!(ALLOCATIONS.with(Cell::get) - before, 0, "{protocols:?}");
    }
}
