//! What every part of IKE shares while it handles one input.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::client::Contact;
use super::effect::{Datagram, Effect};
use super::failure::IkeError;
use super::outbox::{Outbox, Sent};
use super::pair::Pairs;
use super::retransmit::{Ends, Exchange};
use super::sa::{Names, SaId};
use super::timer::{TimerKey, Timers};
use super::v1::reliable_delete::Deletes;
use crate::config::{Config, IkeConfig, Limits, PolicyDatabases, RetransmitSchedule, WorkMode};
use crate::crypto::{Group, Secret};
use crate::interface::{ConnectionKind, InterfaceId};
use crate::io::Event;
use crate::rng::{Label, Streams};
use crate::route::RouteTable;
use crate::sad::{PairId, Sad};
use crate::time::{Duration, Instant};
use crate::wire::isakmp::{Cookie, Header};
use crate::work::{Work, WorkId};
use zeroize::Zeroizing;

/// Which exchange a piece of work is for: an ISAKMP SA, and a message ID, 0 in phase 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkOwner {
    pub(crate) sa: SaId,
    pub(crate) message_id: u32,
}

/// State that belongs to no single ISAKMP SA.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) config: IkeConfig,
    pub(crate) limits: Limits,
    pub(crate) key_log: bool,
    pub(crate) outbox: Outbox,
    pub(crate) timers: Timers,
    pub(crate) pairs: Pairs,
    /// The kind of connection of each interface, and which one leads to whom.
    kinds: BTreeMap<InterfaceId, ConnectionKind>,
    routes: RouteTable,
    /// Peers with whom an ISAKMP SA was established since we started: they need no INITIAL-CONTACT.
    contacted: BTreeSet<Contact>,
    work_mode: WorkMode,
    work: BTreeMap<WorkId, WorkOwner>,
    inline: VecDeque<(WorkId, Work)>,
    /// Negotiations asked for since we started.
    pub(crate) acquires: u64,
    last_number: u64,
    last_work: u64,
    last_pair: u64,
    /// When IKE last sent anything from here to there, where a NAT before us must not forget us.
    pub(crate) keepalives: BTreeMap<Ends, Instant>,
    /// Of the last message that left in fragments (MS-IKEE section 3.3.1: one counter for all).
    pub(crate) fragment_id: u16,
    /// Cookies are asked for before anything is remembered.
    pub(crate) dos_mode: bool,
    /// Deletes that wait for their answers, and answers to the peers'.
    pub(crate) deletes: Deletes,
}

impl Node {
    pub(crate) fn new(config: &Config) -> Self {
        Node {
            config: config.ike.clone(),
            limits: config.limits.clone(),
            key_log: config.key_log,
            outbox: Outbox::new(&config.ike.lies),
            timers: Timers::default(),
            pairs: Pairs::default(),
            kinds: config.interfaces.iter().map(|i| (i.id, i.kind)).collect(),
            routes: config.routes.clone(),
            contacted: BTreeSet::new(),
            work_mode: config.work,
            work: BTreeMap::new(),
            inline: VecDeque::new(),
            acquires: 0,
            last_number: 0,
            last_work: 0,
            last_pair: 0,
            keepalives: BTreeMap::new(),
            fragment_id: 0,
            dos_mode: false,
            deletes: Deletes::default(),
        }
    }

    /// A node without memory of its peers whose numbers go on.
    pub(crate) fn anew(&self, config: &Config) -> Self {
        let (last_number, last_work, last_pair) = (self.last_number, self.last_work, self.last_pair);
        let (outbox, fragment_id) = (self.outbox.clone(), self.fragment_id);
        Node { outbox, last_number, last_work, last_pair, fragment_id, ..Node::new(config) }
    }

    /// Other interfaces and routes.
    pub(crate) fn learn_network(&mut self, config: &Config) {
        self.kinds = config.interfaces.iter().map(|i| (i.id, i.kind)).collect();
        self.routes = config.routes.clone();
    }

    /// The kind of connection over which the traffic of SAs with this peer goes.
    pub(crate) fn kind_towards(&self, peer: IpAddr) -> ConnectionKind {
        let interface = self.routes.lookup(peer).map(|route| route.interface);
        interface.and_then(|id| self.kinds.get(&id)).copied().unwrap_or_default()
    }

    /// A number for a new exchange or ISAKMP SA: it selects the random streams, so none is used twice.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// A number for a new pair of SAs.
    pub(crate) fn next_pair(&mut self) -> PairId {
        self.last_pair += 1;
        PairId(self.last_pair)
    }

    /// Who waits for this piece of work, once.
    pub(crate) fn take_owner(&mut self, id: WorkId) -> Option<WorkOwner> {
        self.work.remove(&id)
    }

    /// The next piece of work to run inside this call.
    pub(crate) fn take_inline(&mut self) -> Option<(WorkId, Work)> {
        self.inline.pop_front()
    }

    /// Nobody waits for the work of this ISAKMP SA any more.
    pub(crate) fn forget_work(&mut self, sa: SaId) {
        self.work.retain(|_, owner| owner.sa != sa);
    }

    /// How long a finished exchange's answers are kept: as long as the peer may repeat itself.
    pub(crate) fn linger(&self) -> Duration {
        self.config.retransmit.length()
    }

