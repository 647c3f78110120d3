//! Stores as scripts: what is written reads back the same.

use ipsec_policy::netsh::{Setting, dump, export, run};
use ipsec_policy::{Store, Stores, examples};
use proptest::prelude::*;

use crate::store_of;

/// The same stores with their objects numbered in the order in which a script makes them.
fn renumbered(stores: &Stores) -> Stores {
    Stores { local: stores.local.renumbered(), persistent: stores.persistent.renumbered(), ..stores.clone() }
}

fn read_back(stores: &Stores) -> Stores {
    let text = dump(stores).unwrap();
    let mut again = Stores::new();
    if let Err(error) = run(&mut again, "dump", text.as_bytes(), &Setting::default()) {
        panic!("{error}");
    }
    again
}

#[test]
fn a_dump_is_a_script_that_makes_the_same() {
    let script = "pushd ipsec static\nadd filter \"L \\\"1\\\"\" me 10.1.2.3 dstmask=24 desc=\"a \\\"b\\\" c\" protocol=udp dstport=53 mirrored=no\n\
        add filter \"L \\\"1\\\"\" DNS me\nadd filteraction A inpass=y soft=y action=negotiate qmsec=\"AH[MD5]+ESP[DES,None]:300k/900s\"\n\
        add policy P mmpfs=y qmpermm=2 mmlifetime=9 poll=7 mmsec=\"3DES-SHA1-3\" desc=x\nset defaultrule P qmpfs=y psk=z\n\
        add rule R P \"L \\\"1\\\"\" A tunnel=gate.example con=lan act=n psk=C:\\ rootca=\"CN=\\'x\\' certmap:yes excludecaname:no\"\n\
        add rule K P \"L \\\"1\\\"\" A kerberos=no\nset policy P assign=y\nset store persistent\nadd policy Q\npopd\n\
        pushd ipsec dynamic\nadd mmpolicy M\nadd qmpolicy Q pfs=grp3\nadd rule me any M Q proto=tcp dstport=80\n\
        set config bootexemptions \"UDP:0:68:inbound TCP:3389:0:outbound\"\nset config ipsecexempt 1";
    let mut stores = Stores::new();
    run(&mut stores, "s", script.as_bytes(), &Setting::default()).unwrap();
    assert_eq!(read_back(&stores), renumbered(&stores));
    insta::assert_snapshot!(dump(&stores).unwrap());
}

/// Every published script, as far as it runs.
#[test]
fn wild_stores_read_back() {
    for bytes in [
        &include_bytes!("../data/wild/sec505-static-policy.cmd")[..],
        include_bytes!("../data/wild/kjyw-ipsec.bat"),
        include_bytes!("../data/wild/kjyw-ipsec2.bat"),
        include_bytes!("../data/wild/kjyw-windows2003_drop_port.bat"),
    ] {
        let stores = Stores { local: store_of("w", bytes).0, ..Stores::new() };
        assert_eq!(read_back(&stores), renumbered(&stores));
    }
}

#[test]
fn examples_read_back() {
    let stores = Stores { local: examples::store(), ..Stores::new() };
    assert_eq!(read_back(&stores), renumbered(&stores));
}

/// What `exportpolicy` writes, `importpolicy` reads, also over what is there: objects of the same name are replaced.
#[test]
fn export_and_import() {
    let (store, _) = store_of(
        "s",
        b"add filter L me any\nadd filteraction A action=block\nadd policy P\nadd rule R P L A",
    );
    let file = export(&store).unwrap();
    let read = |name: &str| (name == "saved.ipsec").then(|| file.clone().into_bytes());
    let setting = Setting { read: Some(&read), ..Setting::default() };
    let mut stores = Stores::new();
    let output = run(&mut stores, "s", b"ipsec static importpolicy saved", &setting).unwrap();
    assert_eq!((stores.local.renumbered(), output.commands), (store.renumbered(), 1));
    let change = b"ipsec static\nadd filter L me 1.2.3.4\nadd policy Q assign=y\nimportpolicy file=saved.ipsec\nexportpolicy again.ipsec\ndelete all\nimportpolicy again.ipsec";
    let output = run(&mut stores, "s", change, &setting).unwrap();
    assert_eq!(output.files.len(), 1);
    assert_eq!(stores.local.filter_list("L").unwrap().filters.len(), 1);
    assert_eq!(stores.local.assigned().unwrap().name, "Q");
    let foreign = |name: &str| (name == "x.ipsec").then(|| b"\x00\x01regf".to_vec());
    let setting = Setting { read: Some(&foreign), ..Setting::default() };
    let error = run(&mut stores, "s", b"ipsec static importpolicy x", &setting).unwrap_err();
    assert!(error.to_string().contains("`x.ipsec` cannot be imported"), "{error}");
}

