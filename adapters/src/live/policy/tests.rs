use super::*;

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
