//! The policy store: every policy, filter list and filter action of one computer, and which policy is assigned.
//!
//! Every method either does all it says or returns a [`StoreError`] and changes nothing.

use core::fmt;
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::{
    examples,
    filter::{Filter, FilterList},
    filter_action::FilterAction,
    policy::{MainMode, Policy},
    profile::Profile,
    rule::Rule,
};

/// The id of an object. Windows draws GUIDs at random; here they are numbered in order of creation, so that equal
/// scripts make equal stores.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Guid(pub u64);

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{00000000-0000-0000-{:04X}-{:012X}}}", self.0 >> 48, self.0 & 0xffff_ffff_ffff)
    }
}

/// The kinds of named object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ObjectKind {
    /// A policy.
    Policy,
    /// A filter list.
    FilterList,
    /// A filter action.
    FilterAction,
    /// A rule of a policy.
    Rule,
    /// A filter of a filter list.
    Filter,
    /// A main-mode policy of dynamic mode.
    MmPolicy,
    /// A quick-mode policy of dynamic mode.
    QmPolicy,
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Policy => "policy",
            Self::FilterList => "filter list",
            Self::FilterAction => "filter action",
            Self::Rule => "rule",
            Self::Filter => "filter",
            Self::MmPolicy => "main-mode policy",
            Self::QmPolicy => "quick-mode policy",
        })
    }
}

/// Why the store refused a change.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// The name is taken.
    #[error("{kind} '{name}' already exists, expected a new name")]
    AlreadyExists {
        /// What was to be made.
        kind: ObjectKind,
        /// Its name.
        name: String,
    },
    /// Nothing has this name.
    #[error("{kind} '{name}' does not exist, expected {existing}")]
    NotFound {
        /// What was asked for.
        kind: ObjectKind,
        /// Its name.
        name: String,
        /// What there is.
        existing: Existing,
    },
    /// A rule still refers to it.
    #[error("{kind} '{name}' is used by {user}, expected no rule to use it")]
    InUse {
        /// What was to be deleted.
        kind: ObjectKind,
        /// Its name.
        name: String,
        /// The rule that uses it and its policy.
        user: String,
    },
}

/// A policy store.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Store {
    release: Option<&'static Profile>,
    created: u64,
    policies: Vec<Policy>,
    filter_lists: Vec<FilterList>,
    filter_actions: Vec<FilterAction>,
    assigned: Option<Guid>,
    hosts: BTreeMap<String, Vec<IpAddr>>,
}

/// Names are compared without regard to case.
#[must_use]
pub fn same_name(a: &str, b: &str) -> bool {
    a == b || a.chars().flat_map(char::to_lowercase).eq(b.chars().flat_map(char::to_lowercase))
}

/// The names of the objects there are, for errors.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Existing {
    names: Vec<String>,
    /// Whether it is one of Windows' own objects that is missing.
    example: bool,
}

impl Existing {
    /// How many names are printed.
    const SHOWN: usize = 5;

    /// These names; only the first few are kept.
    pub fn new<'a>(names: impl Iterator<Item = &'a String>) -> Self {
        Self { names: names.take(Self::SHOWN + 1).cloned().collect(), example: false }
    }
}

impl fmt::Display for Existing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> =
            self.names.iter().take(Self::SHOWN).map(|name| format!("'{name}'")).collect();
        let more = if self.names.len() > Self::SHOWN { " or another that exists" } else { "" };
        match shown.as_slice() {
            [] => f.write_str("one that was added before; there is none"),
            [one] => write!(f, "{one}{more}"),
            [init @ .., last] if more.is_empty() => write!(f, "{} or {last}", init.join(", ")),
            all => write!(f, "{}{more}", all.join(", ")),
        }?;
        // Every computer has them as Windows is installed.
        if self.example {
            f.write_str("; it is one of Windows' own, which `restorepolicyexamples` makes (--examples)")?;
        }
        Ok(())
    }
}

