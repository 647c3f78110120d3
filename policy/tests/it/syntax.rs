//! The many ways in which people write the same command.

use ipsec_policy::filter::{Address, Port, Server};
use ipsec_policy::netsh::{NoteKind, run_script};
use ipsec_policy::rule::{ConnectionType, TunnelEndpoint};
use ipsec_policy::{AuthMethod, Store};

use crate::{notes, store_of};

fn names(script: &str) -> Vec<String> {
    let (store, _) = store_of("s", script.as_bytes());
    store.policies().iter().map(|p| p.name.clone()).collect()
}

#[test]
fn one_command_in_many_spellings() {
    for script in [
        "netsh ipsec static add policy name=X",
        "NETSH.EXE IPSEC STATIC ADD POLICY NAME=X",
        "@netsh ipsec static add policy X",
        "  \tnetsh  ipsec  static  add  policy  name = X  ",
        "\"C:\\WINDOWS\\system32\\netsh.exe\" ipsec static add policy name=\"X\"",
        "C:\\>netsh ipsec static add policy name=X",
        "C:\\Documents and Settings\\Administrator>netsh ipsec static add policy name=X",
        "netsh ipsec static>add policy name=X",
        "netsh -c \"ipsec static\" add policy name=X",
        "call netsh ipsec static add policy name=X >nul 2>&1",
        "cmd /c netsh ipsec static add policy name=X",
        "netsh ipsec static add pol n=X d=\"some text\"",
        "netsh ipsec static ^\r\n\tadd policy ^\r\n\tname=X",
        "netsh ipsec static add policy name=\u{201c}X\u{201d} // remark",
        "netsh ipsec\r\nstatic\r\nadd policy name=X\r\nexit",
        "netsh\r\nipsec static\r\nadd policy name=X\r\nbye\r\necho done",
        "pushd ipsec static\nadd policy name=X\npopd",
        "ipsec static\nadd policy name=X\nexit",
        "; remark\nipsec static\n  ; another\nadd policy X",
        "# from a dump\nipsec static add policy name=X",
        "add policy name=X",
        "add policy name=X\nexit\nadd policy name=Y",
        "pushd ipsec static\nadd policy name=X\ndynamic\nset config property=ikelogging value=1\npopd",
        "netsh ipsec static add policy name=X\r\n\x1anetsh ipsec static add policy name=Y",
        "\u{feff}netsh ipsec static add policy name=X\rnetsh ipsec static show policy all",
        "rem remark\nset P=X\nnetsh ipsec static add policy name=%P%",
        "@echo off\nset \"P=X\"\nif \"%P%\"==\"X\" (\n  netsh ipsec static add policy name=%p%\n) else (\n  netsh ipsec static add policy name=Y\n)",
        "@echo off\nfor %%i in (X) do netsh ipsec static add policy name=%%i",
        "@echo off\ngoto start\nnetsh ipsec static add policy name=Y\n:start\nnetsh ipsec static add policy name=X",
        "@echo off\ncall :make X\ngoto :eof\n:make\nnetsh ipsec static add policy name=%1\nexit /b",
        "@echo off\ncls & netsh ipsec static add policy name=X && echo done || netsh ipsec static add policy name=Y",
        "echo netsh ipsec static add policy name=Y\nnetsh ipsec static add policy name=X",
        "netsh firewall set opmode disable\nnetsh ipsec static add policy name=X",
    ] {
        assert_eq!(names(script), ["X"], "{script}");
    }
}

#[test]
fn what_depends_on_the_computer_is_named() {
    let script = "@echo off\nsc query policyagent\nif errorlevel 1 (\n  netsh ipsec static add policy name=A\n)\n\
        for /f %%i in (hosts.txt) do netsh ipsec static add policy name=%%i\n\
        if exist c:\\x netsh ipsec static add policy name=B\nnetsh ipsec static add policy name=C";
    let (store, output) = store_of("s.bat", script.as_bytes());
    assert_eq!(store.policies().len(), 1);
    assert!(output.notes.iter().all(|n| n.kind == NoteKind::NotUnderstood));
    insta::assert_snapshot!(notes(&output));
}

