//! Scripts found in the wild: what each does here, which is what it does on Windows.

use ipsec_policy::compile::LocalAddresses;
use ipsec_policy::filter::protocol_name;
use ipsec_policy::netsh::{ErrorKind, Setting, check, run, run_script, run_script_with, try_out};
use ipsec_policy::store::{ObjectKind, StoreError};
use ipsec_policy::{Action, Store, Stores};

use crate::{listing, notes, store_of};

fn unknown() -> LocalAddresses {
    LocalAddresses::default()
}

/// Negotiates AH for the LAN, permits HTTP, blocks the rest. The policy is not assigned: that line is a remark.
#[test]
fn sec505_static_policy_runs() {
    let (store, output) = store_of("sec505.cmd", include_bytes!("../data/wild/sec505-static-policy.cmd"));
    assert!(store.assigned().is_none() && output.notes.is_empty());
    assert!(!store.policy("IIS_Server_Policy").unwrap().default_response.active);
    insta::assert_snapshot!(listing(&store, &unknown()));
}

/// GBK bytes, blanks around `=`, names without quotation marks.
#[test]
fn kjyw_ipsec_runs() {
    let (store, output) = store_of("ipsec.bat", include_bytes!("../data/wild/kjyw-ipsec.bat"));
    assert_eq!(store.assigned().unwrap().name, "APU安全策略");
    insta::assert_snapshot!(format!("{}{}", listing(&store, &unknown()), notes(&output)));
}

#[test]
fn kjyw_ipsec2_runs() {
    let (store, output) = store_of("ipsec2.bat", include_bytes!("../data/wild/kjyw-ipsec2.bat"));
    assert_eq!(output.notes, []);
    insta::assert_snapshot!(listing(&store, &unknown()));
}

/// It creates the action `Perm` and then names `Permit`. A computer with the default policies has one of that name, so
/// the script runs there; on one without, Windows refuses that rule and goes on to the next line.
#[test]
fn kjyw_ipsec5_names_an_action_it_never_made() {
    let bytes = include_bytes!("../data/wild/kjyw-ipsec5.bat");
    let mut store = Store::new();
    let error = run_script(&mut store, "ipsec5.bat", bytes).unwrap_err();
    assert_eq!(store, Store::new());
    let ErrorKind::Store(StoreError::NotFound { kind: ObjectKind::FilterAction, name, .. }) = &error.kind
    else {
        panic!("{error}")
    };
    assert_eq!(name, "Permit");
    insta::assert_snapshot!(error);
    let mut installed = ipsec_policy::examples::store();
    let ran = run_script(&mut installed, "ipsec5.bat", bytes).unwrap();
    assert_eq!(ran.commands, 21, "{}", notes(&ran));
    let (output, errors) = check(&Store::new(), "ipsec5.bat", bytes);
    assert_eq!(errors.iter().map(|e| e.line).collect::<Vec<_>>(), [30, 42, 54]);
    insta::assert_snapshot!(notes(&output), @"4:20: note: nothing deleted: policy 'Haishion' does not exist, expected one that was added before; there is none. Windows prints an error here and the script goes on");
}

/// 22 filters that are not mirrored, and one that is.
#[test]
fn kjyw_drop_port_runs() {
    let (store, output) = store_of("drop.bat", include_bytes!("../data/wild/kjyw-windows2003_drop_port.bat"));
    assert_eq!(output.notes, []);
    assert_eq!(store.filter_action("DENYACT").unwrap().action, Action::Block);
    insta::assert_snapshot!(listing(&store, &unknown()));
}

/// Dynamic rules edit the running driver: the first one that would is refused by name.
#[test]
fn sec505_dynamic_demo_is_refused() {
    let mut store = Store::new();
    let bytes = include_bytes!("../data/wild/sec505-dynamic-demo.cmd");
    let error = run_script(&mut store, "demo.cmd", bytes).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NotSupported { .. }));
    insta::assert_snapshot!(error);
}

/// Started without arguments it prints its usage and ends, as `cmd` would have it.
#[test]
fn spylog_without_arguments_changes_nothing() {
    let (store, output) = store_of("spylog.bat", include_bytes!("../data/wild/spylog-ipsecspylog.bat"));
    assert_eq!((store, output.commands, output.notes.len()), (Store::new(), 0, 0));
}

