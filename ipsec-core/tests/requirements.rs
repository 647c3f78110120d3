//! Each requirement that a peer can observe has a test that shows it, or the reason why it does not apply:
//! `requirements.toml` is complete, and what it names exists.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const CORE: &str = env!("CARGO_MANIFEST_DIR");

/// Ids and levels of the catalogue.
fn catalogue() -> BTreeMap<String, String> {
    let text = fs::read_to_string(Path::new(CORE).join("requirements/ids.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split_once(' ').expect("id and level"))
        .map(|(id, level)| (id.into(), level.into()))
        .collect()
}

fn claims() -> Vec<toml::Table> {
    let text = fs::read_to_string(Path::new(CORE).join("requirements.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    assert!(table.keys().eq(["requirement"]));
    let claims = table["requirement"].as_array().unwrap().iter();
    claims.map(|claim| claim.as_table().unwrap().clone()).collect()
}

fn string<'a>(claim: &'a toml::Table, key: &str) -> &'a str {
    claim.get(key).and_then(toml::Value::as_str).unwrap_or_else(|| panic!("{key} in {claim}"))
}

fn tests(claim: &toml::Table) -> Vec<&str> {
    let list = claim.get("tests").and_then(toml::Value::as_array);
    list.into_iter().flatten().map(|test| test.as_str().expect("path::name")).collect()
}

#[test]
fn every_requirement_is_shown_or_explained() {
    let catalogue = catalogue();
    let mut seen = BTreeMap::new();
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let claims = claims();
    for claim in &claims {
        let id = string(claim, "id");
        assert_eq!(Some(string(claim, "level")), catalogue.get(id).map(String::as_str), "{id}");
        assert!(seen.insert(id, ()).is_none(), "{id} is there twice");
        let known = ["id", "level", "tests", "note", "not_claimed"];
        assert!(claim.keys().all(|key| known.contains(&key.as_str())), "{id}: {claim}");
        let why = claim.get("not_claimed").and_then(toml::Value::as_str);
        let count = counts.entry(&id[..7]).or_default();
        match (tests(claim).len(), why) {
            (0, Some(why)) if why.len() >= 15 => count.1 += 1,
            (1.., None) => count.0 += 1,
            _ => panic!("{id}: tests, or the reason why it is not claimed"),
        }
    }
    let missing: Vec<_> = catalogue.keys().filter(|id| !seen.contains_key(id.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for (rfc, (shown, explained)) in &counts {
        println!("{rfc}: {shown} shown by tests, {explained} not claimed");
    }
    let (shown, explained) = counts.values().fold((0, 0), |sum, n| (sum.0 + n.0, sum.1 + n.1));
    println!("{} requirements: {shown} shown by tests, {explained} not claimed", catalogue.len());
    assert_eq!(shown + explained, catalogue.len());
}

/// Whether `source` has a function of this name, with no parameters or those of proptest, marked as a test.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let starts = format!("fn {name}(");
    let Some(at) = lines.iter().position(|line| line.starts_with(&starts)) else { return false };
    // Attributes and comments stand between the marker and the function.
    let above = lines[..at].iter().rev().take_while(|line| line.starts_with('#') || line.starts_with("//"));
    above.into_iter().any(|line| *line == "#[test]")
}

#[test]
fn every_named_test_exists() {
    let root = PathBuf::from(CORE).join("..");
    let mut sources: BTreeMap<&str, String> = BTreeMap::new();
    let (mut named, mut wrong) = (0, vec![]);
    let claims = claims();
    for test in claims.iter().flat_map(tests) {
        let (path, name) = test.split_once("::").expect("path::name");
        let source = sources.entry(path).or_insert_with(|| {
            fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
        });
        named += 1;
        if !has_test(source, name) {
            wrong.push(test);
        }
    }
    assert!(wrong.is_empty(), "no such test: {wrong:?}");
    println!("{named} times a test is named, in {} files", sources.len());
    assert!(named > 0);
}

/// The ids that a source cites: `RFC`, a number, a section and a running number, joined by hyphens.
fn cited(source: &str) -> impl Iterator<Item = &str> {
    let words = source.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.')));
    words.filter(|word| word.starts_with("RFC") && word.len() > 7).map(|word| word.trim_end_matches('.'))
}

#[test]
fn every_id_in_a_rule_comment_exists() {
    let catalogue = catalogue();
    let mut dirs = vec![Path::new(CORE).join("src")];
    let (mut count, mut wrong) = (0, vec![]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            for id in cited(&fs::read_to_string(&path).unwrap()) {
                count += 1;
                if !catalogue.contains_key(id) {
                    wrong.push(format!("{}: {id}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    println!("rule comments cite {count} requirements");
    assert!(count > 30);
}

#[test]
fn what_is_no_test_is_not_taken_for_one() {
    let source = "#[test]\nfn a() {}\n\nfn b() {}\n    #[test]\n    // why\n    fn c(x: u8) {}\n#[cfg(test)]\nfn d() {}";
    assert_eq!(
        ["a", "b", "c", "d", "e"].map(|name| has_test(source, name)),
        [true, false, true, false, false]
    );
}
