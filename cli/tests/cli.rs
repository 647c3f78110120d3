//! The command as people and CI servers use it: exit codes, prefixes, files, errors.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn ipseclab(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ipseclab"))
        .args(args)
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .output()
        .expect("the binary runs")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// A fresh folder for one test.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("a folder");
    path
}

fn data(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name).display().to_string()
}

#[test]
fn list_names_every_scenario() {
    let output = ipseclab(&["list"]);
    assert_eq!(code(&output), 0);
    let text = stdout(&output);
    for name in ipsec_scenarios::embedded::names() {
        assert!(text.contains(name), "{name} is missing");
    }
}

#[test]
fn list_of_a_family_says_why() {
    let text = stdout(&ipseclab(&["list", "nat-hairpinning-*"]));
    assert!(text.starts_with("# nat: "), "{text}");
    assert!(text.contains("RFC 4787 section 6"), "{text}");
    assert!(!text.contains("kb816514"), "{text}");
    assert_eq!(code(&ipseclab(&["list", "nobody-*"])), 2);
}

#[test]
fn a_prefix_chooses_the_story_before_its_twins() {
    let out = folder("prefix");
    let output = ipseclab(&["run", "kb816514", "--out", &out.display().to_string()]);
    assert_eq!(code(&output), 0, "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).starts_with("kb816514-neta-netb-tunnel:"));
    for file in ["outside.pcapng", "neta.pcapng", "trace.txt", "report.json", "wireshark/esp_sa"] {
        assert!(out.join(file).exists(), "{file} is missing");
    }
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["schema"], "ipseclab-report/1");
    assert_eq!(report["held"], true);
    assert!(report["checks"].as_array().is_some_and(|c| c.len() > 5));
    assert!(stdout(&output).contains(report["digest"].as_str().unwrap()));
}