/// Its logic is carried out: variables, `shift`, `goto`, `call` with arguments, `setlocal`.
#[test]
fn spylog_installs_adds_and_removes() {
    let bytes = include_bytes!("../data/wild/spylog-ipsecspylog.bat");
    let mut store = Store::new();
    let mut run = |arguments: &[&str]| {
        let output =
            run_script_with(&mut store, "spylog.bat", bytes, arguments).unwrap_or_else(|e| panic!("{e}"));
        (store.clone(), output)
    };
    let (store, output) = run(&["install"]);
    assert_eq!((output.commands, notes(&output).as_str()), (5, ""));
    assert_eq!(store.assigned().unwrap().name, "SpyLogBlock");
    assert_eq!(store.filter_list("SpyLogBlock").unwrap().filters.len(), 0);
    let (store, _) = run(&["host", "add", "203.0.113.9", "-protocol", "TCP", "-port", "22"]);
    insta::assert_snapshot!(listing(&store, &unknown()));
    let (_, output) = run(&["filter", "list"]);
    insta::assert_snapshot!(output.text);
    let (store, _) = run(&["uninstall"]);
    assert!(
        store.policies().is_empty() && store.filter_lists().is_empty() && store.filter_actions().is_empty()
    );
}

/// Every script as a whole: what is carried out, what is refused and where, and what there is to say. Read line by line:
/// what is refused here, Windows refuses too.
#[test]
fn every_script_in_one_table() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/wild");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let mut table = String::new();
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let (output, errors) =
            try_out(&Stores::new(), &name, &std::fs::read(&path).unwrap(), &Setting::default());
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

