//! The compiled filters in match order, for people.

use core::fmt::Write as _;
use core::net::IpAddr;
use std::collections::BTreeSet;
use std::collections::btree_map::Entry;

use ipsec_core::interface::ConnectionKind;
use ipsec_core::pad::{AuthMethod, PadEntry};
use ipsec_core::selector::AddressRange;
use ipsec_core::spd::{Action, Direction, Mode};

use super::expand::{CompiledFilter, Half, UNKNOWN_HOST, UNKNOWN_ME, filters};
use super::warnings::warnings;
use super::{CompileError, LocalAddresses, whole};
use crate::filter::Address;
use crate::policy::Policy;
use crate::rule::TunnelEndpoint;
use crate::store::Store;
use crate::stores::Stores;

/// What the assigned policy does, filter by filter in the order in which packets are compared. When no policy is
/// assigned, what each policy would do. Nothing need be known about the computer: `me` stays `me`, and whether a tunnel
/// endpoint is ours is then not known, so that every tunnel rule is shown as an outbound one.
pub fn listing(store: &Store, local: &LocalAddresses) -> Result<String, CompileError> {
    let mut out = String::new();
    let (local, unknown) = with_placeholders(store, local);
    let local = &local;
    match store.assigned() {
        Some(policy) => one(&mut out, store, policy, local, "assigned")?,
        None if store.policies().is_empty() => out.push_str("No policies.\n"),
        None => {
            for policy in store.policies() {
                one(&mut out, store, policy, local, "not assigned")?;
            }
        }
    }
    for name in unknown {
        let _ = writeln!(out, "      note: the address of '{name}' is not known here");
    }
    Ok(out)
}

/// The filters of everything that is in force together: persistent policy, dynamic policy, the assigned local policy.
pub fn listing_of_all(stores: &Stores, local: &LocalAddresses) -> Result<String, CompileError> {
    let mut out = String::from("Everything in force together: filters in match order\n");
    let (local, unknown) = placeholders(stores, local);
    for (number, line) in (1..).zip(lines(&whole::filters(stores, &local)?, &local)) {
        let _ = writeln!(out, "{number:>4}. {line}");
    }
    out.push_str("      everything else: permit\n");
    for name in unknown {
        let _ = writeln!(out, "      note: the address of '{name}' is not known here");
    }
    Ok(out)
}

/// The computer with an address that stands for each name in any of its stores whose own is not known; and those names.
pub(crate) fn placeholders(stores: &Stores, local: &LocalAddresses) -> (LocalAddresses, BTreeSet<String>) {
    let (mut local, mut unknown) = (local.clone(), BTreeSet::new());
    for store in [&stores.persistent, &stores.dynamic_store(), stores.effective(), &stores.local] {
        let (with, names) = with_placeholders(store, &local);
        local = with;
        unknown.extend(names);
    }
    (local, unknown)
}

/// Names without an address get one that stands for them, so that they can be listed; they are returned too.
fn with_placeholders(store: &Store, local: &LocalAddresses) -> (LocalAddresses, BTreeSet<String>) {
    let (mut out, mut unknown) = (local.clone(), BTreeSet::new());
    let filters = store.filter_lists().iter().flat_map(|l| &l.filters);
    let sides = filters.flat_map(|f| [&f.source, &f.destination]);
    let endpoints = store.policies().iter().flat_map(|p| &p.rules).filter_map(|r| match &r.tunnel {
        Some(TunnelEndpoint::Name(name)) => Some(name),
        _ => None,
    });
    let names = sides.clone().filter_map(|a| match a {
        Address::Name(name, addresses) if addresses.is_empty() => Some(name),
        _ => None,
    });
    for name in names.chain(endpoints).filter(|n| store.resolve(n).is_empty()) {
        if let Entry::Vacant(slot) = out.names.entry(name.to_lowercase()) {
            slot.insert(vec![UNKNOWN_HOST]);
            unknown.insert(name.clone());
        }
    }
    for side in sides {
        if let Address::Server(server) = side {
            out.servers.entry(*server).or_insert_with(|| vec![UNKNOWN_HOST]);
        }
    }
    (out, unknown)
}

