//! Nodes, the NAT boxes before them, and datagrams on their way.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::config::{IkeConfig, VendorIdRule};
use crate::ike::effect::{Acquire, Datagram};
use crate::ike::tests::harness::*;
use crate::ike::v1::vendor_id;
use crate::ike::{Ike, IkeContext};
use crate::time::{Duration, Instant};

/// The client's address behind its box, the box's, the server's behind its box, and that box's.
pub(super) const INSIDE: [&str; 2] = ["10.9.0.5", "10.8.0.7"];
pub(super) const OUTSIDE: [&str; 2] = ["198.51.100.1", "203.0.113.9"];

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn rfc() -> Vec<VendorIdRule> {
    vec![VendorIdRule::always(vendor_id::RFC_3947)]
}

pub(super) fn draft() -> Vec<VendorIdRule> {
    vec![VendorIdRule::always(vendor_id::NAT_T_DRAFT_02_NEWLINE)]
}

/// Nodes that send these vendor IDs.
pub(super) fn speaking(vendor_ids: Vec<VendorIdRule>, tunnel: bool) -> Setup {
    let ike = IkeConfig { vendor_ids, ..IkeConfig::default() };
    Setup { ike, tunnel, ..Setup::default() }
}

/// A NAT box: endpoint-independent mapping and filtering, ports never preserved; or one address for one address.
#[derive(Clone)]
pub(super) struct Box {
    pub(super) public: IpAddr,
    pub(super) statically: Option<IpAddr>,
    map: BTreeMap<SocketAddr, u16>,
    next: u16,
}

impl Box {
    pub(super) fn dynamic(public: &str) -> Self {
        Box { public: ip(public), statically: None, map: BTreeMap::new(), next: 20_000 }
    }

    pub(super) fn one_to_one(public: &str, inside: &str) -> Self {
        Box { statically: Some(ip(inside)), ..Box::dynamic(public) }
    }

    /// It was rebooted: every mapping is another one.
    pub(super) fn reboot(&mut self) {
        self.map.clear();
        self.next += 1_000;
    }

    fn out(&mut self, inside: SocketAddr) -> SocketAddr {
        if self.statically.is_some() {
            return SocketAddr::new(self.public, inside.port());
        }
        let next = &mut self.next;
        let port = *self.map.entry(inside).or_insert_with(|| {
            *next += 1;
            *next
        });
        SocketAddr::new(self.public, port)
    }

    fn back(&self, outside: SocketAddr) -> Option<SocketAddr> {
        match self.statically {
            Some(inside) => Some(SocketAddr::new(inside, outside.port())),
            None => self.map.iter().find(|(_, port)| **port == outside.port()).map(|(inside, _)| *inside),
        }
    }
}

/// Where a node is.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) address: IpAddr,
    /// The box before it.
    pub(super) behind: Option<usize>,
}

#[derive(Clone)]
pub(super) struct World {
    pub(super) nodes: Vec<Node>,
    pub(super) places: Vec<Place>,
    pub(super) boxes: Vec<Box>,
    pub(super) now: Instant,
    queue: VecDeque<Datagram>,
    /// Every datagram as its receiver got it.
    pub(super) arrived: Vec<Datagram>,
    /// Every datagram as its sender sent it.
    pub(super) sent: Vec<Datagram>,
}

/// Which ends are behind a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    pub(super) client: bool,
    pub(super) server: bool,
}

pub(super) const NOBODY: Placement = Placement { client: false, server: false };
pub(super) const CLIENT: Placement = Placement { client: true, server: false };
pub(super) const SERVER: Placement = Placement { client: false, server: true };
pub(super) const BOTH: Placement = Placement { client: true, server: true };
pub(super) const PLACEMENTS: [Placement; 4] = [NOBODY, CLIENT, SERVER, BOTH];

impl World {
    /// A client (node 0) and a server (node 1) of this kind.
    pub(super) fn new(setup: &Setup, placement: Placement) -> Self {
        World::differing([setup, setup], placement)
    }

