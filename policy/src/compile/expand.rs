//! Filters of the assigned policy, taken apart into halves, resolved, and put into match order.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use ipsec_core::crypto::{Cipher as CoreCipher, Mac};
use ipsec_core::interface::ConnectionKind;
use ipsec_core::selector::{AddressRange, PortRange, Prefix, Selector};
use ipsec_core::spd::{
    Action as CoreAction, Direction, EntryId, EspTransform, Lifetime, Mode, Offer, Pfs, Populate, Protect,
    SpdEntry,
};

use super::{CompileError, LocalAddresses};
use crate::filter::{Address, Filter, Port};
use crate::filter_action::{Action, FilterAction};
use crate::policy::Policy;
use crate::rule::{ConnectionType, Rule, TunnelEndpoint};
use crate::security_method::{Cipher, Hash, SecurityMethod};
use crate::store::Store;
use crate::weight::{Scope, Weight};

/// Which half of a filter an entry comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Half {
    /// As written.
    Forward,
    /// The one that "mirrored" adds.
    Mirrored,
}

/// One filter half in one direction, ready for the SPD.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompiledFilter {
    /// The rule's name.
    pub rule: String,
    /// The filter's description.
    pub description: String,
    /// The name of its filter list.
    pub list: String,
    /// Where the half comes from.
    pub half: Half,
    /// Source and destination of the half as the filter names them, with `me` and keywords.
    pub flow: (String, String),
    /// What it matches, local side first.
    pub selector: Selector,
    /// Outbound, inbound or both.
    pub direction: Direction,
    /// Interfaces it is for; `None` is all.
    pub connection: Option<ConnectionKind>,
    /// What happens.
    pub action: CoreAction,
    /// Its place in the order.
    pub weight: Weight,
}

impl CompiledFilter {
    /// The filter's name: its description, else that of its list. "It is generally a good idea to give the filter the same
    /// name that you used for the filter list. The filter name appears in the IPSec monitor" (KB 816514).
    #[must_use]
    pub fn name(&self) -> &str {
        if self.description.is_empty() { &self.list } else { &self.description }
    }

    /// The SPD entry, not numbered yet.
    #[must_use]
    pub fn entry(&self) -> SpdEntry {
        SpdEntry {
            id: EntryId(0),
            name: self.rule.clone(),
            selector: self.selector.clone(),
            direction: self.direction,
            connection: self.connection,
            action: self.action.clone(),
        }
    }
}

/// A side of a half: where and which ports.
#[derive(Clone, Debug)]
struct Side {
    name: String,
    scopes: Vec<Scope>,
    port: Port,
}

/// An active rule with what it refers to.
pub(super) struct ActiveRule<'a> {
    pub(super) rule: &'a Rule,
    pub(super) action: &'a FilterAction,
    pub(super) filters: &'a [Filter],
    /// The name of the filter list.
    pub(super) list: &'a str,
    /// The tunnel endpoint and whether it is ours.
    pub(super) tunnel: Option<(IpAddr, bool)>,
}

/// The active rules of a policy in order of creation.
pub(super) fn active_rules<'a>(
    store: &'a Store,
    policy: &'a Policy,
    local: &LocalAddresses,
) -> Result<Vec<ActiveRule<'a>>, CompileError> {
    let mut rules = Vec::new();
    for rule in policy.rules.iter().filter(|r| r.active) {
        let list = store.filter_list_by_id(rule.filter_list);
        let action = store.filter_action_by_id(rule.filter_action);
        let (Some(list), Some(action)) = (list, action) else { continue };
        let tunnel = match &rule.tunnel {
            None => None,
            Some(TunnelEndpoint::Address(address)) => Some(*address),
            Some(TunnelEndpoint::Name(name)) => Some(first_address(store, local, rule, name)?),
        };
        if let Some(endpoint) = tunnel.filter(|address| !is_somebody_s(*address)) {
            return Err(CompileError::TunnelEndpoint { rule: rule.name.clone(), endpoint });
        }
        let tunnel = tunnel.map(|address| (address, local.owns(address)));
        rules.push(ActiveRule { rule, action, filters: &list.filters, list: &list.name, tunnel });
    }
    Ok(rules)
}

/// Whether an address can be a computer's own.
fn is_somebody_s(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || broadcast)
}

fn first_address(
    store: &Store,
    local: &LocalAddresses,
    rule: &Rule,
    name: &str,
) -> Result<IpAddr, CompileError> {
    let known = local.names.get(&name.to_lowercase()).map_or(store.resolve(name), Vec::as_slice);
    let unresolved = || CompileError::UnresolvedName { rule: rule.name.clone(), name: name.to_owned() };
    known.first().copied().ok_or_else(unresolved)
}

