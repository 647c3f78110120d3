//! Default exemptions of every release, with real packets: what passes a policy that blocks everything.
//!
//! | level | multicast | broadcast | RSVP | Kerberos | ISAKMP | default of |
//! |---|---|---|---|---|---|---|
//! | 0 | passes | passes | passes | passes | passes | Windows 2000, XP |
//! | 1 | passes | passes | - | - | passes | |
//! | 2 | - | - | passes | passes | passes | |
//! | 3 | - | - | - | - | passes | Windows Server 2003 |
//!
//! (TechNet cc756041; the kinds as KB 253169 defines them.) "Windows Server 2003 IPSec Concepts": "In Windows XP and Windows
//! 2000, all broadcast, multicast, … (ISAKMP), Kerberos, and … (RSVP) traffic was exempt from IPSec filtering. In Windows
//! Server 2003, only ISAKMP traffic is exempt from IPSec filtering."

use std::net::IpAddr;

use ipsec_core::interface::{Boundary, ConnectionKind, Egress, Interface, InterfaceId};
use ipsec_core::packet::Packet;
use ipsec_core::route::{Route, RouteTable};
use ipsec_core::selector::Prefix;
use ipsec_core::{Config, DropReason, Event, Input, Instant, Ipsec, Output};
use ipsec_policy::Stores;
use ipsec_policy::compile::{LocalAddresses, compile_stores};
use ipsec_policy::exempt::ExemptLevel;
use ipsec_policy::netsh::{Setting, run};
use ipsec_policy::profile::{self, Profile};
use ipsec_scenarios::embedded;
use ipsec_sim::ip::{Header, datagram};

use crate::nat::hold;

const ME: &str = "10.0.0.2";
const PEER: &str = "10.0.0.9";

const BLOCK_ALL: &str = "pushd ipsec static
add filterlist name=All
add filter filterlist=All srcaddr=any dstaddr=any
add filteraction name=Block action=block
add policy name=Lockdown activatedefaultrule=no
add rule name=All policy=Lockdown filterlist=All filteraction=Block
set policy name=Lockdown assign=y
";

