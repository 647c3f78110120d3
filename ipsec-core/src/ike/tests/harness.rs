//! Nodes, the datagrams between them, and what a test wants to know.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::config::{Config, IkeConfig, PolicyDatabases, VendorIdRule, WorkMode};
use crate::crypto::{Cipher, Group, HashAlg, Mac};
use crate::ike::effect::{Acquire, Datagram, Effect};
use crate::ike::failure::FailureReason;
use crate::ike::{Ike, IkeContext};
use crate::io::{DeleteReason, Event, Keys};
use crate::pad::{AuthMethod, MainModeProposal, Pad, PadEntry, PadEntryId, Phase1Exchange, Secret};
use crate::rng::Streams;
use crate::route::RouteTable;
use crate::sad::{BundleSpec, PairId, Sad};
use crate::selector::{AddressRange, Prefix, Selector};
use crate::spd::{
    Action, Direction, EntryId, EspTransform, Lifetime, Mode, Offer, Pfs, Populate, Protect, Spd, SpdEntry,
};
use crate::time::{Duration, Instant};
use crate::work::{Work, WorkId};

/// What a node is made of, before it is made.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) psk: &'static str,
    pub(super) methods: Option<Vec<AuthMethod>>,
    pub(super) proposals: Vec<MainModeProposal>,
    pub(super) offers: Vec<Offer>,
    pub(super) pfs: Pfs,
    pub(super) tunnel: bool,
    pub(super) lifetime_seconds: u32,
    pub(super) quick_modes: u32,
    pub(super) work: WorkMode,
    pub(super) ike: IkeConfig,
    /// Begins by aggressive mode, and accepts it.
    pub(super) aggressive: bool,
    /// Our address and the peer's, where they are not those of [`ENDS`].
    pub(super) ends: Option<[&'static str; 2]>,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            psk: "key",
            methods: None,
            proposals: vec![proposal(Cipher::Des, HashAlg::Md5, Group::Modp768)],
            offers: vec![esp(Cipher::Des, Mac::HmacMd5_96)],
            pfs: Pfs::No,
            tunnel: true,
            lifetime_seconds: 28_800,
            quick_modes: 0,
            work: WorkMode::Inline,
            ike: IkeConfig::default(),
            aggressive: false,
            ends: None,
        }
    }
}

/// An IKE that sends these vendor IDs.
pub(super) fn announcing<const N: usize>(bodies: [Vec<u8>; N]) -> IkeConfig {
    IkeConfig { vendor_ids: bodies.map(VendorIdRule::always).to_vec(), ..IkeConfig::default() }
}

pub(super) fn proposal(cipher: Cipher, hash: HashAlg, group: Group) -> MainModeProposal {
    MainModeProposal { cipher, hash, group }
}

pub(super) fn esp(cipher: Cipher, mac: Mac) -> Offer {
    Offer { ah: None, esp: Some(EspTransform { cipher, mac: Some(mac) }), lifetime: Lifetime::default() }
}

pub(super) const ENDS: [&str; 2] = ["192.0.2.1", "192.0.2.2"];
const NETS: [&str; 2] = ["10.1.0.0", "10.2.0.0"];

pub(super) fn address(node: usize) -> IpAddr {
    ENDS[node].parse().unwrap()
}

pub(super) fn socket(node: usize) -> SocketAddr {
    SocketAddr::new(address(node), crate::ike::PORT)
}

/// The traffic of the policy, seen from `node`.
pub(super) fn traffic(node: usize, tunnel: bool) -> Selector {
    let side = |n: usize| match tunnel {
        true => AddressRange::from(Prefix::new(NETS[n].parse().unwrap(), 16)),
        false => AddressRange::single(address(n)),
    };
    Selector::between(side(node), side(1 - node))
}

pub(super) fn policy(setup: &Setup, node: usize) -> PolicyDatabases {
    let ends = setup.ends.map(|ends| ends.map(|end| end.parse::<IpAddr>().unwrap()));
    let [local, peer] = ends.unwrap_or_else(|| [address(node), address(1 - node)]);
    let selector = match setup.tunnel {
        true => traffic(node, true),
        false => Selector::between(AddressRange::single(local), AddressRange::single(peer)),
    };
    let entry = SpdEntry {
        id: EntryId(7),
        name: String::from("protect"),
        selector,
        direction: Direction::Both,
        connection: None,
        action: Action::Protect(Protect {
            mode: if setup.tunnel { Mode::Tunnel { local: None, remote: peer } } else { Mode::Transport },
            offers: setup.offers.clone(),
            pfs: setup.pfs,
            accept_clear_inbound: false,
            fallback: false,
            populate: Populate::default(),
        }),
    };
    let psk = || vec![AuthMethod::PreSharedKey(Secret::new(setup.psk.as_bytes()))];
    let pad = PadEntry {
        id: PadEntryId(1),
        name: String::from("all"),
        local: vec![AddressRange::ANY_V4],
        peer: vec![AddressRange::ANY_V4],
        methods: setup.methods.clone().unwrap_or_else(psk),
        proposals: setup.proposals.clone(),
        lifetime_seconds: setup.lifetime_seconds,
        quick_modes: setup.quick_modes,
        exchange: if setup.aggressive { Phase1Exchange::AggressiveMode } else { Phase1Exchange::MainMode },
        accept_aggressive: setup.aggressive,
        ..PadEntry::default()
    };
    PolicyDatabases { spd: Arc::new(Spd::new(vec![entry])), pad: Arc::new(Pad { entries: vec![pad] }) }
}

