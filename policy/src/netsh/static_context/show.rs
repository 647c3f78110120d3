//! `show`: lists and tables.
//!
//! Labels and their order follow real output where a public source prints it (a policy in list form, a filter list in
//! verbose list form); the padding is that of `Policy Name              : x`. The rest keeps the same style and is not
//! claimed to be Windows' wording. There is no clock here, so `Last Modified` is not printed. Keys are never shown.

use core::fmt::Write as _;

use super::{Reply, at};
use crate::auth_method::AuthMethod;
use crate::filter::{Address, Filter, FilterList, protocol_name};
use crate::filter_action::{Action, FilterAction};
use crate::netsh::command::Object;
use crate::netsh::command::bind::Bound;
use crate::netsh::error::Fault;
use crate::netsh::session::Location;
use crate::policy::Policy;
use crate::rule::Rule;
use crate::store::{Store, same_name};

/// How the output is laid out.
#[derive(Clone, Copy)]
struct Style {
    verbose: bool,
    table: bool,
    wide: bool,
    location: Location,
}

pub(super) fn show(store: &Store, bound: &Bound, location: Location, reply: &mut Reply) -> Result<(), Fault> {
    let style = Style {
        verbose: bound.word("level") == Some("verbose"),
        table: bound.word("format") == Some("table"),
        wide: bound.flag("wide").unwrap_or(false),
        location,
    };
    let out = &mut reply.text;
    match bound.command.object {
        Object::Policy => policies(store, bound, style, out),
        Object::FilterList => filter_lists(store, bound, style, out),
        Object::FilterAction => filter_actions(store, bound, style, out),
        Object::Rule => rules(store, bound, style, out),
        Object::Store => {
            line(out, "Store", location);
            Ok(())
        }
        Object::GpoAssignedPolicy => {
            line(out, "Local Policy Name", store.assigned().map_or("NONE", |p| p.name.as_str()));
            line(out, "Domain Policy Name", "NONE");
            Ok(())
        }
        _ => {
            all(store, style, out);
            Ok(())
        }
    }
}

fn all(store: &Store, style: Style, out: &mut String) {
    let verbose = Style { verbose: !style.table, ..style };
    blocks(
        out,
        store.policies(),
        style,
        POLICY_COLUMNS,
        |p| policy_row(store, p),
        |p, o| policy(store, p, verbose, o),
    );
    blocks(out, store.filter_lists(), style, LIST_COLUMNS, list_row, |l, o| filter_list(l, verbose, o));
    blocks(out, store.filter_actions(), style, ACTION_COLUMNS, action_row, |a, o| {
        filter_action(a, verbose, o)
    });
    let _ = writeln!(out, "No. of policies       : {}", store.policies().len());
    let _ = writeln!(out, "No. of filter lists   : {}", store.filter_lists().len());
    let _ = writeln!(out, "No. of filter actions : {}", store.filter_actions().len());
}

const POLICY_COLUMNS: &[(&str, usize)] =
    &[("Policy Name", 24), ("Rules", 6), ("Assigned", 8), ("Description", 30)];
const LIST_COLUMNS: &[(&str, usize)] = &[("FilterList Name", 24), ("Filters", 8), ("Description", 30)];
const ACTION_COLUMNS: &[(&str, usize)] = &[("FilterAction Name", 24), ("Action", 20), ("Description", 30)];
const RULE_COLUMNS: &[(&str, usize)] =
    &[("Rule Name", 24), ("Enabled", 8), ("FilterList", 24), ("FilterAction", 24), ("Tunnel Endpoint", 16)];

fn policies(store: &Store, bound: &Bound, style: Style, out: &mut String) -> Result<(), Fault> {
    let chosen = choose(bound, store.policies(), || store.policy(bound.text("name").unwrap_or_default()))?;
    if chosen.is_empty() {
        out.push_str("ERR IPsec[05072] : No Policies in Policy Store\n");
    }
    blocks(out, &chosen, style, POLICY_COLUMNS, |p| policy_row(store, p), |p, o| policy(store, p, style, o));
    Ok(())
}

