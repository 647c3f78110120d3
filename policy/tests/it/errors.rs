//! Errors name file, line, column, what was found and what was expected, and change nothing.

use ipsec_policy::Store;
use ipsec_policy::netsh::{Error, run_script};

const SETUP: &str = "add policy name=P\nadd filter filterlist=L srcaddr=me dstaddr=any\nadd filteraction name=A action=block\n";

/// The error of one line after a set-up, with the store checked.
fn error(line: &str) -> Error {
    let mut store = Store::new();
    run_script(&mut store, "setup", SETUP.as_bytes()).unwrap();
    let before = store.clone();
    let script = format!("add policy name=Q\n{line}");
    let error = run_script(&mut store, "s.netsh", script.as_bytes()).expect_err(line);
    assert_eq!(store, before, "{line}");
    assert_eq!(error.line, 2, "{line}");
    error
}

#[test]
fn every_kind_in_words() {
    let lines = [
        "add filter filterlist=L srcaddr=300.1.1.1 dstaddr=me",
        "add filter filterlist=L srcaddr=10.0.0.0 srcmask=255.0.255.0 dstaddr=me",
        "add filter filterlist=L srcaddr=any dstaddr=me protocol=TPC",
        "add filter filterlist=L srcaddr=any dstaddr=me dstport=80",
        "add filter filterlist=L srcaddr=any dstaddr=me protocol=tcp dstport=70000",
        "add filter filterlist=L srcaddr=DNS dstaddr=any",
        "add filter filterlist=L srcaddr= dstaddr=me",
        "add filter filterlist=L srcaddr=me",
        "add filter filterlist=L srcaddr=any dstaddr=me mirrored",
        "add filter filterlist=L srcaddr=any dstaddr=me mirrored=maybe",
        "add filteraction name=B action=request",
        "add filteraction name=B action=negotiate qmsecmethods=\"ESP[AES,SHA1]\"",
        "add filteraction name=B action=negotiate qmsecmethods=\"ESP[None,None]\"",
        "add filteraction name=a action=permit",
        "add policy name=P2 mmsecmethods=\"3DES-SHA1-4\"",
        "add policy name=P2 mmlifetime=0",
        "add policy name=\"P2",
        "add policy",
        "add policy name=P2 name=P3",
        "add policy name=P2 colour=red",
        "add rule name=R policy=P filterlist=L filteraction=Missing",
        "add rule name=R policy=P filter=L action=A",
        "add rule name=R policy=P filterlist=L filteraction=A tunnel=any",
        "add rule name=R policy=P filterlist=L filteraction=A tunnel=192.0.2.0/24",
        "add show name=x",
        "add",
        "create policy name=x",
        "delete filterlist name=",
        "set policy assign=y",
        "set policy name=Nobody assign=y",
        "set store location=domain",
        "importpolicy file=x.ipsec",
        "ipsec statc add policy name=x",
        "ipsec dynamic add qmpolicy name=x",
    ];
    let all: Vec<String> = lines.iter().map(|line| error(line).to_string()).collect();
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn columns_count_characters_through_continuations_and_variables() {
    let mut store = Store::new();
    let script = "@echo off\r\nset WHO=any\r\nnetsh ipsec static ^\r\n\tadd filter filterlist=过滤 ^\r\n  srcaddr=%WHO% dstaddr=1.2.3";
    let error = run_script(&mut store, "c.bat", script.as_bytes()).unwrap_err();
    assert_eq!((error.line, error.column), (5, 25));
    assert_eq!(&*error.text, "  srcaddr=%WHO% dstaddr=1.2.3");
    let script = "netsh ipsec static add policy name=策略 assign=x";
    let error = run_script(&mut store, "c.bat", script.as_bytes()).unwrap_err();
    assert_eq!((error.line, error.column), (1, 46));
}

#[test]
fn an_unset_variable_is_never_guessed() {
    let mut store = Store::new();
    let script = "@echo off\nnetsh ipsec static add policy name=%NAME%";
    let error = run_script(&mut store, "v.bat", script.as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string().lines().next().unwrap(),
        "v.bat:2:36: the value of `%NAME%` is not known, expected it to be set in this script"
    );
}

#[test]
fn an_endless_loop_is_stopped() {
    let error = run_script(&mut Store::new(), "l.bat", b"@echo off\n:again\necho x\ngoto again").unwrap_err();
    assert!(error.to_string().contains("stopped after"), "{error}");
    // The line that happened to be the last is a label, which has no text to show.
    let error = run_script(&mut Store::new(), "l.bat", b":a\ngoto a").unwrap_err();
    assert_eq!((error.line, error.column), (2, 1));
}

/// A GUID of another computer is shown as it was written (the example of the help of `set filteraction`).
#[test]
fn foreign_guids_and_nameless_authorities() {
    let setup = "add policy P\nadd filterlist L\nadd filteraction A\n";
    for (line, why) in [
        (
            "set filteraction guid={11E6E97E-0031-49f5-AC7D-5F2FE99BABAF} inpass=y",
            "filter action '{11E6E97E-0031-49f5-AC7D-5F2FE99BABAF}' does not exist",
        ),
        ("add rule R P L A rootca=\"certmap:yes\"", "found `certmap:yes` for rootca"),
        ("add rule R P L A rootca=\"certmap:yes excludecaname:no\"", "expected the name of a certification"),
    ] {
        let script = format!("{setup}{line}");
        let error = ipsec_policy::netsh::run_script(&mut ipsec_policy::Store::new(), "s", script.as_bytes());
        assert!(error.unwrap_err().to_string().contains(why), "{line}");
    }
}

/// Words of later releases and of other contexts are refused with where they belong.
#[test]
fn words_from_elsewhere() {
    for (line, why) in [
        ("add filteraction B qmsecmethods=\"ESP[AES256,SHA1]\"", "AES came with Windows Vista"),
        ("add filteraction B qmsecmethods=\"ESP[3DES,SHA256]\"", "SHA-2 is of `netsh advfirewall`"),
        ("add filteraction B qmsecmethods=\"(ESP[3DES,SHA1])\"", "without round brackets"),
        ("add policy Q2 mmsecmethods=\"AES128-SHA1-2\"", "AES came with Windows Vista"),
        ("add policy Q2 mmsecmethods=3DES-SHA1-14", "14, is written 3"),
        ("add policy Q2 mmsecmethods=dhgroup2:3des-sha1", "this form is of `netsh advfirewall`"),
        ("add filter L any me protocol=GRE", "GRE has the number 47"),
        ("add filter L any me protocol=tcp dstport=80,443", "one port a filter"),
        ("add filter L any me protocol=tcp dstport=1-1024", "one port a filter"),
        ("add filter L any me protocol=tcp dstport=http", "services have no names"),
        ("add filter L 10.0.0.1,10.0.0.2 me", "one address a filter"),
        ("add filter L 10.0.0.0/255.0.0.0 me", "a mask goes into srcmask="),
        ("add rule R P L A auth1=computerpsk", "that one is of `netsh advfirewall`"),
        ("ipsec static add rule R P L A tunneldst=192.0.2.1", "here it is tunnel="),
        ("add policy /name=x", "without a sign in front"),
        ("add policy \u{2013}name=x", "without a sign in front"),
        ("set policy \"client (respond only)\" assign=y", "one of Windows' own"),
    ] {
        let error = error(line).to_string();
        assert!(error.contains(why), "{line}: {error}");
    }
}

/// What prints an error on Windows and lets the script go on has failed, and says what there is to know.
#[test]
fn what_lets_a_script_go_on() {
    let after = |line: &str| {
        let script = format!("@echo off\nnetsh ipsec static {line} && netsh ipsec static add policy WentOn");
        let mut store = Store::new();
        let output = run_script(&mut store, "s.bat", script.as_bytes()).unwrap();
        assert!(store.policy("WentOn").is_err(), "{line}");
        (output.text.clone(), crate::notes(&output))
    };
    // The number is in published scripts that look for it.
    assert!(after("show policy all").0.starts_with("ERR IPsec[05072] : "));
    assert!(after("delete policy P").1.contains("nothing deleted: policy 'P' does not exist"));
    let mut store = Store::new();
    let script = "add policy P\ndelete rule default P";
    let output = run_script(&mut store, "s", script.as_bytes()).unwrap();
    assert!(
        crate::notes(&output)
            .contains("never deleted; `set defaultrule policy=... activate=no` switches it off")
    );
    assert!(store.policy("P").unwrap().default_response.active);
}
