//! [`Network`]: nodes, links and one event queue. It jumps from event to event and never ticks.

use ipsec_core::interface::InterfaceId;
use ipsec_core::{Instant, Ipsec, Packet};

use crate::adversary::Injection;
use crate::app::{Action, App, ping::Ping, tcp::Tcp, udp::Udp};
use crate::invariant::Violation;
use crate::nat::Nat;
use crate::node::Node;
use crate::queue::Occasion;
use crate::sink::Sink;
use crate::topology::{AppId, Names, NodeId};
use crate::work::Workshop;
use crate::world::{Cx, World};

/// A running network. Make one with [`Builder`](crate::Builder).
///
/// It is not `Clone`, because the host stack's sockets are not; going back in time means running again.
#[derive(Debug)]
pub struct Network {
    nodes: Vec<Node>,
    world: World,
    actions: Vec<(NodeId, Action)>,
    injections: Vec<Injection>,
    now: Instant,
    steps: u64,
}

impl Network {
    pub(crate) fn new(
        nodes: Vec<Node>,
        mut world: World,
        schedule: Vec<(Instant, NodeId, Action)>,
        injections: Vec<Injection>,
    ) -> Self {
        let mut actions = Vec::with_capacity(schedule.len());
        for (i, (at, node, action)) in schedule.into_iter().enumerate() {
            world.queue.push(at, Occasion::Action(node, AppId(i as u32)));
            actions.push((node, action));
        }
        for (i, injection) in injections.iter().enumerate() {
            world.queue.push(injection.at, Occasion::Injection(i));
        }
        for node in &nodes {
            if node.nat.is_some() {
                world.invariants.translated();
            }
            world.invariants.introduce(node.id, node.spd.clone(), &node.interfaces, node.ike_schedule);
        }
        let mut network = Network { nodes, world, actions, injections, now: Instant::EPOCH, steps: 0 };
        for node in &mut network.nodes {
            node.arm(&mut network.world.queue, Instant::EPOCH);
        }
        network
    }

    /// The current time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How many events were handled.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// When the next event is due; a timer that was moved meanwhile may make it early.
    pub fn next_time(&self) -> Option<Instant> {
        self.world.queue.next_time()
    }

    /// Lets `node` do something at a time that is not past. The number names the application it starts.
    pub fn schedule(&mut self, at: Instant, node: NodeId, action: Action) -> AppId {
        let id = AppId(self.actions.len() as u32);
        self.actions.push((node, action));
        self.world.queue.push(at.max(self.now), Occasion::Action(node, id));
        id
    }

    /// Lets the adversary inject a packet at a time that is not past.
    pub fn inject(&mut self, injection: Injection) {
        self.world.queue.push(injection.at.max(self.now), Occasion::Injection(self.injections.len()));
        self.injections.push(injection);
    }

    /// IPsec and address translation of `node` start afresh, with their first configuration and no memory, as after a power
    /// cut: they tell nobody. What is on the links still arrives.
    pub fn reboot(&mut self, node: NodeId) {
        if let Some(rebooted) = self.nodes.get_mut(usize::from(node.0)) {
            rebooted.reboot(self.now, &mut self.world);
            rebooted.arm(&mut self.world.queue, self.now);
        }
    }

    /// Handles the next event; `false` when there is none.
    pub fn step(&mut self, sink: &mut impl Sink) -> bool {
        self.step_by(Instant::NEVER, sink)
    }

    /// Handles the next event at or before `limit`. Timers that were moved meanwhile are no events.
    fn step_by(&mut self, limit: Instant, sink: &mut impl Sink) -> bool {
        while self.next_time().is_some_and(|t| t <= limit) {
            let Some((time, occasion)) = self.world.queue.pop() else { return false };
            if let Occasion::Timer(node) = occasion
                && self.nodes[usize::from(node.0)].is_stale(time, &mut self.world.queue)
            {
                continue;
            }
            self.world.invariants.clock(self.now, time);
            self.now = self.now.max(time);
            self.steps += 1;
            self.handle(occasion, sink);
            return true;
        }
        false
    }

    /// Runs until no event at or before `end` is left; the time is then `end`. Returns how many events were handled.
    pub fn run_until(&mut self, end: Instant, sink: &mut impl Sink) -> u64 {
        let before = self.steps;
        while self.step_by(end, sink) {}
        self.now = self.now.max(end);
        self.steps - before
    }

