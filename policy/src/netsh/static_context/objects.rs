//! `add`, `set` and `delete` of policies, filter lists, filter actions and rules.

use super::at;
use crate::auth_method::AuthMethod;
use crate::defaults;
use crate::filter::FilterList;
use crate::filter_action::{Action, FilterAction};
use crate::netsh::command::Object;
use crate::netsh::command::bind::Bound;
use crate::netsh::command::value::Value;
use crate::netsh::error::{ErrorKind, Fault};
use crate::policy::Policy;
use crate::rule::{ConnectionType, Rule};
use crate::store::{Guid, ObjectKind, Store, StoreError, not_found};

pub(super) fn add_policy(store: &mut Store, bound: &Bound) -> Result<(), Fault> {
    let name = bound.text("name").unwrap_or_default();
    check_free(bound, "name", ObjectKind::Policy, name, store.policy(name).is_ok())?;
    let mut policy = Policy::new(store.new_guid(), name);
    policy.main_mode = store.default_main_mode();
    fill_policy(&mut policy, bound);
    at(bound, "name", store.put_policy(policy))?;
    if bound.flag("assign").unwrap_or(defaults::ASSIGN.value) {
        at(bound, "name", store.assign(name))?;
    }
    Ok(())
}

pub(super) fn set_policy(store: &mut Store, bound: &Bound) -> Result<(), Fault> {
    if bound.get("gponame").is_some() {
        let (what, instead) = ("`set policy gponame=`".to_owned(), "only the local store exists");
        return Err(Fault::new(bound.span_of("gponame"), ErrorKind::NotSupported { what, instead }));
    }
    let mut policy = match (bound.text("name"), bound.get("guid")) {
        (None, Some(Value::Guid(id, text))) => {
            by_guid(bound, ObjectKind::Policy, (*id, text), store.policies(), |p| p.id)?
        }
        (name, _) => at(bound, "name", store.policy(name.unwrap_or_default()))?.clone(),
    };
    let name = rename(bound, &mut policy.name);
    fill_policy(&mut policy, bound);
    at(bound, "newname", store.put_policy(policy))?;
    match bound.flag("assign") {
        Some(true) => at(bound, "assign", store.assign(&name)),
        Some(false) => at(bound, "assign", store.unassign(&name)),
        None => Ok(()),
    }
}

fn fill_policy(policy: &mut Policy, bound: &Bound) {
    set_text(&mut policy.description, bound, "description");
    set_flag(&mut policy.main_mode.pfs, bound, "mmpfs");
    set_number(&mut policy.main_mode.qm_per_mm, bound, "qmpermm");
    set_number(&mut policy.main_mode.lifetime_minutes, bound, "mmlifetime");
    set_flag(&mut policy.default_response.active, bound, "activatedefaultrule");
    set_number(&mut policy.polling_interval_minutes, bound, "pollinginterval");
    if let Some(Value::MmMethods(methods)) = bound.get("mmsecmethods") {
        policy.main_mode.methods.clone_from(methods);
    }
}

pub(super) fn add_filter_list(store: &mut Store, bound: &Bound) -> Result<(), Fault> {
    let name = bound.text("name").unwrap_or_default();
    check_free(bound, "name", ObjectKind::FilterList, name, store.filter_list(name).is_ok())?;
    let description = bound.text("description").unwrap_or_default().to_owned();
    let list = FilterList { id: store.new_guid(), name: name.to_owned(), description, filters: Vec::new() };
    at(bound, "name", store.put_filter_list(list))
}

pub(super) fn set_filter_list(store: &mut Store, bound: &Bound) -> Result<(), Fault> {
    let mut list = match (bound.text("name"), bound.get("guid")) {
        (None, Some(Value::Guid(id, text))) => {
            by_guid(bound, ObjectKind::FilterList, (*id, text), store.filter_lists(), |l| l.id)?
        }
        (name, _) => at(bound, "name", store.filter_list(name.unwrap_or_default()))?.clone(),
    };
    rename(bound, &mut list.name);
    set_text(&mut list.description, bound, "description");
    at(bound, "newname", store.put_filter_list(list))
}

pub(super) fn add_filter_action(store: &mut Store, bound: &Bound) -> Result<(), Fault> {
    let name = bound.text("name").unwrap_or_default();
    check_free(bound, "name", ObjectKind::FilterAction, name, store.filter_action(name).is_ok())?;
    let mut action = FilterAction {
        id: store.new_guid(),
        name: name.to_owned(),
        description: String::new(),
        action: Action::Negotiate,
        qm_pfs: defaults::QM_PFS.value,
        inpass: defaults::INPASS.value,
        soft: defaults::SOFT.value,
        methods: defaults::QM_METHODS.value.to_vec(),
    };
    fill_filter_action(&mut action, bound);
    at(bound, "name", store.put_filter_action(action))
}

