//! `dynamic show`: policies and rules in list form, filters as the compiler makes them.
//!
//! What is shown is everything in force, so the assigned policies too; `config`, SAs and counts are the computer's.
//! No public source prints what Windows prints here, so the wording is ours, in the style of `static show`.

use core::fmt::Write as _;
use core::net::IpAddr;

use ipsec_core::ike::IsakmpView;

use super::filter;
use super::in_force::in_force;
use crate::dynamic::{Dynamic, DynamicRule, MmPolicy, PROPERTIES, QmPolicy};
use crate::filter::{Address, Filter, protocol_name};
use crate::filter_action::Action;
use crate::live::{Counter, Live, LivePair};
use crate::netsh::command::Object;
use crate::netsh::command::bind::Bound;
use crate::netsh::command::value::Value;
use crate::netsh::error::Fault;
use crate::netsh::static_context::show::{address_and_mask, auth, line, methods, yes_no};
use crate::netsh::static_context::{Reply, at};
use crate::netsh::{NoteKind, Setting};
use crate::store::StoreError;
use crate::stores::Stores;

mod filters;

pub(super) fn show(
    stores: &Stores,
    bound: &Bound,
    setting: &Setting<'_>,
    reply: &mut Reply,
) -> Result<(), Fault> {
    let all = in_force(stores);
    match bound.command.object {
        Object::Config => config(stores, &mut reply.text),
        Object::MmPolicy => {
            for one in chosen(bound, all.mm_policies(), |name| all.mm_policy(name))? {
                main_mode(one, &mut reply.text);
            }
        }
        Object::QmPolicy => {
            for one in chosen(bound, all.qm_policies(), |name| all.qm_policy(name))? {
                quick_mode(one, &mut reply.text);
            }
        }
        Object::Rule => rules(stores, &all, bound, reply)?,
        Object::MmFilter => filters::main_mode(stores, bound, setting, reply)?,
        Object::QmFilter => filters::quick_mode(stores, bound, setting, reply)?,
        Object::MmSas | Object::QmSas | Object::Stats => running(stores, bound, setting, reply)?,
        _ => {
            all.mm_policies().iter().for_each(|p| main_mode(p, &mut reply.text));
            all.qm_policies().iter().for_each(|p| quick_mode(p, &mut reply.text));
            all.rules().iter().for_each(|r| rule(r, &mut reply.text));
            filters::main_mode(stores, bound, setting, reply)?;
            filters::quick_mode(stores, bound, setting, reply)?;
            running(stores, bound, setting, reply)?;
        }
    }
    Ok(())
}

fn config(stores: &Stores, out: &mut String) {
    for property in PROPERTIES {
        let when = if property.at_restart { " (from the next start on)" } else { "" };
        line(out, property.name, format_args!("{}{when}", stores.config.get(property.name)));
    }
    out.push('\n');
}

/// All, or the one that is named.
fn chosen<'a, T>(
    bound: &Bound,
    all: &'a [T],
    named: impl Fn(&str) -> Result<&'a T, StoreError>,
) -> Result<Vec<&'a T>, Fault> {
    match bound.text("name") {
        None => Ok(all.iter().collect()),
        Some(name) => match named(name) {
            Err(_) if name.eq_ignore_ascii_case("all") => Ok(all.iter().collect()),
            found => at(bound, "name", found).map(|one| vec![one]),
        },
    }
}

fn main_mode(p: &MmPolicy, out: &mut String) {
    line(out, "Mainmode Policy Name", &p.name);
    line(
        out,
        "MainMode LifeTime",
        format_args!("{} minutes / {} Quick mode sessions", p.lifetime_minutes, p.qm_per_mm),
    );
    line(out, "Soft SA Expiration Time", format_args!("{} seconds", p.soft_sa_seconds));
    let names: Vec<String> = p.methods.iter().map(ToString::to_string).collect();
    line(out, "Main Mode Methods", names.join(" "));
    out.push('\n');
}

fn quick_mode(p: &QmPolicy, out: &mut String) {
    line(out, "Quickmode Policy Name", &p.name);
    line(out, "AllowUnSecure(Fallback)", yes_no(p.soft));
    line(out, "PFS Group", p.pfs);
    methods(&p.methods, out);
    out.push('\n');
}

/// The rules between these addresses, for this protocol and so on: each tag that is given narrows the choice.
fn rules(stores: &Stores, all: &Dynamic, bound: &Bound, reply: &mut Reply) -> Result<(), Fault> {
    let wanted = wanted(stores, bound, reply)?;
    let given = |tag| bound.get(tag).is_some();
    let action = |tag, action: Action| !matches!(bound.get(tag), Some(Value::Action(a)) if *a != action);
    let fits = |r: &&DynamicRule| {
        let (key, tunnel) = (&r.key, r.key.tunnel.is_some());
        bound.word("type").is_none_or(|t| (t == "tunnel") == tunnel)
            && (!given("srcaddr") || key.source == wanted.source)
            && (!given("dstaddr") || key.destination == wanted.destination)
            && (!given("protocol") || key.protocol == wanted.protocol)
            && (!given("srcport") || key.source_port == wanted.source_port)
            && (!given("dstport") || key.destination_port == wanted.destination_port)
            && action("actioninbound", r.inbound)
            && action("actionoutbound", r.outbound)
    };
    all.rules().iter().filter(fits).for_each(|r| rule(r, &mut reply.text));
    Ok(())
}

/// The tags of a filter as far as they are given.
fn wanted(stores: &Stores, bound: &Bound, reply: &mut Reply) -> Result<Filter, Fault> {
    filter::read(&stores.local, bound, reply)
}

