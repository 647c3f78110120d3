//! Tables: 80 columns, names and descriptions cut to fit, unless `wide=yes`. Their columns are our own choice.

use core::fmt::Write as _;

use super::{Style, address_and_mask, is_assigned, or_none, references, yes_no};
use crate::filter::{Address, Filter, FilterList, protocol_name};
use crate::filter_action::{Action, FilterAction};
use crate::policy::Policy;
use crate::rule::Rule;
use crate::store::Store;
use crate::width;

/// A column's title and its width unless wide.
pub(in crate::netsh) type Columns = &'static [(&'static str, usize)];

const POLICIES: Columns = &[("Policy Name", 28), ("Rules", 5), ("Assigned", 8), ("Description", 36)];
const MAIN_MODE: Columns = &[
    ("Policy Name", 28),
    ("Master PFS", 10),
    ("QMs", 5),
    ("Minutes", 7),
    ("Polling", 7),
    ("Default Rule", 12),
];
const LISTS: Columns = &[("FilterList Name", 32), ("Filters", 7), ("Description", 39)];
const FILTERS: Columns =
    &[("Source", 21), ("Destination", 21), ("Protocol", 8), ("SrcPort", 7), ("DstPort", 7), ("Mirrored", 8)];
const ACTIONS: Columns = &[("FilterAction Name", 28), ("Action", 18), ("Description", 32)];
const METHODS: Columns =
    &[("FilterAction Name", 28), ("InPass", 6), ("Soft", 4), ("QMPFS", 5), ("Security Methods", 33)];
const RULES: Columns =
    &[("Rule Name", 22), ("Enabled", 7), ("FilterList", 17), ("FilterAction", 15), ("Tunnel Endpoint", 15)];
const RULES_VERBOSE: Columns = &[("Rule Name", 22), ("Type", 6), ("Authentication Methods", 50)];

pub(super) fn policies(store: &Store, all: &[Policy], style: Style, out: &mut String) {
    let row = |p: &Policy| {
        let assigned = yes_no(is_assigned(store, p)).to_owned();
        vec![p.name.clone(), p.rules.len().to_string(), assigned, or_none(&p.description).to_owned()]
    };
    table(out, POLICIES, all.iter().map(row), style.wide);
    if !style.verbose {
        return;
    }
    let row = |p: &Policy| {
        let main_mode = &p.main_mode;
        vec![
            p.name.clone(),
            yes_no(main_mode.pfs).to_owned(),
            main_mode.quick_mode_limit().to_string(),
            main_mode.lifetime_minutes.to_string(),
            p.polling_interval_minutes.to_string(),
            if p.default_response.active { "ACTIVE" } else { "INACTIVE" }.to_owned(),
        ]
    };
    table(out, MAIN_MODE, all.iter().map(row), style.wide);
    for p in all.iter().filter(|p| !p.rules.is_empty()) {
        let _ = writeln!(out, "Rules of {}", p.name);
        rules(store, &p.rules, style, out);
    }
}

pub(super) fn filter_lists(all: &[FilterList], style: Style, out: &mut String) {
    let row = |l: &FilterList| {
        vec![l.name.clone(), l.filters.len().to_string(), or_none(&l.description).to_owned()]
    };
    table(out, LISTS, all.iter().map(row), style.wide);
    for list in all.iter().filter(|l| style.verbose && !l.filters.is_empty()) {
        let _ = writeln!(out, "Filters of {}", list.name);
        table(out, FILTERS, list.filters.iter().map(filter_row), style.wide);
    }
}

/// An address with its prefix length in place of a mask, which saves a column.
fn side(address: &Address) -> String {
    match address {
        Address::Subnet(net) if net.prefix_len() < net.max_prefix_len() => net.to_string(),
        other => address_and_mask(other).0,
    }
}

fn filter_row(f: &Filter) -> Vec<String> {
    vec![
        side(&f.source),
        side(&f.destination),
        protocol_name(f.protocol),
        f.source_port.to_string(),
        f.destination_port.to_string(),
        yes_no(f.mirrored).to_owned(),
    ]
}

