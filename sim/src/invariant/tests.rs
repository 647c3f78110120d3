//! Each invariant is shown a run that breaks it, record by record, and one that does not.

use ipsec_core::crypto::{Cipher, Group, HashAlg, Mac, Secret};
use ipsec_core::interface::{Boundary, Egress};
use ipsec_core::io::{DeleteReason, MainModeInfo};
use ipsec_core::pad::{MainModeProposal, PadEntryId};
use ipsec_core::sad::IpsecProtocol;
use ipsec_core::selector::{AddressRange, Prefix};
use ipsec_core::spd::{Direction, EspTransform, Lifetime, Offer, Pfs, Populate, Protect, SpdEntry};
use ipsec_core::wire::isakmp::Cookie;

use super::*;
use crate::ip::{Header, datagram};
use crate::sink::Fate;

const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";
const OUTSIDE: LinkId = LinkId(0);
const INSIDE: LinkId = LinkId(1);

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn selector(local: &str, remote: &str) -> Selector {
    Selector::between(AddressRange::single(addr(local)), AddressRange::single(addr(remote)))
}

fn interface(address: &str, kind: ConnectionKind) -> [Interface; 1] {
    let (name, boundary, egress) = (String::new(), Boundary::Host, Egress::Whole);
    let addresses = vec![Prefix::new(addr(address), 24)];
    [Interface { id: InterfaceId(0), name, kind, boundary, addresses, egress }]
}

fn protect(local: &str, remote: &str, fallback: bool) -> Arc<Spd> {
    let protect = Protect {
        mode: Mode::Transport,
        offers: vec![],
        pfs: Pfs::No,
        accept_clear_inbound: false,
        fallback,
        populate: Populate::default(),
    };
    let entry = |id, selector, action| SpdEntry {
        id: EntryId(id),
        name: String::new(),
        selector,
        direction: Direction::Both,
        connection: None,
        action,
    };
    Arc::new(Spd::new(vec![
        entry(0, selector(local, remote), Action::Protect(protect)),
        entry(1, Selector::any(), Action::Bypass),
    ]))
}

struct Run(Invariants);

impl Run {
    fn new(fallback: bool) -> Self {
        Run::with([protect(A, B, fallback), protect(B, A, fallback)], ConnectionKind::Lan)
    }

    fn with(policies: [Arc<Spd>; 2], kind: ConnectionKind) -> Self {
        let mut invariants = Invariants::new(vec![true, false]);
        let schedule = Duration::from_secs(63);
        for ((node, address), policy) in [(0, A), (1, B)].into_iter().zip(policies) {
            invariants.introduce(NodeId(node), Some(policy), &interface(address, kind), schedule);
        }
        Run(invariants)
    }

    fn effect(&mut self, node: u16, effect: Effect<'_>) {
        self.0.observe(&Record { time: Instant::from_secs(1), node: NodeId(node), cause: 0, effect });
    }

    fn event(&mut self, node: u16, event: Event) {
        self.effect(node, Effect::Ipsec(&event));
    }

    fn send(&mut self, node: u16, link: LinkId, packet: &Packet) {
        let (interface, next_hop) = (InterfaceId(0), addr(B));
        let fate = Fate::default();
        self.effect(node, Effect::Sent { link, interface, next_hop, transmission: 1, packet, fate });
    }

    fn establish(&mut self) {
        for (node, local, remote, inbound, outbound) in [(0, A, B, 300, 301), (1, B, A, 301, 300)] {
            self.event(node, established(local, remote, inbound, outbound));
        }
    }

    fn kinds(&self) -> Vec<&ViolationKind> {
        self.0.violations().iter().map(|v| &v.kind).collect()
    }
}

fn established(local: &str, remote: &str, inbound: u32, outbound: u32) -> Event {
    let esp = EspTransform { cipher: Cipher::Des, mac: Some(Mac::HmacMd5_96) };
    Event::QuickModeEstablished(QuickModeInfo {
        udp: None,
        pair: PairId(0),
        cky_i: Cookie([1; 8]),
        message_id: 1,
        initiator: true,
        entry: EntryId(0),
        started: ipsec_core::Instant::EPOCH,
        local: addr(local),
        peer: addr(remote),
        selector: selector(local, remote),
        offer: Offer { ah: None, esp: Some(esp), lifetime: Lifetime::default() },
        mode: Mode::Transport,
        pfs: None,
        inbound_spis: vec![Spi(inbound)],
        outbound_spis: vec![Spi(outbound)],
        replaces: None,
    })
}