#[test]
fn json_is_what_report_json_holds() {
    let out = folder("json");
    let output = ipseclab(&["run", "kb301284", "--format", "json", "--out", &out.display().to_string()]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(stdout(&output), std::fs::read_to_string(out.join("report.json")).unwrap());
}

#[test]
fn a_pattern_runs_several_and_prints_a_total() {
    let output = ipseclab(&["run", "kb301284-p*"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.lines().any(|l| l.starts_with("kb301284-psk-mismatch ") && l.ends_with("held")), "{text}");
    assert!(text.contains("kb301284-p*: 4 of 4 scenarios held every check;"), "{text}");
    let json = ipseclab(&["run", "kb301284-ps*", "--format", "json", "--seeds", "1..3"]);
    let table: serde_json::Value = serde_json::from_str(&stdout(&json)).expect("JSON");
    assert_eq!((&table["schema"], &table["runs"]), (&"ipseclab-table/1".into(), &2.into()));
    assert_eq!(table["scenarios"][0]["scenario"], "kb301284-psk-mismatch");
    assert_eq!(code(&ipseclab(&["run", "kb301284-*nobody"])), 2);
}

#[test]
fn a_family_in_which_one_fails_fails() {
    let out = folder("family").join("mine");
    std::fs::create_dir(&out).unwrap();
    for file in std::fs::read_dir(data("nat")).unwrap() {
        let path = file.unwrap().path();
        std::fs::copy(&path, out.join(path.file_name().unwrap())).unwrap();
    }
    let family = std::fs::read_to_string(out.join("family.toml")).unwrap();
    let start = family.find("[[scenario]]").unwrap();
    let mine = |outcome: &str| {
        format!(
            "{}[[scenario]]\nname = \"mine-{{{{traffic}}}}\"\ntitle = \"t\"\noutcome = \"{outcome}\"\nwhy = \"w\"\n\
             only = {{ traffic = [\"tcp\", \"icmp\"] }}\nwords = {{ keys = \"hand\", box = \"pass-through\" }}\n",
            &family[..start]
        )
    };
    let run = |outcome: &str, more: &[&str]| {
        std::fs::write(out.join("family.toml"), mine(outcome)).unwrap();
        ipseclab(&[&["run", &out.display().to_string()], more].concat())
    };
    let output = run("protected", &[]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert!(stdout(&output).contains("1 of 2 scenarios held every check"), "{}", stdout(&output));
    assert!(stdout(&output).contains("FAILED  outcome: refused, wanted protected"), "{}", stdout(&output));
    let again = format!("{}/mine-tcp", out.display());
    assert!(
        stderr(&output).contains(&format!("again: ipseclab run {again} --seed 1")),
        "{}",
        stderr(&output)
    );
    let output = ipseclab(&["run", &again]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert!(
        stderr(&output).contains(&format!("again: ipseclab run {again} --seed 1")),
        "{}",
        stderr(&output)
    );
    assert_eq!(code(&ipseclab(&["run", &format!("{}/mine-nobody", out.display())])), 2);
    let junit = run("protected", &["--format", "junit"]);
    assert_eq!(code(&junit), 1);
    assert_eq!(stdout(&junit).matches("<failure message=").count(), 1);
    assert_eq!(code(&run("odd", &[])), 2);
}

#[test]
fn ambiguous_and_unknown_names_are_usage_errors() {
    let output = ipseclab(&["run", "kb816514-gwa"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("kb816514-gwa-without-inbound-rule"), "{}", stderr(&output));
    assert_eq!(code(&ipseclab(&["run", "kb999"])), 2);
    assert_eq!(code(&ipseclab(&["run"])), 2);
    assert_eq!(code(&ipseclab(&["fly"])), 2);
}

#[test]
fn options_are_checked() {
    for args in [
        ["--loss", "10"],
        ["--loss", "101%"],
        ["--seeds", "5..5"],
        ["--seeds", "7"],
        ["--seed", "x"],
        ["--format", "xml"],
        ["--faults-until", "45"],
    ] {
        let output = ipseclab(&["run", "kb816514", args[0], args[1]]);
        assert_eq!(code(&output), 2, "{args:?}: {}", stdout(&output));
    }
}

#[test]
fn a_failed_check_is_exit_code_1_and_prints_the_replay() {
    let out = folder("failing");
    let scenario = out.join("mine");
    std::fs::create_dir(&scenario).unwrap();
    for file in ["topology.toml", "steps.toml", "gwa.netsh", "gwb.netsh"] {
        let text = std::fs::read_to_string(Path::new(&data("kb816514-neta-netb-tunnel")).join(file)).unwrap();
        std::fs::write(scenario.join(file), text.replace("at_least = 10", "at_least = 100")).unwrap();
    }
    let mine = scenario.display().to_string();
    let files = out.join("files").display().to_string();
    let output = ipseclab(&["run", &mine, "--seed", "7", "--out", &files]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert!(stdout(&output).contains("FAILED  ping-neta-netb"));
    assert!(stderr(&output).contains(&format!("ipseclab run {mine} --seed 7")), "{}", stderr(&output));
    let junit = ipseclab(&["run", &mine, "--format", "junit", "--out", &files]);
    assert_eq!(code(&junit), 1);
    assert!(stdout(&junit).contains("<failure message="));
}

#[test]
fn a_directory_runs_like_its_name() {
    let out = folder("directory");
    let digest = |scenario: &str, n: &str| {
        let files = out.join(n).display().to_string();
        let output = ipseclab(&["run", scenario, "--format", "json", "--out", &files]);
        let report: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        report["digest"].as_str().unwrap().to_string()
    };
    let name = "kb816514-gwa-without-outbound-rule";
    assert_eq!(digest(&data(name), "a"), digest(name, "b"));
}

#[test]
fn a_broken_scenario_names_file_line_and_key() {
    let out = folder("broken");
    std::fs::write(out.join("topology.toml"), "title = \"t\"\narticle = \"a\"\nlinc = []\n").unwrap();
    let output = ipseclab(&["run", &out.display().to_string()]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("topology.toml:3:1: linc: unknown field"), "{}", stderr(&output));
}

#[test]
fn what_cannot_be_written_is_exit_code_3() {
    let out = folder("unwritable");
    let file = out.join("file");
    std::fs::write(&file, "in the way").unwrap();
    let output =
        ipseclab(&["run", "kb816514-gwa-without-out", "--out", &file.join("below").display().to_string()]);
    assert_eq!(code(&output), 3, "{}", stderr(&output));
}

#[test]
fn seeds_print_their_rate() {
    let output = ipseclab(&["run", "kb816514", "--seeds", "0..2"]);
    assert_eq!(code(&output), 0, "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("2 of 2 seeds held every check"), "{}", stdout(&output));
    assert!(stdout(&output).contains("runs per second"));
}

#[test]
fn netsh_shows_rules_and_filters_in_match_order() {
    let script = data("kb816514-neta-netb-tunnel/gwa.netsh");
    let output = ipseclab(&["netsh", &script, "--address", "203.0.113.1/24", "--address", "10.1.0.1/16"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let text = stdout(&output);
    for wanted in
        ["rule 'Tunnel to NetB'", "rule 'Tunnel to NetA'", "tunnel to 203.0.113.2", "everything else: permit"]
    {
        assert!(text.contains(wanted), "no `{wanted}` in\n{text}");
    }
    assert!(!text.contains("-actual key-"), "keys are not printed");
}

#[test]
fn netsh_errors_name_the_place() {
    let out = folder("netsh");
    let script = out.join("wrong.netsh");
    std::fs::write(
        &script,
        "netsh ipsec static add policy name=p\nnetsh ipsec static add filter filterlist=f srcaddr=me\n",
    )
    .unwrap();
    let output = ipseclab(&["netsh", &script.display().to_string()]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("wrong.netsh:2:"), "{}", stderr(&output));
    assert_eq!(code(&ipseclab(&["netsh", "no-such-file.netsh"])), 2);
}

/// Lines of standard input, as at the prompt.
fn typed(args: &[&str], lines: &str) -> Output {
    use std::io::Write as _;
    let mut child = Command::new(env!("CARGO_BIN_EXE_ipseclab"))
        .args(args)
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary runs");
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

/// What lines make is kept in a file, which is a script; a wrong line is told and the next one follows.
#[test]
fn netsh_keeps_a_store_between_lines() {
    let out = folder("netsh-store");
    let store = out.join("alice.netsh").display().to_string();
    let output = typed(
        &["netsh", "--store", &store],
        "ipsec static\nadd policy P assign=y\nadd polcy Q\nadd policy R\nexit\nadd policy S\n",
    );
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("standard input:3:5: found `polcy`"), "{}", stderr(&output));
    let output = typed(&["netsh", "--store", &store], "ipsec static show policy all");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let text = stdout(&output);
    let names: Vec<&str> = text.lines().filter(|l| l.starts_with("Policy Name")).collect();
    assert_eq!(names, ["Policy Name              : P", "Policy Name              : R"]);
    let dump = stdout(&ipseclab(&["netsh", "--dump", &store]));
    assert_eq!(dump, std::fs::read_to_string(&store).unwrap());
}

/// A command behind `netsh`, as on Windows: its words, its options, its exit code, and the prompt in a context.
#[test]
fn netsh_takes_a_command_on_the_command_line() {
    let out = folder("netsh-command");
    let store = out.join("c.netsh").display().to_string();
    let run = |words: &[&str]| ipseclab(&[&["netsh", "--store", &store], words].concat());
    assert_eq!(
        code(&run(&["ipsec", "static", "add", "policy", "name=two words", "description=say \"hi\""])),
        0
    );
    let output = run(&["ipsec", "static", "add", "policy", "two words"]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("command line:1:25: policy 'two words' already exists"));
    assert_eq!(code(&run(&["ipsec", "static", "show", "policy", "nobody's"])), 1);
    let file = out.join("f.txt");
    std::fs::write(&file, "add policy ^\n name=Q\n").unwrap();
    assert_eq!(code(&run(&["-c", "ipsec static", "-f", &file.display().to_string()])), 0);
    let text = stdout(&run(&["ipsec", "static", "show", "policy", "all"]));
    assert!(text.contains(": two words") && text.contains(": say \"hi\"") && text.contains(": Q"), "{text}");
    let output = run(&["-r", "server", "ipsec", "static", "show", "all"]);
    assert!(stderr(&output).contains("other computers have stores of their own"), "{}", stderr(&output));
    let output =
        typed(&["netsh", "--store", &store, "-c", "ipsec static"], "show policy ^\n  name=Q\nshow store\n");
    assert!(
        stdout(&output).contains(": Q") && stdout(&output).contains("Local Store"),
        "{}",
        stdout(&output)
    );
}

/// `--check` goes on after errors, names each place, and changes nothing.
#[test]
fn netsh_checks_scripts_to_their_ends() {
    let wild = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy/tests/data/wild/kjyw-ipsec5.bat");
    let output = ipseclab(&["netsh", "--check", &wild.display().to_string()]);
    assert_eq!(code(&output), 1);
    let text = stdout(&output);
    assert!(text.contains("kjyw-ipsec5.bat:30:") && text.contains("18 commands, 3 refused"), "{text}");
}

/// Batch files get their arguments; scripts in the older notations come out as netsh's.
#[test]
fn netsh_runs_batch_files_with_arguments() {
    let wild = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy/tests/data/wild/spylog-ipsecspylog.bat");
    let wild = wild.display().to_string();
    let output = ipseclab(&["netsh", &wild, "--dump", "--argument", "install", "--argument", "-skip-filter"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("add policy name=\"SpyLogBlock\"") && !text.contains("add rule"), "{text}");
    let out = folder("netsh-older");
    let script = out.join("older.cmd");
    std::fs::write(&script, "ipseccmd -w REG -p P -r R -f 0+10.0.0.1::TCP -n BLOCK -x\n").unwrap();
    let script = script.display().to_string();
    let text = stdout(&ipseclab(&["netsh", &script, "--dump", "--release", "windows-xp", "--own-tools"]));
    assert!(
        text.contains("add filter filterlist=\"R filter list\" srcaddr=me dstaddr=10.0.0.1 protocol=TCP"),
        "{text}"
    );
    let output = ipseclab(&["netsh", &script, "--release", "windows-2003", "--own-tools"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("'ipseccmd' is not recognized"), "{}", stderr(&output));
}

/// A script that comes to no command was not checked, and one that asks for arguments says so.
#[test]
fn netsh_takes_no_idle_script_for_a_good_one() {
    let out = folder("netsh-idle");
    let (asks, empty) = (out.join("asks.cmd"), out.join("empty.cmd"));
    std::fs::write(&asks, "if \"%1\"==\"\" exit /b\nnetsh ipsec static add policy name=%1\n").unwrap();
    std::fs::write(&empty, "rem nothing yet\n").unwrap();
    let (asks, empty) = (asks.display().to_string(), empty.display().to_string());
    let output = ipseclab(&["netsh", "--check", &asks]);
    assert_eq!((code(&output), stderr(&output).contains("give them with --argument")), (1, true));
    let output = ipseclab(&["netsh", "--check", &asks, "--argument", "P"]);
    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""));
    let output = ipseclab(&["netsh", "--check", &empty]);
    assert_eq!((code(&output), stderr(&output)), (1, format!("{empty}: it came to no netsh command\n")));
    // Without it nothing was asked but what there is.
    assert_eq!(code(&ipseclab(&["netsh", &empty])), 0);
}

/// Exports go into the current directory, and never over a file that is not an export.
#[test]
fn netsh_exports_harm_no_file() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let lines = "ipsec static add policy P\nipsec static exportpolicy C:\\x\\netsh-export-test\n";
    let path = dir.join("netsh-export-test.ipsec");
    let _ = std::fs::remove_file(&path);
    for _ in 0..2 {
        let output = typed(&["netsh"], lines);
        assert!(stdout(&output).contains("wrote netsh-export-test.ipsec"), "{}", stderr(&output));
    }
    std::fs::write(&path, "precious").unwrap();
    assert!(stderr(&typed(&["netsh"], lines)).contains("left alone"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_profile_says_of_every_value_how_sure_it_is() {
    let output = ipseclab(&["profile", "windows-2003", "--format", "json"]);
    assert_eq!(code(&output), 0);
    let all: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let values = all[0]["values"].as_array().expect("values");
    assert!(values.iter().all(|v| v["confidence"].is_string() && v["source"].is_string()));
    let groups = values.iter().find(|v| v["name"] == "groups").expect("groups");
    assert_eq!(
        (groups["value"].as_str(), groups["confidence"].as_str()),
        (Some("1, 2, 14"), Some("confirmed"))
    );
    let text = stdout(&ipseclab(&["profile", "rfc"]));
    assert!(text.contains("unlimited"), "{text}");
    let output = ipseclab(&["profile", "--diff", "windows-xp", "windows-xp-sp2", "--format", "json"]);
    let found: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let rows = found.as_array().expect("differences");
    let nat = rows.iter().find(|row| row["name"] == "nat-traversal").expect("one has none");
    assert_eq!((&nat["a"], &nat["b"]), (&"none".into(), &"draft-ietf-ipsec-nat-t-ike-02".into()));
    assert!(!rows.iter().any(|row| row["name"] == "groups"));
    let output = ipseclab(&["profile", "windows-95"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("windows-2000-sp4-rollup"));
}
