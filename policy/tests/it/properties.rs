//! Properties: nothing panics, and an error never changes the store.

use ipsec_policy::compile::{LocalAddresses, compile, compile_stores, listing};
use ipsec_policy::netsh::{Setting, check, dump, run, run_script};
use ipsec_policy::{Store, Stores};
use proptest::prelude::*;

/// Words that scripts are made of, so that random scripts get past the first word.
fn word() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "netsh",
        "ipsec",
        "static",
        "dynamic",
        "add",
        "set",
        "delete",
        "show",
        "policy",
        "filterlist",
        "filter",
        "rule",
        "filteraction",
        "all",
        "name=",
        "name",
        "=",
        "policy=P",
        "P",
        "L",
        "A",
        "srcaddr=",
        "me",
        "any",
        "dstaddr=me",
        "10.0.0.1",
        "srcmask=",
        "24",
        "action=",
        "negotiate",
        "block",
        "qmsecmethods=",
        "\"ESP[3DES,SHA1]\"",
        "\"",
        "mirrored=no",
        "tunnel=",
        "1.2.3.4",
        "assign=y",
        "guid=",
        "{",
        "id=1",
        "psk=x",
        "kerberos=no",
        "^",
        "&",
        "&&",
        "||",
        "|",
        ">",
        "nul",
        "(",
        ")",
        "if",
        "not",
        "==",
        "for",
        "%%i",
        "in",
        "do",
        "goto",
        ":eof",
        "a",
        ":a",
        "call",
        "set",
        "x=%x%x",
        "%x%",
        "%1",
        "!x!",
        "setlocal",
        "enabledelayedexpansion",
        "rem",
        "echo",
        "//",
        "#",
        "pushd",
        "popd",
        "exit",
        "\u{201c}",
        "策略",
        "-c",
        "else",
        "%",
        "%%",
        "%~dp0",
        "%x:~1,-2%",
        "%x:a=b%",
        "/l",
        "(1,1,3)",
        "mmpolicy",
        "qmpolicy",
        "M",
        "conntype=all",
        "actionin=block",
        "dump",
        "exec",
        "store",
        "persistent",
        "exportpolicy",
        "importpolicy",
        "config",
        "ikelogging",
        "ipsecpol",
        "ipseccmd.exe",
        "-f",
        "0+1.2.3.4",
        "[*=0:80:TCP]",
        "-w",
        "REG",
        "-p",
        "-n",
        "PASS",
        "-u",
        "/f",
        "\"tokens=1,2* delims=,\"",
        "(hosts.txt)",
        "errorlevel",
        "exist",
        "type=specific",
        "format=table",
        "-1e",
        "commit",
        "/a",
        "n+=1,x=(n<<2)%%3",
        "/p",
        "x=ask:",
        "<",
        ">>",
        "x.nsh",
        "%temp%\\x.nsh",
        "type",
        "del",
        "choice",
        "%comspec%",
        "start",
        "cmd",
        "/c",
        "session",
        "`",
        "$x",
        "}",
        "@\"",
    ]);
    prop_oneof![8 => known.prop_map(str::to_owned), 1 => any::<String>(), 1 => Just("\r\n".to_owned()), 1 => Just("\n".to_owned())]
}

fn script() -> impl Strategy<Value = String> {
    prop::collection::vec((word(), prop::sample::select(vec![" ", " ", " ", "", "\n"])), 0..40)
        .prop_map(|words| words.into_iter().map(|(word, gap)| word + gap).collect())
}

