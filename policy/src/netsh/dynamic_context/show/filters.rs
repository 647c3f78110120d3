//! `show mmfilter` and `show qmfilter`: what the rules become in the driver, narrowed by the tags that are given.

use core::fmt::Write as _;

use ipsec_core::pad::PadEntry;
use ipsec_core::selector::{AddressRange, PortRange};
use ipsec_core::spd::{Action as CoreAction, Direction};

use super::{Names, SCREEN, wanted, wrapped};
use crate::compile::{CompileError, CompiledFilter, LocalAddresses, listing, whole};
use crate::filter::{Address, Filter, Port};
use crate::filter_action::Action;
use crate::netsh::command::bind::Bound;
use crate::netsh::command::value::Value;
use crate::netsh::error::Fault;
use crate::netsh::static_context::Reply;
use crate::netsh::{NoteKind, Setting};
use crate::store::same_name;
use crate::stores::Stores;

pub(super) fn quick_mode(
    stores: &Stores,
    bound: &Bound,
    setting: &Setting<'_>,
    reply: &mut Reply,
) -> Result<(), Fault> {
    let local = local(stores, bound, setting, reply);
    let wanted = wanted(stores, bound, reply)?;
    let lines = whole::filters(stores, &local).map(|all| {
        let mut chosen: Vec<CompiledFilter> =
            all.into_iter().filter(|f| is_named(bound, &f.rule) && fits(f, bound, &wanted)).collect();
        if bound.word("type") == Some("specific") {
            chosen = chosen.iter().flat_map(listing::specific).collect();
        }
        let names = Names::of(bound, setting);
        for f in &mut chosen {
            f.flow = (names.beside(&f.flow.0), names.beside(&f.flow.1));
        }
        listing::lines(&chosen, &local)
    });
    out_lines("Quick Mode Filters", lines, bound, reply);
    Ok(())
}

pub(super) fn main_mode(
    stores: &Stores,
    bound: &Bound,
    setting: &Setting<'_>,
    reply: &mut Reply,
) -> Result<(), Fault> {
    let local = local(stores, bound, setting, reply);
    let wanted = wanted(stores, bound, reply)?;
    let lines = whole::main_mode(stores, &local).map(|pad| {
        let fits = |e: &&PadEntry| is_named(bound, &e.name) && is_between(e, bound, &wanted);
        let names = Names::of(bound, setting);
        pad.iter().filter(fits).map(|e| listing::pad_line(e, |one| names.beside(one))).collect()
    });
    out_lines("Main Mode Filters", lines, bound, reply);
    Ok(())
}

/// The computer; a name whose address is not known is said, and gets one that stands for it.
fn local(stores: &Stores, bound: &Bound, setting: &Setting<'_>, reply: &mut Reply) -> LocalAddresses {
    let known = setting.computer.cloned().unwrap_or_default();
    let (local, unknown) = listing::placeholders(stores, &known);
    for name in unknown {
        let text = format!("the address of '{name}' is not known here");
        reply.remarks.push((bound.span.clone(), NoteKind::Remark, text));
    }
    local
}

/// Filters are named after their rules. `all` is each of them.
fn is_named(bound: &Bound, rule: &str) -> bool {
    bound.text("name").is_none_or(|name| name.eq_ignore_ascii_case("all") || same_name(name, rule))
}

/// Whether a filter is what the tags ask for; one for both directions is so in either.
fn fits(f: &CompiledFilter, bound: &Bound, wanted: &Filter) -> bool {
    let given = |tag| bound.get(tag).is_some();
    let side = |tag, address: &Address, written: &str| {
        !given(tag) || address.to_string().eq_ignore_ascii_case(written)
    };
    let port = |tag, port: Port, range: PortRange| {
        let one = PortRange { start: port.number(), end: port.number() };
        !given(tag) || range == if port == Port::Any { PortRange::ANY } else { one }
    };
    let action = |tag, other| match bound.get(tag) {
        Some(Value::Action(action)) => f.direction != other && action_of(f) == *action,
        _ => true,
    };
    let way = |from: (&str, PortRange), to: (&str, PortRange)| {
        side("srcaddr", &wanted.source, from.0)
            && side("dstaddr", &wanted.destination, to.0)
            && port("srcport", wanted.source_port, from.1)
            && port("dstport", wanted.destination_port, to.1)
    };
    let (ours, theirs) = (f.selector.local_ports, f.selector.remote_ports);
    let (from, to) = if f.direction == Direction::Inbound { (theirs, ours) } else { (ours, theirs) };
    let (from, to) = ((f.flow.0.as_str(), from), (f.flow.1.as_str(), to));
    (way(from, to) || (f.direction == Direction::Both && way(to, from)))
        && (!given("protocol") || f.selector.protocol == wanted.protocol)
        && action("actioninbound", Direction::Outbound)
        && action("actionoutbound", Direction::Inbound)
}

fn action_of(f: &CompiledFilter) -> Action {
    match f.action {
        CoreAction::Bypass | CoreAction::Stateful => Action::Permit,
        CoreAction::Discard => Action::Block,
        CoreAction::Protect(_) => Action::Negotiate,
    }
}

/// A pair of computers has no direction: either may be the source.
fn is_between(e: &PadEntry, bound: &Bound, wanted: &Filter) -> bool {
    let side = |tag, address: &Address, ranges: &[AddressRange], ours: bool| {
        bound.get(tag).is_none()
            || ranges.iter().any(|range| match address {
                Address::Me => ours,
                Address::Any => true,
                Address::Subnet(net) => net.contains(&range.start) && net.contains(&range.end),
                Address::Name(_, addresses) => addresses.iter().any(|a| range.contains(*a)),
                Address::Range(first, last) => (first..=last).contains(&&range.start),
                Address::Server(_) => false,
            })
    };
    let way = |from: (&[AddressRange], bool), to: (&[AddressRange], bool)| {
        side("srcaddr", &wanted.source, from.0, from.1) && side("dstaddr", &wanted.destination, to.0, to.1)
    };
    let (ours, theirs) = ((e.local.as_slice(), true), (e.peer.as_slice(), false));
    way(ours, theirs) || way(theirs, ours)
}

fn out_lines(title: &str, lines: Result<Vec<String>, CompileError>, bound: &Bound, reply: &mut Reply) {
    match lines {
        Ok(lines) => {
            let _ = writeln!(reply.text, "{title}: {}", lines.len());
            for (number, text) in (1..).zip(lines) {
                let mut lines = wrapped(&text, SCREEN - 6).into_iter();
                let _ = writeln!(reply.text, "{number:>4}. {}", lines.next().unwrap_or_default());
                for rest in lines {
                    let _ = writeln!(reply.text, "      {rest}");
                }
            }
            reply.text.push('\n');
        }
        Err(error) => {
            let text = format!("the policy does not compile, so that there are no filters: {error}");
            reply.remarks.push((bound.span.clone(), NoteKind::NoEffect, text));
        }
    }
}
