//! Checks: what the files ask for against what was observed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipsec_core::selector::{AddressRange, Selector};
use ipsec_core::spd::Mode;
use ipsec_machine::event_log::Record;
use ipsec_machine::monitor::Snapshot;
use ipsec_sim::LinkId;

use crate::logs::LogSink;
use crate::names;
use crate::observe::Observer;
use crate::report::CheckResult;
use crate::scenario::Scenario;
use crate::steps::{
    Condition, Delivered, Do, Dropped, EventLogged, Failed, Flow, FlowOutcome, FoundNat, MainMode, Mapped,
    ModeName, QuickMode, Seen,
};
use crate::topology::{Kind, Node};
use crate::traffic::{self, Answers, Ends};
use crate::twin::{Direction, Outcome, PacketPattern, Twin};
use crate::value::Net;

mod displays;

/// Everything a check can look at.
pub(crate) struct Facts<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) observer: &'a Observer,
    pub(crate) logs: &'a LogSink,
    /// Answers of each flow, the last start of it.
    pub(crate) answers: &'a BTreeMap<String, Answers>,
    /// Who processed packets of SAs, by node.
    pub(crate) processed: &'a BTreeMap<String, ipsec_core::Processed>,
    /// What is in the way of Kerberos between two nodes, the one that begins first.
    pub(crate) kerberos: BTreeMap<(String, String), Vec<String>>,
    /// What ipconfig printed, by node, in order.
    pub(crate) ipconfig: &'a BTreeMap<String, Vec<String>>,
    /// What monitors showed, by node, in order.
    pub(crate) monitors: &'a BTreeMap<String, Vec<Snapshot>>,
}

/// Held or not, and what was found.
type Verdict = (bool, String);

