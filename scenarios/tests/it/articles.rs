//! `docs/articles.md` names scenarios that there are, and every twin of the two articles.

use std::collections::BTreeSet;

use ipsec_scenarios::embedded;

const TEXT: &str = include_str!("../../../docs/articles.md");

#[test]
fn the_walk_through_names_what_is_there() {
    let known: BTreeSet<&str> = embedded::names().collect();
    // Whole words in backticks; patterns and abbreviations that commands take resolve too.
    let quoted: BTreeSet<&str> = TEXT.split('`').skip(1).step_by(2).collect();
    let wanted =
        ["kb816514-", "kb301284-", "kerberos-", "filters-", "connection-", "actions-", "nat-", "soft-"];
    let is_name =
        |word: &&&str| wanted.iter().any(|w| word.starts_with(w)) && !word.contains([' ', '*', '/']);
    let missing: Vec<&&str> = quoted.iter().filter(is_name).filter(|word| !known.contains(**word)).collect();
    assert!(missing.is_empty(), "no such scenario: {missing:?}");
    let commands = quoted.iter().filter_map(|word| word.strip_prefix("ipseclab run "));
    for pattern in commands.map(|rest| rest.split(' ').next().unwrap_or(rest).trim_matches('\'')) {
        assert!(
            pattern == "NAME"
                || embedded::resolve(pattern).is_ok()
                || !embedded::matching(pattern).is_empty(),
            "{pattern}"
        );
    }
    let of_articles = known
        .iter()
        .filter(|name| name.starts_with("kb") && embedded::TWINS.contains(&format!("\"{name}\"")));
    let untold: Vec<&&str> = of_articles.filter(|name| !TEXT.contains(&format!("`{name}`"))).collect();
    assert!(untold.is_empty(), "twins of the articles that the walk-through leaves out: {untold:?}");
}
