//! `show`: lists and tables.
//!
//! Labels and their order follow real output where a public source prints it (a policy in list form, a filter list in
//! verbose list form); the padding is that of `Policy Name              : x`. The rest keeps the same style and is not
//! claimed to be Windows' wording, tables least of all. There is no clock here, so `Last Modified` is not printed. Keys are never shown.

use core::fmt::Write as _;

use super::{Reply, Surroundings, at, objects};
use crate::auth_method::AuthMethod;
use crate::filter::{Address, Filter, FilterList, protocol_name};
use crate::filter_action::{Action, FilterAction};
use crate::netsh::NoteKind;
use crate::netsh::command::Object;
use crate::netsh::command::bind::Bound;
use crate::netsh::error::Fault;
use crate::netsh::session::Location;
use crate::policy::Policy;
use crate::rule::Rule;
use crate::store::{ObjectKind, Store, not_found, same_name};

pub(in crate::netsh) mod table;

/// How the output is laid out.
#[derive(Clone, Copy)]
struct Style {
    verbose: bool,
    table: bool,
    wide: bool,
    location: Location,
}

pub(super) fn show(
    store: &Store,
    bound: &Bound,
    around: &Surroundings<'_>,
    reply: &mut Reply,
) -> Result<(), Fault> {
    let location = around.location;
    let style = Style {
        verbose: bound.word("level") == Some("verbose"),
        table: bound.word("format") == Some("table"),
        wide: bound.flag("wide").unwrap_or(false),
        location,
    };
    if bound.flag("resolvedns") == Some(true) {
        let text = "names are shown as far as they are kept: nobody is asked for others here";
        reply.remarks.push((bound.span_of("resolvedns"), NoteKind::NoEffect, text.to_owned()));
    }
    let out = &mut reply.text;
    match bound.command.object {
        Object::Policy => policies(store, bound, style, out),
        Object::FilterList => filter_lists(store, bound, style, reply),
        Object::FilterAction => filter_actions(store, bound, style, reply),
        Object::Rule => rules(store, bound, style, reply),
        Object::Store => {
            line(out, "Store", location);
            Ok(())
        }
        Object::GpoAssignedPolicy => {
            line(out, "Local Policy Name", store.assigned().map_or("NONE", |p| p.name.as_str()));
            let assigned = around.domain.and_then(|domain| domain.policies.assigned());
            line(out, "Domain Policy Name", assigned.map_or("NONE", |p| p.name.as_str()));
            if let Some(gpo) = around.domain.and_then(|domain| domain.gpo.as_ref()) {
                line(out, "Domain GPO Name", gpo);
            }
            if bound.get("name").is_some() {
                let text = match around.domain {
                    None => "this computer is in no domain: no Group Policy object assigns anything",
                    Some(_) => {
                        "shown is what this computer has; other Group Policy objects are not looked at"
                    }
                };
                reply.remarks.push((bound.span_of("name"), NoteKind::NoEffect, text.to_owned()));
            }
            Ok(())
        }
        _ => {
            all(store, style, out);
            Ok(())
        }
    }
}

fn all(store: &Store, style: Style, out: &mut String) {
    let verbose = Style { verbose: true, ..style };
    some_policies(store, store.policies(), verbose, out);
    some_lists(store.filter_lists(), verbose, out);
    some_actions(store.filter_actions(), verbose, out);
    let _ = writeln!(out, "No. of policies       : {}", store.policies().len());
    let _ = writeln!(out, "No. of filter lists   : {}", store.filter_lists().len());
    let _ = writeln!(out, "No. of filter actions : {}", store.filter_actions().len());
}

fn some_policies(store: &Store, chosen: &[Policy], style: Style, out: &mut String) {
    if style.table {
        return table::policies(store, chosen, style, out);
    }
    blocks(chosen, out, |p, out| policy(store, p, style, out));
}

fn some_lists(chosen: &[FilterList], style: Style, out: &mut String) {
    if style.table {
        return table::filter_lists(chosen, style, out);
    }
    blocks(chosen, out, |l, out| filter_list(l, style, out));
}

fn some_actions(chosen: &[FilterAction], style: Style, out: &mut String) {
    if style.table {
        return table::filter_actions(chosen, style, out);
    }
    blocks(chosen, out, |a, out| filter_action(a, style, out));
}

/// Each with a blank line behind it.
fn blocks<T>(all: &[T], out: &mut String, block: impl Fn(&T, &mut String)) {
    for one in all {
        block(one, out);
        out.push('\n');
    }
}

