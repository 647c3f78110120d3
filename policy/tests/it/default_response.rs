//! The default response rule in the stores: "The default response rule cannot be deleted, but it can be deactivated. It is
//! activated by default for all policies" (Windows Server 2003 IPSec Concepts).

use ipsec_policy::netsh::run_script;
use ipsec_policy::store::Store;

fn store(script: &str) -> Store {
    let mut store = Store::new();
    run_script(&mut store, "test", script.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
    store
}

fn is_active(store: &Store) -> bool {
    store.assigned().expect("an assigned policy").default_response.active
}

#[test]
fn it_is_on_by_default_and_cannot_be_deleted() {
    const P: &str = "add policy P\nset policy P assign=y\n";
    assert!(is_active(&store(P)));
    // By what it is called, by a number, and with all others: of these there is nothing to delete.
    for (rule, notes) in [
        ("all", &[][..]),
        ("id=1", &["rule '1' does not exist"]),
        ("name=default", &["rule 'default' does not exist", "is never deleted", "activate=no"]),
        ("name=\"Default Response\"", &["rule 'Default Response' does not exist", "is never deleted"]),
        ("name=\"<Dynamic>\"", &["rule '<Dynamic>' does not exist", "is never deleted"]),
        ("name=mine", &["rule 'mine' does not exist"]),
    ] {
        let mut store = store(P);
        let line = format!("delete rule {rule} policy=P");
        let output = run_script(&mut store, "test", line.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
        let said: Vec<String> = output.notes.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), usize::from(!notes.is_empty()), "{line}: {said:?}");
        assert!(notes.iter().all(|note| said[0].contains(note)), "{line}: {said:?}");
        assert_eq!(said.concat().contains("never deleted"), notes.len() > 1, "{line}: {said:?}");
        assert!(is_active(&store), "{line}");
    }
    assert!(!is_active(&store(&format!("{P}set defaultrule policy=P activate=no"))));
    assert!(!is_active(&store("add policy P activatedefaultrule=no\nset policy P assign=y")));
    assert!(is_active(&store(&format!(
        "{P}set defaultrule policy=P activate=no\nset defaultrule policy=P activate=yes"
    ))));
}

/// KB 301284: "Click to clear the Activate the default response rule check box"; KB 816514 has the same step.
#[test]
fn the_articles_examples_switch_it_off() {
    for script in [
        include_str!("../../../scenarios/kb301284-alice-bob-transport/alice.netsh"),
        include_str!("../../../scenarios/kb301284-alice-bob-transport/bob.netsh"),
        include_str!("../../../scenarios/kb816514-neta-netb-tunnel/gwa.netsh"),
        include_str!("../../../scenarios/kb816514-neta-netb-tunnel/gwb.netsh"),
    ] {
        assert!(!is_active(&store(script)));
    }
}
