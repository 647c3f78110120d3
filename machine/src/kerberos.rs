//! Whether Kerberos could authenticate two computers to each other: realms, trusts, and who can reach which domain controller.
//!
//! IKE here exchanges no Kerberos tokens, so a negotiation that agrees on Kerberos fails. This says whether it would have worked
//! where they are exchanged, and if not, why:
//!
//! | step | asked | source |
//! |---|---|---|
//! | 1 | both ends are members of a domain, which is a Kerberos realm | KB 301284: "at least one of them is not in a domain" |
//! | 2 | it is one realm, or the responder's realm trusts the initiator's, directly or through others | KB 816514: "in trusted domains" |
//! | 3 | each end reaches a controller of each realm on that way, in clear | KB 816514: "reachable on the network by both ends of the tunnel during IKE negotiation of the tunnel (before it is established)" |
//!
//! For step 3 a computer's own routes and filters are asked ([`Computer::reaches_in_clear`]), for Kerberos at UDP port 88:
//! Windows 2000 and XP exempt it by default, Windows Server 2003 does not and wants permit filters for the controllers
//! ("Windows Server 2003 IPSec Concepts"). What routers and peers on the way do with it is not asked.
//!
//! Our choices: trusts count along a chain, as within a forest; one controller of a realm is enough; a filter action that
//! falls back to clear text reaches a controller, for a controller that answers IKE is not known of here.

use core::fmt;
use std::collections::VecDeque;
use std::net::IpAddr;

use ipsec_core::Command;
use ipsec_core::route::RouteTable;
use ipsec_core::selector::FlowKey;
use ipsec_core::spd::{Action, Mode, SpdEntry};

use crate::computer::Computer;
use crate::network_settings::Adapter;

/// UDP.
const UDP: u8 = 17;
/// Where controllers answer (RFC 1510 section 8.2.1).
const KERBEROS: u16 = 88;
/// Stands for the port that the computer's client takes.
const CLIENT: u16 = 1025;

/// All realms there are.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Realms(pub Vec<Realm>);

/// A Kerberos realm: the domain of Windows with this name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Realm {
    /// Its name, whatever the case of its letters.
    pub name: String,
    /// Its domain controllers.
    pub controllers: Vec<Controller>,
    /// The realms that it trusts: their members may authenticate to its own.
    pub trusts: Vec<String>,
}

/// A domain controller, which is a Kerberos key distribution centre.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Controller {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
}

/// One end of a negotiation.
pub struct End<'a> {
    /// The computer's name.
    pub name: &'a str,
    /// Its realm; none: it is in no domain.
    pub realm: Option<&'a str>,
    /// Whether it reaches an address in clear: [`Computer::reaches_in_clear`], and what else is known.
    pub reaches: &'a dyn Fn(IpAddr) -> Result<(), Unreachable>,
}

/// Why Kerberos could not authenticate two computers.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Obstacle {
    /// A computer has no account in any domain.
    #[error("{computer} is in no domain")]
    NotAMember {
        /// The computer.
        computer: String,
    },
    /// The responder's realm does not trust the initiator's.
    #[error(
        "{trusting} (of {responder}) does not trust {trusted} (of {initiator}){}",
        if *.only_back { ", only the other way round" } else { "" }
    )]
    NoTrust {
        /// The responder's realm.
        trusting: String,
        /// The initiator's.
        trusted: String,
        /// The responder.
        responder: String,
        /// The initiator.
        initiator: String,
        /// Whether there is trust in the other direction: the responder could begin.
        only_back: bool,
    },
    /// A realm without controllers.
    #[error("{realm} has no domain controller")]
    NoController {
        /// The realm.
        realm: String,
    },
    /// A computer reaches none of a realm's controllers; this is one of them.
    #[error("{computer} does not reach {controller} ({address}), domain controller of {realm}: {why}")]
    Unreachable {
        /// The computer.
        computer: String,
        /// The controller.
        controller: String,
        /// Its address.
        address: IpAddr,
        /// Its realm.
        realm: String,
        /// Why not.
        why: Unreachable,
    },
}