/// Blocks that hang on something not understood do not run by half; lists may run over lines.
#[test]
fn blocks_and_lists() {
    let script = "@echo off\nif foo (\n netsh ipsec static add policy name=never\n)\n\
        for %%z on (a b) do (\n if a==a (\n  netsh ipsec static add policy name=never\n )\n)\n\
        for /f \"tokens=1\" %%a in ('type l.txt ^| find \"(x)\"') do (\n netsh ipsec static add policy name=%%a\n)\n\
        for %%i in (A,\n B) do if %%i==A (netsh ipsec static add policy name=%%i) else netsh ipsec static add policy name=x%%i\n\
        netsh ipsec static add policy name=C > nul 2>nul || netsh ipsec static add policy name=never & netsh ipsec static add policy name=D\n\
        if \"%~1\"==\"\" (\n netsh ipsec static add policy name=\"(E)\"\n) else if \"%1\"==\"x\" (\n netsh ipsec static add policy name=never\n)\n\
        call:sub F\ngoto:end\n:sub\nnetsh ipsec static add policy name=%1\ngoto:eof\n:end\n\
        ver | find \"5.2\" && netsh ipsec static add policy name=never\ngoto nowhere\nnetsh ipsec static add policy name=never";
    assert_eq!(names(script), ["A", "xB", "C", "D", "(E)", "F"]);
}

#[test]
fn positional_values_take_the_tags_that_are_left() {
    let (store, output) = store_of("s", b"add filter filterlist=block any srcmask=32 dstaddr=me description=445 protocol=tcp mirrored=yes dstport=445");
    let filter = &store.filter_list("BLOCK").unwrap().filters[0];
    assert_eq!((&filter.source, &filter.destination), (&Address::Any, &Address::Me));
    assert_eq!((filter.description.as_str(), filter.destination_port), ("445", Port::One(445)));
    assert_eq!(notes(&output), "");
    let (store, output) =
        store_of("s", "add filter L any me web TCP mirrored=no dstport=80 端口 开放".as_bytes());
    let filter = &store.filter_list("L").unwrap().filters[0];
    assert_eq!((filter.protocol, filter.mirrored), (Some(6), false));
    assert_eq!(output.notes.len(), 2, "{}", notes(&output));
    let script = "add policy P\nadd filterlist L\nadd filteraction A act=b\nadd rule R P L A\nset policy P assign=y\ndel rule all P";
    let (store, _) = store_of("s", script.as_bytes());
    assert_eq!(store.assigned().unwrap().rules, []);
}

#[test]
fn ambiguous_tag_is_settled_by_its_full_sibling() {
    let setup = "add policy P\nadd filterlist L\nadd filteraction A action=block\n";
    let (store, _) =
        store_of("s", format!("{setup}add rule name=R policy=P filter=L filteraction=A").as_bytes());
    assert_eq!(store.policies()[0].rules.len(), 1);
    let error =
        run_script(&mut Store::new(), "s", format!("{setup}add rule name=R policy=P filter=L").as_bytes());
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("`filter` is ambiguous, expected one of filterlist or filteraction")
    );
}