    /// How long a half-open main mode is held: as long as either end may repeat its message.
    pub(crate) fn half_open_age(&self) -> Duration {
        let ours = self.config.responder_retransmit.as_ref().map(RetransmitSchedule::length);
        self.linger().max(ours.unwrap_or_default())
    }

    /// When the messages of phase 1 are repeated.
    pub(crate) fn phase1_schedule(&self, initiator: bool) -> &RetransmitSchedule {
        self.config.responder_retransmit.as_ref().filter(|_| !initiator).unwrap_or(&self.config.retransmit)
    }

    /// Whether the next main mode with this peer is the first one.
    pub(crate) fn is_first_contact(&self, peer: &Contact) -> bool {
        !self.contacted.contains(peer) && self.contacted.len() < self.limits.peer_notes
    }

    /// An ISAKMP SA with this peer was established.
    pub(crate) fn contacted(&mut self, peer: Contact) {
        if self.contacted.len() < self.limits.peer_notes {
            self.contacted.insert(peer);
        }
    }
}

/// One input being handled.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) streams: &'a Streams,
    pub(crate) policy: &'a PolicyDatabases,
    pub(crate) sad: &'a mut Sad,
    pub(crate) effects: &'a mut Vec<Effect>,
    pub(crate) node: &'a mut Node,
}

impl Context<'_> {
    pub(crate) fn event(&mut self, event: Event) {
        self.effects.push(Effect::Event(event));
    }

    pub(crate) fn ignore(&mut self, peer: SocketAddr, reason: IkeError) {
        self.event(Event::IkeIgnored { peer, reason });
    }

    pub(crate) fn send(&mut self, local: SocketAddr, peer: SocketAddr, payload: Vec<u8>) {
        self.sent_something((local, peer));
        self.effects.push(Effect::Send(Datagram { local, peer, payload, keepalive: false }));
    }

    /// A fresh cookie: random, and never zero.
    pub(crate) fn cookie(&self, number: u64) -> Cookie {
        let mut cookie = Cookie::ZERO;
        self.streams.fill(Label::Cookie, number, &mut cookie.0);
        if cookie.is_zero() { Cookie([1; 8]) } else { cookie }
    }

    /// A fresh secret exponent, as long as suits the group.
    pub(crate) fn exponent(&self, number: u64, group: Group) -> Secret {
        let mut exponent = Zeroizing::new(alloc::vec![0; group.exponent_len()]);
        self.streams.fill(Label::DhSecret, number, &mut exponent);
        Secret::from(exponent.as_slice())
    }

    /// A fresh nonce of 20 octets (RFC2409-5-11: 8 to 256).
    pub(crate) fn nonce(&self, number: u64) -> Vec<u8> {
        let mut nonce = alloc::vec![0; 20];
        self.streams.fill(Label::Nonce, number, &mut nonce);
        nonce
    }
}

/// One exchange being moved on: what its state may touch.
pub(crate) struct Step<'a, 'b> {
    pub(crate) names: &'a Names,
    pub(crate) exchange: &'a mut Exchange,
    pub(crate) message_id: u32,
    pub(crate) cx: &'a mut Context<'b>,
}

impl Step<'_, '_> {
    /// The key of the exchange's timer.
    pub(crate) fn timer(&self) -> TimerKey {
        match self.message_id {
            0 => TimerKey::Phase1(self.names.id),
            message_id => TimerKey::QuickMode(self.names.id, message_id),
        }
    }

    /// Sends a message of this exchange. With `repeat`, until the peer answers.
    pub(crate) fn send(&mut self, sent: &Sent, repeat: bool) {
        let schedule = &self.cx.node.config.retransmit;
        let deadline = self.exchange.sent(&sent.datagram, repeat, schedule, self.cx.now);
        self.send_until(sent, deadline);
    }

    fn send_until(&mut self, sent: &Sent, deadline: Instant) {
        let cx = &mut *self.cx;
        cx.send_under(self.names, self.names.local, self.names.peer, sent.datagram.clone());
        let timer = self.timer();
        self.cx.node.timers.set(timer, deadline);
    }

    /// Sends an answer of the responder in phase 1. It is repeated if responders of ours do that, else only when it is asked
    /// for.
    pub(crate) fn answer(&mut self, sent: &Sent) {
        let schedule = self.cx.node.config.responder_retransmit.as_ref();
        let Some(schedule) = schedule else { return self.send(sent, false) };
        let deadline = self.exchange.sent(&sent.datagram, true, schedule, self.cx.now);
        self.send_until(sent, deadline);
    }

    /// Gives the exchange as long as a whole schedule for whatever comes next.
    pub(crate) fn rest(&mut self) {
        let deadline = self.cx.now + self.cx.node.linger();
        let timer = self.timer();
        self.cx.node.timers.set(timer, deadline);
    }

    /// Has something computed; the result comes back to the exchange's `complete`.
    pub(crate) fn work(&mut self, work: Work) -> WorkId {
        let node = &mut *self.cx.node;
        node.last_work += 1;
        let id = WorkId(node.last_work);
        node.work.insert(id, WorkOwner { sa: self.names.id, message_id: self.message_id });
        match node.work_mode {
            WorkMode::Inline => node.inline.push_back((id, work)),
            WorkMode::Offload => self.cx.effects.push(Effect::Work(id, work)),
        }
        id
    }

    /// The header of a message of this exchange.
    pub(crate) fn header(&self) -> Header {
        self.names.header(self.message_id)
    }
}