/// Why a computer does not reach an address in clear.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unreachable {
    /// It has no route there.
    #[error("no route")]
    NoRoute,
    /// Its policy blocks Kerberos there.
    #[error("its rule '{0}' blocks Kerberos")]
    Blocked(String),
    /// Its policy wants Kerberos there secured, which needs Kerberos.
    #[error("its rule '{0}' wants Kerberos itself secured, and does not permit it")]
    Secured(String),
    /// Its policy sends it through a tunnel, which may be the one that is negotiated.
    #[error(
        "its rule '{rule}' wants Kerberos in the tunnel to {endpoint}, which is not there before IKE has negotiated it"
    )]
    InTunnel {
        /// The rule.
        rule: String,
        /// The far end.
        endpoint: IpAddr,
    },
    /// Its policy lets the request out and wants the answer secured.
    #[error("its rule '{0}' refuses the controller's answer in clear")]
    AnswerRefused(String),
    /// A filter of Routing and Remote Access drops it.
    #[error("the packet filter of its interface {interface} drops Kerberos")]
    PacketFilter {
        /// The interface.
        interface: String,
    },
}

impl Realms {
    /// What is in the way of Kerberos when one computer begins a negotiation with another; nothing: it could authenticate them.
    #[must_use]
    pub fn obstacles(&self, initiator: &End<'_>, responder: &End<'_>) -> Vec<Obstacle> {
        let (trusted, trusting) = match (initiator.realm, responder.realm) {
            (Some(from), Some(to)) => (from, to),
            _ => {
                let strangers = [initiator, responder].into_iter().filter(|end| end.realm.is_none());
                return strangers.map(|end| Obstacle::NotAMember { computer: end.name.to_owned() }).collect();
            }
        };
        let Some(way) = self.way(trusting, trusted) else {
            return vec![Obstacle::NoTrust {
                trusting: trusting.to_owned(),
                trusted: trusted.to_owned(),
                responder: responder.name.to_owned(),
                initiator: initiator.name.to_owned(),
                only_back: self.way(trusted, trusting).is_some(),
            }];
        };
        let asks = |end| way.iter().flat_map(move |realm| unreached(end, realm));
        let mut found: Vec<Obstacle> = Vec::new();
        for obstacle in asks(initiator).chain(asks(responder)) {
            if !found.contains(&obstacle) {
                found.push(obstacle);
            }
        }
        found
    }

    fn realm(&self, name: &str) -> Option<&Realm> {
        self.0.iter().find(|realm| realm.name.eq_ignore_ascii_case(name))
    }

    /// The shortest chain of trusts from one realm to another, both included.
    fn way(&self, trusting: &str, trusted: &str) -> Option<Vec<&Realm>> {
        let mut ways = VecDeque::from([vec![self.realm(trusting)?]]);
        while let Some(way) = ways.pop_front() {
            let last = way.last()?;
            if last.name.eq_ignore_ascii_case(trusted) {
                return Some(way);
            }
            for next in last.trusts.iter().filter_map(|name| self.realm(name)) {
                // Every realm once in a way: the search ends.
                if !way.iter().any(|known| known.name == next.name) {
                    ways.push_back(way.iter().copied().chain([next]).collect());
                }
            }
        }
        None
    }
}

/// Why a computer reaches no controller of a realm.
fn unreached(end: &End<'_>, realm: &Realm) -> Vec<Obstacle> {
    if realm.controllers.is_empty() {
        return vec![Obstacle::NoController { realm: realm.name.clone() }];
    }
    let mut found = Vec::new();
    for controller in &realm.controllers {
        match (end.reaches)(controller.address) {
            Ok(()) => return Vec::new(),
            Err(why) => found.push(Obstacle::Unreachable {
                computer: end.name.to_owned(),
                controller: controller.name.clone(),
                address: controller.address,
                realm: realm.name.clone(),
                why,
            }),
        }
    }
    found
}