fn bundle(inbound: bool, pair: u64, key: u8) -> Keys {
    let (local, peer) = if inbound { (B, A) } else { (A, B) };
    Keys::Ipsec(BundleSpec {
        pair: PairId(pair),
        inbound,
        entry: EntryId(0),
        selector: selector(local, peer),
        mode: Mode::Transport,
        local: addr(local),
        peer: addr(peer),
        sas: vec![SaSpec {
            protocol: IpsecProtocol::Esp,
            spi: Spi(301),
            cipher: Cipher::Des,
            cipher_key: Secret::new(vec![key; 8]),
            mac: Some(Mac::HmacMd5_96),
            mac_key: Secret::new(vec![key; 16]),
        }],
        lifetime: Lifetime::default(),
        initiator: true,
        udp: None,
    })
}

fn packet(id: PacketId, source: &str, destination: &str, number: u8, payload: &[u8]) -> Packet {
    let (source, destination) = (addr(source), addr(destination));
    let header = Header { source, destination, protocol: number, ttl: 9, ident: 1, dont_fragment: false };
    Packet::from_slice(id, &datagram(header, payload))
}

fn clear(id: PacketId) -> Packet {
    packet(id, A, B, protocol::UDP, &[0, 9, 0, 9, 0, 8, 0, 0])
}

fn sealed(sequence: u8) -> Packet {
    packet(1, A, B, protocol::ESP, &[0, 0, 1, 45, 0, 0, 0, sequence, 1, 2, 3, 4])
}

#[test]
fn clear_text_counts_once_both_ends_are_protected_and_only_outside() {
    let mut run = Run::new(false);
    run.send(0, OUTSIDE, &clear(1));
    run.event(0, established(A, B, 300, 301));
    run.send(0, OUTSIDE, &clear(2));
    run.event(1, established(B, A, 301, 300));
    run.send(0, INSIDE, &clear(3));
    run.send(0, OUTSIDE, &sealed(1));
    run.send(0, OUTSIDE, &packet(4, A, "192.0.2.1", protocol::UDP, &[0; 8]));
    assert_eq!(run.kinds(), Vec::<&ViolationKind>::new());
    run.send(0, OUTSIDE, &clear(5));
    assert!(matches!(run.kinds()[..], [ViolationKind::ClearText { link: OUTSIDE, quoted: false, .. }]));
}

#[test]
fn esp_in_udp_and_keepalives_are_no_clear_text() {
    let in_udp =
        |payload: &[u8]| [&[0x11, 0x94, 0x11, 0x94, 0, 8 + payload.len() as u8, 0, 0], payload].concat();
    let esp = in_udp(&[0, 0, 1, 45, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8]);
    let fragment = |payload: &[u8], ident: u8, place: [u8; 2]| {
        let mut packet = packet(1, A, B, protocol::UDP, payload);
        packet.bytes_mut()[5] = ident;
        packet.bytes_mut()[6..8].copy_from_slice(&place);
        packet
    };
    let (first, later) = (fragment(&esp[..16], 7, [0x20, 0]), fragment(&esp[16..], 7, [0, 2]));
    let mut run = Run::new(false);
    run.establish();
    for packet in [&packet(1, A, B, protocol::UDP, &in_udp(&[0xff])), &first, &later] {
        run.send(0, OUTSIDE, packet);
    }
    assert_eq!(run.kinds().len(), 0);
    // A fragment of another datagram, and of one whose first fragment is clear.
    run.send(0, OUTSIDE, &fragment(&esp[16..], 8, [0, 2]));
    run.send(0, OUTSIDE, &fragment(&clear(1).bytes()[20..], 7, [0x20, 0]));
    run.send(0, OUTSIDE, &later);
    // What has port 4500 and is none of the three.
    run.send(0, OUTSIDE, &packet(1, A, B, protocol::UDP, &in_udp(&[0xfe])));
    assert!(matches!(run.kinds()[..], [ViolationKind::ClearText { .. }, _, _, _]), "{:?}", run.kinds());
}