impl Facts<'_> {
    /// Evaluates a condition of `steps.toml`.
    pub(crate) fn condition(&self, condition: &Condition) -> Verdict {
        match condition {
            Condition::Replies(c) => {
                let a = self.answers.get(c.flow.get_ref()).copied().unwrap_or_default();
                let enough = a.answered >= c.at_least && c.at_most.is_none_or(|m| a.answered <= m);
                let held = enough && (!c.negotiating || a.negotiating > 0);
                let waited = match a.negotiating {
                    0 => String::new(),
                    n => format!(", {n} said `Negotiating IP Security.`"),
                };
                (held, format!("{} of {} answered{waited}", a.answered, a.asked))
            }
            Condition::Outcome(c) => self.flow_outcome(c),
            Condition::Seen(c) => self.seen(c),
            Condition::MainMode(c) => self.main_mode(c),
            Condition::QuickMode(c) => self.quick_mode(c),
            Condition::Established(c) => {
                let node = self.observer.node(c.node.get_ref());
                let main = self.observer.main_modes.iter().filter(|m| Some(m.node) == node).count();
                let quick = self.observer.quick_modes.iter().filter(|q| Some(q.node) == node).count();
                let detail = format!(
                    "{main} main modes and {quick} quick modes; wanted {} and {}",
                    c.main_modes, c.quick_modes
                );
                ((main, quick) == (c.main_modes, c.quick_modes), detail)
            }
            Condition::SameInterfaces(node) => {
                let snapshots = self.ipconfig.get(node.get_ref()).map_or(&[][..], Vec::as_slice);
                let same = snapshots.windows(2).all(|w| w.first() == w.last());
                (
                    same && snapshots.len() > 1,
                    format!("{} snapshots: {}", snapshots.len(), snapshots.join(" / ")),
                )
            }
            Condition::Dropped(c) => self.dropped(c),
            Condition::Delivered(c) => self.reached(c),
            Condition::Failed(c) => self.failed(c),
            Condition::Happened(c) => {
                let node = self.observer.node(c.node.get_ref());
                let key = node.map(|node| (node, c.what.clone()));
                let times = key.and_then(|key| self.observer.happened.get(&key).copied()).unwrap_or(0);
                let held = times >= c.at_least && c.at_most.is_none_or(|most| times <= most);
                (held, format!("{}: {} times {}", c.node.get_ref(), times, c.what))
            }
            Condition::NoDrops(nodes) => {
                let wanted: BTreeSet<_> =
                    nodes.iter().filter_map(|n| self.observer.node(n.get_ref())).collect();
                let found: Vec<String> =
                    self.drops().into_iter().filter(|(n, _)| wanted.contains(n)).map(|(_, d)| d).collect();
                (found.is_empty(), if found.is_empty() { "nothing dropped".into() } else { found.join("; ") })
            }
            Condition::NoFailures(nodes) => self.no_failures(nodes),
            Condition::FoundNat(c) => self.found_nat(c),
            Condition::Processed(c) => {
                let of_node = self.processed.get(c.node.get_ref()).copied().unwrap_or_default();
                let detail = format!("{} in hardware, {} in software", of_node.hardware, of_node.software);
                ((of_node.hardware, of_node.software) == (c.hardware, c.software), detail)
            }
            Condition::Event(c) => self.event(c),
            Condition::Verdict(c) => self.judged(c),
            Condition::Monitor(c) => self.shown(c),
            Condition::Kerberos(c) => {
                let asked = (c.from.get_ref().clone(), c.to.get_ref().clone());
                let found = self.kerberos.get(&asked).map_or(&[][..], Vec::as_slice);
                (found == c.obstacles, listed(found))
            }
            Condition::Mapped(c) => self.mapped(c),
        }
    }

    /// The addresses of nobody else: those of both ends, and of the translators between them.
    fn parties(&self, flow: &Flow) -> BTreeSet<IpAddr> {
        let ends = [flow.from.get_ref(), flow.to.get_ref()];
        let takes_part = |n: &&Node| n.kind == Kind::Nat || ends.contains(&n.name.get_ref());
        let nodes = self.scenario.topology.nodes.iter().filter(takes_part);
        let own = nodes.clone().flat_map(|n| n.interfaces.iter().map(|i| i.address.get_ref().0.address));
        let more = nodes.flat_map(|n| n.nat.iter().flat_map(|nat| nat.external()));
        let leased = self.scenario.steps.steps.iter().filter_map(|step| match &step.r#do {
            Do::Reconfigure(new) if ends.contains(&new.node.get_ref()) => {
                new.address.map(|net| net.0.address)
            }
            _ => None,
        });
        own.chain(more).chain(leased).collect()
    }

    /// The unprotected links on which a packet of the flow's protocol between parties to it could be read.
    pub(crate) fn readable_on(&self, flow: &Flow) -> Vec<String> {
        let protocol = traffic::protocol(flow);
        let parties = self.parties(flow);
        let between = |from: &IpAddr, to: &IpAddr| parties.contains(from) && parties.contains(to);
        let readable = self.observer.readable.keys().filter(|(_, p, f, t)| *p == protocol && between(f, t));
        let links: BTreeSet<LinkId> = readable.map(|(link, ..)| *link).collect();
        let link = |id: &LinkId| self.scenario.topology.links.get(usize::from(id.0));
        links.iter().filter_map(link).filter(|l| l.unprotected).map(|l| l.name.get_ref().clone()).collect()
    }

    /// What both ends saw, whatever became of the addresses on the way.
    fn flow_outcome(&self, c: &FlowOutcome) -> Verdict {
        let Some(flow) = self.scenario.steps.flow(c.flow.get_ref()) else { return (false, "no flow".into()) };
        let protocol = traffic::protocol(flow);
        let clear = !self.readable_on(flow).is_empty();
        let ends = [&flow.from, &flow.to].map(|name| self.observer.node(name.get_ref()));
        let arrived = match ends {
            [Some(from), Some(to)] => self.observer.arrived.contains(&(from, to, protocol)),
            _ => false,
        };
        let a = self.answers.get(c.flow.get_ref()).copied().unwrap_or_default();
        let outcome = match (a.answered > 0, arrived) {
            (true, _) if clear => self.how_clear(flow),
            (true, _) => Outcome::Protected,
            (false, true) => Outcome::OneWay,
            (false, false)
                if !clear
                    && !self.blocked(protocol)
                    && self.observer.quick_modes.is_empty()
                    && !self.by_hand() =>
            {
                Outcome::NoSa
            }
            (false, false) => Outcome::Refused,
        };
        let detail = format!("{outcome}, wanted {}; {} of {} answered", c.is, a.answered, a.asked);
        (outcome == c.is, detail)
    }

    /// In which way traffic that was answered was readable.
    fn how_clear(&self, flow: &Flow) -> Outcome {
        let observer = self.observer;
        let ends = [&flow.from, &flow.to].map(|name| observer.node(name.get_ref()));
        if observer.soft.iter().any(|node| ends.contains(&Some(*node))) {
            return Outcome::Soft;
        }
        let Ok(to) = traffic::ends(self.scenario, flow) else { return Outcome::Clear };
        let secured = observer.quick_modes.iter().find(|q| Some(q.node) == ends[0]).map(|q| q.at);
        let parties = self.parties(flow);
        let mut readable = observer.readable.iter().filter(|((_, protocol, from, destination), _)| {
            *protocol == to.protocol && parties.contains(from) && parties.contains(destination)
        });
        let first = |((_, _, from, _), last): (&(LinkId, u8, IpAddr, IpAddr), &ipsec_core::Instant)| {
            *from == to.source && secured.is_some_and(|at| *last < at)
        };
        if readable.all(first) { Outcome::FirstClear } else { Outcome::Clear }
    }

    /// Whether a filter has blocked packets of this protocol.
    fn blocked(&self, protocol: u8) -> bool {
        let blocked = |(_, packet, reason): &(_, PacketPattern, String)| {
            packet.protocol == protocol && reason == "policy-discard"
        };
        self.observer.drops.keys().any(blocked)
    }

    /// Whether there are SAs without IKE.
    fn by_hand(&self) -> bool {
        self.scenario.topology.nodes.iter().any(|n| !n.manual.is_empty())
    }

    fn seen(&self, c: &Seen) -> Verdict {
        let link = self.observer.link(c.link.get_ref());
        let count = |t| link.and_then(|l| self.observer.seen.get(&(l, t))).copied().unwrap_or(0);
        let held =
            c.some.iter().all(|t| count(*t.get_ref()) > 0) && c.none.iter().all(|t| count(*t.get_ref()) == 0);
        let listed = c
            .some
            .iter()
            .chain(&c.none)
            .map(|t| format!("{} {:?}", count(*t.get_ref()), t.get_ref()).to_lowercase());
        (held, format!("on {}: {}", c.link.get_ref(), listed.collect::<Vec<_>>().join(", ")))
    }

    fn main_mode(&self, c: &MainMode) -> Verdict {
        let node = self.observer.node(c.node.get_ref());
        let mut found = Vec::new();
        for m in
            self.observer.main_modes.iter().filter(|m| Some(m.node) == node && m.info.peer.ip() == c.peer)
        {
            let proposal = names::proposal(&m.info.proposal);
            let lifetime = u64::from(m.info.lifetime_seconds);
            let extensions = names::extensions(&m.info.we_can, &m.info.peer_can);
            let extended = c.extensions.as_ref().is_none_or(|wanted| *wanted == extensions);
            if proposal == c.proposal && lifetime == c.lifetime.0.as_secs() && extended {
                return (true, format!("{proposal}, {} min, at {} s", lifetime / 60, m.at));
            }
            found.push(format!("{proposal}, {lifetime} s, extensions {extensions:?}"));
        }
        let extensions = c.extensions.as_ref().map_or(String::new(), |all| format!(", extensions {all:?}"));
        (false, format!("wanted {}, {}{extensions}; found {}", c.proposal, c.lifetime, listed(&found)))
    }

    fn quick_mode(&self, c: &QuickMode) -> Verdict {
        let node = self.observer.node(c.node.get_ref());
        let mut found = Vec::new();
        for q in self.observer.quick_modes.iter().filter(|q| Some(q.node) == node && q.info.peer == c.peer) {
            let method = names::method(&q.info.offer);
            let mode = match q.info.mode {
                Mode::Transport => ModeName::Transport,
                Mode::Tunnel { .. } => ModeName::Tunnel,
            };
            let pfs = q.info.pfs.is_some();
            let fits = (&method, mode, pfs) == (&c.method, c.mode, c.pfs)
                && covers(&q.info.selector, c.local, c.remote);
            let pfs = if pfs { ", PFS" } else { "" };
            let text = format!("{method} {mode:?}{pfs}, {}, at {} s", q.info.selector, q.at);
            if fits {
                return (true, text);
            }
            found.push(text);
        }
        (false, format!("wanted {} {:?}, PFS {}; found {}", c.method, c.mode, c.pfs, listed(&found)))
    }

    fn dropped(&self, c: &Dropped) -> Verdict {
        let node = self.observer.node(c.node.get_ref());
        let fits = |((n, p, r), _): &(&(ipsec_sim::NodeId, PacketPattern, String), &u32)| {
            Some(*n) == node && *r == c.reason && p.to_string().split(' ').next() == Some(&c.protocol)
        };
        let times: u32 = self.observer.drops.iter().filter(fits).map(|(_, times)| times).sum();
        let all: Vec<String> = self.drops().into_iter().map(|(_, d)| d).collect();
        let name = c.node.get_ref();
        match times {
            0 => (false, format!("wanted {name} {}: {}; found {}", c.protocol, c.reason, listed(&all))),
            times => (true, format!("{name} dropped {times} {}: {}", c.protocol, c.reason)),
        }
    }

    fn reached(&self, c: &Delivered) -> Verdict {
        let PacketPattern { protocol, from, to, .. } = c.packet;
        let node = self.observer.node(c.node.get_ref());
        let arrived = node.is_some_and(|n| self.observer.delivered.contains(&(n, protocol, from, to)));
        let how = if arrived { "reached" } else { "did not reach" };
        (arrived == c.arrived, format!("{} {how} the stack of {}", c.packet, c.node.get_ref()))
    }

    fn failed(&self, c: &Failed) -> Verdict {
        let node = self.observer.node(c.node.get_ref());
        let mut found = Vec::new();
        for ((n, phase, reason), failed) in &self.observer.failures {
            let text = format!("{} {phase}: {reason} ({})", self.observer.names.node(*n), failed.detail);
            if Some(*n) == node && (*phase, reason) == (c.phase.as_str(), &c.reason) {
                return (true, text);
            }
            found.push(text);
        }
        (false, format!("wanted {} {}: {}; found {}", c.node.get_ref(), c.phase, c.reason, listed(&found)))
    }

    /// Of the last main mode of the node.
    fn found_nat(&self, c: &FoundNat) -> Verdict {
        let node = self.observer.node(c.node.get_ref());
        let last = self.observer.main_modes.iter().rev().find(|m| Some(m.node) == node);
        let Some(nat) = last.and_then(|m| m.info.nat) else {
            return (false, "no NAT discovery".into());
        };
        let held = c.revision.is(nat.version) && (nat.local, nat.peer) == (c.local, c.peer);
        (held, format!("{}: {nat}", c.node.get_ref()))
    }

    /// Records of a log: with these fields, so many.
    fn event(&self, c: &EventLogged) -> Verdict {
        let node = self.observer.node(c.node.get_ref());
        let of_id = || node.into_iter().flat_map(|n| self.logs.records(n)).filter(|r| r.id == c.id);
        let fits = |r: &&Record| {
            c.fields.iter().all(|(name, value)| r.fields().iter().any(|(n, v)| n == name && v == value))
        };
        let (found, fitting) = (of_id().count(), of_id().filter(fits).count());
        let held = c.count.map_or(fitting > 0, |count| fitting == count);
        let wanted: Vec<String> = c.fields.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let wanted = if wanted.is_empty() { String::new() } else { format!(" with {}", wanted.join(", ")) };
        let mut detail = format!("{}: event {} {found} times, {fitting}{wanted}", c.node.get_ref(), c.id);
        if !held {
            let first = of_id().next().map_or_else(|| "none".into(), |r| r.description().replace('\n', "; "));
            detail += &format!("; found {first}");
        }
        (held, detail)
    }

    fn mapped(&self, c: &Mapped) -> Verdict {
        let node = self.observer.node(c.node.get_ref());
        let made = self.observer.mapped.iter().filter(|(n, _)| Some(*n) == node).map(|(_, m)| m);
        let of_inside: Vec<_> = made.filter(|m| m.inside == c.inside).map(|m| m.outside).collect();
        let held = of_inside.contains(&c.outside) && c.of_inside.is_none_or(|n| of_inside.len() == n);
        let found: Vec<String> = of_inside.iter().map(ToString::to_string).collect();
        (held, format!("wanted {} to {}; found {}", c.inside, c.outside, listed(&found)))
    }

    fn no_failures(&self, nodes: &[toml::Spanned<String>]) -> Verdict {
        let wanted: BTreeSet<_> = nodes.iter().filter_map(|n| self.observer.node(n.get_ref())).collect();
        let failed = self.observer.failures.iter().filter(|((n, ..), _)| wanted.contains(n));
        let found: Vec<String> = failed
            .map(|((n, phase, reason), _)| format!("{} {phase}: {reason}", self.observer.names.node(*n)))
            .collect();
        (found.is_empty(), if found.is_empty() { "nothing failed".into() } else { found.join("; ") })
    }

    fn drops(&self) -> Vec<(ipsec_sim::NodeId, String)> {
        let name = |n| self.observer.names.node(n);
        let all = self.observer.drops.iter();
        all.map(|((n, p, r), times)| (*n, format!("{} dropped {times} {p}: {r}", name(*n)))).collect()
    }

    /// The unprotected links on which a packet of the flow, in either direction, could be read.
    pub(crate) fn clear_links(&self, ends: &Ends) -> Vec<String> {
        let unprotected = self.scenario.topology.links.iter().enumerate().filter(|(_, l)| l.unprotected);
        let readable =
            |link: LinkId, from, to| self.observer.readable.contains_key(&(link, ends.protocol, from, to));
        unprotected
            .filter(|(i, _)| {
                let link = LinkId(*i as u16);
                readable(link, ends.source, ends.destination) || readable(link, ends.destination, ends.source)
            })
            .map(|(_, l)| l.name.get_ref().clone())
            .collect()
    }

    /// What the people at both ends saw.
    fn outcome(&self, flow: &str, ends: &Ends) -> Outcome {
        let answered = self.answers.get(flow).is_some_and(|a| a.answered > 0);
        let arrived =
            self.observer.delivered.contains(&(ends.to, ends.protocol, ends.source, ends.destination));
        let clear = !self.clear_links(ends).is_empty();
        let unroutable = |(_, p, reason): &(_, crate::twin::PacketPattern, String)| {
            reason == "no-route" && (p.from, p.to) == (ends.source, ends.destination)
        };
        match (answered, arrived) {
            (true, _) if clear => Outcome::Clear,
            (true, _) => Outcome::Protected,
            (false, true) => Outcome::OneWay,
            (false, false) if self.observer.drops.keys().any(unroutable) => Outcome::Unreachable,
            (false, false) if !clear && self.observer.quick_modes.is_empty() => Outcome::NoSa,
            (false, false) => Outcome::Refused,
        }
    }

    /// Checks of one direction of a twin.
    pub(crate) fn direction(&self, twin: &Twin, direction: &Direction, ends: &Ends) -> Vec<CheckResult> {
        let flow = direction.flow.get_ref();
        let mut results = Vec::new();
        let mut add = |id: &str, (held, detail): Verdict| {
            let (run, says) = (Some(flow.clone()), twin.sentence.clone());
            results.push(CheckResult { id: id.into(), run, says, held, detail });
        };
        let outcome = self.outcome(flow, ends);
        let a = self.answers.get(flow).copied().unwrap_or_default();
        let detail =
            format!("{outcome:?}, wanted {:?}; {} of {} answered", direction.outcome, a.answered, a.asked);
        add("outcome", (outcome == direction.outcome, detail));
        let clear = self.clear_links(ends);
        let names =
            |list: &[toml::Spanned<String>]| list.iter().map(|s| s.get_ref().clone()).collect::<Vec<_>>();
        add("clear-on", compare(&clear, &names(&direction.clear_on)));
        let established =
            self.observer.quick_modes.iter().map(|q| self.observer.names.node(q.node).to_string());
        add("sas", compare(&established.collect::<Vec<_>>(), &names(&direction.sas)));
        if !direction.delivered.is_empty() {
            let arrived = |d: &&crate::twin::Delivered| {
                let node = self.observer.node(d.node.get_ref());
                let key = |node| (node, d.packet.protocol, d.packet.from, d.packet.to);
                node.is_some_and(|n| self.observer.delivered.contains(&key(n)))
            };
            let found = direction.delivered.iter().filter(arrived).count();
            let detail =
                format!("{found} of {} forged packets reached their destination", direction.delivered.len());
            add("delivered", (found == direction.delivered.len(), detail));
        }
        add("drops", self.expected_drops(direction));
        add("failures", self.expected_failures(direction));
        results
    }

    /// Every drop is expected, and every expected drop happened.
    fn expected_drops(&self, direction: &Direction) -> Verdict {
        let observer = self.observer;
        let mut missing: Vec<_> = direction.drops.iter().collect();
        let mut surprising = Vec::new();
        for ((node, packet, reason), times) in &observer.drops {
            let node = observer.names.node(*node);
            let fits = |d: &&crate::twin::Drop| {
                d.node.get_ref() == node && d.packet.matches(packet) && d.reason == *reason
            };
            if !direction.drops.iter().any(|d| fits(&d)) {
                surprising.push(format!("{node} dropped {times} {packet}: {reason}"));
            }
            missing.retain(|d| !fits(d));
        }
        let missing = missing.iter().map(|d| format!("{} {}: {}", d.node.get_ref(), d.packet, d.reason));
        verdict(direction.drops.len(), missing.collect(), surprising)
    }

    /// Every failed negotiation is expected, and every expected one happened.
    fn expected_failures(&self, direction: &Direction) -> Verdict {
        let observer = self.observer;
        let mut missing: Vec<_> = direction.failures.iter().collect();
        let mut surprising = Vec::new();
        for ((node, phase, reason), failed) in &observer.failures {
            let node = observer.names.node(*node);
            let fits = |f: &&crate::twin::Failure| {
                f.node.get_ref() == node && f.phase == *phase && f.reason == *reason
            };
            if !direction.failures.iter().any(|f| fits(&f)) {
                surprising.push(format!("{node} {phase}: {reason} ({})", failed.detail));
            }
            missing.retain(|f| !fits(f));
        }
        let missing = missing.iter().map(|f| format!("{} {}: {}", f.node.get_ref(), f.phase, f.reason));
        verdict(direction.failures.len(), missing.collect(), surprising)
    }
}

