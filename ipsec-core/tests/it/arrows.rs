//! Which module may know which: the arrows of the architecture, read from the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every module with the modules it may name. What is not listed is forbidden: `ike` neither seals nor opens packets, the
/// transforms know no policy, the lowest layers know nothing.
const MAY_USE: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("rng", &[]),
    ("wire", &[]),
    ("crypto", &[]),
    ("packet", &[]),
    ("selector", &[]),
    ("ip", &["selector", "wire"]),
    ("interface", &["selector"]),
    ("route", &["interface", "selector"]),
    ("pad", &["crypto", "selector"]),
    ("spd", &["crypto", "interface", "selector"]),
    ("work", &["crypto"]),
    ("config", &["interface", "pad", "route", "spd", "time", "wire"]),
    ("esp", &["crypto", "ip", "packet", "wire"]),
    ("ah", &["crypto", "esp", "ip", "packet", "wire"]),
    ("tunnel", &["config", "ip", "packet", "wire"]),
    ("fragment", &["ip", "packet", "time", "wire"]),
    ("natt", &["ip", "packet", "wire"]),
    ("sad", &["ah", "crypto", "esp", "interface", "packet", "pad", "rng", "selector", "spd", "time"]),
    (
        "io",
        &[
            "config",
            "crypto",
            "ike",
            "interface",
            "packet",
            "pad",
            "route",
            "sad",
            "selector",
            "spd",
            "time",
            "wire",
            "work",
        ],
    ),
    (
        "ike",
        &[
            "config",
            "crypto",
            "interface",
            "io",
            "natt",
            "pad",
            "rng",
            "route",
            "sad",
            "selector",
            "spd",
            "time",
            "wire",
            "work",
        ],
    ),
];

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else {
            into.push(path);
        }
    }
}

/// Modules of the crate that the code before the unit tests names.
fn uses(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code = code.lines().map(|line| line.split("//").next().unwrap_or_default());
    let code = code.collect::<Vec<_>>().join("\n");
    let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        // `use crate::{a::B, c}` names a and c.
        match rest.strip_prefix('{') {
            Some(list) => {
                let mut depth = 0;
                let mut start = true;
                for (at, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && c.is_alphabetic() => {
                            found.insert(name(&list[at..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
            None => {
                found.insert(name(rest));
            }
        }
    }
    found
}

#[test]
fn arrows_point_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    let modules: BTreeSet<&str> = MAY_USE.iter().map(|(module, _)| *module).collect();
    let mut wrong = Vec::new();
    for path in paths {
        let relative = path.strip_prefix(&root).unwrap().with_extension("");
        let parts: Vec<&str> = relative.iter().map(|part| part.to_str().unwrap()).collect();
        let module = parts[0];
        if parts.contains(&"tests") || ["lib", "ipsec"].contains(&module) {
            continue;
        }
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            panic!("{module} has no place in the architecture yet");
        };
        for used in uses(&fs::read_to_string(&path).unwrap()) {
            let known = modules.contains(used.as_str()) || used == "ipsec";
            if known && used != module && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{} uses {used}", relative.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn both_forms_of_use_are_read() {
    let found =
        uses("use crate::{ah::Ah, esp::{self, Esp}, tunnel};\nlet x = crate::spd::Spd; // crate::ike\n");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["ah", "esp", "spd", "tunnel"]);
}
