//! `dynamic show`: policies and rules in list form, filters as the compiler makes them.
//!
//! What is shown is everything in force, so the assigned policies too; `config`, SAs and counts are the computer's.
//! No public source prints what Windows prints here, so the wording is ours, in the style of `static show`.

use core::fmt::Write as _;

use super::filter;
use super::in_force::in_force;
use crate::dynamic::{Dynamic, DynamicRule, MmPolicy, PROPERTIES, QmPolicy};
use crate::filter::{Address, Filter, protocol_name};
use crate::filter_action::Action;
use crate::live::{Counter, Live};
use crate::netsh::command::Object;
use crate::netsh::command::bind::Bound;
use crate::netsh::command::value::Value;
use crate::netsh::error::Fault;
use crate::netsh::static_context::show::{address_and_mask, auth, line, methods, yes_no};
use crate::netsh::static_context::{Reply, at};
use crate::netsh::{NoteKind, Setting};
use crate::store::StoreError;
use crate::stores::Stores;
use crate::width;

mod associations;
mod filters;
mod names;

use names::Names;

pub(super) fn show(
    stores: &Stores,
    bound: &Bound,
    setting: &Setting<'_>,
    reply: &mut Reply,
) -> Result<(), Fault> {
    let stores = match setting.read_by_service {
        Some((stored, read)) if bound.command.object != Object::Config && stored.same_policy(stores) => read,
        _ => stores,
    };
    let all = in_force(stores);
    Names::remark(bound, setting, reply);
    match bound.command.object {
        Object::Config => config(stores, setting, &mut reply.text),
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
        Object::Rule => rules(stores, &all, bound, setting, reply)?,
        Object::MmFilter => filters::main_mode(stores, bound, setting, reply)?,
        Object::QmFilter => filters::quick_mode(stores, bound, setting, reply)?,
        Object::MmSas | Object::QmSas | Object::Stats => running(stores, bound, setting, reply)?,
        _ => {
            all.mm_policies().iter().for_each(|p| main_mode(p, &mut reply.text));
            all.qm_policies().iter().for_each(|p| quick_mode(p, &mut reply.text));
            let names = Names::of(bound, setting);
            all.rules().iter().for_each(|r| rule(r, &names, &mut reply.text));
            filters::main_mode(stores, bound, setting, reply)?;
            filters::quick_mode(stores, bound, setting, reply)?;
            running(stores, bound, setting, reply)?;
        }
    }
    Ok(())
}

/// Each property as it is set, and what is in force until the next start where that differs or is not known.
fn config(stores: &Stores, setting: &Setting<'_>, out: &mut String) {
    for property in PROPERTIES {
        let mut value = stores.config.get(property.name);
        let until = setting.computer.map(|computer| computer.exempt.number());
        let when = match property.name {
            "ipsecexempt" if until == Some(stores.config.exempt.number()) => String::new(),
            "ipsecexempt" => match until {
                Some(until) => format!(" (from the next start on; {until} until then)"),
                None => " (from the next start on)".to_owned(),
            },
            "bootmode" => {
                value = stores.boot_mode().to_owned();
                " (at the next start)".to_owned()
            }
            "bootexemptions" => " (at the next start)".to_owned(),
            _ => String::new(),
        };
        wrapped_line(out, property.name, &format!("{value}{when}"));
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
    wrapped_line(out, "Main Mode Methods", &names.join(" "));
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
fn rules(
    stores: &Stores,
    all: &Dynamic,
    bound: &Bound,
    setting: &Setting<'_>,
    reply: &mut Reply,
) -> Result<(), Fault> {
    let names = Names::of(bound, setting);
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
    all.rules().iter().filter(fits).for_each(|r| rule(r, &names, &mut reply.text));
    Ok(())
}

/// The tags of a filter as far as they are given.
fn wanted(stores: &Stores, bound: &Bound, reply: &mut Reply) -> Result<Filter, Fault> {
    filter::read(&stores.local, bound, reply)
}

fn rule(r: &DynamicRule, names: &Names<'_>, out: &mut String) {
    let key = &r.key;
    for (side, address) in [("Source", &key.source), ("Destination", &key.destination)] {
        let (shown, mask) = address_and_mask(address);
        line(
            out,
            &format!("{side} Address"),
            if let Address::Name(name, _) = address { name.clone() } else { names.beside(&shown) },
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
    let wanted = wanted(stores, bound, reply)?;
    let what = bound.command.object;
    if what != Object::Stats {
        associations::show(live, bound, &wanted, &Names::of(bound, setting), &mut reply.text);
    }
    if matches!(what, Object::All | Object::Stats) {
        statistics(live, bound.word("type").unwrap_or("all"), &mut reply.text);
    }
    Ok(())
}

fn statistics(live: &Live, kind: &str, out: &mut String) {
    for (title, name, rows) in
        [("IKE Statistics", "ike", &Counter::IKE[..]), ("IPsec Statistics", "ipsec", &Counter::DRIVER[..])]
    {
        if kind == "all" || kind == name {
            let _ = writeln!(out, "{title}\n{}", "-".repeat(title.len()));
            for row in rows {
                let _ = writeln!(out, "{:<30}: {}", row.netsh_label(), live.counts.of(*row));
            }
            out.push('\n');
        }
    }
}

/// The widest line of netsh's screen.
const SCREEN: usize = 79;

/// A labelled value whose further lines stand below its first.
fn wrapped_line(out: &mut String, label: &str, value: &str) {
    let indent = " ".repeat(27);
    let mut lines = wrapped(value, SCREEN - indent.len()).into_iter();
    line(out, label, lines.next().unwrap_or_default());
    for rest in lines {
        let _ = writeln!(out, "{indent}{rest}");
    }
}

/// The text in lines of at most `width` columns, as far as its words are not longer than that.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(last) = lines.last_mut() else { continue };
        if last.is_empty() {
            last.push_str(word);
        } else if width::of(last) + 1 + width::of(word) <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.iter().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}