pub(super) fn set_filter_action(store: &mut Store, bound: &Bound) -> Result<(), Fault> {
    let mut action = match (bound.text("name"), bound.get("guid")) {
        (None, Some(Value::Guid(id, text))) => {
            by_guid(bound, ObjectKind::FilterAction, (*id, text), store.filter_actions(), |a| a.id)?
        }
        (name, _) => at(bound, "name", store.filter_action(name.unwrap_or_default()))?.clone(),
    };
    rename(bound, &mut action.name);
    fill_filter_action(&mut action, bound);
    at(bound, "newname", store.put_filter_action(action))
}

fn fill_filter_action(action: &mut FilterAction, bound: &Bound) {
    set_text(&mut action.description, bound, "description");
    set_flag(&mut action.qm_pfs, bound, "qmpfs");
    set_flag(&mut action.inpass, bound, "inpass");
    set_flag(&mut action.soft, bound, "soft");
    if let Some(Value::Action(kind)) = bound.get("action") {
        action.action = *kind;
    }
    if let Some(Value::QmMethods(methods)) = bound.get("qmsecmethods") {
        action.methods.clone_from(methods);
    }
}

pub(super) fn add_rule(store: &mut Store, bound: &Bound) -> Result<(), Fault> {
    let name = bound.text("name").unwrap_or_default();
    let policy_name = bound.text("policy").unwrap_or_default();
    let policy = at(bound, "policy", store.policy(policy_name))?;
    check_free(bound, "name", ObjectKind::Rule, name, policy.rule(name).is_some())?;
    let (filter_list, filter_action) = (list_id(store, bound)?, action_id(store, bound)?);
    let mut rule = Rule {
        id: store.new_guid(),
        name: name.to_owned(),
        description: String::new(),
        filter_list,
        filter_action,
        tunnel: None,
        connection: ConnectionType::All,
        active: defaults::RULE_ACTIVE.value,
        auth: vec![AuthMethod::Kerberos],
    };
    fill_rule(&mut rule, bound);
    at(bound, "policy", store.put_rule(policy_name, rule))
}

pub(super) fn set_rule(store: &mut Store, bound: &Bound) -> Result<(), Fault> {
    let policy_name = bound.text("policy").unwrap_or_default();
    let policy = at(bound, "policy", store.policy(policy_name))?;
    let mut rule = find_rule(policy, bound)?.clone();
    rename(bound, &mut rule.name);
    if bound.get("filterlist").is_some() {
        rule.filter_list = list_id(store, bound)?;
    }
    if bound.get("filteraction").is_some() {
        rule.filter_action = action_id(store, bound)?;
    }
    fill_rule(&mut rule, bound);
    at(bound, "newname", store.put_rule(policy_name, rule))
}

fn list_id(store: &Store, bound: &Bound) -> Result<Guid, Fault> {
    at(bound, "filterlist", store.filter_list(bound.text("filterlist").unwrap_or_default())).map(|l| l.id)
}

fn action_id(store: &Store, bound: &Bound) -> Result<Guid, Fault> {
    at(bound, "filteraction", store.filter_action(bound.text("filteraction").unwrap_or_default()))
        .map(|a| a.id)
}

/// By name, or by its number in the policy from 1.
pub(super) fn find_rule<'a>(policy: &'a Policy, bound: &Bound) -> Result<&'a Rule, Fault> {
    let name = match (bound.text("name"), bound.number("id")) {
        (Some(name), _) => name.to_owned(),
        (None, number) => {
            let index = number.and_then(|n| usize::try_from(n).ok()).and_then(|n| n.checked_sub(1));
            if let Some(rule) = index.and_then(|i| policy.rules.get(i)) {
                return Ok(rule);
            }
            number.unwrap_or_default().to_string()
        }
    };
    let tag = if bound.get("name").is_some() { "name" } else { "id" };
    at(bound, tag, policy.existing_rule(&name))
}

fn fill_rule(rule: &mut Rule, bound: &Bound) {
    set_text(&mut rule.description, bound, "description");
    set_flag(&mut rule.active, bound, "activate");
    if let Some(Value::Tunnel(tunnel)) = bound.get("tunnel") {
        rule.tunnel.clone_from(tunnel);
    }
    if let Some(Value::Connection(connection)) = bound.get("conntype") {
        rule.connection = *connection;
    }
    if let Some(auth) = auth_methods(bound) {
        rule.auth = auth;
    }
}

