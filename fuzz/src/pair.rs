//! Two nodes and the wire between them, without a simulator: what the fuzz bodies and the benches negotiate with.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipsec_core::config::PolicyDatabases;
use ipsec_core::crypto::{Cipher, Group, HashAlg, Mac};
use ipsec_core::interface::{Boundary, ConnectionKind, Egress, Interface, InterfaceId};
use ipsec_core::pad::{AuthMethod, MainModeProposal, Pad, PadEntry, PadEntryId, Secret};
use ipsec_core::route::{Route, RouteTable};
use ipsec_core::selector::{AddressRange, PortRange, Prefix, Selector};
use ipsec_core::spd::{
    Action, Direction, EntryId, EspTransform, Lifetime, Mode, Offer, Pfs, Populate, Protect, Spd, SpdEntry,
};
use ipsec_core::wire::IpProtocol;
use ipsec_core::wire::ipv4::{Ipv4, Ipv4Header};
use ipsec_core::wire::udp::{self, Udp};
use ipsec_core::work::{Work, WorkResult};
use ipsec_core::{Config, Duration, Event, Input, Instant, Ipsec, Output, Packet};

/// The two ends' addresses.
pub const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(203, 0, 113, 1), Ipv4Addr::new(203, 0, 113, 2)];

/// Every packet travels so long.
pub const LATENCY: Duration = Duration::from_millis(1);

/// Source and destination port of the stacks' datagrams, and what fills them.
const PORTS: [u16; 2] = [1034, 6667];
const LETTER: u8 = b'a';

/// The only interface of each end.
const OUTSIDE: InterfaceId = InterfaceId(0);

/// What two ends agree on.
#[derive(Clone, Debug)]
pub struct Agreement {
    /// Main mode.
    pub main_mode: MainModeProposal,
    /// AH, ESP or both.
    pub offer: Offer,
    /// Diffie-Hellman in quick mode.
    pub pfs: Pfs,
    /// Tunnel or transport mode.
    pub tunnel: bool,
}

impl Agreement {
    /// The algorithms of KB 816514's example, with AES for ESP in place of DES: the usual case.
    pub fn usual() -> Self {
        Agreement {
            main_mode: MainModeProposal {
                cipher: Cipher::TripleDes,
                hash: HashAlg::Sha1,
                group: Group::Modp1024,
            },
            offer: esp(Cipher::Aes128, Some(Mac::HmacSha1_96)),
            pfs: Pfs::No,
            tunnel: false,
        }
    }
}

/// An offer of ESP alone, with Windows' lifetime.
pub fn esp(cipher: Cipher, mac: Option<Mac>) -> Offer {
    let lifetime = Lifetime { seconds: Some(3_600), kilobytes: Some(100_000) };
    Offer { ah: None, esp: Some(EspTransform { cipher, mac }), lifetime }
}

/// The configuration of one end: all traffic with the other is protected, IKE's own passes.
pub fn config(end: usize, agreement: &Agreement) -> Config {
    let (local, remote) = (IpAddr::from(ADDRESSES[end]), IpAddr::from(ADDRESSES[1 - end]));
    let interface = Interface {
        id: OUTSIDE,
        name: "outside".into(),
        kind: ConnectionKind::Lan,
        boundary: Boundary::Host,
        addresses: vec![Prefix::new(local, 24)],
        egress: Egress::Fragment { mtu: 1500 },
    };
    let mut routes = RouteTable::new();
    let destination = Prefix::new(local, 24);
    routes.add(Route { destination, next_hop: None, interface: OUTSIDE, source: None });
    let between = || Selector::between(AddressRange::single(local), AddressRange::single(remote));
    let ike = Selector {
        protocol: Some(17),
        local_ports: PortRange::single(500),
        remote_ports: PortRange::single(500),
        ..between()
    };
    let mode = match agreement.tunnel {
        true => Mode::Tunnel { local: Some(local), remote },
        false => Mode::Transport,
    };
    let protect = Action::Protect(Protect {
        mode,
        offers: vec![agreement.offer],
        pfs: agreement.pfs,
        accept_clear_inbound: false,
        fallback: false,
        populate: Populate::default(),
    });
    let entries = [("IKE", ike, Action::Bypass), ("all", between(), protect)].into_iter().zip(0..);
    let spd = entries.map(|((name, selector, action), id)| SpdEntry {
        id: EntryId(id),
        name: name.into(),
        selector,
        direction: Direction::Both,
        connection: None,
        action,
    });
    let pad = PadEntry {
        id: PadEntryId(0),
        name: "the peer".into(),
        local: vec![AddressRange::single(local)],
        peer: vec![AddressRange::single(remote)],
        methods: vec![AuthMethod::PreSharedKey(Secret::from(&b"-actual key-"[..]))],
        proposals: vec![agreement.main_mode],
        lifetime_seconds: 28_800,
        quick_modes: 0,
        ..PadEntry::default()
    };
    let policy =
        PolicyDatabases { spd: Arc::new(Spd::new(spd.collect())), pad: Arc::new(Pad { entries: vec![pad] }) };
    Config::new(vec![interface], routes, policy)
}