fn prepared() -> Store {
    let setup =
        b"add policy P assign=y\nadd filter L me any\nadd filteraction A action=negotiate\nadd rule R P L A";
    let mut store = Store::new();
    run_script(&mut store, "setup", setup).unwrap();
    store
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = check(&prepared(), "any", &bytes);
        let _ = check(&prepared(), "any.ps1", &bytes);
    }

    #[test]
    fn an_error_changes_nothing(script in script()) {
        let mut store = prepared();
        if let Err(error) = run_script(&mut store, "s", script.as_bytes()) {
            prop_assert_eq!(&store, &prepared());
            let lines: Vec<&str> = script.split('\n').collect();
            prop_assert!(error.line >= 1 && error.line as usize <= lines.len(), "{}", error);
            prop_assert!(error.column >= 1 && error.column as usize <= error.text.chars().count() + 1, "{}", error);
        }
        let _ = check(&prepared(), "s.ps1", script.as_bytes());
        let _ = listing(&store, &LocalAddresses::default());
        let _ = compile(&store, &LocalAddresses::default());
    }

    /// With all that a computer has, and files that hold the script itself.
    #[test]
    fn whatever_runs_can_be_written_down(script in script()) {
        let read = |_: &str| Some(script.clone().into_bytes());
        let setting = Setting { read: Some(&read), ..Setting::default() };
        let prepared = || {
            let mut stores = Stores { local: prepared(), ..Stores::new() };
            let setup = b"ipsec dynamic add mmpolicy M\nipsec dynamic add qmpolicy Q";
            run(&mut stores, "setup", setup, &Setting::default()).unwrap();
            stores
        };
        let mut stores = prepared();
        if run(&mut stores, "s", script.as_bytes(), &setting).is_err() {
            prop_assert_eq!(&stores, &prepared());
        }
        let _ = compile_stores(&stores, &LocalAddresses::default());
        let text = dump(&stores).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let mut again = Stores::new();
        let read_back = run(&mut again, "dump", text.as_bytes(), &Setting::default());
        prop_assert!(read_back.is_ok(), "{:?}", read_back);
        prop_assert_eq!(dump(&again), Ok(text));
    }

    /// Every command is atomic: going on after errors gives the store of the good commands alone.
    #[test]
    fn the_same_script_gives_the_same_store(script in script()) {
        let (mut a, mut b) = (prepared(), prepared());
        let first = run_script(&mut a, "s", script.as_bytes());
        let second = run_script(&mut b, "s", script.as_bytes());
        prop_assert_eq!(first, second);
        prop_assert_eq!(a, b);
    }

    /// Text survives a round through a script, whatever it holds that can be printed.
    #[test]
    fn names_are_kept(name in "[^\"\u{201c}\u{201d}\u{201e}\\\\%!^\\p{Cc}\u{feff}\u{2028}\u{2029}]{1,30}") {
        prop_assume!(!name.trim().is_empty());
        let mut store = Store::new();
        let script = format!("add policy name=\"{name}\"");
        run_script(&mut store, "s", script.as_bytes()).unwrap();
        prop_assert_eq!(&store.policies()[0].name, &name);
    }
}

/// Whatever is repeated ten thousand times neither overflows the stack nor takes long.
#[test]
fn long_scripts_end() {
    let long = |unit: &str| unit.repeat(10_000);
    for script in [
        format!("@echo off\n{}", long("a&")),
        format!("@echo off\n{}", long("(")),
        format!("@echo off\n{}", long("if a==a ")),
        format!("@echo off\n{}", long("for %%i in (a) do ")),
        format!("@echo off\n{}", long("echo ^\n")),
        format!("@echo off\nset x=aaaaaaaa\n{}", long("set x=%x%%x%\n")),
        format!("@echo off\n:a\n{}call :a\n", long("(")),
        format!(
            "@echo off\nfor /l %%i in (1,1,2000000000) do for /l %%j in (1,1,2000000000) do netsh ipsec static show {}",
            "x"
        ),
        format!("netsh ipsec static add policy name={}", long("\"")),
        "@echo off\nnetsh ipsec static add filter L me any\n:a\nnetsh ipsec static show all\ngoto a"
            .to_owned(),
        long("pushd ipsec\n"),
        format!("@echo off\necho x>x\n:a\n{}goto a", long("type x>>x\n")),
        format!("@echo off\n:a\n{}goto a", long("echo x>%x%x&")),
        format!("@echo off\nset /a x={}1", long("(1+")),
        format!("@echo off\n:a\n{}goto a", long("set /a x+=1\n")),
        format!("@echo off\n{}", long("type x|")),
        format!("@echo off\n:a\nset /p x=?\nchoice\n{}goto a", long("if %x%==1 goto a\n")),
        long("add policy ^\n"),
        long("add filter L me any\n"),
    ] {
        let _ = check(&Store::new(), "long", script.as_bytes());
        let _ = check(&Store::new(), "long.ps1", script.as_bytes());
    }
}
