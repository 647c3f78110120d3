//! Batch files as administrators write them: blocking ports, isolation with a preshared key, code pages, subroutines,
//! lists in files. Each runs, or the place and the reason are named.

use ipsec_policy::netsh::{Setting, run, try_out};
use ipsec_policy::{Store, Stores};

use crate::{listing, notes};

fn folder() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/batch")
}

/// What the names of `script` stand for after it ran, with these files beside it.
fn after(script: &str, files: &[(&str, &str)]) -> (Stores, String) {
    let read = |name: &str| files.iter().find(|(n, _)| *n == name).map(|(_, text)| text.as_bytes().to_vec());
    let setting = Setting { read: Some(&read), ..Setting::default() };
    let mut stores = Stores::new();
    let output = run(&mut stores, "scripts/setup.bat", script.as_bytes(), &setting);
    let output = output.unwrap_or_else(|e| panic!("{e}"));
    (stores, notes(&output))
}

fn names(script: &str, files: &[(&str, &str)]) -> Vec<String> {
    after(script, files).0.local.policies().iter().map(|p| p.name.clone()).collect()
}

/// All of them: what is carried out, what is refused and where, and what there is to say.
#[test]
fn scripts_of_administrators() {
    let read = |name: &str| std::fs::read(folder().join(name)).ok();
    let setting = Setting { read: Some(&read), ..Setting::default() };
    let mut files: Vec<_> = std::fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|p| p.extension().is_some_and(|e| e != "txt") || p.ends_with("smart.txt"));
    files.sort();
    let mut table = String::new();
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let (output, errors) = try_out(&Stores::new(), &name, &std::fs::read(&path).unwrap(), &setting);
        table += &format!("{name}: {} carried out, {} refused\n", output.commands, errors.len());
        for error in errors {
            table += &format!("  refused {}:{}: {}\n", error.line, error.column, error.kind);
        }
        for note in output.notes {
            table += &format!("  {note}\n");
        }
    }
    insta::assert_snapshot!(table);
}

/// The filters that three of them make, which is what they are for.
#[test]
fn what_they_filter() {
    let mut all = String::new();
    for name in ["worm-ports.cmd", "isolation.cmd", "call-sub.bat"] {
        let mut store = Store::new();
        let bytes = std::fs::read(folder().join(name)).unwrap();
        ipsec_policy::netsh::run_script(&mut store, name, &bytes).unwrap_or_else(|e| panic!("{e}"));
        all += &listing(&store, &Default::default());
    }
    insta::assert_snapshot!(all);
}

/// A command that prints an error on Windows has failed, also where the script goes on here: what hangs on that is
/// carried out as Windows would.
#[test]
fn what_hangs_on_success() {
    let show = "@echo off\nnetsh ipsec static show policy name=A >nul 2>&1";
    let add = |name: &str| format!("netsh ipsec static add policy name={name}");
    let (a, b) = (add("A"), add("B"));
    for (script, expected) in [
        (format!("{show} && {b}"), vec![]),
        (format!("{show} || {a}"), vec!["A"]),
        (format!("{show} && goto end\n{a}\n:end"), vec!["A"]),
        (format!("{show} && echo y | {b}"), vec![]),
        (format!("{a}\n{show} && {b}"), vec!["A", "B"]),
        (format!("{a}\n{show} || {b}"), vec!["A"]),
        (format!("{show}\nif errorlevel 1 {a}"), vec!["A"]),
        (format!("{show}\nif not errorlevel 1 {a}"), vec![]),
        (format!("{show}\nif %errorlevel% neq 0 {a}"), vec!["A"]),
        (format!("{show}\necho on the way\nset x=1\nif %ERRORLEVEL%==0 ({b}) else {a}"), vec!["A"]),
        (format!("{a}\nif errorlevel 1 {b}"), vec!["A"]),
        (format!("call :sub\nif errorlevel 5 {a}\ngoto :eof\n:sub\nsetlocal\nexit /b 5"), vec!["A"]),
    ] {
        assert_eq!(names(&script, &[]), expected, "{script}");
    }
    // What another program leaves is not known, and a pipe ends with one.
    for between in ["ping localhost", "chcp 1252", "netsh ipsec static show all | find \"A\""] {
        let (stores, notes) = after(&format!("@echo off\n{a}\n{between}\nif errorlevel 1 {b}"), &[]);
        assert_eq!(stores.local.policies().len(), 1);
        assert!(notes.contains("the condition depends on the computer"), "{between}: {notes}");
    }
}