impl Computer {
    /// Whether a request for Kerberos at this address leaves in clear, and the answer may come back so, as far as this
    /// computer's routes and the policy in its driver say. Interfaces of routes are the adapters in their order.
    ///
    /// # Errors
    /// Why not.
    pub fn reaches_in_clear(&self, controller: IpAddr, routes: &RouteTable) -> Result<(), Unreachable> {
        if self.local_addresses().owns(controller) {
            return Ok(());
        }
        let (adapter, local) = self.towards(controller, routes).ok_or(Unreachable::NoRoute)?;
        let kind = adapter.kind.connection();
        let (local_port, remote_port) = (Some(CLIENT), Some(KERBEROS));
        let flow = FlowKey { local, remote: controller, protocol: UDP, local_port, remote_port };
        let spd = match self.driver_command() {
            Ok(Command::SetPolicy(databases)) => databases.spd,
            Ok(Command::StopIke(spd)) => spd,
            // What cannot be applied is not in force.
            _ => return Ok(()),
        };
        match spd.outbound(&flow, kind).map(|entry| (entry, &entry.action)) {
            None | Some((_, Action::Bypass | Action::Stateful)) => {}
            Some((entry, Action::Discard)) => return Err(Unreachable::Blocked(entry.name.clone())),
            Some((_, Action::Protect(protect))) if protect.fallback => {}
            Some((SpdEntry { name, .. }, Action::Protect(protect))) => {
                return Err(match protect.mode {
                    Mode::Transport => Unreachable::Secured(name.clone()),
                    Mode::Tunnel { remote, .. } => {
                        Unreachable::InTunnel { rule: name.clone(), endpoint: remote }
                    }
                });
            }
        }
        match spd.inbound(&flow, kind).map(|entry| (entry, &entry.action)) {
            None | Some((_, Action::Bypass | Action::Stateful)) => Ok(()),
            Some((entry, Action::Discard)) => Err(Unreachable::Blocked(entry.name.clone())),
            Some((_, Action::Protect(protect))) if protect.accept_clear_inbound || protect.fallback => Ok(()),
            Some((entry, Action::Protect(_))) => Err(Unreachable::AnswerRefused(entry.name.clone())),
        }
    }

    /// The adapter through which this computer's own packets leave for a destination, and their source.
    #[must_use]
    pub fn towards(&self, destination: IpAddr, routes: &RouteTable) -> Option<(&Adapter, IpAddr)> {
        let adapters = &self.network().adapters;
        let on_link = adapters.iter().find_map(|adapter| {
            let own = adapter.addresses.iter().find(|own| own.contains(destination))?;
            Some((adapter, own.address))
        });
        let routed = || {
            let route = routes.lookup(destination)?;
            let adapter = adapters.get(usize::from(route.interface.0))?;
            let mut own = adapter.addresses.iter().map(|own| own.address);
            let source = route.source.or_else(|| own.find(|own| own.is_ipv4() == destination.is_ipv4()))?;
            Some((adapter, source))
        };
        on_link.or_else(routed)
    }
}

/// What one says of two computers, in a sentence: nothing is in the way, or what is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// Who begins.
    pub initiator: String,
    /// With whom.
    pub responder: String,
    /// What is in the way.
    pub obstacles: Vec<Obstacle>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { initiator, responder, obstacles } = self;
        let Some((first, rest)) = obstacles.split_first() else {
            return write!(f, "the realms would let Kerberos authenticate {initiator} to {responder}");
        };
        write!(f, "nor would the realms let Kerberos authenticate {initiator} to {responder}: {first}")?;
        rest.iter().try_for_each(|obstacle| write!(f, "; {obstacle}"))
    }
}

#[cfg(test)]
mod tests;
