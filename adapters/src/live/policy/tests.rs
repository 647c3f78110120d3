use super::*;
use ipsec_core::config::IkeConfig;
use ipsec_policy::profile::Profile;

fn file(text: &str) -> File {
    toml::from_str(text).unwrap()
}

fn outside() -> Outside {
    Outside { interfaces: Vec::new(), mtu: 1500 }
}

#[test]
fn connections_become_entries_in_their_order() {
    let file = file(
        r#"
        machine.outside = ["eth1"]
        [[connection]]
        name = "no chat"
        action = "discard"
        protocol = "tcp"
        remote-port = 6667
        [[connection]]
        name = "NetB"
        local-address = "203.0.113.1"
        remote-address = "203.0.113.2"
        local = ["10.1.0.0/16"]
        remote = ["10.2.0.0/16"]
        proposals = ["3des-md5-modp1024"]
        suites = ["des-md5"]
        pfs = "same"
        key = "-actual key-"
        "#,
    );
    let made = databases(&file, &Others::new(), &outside()).unwrap();
    let texts: Vec<String> =
        made.spd.entries().iter().map(|e| format!("{}: {}", e.name, e.selector)).collect();
    let expected =
        ["no chat: any -> any:6667 tcp", "NetB: 10.1.0.0/16 -> 10.2.0.0/16", "all else: any -> any"];
    assert_eq!(texts, expected);
    let Action::Protect(protect) = &made.spd.entries()[1].action else { panic!() };
    let (local, remote) = ("203.0.113.1".parse().unwrap(), "203.0.113.2".parse().unwrap());
    assert_eq!(protect.mode, Mode::Tunnel { local: Some(local), remote });
    assert_eq!(protect.pfs, Pfs::SameGroup);
    let entry = made.pad.lookup(local, remote).unwrap();
    assert_eq!(entry.methods, [AuthMethod::PreSharedKey(Secret::new(*b"-actual key-"))]);
    assert!(!entry.accept_aggressive);
}

#[test]
fn what_is_missing_is_named() {
    for (connection, why) in [
        ("name = \"a\"", "connection `a`: either `key` or `key-file`"),
        ("name = \"a\"\nkey = \"k\"\nremote-port = 1", "ports need a protocol"),
        ("name = \"a\"\nkey = \"k\"\nsuites = []", "suites: at least one"),
        ("name = \"a\"\nkey-file = \"/nonexistent\"", "/nonexistent is missing"),
    ] {
        let file = file(&format!("machine.outside = [\"eth1\"]\n[[connection]]\n{connection}\n"));
        let error = databases(&file, &Others::new(), &outside()).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn answers_of_phase_1_are_repeated_by_rfc_nodes_and_no_exchange_is_shorter_for_it() {
    let key = "[[connection]]\nname = \"a\"\nkey = \"k\"\nremote = [\"192.0.2.0/24\"]\n";
    let config = |ike: &str| file(&format!("machine.outside = [\"eth1\"]\n{ike}{key}")).ike_config().unwrap();
    let rfc = config("").responder_retransmit.unwrap();
    assert_eq!(rfc.gaps.iter().map(|gap| gap.as_secs()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(rfc.length(), IkeConfig::default().retransmit.length());
    // Windows does it in its own way.
    let windows = config("ike.profile = \"windows-2003\"\n").responder_retransmit.unwrap();
    assert_eq!(windows, Profile::find("windows-2003").unwrap().ike().responder_retransmit.unwrap());
}