/// Whether this is a packet that [`Pair::send`] makes for this end.
fn genuine(end: usize, packet: &[u8]) -> bool {
    let Ok(ip) = Ipv4::decode(packet) else { return false };
    let Ok(udp) = Udp::decode(ip.payload()) else { return false };
    (ip.src(), ip.dst(), udp.src_port, udp.dst_port)
        == (ADDRESSES[1 - end], ADDRESSES[end], PORTS[0], PORTS[1])
        && udp.payload.iter().all(|octet| *octet == LETTER)
}

/// Computes a piece of work, or remembers it: the same bytes negotiate the same secrets over and over.
fn run(work: Work) -> WorkResult {
    thread_local! {
        static DONE: RefCell<BTreeMap<Work, WorkResult>> = const { RefCell::new(BTreeMap::new()) };
    }
    DONE.with_borrow_mut(|done| {
        if done.len() > 4_096 {
            done.clear();
        }
        done.entry(work.clone()).or_insert_with(|| work.run()).clone()
    })
}

/// What the wire does to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Arrive,
    /// It is lost.
    Lost,
    /// It arrives twice.
    Twice,
    /// It arrives after so long.
    Late(Duration),
}

/// A packet under way.
#[derive(Clone, Debug)]
struct UnderWay {
    arrival: Instant,
    to: usize,
    packet: Packet,
}

/// Two nodes and what is under way between them.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The nodes.
    pub ends: [Ipsec; 2],
    /// The time of both.
    pub now: Instant,
    /// Packets each end's stack sent.
    pub sent: [usize; 2],
    /// Packets each end's stack was handed that came from the other's.
    pub delivered: [usize; 2],
    /// Packets each end's stack was handed that no stack sent.
    pub strangers: [usize; 2],
    /// Quick modes each end has finished.
    pub quick_modes: [usize; 2],
    /// Main modes each end has finished.
    pub main_modes: [usize; 2],
    /// Packets put on the wire.
    pub transmitted: usize,
    wire: VecDeque<UnderWay>,
    next_id: u64,
}

impl Pair {
    /// Two nodes with these configurations; all randomness comes from `seed`.
    pub fn new(configs: [Config; 2], seed: u8) -> Self {
        let [a, b] = configs;
        let ends = [
            Ipsec::new(a, [seed; 32], Instant::EPOCH),
            Ipsec::new(b, [seed.wrapping_add(128); 32], Instant::EPOCH),
        ];
        Pair {
            ends,
            now: Instant::EPOCH,
            sent: [0; 2],
            delivered: [0; 2],
            strangers: [0; 2],
            quick_modes: [0; 2],
            main_modes: [0; 2],
            transmitted: 0,
            wire: VecDeque::new(),
            next_id: 0,
        }
    }

    /// Two nodes that agree.
    pub fn agreed(agreement: &Agreement, seed: u8) -> Self {
        Pair::new([config(0, agreement), config(1, agreement)], seed)
    }

    /// The stack of one end sends a UDP datagram with `octets` of payload to the other.
    pub fn send(&mut self, from: usize, octets: usize) {
        let (src, dst) = (ADDRESSES[from], ADDRESSES[1 - from]);
        let datagram = udp::datagram((src.into(), PORTS[0]), (dst.into(), PORTS[1]), &vec![LETTER; octets]);
        let packet = Ipv4Header::new(src, dst, IpProtocol::UDP).packet(&datagram).expect("it fits");
        (self.next_id, self.sent[from]) = (self.next_id + 1, self.sent[from] + 1);
        self.input(from, Input::Outbound(OUTSIDE, Packet::from_slice(self.next_id, &packet)));
    }