pub(super) fn filter_actions(all: &[FilterAction], style: Style, out: &mut String) {
    let row =
        |a: &FilterAction| vec![a.name.clone(), a.action.to_string(), or_none(&a.description).to_owned()];
    table(out, ACTIONS, all.iter().map(row), style.wide);
    let negotiated: Vec<&FilterAction> = all.iter().filter(|a| a.action == Action::Negotiate).collect();
    if style.verbose && !negotiated.is_empty() {
        let rows = negotiated.iter().flat_map(|a| {
            let flags = [a.inpass, a.soft, a.qm_pfs].map(|flag| yes_no(flag).to_owned());
            let first = core::iter::once(a.name.clone()).chain(flags).collect::<Vec<_>>();
            a.methods.iter().enumerate().map(move |(number, method)| {
                let mut row = if number == 0 { first.clone() } else { vec![String::new(); first.len()] };
                row.push(method.to_string());
                row
            })
        });
        table(out, METHODS, rows, style.wide);
    }
}

pub(super) fn rules(store: &Store, all: &[Rule], style: Style, out: &mut String) {
    let row = |r: &Rule| {
        let (list, action) = references(store, r);
        let tunnel = r.tunnel.as_ref().map_or("NONE".to_owned(), ToString::to_string);
        vec![r.name.clone(), yes_no(r.active).to_owned(), list, action, tunnel]
    };
    table(out, RULES, all.iter().map(row), style.wide);
    if style.verbose {
        let row = |r: &Rule| {
            let auth: Vec<String> = r.auth.iter().map(ToString::to_string).collect();
            vec![r.name.clone(), r.connection.to_string(), auth.join(", ")]
        };
        table(out, RULES_VERBOSE, all.iter().map(row), style.wide);
    }
}

/// Titles, a line below each, and the rows.
pub(in crate::netsh) fn table(
    out: &mut String,
    columns: Columns,
    rows: impl Iterator<Item = Vec<String>>,
    wide: bool,
) {
    let rows: Vec<Vec<String>> = rows.collect();
    let widest = |i: usize| rows.iter().filter_map(|r| r.get(i)).map(|cell| width::of(cell)).max();
    let widths: Vec<usize> = (0..)
        .zip(columns)
        .map(|(i, (_, width))| if wide { widest(i).unwrap_or(0).max(*width) } else { *width })
        .collect();
    let mut put = |cells: &[String]| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            let shown = width::cut(cell, *width);
            text.push_str(shown);
            text.extend(core::iter::repeat_n(' ', width + 1 - width::of(shown)));
        }
        let _ = writeln!(out, "{}", text.trim_end());
    };
    put(&columns.iter().map(|(title, _)| (*title).to_owned()).collect::<Vec<_>>());
    put(&columns.iter().map(|(title, _)| "-".repeat(title.len())).collect::<Vec<_>>());
    rows.iter().for_each(|cells| put(cells));
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_fit_the_screen() {
        for columns in [POLICIES, MAIN_MODE, LISTS, FILTERS, ACTIONS, METHODS, RULES, RULES_VERBOSE] {
            let width: usize = columns.iter().map(|(_, w)| w + 1).sum::<usize>() - 1;
            assert!(width <= 80, "{columns:?}: {width}");
            assert!(columns.iter().all(|(title, w)| title.len() <= *w), "{columns:?}");
        }
        let mut out = String::new();
        let rows = || [vec!["策略".repeat(20), "1".to_owned(), "NO".to_owned(), "x".repeat(90)]].into_iter();
        table(&mut out, POLICIES, rows(), false);
        assert!(out.lines().all(|l| width::of(l) <= 80), "{out}");
        out.clear();
        table(&mut out, POLICIES, rows(), true);
        assert!(out.contains(&"策略".repeat(20)) && out.contains(&"x".repeat(90)), "{out}");
    }
}