/// Text as people and other programs write it into names.
fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        "\"", "\\", "\\\"", "'", "=", "^", "%", "//", "#", " ", "策", "é", "a", "all", "{", ")",
    ]);
    prop::collection::vec(special, 1..8).prop_map(|parts| parts.concat())
}

/// As a script must write it; the reader's own rules, not the writer's.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' => out.push_str("\"\\\"\""),
            '\\' => out.push('\\'),
            c => out.extend(['"', c, '"']),
        }
    }
    out
}

fn address() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("me".to_owned()),
        Just("any".to_owned()),
        (1u8..224, any::<[u8; 3]>()).prop_map(|(a, [b, c, d])| format!("{a}.{b}.{c}.{d}")),
        (1u8..224, any::<[u8; 3]>(), 1u8..=32).prop_map(|(a, [b, c, d], n)| format!("{a}.{b}.{c}.{d}/{n}")),
        Just("host.example".to_owned()),
        Just("2001:db8::1".to_owned()),
    ]
}

fn yes_no() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["yes", "no"])
}

fn qm_methods() -> impl Strategy<Value = String> {
    let one = prop::sample::select(vec![
        "ESP[3DES,SHA1]",
        "ESP[DES,None]",
        "ESP[None,MD5]",
        "AH[MD5]",
        "AH[SHA1]+ESP[3DES,None]",
    ]);
    let life = prop_oneof![
        Just(String::new()),
        (1u32..9_999_999).prop_map(|k| format!(":{k}k")),
        (1u32..99_999, 1u32..99_999).prop_map(|(k, s)| format!(":{k}k/{s}s")),
        (1u32..99_999).prop_map(|s| format!(":{s}s")),
    ];
    prop::collection::vec((one, life).prop_map(|(m, l)| format!("{m}{l}")), 1..4)
        .prop_map(|all| all.join(" "))
}

fn auth() -> impl Strategy<Value = String> {
    let one = prop_oneof![
        yes_no().prop_map(|y| format!("kerberos={y}")),
        text().prop_map(|k| format!("psk={}", quoted(&k))),
        (yes_no(), yes_no())
            .prop_map(|(m, x)| format!("rootca=\"CN=A \\'B\\' certmap:{m} excludecaname:{x}\"")),
    ];
    prop::collection::vec(one, 0..4).prop_map(|all| all.join(" "))
}

/// Lines that each make one object or change one; those that cannot be carried out are left out by the test.
fn line() -> impl Strategy<Value = String> {
    let protocol = || {
        prop::sample::select(vec![
            "protocol=any",
            "protocol=tcp srcport=1 dstport=65535",
            "protocol=udp dstport=53",
            "protocol=1",
            "protocol=raw",
            "",
        ])
    };
    let mm = || prop::sample::select(vec!["3DES-SHA1-2", "DES-MD5-1 3DES-SHA1-3"]);
    let connection = || prop::sample::select(vec!["all", "lan", "dialup"]);
    let tunnel = || prop::sample::select(vec!["", "tunnel=no", "tunnel=192.0.2.1", "tunnel=gate.example"]);
    prop_oneof![
        text().prop_map(|n| format!("add filterlist {}", quoted(&n))),
        (text(), address(), address(), protocol(), yes_no(), text()).prop_map(|(l, s, d, p, m, t)| {
            format!("add filter {} {s} {d} {p} mirrored={m} description={}", quoted(&l), quoted(&t))
        }),
        (text(), yes_no(), yes_no(), yes_no(), qm_methods(), prop::sample::select(vec!["permit", "block", "negotiate"])).prop_map(
            |(n, a, b, c, q, action)| format!("add filteraction {} qmpfs={a} inpass={b} soft={c} action={action} qmsec=\"{q}\"", quoted(&n))
        ),
        (text(), yes_no(), 0u32..9, 1u32..9999, yes_no(), mm()).prop_map(|(n, p, q, l, a, m)| {
            format!("add policy {} mmpfs={p} qmpermm={q} mmlifetime={l} activatedefaultrule={a} pollinginterval={l} mmsec=\"{m}\" assign={p}", quoted(&n))
        }),
        (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), text(), connection(), tunnel(), yes_no(), auth())
            .prop_map(|(p, l, a, n, c, t, y, auth)| format!(
                "rule {} {} {} {} {t} conntype={c} activate={y} {auth}", p.index(100), l.index(100), a.index(100), quoted(&n)
            )),
        (text(), yes_no(), qm_methods(), auth()).prop_map(|(p, y, q, a)| format!("set defaultrule {} qmpfs={y} qmsec=\"{q}\" {a}", quoted(&p))),
        (text(), 0u32..9, mm()).prop_map(|(n, q, m)| format!("dynamic add mmpolicy {} qmpermm={q} mmsec=\"{m}\"", quoted(&n))),
        (text(), yes_no(), qm_methods()).prop_map(|(n, s, q)| format!("dynamic add qmpolicy {} soft={s} pfsgroup=grp3 qmsec=\"{q}\"", quoted(&n))),
        (address(), address(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), protocol(), yes_no(), connection(), auth()).prop_map(
            |(s, d, m, q, p, y, c, a)| format!("dynrule {} {} {s} {d} {p} mirrored={y} conntype={c} {a}", m.index(100), q.index(100))
        ),
        prop::sample::select(vec!["dynamic set config bootmode block", "dynamic set config bootexemptions none", "set store persistent", "set store local"])
            .prop_map(str::to_owned),
    ]
}

