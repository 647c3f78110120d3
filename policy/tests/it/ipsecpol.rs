//! `ipsecpol` and `ipseccmd`: the same policy as the netsh commands that say the same.

use ipsec_policy::compile::compile_stores;
use ipsec_policy::compile::whole;
use ipsec_policy::netsh::{ErrorKind, NoteKind, Output, Setting, dump, run, run_script};
use ipsec_policy::{Store, Stores};

use crate::{computer, store_of};

fn after(script: &str) -> (Stores, Output) {
    let mut stores = Stores::new();
    let output =
        run(&mut stores, "s", script.as_bytes(), &Setting::default()).unwrap_or_else(|e| panic!("{e}"));
    (stores, output)
}

fn refused(script: &str) -> String {
    let mut stores = Stores::new();
    let error = run(&mut stores, "s", script.as_bytes(), &Setting::default()).unwrap_err();
    assert_eq!(stores, Stores::new(), "{script}");
    error.kind.to_string()
}

/// Selectors, directions and actions in match order, without names.
fn filters(stores: &Stores, addresses: &[&str]) -> Vec<String> {
    let filters = whole::filters(stores, &computer(addresses)).unwrap();
    filters.iter().map(|f| format!("{:?} {:?} {:?}", f.direction, f.selector, f.action)).collect()
}

/// "Run it twice for a tunnel: outbound and inbound." The gateway of KB 816514 in the older notation.
#[test]
fn a_tunnel_is_two_calls() {
    let (ours, _) = after(
        "@echo off\nset KEY=-actual key-\n\
         ipsecpol -w REG -p \"IPSec Tunnel with 3rdExtIP\":180 -r out -f 10.1.0.0/255.255.0.0=10.2.0.0/255.255.0.0 -n ESP[DES,MD5] -t 203.0.113.2 -a PRESHARE:\"%KEY%\"\n\
         ipsecpol.exe -w reg -p \"IPSec Tunnel with 3rdExtIP\" -r in -f 10.2.*.*=10.1.*.* -n ESP[DES,MD5] -t 203.0.113.1 -a p:\"%KEY%\" -x",
    );
    let (theirs, _) = store_of(
        "s",
        b"add policy P assign=y activatedefaultrule=no\nadd filter O 10.1.0.0 srcmask=16 dstaddr=10.2.0.0 dstmask=16 mirrored=no\n\
          add filter I 10.2.0.0 srcmask=16 dstaddr=10.1.0.0 dstmask=16 mirrored=no\nadd filteraction A qmsec=\"ESP[DES,MD5]\"\n\
          add rule O P O A tunnel=203.0.113.2 psk=\"-actual key-\"\nadd rule I P I A tunnel=203.0.113.1 psk=\"-actual key-\"",
    );
    let theirs = Stores { local: theirs, ..Stores::new() };
    let gateway = ["203.0.113.1", "10.1.0.1"];
    assert_eq!(filters(&ours, &gateway), filters(&theirs, &gateway));
    let pads = [&ours, &theirs].map(|s| compile_stores(s, &computer(&gateway)).unwrap().pad.entries.clone());
    let shape = |n: usize| {
        pads[n].iter().map(|e| (e.local.clone(), e.peer.clone(), e.methods.clone())).collect::<Vec<_>>()
    };
    assert_eq!(shape(0), shape(1));
    let policy = ours.local.assigned().unwrap();
    assert_eq!((policy.name.as_str(), policy.polling_interval_minutes), ("IPSec Tunnel with 3rdExtIP", 180));
    assert!(!policy.default_response.active);
}

