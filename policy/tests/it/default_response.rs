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
    for line in [
        "delete rule all policy=P",
        "delete rule name=\"Default Response\" policy=P",
        "delete rule name=\"<Dynamic>\" policy=P",
        "delete rule id=1 policy=P",
    ] {
        // Either there is nothing to delete, or the line is refused: the rule stays.
        let mut store = store(P);
        let _ = run_script(&mut store, "test", line.as_bytes());
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