/// One node: an `Ike` and what surrounds it.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) ike: Ike,
    pub(super) policy: PolicyDatabases,
    pub(super) sad: Sad,
    streams: Streams,
    pub(super) effects: Vec<Effect>,
    pub(super) events: Vec<Event>,
    pub(super) inbound: Vec<BundleSpec>,
    pub(super) outbound: Vec<BundleSpec>,
    pub(super) work: Vec<(WorkId, Work)>,
    /// Everything that is neither sent nor an event nor work, in order.
    pub(super) other: Vec<Effect>,
}

impl Node {
    pub(super) fn new(setup: &Setup, node: usize) -> Self {
        let policy = policy(setup, node);
        let mut config = Config::new(vec![], RouteTable::default(), policy.clone());
        (config.work, config.key_log, config.ike) = (setup.work, true, setup.ike.clone());
        Node {
            ike: Ike::new(&config),
            policy,
            sad: Sad::default(),
            streams: Streams::new([node as u8 + 1; 32]),
            effects: vec![],
            events: vec![],
            inbound: vec![],
            outbound: vec![],
            work: vec![],
            other: vec![],
        }
    }

    /// Calls `act`, and gives the datagrams it sends.
    pub(super) fn call(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Ike, &mut IkeContext<'_>),
    ) -> Vec<Datagram> {
        let mut cx = IkeContext {
            now,
            streams: &self.streams,
            policy: &self.policy,
            sad: &mut self.sad,
            effects: &mut self.effects,
        };
        act(&mut self.ike, &mut cx);
        let mut sent = vec![];
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Send(datagram) => sent.push(datagram),
                Effect::Event(event) => self.events.push(event),
                Effect::Work(id, work) => self.work.push((id, work)),
                other => {
                    match &other {
                        Effect::InstallInbound(bundle) => self.inbound.push(bundle.clone()),
                        Effect::InstallOutbound(bundle) => self.outbound.push(bundle.clone()),
                        _ => {}
                    }
                    self.other.push(other);
                }
            }
        }
        sent
    }

    pub(super) fn receive(&mut self, now: Instant, datagram: &Datagram) -> Vec<Datagram> {
        self.call(now, |ike, cx| ike.handle_datagram(datagram.peer, datagram.local, &datagram.payload, cx))
    }

    /// Of each acquire that failed, whether the peer was silent.
    pub(super) fn acquire_failures(&self) -> Vec<bool> {
        let failed = |effect: &Effect| match effect {
            Effect::AcquireFailed { silent, .. } => Some(*silent),
            _ => None,
        };
        self.other.iter().filter_map(failed).collect()
    }

    /// The pairs that were to be deleted.
    pub(super) fn deleted(&self) -> Vec<(PairId, DeleteReason)> {
        let deleted = |effect: &Effect| match effect {
            Effect::DeleteSa { pair, why } => Some((*pair, *why)),
            _ => None,
        };
        self.other.iter().filter_map(deleted).collect()
    }

    /// The reasons of all failures.
    pub(super) fn failures(&self) -> Vec<FailureReason> {
        let failure = |event: &Event| match event {
            Event::Failed(failure) => Some(failure.reason.clone()),
            _ => None,
        };
        self.events.iter().filter_map(failure).collect()
    }

    pub(super) fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| wanted(event)).count()
    }

    pub(super) fn isakmp_keys(&self) -> Vec<Keys> {
        let key = |event: &Event| match event {
            Event::Keys(keys @ Keys::Isakmp { .. }) => Some(keys.clone()),
            _ => None,
        };
        self.events.iter().filter_map(key).collect()
    }

    /// Changes the one PAD entry.
    pub(super) fn pad_entry(&mut self, change: impl FnOnce(&mut PadEntry)) {
        change(&mut Arc::make_mut(&mut self.policy.pad).entries[0]);
    }

    /// As if it had been started with another seed.
    pub(super) fn reseed(&mut self, seed: u8) {
        self.streams = Streams::new([seed; 32]);
    }

    /// All state, for comparison.
    pub(super) fn fingerprint(&self) -> String {
        alloc::format!("{:?} {:?}", self.ike, self.sad)
    }
}