/// Every option that says something about stored policy.
#[test]
fn stored_policy_in_netsh_words() {
    let (stores, output) = after(
        "ipseccmd -w REG -p \"Lock down\":30 -r \"Web\" -f \"*+0:80:TCP 0+10.1.2.3/255.255.255.0::17\" (0+DNS:53:UDP) [*+0:135:TCP] -n \"AH[SHA]+ESP[DES,NONE]5000K/900SP2\" AH[MD5] INPASS -soft -lan -1s 3DES-SHA-2 DES-MD5-1 -1k 10Q/3600S -1p -a KERBEROS CERT:\"CN=Root, O=Example\" -x\n\
         ipseccmd -w REG -p \"Lock down\" -r ignored -f DEFAULT -n ESP[3DES,SHA] -a PRESHARE:k\n\
         ipseccmd -w REG -p Other -r Gone -f 0=1.2.3.4\nipseccmd -w REG -p Other -o\nipseccmd -w REG -p \"Lock down\" -y",
    );
    let notes = crate::notes(&output);
    assert!(output.notes.len() == 1 && notes.contains("main mode's is used"), "{notes}");
    insta::assert_snapshot!(dump(&stores).unwrap());
}

/// A rule of the same name is replaced.
#[test]
fn calls_may_be_repeated() {
    let call = "ipsecpol -w REG -p P -r R -f 0+1.2.3.4 -n BLOCK -x\n";
    let (once, _) = after(call);
    let (twice, _) = after(&call.repeat(2));
    assert_eq!(once.local.renumbered(), twice.local.renumbered());
}

/// Without `-w` the rules go straight into the driver; `-u` clears them.
#[test]
fn dynamic_rules() {
    let (ours, output) = after(
        "ipseccmd -f 0+10.0.0.2 [*+0:135:TCP] -n ESP[3DES,SHA]3600SP INPASS -a p:abc -1e 60 -1f 0=10.0.0.2\nipsecpol -f *+0:80:TCP -n PASS",
    );
    let (theirs, _) = after(
        "netsh ipsec dynamic add mmpolicy M\nnetsh ipsec dynamic add qmpolicy Q pfs=grpmm qmsec=\"ESP[3DES,SHA1]:3600s\"\n\
         netsh ipsec dynamic add rule me 10.0.0.2 M Q actionin=permit psk=abc\n\
         netsh ipsec dynamic add rule any me M protocol=tcp dstport=135 actionin=block actionout=block\n\
         netsh ipsec dynamic add rule any me M protocol=tcp dstport=80 actionin=permit actionout=permit",
    );
    assert_eq!(filters(&ours, &["10.0.0.1"]), filters(&theirs, &["10.0.0.1"]));
    assert_eq!(ours.dynamic.mm_policies()[0].soft_sa_seconds, 60);
    assert!(matches!(output.notes.as_slice(), [note] if note.kind == NoteKind::NotUnderstood));
    let (cleared, _) = after("ipsecpol -f 0+10.0.0.2\nipsecpol -u");
    assert!(cleared.dynamic.is_empty());
    let error = run_script(&mut Store::new(), "s", b"ipsecpol -f 0+10.0.0.2").unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NotSupported { .. }));
}