fn filter_lists(store: &Store, bound: &Bound, style: Style, out: &mut String) -> Result<(), Fault> {
    let chosen = match bound.text("rule") {
        Some(rule) => store
            .filter_lists()
            .iter()
            .filter(|l| store.users(l.id).any(|(_, r)| same_name(&r.name, rule)))
            .cloned()
            .collect(),
        None => {
            choose(bound, store.filter_lists(), || store.filter_list(bound.text("name").unwrap_or_default()))?
        }
    };
    blocks(out, &chosen, style, LIST_COLUMNS, list_row, |l, o| filter_list(l, style, o));
    if style.table && style.verbose {
        for list in &chosen {
            filter_table(list, style, out);
        }
    }
    Ok(())
}

fn filter_actions(store: &Store, bound: &Bound, style: Style, out: &mut String) -> Result<(), Fault> {
    let chosen = match bound.text("rule") {
        Some(rule) => {
            let used = |a: &&FilterAction| store.users(a.id).any(|(_, r)| same_name(&r.name, rule));
            store.filter_actions().iter().filter(used).cloned().collect()
        }
        None => choose(bound, store.filter_actions(), || {
            store.filter_action(bound.text("name").unwrap_or_default())
        })?,
    };
    blocks(out, &chosen, style, ACTION_COLUMNS, action_row, |a, o| filter_action(a, style, o));
    Ok(())
}

fn rules(store: &Store, bound: &Bound, style: Style, out: &mut String) -> Result<(), Fault> {
    let policy = at(bound, "policy", store.policy(bound.text("policy").unwrap_or_default()))?;
    if bound.text("name").is_some_and(|n| n.eq_ignore_ascii_case("default")) {
        default_response(policy, out);
        return Ok(());
    }
    let kind = |r: &&Rule| match bound.word("type") {
        Some("tunnel") => r.tunnel.is_some(),
        Some(_) => r.tunnel.is_none(),
        None => true,
    };
    let chosen: Vec<Rule> = match bound.number("id") {
        Some(id) => {
            policy.rules.iter().skip(usize::try_from(id).unwrap_or(usize::MAX) - 1).take(1).cloned().collect()
        }
        None => {
            choose(bound, &policy.rules, || policy.existing_rule(bound.text("name").unwrap_or_default()))?
        }
    };
    let chosen: Vec<Rule> = chosen.iter().filter(kind).cloned().collect();
    blocks(out, &chosen, style, RULE_COLUMNS, |r| rule_row(store, r), |r, o| rule(store, r, style, o));
    Ok(())
}

/// All objects, or the one that is named.
fn choose<'a, T: Clone + 'a>(
    bound: &Bound,
    all: &'a [T],
    named: impl Fn() -> Result<&'a T, crate::store::StoreError>,
) -> Result<Vec<T>, Fault> {
    match bound.text("name") {
        Some(name) if name.eq_ignore_ascii_case("all") => Ok(all.to_vec()),
        _ => at(bound, "name", named()).map(|one| vec![one.clone()]),
    }
}

fn blocks<T>(
    out: &mut String,
    all: &[T],
    style: Style,
    columns: &[(&str, usize)],
    row: impl Fn(&T) -> Vec<String>,
    block: impl Fn(&T, &mut String),
) {
    if style.table {
        table(out, columns, all.iter().map(row), style.wide);
        return;
    }
    for one in all {
        block(one, out);
        out.push('\n');
    }
}

pub(in crate::netsh) fn table(
    out: &mut String,
    columns: &[(&str, usize)],
    rows: impl Iterator<Item = Vec<String>>,
    wide: bool,
) {
    let put = |out: &mut String, cells: &[String]| {
        let mut text = String::new();
        for (cell, (_, width)) in cells.iter().zip(columns) {
            let shown: String = if wide { cell.clone() } else { cell.chars().take(*width).collect() };
            let _ = write!(text, "{shown:<width$} ");
        }
        let _ = writeln!(out, "{}", text.trim_end());
    };
    put(out, &columns.iter().map(|(title, _)| (*title).to_owned()).collect::<Vec<_>>());
    put(out, &columns.iter().map(|(title, _)| "-".repeat(title.len())).collect::<Vec<_>>());
    for cells in rows {
        put(out, &cells);
    }
    out.push('\n');
}