/// What the network does with the `n`th datagram.
pub(super) type Fault<'a> = &'a mut dyn FnMut(usize, &Datagram) -> Fate;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    Deliver,
    Drop,
    Twice,
    /// Behind the next one.
    Late,
}

/// Two nodes and the datagrams between them.
#[derive(Clone)]
pub(super) struct Net {
    pub(super) nodes: [Node; 2],
    pub(super) now: Instant,
    queue: VecDeque<Datagram>,
    /// Every datagram sent, in order.
    pub(super) sent: Vec<Datagram>,
}

impl Net {
    pub(super) fn new(setups: [&Setup; 2]) -> Self {
        let nodes = [Node::new(setups[0], 0), Node::new(setups[1], 1)];
        Net { nodes, now: Instant::from_secs(1), queue: VecDeque::new(), sent: vec![] }
    }

    pub(super) fn same(setup: &Setup) -> Self {
        Net::new([setup, setup])
    }

    fn post(&mut self, sent: Vec<Datagram>) {
        self.sent.extend(sent.iter().cloned());
        self.queue.extend(sent);
    }

    pub(super) fn call(&mut self, node: usize, act: impl FnOnce(&mut Ike, &mut IkeContext<'_>)) {
        let sent = self.nodes[node].call(self.now, act);
        self.post(sent);
    }

    pub(super) fn wanted(&self, node: usize) -> Acquire {
        let entry = &self.nodes[node].policy.spd.entries()[0];
        Acquire {
            entry: entry.id,
            local: address(node),
            peer: address(1 - node),
            selector: entry.selector.clone(),
            replaces: None,
        }
    }

    pub(super) fn acquire(&mut self, node: usize) {
        let acquire = self.wanted(node);
        self.call(node, |ike, cx| ike.acquire(acquire, cx));
    }

    /// Takes the next datagram off the network.
    pub(super) fn take(&mut self) -> Option<Datagram> {
        self.queue.pop_front()
    }

    pub(super) fn deliver(&mut self, datagram: &Datagram) {
        let node = usize::from(datagram.peer.ip() == address(1));
        let sent = self.nodes[node].receive(self.now, datagram);
        self.post(sent);
        self.finish_work(node);
    }

    fn finish_work(&mut self, node: usize) {
        while !self.nodes[node].work.is_empty() {
            let (id, work) = self.nodes[node].work.remove(0);
            self.call(node, |ike, cx| ike.work_done(id, work.run(), cx));
        }
    }

    /// Delivers until nothing is under way.
    pub(super) fn settle(&mut self) {
        self.settle_with(&mut |_, _| Fate::Deliver);
    }

    pub(super) fn settle_with(&mut self, fault: Fault<'_>) {
        let mut number = 0;
        [0, 1].into_iter().for_each(|node| self.finish_work(node));
        while let Some(datagram) = self.take() {
            number += 1;
            match fault(number, &datagram) {
                Fate::Deliver => self.deliver(&datagram),
                Fate::Drop => {}
                Fate::Twice => [0, 1].into_iter().for_each(|_| self.deliver(&datagram)),
                Fate::Late => match self.queue.is_empty() {
                    true => self.deliver(&datagram),
                    false => self.queue.insert(1, datagram),
                },
            }
        }
    }

    /// Moves the clock from timer to timer until `until`.
    pub(super) fn run(&mut self, until: Instant, fault: Fault<'_>) {
        self.settle_with(fault);
        loop {
            let next = self.nodes.iter().filter_map(|node| node.ike.poll_timeout()).min();
            match next.filter(|next| *next <= until) {
                Some(next) => self.now = next.max(self.now),
                None => break,
            }
            [0, 1].into_iter().for_each(|node| self.call(node, |ike, cx| ike.handle_timeout(cx)));
            self.settle_with(fault);
        }
        self.now = until.max(self.now);
    }

    pub(super) fn run_for(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        self.run(until, &mut |_, _| Fate::Deliver);
    }

    /// Both ends hold the same keys, and the selectors of one mirror those of the other.
    pub(super) fn assert_same_pairs(&self, pairs: usize) {
        let [a, b] = &self.nodes;
        assert_eq!(a.isakmp_keys().len(), b.isakmp_keys().len());
        assert!(a.isakmp_keys().iter().all(|keys| b.isakmp_keys().contains(keys)));
        for (ours, theirs) in [(a, b), (b, a)] {
            assert_eq!((ours.inbound.len(), ours.outbound.len()), (pairs, pairs), "{:?}", ours.events);
            for bundle in &ours.outbound {
                let twin = theirs.inbound.iter().find(|inbound| inbound.sas == bundle.sas).expect("a twin");
                assert_eq!(twin.selector, bundle.selector.mirrored());
                assert_eq!((twin.local, twin.peer), (bundle.peer, bundle.local));
                assert_eq!(twin.lifetime, bundle.lifetime);
            }
        }
    }
}
