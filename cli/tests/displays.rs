//! What people look at: verdicts, monitors, netdiag, as commands.

use std::path::Path;
use std::process::{Command, Output};

fn ipseclab(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ipseclab"))
        .args(args)
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .output()
        .expect("the binary runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// Exit code and what was printed.
fn said(args: &[&str]) -> (i32, String) {
    let output = ipseclab(args);
    (output.status.code().expect("no signal"), stdout(&output))
}

/// KB 816514's test with Network Monitor, on the capture of each interface; and somebody else's capture.
#[test]
fn verdict_reads_captures_of_ours_and_of_others() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verdict");
    let (code, _) = said(&["run", "kb816514", "--out", &out.display().to_string()]);
    assert_eq!(code, 0);
    let file = |name: &str| out.join(name).display().to_string();
    let (code, text) = said(&["verdict", &file("outside.pcapng")]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("203.0.113.1 <-> 203.0.113.2: protected by ESP"), "{text}");
    let (code, text) = said(&["verdict", &file("neta.pcapng")]);
    assert_eq!(code, 1);
    assert!(text.ends_with("Verdict: clear\n") && text.contains("ICMP 10.1.0.10 -> 10.2.0.10"), "{text}");

    let theirs = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../vectors/data/recorded-ikev1/rsa-3des-sha1-modp1024-3des-sha1/capture.pcap");
    let (code, text) = said(&["verdict", &theirs.display().to_string(), "--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, document["verdict"].as_str()), (0, Some("esp")));
    assert_eq!(document["pairs"][0]["esp_in_udp"], 16);
}

#[test]
fn verdict_has_exit_codes_for_what_is_expected_wrong_or_not_there() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verdict-codes");
    said(&["run", "kb816514", "--out", &out.display().to_string()]);
    let inside = out.join("neta.pcapng").display().to_string();
    let code = |args: &[&str]| said(&[&["verdict"], args].concat()).0;
    assert_eq!(code(&[&inside, "--expect", "clear"]), 0);
    assert_eq!(code(&[&inside, "--expect", "clear", "--between", "10.1.0.0/16", "10.9.0.0/16"]), 1);
    assert_eq!(code(&[&inside, "--expect", "clear", "--between", "10.2.0.10", "10.1.0.10"]), 0);
    assert_eq!(code(&[&inside, "--expect", "safe"]), 2);
    assert_eq!(code(&[&out.join("report.json").display().to_string()]), 2);
    assert_eq!(code(&["nothing-there.pcap"]), 3);
}
