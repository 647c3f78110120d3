//! A peer that has the keys and protects otherwise than policy asks: every such packet is dropped, counted, and named after
//! the step of the RFC that drops it.

use std::sync::Arc;

use ipsec_core::config::PolicyDatabases;
use ipsec_core::crypto::Mac;
use ipsec_core::interface::{Boundary, ConnectionKind, Egress, Interface};
use ipsec_core::io::Keys;
use ipsec_core::pad::Pad;
use ipsec_core::route::{Route, RouteTable};
use ipsec_core::sad::{BundleSpec, IpsecProtocol};
use ipsec_core::selector::Selector;
use ipsec_core::spd::{Action, Direction, Mode, Offer, Pfs, Populate, Protect, Spd, SpdEntry};
use ipsec_core::{Command, Config, DropReason, Event, Input, Instant, Ipsec, Output, Packet};
use ipsec_sim::Faults;
use ipsec_sim::topology::parse_prefix;

use super::{OUTSIDE, Two, echo};
use crate::gateways::{A, B, des_md5, gateways};

/// How many packets of a kind are sent: the first few only bring the number beyond those that were used.
const SENT: usize = 12;

/// The first gateway's outbound SAs, ESP inside AH, and both gateways.
fn established() -> (Two, BundleSpec) {
    let both = Offer { ah: Some(Mac::HmacSha1_96), ..des_md5() };
    let gateways = gateways(1, both, Faults::NONE, Instant::NEVER);
    let gwa = gateways.gwa;
    let (two, events) = Two::established(gateways);
    let spec = events.all.iter().find_map(|(_, node, event)| match event {
        Event::Keys(Keys::Ipsec(spec)) if *node == gwa && !spec.inbound => Some(spec.clone()),
        _ => None,
    });
    (two, spec.unwrap())
}

/// Only these SAs of the bundle.
fn only(spec: &BundleSpec, protocols: &[IpsecProtocol]) -> BundleSpec {
    let sas = spec.sas.iter().filter(|sa| protocols.contains(&sa.protocol)).cloned().collect();
    BundleSpec { sas, selector: Selector::any(), ..spec.clone() }
}

/// A gateway at the first one's address that sends everything on these SAs.
fn forger(spec: BundleSpec) -> Ipsec {
    let outside = parse_prefix(&format!("{A}/24")).unwrap();
    let interface = Interface {
        id: OUTSIDE,
        name: String::new(),
        kind: ConnectionKind::Lan,
        boundary: Boundary::Unprotected,
        addresses: vec![outside],
        egress: Egress::Fragment { mtu: 1_500 },
    };
    let mut routes = RouteTable::new();
    let source = Some(outside.address);
    routes.add(Route { destination: outside, next_hop: None, interface: OUTSIDE, source });
    let protect = Protect {
        mode: spec.mode,
        offers: vec![],
        pfs: Pfs::No,
        accept_clear_inbound: false,
        fallback: false,
        populate: Populate::default(),
    };
    let entry = SpdEntry {
        id: spec.entry,
        name: String::new(),
        selector: Selector::any(),
        direction: Direction::Both,
        connection: None,
        action: Action::Protect(protect),
    };
    let policy = PolicyDatabases { spd: Arc::new(Spd::new(vec![entry])), pad: Arc::new(Pad::default()) };
    let mut node = Ipsec::new(Config::new(vec![interface], routes, policy), [9; 32], Instant::EPOCH);
    node.handle_input(Input::Command(Command::Install(spec)), Instant::EPOCH);
    node
}

/// The packet as the forger seals it.
fn seal(forger: &mut Ipsec, packet: Packet) -> Packet {
    forger.handle_input(Input::Outbound(OUTSIDE, packet), Instant::EPOCH);
    let mut sealed = None;
    while let Some(output) = forger.poll_output() {
        if let Output::Transmit(_, packet) = output {
            sealed = Some(packet);
        }
    }
    sealed.unwrap()
}

