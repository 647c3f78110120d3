//! Main-mode filters: which address pairs authenticate how.
//!
//! IKE must choose authentication before any quick-mode filter is known, so each negotiating rule gives pairs:
//!
//! | rule | our addresses | peer's addresses |
//! |---|---|---|
//! | transport, one side is us | that side | the other side |
//! | transport, neither side is us | all of ours | each side |
//! | tunnel, endpoint is a peer | all of ours | the endpoint |
//! | tunnel, endpoint is us | the endpoint | peers of the outbound tunnel rules that carry the traffic back; else anyone |
//! | default response | any | any |
//!
//! The more specific pair counts first. When two rules give the same pair with different methods, the one created
//! first counts and the other's methods are never offered: joining them would let a peer authenticate in a way its rule
//! does not allow. [`conflicts`] names such rules.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use ipsec_core::crypto::{Group, HashAlg};
use ipsec_core::pad::{AuthMethod as CoreAuth, MainModeProposal, PadEntry, PadEntryId, Secret};
use ipsec_core::selector::{AddressRange, Prefix};

use super::expand::{ActiveRule, active_rules, cipher, scopes};
use super::{CompileError, LocalAddresses, default_response};
use crate::auth_method::AuthMethod;
use crate::filter::{Address, Filter};
use crate::filter_action::Action;
use crate::policy::Policy;
use crate::security_method::{DhGroup, Hash, MainModeMethod};
use crate::store::Store;
use crate::weight::{Scope, Weight};

/// One address pair with the rule it comes from.
#[derive(Clone, Debug)]
struct Pair<'a> {
    rule: &'a str,
    auth: &'a [AuthMethod],
    local: Scope,
    peer: Scope,
}

impl Pair<'_> {
    fn weight(&self) -> Weight {
        Weight::new(false, (&self.local, false), (&self.peer, false), false, Action::Negotiate)
    }
}

/// Two rules that want the same pair of addresses to authenticate differently.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct AuthConflict {
    /// The rule that counts.
    pub used: String,
    /// The rule whose methods are never offered for this pair.
    pub ignored: String,
}

/// The PAD of policies that are in force together, in match order; for equal pairs the earlier policy counts.
pub(super) fn entries(
    policies: &[(&Store, &Policy)],
    local: &LocalAddresses,
) -> Result<Vec<PadEntry>, CompileError> {
    let mut all: Vec<(Pair<'_>, &Policy)> = Vec::new();
    for (store, policy) in policies {
        let pairs = pairs(store, policy, local)?;
        if !pairs.is_empty() {
            check_methods(policy, local)?;
        }
        all.extend(pairs.into_iter().map(|pair| (pair, *policy)));
    }
    all.sort_by_key(|(pair, _)| core::cmp::Reverse(pair.weight()));
    let mut entries: Vec<PadEntry> = Vec::new();
    let mut seen = BTreeSet::new();
    for (pair, policy) in all.iter().filter(|(p, _)| seen.insert((p.local, p.peer))) {
        entries.push(PadEntry {
            id: PadEntryId(u32::try_from(entries.len()).map_err(|_| CompileError::TooManyEntries)?),
            name: pair.rule.to_owned(),
            local: range(&pair.local),
            peer: range(&pair.peer),
            methods: pair.auth.iter().map(method).collect(),
            proposals: methods(policy, local).map(proposal).collect(),
            lifetime_seconds: policy.main_mode.lifetime_minutes.saturating_mul(60),
            quick_modes: policy.main_mode.quick_mode_limit(),
            soft_seconds: Some(policy.main_mode.soft_seconds),
            ..PadEntry::default()
        });
    }
    Ok(entries)
}

/// The main-mode methods of a policy that the computer's release knows.
fn methods<'a>(policy: &'a Policy, local: &'a LocalAddresses) -> impl Iterator<Item = &'a MainModeMethod> {
    let knows = |method: &&MainModeMethod| local.release.is_none_or(|release| release.knows(method));
    policy.main_mode.methods.iter().filter(knows)
}

fn check_methods(policy: &Policy, local: &LocalAddresses) -> Result<(), CompileError> {
    let name = || policy.name.clone();
    if policy.main_mode.methods.is_empty() {
        return Err(CompileError::NoMainModeMethods { policy: name() });
    }
    match local.release.filter(|_| methods(policy, local).next().is_none()) {
        Some(release) => Err(CompileError::UnknownMainModeMethods { policy: name(), release: release.name }),
        None => Ok(()),
    }
}

/// Rules whose authentication methods another rule hides, because both concern the same pair of addresses.
pub fn conflicts(
    store: &Store,
    policy: &Policy,
    local: &LocalAddresses,
) -> Result<Vec<AuthConflict>, CompileError> {
    let pairs = pairs(store, policy, local)?;
    let mut found = BTreeSet::new();
    let mut firsts: BTreeMap<(Scope, Scope), &Pair<'_>> = BTreeMap::new();
    for later in &pairs {
        let first = *firsts.entry((later.local, later.peer)).or_insert(later);
        if first.auth != later.auth {
            found.insert(AuthConflict { used: first.rule.to_owned(), ignored: later.rule.to_owned() });
        }
    }
    Ok(found.into_iter().collect())
}

/// All pairs, the most specific first, then by creation.
fn pairs<'a>(
    store: &'a Store,
    policy: &'a Policy,
    local: &LocalAddresses,
) -> Result<Vec<Pair<'a>>, CompileError> {
    let rules = active_rules(store, policy, local)?;
    let mut pairs = Vec::new();
    for active in rules.iter().filter(|r| r.action.action == Action::Negotiate) {
        let auth = active.rule.auth.as_slice();
        if auth.is_empty() {
            return Err(CompileError::NoAuthentication { rule: active.rule.name.clone() });
        }
        let rule = active.rule.name.as_str();
        for (ours, peer) in sides(store, local, active, &rules)? {
            pairs.push(Pair { rule, auth, local: ours, peer });
        }
    }
    if policy.default_response.active {
        let auth = policy.default_response.auth.as_slice();
        if auth.is_empty() {
            return Err(CompileError::NoAuthentication { rule: default_response::NAME.to_owned() });
        }
        pairs.push(Pair { rule: default_response::NAME, auth, local: Scope::Any, peer: Scope::Any });
    }
    pairs.sort_by_key(|p| core::cmp::Reverse(p.weight()));
    Ok(pairs)
}

