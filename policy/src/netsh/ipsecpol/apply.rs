//! What a call does to stored policy or to the running driver.

use super::filter_spec::FilterSpec;
use super::{Call, ErrorKind, Fault, Negotiation, PolicyAction, PolicyName, Reply, Setting};
use crate::dynamic::{DynamicRule, MmPolicy, PfsGroup, QmPolicy, RuleKey};
use crate::filter::{Address, Filter, FilterList};
use crate::filter_action::{Action, FilterAction};
use crate::netsh::NoteKind;
use crate::policy::Policy;
use crate::rule::Rule;
use crate::store::{Guid, Store, StoreError};
use crate::stores::Stores;

pub(super) fn apply(
    stores: &mut Stores,
    call: &Call,
    setting: &Setting<'_>,
    reply: &mut Reply,
) -> Result<(), Fault> {
    if !call.stored && setting.stored_only {
        let (what, instead) = ("a dynamic rule".to_owned(), "-w REG puts it into a stored policy");
        return Err(Fault::new(call.span.clone(), ErrorKind::NotSupported { what, instead }));
    }
    let done =
        if call.stored { stored(&mut stores.local, call, reply) } else { dynamic(stores, call, reply) };
    done.map_err(|kind| {
        let of_name = matches!(kind, ErrorKind::Store(_)).then_some(call.policy.as_ref()).flatten();
        Fault::new(of_name.map_or(call.span.clone(), |policy| policy.span.clone()), kind)
    })
}

/// The call's filters with what happens to their packets, names looked up.
fn filters(store: &Store, call: &Call, reply: &mut Reply) -> Vec<(Filter, Option<Action>)> {
    let mut all = Vec::new();
    for spec in &call.filters {
        let FilterSpec::Filter(filter, action) = spec else { continue };
        let mut filter = filter.clone();
        for side in [&mut filter.source, &mut filter.destination] {
            let Address::Name(name, addresses) = side else { continue };
            *addresses = store.resolve(name).to_vec();
            if addresses.is_empty() {
                let text = format!("the name {name} is kept; nobody was asked for its address");
                reply.remarks.push((call.span.clone(), NoteKind::Remark, text));
            }
        }
        all.push((filter, *action));
    }
    all
}

fn stored(store: &mut Store, call: &Call, reply: &mut Reply) -> Result<(), ErrorKind> {
    let expected = "-p with the policy's name".to_owned();
    let PolicyName { name, minutes, .. } = call.policy.as_ref().ok_or(ErrorKind::Incomplete { expected })?;
    if call.action == Some(PolicyAction::Delete) {
        return Ok(store.delete_policy(name)?);
    }
    let mut policy = match store.policy(name) {
        Ok(policy) => policy.clone(),
        Err(error) if call.filters.is_empty() => return Ok(finish(store, call, name, Err(error))?),
        Err(_) => {
            let mut policy = Policy::new(store.new_guid(), name);
            policy.main_mode = store.default_main_mode();
            // Only `-f DEFAULT` switches it on.
            policy.default_response.active = false;
            policy
        }
    };
    policy.polling_interval_minutes = minutes.unwrap_or(policy.polling_interval_minutes);
    main_mode(&mut policy, call);
    if call.filters.contains(&FilterSpec::DefaultResponse) {
        default_response(&mut policy, call);
    }
    store.put_policy(policy)?;
    if let Negotiation::Methods { pfs: PfsGroup::Group1 | PfsGroup::Group2 | PfsGroup::Group3, .. } =
        call.negotiation
    {
        let text = "a stored policy has no PFS group of its own: main mode's is used";
        reply.remarks.push((call.span.clone(), NoteKind::Remark, text.to_owned()));
    }
    let filters = filters(store, call, reply);
    let rule = call.rule.clone().unwrap_or_else(|| format!("{name} rule"));
    for (action, suffix) in [(None, ""), (Some(Action::Permit), " permit"), (Some(Action::Block), " block")] {
        let of: Vec<Filter> = filters.iter().filter(|(_, a)| *a == action).map(|(f, _)| f.clone()).collect();
        if !of.is_empty() {
            add_rule(store, call, name, &format!("{rule}{suffix}"), of, action)?;
        }
    }
    Ok(finish(store, call, name, Ok(()))?)
}

/// Assigns or unassigns as asked for.
fn finish(
    store: &mut Store,
    call: &Call,
    name: &str,
    found: Result<(), StoreError>,
) -> Result<(), StoreError> {
    found?;
    match call.action {
        Some(PolicyAction::Assign) => store.assign(name),
        Some(PolicyAction::Unassign) => store.unassign(name),
        Some(PolicyAction::Delete) | None => Ok(()),
    }
}

fn main_mode(policy: &mut Policy, call: &Call) {
    let main_mode = &mut policy.main_mode;
    if let Some(methods) = &call.main_mode_methods {
        main_mode.methods.clone_from(methods);
    }
    main_mode.lifetime_minutes = call.main_mode_minutes.unwrap_or(main_mode.lifetime_minutes);
    main_mode.qm_per_mm = call.quick_modes.unwrap_or(main_mode.qm_per_mm);
    main_mode.pfs |= call.main_mode_pfs;
}

fn default_response(policy: &mut Policy, call: &Call) {
    let default = &mut policy.default_response;
    default.active = true;
    if let Negotiation::Methods { methods, pfs, .. } = &call.negotiation {
        (default.methods, default.qm_pfs) = (methods.clone(), *pfs != PfsGroup::NoPfs);
    }
    default.auth.clone_from(&call.auth);
}

