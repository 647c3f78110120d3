//! Carries out one command of `netsh ipsec dynamic`. A command that fails has changed nothing.

use super::command::bind::Bound;
use super::command::value::Value;
use super::command::{Object, Verb};
use super::error::{ErrorKind, Fault};
use super::static_context::{Reply, at, filter, objects, unused};
use super::{NoteKind, Setting};
use crate::auth_method::AuthMethod;
use crate::defaults;
use crate::dynamic::{DynamicRule, MmPolicy, PROPERTIES, PfsGroup, QmPolicy, RuleKey};
use crate::filter_action::Action;
use crate::policy::MainMode;
use crate::rule::ConnectionType;
use crate::stores::Stores;

mod in_force;
mod show;

/// Changes dynamic policy or the properties as the command says, or shows them.
pub(super) fn execute(stores: &mut Stores, bound: &Bound, setting: &Setting<'_>) -> Result<Reply, Fault> {
    let mut reply = Reply::default();
    match (bound.command.verb, bound.command.object) {
        (Verb::Show, _) => show::show(stores, bound, setting, &mut reply)?,
        (Verb::Set, Object::Config) => set_config(stores, bound, &mut reply)?,
        (Verb::Add | Verb::Set, Object::MmPolicy) => main_mode(stores, bound)?,
        (Verb::Add | Verb::Set, Object::QmPolicy) => quick_mode(stores, bound)?,
        (Verb::Add, Object::Rule) => add_rule(stores, bound, &mut reply)?,
        (Verb::Set, Object::Rule) => set_rule(stores, bound, &mut reply)?,
        (Verb::Delete, Object::MmPolicy | Object::QmPolicy) => delete_policy(stores, bound)?,
        (Verb::Delete, Object::Rule) => {
            let key = key(stores, bound, &mut reply)?;
            at(bound, "srcaddr", stores.dynamic.delete_rule(&key))?;
        }
        (Verb::Delete, _) => stores.dynamic.clear(),
        // The table has no other command.
        _ => {}
    }
    reply.remarks.extend(unused(bound));
    Ok(reply)
}

fn set_config(stores: &mut Stores, bound: &Bound, reply: &mut Reply) -> Result<(), Fault> {
    let (name, value) = (bound.word("property").unwrap_or_default(), bound.text("value").unwrap_or_default());
    let Some(property) = PROPERTIES.iter().find(|p| p.name == name) else { return Ok(()) };
    stores.config.set(property, value).map_err(|expected| {
        let kind = ErrorKind::BadValue { tag: property.name, found: value.to_owned(), expected };
        Fault::new(bound.span_of("value"), kind)
    })?;
    if property.name == "strongcrlcheck" {
        let text = "kept, and without effect here: nobody authenticates by certificates".to_owned();
        reply.remarks.push((bound.span_of("property"), NoteKind::NoEffect, text));
    }
    if property.at_restart {
        let text = format!("{name} is in force from the next start of the computer on");
        reply.remarks.push((bound.span_of("property"), NoteKind::Remark, text));
    }
    Ok(())
}

fn main_mode(stores: &mut Stores, bound: &Bound) -> Result<(), Fault> {
    let name = bound.text("name").unwrap_or_default();
    let add = bound.command.verb == Verb::Add;
    let mut policy = if add {
        MmPolicy::new(name, stores.local.default_main_mode())
    } else {
        at(bound, "name", stores.dynamic.mm_policy(name))?.clone()
    };
    let number = |tag, field: &mut u32| *field = bound.number(tag).unwrap_or(*field);
    number("qmpermm", &mut policy.qm_per_mm);
    number("mmlifetime", &mut policy.lifetime_minutes);
    number("softsaexpirationtime", &mut policy.soft_sa_seconds);
    if let Some(Value::MmMethods(methods)) = bound.get("mmsecmethods") {
        policy.methods.clone_from(methods);
    }
    let dynamic = &mut stores.dynamic;
    at(bound, "name", if add { dynamic.add_mm_policy(policy) } else { dynamic.set_mm_policy(policy) })
}

fn quick_mode(stores: &mut Stores, bound: &Bound) -> Result<(), Fault> {
    let name = bound.text("name").unwrap_or_default();
    let add = bound.command.verb == Verb::Add;
    let mut policy =
        if add { QmPolicy::new(name) } else { at(bound, "name", stores.dynamic.qm_policy(name))?.clone() };
    policy.soft = bound.flag("soft").unwrap_or(policy.soft);
    if let Some(group) = bound.word("pfsgroup").and_then(PfsGroup::of_word) {
        policy.pfs = group;
    }
    if let Some(Value::QmMethods(methods)) = bound.get("qmsecmethods") {
        policy.methods.clone_from(methods);
    }
    let dynamic = &mut stores.dynamic;
    at(bound, "name", if add { dynamic.add_qm_policy(policy) } else { dynamic.set_qm_policy(policy) })
}