/// One line of each oddity that public scripts have, and what becomes of it: the store in brief, or the refusal.
#[test]
fn oddities_of_published_scripts() {
    let oddities: &[(&str, &str, Result<&str, &str>)] = &[
        ("TABs before continued lines", "netsh ipsec static ^\r\n\t\tadd policy ^\r\n\tname=P", Ok("P")),
        ("code pages", "@echo off\r\nchcp 936\r\nnetsh ipsec static add policy P", Ok("P")),
        ("remarks with colons", ":: a\r\n:label\r\nnetsh ipsec static add policy P", Ok("P")),
        ("remarks with number signs", "# a\r\nnetsh ipsec static add policy P", Ok("P")),
        ("remarks behind", "netsh ipsec static add policy name=P //the policy = \"mine", Ok("P")),
        ("prompts", "C:\\>netsh ipsec static add policy P\r\nC:\\WINDOWS>exit", Ok("P")),
        ("pipes", "echo y| netsh ipsec static add policy P | find \"ERR\"", Ok("P")),
        ("both or none", "netsh ipsec static add policy P && netsh ipsec static add policy Q", Ok("P, Q")),
        ("redirection", "netsh ipsec static add policy P >> c:\\log.txt 2>&1", Ok("P")),
        ("loops", "for %%i in (P Q) do netsh ipsec static add policy name=%%i", Ok("P, Q")),
        (
            "loops over numbers",
            "for /l %%i in (1,1,3) do netsh ipsec static add policy name=P%%i",
            Ok("P1, P2, P3"),
        ),
        (
            "loops of a prompt, with one sign: named and passed over",
            "for %i in (P Q) do netsh ipsec static add policy name=%i",
            Ok(""),
        ),
        ("scripts of netsh", "pushd ipsec static\r\nadd policy P\r\npopd\r\nexit\r\nadd policy Q", Ok("P")),
        ("values in place", "netsh ipsec static add policy P", Ok("P")),
        (
            "a value between tags",
            "netsh ipsec static add filter filterlist=L any srcmask=32 dstaddr=me",
            Ok("L: any me"),
        ),
        (
            "values behind tags",
            "netsh ipsec static add filter L any dstaddr=me protocol=tcp dstport=80 the web",
            Ok("L: any me TCP :80"),
        ),
        (
            "short words",
            "netsh ipsec static add filter filterl=L srca=me dsta=any proto=tcp mirror=no desc=x\r\nnetsh ipsec static del all\r\nnetsh ipsec static add pol P mmsec=3DES-SHA1-2 assign=y",
            Ok("P assigned"),
        ),
        (
            "`filter=`, which is two things",
            "netsh ipsec static add rule name=R policy=P filter=L filteraction=A",
            Err("policy 'P' does not exist"),
        ),
        (
            "`filter=` twice",
            "netsh ipsec static add rule name=R policy=P filter=L filter=A",
            Err("`filter` is ambiguous, expected one of filterlist or filteraction"),
        ),
        (
            "masks of both kinds",
            "netsh ipsec static add filter L 10.1.0.0 srcmask=16 dstaddr=10.2.3.4 dstmask=255.255.255.0",
            Ok("L: 10.1.0.0/16 10.2.3.0/24"),
        ),
        (
            "a mask on any",
            "netsh ipsec static add filter L any srcmask=255.255.255.255 dstaddr=me",
            Ok("L: any me"),
        ),
        (
            "limits absent or of seconds",
            "netsh ipsec static add filteraction A action=negotiate qmsec=\"ESP[3DES,SHA1] ESP[3DES,MD5]:3600s\"",
            Ok("A"),
        ),
        (
            "numbers in quotation marks",
            "netsh ipsec static add filter L any me protocol=\"TCP\" dstport=\"445\"",
            Ok("L: any me TCP :445"),
        ),
        (
            "nothing behind the equals sign",
            "netsh ipsec static add filter filterlist=L srcaddr= dstaddr=me",
            Err("`srcaddr=` has no value"),
        ),
        (
            "names as addresses",
            "netsh ipsec static add filter L me dc1.example.com",
            Ok("L: me dc1.example.com"),
        ),
        (
            "actions that nobody made",
            "netsh ipsec static add policy P\r\nnetsh ipsec static add filterlist L\r\nnetsh ipsec static add rule R P L Nix",
            Err("filter action 'Nix' does not exist"),
        ),
        (
            "actions that do not exist",
            "netsh ipsec static add filteraction A action=request",
            Err("found `request` for action, expected permit, block or negotiate"),
        ),
        (
            "ports with any protocol",
            "netsh ipsec static add filter L any me protocol=any dstport=80",
            Err("found `80` for dstport"),
        ),
        (
            "port nought with any protocol",
            "netsh ipsec static add filter L any me protocol=any srcport=0 dstport=0",
            Ok("L: any me"),
        ),
        (
            "quotation marks of web pages",
            "netsh ipsec static add policy name=\u{201c}my policy\u{201d}",
            Ok("my policy"),
        ),
        ("apostrophes", "netsh ipsec static add policy name=Michael's", Ok("Michael's")),
        (
            "apostrophes of web pages",
            "netsh ipsec static add policy name=Michael\u{2019}s",
            Ok("Michael\u{2019}s"),
        ),
        (
            "methods of later releases",
            "netsh ipsec static add filteraction A action=negotiate qmsec=\"ESP[AES128,SHA1]\"",
            Err("found `ESP[AES128,SHA1]`"),
        ),
        (
            "commands of later releases",
            "netsh advfirewall set allprofiles state on\r\nnetsh ipsec static add policy P",
            Ok("P"),
        ),
        (
            "variables that nobody set",
            "netsh ipsec static add policy name=%NAME%",
            Err("the value of `%NAME%` is not known"),
        ),
    ];
    for (oddity, script, expected) in oddities {
        let mut stores = Stores::new();
        let result = run(&mut stores, "s", script.as_bytes(), &Setting::default());
        match (result, expected) {
            (Ok(_), Ok(expected)) => assert_eq!(brief(&stores.local), *expected, "{oddity}"),
            (Err(error), Err(expected)) => {
                assert!(error.kind.to_string().contains(expected), "{oddity}: {error}");
                assert_eq!(stores, Stores::new(), "{oddity}");
            }
            (Ok(_), Err(expected)) => panic!("{oddity}: accepted, expected: {expected}"),
            (Err(error), Ok(_)) => panic!("{oddity}: {error}"),
        }
    }
}

/// Policies, lists with their filters, and actions.
fn brief(store: &Store) -> String {
    let assigned = store.assigned().map(|p| p.name.clone());
    let policies = store
        .policies()
        .iter()
        .map(|p| format!("{}{}", p.name, if assigned.as_ref() == Some(&p.name) { " assigned" } else { "" }));
    let lists = store.filter_lists().iter().flat_map(|l| {
        l.filters.iter().map(|f| {
            let protocol = f.protocol.map_or(String::new(), |p| format!(" {}", protocol_name(Some(p))));
            let port = match f.destination_port.number() {
                0 => String::new(),
                n => format!(" :{n}"),
            };
            format!("{}: {} {}{protocol}{port}", l.name, f.source, f.destination)
        })
    });
    let actions = store.filter_actions().iter().map(|a| a.name.clone());
    policies.chain(lists).chain(actions).collect::<Vec<_>>().join(", ")
}