/// The error for a name that none of `all` has.
pub(crate) fn not_found<'a>(
    kind: ObjectKind,
    name: &str,
    all: impl Iterator<Item = &'a String>,
) -> StoreError {
    let own = match kind {
        ObjectKind::Policy => &[examples::CLIENT, examples::SERVER, examples::SECURE_SERVER][..],
        ObjectKind::FilterList => &[examples::ALL_IP, examples::ALL_ICMP],
        ObjectKind::FilterAction => &[examples::PERMIT, examples::REQUEST, examples::REQUIRE],
        _ => &[],
    };
    let example = own.iter().any(|own| same_name(own, name));
    StoreError::NotFound { kind, name: name.to_owned(), existing: Existing { example, ..Existing::new(all) } }
}

impl Store {
    /// An empty store, as `netsh ipsec static delete all` leaves it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store of a computer with this release: its defaults are in new policies.
    #[must_use]
    pub fn of(release: &'static Profile) -> Self {
        Self { release: Some(release), ..Self::default() }
    }

    /// The computer's release, if it is known.
    #[must_use]
    pub fn release(&self) -> Option<&'static Profile> {
        self.release
    }

    /// Main mode of a policy that says nothing about it.
    #[must_use]
    pub fn default_main_mode(&self) -> MainMode {
        let default = MainMode::default();
        match self.release {
            None => default,
            Some(release) => MainMode {
                methods: release.main_mode_methods.value.to_vec(),
                lifetime_minutes: release.main_mode_minutes.value,
                ..default
            },
        }
    }

    /// The next id, in order of creation.
    pub fn new_guid(&mut self) -> Guid {
        self.created = self.created.saturating_add(1);
        Guid(self.created)
    }

    /// Tells the store what a host name stands for; filters made later with this name get the address.
    pub fn add_host(&mut self, name: &str, address: IpAddr) {
        self.hosts.entry(name.to_lowercase()).or_default().push(address);
    }

    /// Tells the store what host names stand for now, in lower case; filters made before keep the addresses they have.
    pub fn set_hosts(&mut self, hosts: &BTreeMap<String, Vec<IpAddr>>) {
        self.hosts.clone_from(hosts);
    }

    /// The addresses of a host name, as far as known.
    #[must_use]
    pub fn resolve(&self, name: &str) -> &[IpAddr] {
        self.hosts.get(&name.to_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// All policies in order of creation.
    #[must_use]
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// All filter lists in order of creation.
    #[must_use]
    pub fn filter_lists(&self) -> &[FilterList] {
        &self.filter_lists
    }

    /// All filter actions in order of creation.
    #[must_use]
    pub fn filter_actions(&self) -> &[FilterAction] {
        &self.filter_actions
    }

    /// The assigned policy.
    #[must_use]
    pub fn assigned(&self) -> Option<&Policy> {
        self.policies.iter().find(|p| Some(p.id) == self.assigned)
    }

    /// The policy with this name.
    pub fn policy(&self, name: &str) -> Result<&Policy, StoreError> {
        let found = self.policies.iter().find(|p| same_name(&p.name, name));
        found.ok_or_else(|| not_found(ObjectKind::Policy, name, self.policies.iter().map(|p| &p.name)))
    }

    /// The filter list with this name.
    pub fn filter_list(&self, name: &str) -> Result<&FilterList, StoreError> {
        let found = self.filter_lists.iter().find(|l| same_name(&l.name, name));
        found
            .ok_or_else(|| not_found(ObjectKind::FilterList, name, self.filter_lists.iter().map(|l| &l.name)))
    }

    /// The filter action with this name.
    pub fn filter_action(&self, name: &str) -> Result<&FilterAction, StoreError> {
        let found = self.filter_actions.iter().find(|a| same_name(&a.name, name));
        found.ok_or_else(|| {
            not_found(ObjectKind::FilterAction, name, self.filter_actions.iter().map(|a| &a.name))
        })
    }

    /// The filter list with this id.
    #[must_use]
    pub fn filter_list_by_id(&self, id: Guid) -> Option<&FilterList> {
        self.filter_lists.iter().find(|l| l.id == id)
    }

    /// The filter action with this id.
    #[must_use]
    pub fn filter_action_by_id(&self, id: Guid) -> Option<&FilterAction> {
        self.filter_actions.iter().find(|a| a.id == id)
    }

    /// The rules that refer to a filter list or filter action, with their policies.
    pub fn users(&self, id: Guid) -> impl Iterator<Item = (&Policy, &Rule)> {
        let rules = self.policies.iter().flat_map(|p| p.rules.iter().map(move |r| (p, r)));
        rules.filter(move |(_, r)| r.filter_list == id || r.filter_action == id)
    }

    /// Adds a policy, or replaces the one with the same id. Fails when another policy has the name.
    pub fn put_policy(&mut self, policy: Policy) -> Result<(), StoreError> {
        if self.policies.iter().any(|p| p.id != policy.id && same_name(&p.name, &policy.name)) {
            return Err(StoreError::AlreadyExists { kind: ObjectKind::Policy, name: policy.name });
        }
        match self.policies.iter_mut().find(|p| p.id == policy.id) {
            Some(slot) => *slot = policy,
            None => self.policies.push(policy),
        }
        Ok(())
    }

    /// Adds a filter list, or replaces the one with the same id. Fails when another list has the name.
    pub fn put_filter_list(&mut self, list: FilterList) -> Result<(), StoreError> {
        if self.filter_lists.iter().any(|l| l.id != list.id && same_name(&l.name, &list.name)) {
            return Err(StoreError::AlreadyExists { kind: ObjectKind::FilterList, name: list.name });
        }
        match self.filter_lists.iter_mut().find(|l| l.id == list.id) {
            Some(slot) => *slot = list,
            None => self.filter_lists.push(list),
        }
        Ok(())
    }

    /// Adds a filter action, or replaces the one with the same id. Fails when another action has the name.
    pub fn put_filter_action(&mut self, action: FilterAction) -> Result<(), StoreError> {
        if self.filter_actions.iter().any(|a| a.id != action.id && same_name(&a.name, &action.name)) {
            return Err(StoreError::AlreadyExists { kind: ObjectKind::FilterAction, name: action.name });
        }
        match self.filter_actions.iter_mut().find(|a| a.id == action.id) {
            Some(slot) => *slot = action,
            None => self.filter_actions.push(action),
        }
        Ok(())
    }

    /// Adds a filter to the list with this name, making the list when there is none (as netsh does).
    pub fn add_filter(&mut self, list: &str, filter: Filter) {
        if let Some(found) = self.filter_lists.iter_mut().find(|l| same_name(&l.name, list)) {
            found.filters.push(filter);
            return;
        }
        let id = self.new_guid();
        let (name, description) = (list.to_owned(), String::new());
        self.filter_lists.push(FilterList { id, name, description, filters: vec![filter] });
    }

    /// Removes the filters for which `matches` holds; says how many there were. Fails when no list has the name.
    pub fn remove_filters(
        &mut self,
        list: &str,
        matches: impl Fn(&Filter) -> bool,
    ) -> Result<usize, StoreError> {
        let id = self.filter_list(list)?.id;
        let Some(found) = self.filter_lists.iter_mut().find(|l| l.id == id) else { return Ok(0) };
        let before = found.filters.len();
        found.filters.retain(|f| !matches(f));
        Ok(before - found.filters.len())
    }

    /// Adds a rule to a policy, or replaces the one with the same id.
    pub fn put_rule(&mut self, policy: &str, rule: Rule) -> Result<(), StoreError> {
        let id = self.policy(policy)?.id;
        let Some(found) = self.policies.iter_mut().find(|p| p.id == id) else { return Ok(()) };
        if found.rules.iter().any(|r| r.id != rule.id && same_name(&r.name, &rule.name)) {
            return Err(StoreError::AlreadyExists { kind: ObjectKind::Rule, name: rule.name });
        }
        match found.rules.iter_mut().find(|r| r.id == rule.id) {
            Some(slot) => *slot = rule,
            None => found.rules.push(rule),
        }
        Ok(())
    }

    /// Deletes a policy with its rules; when it was assigned, no policy is.
    pub fn delete_policy(&mut self, name: &str) -> Result<(), StoreError> {
        let id = self.policy(name)?.id;
        self.policies.retain(|p| p.id != id);
        self.assigned = self.assigned.filter(|a| *a != id);
        Ok(())
    }

    /// Deletes a rule of a policy.
    pub fn delete_rule(&mut self, policy: &str, name: &str) -> Result<(), StoreError> {
        let (id, rule) = {
            let policy = self.policy(policy)?;
            (policy.id, policy.existing_rule(name)?.id)
        };
        for policy in self.policies.iter_mut().filter(|p| p.id == id) {
            policy.rules.retain(|r| r.id != rule);
        }
        Ok(())
    }

    /// Deletes a filter list that no rule uses.
    pub fn delete_filter_list(&mut self, name: &str) -> Result<(), StoreError> {
        let list = self.filter_list(name)?;
        let (id, name) = (list.id, list.name.clone());
        self.check_unused(ObjectKind::FilterList, id, name)?;
        self.filter_lists.retain(|l| l.id != id);
        Ok(())
    }

    /// Deletes a filter action that no rule uses.
    pub fn delete_filter_action(&mut self, name: &str) -> Result<(), StoreError> {
        let action = self.filter_action(name)?;
        let (id, name) = (action.id, action.name.clone());
        self.check_unused(ObjectKind::FilterAction, id, name)?;
        self.filter_actions.retain(|a| a.id != id);
        Ok(())
    }

    fn check_unused(&self, kind: ObjectKind, id: Guid, name: String) -> Result<(), StoreError> {
        match self.users(id).next() {
            None => Ok(()),
            Some((p, r)) => Err(StoreError::InUse {
                kind,
                name,
                user: format!("rule '{}' of policy '{}'", r.name, p.name),
            }),
        }
    }

    /// Takes over every object of another store. What has the name of an object here takes its place and keeps its id, so
    /// that rules which use it stay valid; of a policy all rules are replaced. The assignment comes along when there is one.
    pub fn merge(&mut self, other: &Self) {
        let mut ids = BTreeMap::new();
        for list in &other.filter_lists {
            let id = self.filter_list(&list.name).map(|l| l.id).unwrap_or_else(|_| self.new_guid());
            ids.insert(list.id, id);
            let filters: Vec<Filter> =
                list.filters.iter().map(|f| Filter { id: self.new_guid(), ..f.clone() }).collect();
            let _ = self.put_filter_list(FilterList { id, filters, ..list.clone() });
        }
        for action in &other.filter_actions {
            let id = self.filter_action(&action.name).map(|a| a.id).unwrap_or_else(|_| self.new_guid());
            ids.insert(action.id, id);
            let _ = self.put_filter_action(FilterAction { id, ..action.clone() });
        }
        let of = |ids: &BTreeMap<Guid, Guid>, id: Guid| ids.get(&id).copied().unwrap_or(id);
        for policy in &other.policies {
            let id = self.policy(&policy.name).map(|p| p.id).unwrap_or_else(|_| self.new_guid());
            ids.insert(policy.id, id);
            let rule = |r: &Rule, id| {
                let (filter_list, filter_action) = (of(&ids, r.filter_list), of(&ids, r.filter_action));
                Rule { id, filter_list, filter_action, ..r.clone() }
            };
            let rules: Vec<Rule> = policy.rules.iter().map(|r| rule(r, self.new_guid())).collect();
            let _ = self.put_policy(Policy { id, rules, ..policy.clone() });
        }
        self.assigned = other.assigned.map(|id| of(&ids, id)).or(self.assigned);
    }

    /// An empty store of the same computer: its release, and the host names it knows.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self { release: self.release, hosts: self.hosts.clone(), ..Self::default() }
    }

    /// Whether it holds no policy, list or action.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty() && self.filter_lists.is_empty() && self.filter_actions.is_empty()
    }

    /// The same store with ids as they are when a script makes its objects in order: lists with their filters, actions,
    /// policies with their rules. Two stores that mean the same are then equal.
    #[must_use]
    pub fn renumbered(&self) -> Self {
        let mut new = self.emptied();
        new.merge(self);
        new
    }

    /// Deletes everything but the host names.
    pub fn delete_all(&mut self) {
        self.policies.clear();
        self.filter_lists.clear();
        self.filter_actions.clear();
        self.assigned = None;
    }

    /// Assigns a policy; the one assigned before is no longer.
    pub fn assign(&mut self, name: &str) -> Result<(), StoreError> {
        self.assigned = Some(self.policy(name)?.id);
        Ok(())
    }

    /// Takes the assignment from a policy; nothing happens when it had none.
    pub fn unassign(&mut self, name: &str) -> Result<(), StoreError> {
        let id = self.policy(name)?.id;
        self.assigned = self.assigned.filter(|a| *a != id);
        Ok(())
    }
}
