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
    // Protected, as far as it goes: of what is missing nobody knows.
    let outside = out.join("outside.pcapng");
    let whole = std::fs::read(&outside).expect("a capture");
    let cut = out.join("cut.pcapng");
    std::fs::write(&cut, &whole[..whole.len() - 9]).expect("written");
    let (code, text) = said(&["verdict", &cut.display().to_string()]);
    assert!(code == 1 && text.contains("Verdict: protected by ESP, up to octet "), "{text}");
    let (code, text) = said(&["verdict", &cut.display().to_string(), "--expect", "esp", "--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert!(code == 0 && document["damaged_at"].is_u64() && document["not_judged"] == 0, "{text}");
}

/// KB 816514 runs netdiag on Windows Server 2003, whose own netdiag knows no IPsec.
#[test]
fn netdiag_prints_the_policy_and_hides_the_key() {
    let output = ipseclab(&["netdiag", "kb816514", "gwa"]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("not available") && error.contains("netsh ipsec"), "{error}");
    let (code, text) = said(&["netdiag", "kb816514", "gwa", "--kb816514-compat"]);
    assert_eq!(code, 0);
    assert!(
        text.starts_with("Local IPSec Policy Active: 'IPSec Tunnel with non-Microsoft Gateway'"),
        "{text}"
    );
    assert!(text.contains("There are two filters\nNetA to NetB\n") && !text.contains("actual key"), "{text}");
    let (_, text) = said(&["netdiag", "kb816514", "gwa", "--kb816514-compat", "--show-keys"]);
    assert!(text.contains("Method = Preshared key: -actual key-\n"), "{text}");
    let line = "netdiag /test:ipsec /debug > filename.txt";
    assert_eq!(said(&["netdiag", "kb816514", "gwa", line, "--kb816514-compat"]), (0, String::new()));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("filename.txt");
    assert!(std::fs::read_to_string(file).expect("the file").contains("Offer #0:"));
    assert_eq!(said(&["netdiag", "kb816514", "nobody"]).0, 2);
}

#[test]
fn monitor_prints_a_moment_as_text_and_json() {
    let (code, text) = said(&["monitor", "kb816514", "--at", "1s"]);
    assert_eq!(code, 0);
    assert!(text.starts_with("gwa: IP Security Monitor at 1.000000 s"), "{text}");
    assert!(text.contains("Quick mode: 0 security associations"), "{text}");
    // Not on a terminal, the end of the scenario.
    let (_, text) = said(&["monitor", "kb816514"]);
    assert!(text.contains("  NetA to NetB: 10.1.0.0/16 -> 10.2.0.0/16, ANY\n"), "{text}");
    let (_, text) = said(&["monitor", "kb301284", "--node", "bob", "--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (&document["schema"], &document["monitor"]),
        (&"ipseclab-monitor/1".into(), &"ipsecmon".into())
    );
    assert_eq!(said(&["monitor", "kb816514", "--node", "host-a"]).0, 2);
    let refused = ipseclab(&["monitor", "kb816514", "--from", "windows-xp"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Remote Desktop"));
    assert_eq!(said(&["monitor", "kb816514", "--from", "windows-2003", "--at", "1s"]).0, 0);
}

/// What `ipseclab run` leaves behind can be looked at, at any of its times: of a story, with faults, of a twin.
#[test]
fn monitor_shows_a_recorded_run() {
    let out = |name: &str| Path::new(env!("CARGO_TARGET_TMPDIR")).join(name).display().to_string();
    let recorded = out("recorded");
    assert_eq!(said(&["run", "kb816514", "--seed", "7", "--out", &recorded]).0, 0);
    for at in [&["--at", "1s"][..], &["--at", "18s"], &[]] {
        let (code, shown) = said(&[&["monitor", &recorded], at].concat());
        let (_, live) = said(&[&["monitor", "kb816514", "--seed", "7"], at].concat());
        assert_eq!((code, shown), (0, live));
    }
    assert_eq!(said(&["monitor", &recorded, "--seed", "8"]).0, 2);
    let (_, text) = said(&["monitor", &recorded, "--node", "gwb", "--at", "18s", "--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (&document["at_us"], &document["associations"][0]["kind"]),
        (&18_000_000.into(), &"tunnel".into())
    );

    // At its end the digest shows whether it was the same run: with faults and their probes, and of a twin's direction.
    let faulty = out("recorded-faults");
    said(&["run", "kb301284", "--seed", "3", "--loss", "5%", "--dup", "5%", "--out", &faulty]);
    let twin = out("recorded-twin");
    assert_eq!(said(&["run", "kb816514-psk-mismatch", "--out", &twin]).0, 0);
    for folder in [&faulty, &twin] {
        let output = ipseclab(&["monitor", folder]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let report = Path::new(&recorded).join("report.json");
    let text = std::fs::read_to_string(&report).expect("a report");
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let digest = document["digest"].as_str().expect("a digest");
    std::fs::write(&report, text.replace(digest, &"0".repeat(64))).expect("written");
    let output = ipseclab(&["monitor", &report.display().to_string()]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && error.contains("not what was recorded"), "{error}");
    std::fs::write(&report, text.replace("ipseclab-report/1", "ipseclab-report/9")).expect("written");
    assert_eq!(said(&["monitor", &report.display().to_string()]).0, 2);
}

/// The recording of a live node: somebody asks for a negotiation, and nobody answers. Written by hand, in the form of
/// `ipseclab live --record`.
#[test]
fn monitor_shows_the_recording_of_a_live_node() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let run = folder.join("silent.rec");
    let mut lines = vec![
        r#"{"version":1,"program":"0.1.0","configuration":"","mtu":1400,"interfaces":[{"name":"eth1","outside":true,"addresses":[["203.0.113.1",24]]},{"name":"ipsec0","outside":false,"addresses":[["10.1.0.1",16]]}],"routes":[{"destination":["203.0.113.0",24],"interface":0,"source":null}]}"#.to_owned(),
        r#"{"in":[1000000000,{"initiate":[0,{"local":"10.1.0.1","remote":"10.2.0.1","protocol":1,"local_port":null,"remote_port":null}]}]}"#.to_owned(),
    ];
    lines.extend((2..200).map(|second| format!(r#"{{"in":[{second}000000000,"timeout"]}}"#)));
    std::fs::write(&run, lines.join("\n") + "\n").expect("written");
    let file = "[machine]\noutside = [\"eth1\"]\n[[connection]]\nname = \"to NetB\"\nlocal-address = \"203.0.113.1\"\nremote-address = \"203.0.113.2\"\nlocal = [\"10.1.0.0/16\"]\nremote = [\"10.2.0.0/16\"]\nkey = \"-actual key-\"\n";
    let zeros = vec![0; 32];
    let secrets = [
        serde_json::json!({ "seed": [1, zeros] }).to_string(),
        serde_json::json!({ "sources": { "file": file, "others": {} } }).to_string(),
    ];
    std::fs::write(folder.join("silent.rec.secrets"), secrets.join("\n")).expect("written");
    let run = run.display().to_string();
    let shown = |at: &str| {
        let output = ipseclab(&["monitor", &run, "--at", at, "--format", "json"]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let document: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        let of = |name: &str| document["statistics"]["main_mode"][name].as_u64();
        (of("Total Acquire"), of("Active Acquire"), of("Acquire Failures"), of("ISADB List Size"))
    };
    assert_eq!(shown("500ms"), (Some(0), Some(0), Some(0), Some(0)));
    assert_eq!(shown("5s"), (Some(1), Some(0), Some(0), Some(1)));
    // IKE has given up.
    assert_eq!(shown("199s"), (Some(1), Some(0), Some(1), Some(0)));
    let (_, text) = said(&["monitor", &run, "--at", "5s"]);
    assert!(text.starts_with("node: IP Security Monitor at 5.000000 s"), "{text}");
    assert_eq!(said(&["monitor", &run, "--secrets", "nowhere"]).0, 2);
    assert_eq!(said(&["monitor", &run, "--node", "gwa"]).0, 2);
}
