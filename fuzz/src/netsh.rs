//! `netsh ipsec static` scripts: any bytes as a script, on an empty store and on one with a policy.

use std::collections::BTreeMap;

use ipsec_core::interface::ConnectionKind;
use ipsec_core::selector::Prefix;
use ipsec_policy::Store;
use ipsec_policy::compile::{LocalAddresses, LocalInterface, compile, listing};
use ipsec_policy::exempt::ExemptLevel;
use ipsec_policy::netsh::{check, run_script};

/// The tunnel of KB 816514, one half, so that a script finds something to change.
const BEFORE: &[u8] = b"pushd ipsec static
add policy name=NetBPol
add filteraction name=tun action=negotiate qmsec=\"ESP[DES,MD5]:100000k/3600s\"
add filter filterlist=NetAtoNetB srcaddr=10.1.0.0 srcmask=255.255.0.0 dstaddr=10.2.0.0 dstmask=255.255.0.0 mirrored=no
add rule name=out policy=NetBPol filterlist=NetAtoNetB filteraction=tun tunnel=203.0.113.2 psk=\"-actual key-\"
set policy name=NetBPol assign=y
popd
";

/// `data` is a script.
pub fn body(data: &[u8]) {
    let mut store = Store::new();
    script(&mut store, data);
    let mut store = Store::new();
    run_script(&mut store, "before.cmd", BEFORE).expect("a good script");
    script(&mut store, data);
}

fn script(store: &mut Store, data: &[u8]) {
    let before = store.clone();
    match run_script(store, "fuzz.cmd", data) {
        Ok(output) => {
            output.notes.iter().for_each(|note| drop(note.to_string()));
            let (_, errors) = check(&before, "fuzz.cmd", data);
            assert!(errors.is_empty(), "a check finds an error in what runs");
            let mut again = before;
            run_script(&mut again, "fuzz.cmd", data).expect("a script that ran runs again");
            assert_eq!(again, *store, "equal scripts make equal stores");
        }
        Err(error) => {
            assert_eq!(*store, before, "a script that failed changed the store");
            let _ = error.to_string();
            // A carriage return ends a line, too.
            let lines = data.split(|b| matches!(b, b'\n' | b'\r')).count();
            assert!((1..=lines).contains(&(error.line as usize)), "{error} is in none of {lines} lines");
            assert!(error.column >= 1);
        }
    }
    afterwards(store);
}

/// Whatever a script left can be shown and compiled.
fn afterwards(store: &mut Store) {
    let before = store.clone();
    for what in ["all", "policy all level=verbose", "filterlist all level=verbose"] {
        let show = format!("netsh ipsec static show {what}");
        run_script(store, "show.cmd", show.as_bytes()).expect("everything can be shown");
    }
    assert_eq!(*store, before, "showing changed the store");
    let interface = LocalInterface {
        kind: ConnectionKind::Lan,
        addresses: vec![Prefix::new([203, 0, 113, 1].into(), 24), Prefix::new([10, 1, 0, 1].into(), 16)],
    };
    let local = LocalAddresses {
        interfaces: vec![interface],
        servers: BTreeMap::new(),
        names: BTreeMap::new(),
        exempt: ExemptLevel::from_number(1).expect("a level"),
        release: None,
    };
    if let Err(error) = compile(store, &local) {
        let _ = error.to_string();
    }
    let _ = listing(store, &local);
}