#[test]
fn what_is_wrong_is_named() {
    for (call, why) in [
        ("ipsecpol -f 0", "found `0` for -f, expected a filter such as"),
        ("ipsecpol -f 0+1.2.3", "for -f"),
        ("ipsecpol -f 0+1.2.3.4:80", "expected no port, or TCP or UDP behind it"),
        ("ipsecpol -f 0+10.1.*.2", "for -f"),
        ("ipsecpol -f", "expected filters"),
        ("ipsecpol -f 0+1.2.3.4 -n ESP[NONE,NONE]", "for -n"),
        ("ipsecpol -f 0+1.2.3.4 -n ESP[3DES,SHA]5X", "for -n"),
        ("ipsecpol -f 0+1.2.3.4 -a secret", "for -a, expected KERBEROS"),
        ("ipsecpol -f 0+1.2.3.4 -t any", "for -t"),
        ("ipsecpol -f 0+1.2.3.4 -1s AES-SHA-2", "for -1s"),
        ("ipsecpol -f 0+1.2.3.4 -1k 10", "for -1k"),
        ("ipsecpol -f 0+1.2.3.4 -z", "found `-z`, expected -f"),
        ("ipsecpol -f 0+1.2.3.4 -pfs", "found `-pfs`, expected -f"),
        ("ipsecpol -f 0+1.2.3.4 -1e 60", "found `-1e`, expected -f"),
        ("ipsecpol -f 0+1.2.3.4 -1f 0=1.2.3.4", "found `-1f`, expected -f"),
        ("ipsecpol show all", "found `show`, expected -f"),
        ("ipseccmd -w", "the command ends here, expected REG"),
        ("ipseccmd show", "expected gpo, filters, policies, auth, stats, sas or all"),
        ("ipseccmd show everything", "found `everything`, expected gpo"),
        ("ipseccmd \\\\server show all", "other computers"),
        ("ipseccmd set", "expected logike or dontlogike"),
        ("ipseccmd set loud", "found `loud`, expected logike"),
        ("ipseccmd set logike now", "found `now`"),
        ("ipseccmd export reg c:\\policy.ipsec", "`export` is not supported here"),
        ("ipsecpol set logike", "found `set`, expected -f"),
        ("ipsecpol -x", "found `-x`, expected -w REG beside it"),
        ("ipsecpol -soft", "expected -f with filters"),
        ("ipsecpol -w REG -r R -f 0+1.2.3.4", "expected -p"),
        ("ipsecpol -w REG -p P -x", "policy 'P' does not exist"),
        ("ipsecpol -w DS:example -p P -f 0+1.2.3.4", "in no domain"),
        ("ipsecpol \\\\server -f 0+1.2.3.4", "other computers"),
        ("ipsecpol -f \"0+1.2.3.4", "not closed"),
        ("ipsecpol -f 0+%PEER%", "the value of `%PEER%` is not known"),
        ("ipsecpol -soft yes", "found `yes`"),
        ("ipsecpol -f DEFAULT", "part of a stored policy"),
    ] {
        let refused = refused(call);
        assert!(refused.contains(why), "{call}: {refused}");
    }
}

/// Each release has its tool; the others answer that they are not there, and nothing changes.
#[test]
fn each_release_has_its_tools() {
    use ipsec_policy::profile::{RFC, WINDOWS_2000, WINDOWS_2003, WINDOWS_XP_SP2};
    let calls = [
        "ipsecpol -w REG -p P -r R -f 0+1.2.3.4",
        "ipseccmd -w REG -p P -r R -f 0+1.2.3.4",
        "netsh ipsec static add policy P",
    ];
    let runs = |release| {
        calls.map(|call| {
            let setting = Setting { tools_of: Some(release), ..Setting::default() };
            match run(&mut Stores::new(), "s", call.as_bytes(), &setting) {
                Ok(_) => "runs".to_owned(),
                Err(error) => error.kind.to_string(),
            }
        })
    };
    let unknown = |tool: &str| format!("'{tool}' is not recognized as an internal or external command,");
    let no_context = "The following command was not found: ipsec.";
    let [pol, cmd, netsh] = runs(&WINDOWS_2000);
    assert!(
        pol == "runs" && cmd.starts_with(&unknown("ipseccmd")) && netsh.starts_with(no_context),
        "{netsh}"
    );
    let [pol, cmd, netsh] = runs(&WINDOWS_XP_SP2);
    assert!(
        pol.starts_with(&unknown("ipsecpol")) && cmd == "runs" && netsh.starts_with(no_context),
        "{netsh}"
    );
    let [pol, cmd, netsh] = runs(&WINDOWS_2003);
    assert!(
        pol.ends_with("(Windows Server 2003: use netsh ipsec)")
            && cmd.starts_with(&unknown("ipseccmd"))
            && netsh == "runs"
    );
    assert_eq!(runs(&RFC), ["runs"; 3]);
    // The answer stands where the name of the tool does, among other lines too.
    let place = |release, line: &str| {
        let script = format!("@echo off\n  {line}");
        let setting = Setting { tools_of: Some(release), ..Setting::default() };
        let refused = run(&mut Stores::new(), "s", script.as_bytes(), &setting).err();
        refused.map(|e| (e.line, e.column, e.width))
    };
    assert_eq!(place(&WINDOWS_2000, "netsh ipsec dynamic show all"), Some((2, 9, 5)));
    assert_eq!(place(&WINDOWS_2003, "ipsecpol -u"), Some((2, 3, 8)));
    assert_eq!(place(&WINDOWS_2003, "ipsecmon"), Some((2, 3, 8)));
    assert_eq!(place(&WINDOWS_2003, "netdiag /test:ipsec /debug"), Some((2, 3, 7)));
    assert_eq!(place(&WINDOWS_2003, "netdiag /test:dns"), None);
    assert_eq!(place(&WINDOWS_2000, "ipsecmon"), None);
    assert_eq!(place(&WINDOWS_XP_SP2, "netdiag.exe /test:ipsec"), None);
    // Other contexts of netsh are there on every release.
    let setting = Setting { tools_of: Some(&WINDOWS_2000), ..Setting::default() };
    assert!(run(&mut Stores::new(), "s", b"netsh interface ip show config", &setting).is_ok());
}

