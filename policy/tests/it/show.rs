//! What `static show` says about what is there, and about what is not.

use ipsec_policy::Stores;
use ipsec_policy::netsh::{Setting, run};

const SETUP: &str = "pushd ipsec static\nadd policy P\nadd filter L any me protocol=tcp dstport=80\nadd filteraction A action=block\n\
    add rule R P L A rootca=\"CN=Root certmap:yes excludecaname:no\"\nadd rule T P L A tunnel=192.0.2.1\n";

fn show(command: &str) -> (String, String) {
    let output =
        run(&mut Stores::new(), "s", format!("{SETUP}show {command}").as_bytes(), &Setting::default());
    let output = output.unwrap_or_else(|e| panic!("{e}"));
    (output.text.clone(), output.notes.iter().map(|n| n.message.clone()).collect())
}

/// Nothing is passed over in silence.
#[test]
fn what_is_not_there_is_said() {
    for (command, expected) in [
        ("rule id=3 policy=P", "rule '3' does not exist, expected 'R' or 'T'"),
        ("rule name=X policy=P", "rule 'X' does not exist"),
        ("rule all X", "policy 'X' does not exist"),
        ("filterlist rule=X", "rule 'X' does not exist, expected 'R' or 'T'"),
        ("filteraction rule=X", "rule 'X' does not exist"),
        ("gpoassignedpolicy name=G", "this computer is in no domain"),
        ("filterlist all resolvedns=yes", "nobody is asked"),
    ] {
        let (_, notes) = show(command);
        assert!(notes.contains(expected), "{command}: {notes}");
    }
    let output =
        run(&mut Stores::new(), "s", b"ipsec static show filterlist all", &Setting::default()).unwrap();
    assert!(output.notes[0].message.contains("there is no filter list in this store"));
}

#[test]
fn rules_by_number_by_kind_and_by_what_they_use() {
    for (command, there, not_there) in [
        ("rule id=2 policy=P", ": T", ": R"),
        ("rule all P type=tunnel", ": T", ": R"),
        ("rule all P type=tranport", ": R", ": T"),
        ("filterlist rule=R", ": L", ": A"),
        ("filteraction rule=R", ": A", ": L"),
    ] {
        let (text, notes) = show(command);
        assert!(text.contains(there) && !text.contains(&format!("{not_there}\n")), "{command}: {text}");
        assert_eq!(notes, "", "{command}");
    }
    assert!(show("rule R P").0.contains("Root CA : CN=Root  certmap:yes excludecaname:no"));
    let (verbose, _) = show("policy P verbose");
    assert!(verbose.contains("<Dynamic>") && verbose.contains("GUID"), "{verbose}");
}