/// The second gateway gets these; every one of the last is dropped for this reason and nothing comes through.
fn assert_dropped(two: &Two, packets: Vec<Packet>, name: &str, rfc: &str, what: &str) {
    let mut two = two.clone();
    for packet in packets {
        two.handle(1, Input::Inbound(OUTSIDE, packet));
    }
    assert!(two.outputs(1).is_empty(), "{what}: an answer");
    assert!(two.delivered[1].is_empty(), "{what}: delivered");
    let reasons: Vec<DropReason> = two.events[1]
        .iter()
        .filter_map(|e| if let Event::Dropped { reason, .. } = e { Some(*reason) } else { None })
        .collect();
    assert_eq!(reasons.len(), SENT, "{what}: {:?}", two.events[1]);
    let last = reasons.last().unwrap();
    assert_eq!((last.name(), last.rfc()), (name, rfc), "{what}");
    let counted = reasons.iter().filter(|r| r.name() == name).count();
    // The numbers 1 to 4 were used by the honest pings.
    assert!(counted >= SENT - 4, "{what}: {reasons:?}");
    assert_eq!(two.drops(1, name), counted as u64, "{what}");
}

/// Traffic between the gateways themselves.
fn request_outside() -> Packet {
    echo(A, B, 100)
}

fn request() -> Packet {
    echo("10.1.0.10", "10.2.0.10", 100)
}

#[test]
fn the_whole_bundle_in_its_order_comes_through() {
    let (two, spec) = established();
    let mut honest = forger(only(&spec, &[IpsecProtocol::Esp, IpsecProtocol::Ah]));
    let mut two = two.clone();
    for _ in 0..SENT {
        two.handle(1, Input::Inbound(OUTSIDE, seal(&mut honest, request())));
    }
    two.outputs(1);
    assert_eq!((two.delivered[1].len(), two.drops(1, "replayed")), (SENT - 4, 4));
}

#[test]
fn less_than_the_bundle_or_another_order_is_dropped() {
    let (two, spec) = established();
    let (esp, ah) = ([IpsecProtocol::Esp], [IpsecProtocol::Ah]);
    let transport = |spec: BundleSpec| BundleSpec { mode: Mode::Transport, ..spec };
    // Each list is sealed from the left to the right.
    let kinds = [
        ("ESP only", "esp-without-ah", vec![only(&spec, &esp)]),
        ("AH only", "ah-without-esp", vec![only(&spec, &ah)]),
        ("AH inside ESP", "bundle-order", vec![only(&spec, &ah), transport(only(&spec, &esp))]),
        ("AH inside AH", "bundle-order", vec![only(&spec, &ah), transport(only(&spec, &ah))]),
        ("ESP inside ESP", "bundle-order", vec![only(&spec, &esp), transport(only(&spec, &esp))]),
    ];
    let cases = kinds.len();
    for (what, name, layers) in kinds {
        let mut forgers: Vec<Ipsec> = layers.into_iter().map(forger).collect();
        // The outer number is not the inner one: a number that came twice would be the reason.
        for outer in forgers.iter_mut().skip(1) {
            (0..30).for_each(|_| drop(seal(outer, request_outside())));
        }
        let mut sealed = || forgers.iter_mut().fold(request(), |packet, forger| seal(forger, packet));
        let packets = (0..SENT).map(|_| sealed()).collect();
        assert_dropped(&two, packets, name, "RFC 2401 5.2.1 step 4", what);
    }
    println!("bundles that are not the policy's: {cases} kinds of {SENT} packets");
}

#[test]
fn inner_addresses_that_are_not_the_sas_are_dropped() {
    let (two, spec) = established();
    let inner = [
        ("10.9.0.10", "10.2.0.10"),
        ("10.1.0.10", "10.9.0.10"),
        ("10.2.0.10", "10.1.0.10"),
        ("10.2.0.10", "10.2.0.10"),
        ("203.0.113.1", "10.2.0.10"),
        ("10.1.0.10", "203.0.113.2"),
        ("203.0.113.1", "203.0.113.2"),
    ];
    for (source, destination) in inner {
        let mut forger = forger(only(&spec, &[IpsecProtocol::Esp, IpsecProtocol::Ah]));
        let packets = (0..SENT).map(|_| seal(&mut forger, echo(source, destination, 100))).collect();
        let what = format!("{source} > {destination}");
        assert_dropped(&two, packets, "selector-mismatch", "RFC 4301 5.2 step 4", &what);
    }
    println!("inner addresses that are not the SA's: {} kinds of {SENT} packets", inner.len());
}