/// All filters of the policy in match order.
pub(super) fn filters(
    store: &Store,
    policy: &Policy,
    local: &LocalAddresses,
) -> Result<Vec<CompiledFilter>, CompileError> {
    let rules = active_rules(store, policy, local)?;
    let mut out = Vec::new();
    for active in &rules {
        let protect = protection(active)?;
        for filter in active.filters {
            let resolve = |address, port| side(store, local, active.rule, address, port);
            let source = resolve(&filter.source, filter.source_port)?;
            let destination = resolve(&filter.destination, filter.destination_port)?;
            let compiler = Compiler { active, filter, local, rules: &rules, protect: protect.as_ref() };
            compiler.push(&mut out, &source, &destination);
        }
    }
    // Stable: equal weights keep the order of creation.
    out.sort_by_key(|filter| core::cmp::Reverse(filter.weight));
    Ok(out)
}

/// What one filter becomes.
struct Compiler<'a> {
    active: &'a ActiveRule<'a>,
    filter: &'a Filter,
    local: &'a LocalAddresses,
    rules: &'a [ActiveRule<'a>],
    protect: Option<&'a Protect>,
}

impl Compiler<'_> {
    fn push(&self, out: &mut Vec<CompiledFilter>, source: &Side, destination: &Side) {
        match (self.protect, self.active.tunnel) {
            (Some(protect), Some((endpoint, ours))) => {
                self.tunnel(out, protect, endpoint, ours, source, destination)
            }
            (Some(_), None) if self.filter.mirrored => {
                for (near, far, half) in
                    [(source, destination, Half::Forward), (destination, source, Half::Mirrored)]
                {
                    // The near side must be able to be us; with neither side ours the filter stays as written.
                    let first = half == Half::Forward;
                    let (near_ours, far_ours) = (self.all_ours(near), self.all_ours(far));
                    let again = !first && near.scopes == far.scopes && near.port == far.port;
                    if near_ours || (!far_ours && !again && (first || self.overlaps_us(near))) {
                        self.one(
                            out,
                            half,
                            (near, far),
                            (near, far),
                            Direction::Both,
                            self.transport(near, far),
                        );
                    }
                }
            }
            _ => {
                self.plain(out, Half::Forward, source, destination);
                if self.filter.mirrored {
                    self.plain(out, Half::Mirrored, destination, source);
                }
            }
        }
    }

    /// One half in the directions in which its packets can come by.
    fn plain(&self, out: &mut Vec<CompiledFilter>, half: Half, source: &Side, destination: &Side) {
        if !self.all_ours(destination) {
            let action = self.transport(source, destination);
            self.one(out, half, (source, destination), (source, destination), Direction::Outbound, action);
        }
        if !self.all_ours(source) {
            let action = self.transport(destination, source);
            self.one(out, half, (source, destination), (destination, source), Direction::Inbound, action);
        }
    }

    /// See the table at [`super`].
    fn tunnel(
        &self,
        out: &mut Vec<CompiledFilter>,
        protect: &Protect,
        endpoint: IpAddr,
        ours: bool,
        source: &Side,
        destination: &Side,
    ) {
        let to = |local, remote| {
            CoreAction::Protect(Protect { mode: Mode::Tunnel { local, remote }, ..protect.clone() })
        };
        let anyone = unspecified(endpoint);
        let (flow, back) = ((source, destination), (destination, source));
        if ours {
            let action = to(Some(endpoint), self.counterpart().unwrap_or(anyone));
            self.one(out, Half::Forward, flow, back, Direction::Inbound, action);
            if self.filter.mirrored {
                self.one(out, Half::Mirrored, back, back, Direction::Outbound, to(None, endpoint));
            }
        } else {
            self.one(out, Half::Forward, flow, flow, Direction::Outbound, to(None, endpoint));
            if self.filter.mirrored {
                self.one(out, Half::Mirrored, back, flow, Direction::Inbound, to(Some(endpoint), anyone));
            }
        }
    }

    /// The peer of the outbound tunnel rule that carries this filter's traffic in the other direction.
    fn counterpart(&self) -> Option<IpAddr> {
        let (source, destination) = (&self.filter.source, &self.filter.destination);
        let back = |f: &Filter| f.source == *destination && f.destination == *source;
        let peers =
            self.rules.iter().filter_map(|r| r.tunnel.filter(|(_, ours)| !ours).map(|(peer, _)| (peer, r)));
        let mut peers = peers.filter(|(_, r)| r.filters.iter().any(back)).map(|(peer, _)| peer);
        let first = peers.next()?;
        peers.all(|p| p == first).then_some(first)
    }

    fn one(
        &self,
        out: &mut Vec<CompiledFilter>,
        half: Half,
        (source, destination): (&Side, &Side),
        (near, far): (&Side, &Side),
        direction: Direction,
        action: CoreAction,
    ) {
        let Some((local, remote)) = ranges(near, far) else { return };
        let widest = |side: &Side| side.scopes.iter().copied().min_by_key(Scope::narrowness);
        let (Some(from), Some(to)) = (widest(source), widest(destination)) else { return };
        let named = |port: Port| port != Port::Any;
        let (from, to) = ((&from, named(source.port)), (&to, named(destination.port)));
        let tunnel = self.active.tunnel.is_some();
        out.push(CompiledFilter {
            rule: self.active.rule.name.clone(),
            description: self.filter.description.clone(),
            list: self.active.list.to_owned(),
            half,
            flow: (source.name.clone(), destination.name.clone()),
            selector: Selector {
                local,
                remote,
                protocol: self.filter.protocol,
                local_ports: port_range(near.port),
                remote_ports: port_range(far.port),
            },
            direction,
            connection: match self.active.rule.connection {
                ConnectionType::All => None,
                ConnectionType::Lan => Some(ConnectionKind::Lan),
                ConnectionType::Dialup => Some(ConnectionKind::RemoteAccess),
            },
            action,
            weight: Weight::new(tunnel, from, to, self.filter.protocol.is_some(), self.active.action.action),
        });
    }

    /// Permit and block as they are; negotiate in transport mode makes one SA pair for each pair of computers.
    fn transport(&self, near: &Side, far: &Side) -> CoreAction {
        let Some(protect) = self.protect else {
            return match self.active.action.action {
                Action::Block => CoreAction::Discard,
                Action::Permit | Action::Negotiate => CoreAction::Bypass,
            };
        };
        let several = |side: &Side| !matches!(side.scopes.as_slice(), [scope] if scope.is_single());
        let populate = Populate { local: several(near), remote: several(far), protocol: false, ports: false };
        CoreAction::Protect(Protect { mode: Mode::Transport, populate, ..protect.clone() })
    }

    fn all_ours(&self, side: &Side) -> bool {
        let ours = |s: &Scope| match s {
            Scope::Net(net) => s.is_single() && (net.addr() == UNKNOWN_ME || self.local.owns(net.addr())),
            _ => false,
        };
        !side.scopes.is_empty() && side.scopes.iter().all(ours)
    }

    fn overlaps_us(&self, side: &Side) -> bool {
        let ranges: Vec<AddressRange> =
            side.scopes.iter().flat_map(|s| scope_ranges(s, true, true)).collect();
        self.local.all().any(|p| ranges.iter().any(|r| r.contains(p.address)))
    }
}