#[test]
fn quoting_a_protected_packet_is_a_leak_too() {
    let mut run = Run::new(false);
    run.establish();
    let mut error = vec![11, 0, 0, 0, 0, 0, 0, 0];
    error.extend(&clear(1).bytes()[..28]);
    // To somebody the policy says nothing about.
    run.send(1, OUTSIDE, &packet(2, B, "192.0.2.1", protocol::ICMP, &error));
    assert!(matches!(run.kinds()[..], [ViolationKind::ClearText { quoted: true, .. }]));
}

#[test]
fn expiry_does_not_release_a_flow_but_fallback_and_commands_do() {
    for (fallback, command, leaks) in [(false, false, 1), (true, false, 0), (false, true, 0)] {
        let mut run = Run::new(fallback);
        run.establish();
        run.event(0, Event::PairDeleted { pair: PairId(0), why: DeleteReason::Expired });
        if command {
            run.0.command(NodeId(0), &Command::Shutdown);
        }
        run.send(0, OUTSIDE, &clear(1));
        assert_eq!(run.kinds().len(), leaks);
    }
}

#[test]
fn a_soft_association_lets_out_what_its_entry_is_about() {
    for (fallback, leaks) in [(true, 0), (false, 1)] {
        let mut run = Run::new(fallback);
        run.establish();
        run.event(0, Event::SoftAssociation { entry: EntryId(0), peer: addr(B) });
        run.send(0, OUTSIDE, &clear(1));
        assert_eq!(run.kinds().len(), leaks);
    }
}

#[test]
fn entries_count_on_their_kind_of_connection() {
    for (kind, leaks) in [(ConnectionKind::Lan, 1), (ConnectionKind::RemoteAccess, 0)] {
        let on_lan = |spd: Arc<Spd>| {
            let lan = Some(ConnectionKind::Lan);
            let narrow = |e: &SpdEntry| match e.action {
                Action::Protect(_) => SpdEntry { connection: lan, ..e.clone() },
                _ => e.clone(),
            };
            Arc::new(Spd::new(spd.entries().iter().map(narrow).collect()))
        };
        let mut run = Run::with([protect(A, B, false), protect(B, A, false)].map(on_lan), kind);
        run.establish();
        run.send(0, OUTSIDE, &clear(1));
        assert_eq!(run.kinds().len(), leaks);
    }
}

#[test]
fn sequence_numbers_increase() {
    let mut run = Run::new(false);
    for sequence in [1, 2, 5] {
        run.send(0, OUTSIDE, &sealed(sequence));
    }
    // A router that passes it on is no sender.
    run.send(1, OUTSIDE, &sealed(5));
    assert_eq!(run.kinds().len(), 0);
    run.send(0, OUTSIDE, &sealed(5));
    assert_eq!(run.kinds(), [&ViolationKind::Sequence { spi: 301, before: 5, now: 5 }]);
}

#[test]
fn keys_are_compared_when_both_ends_have_them() {
    let mut run = Run::new(false);
    run.event(0, Event::Keys(bundle(false, 1, 7)));
    run.event(1, Event::Keys(bundle(true, 1, 7)));
    assert_eq!(run.kinds().len(), 0);
    let mut run = Run::new(false);
    run.event(0, Event::Keys(bundle(false, 1, 7)));
    run.event(1, Event::Keys(bundle(true, 1, 8)));
    assert_eq!(run.kinds(), [&ViolationKind::KeysDiffer { spi: Spi(301) }]);
}

#[test]
fn selectors_are_mirrored() {
    let mut run = Run::new(false);
    run.event(0, Event::Keys(bundle(false, 1, 7)));
    let Keys::Ipsec(mut other) = bundle(true, 1, 7) else { unreachable!() };
    other.selector.protocol = Some(protocol::TCP);
    run.event(1, Event::Keys(Keys::Ipsec(other)));
    assert_eq!(run.kinds(), [&ViolationKind::SelectorsDiffer { spi: Spi(301) }]);
}

