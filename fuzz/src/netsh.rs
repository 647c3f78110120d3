//! `netsh ipsec` scripts: any bytes as a script, on an empty store and on one with a policy.

use ipsec_core::interface::ConnectionKind;
use ipsec_core::selector::Prefix;
use ipsec_policy::compile::{
    LocalAddresses, LocalInterface, Validation, compile, compile_stores, listing, listing_of_all,
};
use ipsec_policy::exempt::ExemptLevel;
use ipsec_policy::netsh::{Setting, check, dump, run, run_script};
use ipsec_policy::{Store, Stores};

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
    computer(data);
}

/// The same script with all that a computer has: dynamic policy, two stores, files. What it makes can be written as a
/// script that makes it again.
fn computer(data: &[u8]) {
    // Every file there is holds the script itself.
    let read = |_: &str| Some(data.to_vec());
    let setting = Setting { read: Some(&read), ..Setting::default() };
    let mut stores = Stores::new();
    if run(&mut stores, "fuzz.cmd", data, &setting).is_err() {
        assert_eq!(stores, Stores::new(), "a script that failed changed the stores");
        return;
    }
    let local = LocalAddresses::lan(&[Prefix::new([203, 0, 113, 1].into(), 24)]);
    let _ = compile_stores(&stores, &local);
    let _ = listing_of_all(&stores, &local);
    let setting = Setting { computer: Some(&local), ..setting };
    run(&mut stores.clone(), "show.cmd", b"netsh ipsec dynamic show all", &setting)
        .expect("everything can be shown");
    let Ok(text) = dump(&stores) else { return };
    let mut again = Stores::new();
    run(&mut again, "dump.netsh", text.as_bytes(), &Setting::default()).expect("a dump is a good script");
    assert_eq!(dump(&again).as_ref(), Ok(&text), "a dump makes what was dumped");
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
        leased: true,
    };
    let local = LocalAddresses {
        interfaces: vec![interface],
        exempt: ExemptLevel::from_number(1).expect("a level"),
        ..LocalAddresses::default()
    };
    for validation in [Validation::Strict, Validation::Faithful] {
        if let Err(error) = compile(store, &LocalAddresses { validation, ..local.clone() }) {
            let _ = error.to_string();
        }
    }
    let _ = listing(store, &local);
}
