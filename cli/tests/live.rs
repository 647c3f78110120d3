//! `ipseclab live`, `ctl` and `replay` where they refuse: without privileges, devices or namespaces.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn ipseclab(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ipseclab")).args(args).output().expect("the binary runs")
}

/// Exit code and what was complained about.
fn refusal(args: &[&str]) -> (i32, String) {
    let output = ipseclab(args);
    (output.status.code().expect("no signal"), String::from_utf8(output.stderr).expect("UTF-8"))
}

fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).expect("a file");
    path
}

#[test]
fn a_configuration_that_cannot_be_is_exit_code_2() {
    let rule = "[[connection]]\nname = \"a\"\n";
    for (text, why) in [
        ("", "missing field `machine`"),
        ("machine.outside = []\nnetsh = [\"a\"]", "machine.outside: name at least one interface"),
        ("machine.outside = [\"lo\"]", "either `netsh` scripts or connections make the policy"),
        ("machine.outside = [\"lo\"]\nnetsh = [\"no such script\"]", "no such script: No such file"),
        ("machine.outside = [\"lo\"]\nmachine.colour = \"red\"\nnetsh = [\"a\"]", "unknown field `colour`"),
        (
            "machine.outside = [\"lo\"]\nike.profile = \"windows-3.11\"\nnetsh = [\"a\"]",
            "there are windows-2000",
        ),
        (&format!("machine.outside = [\"lo\"]\n{rule}{rule}"), "two connections have the name `a`"),
    ] {
        let path = file("wrong.toml", text);
        let (code, message) = refusal(&["live", "--config", &path.display().to_string()]);
        assert_eq!(code, 2, "{message}");
        assert!(message.contains(why), "{message}");
    }
}

#[test]
fn a_computer_that_lacks_something_is_exit_code_3() {
    let path =
        file("elsewhere.toml", "machine.outside = [\"wlan77\"]\n[[connection]]\nname = \"a\"\nkey = \"k\"\n");
    let (code, message) = refusal(&["live", "--config", &path.display().to_string()]);
    assert_eq!((code, message.contains("interface `wlan77`: it does not exist")), (3, true), "{message}");
    let (code, message) = refusal(&["ctl", "--socket", "/nonexistent/control", "status"]);
    assert_eq!((code, message.contains("is a node running")), (3, true), "{message}");
}

#[test]
fn without_its_secrets_no_run_is_repeated() {
    let path = file("run.rec", "{}\n");
    let (code, message) = refusal(&["replay", &path.display().to_string()]);
    assert_eq!(code, 2, "{message}");
    assert!(message.contains("run.rec.secrets: ") && message.contains("without its secrets"), "{message}");
}

#[test]
fn the_schema_describes_every_key_of_the_file() {
    let output = ipseclab(&["live", "--schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let of = |name: &str| schema["$defs"][name]["properties"].as_object().expect("a table").clone();
    for (table, keys) in [
        ("Machine", &["outside", "tun", "mtu", "control", "guard", "capture"][..]),
        ("Connection", &["local-address", "remote-address", "suites", "key-file", "accept-aggressive"]),
    ] {
        let known = of(table);
        for key in keys {
            let text = known.get(*key).and_then(|k| k["description"].as_str()).unwrap_or_default();
            assert!(!text.is_empty(), "{table}.{key} is not described");
        }
    }
    // What only the command line may set is no key.
    assert!(!of("Machine").contains_key("keys") && !of("Machine").contains_key("record"));
}