pub(super) fn set_default_rule(store: &mut Store, bound: &Bound) -> Result<(), Fault> {
    let mut policy = at(bound, "policy", store.policy(bound.text("policy").unwrap_or_default()))?.clone();
    set_flag(&mut policy.default_response.qm_pfs, bound, "qmpfs");
    set_flag(&mut policy.default_response.active, bound, "activate");
    if let Some(Value::QmMethods(methods)) = bound.get("qmsecmethods") {
        policy.default_response.methods.clone_from(methods);
    }
    if let Some(auth) = auth_methods(bound) {
        policy.default_response.auth = auth;
    }
    at(bound, "policy", store.put_policy(policy))
}

/// The whole list in the order written, which is the order of preference; `None` when no such tag is given.
/// `kerberos=no` adds nothing: alone it leaves no method.
pub(in crate::netsh) fn auth_methods(bound: &Bound) -> Option<Vec<AuthMethod>> {
    let mut methods = Vec::new();
    let mut given = false;
    for (tag, value) in bound.values() {
        match value {
            Value::Auth(method) => methods.push(method.clone()),
            Value::Flag(true) if tag == "kerberos" => methods.push(AuthMethod::Kerberos),
            Value::Flag(false) if tag == "kerberos" => {}
            _ => continue,
        }
        given = true;
    }
    given.then_some(methods)
}

/// `delete policy|filterlist|filteraction|rule`, `all` included. Of `all`, either each one goes or none.
pub(super) fn delete(store: &mut Store, bound: &Bound) -> Result<(), Fault> {
    let name = bound.text("name").unwrap_or_default();
    let all = name.eq_ignore_ascii_case("all");
    let names = |names: Vec<&String>| names.into_iter().cloned().collect::<Vec<String>>();
    if bound.command.object == Object::Rule {
        let policy = bound.text("policy").unwrap_or_default();
        let found = at(bound, "policy", store.policy(policy))?;
        let rules = if all && found.rule(name).is_none() {
            names(found.rules.iter().map(|r| &r.name).collect())
        } else {
            vec![find_rule(found, bound)?.name.clone()]
        };
        return rules.iter().try_for_each(|rule| at(bound, "name", store.delete_rule(policy, rule)));
    }
    let targets = match bound.command.object {
        _ if !all => vec![name.to_owned()],
        Object::Policy => names(store.policies().iter().map(|p| &p.name).collect()),
        Object::FilterList => names(store.filter_lists().iter().map(|l| &l.name).collect()),
        _ => names(store.filter_actions().iter().map(|a| &a.name).collect()),
    };
    let mut copy = store.clone();
    for target in &targets {
        let result = match bound.command.object {
            Object::Policy => copy.delete_policy(target),
            Object::FilterList => copy.delete_filter_list(target),
            _ => copy.delete_filter_action(target),
        };
        at(bound, "name", result)?;
    }
    *store = copy;
    Ok(())
}

fn check_free(bound: &Bound, tag: &str, kind: ObjectKind, name: &str, taken: bool) -> Result<(), Fault> {
    let error = StoreError::AlreadyExists { kind, name: name.to_owned() };
    at(bound, tag, if taken { Err(error) } else { Ok(()) })
}

fn by_guid<T: Clone>(
    bound: &Bound,
    kind: ObjectKind,
    (id, written): (Guid, &str),
    all: &[T],
    of: impl Fn(&T) -> Guid,
) -> Result<T, Fault> {
    let ids: Vec<String> = all.iter().map(|t| of(t).to_string()).collect();
    let missing = || not_found(kind, written, ids.iter());
    at(bound, "guid", all.iter().find(|t| of(t) == id).cloned().ok_or_else(missing))
}

/// Applies `newname`; returns the name that counts from now on.
fn rename(bound: &Bound, name: &mut String) -> String {
    if let Some(new) = bound.text("newname") {
        new.clone_into(name);
    }
    name.clone()
}

fn set_text(field: &mut String, bound: &Bound, tag: &str) {
    if let Some(text) = bound.text(tag) {
        text.clone_into(field);
    }
}

fn set_flag(field: &mut bool, bound: &Bound, tag: &str) {
    *field = bound.flag(tag).unwrap_or(*field);
}

fn set_number(field: &mut u32, bound: &Bound, tag: &str) {
    *field = bound.number(tag).unwrap_or(*field);
}