/// `rule` and `dynrule` lines name objects that exist.
fn resolved(stores: &Stores, line: &str, persistent: bool) -> Option<String> {
    let mut words = line.splitn(2, ' ');
    let (kind, rest) = (words.next()?, words.next().unwrap_or(""));
    let store: &Store = if persistent { &stores.persistent } else { &stores.local };
    let pick = |names: Vec<&String>, n: &str| {
        let n: usize = n.parse().ok()?;
        names.get(n % names.len().max(1)).map(|n| quoted(n))
    };
    match kind {
        "rule" => {
            let parts: Vec<&str> = rest.splitn(4, ' ').collect();
            let policy = pick(store.policies().iter().map(|p| &p.name).collect(), parts.first()?)?;
            let list = pick(store.filter_lists().iter().map(|l| &l.name).collect(), parts.get(1)?)?;
            let action = pick(store.filter_actions().iter().map(|a| &a.name).collect(), parts.get(2)?)?;
            Some(format!(
                "add rule policy={policy} filterlist={list} filteraction={action} name={}",
                parts.get(3)?
            ))
        }
        "dynrule" => {
            let parts: Vec<&str> = rest.splitn(5, ' ').collect();
            let mm = pick(stores.dynamic.mm_policies().iter().map(|p| &p.name).collect(), parts.first()?)?;
            let qm = pick(stores.dynamic.qm_policies().iter().map(|p| &p.name).collect(), parts.get(1)?)?;
            let [source, tail] = [parts.get(2)?, parts.get(3)?];
            Some(format!("dynamic add rule {source} {tail} mmpolicy={mm} qmpolicy={qm} {}", parts.get(4)?))
        }
        _ => Some(line.to_owned()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever commands make, a dump of it makes it again.
    #[test]
    fn every_store_reads_back(lines in prop::collection::vec(line(), 0..30)) {
        let mut stores = Stores::new();
        let (mut persistent, mut made) = (false, 0);
        for line in &lines {
            match line.as_str() {
                "set store persistent" => persistent = true,
                "set store local" => persistent = false,
                _ => {}
            }
            let Some(line) = resolved(&stores, line, persistent) else { continue };
            let place = if persistent { "set store persistent" } else { "" };
            let script = format!("pushd ipsec static\n{place}\n{line}");
            made += usize::from(run(&mut stores, "s", script.as_bytes(), &Setting::default()).is_ok());
        }
        prop_assert!(made > 0 || lines.len() < 8, "nothing could be made of {lines:?}");
        let text = dump(&stores).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let mut again = Stores::new();
        run(&mut again, "dump", text.as_bytes(), &Setting::default())
            .map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
        prop_assert_eq!(&again, &renumbered(&stores), "{}", text);
        prop_assert_eq!(dump(&again), Ok(text));
    }
}
