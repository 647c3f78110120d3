//! What the realms of a scenario would have said where IKE could not use Kerberos.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipsec_core::route::RouteTable;
use ipsec_machine::kerberos::{End, Unreachable, Verdict};

use super::Act;
use crate::build;
use crate::steps::Condition;
use crate::topology::Node;

impl Act<'_> {
    /// Lets the story know what realms, trusts and controllers would allow now, for negotiations that fail for want of
    /// Kerberos. Without any domain in the scenario there is nothing to say.
    pub(super) fn ask_the_realms(&mut self) {
        if self.scenario.topology.domains.is_empty() {
            return;
        }
        let nodes = &self.scenario.topology.nodes;
        let with_ipsec = || nodes.iter().filter(|node| self.computers.contains_key(node.name.get_ref()));
        let mut said = BTreeMap::new();
        for (from, to) in with_ipsec().flat_map(|from| with_ipsec().map(move |to| (from, to))) {
            let ids = [from, to].map(|node| self.sinks.2.node(node.name.get_ref()));
            let [Some(from_id), Some(to_id)] = ids else { continue };
            let verdict = self.kerberos(from.name.get_ref(), to.name.get_ref()).to_string();
            let addresses = |node: &Node| {
                node.interfaces.iter().map(|i| i.address.get_ref().0.address).collect::<Vec<_>>()
            };
            for address in addresses(to) {
                said.insert((from_id, true, address), verdict.clone());
            }
            for address in addresses(from) {
                said.insert((to_id, false, address), verdict.clone());
            }
        }
        self.sinks.2.kerberos = said;
    }

    /// What the checks ask.
    pub(super) fn verdicts(&self) -> BTreeMap<(String, String), Vec<String>> {
        let asked = self.scenario.steps.checks.iter().filter_map(|check| match &check.holds {
            Condition::Kerberos(c) => Some((c.from.get_ref(), c.to.get_ref())),
            _ => None,
        });
        let answer = |(from, to): (&String, &String)| {
            let obstacles = self.kerberos(from, to).obstacles;
            ((from.clone(), to.clone()), obstacles.iter().map(ToString::to_string).collect())
        };
        asked.map(answer).collect()
    }

    /// Whether Kerberos could authenticate one node, which begins, and another, as things are.
    fn kerberos(&self, from: &str, to: &str) -> Verdict {
        let (reaches_from, reaches_to) =
            (|address| self.reaches(from, address), |address| self.reaches(to, address));
        let initiator = End { name: from, realm: self.domains.realm_of(from), reaches: &reaches_from };
        let responder = End { name: to, realm: self.domains.realm_of(to), reaches: &reaches_to };
        let obstacles = self.domains.realms().obstacles(&initiator, &responder);
        Verdict { initiator: from.to_owned(), responder: to.to_owned(), obstacles }
    }

    /// Asks a node's routes, policy and packet filters.
    fn reaches(&self, name: &str, address: IpAddr) -> Result<(), Unreachable> {
        let node = self.scenario.topology.node(name).ok_or(Unreachable::NoRoute)?;
        let computer = self.computers.get(name).ok_or(Unreachable::NoRoute)?.machine();
        let mut routes = RouteTable::new();
        let list = self.routes.get(name).unwrap_or(&node.routes);
        build::routes(node, list).into_iter().for_each(|route| routes.add(route));
        computer.reaches_in_clear(address, &routes)?;
        match computer.towards(address, &routes) {
            Some((adapter, own)) if !passes(node, &adapter.name, own, address) => {
                Err(Unreachable::PacketFilter { interface: adapter.name.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// Whether the packet filters of an interface let a request out and its answer in.
fn passes(node: &Node, interface: &str, own: IpAddr, other: IpAddr) -> bool {
    let mut filters = node.packet_filter.iter().filter(|f| f.interface.get_ref() == interface);
    filters.all(|f| {
        build::permits(&f.output, &f.output_except, own, other)
            && build::permits(&f.input, &f.input_except, other, own)
    })
}