fn rule(r: &DynamicRule, out: &mut String) {
    let key = &r.key;
    for (side, address) in [("Source", &key.source), ("Destination", &key.destination)] {
        let (shown, mask) = address_and_mask(address);
        line(
            out,
            &format!("{side} Address"),
            if let Address::Name(name, _) = address { name } else { &shown },
        );
        if let Some(mask) = mask {
            line(out, &format!("{side} Mask"), mask);
        }
    }
    line(out, "Protocol", protocol_name(key.protocol));
    line(out, "Source Port", key.source_port);
    line(out, "Destination Port", key.destination_port);
    line(out, "Mirrored", yes_no(key.mirrored));
    line(out, "Tunnel Dest IP Address", key.tunnel.as_ref().map_or("NONE".to_owned(), ToString::to_string));
    line(out, "Connection Type", key.connection);
    line(out, "Mainmode Policy", &r.mm_policy);
    line(out, "Quickmode Policy", r.qm_policy.as_deref().unwrap_or("NONE"));
    line(out, "Inbound Action", r.inbound);
    line(out, "Outbound Action", r.outbound);
    auth(&r.auth, out);
    out.push('\n');
}

/// What only a running computer has.
fn running(stores: &Stores, bound: &Bound, setting: &Setting<'_>, reply: &mut Reply) -> Result<(), Fault> {
    let Some(live) = setting.live else {
        let text = "no computer is running here: there are no security associations and no statistics";
        reply.remarks.push((bound.span.clone(), NoteKind::NoEffect, text.to_owned()));
        return Ok(());
    };
    let (wanted, given) = (wanted(stores, bound, reply)?, |tag| bound.get(tag).is_some());
    // `show all` has other tags, and narrows nothing.
    let fits = |tag, address: &Address, side: IpAddr| {
        !given(tag)
            || match address {
                Address::Me | Address::Any => true,
                Address::Subnet(net) => net.contains(&side),
                Address::Name(_, addresses) => addresses.contains(&side),
                Address::Range(first, last) => (first..=last).contains(&&side),
                Address::Server(_) => false,
            }
    };
    let between =
        |local, peer| fits("srcaddr", &wanted.source, local) && fits("dstaddr", &wanted.destination, peer);
    let what = bound.command.object;
    let out = &mut reply.text;
    if matches!(what, Object::All | Object::MmSas) {
        let sas: Vec<_> = live.main_modes.iter().filter(|m| between(m.local.ip(), m.peer.ip())).collect();
        let _ = writeln!(out, "IKE Main Mode SAs: {}\n", sas.len());
        sas.iter().for_each(|sa| main_mode_sa(sa, live, out));
    }
    if matches!(what, Object::All | Object::QmSas) {
        let of = |p: &&LivePair| !given("protocol") || p.selector.protocol == wanted.protocol;
        let sas: Vec<_> = live.quick_modes.iter().filter(|p| between(p.local, p.peer)).filter(of).collect();
        let _ = writeln!(out, "Quick Mode SAs: {}\n", sas.len());
        sas.iter().for_each(|sa| quick_mode_sa(sa, out));
        for soft in live.soft.iter().filter(|soft| between(soft.local, soft.peer)) {
            let (ends, left) = (format_args!("{} and {}", soft.local, soft.peer), soft.seconds_left);
            let text = format!("{ends}, security None, {left} s left  [rule '{}']", soft.filter);
            line(out, "Soft Association", text);
        }
    }
    if matches!(what, Object::All | Object::Stats) {
        let kind = bound.word("type").unwrap_or("all");
        for (title, name, rows) in [
            ("IKE Statistics", "ike", &Counter::IKE[..]),
            ("IPsec Statistics", "ipsec", &Counter::DRIVER[..]),
        ] {
            if kind == "all" || kind == name {
                let _ = writeln!(out, "{title}\n{}", "-".repeat(title.len()));
                rows.iter().for_each(|row| wide_line(out, row.netsh_label(), live.counts.of(*row)));
                out.push('\n');
            }
        }
    }
    Ok(())
}

fn wide_line(out: &mut String, label: &str, count: u64) {
    let _ = writeln!(out, "{label:<30}: {count}");
}

fn main_mode_sa(sa: &IsakmpView, live: &Live, out: &mut String) {
    line(out, "Source Address", format_args!("{}, port {}", sa.local.ip(), sa.local.port()));
    line(out, "Destination Address", format_args!("{}, port {}", sa.peer.ip(), sa.peer.port()));
    line(out, "Cookies", format_args!("{}:{}", sa.cky_i, sa.cky_r));
    line(out, "Role", if sa.initiator { "Initiator" } else { "Responder" });
    line(out, "Security Method", crate::live::proposal(&sa.proposal));
    let left = sa.expires.saturating_since(live.now).as_secs();
    line(out, "Seconds Left", left);
    line(out, "Quick Modes", sa.quick_modes);
    out.push('\n');
}

fn quick_mode_sa(sa: &LivePair, out: &mut String) {
    line(out, "Source Address", sa.local);
    line(out, "Destination Address", sa.peer);
    line(out, "Rule", &sa.filter);
    line(out, "Traffic", &sa.selector);
    let udp = if sa.in_udp { ", in UDP" } else { "" };
    line(out, "Encapsulation", format_args!("{}{udp}", if sa.transport { "Transport" } else { "Tunnel" }));
    line(out, "Security Method", &sa.method);
    let spis = |spis: &[u32]| spis.iter().map(|s| format!("{s:#010x}")).collect::<Vec<_>>().join(" ");
    line(out, "Inbound SPI", spis(&sa.inbound_spis));
    line(out, "Outbound SPI", spis(&sa.outbound_spis));
    line(out, "Seconds Left", sa.seconds_left);
    line(out, "Bytes Received", sa.octets.0);
    line(out, "Bytes Sent", sa.octets.1);
    out.push('\n');
}
