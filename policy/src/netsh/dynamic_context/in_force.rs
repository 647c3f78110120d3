//! What the running driver and key exchange hold: dynamic policy, and the stored policies that are in force beside it, in
//! the same form. Dynamic mode shows it and changes only its own part.

use crate::dynamic::{Dynamic, DynamicRule, MmPolicy, PfsGroup, QmPolicy, RuleKey};
use crate::filter_action::{Action, FilterAction};
use crate::policy::Policy;
use crate::store::Store;
use crate::stores::Stores;

/// Persistent policy first, then dynamic, then the domain's or local policy, as they are looked at. Their parts are named after the policy
/// and the filter action; where dynamic policy uses such a name already, or two rules have the same filter, the first
/// keeps it.
pub(super) fn in_force(stores: &Stores) -> Dynamic {
    let mut all = Dynamic::new();
    add_assigned(&mut all, &stores.persistent);
    let dynamic = &stores.dynamic;
    dynamic.mm_policies().iter().for_each(|p| drop(all.add_mm_policy(p.clone())));
    dynamic.qm_policies().iter().for_each(|p| drop(all.add_qm_policy(p.clone())));
    dynamic.rules().iter().for_each(|r| drop(all.add_rule(r.clone())));
    add_assigned(&mut all, stores.effective());
    all
}

fn add_assigned(all: &mut Dynamic, store: &Store) {
    let Some(policy) = store.assigned() else { return };
    let _ = all.add_mm_policy(MmPolicy {
        name: policy.name.clone(),
        qm_per_mm: policy.main_mode.quick_mode_limit(),
        lifetime_minutes: policy.main_mode.lifetime_minutes,
        soft_sa_seconds: crate::defaults::SOFT_SA_SECONDS.value,
        methods: policy.main_mode.methods.clone(),
    });
    for rule in policy.rules.iter().filter(|r| r.active) {
        let list = store.filter_list_by_id(rule.filter_list);
        let (Some(list), Some(action)) = (list, store.filter_action_by_id(rule.filter_action)) else {
            continue;
        };
        if action.action == Action::Negotiate {
            let _ = all.add_qm_policy(quick_mode(action));
        }
        for filter in &list.filters {
            let key = RuleKey::of(filter, rule.connection, rule.tunnel.clone());
            let _ = all.add_rule(of_filter(policy, action, key, rule.auth.clone()));
        }
    }
}

fn quick_mode(action: &FilterAction) -> QmPolicy {
    let pfs = if action.qm_pfs { PfsGroup::MainMode } else { PfsGroup::NoPfs };
    QmPolicy { name: action.name.clone(), soft: action.soft, pfs, methods: action.methods.clone() }
}

fn of_filter(
    policy: &Policy,
    action: &FilterAction,
    key: RuleKey,
    auth: Vec<crate::auth_method::AuthMethod>,
) -> DynamicRule {
    let negotiates = action.action == Action::Negotiate;
    DynamicRule {
        key,
        mm_policy: policy.name.clone(),
        qm_policy: negotiates.then(|| action.name.clone()),
        inbound: if negotiates && action.inpass { Action::Permit } else { action.action },
        outbound: action.action,
        auth,
    }
}