/// A computer of this release whose policy blocks everything.
fn locked(release: &'static Profile, level: ExemptLevel, inbound_groups: bool) -> Ipsec {
    let lan = Prefix::new(ip(ME), 24);
    let mut stores = Stores::of(release);
    run(&mut stores, "lockdown", BLOCK_ALL.as_bytes(), &Setting::default()).expect("a script");
    let local =
        LocalAddresses { exempt: level, inbound_groups, ..LocalAddresses::lan(&[lan]).with_release(release) };
    let policy = compile_stores(&stores, &local).expect("a policy");
    let interface = Interface {
        id: InterfaceId(0),
        name: "lan".into(),
        kind: ConnectionKind::Lan,
        boundary: Boundary::Host,
        addresses: vec![lan],
        egress: Egress::Fragment { mtu: 1500 },
    };
    let mut routes = RouteTable::new();
    for destination in [lan, Prefix::new(ip("0.0.0.0"), 0)] {
        routes.add(Route { destination, next_hop: None, interface: InterfaceId(0), source: None });
    }
    let config = Config { ike: release.ike(), ..Config::new(vec![interface], routes, policy) };
    Ipsec::new(config, [1; 32], Instant::EPOCH)
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A kind of traffic as one packet.
#[derive(Clone, Copy, Debug)]
struct Kind {
    name: &'static str,
    protocol: u8,
    /// Source and destination port, where there are any.
    ports: (u16, u16),
    /// Where it goes when it is neither from here to the peer nor from the peer to here.
    to: Option<&'static str>,
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const RSVP: u8 = 46;

const fn kind(name: &'static str, protocol: u8, ports: (u16, u16), to: Option<&'static str>) -> Kind {
    Kind { name, protocol, ports, to }
}

const MULTICAST: [Kind; 3] = [
    kind("OSPF's group", 89, (0, 0), Some("224.0.0.5")),
    kind("the first group", UDP, (5000, 5000), Some("224.0.0.0")),
    kind("the last group", UDP, (5000, 5000), Some("239.255.255.255")),
];
const BROADCAST: [Kind; 2] = [
    kind("the limited broadcast", UDP, (137, 137), Some("255.255.255.255")),
    kind("the subnet's broadcast", UDP, (138, 138), Some("10.0.0.255")),
];
const RSVP_TRAFFIC: [Kind; 1] = [kind("RSVP", RSVP, (0, 0), None)];
const KERBEROS: [Kind; 4] = [
    kind("Kerberos over UDP", UDP, (40_000, 88), None),
    kind("Kerberos over TCP", TCP, (40_000, 88), None),
    kind("a KDC's answer", UDP, (88, 40_000), None),
    kind("the bypass from source port 88", TCP, (88, 445), None),
];
const ISAKMP: [Kind; 1] = [kind("ISAKMP", UDP, (500, 500), None)];
const NEVER: [Kind; 5] = [
    kind("files", TCP, (40_000, 445), None),
    kind("a name service", UDP, (40_000, 53), None),
    kind("beside the subnet's broadcast", UDP, (138, 138), Some("10.0.0.254")),
    kind("behind the last group", UDP, (5000, 5000), Some("240.0.0.0")),
    kind("SSH's port, not RSVP's number", TCP, (40_000, 46), None),
];

/// Whether no filter touches it, in this direction.
fn passes(node: &mut Ipsec, kind: Kind, outbound: bool) -> bool {
    let (from, to) = if outbound { (ME, PEER) } else { (PEER, ME) };
    let mut payload = [kind.ports.0.to_be_bytes(), kind.ports.1.to_be_bytes()].concat();
    // A UDP header, and more than enough of a TCP header.
    payload.extend([0, 28, 0, 0]);
    payload.resize(28, 0);
    let (source, destination) = (ip(from), ip(kind.to.unwrap_or(to)));
    let header =
        Header { source, destination, protocol: kind.protocol, ttl: 9, ident: 1, dont_fragment: false };
    let packet = Packet::from_slice(7, &datagram(header, &payload));
    let input = if outbound { Input::Outbound } else { Input::Inbound };
    node.handle_input(input(InterfaceId(0), packet), Instant::EPOCH);
    let outputs: Vec<Output> = std::iter::from_fn(|| node.poll_output()).collect();
    let blocked =
        |o: &Output| matches!(o, Output::Event(Event::Dropped { reason: DropReason::PolicyDiscard(_), .. }));
    let went_on = |o: &Output| match o {
        Output::Transmit(..) | Output::Deliver(..) => true,
        // IKE has it, and finds no message in it.
        Output::Event(Event::IkeIgnored { .. }) => kind.name == "ISAKMP",
        _ => false,
    };
    let (blocked, went_on) = (outputs.iter().any(blocked), outputs.iter().any(went_on));
    assert!(blocked != went_on, "{}: {outputs:?}", kind.name);
    went_on
}

/// What cc756041's table says of each level: multicast, broadcast, RSVP, Kerberos.
const LEVELS: [(u8, [bool; 4]); 4] = [
    (0, [true, true, true, true]),
    (1, [true, true, false, false]),
    (2, [false, false, true, true]),
    (3, [false, false, false, false]),
];

#[test]
fn every_release_and_level_exempts_what_the_table_says() {
    let mut cases = 0;
    for release in profile::ALL {
        for (number, [multicast, broadcast, rsvp, kerberos]) in LEVELS {
            let Some(level) = release.exempt_level(number) else { continue };
            let mut node = locked(release, level, false);
            let rows = [
                (&MULTICAST[..], multicast),
                (&BROADCAST, broadcast),
                (&RSVP_TRAFFIC, rsvp),
                (&KERBEROS, kerberos),
                (&ISAKMP, true),
                (&NEVER, false),
            ];
            for (kinds, exempt) in rows {
                for (kind, outbound) in kinds.iter().flat_map(|k| [(*k, true), (*k, false)]) {
                    let found = passes(&mut node, kind, outbound);
                    assert_eq!(found, exempt, "{release} level {number}, outbound {outbound}: {}", kind.name);
                    cases += 1;
                }
            }
        }
    }
    // Four releases with two levels, two with four, 16 kinds, both ways.
    assert_eq!(cases, (4 * 2 + 2 * 4) * 16 * 2);
}

/// The same on a wire, with broadcasts that reach everybody there: three releases, their levels, and the other reading of 3.
#[test]
fn they_pass_a_wire() {
    hold("exempt-*");
    assert_eq!(embedded::matching("exempt-*").len(), 2 * 2 + 4 + 1);
}

/// "0 … Windows 2000, XP; 3 … Windows Server 2003"; 2 and 3 came with the latter (KB 254728, cc756041).
#[test]
fn each_release_has_its_default_and_knows_its_levels() {
    for (name, default, known) in [
        ("windows-2000", 0, 2),
        ("windows-2000-sp4-rollup", 0, 2),
        ("windows-xp", 0, 2),
        ("windows-xp-sp2", 0, 2),
        ("windows-2003", 3, 4),
    ] {
        let release = Profile::find(name).expect("a release");
        assert_eq!(release.exempt.value.number(), default, "{name}");
        let levels: Vec<u8> = (0..=9).filter(|n| release.exempt_level(*n).is_some()).collect();
        assert_eq!(levels, (0..known).collect::<Vec<_>>(), "{name}");
    }
}

/// The contradiction: the concepts article says that Windows Server 2003 exempts only ISAKMP, cc756041 that what comes in as
/// multicast or broadcast stays exempt. The article's is the default, the other an option.
#[test]
fn inbound_multicast_and_broadcast_stay_exempt_by_the_other_reading() {
    let release = &profile::WINDOWS_2003;
    for (level, option) in [(2, false), (2, true), (3, false), (3, true)] {
        let level = ExemptLevel::from_number(level).expect("a level");
        let mut node = locked(release, level, option);
        for kind in MULTICAST.iter().chain(&BROADCAST) {
            assert!(!passes(&mut node, *kind, true), "{level:?}: {} out", kind.name);
            assert_eq!(passes(&mut node, *kind, false), option, "{level:?}: {} in", kind.name);
        }
        assert!(NEVER.iter().all(|kind| !passes(&mut node, *kind, false)));
    }
}