fn verdict(expected: usize, missing: Vec<String>, surprising: Vec<String>) -> Verdict {
    let mut parts = Vec::new();
    if !missing.is_empty() {
        parts.push(format!("did not happen: {}", missing.join("; ")));
    }
    if !surprising.is_empty() {
        parts.push(format!("not expected: {}", surprising.join("; ")));
    }
    let held = parts.is_empty();
    (held, if held { format!("{expected} as expected, no others") } else { parts.join("; ") })
}

fn compare(found: &[String], wanted: &[String]) -> Verdict {
    let set = |list: &[String]| list.iter().cloned().collect::<BTreeSet<_>>();
    let (found, wanted) = (set(found), set(wanted));
    let text = |set: &BTreeSet<String>| listed(&set.iter().cloned().collect::<Vec<_>>());
    (found == wanted, format!("{}, wanted {}", text(&found), text(&wanted)))
}

fn listed(found: &[String]) -> String {
    if found.is_empty() { "none".into() } else { found.join("; ") }
}

fn covers(selector: &Selector, local: Option<Net>, remote: Option<Net>) -> bool {
    let is =
        |ranges: &[AddressRange], net: Option<Net>| net.is_none_or(|n| *ranges == [AddressRange::from(n.0)]);
    is(&selector.local, local) && is(&selector.remote, remote)
}
