//! Everything a computer has together: persistent policy, dynamic policy, what services made, and the assigned policy of its
//! domain or of itself.
//!
//! Their filters make one list in the usual order. Of filters that weigh the same, persistent ones come first, then
//! dynamic ones. "Persistent policy adds to or overrides" the other (TechNet cc739468): where a persistent filter and
//! another one are about the same traffic, the other is left out.
//!
//! A dynamic rule is a rule of a policy of its own (see [`Stores::dynamic_store`]). What its two actions mean:
//!
//! | outbound | inbound | becomes |
//! |---|---|---|
//! | the same | the same | as a stored rule with that action |
//! | negotiate | permit | negotiate that accepts clear packets which come in |
//! | else | | one filter for each direction |

use std::sync::Arc;

use ipsec_core::config::PolicyDatabases;
use ipsec_core::crypto::Group;
use ipsec_core::pad::{Pad, PadEntry};
use ipsec_core::spd::{Action as CoreAction, Direction, Pfs, Spd};

use super::expand::CompiledFilter;
use super::{
    CompileError, LocalAddresses, default_response, exemptions, expand, main_mode as pairs, numbered,
    validation,
};
use crate::dynamic::{Dynamic, PfsGroup};
use crate::policy::Policy;
use crate::store::Store;
use crate::stores::{INBOUND_HALF, OUTBOUND_HALF, Stores};

/// Compiles what is in force on a computer. Without any policy everything but what the core itself consumes passes in
/// clear. The exemptions are those of `local`: the ones in [`Stores::config`] count from the next start on.
pub fn compile_stores(stores: &Stores, local: &LocalAddresses) -> Result<PolicyDatabases, CompileError> {
    validation::check_stores(stores, local)?;
    let mut entries = exemptions::entries(local);
    entries.extend(filters(stores, local)?.iter().map(CompiledFilter::entry));
    entries.push(exemptions::default_permit());
    let pad = Pad { entries: main_mode(stores, local)? };
    let assigned = stores.persistent.assigned().into_iter().chain(stores.effective().assigned());
    let spd = default_response::add(Spd::new(numbered(entries)?), assigned)?;
    Ok(PolicyDatabases { spd: Arc::new(spd), pad: Arc::new(pad) })
}

/// All filters in match order.
pub fn filters(stores: &Stores, local: &LocalAddresses) -> Result<Vec<CompiledFilter>, CompileError> {
    let of = |store: &Store| match store.assigned() {
        Some(policy) => expand::filters(store, policy, local),
        None => Ok(Vec::new()),
    };
    let mut all = of(&stores.persistent)?;
    let persistent = all.len();
    let mut others = dynamic_filters(stores, local)?;
    others.extend(of(&stores.automatic)?);
    others.extend(of(stores.effective())?);
    for other in others {
        if !all.iter().take(persistent).any(|p| same_traffic(p, &other)) {
            all.push(other);
        }
    }
    // Stable: persistent, dynamic, automatic, the domain's or local among equals.
    all.sort_by_key(|filter| core::cmp::Reverse(filter.weight));
    Ok(all)
}

/// Pairs of addresses with their authentication, in match order.
pub fn main_mode(stores: &Stores, local: &LocalAddresses) -> Result<Vec<PadEntry>, CompileError> {
    let dynamic = stores.dynamic_store();
    let of = |store| Store::assigned(store).map(|policy| (store, policy));
    let mut policies: Vec<(&Store, &Policy)> = of(&stores.persistent).into_iter().collect();
    policies.extend(dynamic.policies().iter().map(|policy| (&dynamic, policy)));
    policies.extend(of(&stores.automatic));
    policies.extend(of(stores.effective()));
    pairs::entries(&policies, local)
}

fn same_traffic(a: &CompiledFilter, b: &CompiledFilter) -> bool {
    a.selector == b.selector && a.direction == b.direction && a.connection == b.connection
}

fn dynamic_filters(stores: &Stores, local: &LocalAddresses) -> Result<Vec<CompiledFilter>, CompileError> {
    let store = stores.dynamic_store();
    let mut all = Vec::new();
    for policy in store.policies() {
        for mut filter in expand::filters(&store, policy, local)? {
            let name = filter.rule.clone();
            let (name, kept) = if let Some(name) = name.strip_suffix(OUTBOUND_HALF) {
                (name, narrow(&mut filter, Direction::Outbound))
            } else if let Some(name) = name.strip_suffix(INBOUND_HALF) {
                (name, narrow(&mut filter, Direction::Inbound))
            } else {
                (name.as_str(), true)
            };
            if kept {
                if let CoreAction::Protect(protect) = &mut filter.action {
                    protect.pfs = pfs(&stores.dynamic, name);
                }
                filter.rule = name.to_owned();
                all.push(filter);
            }
        }
    }
    Ok(all)
}

/// Leaves of a filter what concerns one direction; whether anything does.
fn narrow(filter: &mut CompiledFilter, direction: Direction) -> bool {
    if filter.direction == Direction::Both {
        filter.direction = direction;
    }
    filter.direction == direction
}

fn pfs(dynamic: &Dynamic, rule: &str) -> Pfs {
    let rule = dynamic.rules().iter().find(|r| r.key.to_string() == rule);
    let policy = rule.and_then(|r| r.qm_policy.as_ref()).and_then(|name| dynamic.qm_policy(name).ok());
    match policy.map_or(PfsGroup::NoPfs, |p| p.pfs) {
        PfsGroup::NoPfs => Pfs::No,
        PfsGroup::MainMode => Pfs::SameGroup,
        PfsGroup::Group1 => Pfs::Group(Group::Modp768),
        PfsGroup::Group2 => Pfs::Group(Group::Modp1024),
        PfsGroup::Group3 => Pfs::Group(Group::Modp2048),
    }
}
