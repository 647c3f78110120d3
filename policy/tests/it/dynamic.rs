//! `netsh ipsec dynamic`: what is edited, what it becomes, and how long it lasts.

use ipsec_core::crypto::Group;
use ipsec_core::spd::{Action as CoreAction, Direction, Pfs};
use ipsec_policy::compile::{compile_stores, whole};
use ipsec_policy::dynamic::PfsGroup;
use ipsec_policy::exempt::ExemptLevel;
use ipsec_policy::netsh::{ErrorKind, Setting, run};
use ipsec_policy::store::{ObjectKind, StoreError};
use ipsec_policy::{Action, AuthMethod, Stores};

use crate::computer;

/// The stores after these lines of dynamic mode.
fn after(lines: &str) -> (Stores, String) {
    let mut stores = Stores::new();
    let text = more(&mut stores, lines).unwrap_or_else(|e| panic!("{e:?}"));
    (stores, text)
}

fn more(stores: &mut Stores, lines: &str) -> Result<String, ErrorKind> {
    let script = format!("pushd ipsec dynamic\n{lines}");
    run(stores, "d", script.as_bytes(), &Setting::default()).map(|o| o.text).map_err(|e| e.kind)
}

/// Compiled filters as `direction action: source -> destination`.
fn compiled(stores: &Stores) -> Vec<String> {
    let filters = whole::filters(stores, &computer(&["10.0.0.1"])).unwrap();
    let action = |a: &CoreAction| match a {
        CoreAction::Bypass => "permit".to_owned(),
        CoreAction::Discard => "block".to_owned(),
        CoreAction::Stateful => "stateful".to_owned(),
        CoreAction::Protect(p) => format!("negotiate{}", if p.accept_clear_inbound { " inpass" } else { "" }),
    };
    filters
        .iter()
        .map(|f| {
            format!(
                "{:?} {}: {} -> {} {:?}",
                f.direction,
                action(&f.action),
                f.flow.0,
                f.flow.1,
                f.selector.protocol
            )
        })
        .collect()
}

/// "Wipe the slate clean again. No packets blocked, everything allowed": the demonstration with its own words.
#[test]
fn sec505_dynamic_demo_runs_and_leaves_nothing() {
    let bytes = include_bytes!("../data/wild/sec505-dynamic-demo.cmd");
    let mut stores = Stores::new();
    let output = run(&mut stores, "demo.cmd", bytes, &Setting::default()).unwrap();
    assert_eq!((output.commands, output.notes.len()), (6, 0));
    assert!(stores.dynamic.is_empty());
    assert!(compiled(&stores).is_empty());
}

/// Its steps: "Added a Rule to block all packets", "to allow ICMP. Ping replies are now being received. But HTTP is
/// blocked", "to allow HTTP".
#[test]
fn the_more_specific_rule_counts_whenever_it_was_added() {
    let steps = [
        "add mmpolicy name=T",
        "add rule srcaddr=any dstaddr=any mmpolicy=T actioninbound=block actionoutbound=block",
        "add rule srcaddr=any dstaddr=any mmpolicy=T protocol=ICMP actioninbound=permit actionoutbound=permit",
        "add rule srcaddr=any dstaddr=any mmpolicy=T protocol=TCP srcport=0 dstport=80 mirrored=yes actioninbound=permit actionoutbound=permit",
    ];
    let mut stores = Stores::new();
    let mut first = Vec::new();
    for step in steps {
        more(&mut stores, step).unwrap();
        first.push(compiled(&stores).first().cloned().unwrap_or_default());
    }
    assert_eq!(
        first,
        [
            "",
            "Outbound block: any -> any None",
            "Outbound permit: any -> any Some(1)",
            "Outbound permit: any -> any Some(6)"
        ]
    );
}

/// A rule's two actions; the table is at `compile::whole`.
#[test]
fn actions_of_the_two_directions() {
    let rule = |out: &str, back: &str| {
        let (stores, _) = after(&format!(
            "add mmpolicy M\nadd qmpolicy Q\nadd rule me 10.0.0.2 M Q actionoutbound={out} actioninbound={back}"
        ));
        compiled(&stores)
    };
    assert_eq!(rule("negotiate", "negotiate"), ["Both negotiate: me -> 10.0.0.2 None"]);
    assert_eq!(rule("negotiate", "permit"), ["Both negotiate inpass: me -> 10.0.0.2 None"]);
    assert_eq!(
        rule("negotiate", "block"),
        ["Inbound block: 10.0.0.2 -> me None", "Outbound negotiate: me -> 10.0.0.2 None"]
    );
    assert_eq!(
        rule("permit", "block"),
        ["Inbound block: 10.0.0.2 -> me None", "Outbound permit: me -> 10.0.0.2 None"]
    );
    assert_eq!(
        rule("block", "block"),
        ["Outbound block: me -> 10.0.0.2 None", "Inbound block: 10.0.0.2 -> me None"]
    );
}