/// `show` is the later tool's; what is in force comes from dynamic calls and from the assigned policy. `-?` is help.
#[test]
fn what_is_in_force_is_shown() {
    let setup = "ipseccmd -w REG -p P -r R -f 0+10.0.0.1 -n ESP[3DES,SHA] -a p:secret -x\nipseccmd -f *+0:80:TCP -n PASS\n";
    let shown = |what: &str| after(&format!("{setup}ipseccmd show {what}")).1;
    let filters = shown("filters").text;
    assert!(
        filters.contains("Main Mode Filters: 1") && filters.contains("10.0.0.1 ANY: negotiate"),
        "{filters}"
    );
    assert!(filters.contains("80 TCP: permit"), "{filters}");
    let policies = shown("policies").text;
    assert!(policies.contains(": P\n") && policies.contains("ESP[3DES,SHA1]"), "{policies}");
    assert!(shown("auth").text.contains("preshared key"));
    assert!(shown("gpo").text.contains("Local Policy Name        : P"));
    let all = shown("all");
    assert!(all.text.contains(&filters) && !all.text.contains("secret"), "{}", all.text);
    assert!(crate::notes(&all).contains("no computer is running here"));
    assert!(crate::notes(&shown("stats sas")).lines().count() == 2);
    let help = |tool: &str| after(&format!("{tool} -?")).1.text;
    assert!(help("ipseccmd").contains("show filters") && !help("ipsecpol").contains("show"));
}