fn one(
    out: &mut String,
    store: &Store,
    policy: &Policy,
    local: &LocalAddresses,
    state: &str,
) -> Result<(), CompileError> {
    let filters = filters(store, policy, local)?;
    let _ = writeln!(out, "Policy '{}' ({state}): filters in match order", policy.name);
    let _ = writeln!(out, "      IKE: UDP 500 and 4500 of this computer always pass");
    let known = local.all().next().is_some();
    let mut last: Option<&CompiledFilter> = None;
    for (number, filter) in filters.iter().enumerate() {
        let tie = last.is_some_and(|l| {
            l.weight.is_tie(&filter.weight) && l.flow == filter.flow && l.rule != filter.rule
        });
        let _ = writeln!(
            out,
            "{:>4}. {}{}",
            number + 1,
            line(filter, known),
            if tie { "  (tie: created later)" } else { "" }
        );
        last = Some(filter);
    }
    let _ = writeln!(out, "      everything else: permit");
    if !known && filters.iter().any(is_tunnel) {
        let _ = writeln!(
            out,
            "      note: a tunnel that ends at this computer is an inbound rule, any other an outbound one; this computer's \
             addresses are not known here"
        );
    }
    if policy.default_response.active {
        let _ = writeln!(
            out,
            "      note: the default response rule is on; it makes filters from what peers propose"
        );
    }
    for warning in warnings(store, policy, local)? {
        let _ = writeln!(out, "      warning: {warning}");
    }
    Ok(())
}

fn line(filter: &CompiledFilter, known: bool) -> String {
    let direction = match filter.direction {
        _ if !known && is_tunnel(filter) => "end?",
        Direction::Outbound => "out ",
        Direction::Inbound => "in  ",
        Direction::Both => "both",
    };
    let (source, destination) = &filter.flow;
    let (from, to) = match filter.direction {
        // Ports of a half that comes in are those of its own source and destination.
        Direction::Inbound => (filter.selector.remote_ports, filter.selector.local_ports),
        _ => (filter.selector.local_ports, filter.selector.remote_ports),
    };
    let port = |range: ipsec_core::selector::PortRange| {
        if range.is_any() { String::new() } else { format!(":{}", range.start) }
    };
    let arrow = if filter.direction == Direction::Both { "<->" } else { "->" };
    let protocol = crate::filter::protocol_name(filter.selector.protocol);
    let is_half = filter.half == Half::Mirrored && filter.direction != Direction::Both;
    let mirrored = if is_half { " mirrored" } else { "" };
    let connection = match filter.connection {
        None => "",
        Some(ConnectionKind::Lan) => " LAN only",
        Some(ConnectionKind::RemoteAccess) => " remote access only",
    };
    format!(
        "{direction} {source}{} {arrow} {destination}{} {protocol}: {}  [rule '{}'{mirrored}{connection}]",
        port(from),
        port(to),
        action(&filter.action, known),
        filter.rule
    )
}

/// Each filter in one line, in the order given.
pub(crate) fn lines(filters: &[CompiledFilter], local: &LocalAddresses) -> Vec<String> {
    let known = local.all().next().is_some();
    filters.iter().map(|f| line(f, known)).collect()
}

/// One filter for each pair of addresses: what the driver compares packets with. IP Security Monitor calls those specific,
/// and generic the filters that still say `me` and the like. What stands for an unknown address keeps its name.
pub(crate) fn specific(f: &CompiledFilter) -> Vec<CompiledFilter> {
    let inbound = f.direction == Direction::Inbound;
    let named = |range: &AddressRange, written: &str| {
        let stands_for = range.is_single() && [UNKNOWN_ME, UNKNOWN_HOST].contains(&range.start);
        if stands_for { written.to_owned() } else { range.to_string() }
    };
    let pairs = f.selector.local.iter().flat_map(|l| f.selector.remote.iter().map(move |r| (*l, *r)));
    pairs
        .filter(|(local, remote)| local.start.is_ipv4() == remote.start.is_ipv4())
        .map(|(local, remote)| {
            let mut one = f.clone();
            let (from, to) = if inbound { (remote, local) } else { (local, remote) };
            one.flow = (named(&from, &f.flow.0), named(&to, &f.flow.1));
            (one.selector.local, one.selector.remote) = (vec![local], vec![remote]);
            one
        })
        .collect()
}