fn sides(
    store: &Store,
    local: &LocalAddresses,
    active: &ActiveRule<'_>,
    rules: &[ActiveRule<'_>],
) -> Result<Vec<(Scope, Scope)>, CompileError> {
    let of = |address| scopes(store, local, active.rule, address);
    let all_ours = of(&Address::Me)?;
    let pair_up = |ours: &[Scope], peers: &[Scope]| {
        ours.iter().flat_map(|o| peers.iter().map(|p| (*o, *p))).collect::<Vec<_>>()
    };
    let host = |address: IpAddr| Scope::Net(address.into());
    let mut out = Vec::new();
    match active.tunnel {
        Some((endpoint, false)) => out = pair_up(&all_ours, &[host(endpoint)]),
        Some((endpoint, true)) => {
            let peers = counterparts(active.filters, rules);
            let peers =
                if peers.is_empty() { vec![Scope::Any] } else { peers.into_iter().map(host).collect() };
            out = pair_up(&[host(endpoint)], &peers);
        }
        None => {
            for filter in active.filters {
                let (source, destination) = (of(&filter.source)?, of(&filter.destination)?);
                let ours = |side: &[Scope]| side.iter().all(|s| all_ours.contains(s));
                match (ours(&source), ours(&destination)) {
                    (true, _) => out.extend(pair_up(&source, &destination)),
                    (false, true) => out.extend(pair_up(&destination, &source)),
                    (false, false) => {
                        out.extend(pair_up(&all_ours, &source));
                        out.extend(pair_up(&all_ours, &destination));
                    }
                }
            }
        }
    }
    out.dedup();
    Ok(out)
}

/// Peers of outbound tunnel rules with a filter that is the reverse of one of these.
fn counterparts(filters: &[Filter], rules: &[ActiveRule<'_>]) -> Vec<IpAddr> {
    let back = |f: &Filter| filters.iter().any(|g| g.source == f.destination && g.destination == f.source);
    let mut peers: Vec<IpAddr> = Vec::new();
    for rule in rules {
        if let Some((peer, false)) = rule.tunnel
            && rule.filters.iter().any(back)
            && !peers.contains(&peer)
        {
            peers.push(peer);
        }
    }
    peers
}

fn range(scope: &Scope) -> Vec<AddressRange> {
    match scope {
        Scope::Any => vec![AddressRange::ANY_V4, AddressRange::ANY_V6],
        Scope::Net(net) => vec![Prefix::new(net.addr(), net.prefix_len()).into()],
        Scope::Range(start, end) => vec![AddressRange { start: *start, end: *end }],
    }
}

fn method(method: &AuthMethod) -> CoreAuth {
    match method {
        AuthMethod::Kerberos => CoreAuth::Kerberos,
        AuthMethod::Certificate(c) => CoreAuth::Certificate { root: c.authority.clone() },
        AuthMethod::PresharedKey(key) => CoreAuth::PreSharedKey(Secret::new(key.expose().as_bytes())),
    }
}

const fn proposal(method: &MainModeMethod) -> MainModeProposal {
    MainModeProposal {
        cipher: cipher(method.cipher),
        hash: match method.hash {
            Hash::Md5 => HashAlg::Md5,
            Hash::Sha1 => HashAlg::Sha1,
        },
        group: match method.group {
            DhGroup::Low => Group::Modp768,
            DhGroup::Medium => Group::Modp1024,
            DhGroup::High => Group::Modp2048,
        },
    }
}