/// Calls as people publish them, and the filters they make.
#[test]
fn calls_as_people_publish_them() {
    let deny_135 = ["in any -> me:135 TCP: block", "out me:135 -> any TCP: block"];
    let permit_web = ["in any -> me:80 TCP: permit", "out me:80 -> any TCP: permit"];
    for (call, filters) in [
        ("ipsecpol -x -w REG -p \"Block\" -r \"Block TCP/135\" -n BLOCK -f *+0:135:TCP", &deny_135[..]),
        ("ipseccmd -w reg -p Block:30 -r x -f *+0:135:tcp -n block -x", &deny_135),
        ("IPSECPOL.EXE -W REG -P \"Block\" -R r -F *+0:135:TCP -N BLOCK -X", &deny_135),
        ("ipseccmd -f [*+0:135:TCP]", &deny_135),
        ("ipseccmd -f *:*+0:135:TCP -n BLOCK", &deny_135),
        ("ipsecpol -f *+0:135:6 -n BLOCK", &deny_135),
        ("ipsecpol -f 0.0.0.0/0.0.0.0+0:135:TCP -n BLOCK -lan", &deny_135),
        ("ipseccmd -w REG -p B -r r -f *=0:1434:UDP -n BLOCK -x", &["in any -> me:1434 UDP: block"]),
        ("ipsecpol -w REG -p B -r r -f 0=*:80:TCP -n BLOCK -x", &["out me -> any:80 TCP: block"]),
        ("ipsecpol -f 0+*:80:TCP -n PASS", &["in any:80 -> me TCP: permit", "out me -> any:80 TCP: permit"]),
        ("ipseccmd -f (*+0:80:TCP)", &permit_web),
        ("ipseccmd -f \"(*+0:80:TCP)\"", &permit_web),
        ("ipseccmd -f *+0::ICMP -n BLOCK", &["in any -> me ICMP: block", "out me -> any ICMP: block"]),
        ("ipseccmd -f [1.2.3.4+0]", &["in 1.2.3.4 -> me ANY: block", "out me -> 1.2.3.4 ANY: block"]),
        (
            "ipsecpol -f 192.168.*.*+0:3389:TCP -n PASS",
            &["in 192.168.0.0/16 -> me:3389 TCP: permit", "out me:3389 -> 192.168.0.0/16 TCP: permit"],
        ),
        (
            "ipsecpol -f 192.168.0.0/255.255.0.0+0:3389:TCP -n PASS",
            &["in 192.168.0.0/16 -> me:3389 TCP: permit", "out me:3389 -> 192.168.0.0/16 TCP: permit"],
        ),
        (
            "ipsecpol -f *=0:135:TCP *=0:139:TCP \"*=0:445:TCP *=0:593:TCP\" -n BLOCK",
            &[
                "in any -> me:135 TCP: block",
                "in any -> me:139 TCP: block",
                "in any -> me:445 TCP: block",
                "in any -> me:593 TCP: block",
            ],
        ),
        (
            "ipseccmd -w REG -p P -r R -f [*=0] (10.0.0.5+0:22:TCP) (0=DNS:53:UDP) -x",
            &[
                "in 10.0.0.5 -> me:22 TCP: permit",
                "out me -> DNS:53 UDP: permit",
                "out me:22 -> 10.0.0.5 TCP: permit",
                "in any -> me ANY: block",
            ],
        ),
        ("ipsecpol -f www.example.com=0:80:TCP -n BLOCK", &["in www.example.com -> me:80 TCP: block"]),
    ] {
        let (_, output) = after(&format!("{call}\nnetsh ipsec dynamic show qmfilter all"));
        let lines = output.text.lines().filter(|l| l.get(4..6) == Some(". "));
        let of = |l: &str| l.get(6..).and_then(|l| l.split("  [").next()).unwrap_or("").replace("  ", " ");
        assert_eq!(lines.map(|l| of(l).replace("  ", " ")).collect::<Vec<_>>(), filters, "{call}");
    }
    // What is negotiated, in netsh's words.
    for (call, quick_mode, main_mode) in [
        (
            "ipsecpol -f 0+10.0.0.2 -n ESP[3DES,SHA] -a PRESHARE:\"x\" -1s 3DES-SHA-2",
            "ESP[3DES,SHA1]",
            "3DES-SHA1-2",
        ),
        (
            "ipseccmd -f 0+10.0.0.2 -n ESP[3DES,SHA]10K/20S -a KERBEROS -1s 3DES-MD5-1",
            "ESP[3DES,SHA1]:10k/20s",
            "3DES-MD5-1",
        ),
        (
            "ipseccmd -f 0+10.0.0.2 -n AH[MD5]+ESP[DES,NONE]50000K/3600SP -1s DES-MD5-1 -1k 10Q/3600S",
            "AH[MD5]+ESP[DES,None]:50000k/3600s",
            "DES-MD5-1",
        ),
    ] {
        let (_, output) = after(&format!("{call}\nnetsh ipsec dynamic show all"));
        let has = |line: &str| output.text.lines().any(|l| l.trim() == line);
        assert!(
            has(quick_mode) && has(&format!("Main Mode Methods        : {main_mode}")),
            "{}",
            output.text
        );
    }
    let (stores, _) =
        after("ipseccmd set logike\nipseccmd -w REG -p B -r r -f *+0 -n BLOCK -x\nipseccmd -w REG -p B -y");
    assert_eq!((stores.config.ike_logging, stores.local.assigned().is_none()), (1, true));
    let (stores, _) = after(
        "ipseccmd set logike\nipseccmd set dontlogike\nipsecpol -w REG -p B -r r -f *+0\nipsecpol -w REG -p B -o",
    );
    assert_eq!((stores.config.ike_logging, stores.local.policies().len()), (0, 0));
}