#[test]
fn policies_reach_the_databases() {
    let (stores, _) = after(
        "add mmpolicy M qmpermm=3 mmlifetime=60 softsaexpirationtime=30 mmsecmethods=\"DES-MD5-1\"\n\
         add qmpolicy Q soft=yes pfsgroup=grp2 qmsecmethods=\"AH[MD5]\"\nadd qmpolicy P pfsgroup=GRPMM\n\
         add rule me 10.0.0.2 M Q psk=abc kerberos=yes\nadd rule me 10.0.0.3 M P",
    );
    assert_eq!(stores.dynamic.mm_policy("m").unwrap().soft_sa_seconds, 30);
    assert_eq!(stores.dynamic.qm_policy("P").unwrap().pfs, PfsGroup::MainMode);
    let databases = compile_stores(&stores, &computer(&["10.0.0.1"])).unwrap();
    let pad = &databases.pad.entries;
    assert_eq!((pad[0].quick_modes, pad[0].lifetime_seconds, pad[0].proposals.len()), (3, 3600, 1));
    assert_eq!(pad[0].methods.len(), 2);
    let protects: Vec<_> = databases
        .spd
        .entries()
        .iter()
        .filter_map(|e| if let CoreAction::Protect(p) = &e.action { Some((p.pfs, p.fallback)) } else { None })
        .collect();
    assert_eq!(protects, [(Pfs::Group(Group::Modp1024), true), (Pfs::SameGroup, false)]);
}

/// The first seven tags identify a rule; policies, actions and the whole list of authentication methods can change.
#[test]
fn set_rule_changes_what_may_change() {
    let id = "me 10.0.0.2 tcp 0 80 yes all";
    let (mut stores, _) = after(
        "add mmpolicy M\nadd mmpolicy N\nadd qmpolicy Q\nadd rule me 10.0.0.2 M Q protocol=tcp dstport=80 kerberos=yes psk=a",
    );
    more(&mut stores, &format!("set rule {id} mmpolicy=N actioninbound=permit psk=b")).unwrap();
    let rule = &stores.dynamic.rules()[0];
    assert_eq!(
        (rule.mm_policy.as_str(), rule.inbound, rule.outbound),
        ("N", Action::Permit, Action::Negotiate)
    );
    assert!(matches!(rule.auth.as_slice(), [AuthMethod::PresharedKey(k)] if k.expose() == "b"));
    let other = more(&mut stores, "set rule me 10.0.0.2 tcp 0 81 yes all mmpolicy=M").unwrap_err();
    assert!(matches!(other, ErrorKind::Store(StoreError::NotFound { kind: ObjectKind::Rule, .. })));
    assert!(more(&mut stores, "set rule me 10.0.0.2 tcp 0 80 yes mmpolicy=M").is_err());
    more(&mut stores, &format!("delete rule {id}")).unwrap();
    assert!(stores.dynamic.rules().is_empty());
}

#[test]
fn what_hangs_together_is_kept_together() {
    let (mut stores, _) = after("add mmpolicy M\nadd qmpolicy Q\nadd rule me any M Q");
    let before = stores.clone();
    for line in [
        "add mmpolicy m",
        "add qmpolicy q",
        "add rule me any M Q",
        "add rule me 1.2.3.4 X Q",
        "add rule me 1.2.3.4 M X",
        "add rule me 1.2.3.4 M actioninbound=permit",
        "delete mmpolicy M",
        "delete qmpolicy all",
        "set mmpolicy X qmpermm=1",
        "set config bootmode value=open",
        "set config ipsecexempt 4",
        "set config ipsecloginterval 59",
    ] {
        assert!(more(&mut stores, line).is_err(), "{line}");
        assert_eq!(stores, before, "{line}");
    }
    // "qmpolicy may be absent when both actions are permit or block."
    more(&mut stores, "add rule me 1.2.3.4 M actioninbound=permit actionoutbound=block").unwrap();
    more(&mut stores, "delete all\ndelete qmpolicy all\nset config ipsecexempt 0").unwrap();
    assert!(stores.dynamic.is_empty());
    assert_eq!(stores.config.exempt, ExemptLevel::All);
}

