//! `seed-rows.toml`: every row of the articles is there, and every name in it exists.

use std::path::Path;

use toml::{Table, Value};

/// Families of rows with how many each has.
const FAMILIES: [(&str, u32); 16] = [
    ("W-TUN", 29),
    ("W-MH", 8),
    ("W-RAS", 7),
    ("W-OBS", 22),
    ("W-POL", 21),
    ("W-FLT", 12),
    ("W-ACT", 10),
    ("W-DEF", 7),
    ("W-EXM", 4),
    ("W-NAT", 4),
    ("W-SEC", 2),
    ("W-BOOT", 2),
    ("W-NSH", 3),
    ("W-CON", 7),
    ("W-IKE", 13),
    ("W-MGT", 2),
];

fn exists(name: &str) -> bool {
    if let Some(scenario) = name.strip_prefix("scenario ") {
        return ipsec_scenarios::embedded::names().any(|n| n == scenario);
    }
    let Some((file, test)) = name.split_once(' ') else { return false };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    std::fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("fn {test}(")))
}

#[test]
fn every_row_is_there_and_every_name_exists() {
    let table: Table = include_str!("../../seed-rows.toml").parse().expect("TOML");
    let ids: Vec<String> =
        FAMILIES.iter().flat_map(|(family, n)| (1..=*n).map(move |i| format!("{family}-{i:02}"))).collect();
    let missing: Vec<&String> = ids.iter().filter(|id| !table.contains_key(*id)).collect();
    assert!(missing.is_empty() && table.len() == ids.len(), "missing: {missing:?}, {} rows", table.len());
    let mut shown = 0;
    for (id, row) in &table {
        let row = row.as_table().expect("a table");
        let reason = |key: &str| row.get(key).and_then(Value::as_str).is_some_and(|r| r.len() > 15);
        let names: Vec<&str> = row
            .get("shown_by")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let ways =
            [reason("later"), reason("out_of_scope"), !names.is_empty()].iter().filter(|w| **w).count();
        assert!(ways == 1 && row.len() == 1, "{id}: shown_by, or later or out_of_scope with a reason");
        for name in &names {
            assert!(exists(name), "{id}: no `{name}`");
        }
        shown += usize::from(!names.is_empty());
    }
    println!("{shown} of {} rows are shown", table.len());
}