/// Puts a rule with a list and an action of its own in place of the one of that name.
fn add_rule(
    store: &mut Store,
    call: &Call,
    policy: &str,
    name: &str,
    filters: Vec<Filter>,
    own: Option<Action>,
) -> Result<(), StoreError> {
    let (list_name, action_name) = (format!("{name} filter list"), format!("{name} filter action"));
    let list = store.filter_list(&list_name).map(|l| l.id).unwrap_or_else(|_| store.new_guid());
    let filters = filters.into_iter().map(|f| Filter { id: store.new_guid(), ..f }).collect();
    store.put_filter_list(FilterList { id: list, name: list_name, description: String::new(), filters })?;
    let action = store.filter_action(&action_name).map(|a| a.id).unwrap_or_else(|_| store.new_guid());
    store.put_filter_action(filter_action(call, action, action_name, own))?;
    let known: Option<Guid> = store.policy(policy)?.rule(name).map(|r| r.id);
    let id = known.unwrap_or_else(|| store.new_guid());
    let rule = Rule {
        id,
        name: name.to_owned(),
        description: String::new(),
        filter_list: list,
        filter_action: action,
        tunnel: call.tunnel.clone(),
        connection: call.connection,
        active: true,
        auth: call.auth.clone(),
    };
    store.put_rule(policy, rule)
}

fn filter_action(call: &Call, id: Guid, name: String, own: Option<Action>) -> FilterAction {
    let (action, qm_pfs, inpass, methods) = match (own, &call.negotiation) {
        (Some(action), _) => (action, false, false, Vec::new()),
        (None, Negotiation::Pass) => (Action::Permit, false, false, Vec::new()),
        (None, Negotiation::Block) => (Action::Block, false, false, Vec::new()),
        (None, Negotiation::Methods { methods, pfs, inpass }) => {
            (Action::Negotiate, *pfs != PfsGroup::NoPfs, *inpass, methods.clone())
        }
    };
    let soft = call.soft && action == Action::Negotiate;
    let methods = if methods.is_empty() { crate::defaults::QM_METHODS.value.to_vec() } else { methods };
    FilterAction { id, name, description: String::new(), action, qm_pfs, inpass, soft, methods }
}

fn dynamic(stores: &mut Stores, call: &Call, reply: &mut Reply) -> Result<(), ErrorKind> {
    if call.clear {
        stores.dynamic.clear();
    }
    if call.filters.is_empty() {
        let expected = "-f with filters, or -u".to_owned();
        return if call.clear { Ok(()) } else { Err(ErrorKind::Incomplete { expected }) };
    }
    if call.filters.contains(&FilterSpec::DefaultResponse) {
        let what = "`DEFAULT` without -w".to_owned();
        return Err(ErrorKind::NotSupported {
            what,
            instead: "the default response rule is part of a stored policy",
        });
    }
    let filters = filters(&stores.local, call, reply);
    let name = free_name(stores);
    let default = stores.local.default_main_mode();
    stores.dynamic.add_mm_policy(MmPolicy {
        name: name.clone(),
        qm_per_mm: if call.main_mode_pfs { 1 } else { call.quick_modes.unwrap_or(default.qm_per_mm) },
        lifetime_minutes: call.main_mode_minutes.unwrap_or(default.lifetime_minutes),
        soft_sa_seconds: call.soft_seconds.unwrap_or(crate::defaults::SOFT_SA_SECONDS.value),
        methods: call.main_mode_methods.clone().unwrap_or(default.methods),
    })?;
    let (mut qm_policy, mut actions) = (None, (Action::Permit, Action::Permit));
    match &call.negotiation {
        Negotiation::Pass => {}
        Negotiation::Block => actions = (Action::Block, Action::Block),
        Negotiation::Methods { methods, pfs, inpass } => {
            let (methods, soft, pfs) = (methods.clone(), call.soft, *pfs);
            stores.dynamic.add_qm_policy(QmPolicy { name: name.clone(), soft, pfs, methods })?;
            qm_policy = Some(name.clone());
            actions = (if *inpass { Action::Permit } else { Action::Negotiate }, Action::Negotiate);
        }
    }
    for (filter, own) in filters {
        let (inbound, outbound) = own.map_or(actions, |action| (action, action));
        let key = RuleKey::of(&filter, call.connection, call.tunnel.clone());
        // A call may be repeated: as with stored rules, the later one counts (our choice).
        if stores.dynamic.delete_rule(&key).is_ok() {
            forget_unused(stores, &name);
        }
        stores.dynamic.add_rule(DynamicRule {
            key,
            mm_policy: name.clone(),
            qm_policy: qm_policy.clone(),
            inbound,
            outbound,
            auth: call.auth.clone(),
        })?;
    }
    Ok(())
}

/// Policies that earlier calls made for rules which are gone; `kept` is about to get its rules.
fn forget_unused(stores: &mut Stores, kept: &str) {
    let dynamic = &stores.dynamic;
    let ours = |name: &String| name.starts_with(PREFIX) && name != kept;
    let main: Vec<String> = dynamic.mm_policies().iter().map(|p| p.name.clone()).filter(ours).collect();
    let quick: Vec<String> = dynamic.qm_policies().iter().map(|p| p.name.clone()).filter(ours).collect();
    // One that another rule uses stays.
    main.iter().for_each(|name| drop(stores.dynamic.delete_mm_policy(name)));
    quick.iter().for_each(|name| drop(stores.dynamic.delete_qm_policy(name)));
}

/// Begins the names of policies that belong to calls.
const PREFIX: &str = "ipsecpol ";

/// A name that no dynamic policy has.
fn free_name(stores: &Stores) -> String {
    let taken =
        |name: &String| stores.dynamic.mm_policy(name).is_ok() || stores.dynamic.qm_policy(name).is_ok();
    let names = (1_u32..).map(|n| format!("{PREFIX}{n}"));
    names.into_iter().find(|n| !taken(n)).unwrap_or_default()
}