/// TechNet cc739550: dynamic policy is lost when the service stops; stored policy and the properties are not.
#[test]
fn the_service_takes_dynamic_policy_with_it() {
    let (mut stores, _) = after("add mmpolicy M\nset config ikelogging 1\nipsec static add policy P");
    stores.service_stopped();
    assert!(stores.dynamic.is_empty());
    assert_eq!((stores.config.ike_logging, stores.local.policies().len()), (1, 1));
}

/// "Adds to or overrides" (TechNet cc739468): for the same traffic the persistent filter is the only one.
#[test]
fn persistent_policy_adds_and_overrides() {
    let policy = |extra: &str, action: &str| {
        format!(
            "add policy P\nadd filter L me 10.0.0.2\n{extra}add filteraction A action={action}\nadd rule R P L A\nset policy P assign=y\n"
        )
    };
    let script = format!(
        "pushd ipsec static\nset store persistent\n{}show store\nset store local\n{}show store",
        policy("", "permit"),
        policy("add filter L me 10.0.0.3\n", "block")
    );
    let mut stores = Stores::new();
    let output = run(&mut stores, "p", script.as_bytes(), &Setting::default()).unwrap();
    assert_eq!(output.text.matches("Persistent Store").count(), 1);
    assert_eq!(output.text.matches("Local Store").count(), 1);
    assert_eq!(
        compiled(&stores),
        [
            "Outbound block: me -> 10.0.0.3 None",
            "Inbound block: 10.0.0.3 -> me None",
            "Outbound permit: me -> 10.0.0.2 None",
            "Inbound permit: 10.0.0.2 -> me None",
        ]
    );
    assert!(stores.dynamic.is_empty());
    let directions: Vec<Direction> = compile_stores(&stores, &computer(&["10.0.0.1"]))
        .unwrap()
        .spd
        .entries()
        .iter()
        .map(|e| e.direction)
        .collect();
    assert_eq!(directions.last(), Some(&Direction::Both));
}

/// Of all policies together the most specific pair of addresses counts for main mode, then the dynamic one.
#[test]
fn main_mode_filters_of_all_policies_have_one_order() {
    let script = "ipsec static add filter L me 10.0.0.2\nipsec static add filteraction A\nipsec static add policy P assign=y activatedefaultrule=no\n\
        ipsec static add rule R P L A psk=stored\nipsec dynamic add mmpolicy M\nipsec dynamic add qmpolicy Q\n\
        ipsec dynamic add rule me any M Q psk=dynamic";
    let mut stores = Stores::new();
    run(&mut stores, "s", script.as_bytes(), &Setting::default()).unwrap();
    let names = |stores: &Stores| {
        let databases = compile_stores(stores, &computer(&["10.0.0.1"])).unwrap();
        databases.pad.entries.iter().map(|e| e.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&stores), ["R", "me <-> any"]);
    more(&mut stores, "add rule me 10.0.0.2 M Q psk=dynamic").unwrap();
    assert_eq!(names(&stores), ["me <-> 10.0.0.2", "me <-> any"]);
}

#[test]
fn show_in_our_own_words() {
    let (_, text) = after(
        "add mmpolicy M\nadd qmpolicy Q\nadd rule me 10.0.0.2 M Q psk=hidden\n\
         add rule 10.1.0.0 srcmask=16 dstaddr=10.2.0.0 dstmask=16 mmpolicy=M qmpolicy=Q mirrored=no tunneldst=10.0.0.9\nshow all\nshow config",
    );
    assert!(!text.contains("hidden"));
    insta::assert_snapshot!(text);
}

