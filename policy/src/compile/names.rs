//! What people call the entries of a compiled policy: monitors show SAs by the names of filters and policies.

use std::collections::BTreeMap;

use ipsec_core::spd::EntryId;

use super::{CompileError, LocalAddresses, exemptions, whole};
use crate::stores::Stores;

/// The names behind one entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EntryNames {
    /// The filter's ([`CompiledFilter::name`](super::CompiledFilter::name)).
    pub filter: String,
    /// The rule's.
    pub rule: String,
    /// The policy's; empty for dynamic rules, which are of none.
    pub policy: String,
}

/// The names behind each entry that [`compile_stores`](super::compile_stores) makes of a filter.
///
/// # Errors
/// As it does.
pub fn entry_names(
    stores: &Stores,
    local: &LocalAddresses,
) -> Result<BTreeMap<EntryId, EntryNames>, CompileError> {
    // The exemptions come first, and entries are numbered in order.
    let first = exemptions::entries(local).len();
    let assigned = || stores.persistent.assigned().into_iter().chain(stores.effective().assigned());
    let filters = whole::filters(stores, local)?;
    let named = filters.iter().enumerate().filter_map(|(n, filter)| {
        let policy = assigned().find(|policy| policy.rule(&filter.rule).is_some());
        let names = EntryNames {
            filter: filter.name().to_owned(),
            rule: filter.rule.clone(),
            policy: policy.map_or_else(String::new, |policy| policy.name.clone()),
        };
        Some((EntryId(u32::try_from(first + n).ok()?), names))
    });
    Ok(named.collect())
}