#[test]
fn addresses_of_every_kind() {
    let script = "add filter L me 10.1.2.3\nadd filter L me 10.1.2.3 dstmask=255.255.255.0\nadd filter L me 10.1.2.3 dstmask=24\n\
        add filter L me 0.0.0.0 dstmask=0.0.0.0\nadd filter L me DNS\nadd filter L Gateway Me\n\
        add filter L me Bobslap\nadd filter L me 10.0.0.1-10.0.0.9\nadd filter L ANY srcmask=0.0.0.0 dstaddr=ME dstmask=255.255.255.255\n\
        add filter L me 2001:db8::/32";
    let mut store = Store::new();
    store.add_host("bobslap", "172.31.67.244".parse().unwrap());
    run_script(&mut store, "s", script.as_bytes()).unwrap();
    let filters = &store.filter_list("L").unwrap().filters;
    let shown: Vec<String> = filters.iter().map(|f| format!("{} {}", f.source, f.destination)).collect();
    assert_eq!(
        shown,
        [
            "me 10.1.2.3",
            "me 10.1.2.0/24",
            "me 10.1.2.0/24",
            "me any",
            "me DNS",
            "GATEWAY me",
            "me Bobslap",
            "me 10.0.0.1-10.0.0.9",
            "any me",
            "me 2001:db8::/32"
        ]
    );
    assert_eq!(filters[4].destination, Address::Server(Server::Dns));
    assert_eq!(
        filters[6].destination,
        Address::Name("Bobslap".into(), vec!["172.31.67.244".parse().unwrap()])
    );
}

/// Names and server keywords can be looked at without knowing their addresses.
#[test]
fn unknown_names_are_listed() {
    let script = "add policy P activatedefaultrule=no\nadd filter L me Bobslap\nadd filter L DNS me protocol=udp srcport=53\n\
        add filter T 10.1.0.0 srcmask=16 10.2.0.0 dstmask=16 mirrored=no\nadd filteraction A action=block\n\
        add filteraction N action=negotiate\nadd rule R P L A\nadd rule T P T N tunnel=gate.example psk=x";
    let (store, _) = store_of("s", script.as_bytes());
    insta::assert_snapshot!(crate::listing(&store, &Default::default()));
}

#[test]
fn rules_take_tunnel_connection_and_methods_in_order() {
    let script = "add policy P\nadd filterlist L\nadd filteraction A qmsec=\"AH[MD5]:204800k/300s AH[SHA1]+ESP[DES,None] ESP[3DES,SHA1]:3600s\" act=negotiate\n\
        add rule R P L A tunnel=192.0.2.1 con=lan psk=\"a = b\" rootca=\"CN=Root certmap:yes excludecaname:no\" kerberos=y\n\
        set rule R P newname=S activate=no psk=only\nset filteraction A inpass=y";
    let (store, _) = store_of("s", script.as_bytes());
    let rule = &store.policies()[0].rules[0];
    assert_eq!((rule.name.as_str(), rule.active, rule.connection), ("S", false, ConnectionType::Lan));
    assert_eq!(rule.tunnel, Some(TunnelEndpoint::Address("192.0.2.1".parse().unwrap())));
    assert!(matches!(rule.auth.as_slice(), [AuthMethod::PresharedKey(k)] if k.expose() == "only"));
    let action = store.filter_action("a").unwrap();
    let methods: Vec<String> = action.methods.iter().map(ToString::to_string).collect();
    assert_eq!(methods, ["AH[MD5]:204800k/300s", "AH[SHA1]+ESP[DES,None]", "ESP[3DES,SHA1]:3600s"]);
    assert!(action.inpass);
}

/// "Only one policy can be assigned at a time."
#[test]
fn assigning_one_policy_unassigns_the_other() {
    let (store, _) = store_of("s", b"add policy A assign=y\nadd policy B assign=y");
    assert_eq!(store.assigned().unwrap().name, "B");
    let (store, _) = store_of("s", b"add policy A assign=y\nset policy A assign=no");
    assert!(store.assigned().is_none());
}

#[test]
fn what_is_used_is_not_deleted() {
    let script = "add policy P\nadd filterlist L\nadd filteraction A action=block\nadd rule R P L A\ndelete filterlist all";
    let error = run_script(&mut Store::new(), "s", script.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("filter list 'L' is used by rule 'R' of policy 'P'"));
    let (store, _) = store_of(
        "s",
        format!(
            "{}\ndelete policy all\ndelete filterlist all\ndelete filteraction all",
            script.rsplit_once('\n').unwrap().0
        )
        .as_bytes(),
    );
    assert_eq!((store.policies().len(), store.filter_lists().len(), store.filter_actions().len()), (0, 0, 0));
}

