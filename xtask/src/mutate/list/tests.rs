use super::*;
use std::collections::BTreeSet;

/// Package and directory of the crates whose tests may be named.
const PACKAGES: [(&str, &str); 4] = [
    ("ipsec-core", "ipsec-core"),
    ("ipsec-sim", "sim"),
    ("ipsec-policy", "policy"),
    ("ipsec-scenarios", "scenarios"),
];

#[test]
fn every_rule_can_be_broken_where_the_list_says() {
    let all = read(&crate::root()).unwrap();
    assert!(all.len() >= 45, "{} rules", all.len());
    let ids: BTreeSet<&str> = all.iter().map(|m| m.id.as_str()).collect();
    assert_eq!(ids.len(), all.len(), "an id is given twice");
    with_switches(&crate::root(), &all).unwrap();
    for mutation in &all {
        assert_ne!(mutation.find, mutation.replace, "{}", mutation.id);
        assert!(mutation.file.starts_with("ipsec-core/src/"), "{}", mutation.id);
        assert!(mutation.rule.ends_with('.') && !mutation.rfc.is_empty(), "{}", mutation.id);
        let cells = [&mutation.id, &mutation.rule, &mutation.rfc, &mutation.broken];
        assert!(cells.iter().all(|cell| !cell.contains(['|', '\n'])), "{}", mutation.id);
    }
}

#[test]
fn every_named_test_exists() {
    for mutation in read(&crate::root()).unwrap() {
        let directory = PACKAGES.iter().find(|(name, _)| *name == mutation.package).unwrap().1;
        let directory = crate::root().join(directory);
        assert!(!mutation.lib.is_empty() || !mutation.it.is_empty(), "{} names no test", mutation.id);
        for (tests, sources) in [(&mutation.lib, "src"), (&mutation.it, "tests/it")] {
            for test in tests {
                assert!(exists(&directory.join(sources), test), "{}: there is no test {test}", mutation.id);
            }
        }
    }
}

/// Whether the module of this test, a file or an inline `mod tests`, has a test function of its name.
fn exists(sources: &Path, test: &str) -> bool {
    let (module, name) = test.rsplit_once("::").unwrap();
    let file = |module: &str| -> PathBuf { sources.join(module.replace("::", "/")).with_extension("rs") };
    let inline = module.strip_suffix("::tests").map(file);
    let candidates = [Some(file(module)), inline];
    candidates.into_iter().flatten().filter_map(|path| std::fs::read_to_string(path).ok()).any(|source| {
        let Some(at) = source.find(&format!("fn {name}(")) else { return false };
        source[..at].lines().rev().take(4).any(|line| line.trim() == "#[test]")
    })
}

#[test]
fn switches_stand_where_the_rules_were() {
    let mutation = |id: &str, find: &str, replace: &str| {
        let text = format!(
            "id = {id:?}\nrule = ''\nrfc = ''\nbroken = ''\nfile = 'f'\nfind = {find:?}\nreplace = {replace:?}"
        );
        toml::from_str::<Mutation>(&text).unwrap()
    };
    let [a, b, c] = [("a", "x < y", "true"), ("b", "x < y", "x <= y"), ("c", "send();", "")]
        .map(|(id, find, replace)| mutation(id, find, replace));
    let source = "if x < y { send(); }";
    assert_eq!(
        switched(source, &[&a, &c, &b]).unwrap(),
        "if (if crate::rule_is_broken(\"a\") { true } else if crate::rule_is_broken(\"b\") { x <= y } else { x < y }) \
         { if crate::rule_is_broken(\"c\") {  } else { send(); } }"
    );
    for find in ["absent", " ", "< y { s"] {
        assert!(switched(source, &[&a, &mutation("d", find, "")]).is_err(), "{find}");
    }
}