/// Stands for `me` when nothing is known about the computer, as when a script is only looked at.
pub(super) const UNKNOWN_ME: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Stands for a name or server whose address is not known, when a policy is only looked at.
pub(super) const UNKNOWN_HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(0, 0, 0, 1));

fn unspecified(like: IpAddr) -> IpAddr {
    if like.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) }
}

fn side(
    store: &Store,
    local: &LocalAddresses,
    rule: &Rule,
    address: &Address,
    port: Port,
) -> Result<Side, CompileError> {
    Ok(Side { name: address.to_string(), scopes: scopes(store, local, rule, address)?, port })
}

/// What an address of a filter stands for on this computer.
pub(super) fn scopes(
    store: &Store,
    local: &LocalAddresses,
    rule: &Rule,
    address: &Address,
) -> Result<Vec<Scope>, CompileError> {
    let hosts = |addresses: &[IpAddr]| addresses.iter().map(|a| Scope::Net(IpNet::from(*a))).collect();
    Ok(match address {
        Address::Any => vec![Scope::Any],
        Address::Me => {
            let own: Vec<IpAddr> = local.all().map(|p| p.address).collect();
            if own.is_empty() { hosts(&[UNKNOWN_ME]) } else { hosts(&own) }
        }
        Address::Subnet(net) => vec![Scope::Net(net.trunc())],
        Address::Range(first, last) => vec![Scope::Range(*first, *last)],
        // A release that does not know them finds no address there.
        Address::Server(_) if local.release.is_some_and(|r| !r.server_keywords.value) => Vec::new(),
        Address::Server(server) => hosts(local.servers.get(server).map_or(&[], Vec::as_slice)),
        Address::Name(name, addresses) if addresses.is_empty() => {
            let known = local.names.get(&name.to_lowercase()).map_or(store.resolve(name), Vec::as_slice);
            if known.is_empty() {
                return Err(CompileError::UnresolvedName { rule: rule.name.clone(), name: name.clone() });
            }
            hosts(known)
        }
        Address::Name(_, addresses) => hosts(addresses),
    })
}