    pub(super) fn differing(setups: [&Setup; 2], placement: Placement) -> Self {
        let Placement { client, server } = placement;
        let address = |node: usize, behind: bool| if behind { INSIDE[node] } else { OUTSIDE[node] };
        let own = [address(0, client), address(1, server)];
        let node = |n: usize| {
            let ends = Some([own[n], OUTSIDE[1 - n]]);
            Node::new(&Setup { ends, ..setups[n].clone() }, n)
        };
        let boxes = vec![Box::dynamic(OUTSIDE[0]), Box::one_to_one(OUTSIDE[1], INSIDE[1])];
        let place = |n: usize, behind: bool| Place { address: ip(own[n]), behind: behind.then_some(n) };
        World {
            nodes: vec![node(0), node(1)],
            places: vec![place(0, client), place(1, server)],
            boxes,
            now: Instant::from_secs(1),
            queue: VecDeque::new(),
            arrived: vec![],
            sent: vec![],
        }
    }

    /// Another client behind the client's box.
    pub(super) fn add_client(&mut self, setup: &Setup, address: &'static str) -> usize {
        let n = self.nodes.len();
        self.nodes.push(Node::new(&Setup { ends: Some([address, OUTSIDE[1]]), ..setup.clone() }, n));
        self.places.push(Place { address: ip(address), behind: Some(0) });
        n
    }

    pub(super) fn wanted(&self, node: usize) -> Acquire {
        let entry = &self.nodes[node].policy.spd.entries()[0];
        let peer = ip(OUTSIDE[if node == 1 { 0 } else { 1 }]);
        Acquire {
            entry: entry.id,
            local: self.places[node].address,
            peer,
            selector: entry.selector.clone(),
            replaces: None,
        }
    }

    pub(super) fn acquire(&mut self, node: usize) {
        let acquire = self.wanted(node);
        self.call(node, |ike, cx| ike.acquire(acquire, cx));
    }

    pub(super) fn call(&mut self, node: usize, act: impl FnOnce(&mut Ike, &mut IkeContext<'_>)) {
        let sent = self.nodes[node].call(self.now, act);
        self.post(sent);
    }

    fn post(&mut self, sent: Vec<Datagram>) {
        self.sent.extend(sent.iter().cloned());
        self.queue.extend(sent);
    }

    /// What becomes of a datagram on its way, and who gets it.
    pub(super) fn translate(&mut self, mut datagram: Datagram) -> Option<(usize, Datagram)> {
        let sender = self.places.iter().position(|place| place.address == datagram.local.ip());
        if let Some(behind) = sender.and_then(|sender| self.places[sender].behind) {
            datagram.local = self.boxes[behind].out(datagram.local);
        }
        let is_public = |place: &Place| place.behind.is_none() && place.address == datagram.peer.ip();
        if let Some(node) = self.places.iter().position(is_public) {
            return Some((node, datagram));
        }
        let behind = self.boxes.iter().position(|b| b.public == datagram.peer.ip())?;
        datagram.peer = self.boxes[behind].back(datagram.peer)?;
        let inside = |place: &Place| place.behind == Some(behind) && place.address == datagram.peer.ip();
        Some((self.places.iter().position(inside)?, datagram))
    }

    /// The same, once the quick mode that the client asks for is over.
    pub(super) fn connected(setup: &Setup, placement: Placement) -> Self {
        let mut world = World::new(setup, placement);
        world.acquire(0);
        world.settle();
        world
    }

    /// Hands a datagram, as it leaves the last box, to a node.
    pub(super) fn deliver(&mut self, node: usize, datagram: &Datagram) {
        self.arrived.push(datagram.clone());
        if !datagram.keepalive {
            let sent = self.nodes[node].receive(self.now, datagram);
            self.post(sent);
        }
    }

    pub(super) fn take(&mut self) -> Option<(usize, Datagram)> {
        loop {
            let datagram = self.queue.pop_front()?;
            if let Some(delivery) = self.translate(datagram) {
                return Some(delivery);
            }
        }
    }

    pub(super) fn settle(&mut self) {
        while let Some((node, datagram)) = self.take() {
            self.deliver(node, &datagram);
        }
    }

    pub(super) fn run_for(&mut self, seconds: u64) {
        self.settle();
        let until = self.now + Duration::from_secs(seconds);
        loop {
            let next = self.nodes.iter().filter_map(|node| node.ike.poll_timeout()).min();
            match next.filter(|next| *next <= until) {
                Some(next) => self.now = next.max(self.now),
                None => break,
            }
            for node in 0..self.nodes.len() {
                self.call(node, |ike, cx| ike.handle_timeout(cx));
            }
            self.settle();
        }
        self.now = until;
    }
}
