//! Scripts found in the wild: what each does here, which is what it does on Windows.

use ipsec_policy::compile::LocalAddresses;
use ipsec_policy::netsh::{ErrorKind, check, run_script, run_script_with};
use ipsec_policy::store::{ObjectKind, StoreError};
use ipsec_policy::{Action, Store};

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

/// It creates the action `Perm` and then names `Permit`: Windows refuses that rule and goes on to the next line.
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