/// `name=all` deletes each one that no rule uses; one that is used ends the command before it has changed anything.
fn delete_policy(stores: &mut Stores, bound: &Bound) -> Result<(), Fault> {
    let name = bound.text("name").unwrap_or_default();
    let main_mode = bound.command.object == Object::MmPolicy;
    let dynamic = &stores.dynamic;
    let exists = if main_mode { dynamic.mm_policy(name).is_ok() } else { dynamic.qm_policy(name).is_ok() };
    let names: Vec<String> = match (name.eq_ignore_ascii_case("all") && !exists, main_mode) {
        (false, _) => vec![name.to_owned()],
        (true, true) => dynamic.mm_policies().iter().map(|p| p.name.clone()).collect(),
        (true, false) => dynamic.qm_policies().iter().map(|p| p.name.clone()).collect(),
    };
    let mut copy = dynamic.clone();
    for name in names {
        let result = if main_mode { copy.delete_mm_policy(&name) } else { copy.delete_qm_policy(&name) };
        at(bound, "name", result)?;
    }
    stores.dynamic = copy;
    Ok(())
}

fn key(stores: &Stores, bound: &Bound, reply: &mut Reply) -> Result<RuleKey, Fault> {
    let filter = filter::read(&stores.local, bound, reply)?;
    let connection = match bound.get("conntype") {
        Some(Value::Connection(connection)) => *connection,
        _ => ConnectionType::All,
    };
    let tunnel = match bound.get("tunneldstaddress") {
        Some(Value::Tunnel(tunnel)) => tunnel.clone(),
        _ => None,
    };
    Ok(RuleKey::of(&filter, connection, tunnel))
}

fn action(bound: &Bound, tag: &str) -> Option<Action> {
    match bound.get(tag) {
        Some(Value::Action(action)) => Some(*action),
        _ => None,
    }
}

fn add_rule(stores: &mut Stores, bound: &Bound, reply: &mut Reply) -> Result<(), Fault> {
    let rule = DynamicRule {
        key: key(stores, bound, reply)?,
        mm_policy: bound.text("mmpolicy").unwrap_or_default().to_owned(),
        qm_policy: bound.text("qmpolicy").map(str::to_owned),
        inbound: action(bound, "actioninbound").unwrap_or(Action::Negotiate),
        outbound: action(bound, "actionoutbound").unwrap_or(Action::Negotiate),
        auth: objects::auth_methods(bound).unwrap_or_else(|| vec![AuthMethod::Kerberos]),
    };
    check(stores, bound, &rule)?;
    at(bound, "srcaddr", stores.dynamic.add_rule(rule))
}

fn set_rule(stores: &mut Stores, bound: &Bound, reply: &mut Reply) -> Result<(), Fault> {
    let key = key(stores, bound, reply)?;
    let mut rule = at(bound, "srcaddr", stores.dynamic.rule(&key))?.clone();
    if let Some(name) = bound.text("mmpolicy") {
        name.clone_into(&mut rule.mm_policy);
    }
    if let Some(name) = bound.text("qmpolicy") {
        rule.qm_policy = Some(name.to_owned());
    }
    rule.inbound = action(bound, "actioninbound").unwrap_or(rule.inbound);
    rule.outbound = action(bound, "actionoutbound").unwrap_or(rule.outbound);
    if let Some(auth) = objects::auth_methods(bound) {
        rule.auth = auth;
    }
    check(stores, bound, &rule)?;
    at(bound, "srcaddr", stores.dynamic.set_rule(rule))
}

/// The policies a rule names exist, and when it negotiates there is one that says how ("qmpolicy may be absent when both
/// actions are permit or block", published scripts).
fn check(stores: &Stores, bound: &Bound, rule: &DynamicRule) -> Result<(), Fault> {
    at(bound, "mmpolicy", stores.dynamic.mm_policy(&rule.mm_policy))?;
    match &rule.qm_policy {
        Some(name) => at(bound, "qmpolicy", stores.dynamic.qm_policy(name)).map(|_| ()),
        None if [rule.inbound, rule.outbound].contains(&Action::Negotiate) => {
            Err(Fault::new(bound.span.clone(), ErrorKind::NoQmPolicy))
        }
        None => Ok(()),
    }
}

impl MmPolicy {
    /// A policy with nothing but a name.
    fn new(name: &str, default: MainMode) -> Self {
        Self {
            name: name.to_owned(),
            qm_per_mm: default.qm_per_mm,
            lifetime_minutes: default.lifetime_minutes,
            soft_sa_seconds: defaults::SOFT_SA_SECONDS.value,
            methods: default.methods,
        }
    }
}

impl QmPolicy {
    /// A policy with nothing but a name.
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            soft: defaults::SOFT.value,
            pfs: PfsGroup::NoPfs,
            methods: defaults::QM_METHODS.value.to_vec(),
        }
    }
}