fn policies(store: &Store, bound: &Bound, style: Style, out: &mut String) -> Result<(), Fault> {
    let chosen = choose(bound, store.policies(), || store.policy(bound.text("name").unwrap_or_default()))?;
    if chosen.is_empty() {
        out.push_str("ERR IPsec[05072] : No Policies in Policy Store\n");
    }
    some_policies(store, &chosen, style, out);
    Ok(())
}

fn filter_lists(store: &Store, bound: &Bound, style: Style, reply: &mut Reply) -> Result<(), Fault> {
    let all = store.filter_lists();
    let chosen = match bound.text("rule") {
        Some(name) => used_by(store, bound, name, |r| store.filter_list_by_id(r.filter_list))?,
        None => choose(bound, all, || store.filter_list(bound.text("name").unwrap_or_default()))?,
    };
    note_none(bound, chosen.len(), "there is no filter list in this store", reply);
    some_lists(&chosen, style, &mut reply.text);
    Ok(())
}

fn filter_actions(store: &Store, bound: &Bound, style: Style, reply: &mut Reply) -> Result<(), Fault> {
    let all = store.filter_actions();
    let chosen = match bound.text("rule") {
        Some(name) => used_by(store, bound, name, |r| store.filter_action_by_id(r.filter_action))?,
        None => choose(bound, all, || store.filter_action(bound.text("name").unwrap_or_default()))?,
    };
    note_none(bound, chosen.len(), "there is no filter action in this store", reply);
    some_actions(&chosen, style, &mut reply.text);
    Ok(())
}

/// What the rules of this name use, in any policy, each object once.
fn used_by<'a, T: Clone + PartialEq + 'a>(
    store: &'a Store,
    bound: &Bound,
    name: &str,
    of: impl Fn(&Rule) -> Option<&'a T>,
) -> Result<Vec<T>, Fault> {
    let rules = || store.policies().iter().flat_map(|p| &p.rules);
    let mut used: Vec<T> = Vec::new();
    for one in rules().filter(|r| same_name(&r.name, name)).filter_map(of) {
        if !used.contains(one) {
            used.push(one.clone());
        }
    }
    let missing = || not_found(ObjectKind::Rule, name, rules().map(|r| &r.name));
    at(bound, "rule", if used.is_empty() { Err(missing()) } else { Ok(used) })
}

/// Windows has a message of its own for each empty store; only that about policies is known.
fn note_none(bound: &Bound, count: usize, text: &str, reply: &mut Reply) {
    if count == 0 {
        reply.remarks.push((bound.span.clone(), NoteKind::Remark, text.to_owned()));
    }
}

fn rules(store: &Store, bound: &Bound, style: Style, reply: &mut Reply) -> Result<(), Fault> {
    let policy = at(bound, "policy", store.policy(bound.text("policy").unwrap_or_default()))?;
    if bound.text("name").is_some_and(|n| n.eq_ignore_ascii_case("default")) {
        default_response(policy, &mut reply.text);
        reply.text.push('\n');
        return Ok(());
    }
    let kind = |r: &Rule| match bound.word("type") {
        Some("tunnel") => r.tunnel.is_some(),
        Some(_) => r.tunnel.is_none(),
        None => true,
    };
    let mut chosen: Vec<Rule> = match bound.number("id") {
        Some(_) => vec![objects::find_rule(policy, bound)?.clone()],
        None => {
            choose(bound, &policy.rules, || policy.existing_rule(bound.text("name").unwrap_or_default()))?
        }
    };
    chosen.retain(kind);
    note_none(bound, chosen.len(), "there is no such rule in this policy", reply);
    if style.table {
        table::rules(store, &chosen, style, &mut reply.text);
    } else {
        blocks(&chosen, &mut reply.text, |r, out| rule(store, r, style, out));
    }
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
    out.push('\n');
    default_response(p, out);
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
        let _ = match method {
            AuthMethod::Certificate(c) => {
                let (map, exclude) = (c.map_to_account, c.exclude_authority_name);
                let (map, exclude) = (yes_no(map).to_lowercase(), yes_no(exclude).to_lowercase());
                writeln!(out, "    {method}  certmap:{map} excludecaname:{exclude}")
            }
            _ => writeln!(out, "    {method}"),
        };
    }
}

fn default_response(p: &Policy, out: &mut String) {
    line(out, "Rule Name", "NONE");
    line(out, "Description", "Default response rule");
    line(out, "Activated", yes_no(p.default_response.active));
    line(out, "FilterList Name", "<Dynamic>");
    line(out, "QMPFS", yes_no(p.default_response.qm_pfs));
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