pub(in crate::netsh) fn line(out: &mut String, label: &str, value: impl core::fmt::Display) {
    let _ = writeln!(out, "{label:<25}: {value}");
}

pub(in crate::netsh) fn yes_no(flag: bool) -> &'static str {
    if flag { "YES" } else { "NO" }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "NONE" } else { text }
}

fn is_assigned(store: &Store, policy: &Policy) -> bool {
    store.assigned().is_some_and(|p| p.id == policy.id)
}

fn policy_row(store: &Store, p: &Policy) -> Vec<String> {
    let assigned = yes_no(is_assigned(store, p)).to_owned();
    vec![p.name.clone(), p.rules.len().to_string(), assigned, or_none(&p.description).to_owned()]
}

fn list_row(l: &FilterList) -> Vec<String> {
    vec![l.name.clone(), l.filters.len().to_string(), or_none(&l.description).to_owned()]
}

fn action_row(a: &FilterAction) -> Vec<String> {
    vec![a.name.clone(), a.action.to_string(), or_none(&a.description).to_owned()]
}

fn rule_row(store: &Store, r: &Rule) -> Vec<String> {
    let (list, action) = references(store, r);
    let tunnel = r.tunnel.as_ref().map_or("NONE".to_owned(), ToString::to_string);
    vec![r.name.clone(), yes_no(r.active).to_owned(), list, action, tunnel]
}

fn references(store: &Store, r: &Rule) -> (String, String) {
    let list = store.filter_list_by_id(r.filter_list).map_or("", |l| l.name.as_str());
    let action = store.filter_action_by_id(r.filter_action).map_or("", |a| a.name.as_str());
    (list.to_owned(), action.to_owned())
}

fn policy(store: &Store, p: &Policy, style: Style, out: &mut String) {
    line(out, "Policy Name", &p.name);
    line(out, "Description", or_none(&p.description));
    line(out, "Assigned", yes_no(is_assigned(store, p)));
    line(out, "Master PFS", yes_no(p.main_mode.pfs));
    line(out, "Polling Interval", format_args!("{} minutes", p.polling_interval_minutes));
    if !style.verbose {
        return;
    }
    line(out, "GUID", p.id);
    line(
        out,
        "MainMode LifeTime",
        format_args!(
            "{} minutes / {} Quick mode sessions",
            p.main_mode.lifetime_minutes,
            p.main_mode.quick_mode_limit()
        ),
    );
    let methods: Vec<String> = p.main_mode.methods.iter().map(ToString::to_string).collect();
    line(out, "Main Mode Methods", methods.join(" "));
    line(out, "Default Response", if p.default_response.active { "ACTIVE" } else { "INACTIVE" });
    line(out, "No. of Rules", p.rules.len());
    for r in &p.rules {
        out.push('\n');
        rule(store, r, style, out);
    }
}

fn rule(store: &Store, r: &Rule, style: Style, out: &mut String) {
    let (list, action) = references(store, r);
    line(out, "Rule Name", &r.name);
    line(out, "Description", or_none(&r.description));
    line(out, "Activated", yes_no(r.active));
    line(out, "FilterList Name", list);
    line(out, "FilterAction Name", action);
    line(out, "Tunnel Dest IP Address", r.tunnel.as_ref().map_or("NONE".to_owned(), ToString::to_string));
    line(out, "Connection Type", r.connection);
    auth(&r.auth, out);
    if style.verbose {
        line(out, "GUID", r.id);
    }
}

pub(in crate::netsh) fn auth(methods: &[AuthMethod], out: &mut String) {
    line(out, "Authentication Methods", methods.len());
    for method in methods {
        let _ = writeln!(out, "    {method}");
    }
}

