//! The default policies with their predefined lists and actions, as the articles' tables have them.

use ipsec_policy::examples::{
    ALL_ICMP, ALL_IP, CLIENT, PERMIT, REQUEST, REQUIRE, SECURE_SERVER, SERVER, store,
};
use ipsec_policy::filter::Address;
use ipsec_policy::security_method::SecurityMethod;
use ipsec_policy::{Action, AuthMethod};

/// "Two predefined filter lists, three predefined filter actions" (KB 301284).
#[test]
fn two_lists_and_three_actions() {
    let store = store();
    let lists: Vec<&str> = store.filter_lists().iter().map(|l| l.name.as_str()).collect();
    let mut actions: Vec<&str> = store.filter_actions().iter().map(|a| a.name.as_str()).collect();
    actions.sort_unstable();
    assert_eq!(lists, [ALL_ICMP, ALL_IP]);
    assert_eq!(actions, [PERMIT, REQUEST, REQUIRE]);
    for (name, protocol) in [(ALL_ICMP, Some(1)), (ALL_IP, None)] {
        let [filter] = store.filter_list(name).unwrap().filters.as_slice() else { panic!("{name}") };
        assert_eq!(
            (&filter.source, &filter.destination, filter.protocol),
            (&Address::Me, &Address::Any, protocol)
        );
        assert!(filter.mirrored);
    }
}

/// Both negotiating actions accept clear packets that come in (KB 816514: "create a new filter action because the default actions allow incoming traffic in clear text"); only "Optional" sends them.
#[test]
fn actions_accept_what_is_unsecured() {
    let store = store();
    let of = |name: &str| {
        let action = store.filter_action(name).unwrap();
        (action.action, action.inpass, action.soft)
    };
    assert_eq!(of(PERMIT).0, Action::Permit);
    assert_eq!(of(REQUEST), (Action::Negotiate, true, true));
    assert_eq!(of(REQUIRE), (Action::Negotiate, true, false));
}

/// Client has the default response rule alone; Server and Secure Server have three rules with it. Kerberos everywhere.
#[test]
fn the_rules_of_the_three_policies() {
    let store = store();
    assert!(store.assigned().is_none());
    for (policy, negotiates) in [(CLIENT, None), (SERVER, Some(REQUEST)), (SECURE_SERVER, Some(REQUIRE))] {
        let policy = store.policy(policy).unwrap();
        assert!(policy.default_response.active);
        assert_eq!(policy.default_response.auth, [AuthMethod::Kerberos]);
        let name = |list, action| {
            let list = store.filter_list_by_id(list).unwrap().name.clone();
            (list, store.filter_action_by_id(action).unwrap().name.clone())
        };
        let rules: Vec<(String, String)> =
            policy.rules.iter().map(|r| name(r.filter_list, r.filter_action)).collect();
        let pair = |list: &str, action: &str| (list.to_owned(), action.to_owned());
        let expected = negotiates.map_or(Vec::new(), |a| vec![pair(ALL_IP, a), pair(ALL_ICMP, PERMIT)]);
        assert_eq!(rules, expected);
        assert!(
            policy.rules.iter().all(|r| r.active && r.tunnel.is_none() && r.auth == [AuthMethod::Kerberos])
        );
    }
}

/// What the tables list in this order, one after the other; the tables themselves are unconfirmed, and say so
/// (`ipsec_policy::defaults`). Session keys have no perfect forward secrecy, master keys none either, 480 minutes and any number
/// of quick modes (HP-UX/Windows interoperability guide, for XP).
#[test]
fn security_methods_and_key_settings() {
    let store = store();
    let methods = |list: &[SecurityMethod]| list.iter().map(SecurityMethod::to_string).collect::<Vec<_>>();
    let of = |name: &str| {
        let action = store.filter_action(name).unwrap();
        assert!(!action.qm_pfs, "{name}");
        methods(&action.methods)
    };
    let limits = |list: [&str; 4]| list.map(|method| format!("{method}:100000k/900s"));
    assert_eq!(of(REQUEST), limits(["ESP[3DES,SHA1]", "ESP[3DES,MD5]", "AH[SHA1]", "AH[MD5]"]));
    assert_eq!(of(REQUIRE), limits(["ESP[3DES,SHA1]", "ESP[3DES,MD5]", "ESP[DES,SHA1]", "ESP[DES,MD5]"]));
    for policy in [CLIENT, SERVER, SECURE_SERVER].map(|name| store.policy(name).unwrap()) {
        let default =
            ["ESP[3DES,SHA1]", "ESP[3DES,MD5]", "ESP[DES,SHA1]", "ESP[DES,MD5]", "AH[SHA1]", "AH[MD5]"];
        assert_eq!(methods(&policy.default_response.methods), default);
        let methods: Vec<String> = policy.main_mode.methods.iter().map(ToString::to_string).collect();
        assert_eq!(methods, ["3DES-SHA1-2", "3DES-MD5-2", "DES-SHA1-1", "DES-MD5-1"]);
        let main_mode = &policy.main_mode;
        let key_settings = (main_mode.lifetime_minutes, main_mode.qm_per_mm, main_mode.pfs);
        assert_eq!(key_settings, (480, 0, false));
        assert_eq!(policy.polling_interval_minutes, 180);
    }
}