    /// A datagram from the wire, wherever it comes from, arrives at one end.
    pub fn inject(&mut self, to: usize, datagram: &[u8]) {
        self.next_id += 1;
        self.input(to, Input::Inbound(OUTSIDE, Packet::from_slice(self.next_id, datagram)));
    }

    /// Hands an input to one end; what it says waits for [`run`](Self::run).
    pub fn input(&mut self, end: usize, input: Input) {
        self.ends[end].handle_input(input, self.now);
    }

    /// Runs until nothing is under way and no timer is due before `deadline`, which is then the time. `fate` decides what
    /// becomes of each packet, and may alter it.
    pub fn run(&mut self, deadline: Instant, fate: &mut dyn FnMut(&mut Packet) -> Fate) {
        loop {
            self.drain(fate);
            let arrival = self.wire.front().map(|u| u.arrival);
            let timers = self.ends.each_ref().map(Ipsec::poll_timeout);
            let next = timers.into_iter().flatten().chain(arrival).min();
            let Some(next) = next.filter(|n| *n <= deadline) else { break };
            self.now = next.max(self.now);
            if arrival == Some(next) {
                let u = self.wire.pop_front().expect("it is under way");
                self.input(u.to, Input::Inbound(OUTSIDE, u.packet));
            } else {
                let end = usize::from(timers[0] != Some(next));
                self.input(end, Input::Timeout);
                let later = self.ends[end].poll_timeout();
                assert!(later.is_none_or(|l| l > self.now), "a timer that was due is due still");
            }
        }
        self.now = deadline.max(self.now);
    }

    /// [`run`](Self::run) for a while on a wire that loses nothing.
    pub fn run_honestly(&mut self, time: Duration) {
        self.run(self.now + time, &mut |_| Fate::Arrive);
    }

    fn drain(&mut self, fate: &mut dyn FnMut(&mut Packet) -> Fate) {
        for end in 0..2 {
            while let Some(output) = self.ends[end].poll_output() {
                match output {
                    Output::Transmit(_, packet) => self.transmit(1 - end, packet, fate),
                    Output::Deliver(_, packet) => {
                        match genuine(end, packet.bytes()) {
                            true => self.delivered[end] += 1,
                            false => self.strangers[end] += 1,
                        }
                        self.ends[end].recycle(packet);
                    }
                    Output::Event(Event::QuickModeEstablished(_)) => self.quick_modes[end] += 1,
                    Output::Event(Event::MainModeEstablished(_)) => self.main_modes[end] += 1,
                    Output::Event(_) => {}
                    Output::Work(id, work) => self.input(end, Input::WorkDone(id, run(work))),
                }
            }
        }
    }

    fn transmit(&mut self, to: usize, mut packet: Packet, fate: &mut dyn FnMut(&mut Packet) -> Fate) {
        self.transmitted += 1;
        let (copies, delay) = match fate(&mut packet) {
            Fate::Lost => return,
            Fate::Arrive => (1, LATENCY),
            Fate::Twice => (2, LATENCY),
            Fate::Late(delay) => (1, LATENCY + delay),
        };
        let arrival = self.now + delay;
        let at = self.wire.partition_point(|u| u.arrival <= arrival);
        for _ in 0..copies {
            self.wire.insert(at, UnderWay { arrival, to, packet: packet.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honest_ends_agree() {
        let mut tunnel = Agreement::usual();
        (tunnel.tunnel, tunnel.pfs) = (true, Pfs::SameGroup);
        for agreement in [Agreement::usual(), tunnel] {
            let mut pair = Pair::agreed(&agreement, 1);
            pair.send(0, 100);
            pair.run_honestly(Duration::from_secs(1));
            assert_eq!((pair.main_modes, pair.quick_modes), ([1, 1], [1, 1]), "{agreement:?}");
            pair.send(1, 100);
            pair.run_honestly(Duration::from_secs(1));
            assert_eq!(pair.delivered, [1, 1]);
        }
    }
}