    /// Checks what must hold when nothing moves any more: no half-open exchange has outlived its schedule. Call it at the
    /// end of a run. Returns all violations of the run.
    pub fn finish(&mut self, sink: &mut impl Sink) -> &[Violation] {
        let known = self.world.invariants.violations().len();
        self.world.invariants.at_quiet(self.now);
        for violation in &self.world.invariants.violations()[known..] {
            let (time, node) = (self.now, violation.node);
            let effect = crate::sink::Effect::Violation(violation);
            sink.record(&crate::sink::Record { time, node, cause: 0, effect });
        }
        self.world.invariants.violations()
    }

    fn handle(&mut self, occasion: Occasion, sink: &mut dyn Sink) {
        let mut cx = Cx { now: self.now, node: NodeId::ADVERSARY, cause: 0, world: &mut self.world, sink };
        let node = match &occasion {
            Occasion::Arrival { node, .. }
            | Occasion::Timer(node)
            | Occasion::WorkDone(node, ..)
            | Occasion::Action(node, _) => *node,
            Occasion::Injection(i) => {
                let injection = &self.injections[*i];
                let packet = Packet::from_slice(0, &injection.bytes);
                return cx.carry(injection.link, InterfaceId(0), injection.next_hop, packet, None, false);
            }
            Occasion::Replay { .. } => NodeId::ADVERSARY,
        };
        if let Occasion::Replay { link, next_hop, packet, .. } = occasion {
            return cx.carry(link, InterfaceId(0), next_hop, packet, None, true);
        }
        cx.node = node;
        let node = &mut self.nodes[usize::from(node.0)];
        match occasion {
            Occasion::Arrival { interface, transmission, packet, .. } => {
                cx.cause = transmission;
                node.arrive(interface, packet, &mut cx);
            }
            Occasion::WorkDone(_, id, result) => node.work_done(id, result, &mut cx),
            Occasion::Action(_, id) => node.act(id, &self.actions[id.0 as usize].1, &mut cx),
            _ => node.timeout(&mut cx),
        }
        node.settle(&mut cx);
        node.arm(&mut self.world.queue, self.now);
    }

    /// What has become of a scheduled action's application; `None` before it started, or when it is none.
    pub fn app(&self, id: AppId) -> Option<&App> {
        let (node, _) = self.actions.get(id.0 as usize)?;
        self.nodes[usize::from(node.0)].host.apps.get(&id)
    }

    /// The ping of this number.
    pub fn ping(&self, id: AppId) -> Option<&Ping> {
        if let App::Ping(ping) = self.app(id)? { Some(ping) } else { None }
    }

    /// The TCP client or server of this number.
    pub fn tcp(&self, id: AppId) -> Option<&Tcp> {
        if let App::Tcp(tcp) = self.app(id)? { Some(tcp) } else { None }
    }

    /// The UDP client or echo server of this number.
    pub fn udp(&self, id: AppId) -> Option<&Udp> {
        if let App::Udp(udp) = self.app(id)? { Some(udp) } else { None }
    }

    /// The IPsec layer of a node, to look at.
    pub fn ipsec(&self, node: NodeId) -> Option<&Ipsec> {
        self.nodes.get(usize::from(node.0))?.ipsec.as_ref()
    }

    /// The translator of a node, to look at.
    pub fn nat(&self, node: NodeId) -> Option<&Nat> {
        self.nodes.get(usize::from(node.0))?.nat.as_ref()
    }

    /// Everything that was violated so far.
    pub fn violations(&self) -> &[Violation] {
        self.world.invariants.violations()
    }

    /// Names of nodes, interfaces and links.
    pub fn names(&self) -> Names {
        Names {
            nodes: self.nodes.iter().map(|n| n.name.clone()).collect(),
            interfaces: self
                .nodes
                .iter()
                .map(|n| n.interfaces.iter().map(|i| i.name.clone()).collect())
                .collect(),
            links: self.world.links.iter().map(|l| l.config.name.clone()).collect(),
        }
    }

    /// The number of the node with this name.
    pub fn node(&self, name: &str) -> Option<NodeId> {
        self.nodes.iter().find(|n| n.name == name).map(|n| n.id)
    }

    /// The workshop, with the results it learned: hand it to the next run.
    pub fn into_workshop(self) -> Workshop {
        self.world.workshop
    }
}
