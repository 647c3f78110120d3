//! The three default policies with their predefined filter lists and filter actions: what `restorepolicyexamples` makes.
//!
//! Rules, lists, actions, authentication: the three policies' published rule tables (Windows FAQ cc987611 and XP's
//! "Default IPSec policies"). Security methods and lifetimes: the [`defaults`] of examples, unconfirmed.

use crate::auth_method::AuthMethod;
use crate::defaults;
use crate::filter::{Address, Filter, FilterList, Port};
use crate::filter_action::{Action, FilterAction};
use crate::policy::Policy;
use crate::rule::{ConnectionType, Rule};
use crate::security_method::SecurityMethod;
use crate::store::{Guid, Store};

/// "All IP Traffic".
pub const ALL_IP: &str = "All IP Traffic";
/// "All ICMP Traffic".
pub const ALL_ICMP: &str = "All ICMP Traffic";
/// "Permit".
pub const PERMIT: &str = "Permit";
/// "Request Security (Optional)".
pub const REQUEST: &str = "Request Security (Optional)";
/// "Require Security".
pub const REQUIRE: &str = "Require Security";
/// "Client (Respond Only)".
pub const CLIENT: &str = "Client (Respond Only)";
/// "Server (Request Security)".
pub const SERVER: &str = "Server (Request Security)";
/// "Secure Server (Require Security)".
pub const SECURE_SERVER: &str = "Secure Server (Require Security)";

/// A store with the examples and nothing else; no policy is assigned.
#[must_use]
pub fn store() -> Store {
    let mut store = Store::new();
    let icmp = list(&mut store, ALL_ICMP, Some(1));
    let ip = list(&mut store, ALL_IP, None);
    let permit = action(&mut store, PERMIT, Action::Permit, false, false, &defaults::QM_METHODS.value);
    let request =
        action(&mut store, REQUEST, Action::Negotiate, true, true, &defaults::REQUEST_METHODS.value);
    let require =
        action(&mut store, REQUIRE, Action::Negotiate, true, false, &defaults::REQUIRE_METHODS.value);
    policy(&mut store, CLIENT, &[]);
    policy(&mut store, SERVER, &[(ALL_IP, ip, request), (ALL_ICMP, icmp, permit)]);
    policy(&mut store, SECURE_SERVER, &[(ALL_IP, ip, require), (ALL_ICMP, icmp, permit)]);
    store
}

/// From me to anyone and back.
fn list(store: &mut Store, name: &str, protocol: Option<u8>) -> Guid {
    let id = store.new_guid();
    let filter = Filter {
        id: store.new_guid(),
        description: name.to_owned(),
        source: Address::Me,
        destination: Address::Any,
        protocol,
        source_port: Port::Any,
        destination_port: Port::Any,
        mirrored: true,
    };
    let list = FilterList { id, name: name.to_owned(), description: String::new(), filters: vec![filter] };
    let _ = store.put_filter_list(list);
    id
}

fn action(
    store: &mut Store,
    name: &str,
    action: Action,
    inpass: bool,
    soft: bool,
    methods: &[SecurityMethod],
) -> Guid {
    let id = store.new_guid();
    let action = FilterAction {
        id,
        name: name.to_owned(),
        description: String::new(),
        action,
        qm_pfs: defaults::QM_PFS.value,
        inpass,
        soft,
        methods: methods.to_vec(),
    };
    let _ = store.put_filter_action(action);
    id
}

/// Kerberos, no tunnel, all connections; the default response rule is on.
fn policy(store: &mut Store, name: &str, rules: &[(&str, Guid, Guid)]) {
    let mut policy = Policy::new(store.new_guid(), name);
    for (rule, filter_list, filter_action) in rules {
        policy.rules.push(Rule {
            id: store.new_guid(),
            name: (*rule).to_owned(),
            description: String::new(),
            filter_list: *filter_list,
            filter_action: *filter_action,
            tunnel: None,
            connection: ConnectionType::All,
            active: true,
            auth: vec![AuthMethod::Kerberos],
        });
    }
    let _ = store.put_policy(policy);
}