/// Lists in files that can be read are gone through; others, and what commands print, are named.
#[test]
fn lists_in_files() {
    let hosts =
        [("scripts/hosts.txt", "; ours\r\n\r\nA\r\nB a remark\r\n"), ("two lists.csv", "x,C\nD,E F\n")];
    for (line, expected) in [
        ("for /f %%i in (%~dp0hosts.txt) do netsh ipsec static add policy name=%%i", vec!["A", "B"]),
        (
            "for /f \"usebackq tokens=2 delims=,\" %%i in (\"two lists.csv\") do netsh ipsec static add policy name=\"%%i\"",
            vec!["C", "E F"],
        ),
        (
            "for /f \"usebackq tokens=1,2 delims=,\" %%i in (\"two lists.csv\") do netsh ipsec static add policy name=%%i description=\"%%j\"",
            vec!["x", "D"],
        ),
        (
            "for /f \"tokens=1-2\" %%a in (\"A B\") do for %%i in (%%b %%a) do netsh ipsec static add policy name=%%i",
            vec!["B", "A"],
        ),
        ("if exist scripts/hosts.txt netsh ipsec static add policy name=%~n0", vec!["setup"]),
        ("netsh -f %~dp0hosts.nsh", vec!["N"]),
    ] {
        let files = [&hosts[..], &[("scripts/hosts.nsh", "ipsec static add policy N")]].concat();
        assert_eq!(names(&format!("@echo off\n{line}"), &files), expected, "{line}");
    }
    for (line, why) in [
        ("for /f %%i in (none.txt) do netsh ipsec static add policy name=%%i", "there is no file `none.txt`"),
        ("for /f %%i in ('hostname') do netsh ipsec static add policy name=%%i", "depends on the computer"),
        (
            "for /f \"colour=red\" %%i in (scripts/hosts.txt) do netsh ipsec static add policy name=%%i",
            "depends on",
        ),
        ("for %%i in (%HOSTS%) do netsh ipsec static add policy name=%%i", "depends on the computer"),
        ("if not exist none.txt netsh ipsec static add policy name=A", "depends on the computer"),
    ] {
        let (stores, notes) = after(&format!("@echo off\n{line}"), &hosts);
        assert!(stores.local.policies().is_empty() && notes.contains(why), "{line}: {notes}");
    }
}

/// A directory is a place on a disk: it has a meaning where a file is named, and nowhere else.
#[test]
fn places_are_no_names() {
    for line in [
        "netsh ipsec static add policy name=%~dp0",
        "for %%i in (a) do netsh ipsec static add policy name=%%~fi",
    ] {
        let script = format!("@echo off\n{line}");
        let error = run(&mut Stores::new(), "d/s.bat", script.as_bytes(), &Setting::default()).unwrap_err();
        assert!(error.kind.to_string().contains("is not known"), "{error}");
    }
}

/// Scripts for several releases ask `ver` which one it is; that is known when the computer's release is.
#[test]
fn scripts_ask_for_the_release() {
    use ipsec_policy::profile;
    let bytes = std::fs::read(folder().join("slammer.bat")).unwrap();
    let rule = |release| {
        let mut stores = Stores::of(release);
        let output = run(&mut stores, "slammer.bat", &bytes, &Setting::default()).unwrap();
        assert!(output.notes.is_empty(), "{}", notes(&output));
        stores.local.policies().iter().flat_map(|p| &p.rules).map(|r| r.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(rule(&profile::WINDOWS_2003), ["Slammer"]);
    assert_eq!(rule(&profile::WINDOWS_XP_SP2), ["Block UDP 1434"]);
    assert_eq!(rule(&profile::WINDOWS_2000), ["Block UDP 1434"]);
    let p = "netsh ipsec static add policy P";
    for (line, expected) in [
        (format!("echo abc | find \"b\" >nul && {p}"), 1),
        (format!("echo abc | find \"B\" >nul && {p}"), 0),
        (format!("echo abc | find /i \"B\" >nul\nif not errorlevel 1 {p}"), 1),
        (format!("echo abc | find /v \"b\" || {p}"), 1),
        (format!("set x=dcba\necho %x%|findstr /C:\"cb\" && {p}"), 1),
        (format!("if \"%OS%\"==\"Windows_NT\" {p}"), 1),
        // A pattern, and a program that nobody here knows.
        (format!("echo abc | findstr \"a.c\" && {p}"), 0),
        (format!("hostname | find \"b\" && {p}"), 0),
    ] {
        assert_eq!(names(&format!("@echo off\n{line}"), &[]).len(), expected, "{line}");
    }
}