#[test]
fn isakmp_keys_are_equal_where_both_ends_authenticated() {
    let keys = |key| {
        let (cky_i, cky_r, cipher) = (Cookie([1; 8]), Cookie([2; 8]), Cipher::Des);
        Event::Keys(Keys::Isakmp { cky_i, cky_r, cipher, key: Secret::new(vec![key; 8]) })
    };
    // Keys exist before authentication; with different pre-shared keys they differ, and no SA comes of it.
    for (other, both, differ) in [(1, true, 0), (2, false, 0), (2, true, 1)] {
        let mut run = Run::new(false);
        run.event(0, keys(1));
        run.event(1, keys(other));
        run.event(0, main_mode());
        if both {
            run.event(1, main_mode());
        }
        assert_eq!(run.kinds(), vec![&ViolationKind::IsakmpKeysDiffer; differ]);
    }
}

fn main_mode() -> Event {
    Event::MainModeEstablished(MainModeInfo {
        nat: None,
        local: "10.0.0.1:500".parse().unwrap(),
        peer: "10.0.0.2:500".parse().unwrap(),
        exchange: Default::default(),
        initiator: true,
        cky_i: Cookie([1; 8]),
        cky_r: Cookie([2; 8]),
        pad_entry: PadEntryId(0),
        proposal: MainModeProposal { cipher: Cipher::Des, hash: HashAlg::Md5, group: Group::Modp1024 },
        method: ipsec_core::wire::ikev1::AuthenticationMethod::PRE_SHARED_KEY,
        started: ipsec_core::Instant::EPOCH,
        lifetime_seconds: 1,
        we_can: Default::default(),
        peer_can: Default::default(),
    })
}

#[test]
fn an_inbound_spi_is_free_again_only_after_its_pair_is_gone() {
    let mut run = Run::new(false);
    run.event(1, Event::Keys(bundle(true, 1, 7)));
    run.event(1, Event::PairDeleted { pair: PairId(1), why: DeleteReason::Expired });
    run.event(1, Event::Keys(bundle(true, 2, 7)));
    assert_eq!(run.kinds().len(), 0);
    run.event(1, Event::Keys(bundle(true, 3, 7)));
    assert_eq!(run.kinds(), [&ViolationKind::SpiTwice { protocol: 50, spi: Spi(301) }]);
}

#[test]
fn what_comes_out_of_an_sa_was_sent_and_comes_once() {
    let mut run = Run::new(false);
    run.effect(0, Effect::Originated(&clear(1)));
    run.effect(1, Effect::Delivered { packet: &clear(1), protected: true });
    assert_eq!(run.kinds().len(), 0);
    run.effect(1, Effect::Delivered { packet: &clear(1), protected: true });
    assert_eq!(run.kinds(), [&ViolationKind::DeliveredTwice { packet: 1 }]);
    run.effect(1, Effect::Delivered { packet: &clear(9), protected: true });
    run.effect(0, Effect::Originated(&clear(2)));
    let altered = packet(2, A, B, protocol::UDP, &[0, 9, 0, 9, 0, 8, 0, 1]);
    run.effect(1, Effect::Delivered { packet: &altered, protected: true });
    let never = |packet| ViolationKind::NeverSent { packet };
    assert_eq!(run.kinds()[1..], [&never(9), &never(2)]);
}

#[test]
fn time_does_not_move_back() {
    let mut run = Run::new(false);
    let (one, two) = (Instant::from_secs(1), Instant::from_secs(2));
    run.0.clock(one, two);
    run.0.clock(two, one);
    assert_eq!(run.kinds(), [&ViolationKind::Time { from: two, to: one }]);
}

#[test]
fn exchanges_end_within_their_schedule() {
    let peer = "10.0.0.2:500".parse().unwrap();
    let started = || Event::MainModeStarted {
        local: "10.0.0.1:500".parse().unwrap(),
        peer,
        exchange: Default::default(),
        initiator: true,
        cky_i: Cookie([1; 8]),
    };
    let late = Instant::from_secs(1_000);
    let mut run = Run::new(false);
    run.event(0, started());
    run.0.at_quiet(Instant::from_secs(60));
    assert_eq!(run.kinds().len(), 0);
    run.0.at_quiet(late);
    assert_eq!(run.kinds(), [&ViolationKind::OutlivedSchedule { peer, since: Instant::from_secs(1) }]);
    let mut run = Run::new(false);
    run.event(0, started());
    run.event(0, main_mode());
    run.0.at_quiet(late);
    assert_eq!(run.kinds().len(), 0);
}