/// With only the list and the addresses every filter between them goes; more tags narrow the choice.
#[test]
fn delete_filter_matches_what_is_given() {
    let setup = "add filter L any me protocol=tcp dstport=80\nadd filter L any me protocol=tcp dstport=443\nadd filter L me any\n";
    let left = |line: &str| {
        let (store, _) = store_of("s", format!("{setup}{line}").as_bytes());
        store.filter_list("L").unwrap().filters.len()
    };
    assert_eq!(left("delete filter L any me"), 1);
    assert_eq!(left("delete filter L any me protocol=tcp dstport=80"), 2);
    assert_eq!(left("delete filter L any any"), 3);
}

/// Labels and order as in the published output of a default policy and of a verbose filter list.
#[test]
fn show_prints_what_windows_prints() {
    let script = "add policy name=netbc\nadd filter filterlist=block any srcmask=32 dstaddr=me description=445 protocol=tcp dstport=445\n\
        add filteraction name=A action=negotiate soft=y\nadd rule r netbc block A psk=hidden\nset policy netbc assign=y\n\
        show policy all\nshow filterlist all verbose\nshow filteraction all\nshow rule all netbc\nshow rule default netbc\nshow all format=table\nshow policy netbc verbose";
    let (_, output) = store_of("s", script.as_bytes());
    assert!(!output.text.contains("hidden"));
    insta::assert_snapshot!(output.text);
}

/// Any prefix length, on every release ("enhanced subnet definitions"); ranges where no Windows is meant.
#[test]
fn subnets_of_every_length_and_ranges_of_none() {
    use ipsec_policy::netsh::{Setting, run};
    use ipsec_policy::{Stores, profile};
    let add = |release, address: &str| {
        let mut stores = Stores::of(release);
        let script = format!("ipsec static add filter L me {address}");
        let result = run(&mut stores, "s", script.as_bytes(), &Setting::default());
        let address = || stores.local.filter_lists()[0].filters[0].destination.to_string();
        result.map(|output| (address(), output.notes.len())).map_err(|e| e.kind.to_string())
    };
    for length in 1..=32_u32 {
        let mask = std::net::Ipv4Addr::from_bits(u32::MAX << (32 - length));
        let network = std::net::Ipv4Addr::from_bits(0xc000_0201 & mask.to_bits());
        let plain = if length == 32 { network.to_string() } else { format!("{network}/{length}") };
        for written in [format!("192.0.2.1 dstmask={length}"), format!("192.0.2.1 dstmask={mask}")] {
            assert_eq!(add(&profile::WINDOWS_2003, &written).map(|(a, _)| a), Ok(plain.clone()), "{written}");
        }
    }
    let prefix = |release| add(release, "192.0.2.0/24");
    assert_eq!(prefix(&profile::WINDOWS_2003), Ok(("192.0.2.0/24".to_owned(), 1)));
    assert_eq!(prefix(&profile::RFC), Ok(("192.0.2.0/24".to_owned(), 0)));
    let range = "192.0.2.1-192.0.2.9";
    assert_eq!(add(&profile::RFC, range), Ok((range.to_owned(), 0)));
    for release in [&profile::WINDOWS_2000, &profile::WINDOWS_XP_SP2, &profile::WINDOWS_2003] {
        let refused = add(release, range).unwrap_err();
        assert!(refused.contains("this release has no ranges in filters"), "{refused}");
        // The same notes: what these releases store is four octets wide.
        for address in ["2001:db8::1", "2001:db8::/32"] {
            let refused = add(release, address).unwrap_err();
            assert!(refused.contains("this release has no IPv6 in filters"), "{refused}");
        }
    }
    // So has IPv6 (the same source).
    let refused = add(&profile::WINDOWS_2003, "2001:db8::1").unwrap_err();
    assert!(
        refused.contains("this release has no IPv6 in filters, Windows Vista and later have"),
        "{refused}"
    );
    assert_eq!(add(&profile::RFC, "2001:db8::1"), Ok(("2001:db8::1".to_owned(), 0)));
}