/// An error points at the part of the call that is wrong, counted in characters, and says what belongs there.
#[test]
fn errors_point_at_the_part() {
    for (call, part, why) in [
        ("ipsecpol -f *+0:135-139:TCP -n BLOCK", "135-139", "one port from 0 to 65535"),
        ("ipsecpol -f *+0:http:TCP -n BLOCK", "http", "one port"),
        ("ipsecpol -f 0+1.2.3.4:70000:TCP", "70000", "one port"),
        ("ipsecpol -f *+0:TCP -n BLOCK", "TCP", "`:TCP` behind it"),
        ("ipsecpol -f 0+1.2.3.4:80:FOO", "FOO", "TCP, UDP, ICMP"),
        ("ipsecpol -f 0:80:TCP+*", "TCP", "no protocol before the destination"),
        ("ipsecpol -f 0+300.1.1.1", "300.1.1.1", "0 for this computer"),
        ("ipsecpol -f 0+1.2.3.4/33", "1.2.3.4/33", "10.1.0.0/255.255.0.0"),
        ("ipsecpol -f ::1+0", "::1", "no IPv6"),
        ("ipsecpol -f 0+fe80::1:2", "fe80::1:2", "no IPv6"),
        ("ipsecpol -f \"*=0:135:TCP,*=0:139:TCP\"", "0:135:TCP,*=0:139:TCP", "address:port:protocol"),
        ("ipsecpol -f me+1.2.3.4", "me", "0 for this computer"),
        ("ipsecpol -f \"0+1.2.3.4:x:TCP\"", "x", "one port"),
        ("ipsecpol -f \"0+1.2.3.4 0+1.2.3.5:y:TCP\"", "y", "one port"),
        ("ipsecpol -f (0+1.2.3.4", "(0+1.2.3.4", "`(` and `)` around"),
        ("ipsecpol -f * + 0:80:TCP", "*", "a filter such as"),
        ("ipsecpol -f 0+1.2.3.4 -n ESP[3DES,SHA]10/20", "10/20", "limits with their units"),
        ("ipsecpol -f 0+1.2.3.4 -n ESP[AES,SHA]10K", "ESP[AES,SHA]", "methods such as"),
        ("ipsecpol -f 0+1.2.3.4 -n BLOCK PASS", "BLOCK", "without anything beside it"),
        ("ipsecpol -w REG -p P -r R -f 0+1.2.3.4 -n PASS -n BLOCK", "-n", "it once"),
        ("ipsecpol -w REG -p P -x -y", "-y", "`-x` stands before it"),
        ("ipsecpol -lan -f 0+1.2.3.4 -dialup", "-dialup", "`-lan` stands before it"),
        ("ipsecpol -p P -r R -f 0+1.2.3.4", "-p", "-w REG beside it"),
        ("ipseccmd -1f 0=1.2.3.4:80:TCP -f 0+1.2.3.4", "0=1.2.3.4:80:TCP", "two addresses"),
        ("ipsecpol -w REG -p Gone -o", "Gone", "does not exist"),
    ] {
        let error = run(&mut Stores::new(), "s", call.as_bytes(), &Setting::default()).unwrap_err();
        let (from, width) = (error.column as usize - 1, error.width as usize);
        assert_eq!(call.get(from..from + width), Some(part), "{call}: {error}");
        assert!(error.kind.to_string().contains(why), "{call}: {error}");
    }
}

/// A dynamic call may be repeated, and changed: the later one counts for the same filter.
#[test]
fn dynamic_calls_may_be_repeated() {
    let (stores, _) = after(
        "ipsecpol -f *+0:135:TCP -n BLOCK\nipsecpol -f *+0:135:TCP -n BLOCK\nipsecpol -f *+0:135:TCP -n PASS",
    );
    let rules = stores.dynamic.rules();
    assert_eq!((rules.len(), stores.dynamic.mm_policies().len()), (1, 1));
    assert_eq!(rules[0].inbound, ipsec_policy::Action::Permit);
}