fn has_family(scope: &Scope, v4: bool) -> bool {
    match scope {
        Scope::Any => false,
        Scope::Net(net) => net.addr().is_ipv4() == v4,
        Scope::Range(first, _) => first.is_ipv4() == v4,
    }
}

fn scope_ranges(scope: &Scope, v4: bool, v6: bool) -> Vec<AddressRange> {
    let (range, is_v4) = match scope {
        Scope::Any => {
            let families = [(v4, AddressRange::ANY_V4), (v6, AddressRange::ANY_V6)];
            return families.into_iter().filter(|(wanted, _)| *wanted).map(|(_, range)| range).collect();
        }
        Scope::Net(net) => (Prefix::new(net.addr(), net.prefix_len()).into(), net.addr().is_ipv4()),
        Scope::Range(start, end) => (AddressRange { start: *start, end: *end }, start.is_ipv4()),
    };
    if (is_v4 && v4) || (!is_v4 && v6) { vec![range] } else { Vec::new() }
}

/// Both sides as ranges of the families they share; `any` takes the other side's family, and IPv4 against `any`.
fn ranges(near: &Side, far: &Side) -> Option<(Vec<AddressRange>, Vec<AddressRange>)> {
    let covers = |side: &Side, v4| side.scopes.iter().any(|s| has_family(s, v4) || (*s == Scope::Any));
    let named_v6 = near.scopes.iter().chain(&far.scopes).any(|s| has_family(s, false));
    let v4 = covers(near, true) && covers(far, true);
    let v6 = named_v6 && covers(near, false) && covers(far, false);
    let of = |side: &Side| side.scopes.iter().flat_map(|s| scope_ranges(s, v4, v6)).collect::<Vec<_>>();
    let (local, remote) = (of(near), of(far));
    (!local.is_empty() && !remote.is_empty()).then_some((local, remote))
}

const fn port_range(port: Port) -> PortRange {
    match port {
        Port::Any => PortRange::ANY,
        Port::One(n) => PortRange { start: n, end: n },
    }
}

/// The protection a rule asks for, mode and populate flags still to be set; `None` for permit and block.
fn protection(active: &ActiveRule<'_>) -> Result<Option<Protect>, CompileError> {
    if active.action.action != Action::Negotiate {
        return Ok(None);
    }
    let rule = || active.rule.name.clone();
    if active.action.methods.is_empty() {
        return Err(CompileError::NoSecurityMethods { rule: rule(), action: active.action.name.clone() });
    }
    Ok(Some(Protect {
        mode: Mode::Transport,
        offers: active.action.methods.iter().map(offer).collect(),
        pfs: if active.action.qm_pfs { Pfs::SameGroup } else { Pfs::No },
        accept_clear_inbound: active.action.inpass,
        fallback: active.action.soft,
        populate: Populate::default(),
    }))
}

pub(super) fn offer(method: &SecurityMethod) -> Offer {
    let limit = |n: u32| (n != 0).then_some(n);
    let esp = |esp: crate::security_method::Esp| EspTransform {
        cipher: esp.confidentiality.map_or(CoreCipher::Null, cipher),
        mac: esp.integrity.map(mac),
    };
    let lifetime =
        Lifetime { seconds: limit(method.lifetime.seconds), kilobytes: limit(method.lifetime.kilobytes) };
    Offer { ah: method.ah.map(mac), esp: method.esp.map(esp), lifetime }
}

pub(super) const fn cipher(cipher: Cipher) -> CoreCipher {
    match cipher {
        Cipher::Des40 => CoreCipher::Des40,
        Cipher::Des => CoreCipher::Des,
        Cipher::TripleDes => CoreCipher::TripleDes,
    }
}

const fn mac(hash: Hash) -> Mac {
    match hash {
        Hash::Md5 => Mac::HmacMd5_96,
        Hash::Sha1 => Mac::HmacSha1_96,
    }
}