/// Each tag narrows what is shown, and `type=specific` names the computer's own addresses.
#[test]
fn filters_are_shown_by_tags() {
    let setup = "ipsec dynamic add mmpolicy M\nipsec dynamic add qmpolicy Q\nipsec dynamic add rule me 10.0.0.1 M Q psk=k\n\
                 ipsec dynamic add rule any me M protocol=tcp dstport=80 actionin=permit actionout=permit\n\
                 ipsec dynamic add rule me 10.7.0.0 dstmask=16 mmpolicy=M actionin=block actionout=block\n\
                 ipsec dynamic add rule me peer.example.com M Q protocol=udp\n";
    let local = computer(&["10.0.0.9", "192.0.2.9"]);
    let setting = Setting { computer: Some(&local), ..Setting::default() };
    let shown = |command: &str| {
        let script = format!("{setup}ipsec dynamic show {command}");
        let output =
            run(&mut Stores::new(), "s", script.as_bytes(), &setting).unwrap_or_else(|e| panic!("{e}"));
        let numbered = |l: &&str| l.starts_with("   ") && l.get(4..6) == Some(". ");
        let body = output.text.lines().filter(numbered);
        body.map(|l| l.split_once(". ").unwrap().1.split(':').next().unwrap().trim().to_owned())
            .collect::<Vec<_>>()
    };
    let peer = "both me <-> 10.0.0.1 ANY";
    assert_eq!(shown("qmfilter").len(), 6, "two that are permitted or blocked make a filter for each way");
    assert_eq!(shown("qmfilter dstaddr=10.0.0.1"), [peer]);
    assert_eq!(shown("qmfilter srcaddr=10.0.0.1"), [peer], "it is mirrored");
    assert_eq!(shown("qmfilter dstaddr=10.7.0.0 dstmask=255.255.0.0"), ["out  me -> 10.7.0.0/16 ANY"]);
    assert_eq!(shown("qmfilter actionoutbound=block"), ["out  me -> 10.7.0.0/16 ANY"]);
    assert_eq!(shown("qmfilter protocol=tcp dstport=80"), ["in   any -> me"]);
    assert!(shown("qmfilter protocol=tcp dstport=81").is_empty());
    assert_eq!(shown("qmfilter name=\"me <-> 10.0.0.1\""), [peer]);
    assert_eq!(
        shown("qmfilter type=specific dstaddr=10.0.0.1"),
        ["both 10.0.0.9 <-> 10.0.0.1 ANY", "both 192.0.2.9 <-> 10.0.0.1 ANY"]
    );
    assert_eq!(
        shown("mmfilter"),
        [
            "10.0.0.9 <-> 10.0.0.1",
            "192.0.2.9 <-> 10.0.0.1",
            "10.0.0.9 <-> an unknown address",
            "192.0.2.9 <-> an unknown address"
        ]
    );
    assert_eq!(shown("mmfilter dstaddr=10.0.0.1"), ["10.0.0.9 <-> 10.0.0.1", "192.0.2.9 <-> 10.0.0.1"]);
    assert_eq!(shown("mmfilter srcaddr=192.0.2.9 dstaddr=10.0.0.1"), ["192.0.2.9 <-> 10.0.0.1"]);
    assert!(shown("mmfilter dstaddr=10.9.9.9").is_empty());
}

/// The example of the help of `set rule` (later editions print it), with a server type that faces any address.
#[test]
fn the_example_of_the_help_runs() {
    let identity = "srca=WINS dsta=0.0.0.0 srcmask=32 dstmask=32 tunneldst=192.168.145.1 proto=tcp srcport=80 dstport=80 mir=no con=lan";
    let script = format!(
        "ipsec dynamic\nadd mmpolicy M\nadd qmpolicy qmp\nadd rule {identity} mmp=M qmp=qmp\n\
         set rule {identity} qmp=qmp actionin=permit\ndelete rule {identity}"
    );
    let mut stores = Stores::new();
    run(&mut stores, "s", script.as_bytes(), &Setting::default()).unwrap_or_else(|e| panic!("{e}"));
    assert!(stores.dynamic.rules().is_empty());
}

/// Dynamic mode shows everything that is in force: the assigned policy's parts too, which it cannot change.
#[test]
fn the_assigned_policy_is_shown_too() {
    let script = "pushd ipsec static\nadd policy Stored mmlifetime=60 assign=y\nadd filter L me 10.0.0.1\n\
        add filteraction A qmpfs=y inpass=y soft=y action=negotiate\nadd filteraction B action=block\n\
        add rule R Stored L A psk=k\nadd filter M any me protocol=tcp dstport=445\nadd rule S Stored M B\n\
        add filter N me 10.0.0.3\nadd rule Off Stored N B activate=no\npopd\nipsec dynamic add mmpolicy Own\n\
        ipsec dynamic show mmpolicy all\nipsec dynamic show qmpolicy A\nipsec dynamic show rule";
    let mut stores = Stores::new();
    let text =
        run(&mut stores, "s", script.as_bytes(), &Setting::default()).unwrap_or_else(|e| panic!("{e}")).text;
    let values = |label: &str| -> Vec<String> {
        let of = |l: &str| l.split_once(": ").filter(|(l, _)| l.trim() == label).map(|(_, v)| v.to_owned());
        text.lines().filter_map(of).collect()
    };
    assert_eq!(values("Mainmode Policy Name"), ["Own", "Stored"]);
    assert_eq!(values("MainMode LifeTime")[1], "60 minutes / 0 Quick mode sessions");
    assert_eq!(
        (values("PFS Group"), values("AllowUnSecure(Fallback)")),
        (vec!["GRPMM".into()], vec!["YES".into()])
    );
    assert_eq!(values("Inbound Action"), ["PERMIT", "BLOCK"]);
    assert_eq!(values("Outbound Action"), ["NEGOTIATE SECURITY", "BLOCK"]);
    let error = run(&mut stores, "s", b"ipsec dynamic set mmpolicy Stored mmlifetime=1", &Setting::default());
    assert!(error.unwrap_err().to_string().contains("'Stored' does not exist"));
}