/// One pair of addresses, how they authenticate and what they offer. `named` may put a name beside an address.
pub(crate) fn pad_line(entry: &PadEntry, named: impl Fn(&str) -> String) -> String {
    let side = |ranges: &[AddressRange]| match ranges {
        [first, ..] if first.start == UNKNOWN_ME && first.end == UNKNOWN_ME => "me".to_owned(),
        [first, ..] if first.start == UNKNOWN_HOST && first.is_single() => "an unknown address".to_owned(),
        [first, ..] if *first == AddressRange::ANY_V4 => "any".to_owned(),
        all => all.iter().map(|range| named(&range.to_string())).collect::<Vec<_>>().join(", "),
    };
    let methods: Vec<&str> = entry
        .methods
        .iter()
        .map(|m| match m {
            AuthMethod::Kerberos => "Kerberos",
            AuthMethod::Certificate { .. } => "certificate",
            AuthMethod::PreSharedKey(_) => "preshared key",
        })
        .collect();
    let proposals: Vec<String> = entry.proposals.iter().map(crate::live::proposal).collect();
    let (us, peer) = (side(&entry.local), side(&entry.peer));
    let (how, what, rule) = (methods.join(" or "), proposals.join(" "), &entry.name);
    format!("{us} <-> {peer}: {how}; {what}; {} s  [rule '{rule}']", entry.lifetime_seconds)
}

fn is_tunnel(filter: &CompiledFilter) -> bool {
    matches!(&filter.action, Action::Protect(protect) if protect.mode != Mode::Transport)
}

fn action(action: &Action, known: bool) -> String {
    let protect = match action {
        Action::Bypass => return "permit".to_owned(),
        Action::Discard => return "block".to_owned(),
        Action::Stateful => return "stateful".to_owned(),
        Action::Protect(protect) => protect,
    };
    let end = |address: IpAddr| {
        if address == UNKNOWN_HOST { "an unknown address".to_owned() } else { address.to_string() }
    };
    let mode = match protect.mode {
        Mode::Transport => "transport".to_owned(),
        Mode::Tunnel { remote, .. } if !known => format!("tunnel ending at {}", end(remote)),
        Mode::Tunnel { local: None, remote } => format!("tunnel to {}", end(remote)),
        Mode::Tunnel { local: Some(end), remote } if remote.is_unspecified() => {
            format!("tunnel from anyone to {end}")
        }
        Mode::Tunnel { local: Some(end), remote } => format!("tunnel from {remote} to {end}"),
    };
    let offers: Vec<String> = protect.offers.iter().map(offer).collect();
    let mut text = format!("negotiate {mode}, {}", offers.join(" or "));
    for (on, what) in [
        (protect.pfs != ipsec_core::spd::Pfs::No, ", PFS"),
        (protect.accept_clear_inbound, ", accepts clear inbound"),
        (protect.fallback, ", falls back to clear"),
    ] {
        if on {
            text.push_str(what);
        }
    }
    text
}

fn offer(offer: &ipsec_core::spd::Offer) -> String {
    let ah = offer.ah.map(|mac| format!("AH {mac}"));
    let esp = offer.esp.map(|esp| match esp.mac {
        Some(mac) => format!("ESP {}/{mac}", esp.cipher),
        None => format!("ESP {}", esp.cipher),
    });
    ah.into_iter().chain(esp).collect::<Vec<_>>().join(" + ")
}