fn default_response(p: &Policy, out: &mut String) {
    line(out, "Rule Name", "NONE");
    line(out, "FilterList Name", "<Dynamic>");
    line(out, "Activated", yes_no(p.default_response.active));
    line(out, "Qmpfs", yes_no(p.default_response.qm_pfs));
    methods(&p.default_response.methods, out);
    auth(&p.default_response.auth, out);
}

pub(in crate::netsh) fn methods(methods: &[crate::SecurityMethod], out: &mut String) {
    line(out, "Security Methods", methods.len());
    for method in methods {
        let _ = writeln!(out, "    {method}");
    }
}

fn filter_action(a: &FilterAction, style: Style, out: &mut String) {
    line(out, "FilterAction Name", &a.name);
    line(out, "Description", or_none(&a.description));
    line(out, "Action", a.action);
    if a.action == Action::Negotiate {
        line(out, "InBound PassThrough", yes_no(a.inpass));
        line(out, "AllowUnSecure(Fallback)", yes_no(a.soft));
        line(out, "QMPFS", yes_no(a.qm_pfs));
        methods(&a.methods, out);
    }
    if style.verbose {
        line(out, "GUID", a.id);
    }
}

fn filter_list(l: &FilterList, style: Style, out: &mut String) {
    line(out, "FilterList Name", &l.name);
    line(out, "Description", or_none(&l.description));
    if style.verbose {
        line(out, "Store", style.location);
        line(out, "GUID", l.id);
    }
    line(out, "No. of Filters", l.filters.len());
    if style.verbose {
        out.push_str("Filter(s)\n---------\n");
        for (number, f) in l.filters.iter().enumerate() {
            if number > 0 {
                out.push('\n');
            }
            filter(f, out);
        }
    }
}

fn filter(f: &Filter, out: &mut String) {
    line(out, "Description", or_none(&f.description));
    line(out, "Mirrored", yes_no(f.mirrored));
    for (side, address) in [("Source", &f.source), ("Destination", &f.destination)] {
        let (shown, mask) = address_and_mask(address);
        line(out, &format!("{side} IP Address"), &shown);
        if let Some(mask) = mask {
            line(out, &format!("{side} Mask"), mask);
        }
        line(
            out,
            &format!("{side} DNS Name"),
            if let Address::Name(name, _) = address { name } else { &shown },
        );
    }
    line(out, "Protocol", protocol_name(f.protocol));
    line(out, "Source Port", f.source_port);
    line(out, "Destination Port", f.destination_port);
}

fn filter_table(l: &FilterList, style: Style, out: &mut String) {
    const COLUMNS: &[(&str, usize)] = &[
        ("Source", 20),
        ("Source Mask", 16),
        ("Destination", 20),
        ("Dest Mask", 16),
        ("Protocol", 8),
        ("SrcPort", 7),
        ("DstPort", 7),
        ("Mirrored", 8),
    ];
    let row = |f: &Filter| {
        let side = |a: &Address| address_and_mask(a);
        let ((source, source_mask), (destination, destination_mask)) =
            (side(&f.source), side(&f.destination));
        vec![
            source,
            source_mask.unwrap_or_default(),
            destination,
            destination_mask.unwrap_or_default(),
            protocol_name(f.protocol),
            f.source_port.to_string(),
            f.destination_port.to_string(),
            yes_no(f.mirrored).to_owned(),
        ]
    };
    table(out, COLUMNS, l.filters.iter().map(row), style.wide);
}

/// `<My IP Address>` is Windows' wording, and it carries no mask line; `<Any IP Address>` is made after it.
pub(in crate::netsh) fn address_and_mask(address: &Address) -> (String, Option<String>) {
    match address {
        Address::Me => ("<My IP Address>".to_owned(), None),
        Address::Any => ("<Any IP Address>".to_owned(), Some("0.0.0.0".to_owned())),
        Address::Subnet(net) => (net.addr().to_string(), Some(net.netmask().to_string())),
        Address::Name(name, addresses) => (addresses.first().map_or(name.clone(), ToString::to_string), None),
        Address::Range(..) => (address.to_string(), None),
        Address::Server(server) => (format!("<{} SERVER>", server.keyword()), None),
    }
}