/// Everything that `show` prints fits a screen of 80 columns, however many methods a rule offers.
#[test]
fn what_is_shown_fits_the_screen() {
    let (_, text) = after(
        "add mmpolicy M mmsecmethods=\"3DES-SHA1-3 3DES-MD5-3 3DES-SHA1-2 3DES-MD5-2 DES-SHA1-1 DES-MD5-1\"\n\
         add qmpolicy Q soft=y pfsgroup=GRP2 qmsecmethods=\"ESP[3DES,SHA1]:100000k/3600s ESP[3DES,MD5] ESP[DES,SHA1] AH[SHA1]+ESP[3DES,None]\"\n\
         add rule me 10.0.0.2 M Q actioninbound=permit psk=k kerberos=yes rootca=\"OU=Root, O=Example\"\n\
         set config bootexemptions \"TCP:0:3389:inbound UDP:0:68:inbound UDP:68:67:outbound ICMP:0:0:inbound\"\n\
         show all\nshow config",
    );
    let too_wide: Vec<&str> = text.lines().filter(|l| l.chars().count() > 80).collect();
    assert!(too_wide.is_empty(), "{too_wide:#?}");
    // Nothing is lost at the ends of lines.
    let words: Vec<&str> = text.split_whitespace().collect();
    for word in ["DES-MD5-1", "ICMP:0:0:inbound", "clear", "AH[SHA1]+ESP[3DES,None]"] {
        assert!(words.contains(&word), "{word}\n{text}");
    }
}

/// `set config` and what is in force: `ipsecexempt` waits for the next start ("Change needs a restart", TechNet cc756041), and
/// the driver starts "permit until a policy is assigned, then stateful" (cc783039) unless told otherwise.
#[test]
fn config_is_shown_with_what_is_in_force() {
    let local = computer(&["10.0.0.1"]);
    let setting = Setting { computer: Some(&local), ..Setting::default() };
    let shown = |lines: &str, property: &str| {
        let script = format!("{lines}\nnetsh ipsec dynamic show config");
        let text =
            run(&mut Stores::new(), "s", script.as_bytes(), &setting).unwrap_or_else(|e| panic!("{e}")).text;
        let of =
            |l: &str| l.split_once(": ").filter(|(l, _)| l.trim() == property).map(|(_, v)| v.to_owned());
        text.lines().find_map(of).unwrap_or_default()
    };
    assert_eq!(shown("", "ipsecexempt"), "3");
    assert_eq!(
        shown("netsh ipsec dynamic set config ipsecexempt 0", "ipsecexempt"),
        "0 (from the next start on; 3 until then)"
    );
    assert_eq!(shown("", "bootmode"), "permit (at the next start)");
    assert_eq!(shown("netsh ipsec static add policy P assign=y", "bootmode"), "stateful (at the next start)");
    assert_eq!(
        shown(
            "netsh ipsec static add policy P assign=y\nnetsh ipsec dynamic set config bootmode block",
            "bootmode"
        ),
        "block (at the next start)"
    );
    assert_eq!(shown("netsh ipsec dynamic set config ikelogging 1", "ikelogging"), "1");
}

/// `resolvedns=yes` puts the names that the computer knows beside their addresses.
#[test]
fn names_are_shown_when_asked_for() {
    let mut local = computer(&["10.0.0.1"]);
    local.names.insert("peer.example.com".to_owned(), vec!["10.0.0.2".parse().unwrap()]);
    let shown = |local, what: &str| {
        let setting = Setting { computer: Some(local), ..Setting::default() };
        let script = format!(
            "pushd ipsec dynamic\nadd mmpolicy M\nadd qmpolicy Q\nadd rule me 10.0.0.2 M Q psk=k\nshow {what}"
        );
        run(&mut Stores::new(), "s", script.as_bytes(), &setting).unwrap_or_else(|e| panic!("{e}"))
    };
    for what in ["rule", "mmfilter", "qmfilter", "all"] {
        let name = "10.0.0.2 (peer.example.com)";
        assert!(shown(&local, &format!("{what} resolvedns=yes")).text.contains(name), "{what}");
        assert!(!shown(&local, what).text.contains(name), "{what}");
    }
    let nobody = shown(&computer(&["10.0.0.1"]), "rule resolvedns=y");
    assert!(crate::notes(&nobody).contains("no names are known here"));
}
