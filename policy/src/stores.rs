//! Everything that `netsh ipsec` edits on one computer.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::domain::Domain;
use crate::dynamic::{Config, Dynamic, DynamicRule};
use crate::filter::{Filter, FilterList};
use crate::filter_action::{Action, FilterAction};
use crate::policy::{DefaultResponse, MainMode, Policy};
use crate::profile::Profile;
use crate::rule::Rule;
use crate::store::{Guid, Store, same_name};

/// Ends the name of a rule of [`Stores::dynamic_store`] that is only about packets which go out.
pub(crate) const OUTBOUND_HALF: &str = "\u{1}out";
/// Ends the name of one that is only about packets which come in.
pub(crate) const INBOUND_HALF: &str = "\u{1}in";

/// The stores of one computer.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Stores {
    /// The local store: `set store location=local`, where netsh starts.
    pub local: Store,
    /// Its domain and the policies there; none: it is a member of none. netsh on a member does not edit them.
    pub domain: Option<Domain>,
    /// Policy that is in force before any other and stays when the others fail (TechNet cc739468).
    pub persistent: Store,
    /// What dynamic mode put into the running driver.
    pub dynamic: Dynamic,
    /// Policy that other services make by themselves, and no tool edits: Routing and Remote Access for L2TP (KB 816514).
    pub automatic: Store,
    /// The properties of `dynamic set config`.
    pub config: Config,
}

impl Stores {
    /// Empty stores with the properties Windows Server 2003 comes with.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Empty stores of a computer with this release.
    #[must_use]
    pub fn of(release: &'static Profile) -> Self {
        let config = Config { exempt: release.exempt.value, ..Config::default() };
        Self { local: Store::of(release), persistent: Store::of(release), config, ..Self::default() }
    }

    /// The store whose assigned policy counts beside the persistent one: the domain's, which "prevents [...] a local IPSec
    /// policy" (KB 816514), or where the domain assigns none the local store, which stays as it is meanwhile.
    #[must_use]
    pub fn effective(&self) -> &Store {
        let of_domain = self.domain.as_ref().map(|domain| &domain.policies);
        of_domain.filter(|store| store.assigned().is_some()).unwrap_or(&self.local)
    }

    /// Whether the domain assigns a policy to this computer.
    #[must_use]
    pub fn domain_assigns(&self) -> bool {
        self.domain.as_ref().is_some_and(|domain| domain.policies.assigned().is_some())
    }

    /// Tells the stores what a host name stands for.
    pub fn add_host(&mut self, name: &str, address: IpAddr) {
        self.local.add_host(name, address);
        self.persistent.add_host(name, address);
    }

    /// Tells the stores what host names stand for now, in lower case; filters made before keep the addresses they have.
    pub fn set_hosts(&mut self, hosts: &BTreeMap<String, Vec<IpAddr>>) {
        self.local.set_hosts(hosts);
        self.persistent.set_hosts(hosts);
    }

    /// Empty stores of the same computer: its release, its properties, and the host names it knows.
    #[must_use]
    pub fn emptied(&self) -> Self {
        let (local, persistent) = (self.local.emptied(), self.persistent.emptied());
        let config = self.config.clone();
        Self { local, persistent, config, ..Self::default() }
    }

    /// The IPSec service has stopped: dynamic policy is lost, what is stored stays (TechNet cc739550).
    pub fn service_stopped(&mut self) {
        self.dynamic.clear();
    }

    /// Whether these hold the same policy, whatever their properties are.
    #[must_use]
    pub fn same_policy(&self, other: &Self) -> bool {
        self.effective() == other.effective()
            && (&self.persistent, &self.dynamic, &self.automatic)
                == (&other.persistent, &other.dynamic, &other.automatic)
    }

    /// The start-up mode of the driver as it is now: what was set; else permit, and stateful once a policy is assigned
    /// (TechNet cc783039).
    #[must_use]
    pub fn boot_mode(&self) -> &'static str {
        let assigned = self.effective().assigned().or(self.persistent.assigned()).is_some();
        let by_itself = if assigned { "stateful" } else { crate::defaults::BOOT_MODE.value };
        self.config.boot_mode.unwrap_or(by_itself)
    }

    /// Dynamic policy in the form of stored policy: one policy for each main-mode policy, none of them assigned, and in it
    /// the rules that name it. What a dynamic rule has no place for in stored policy (the PFS group) is left out.
    #[must_use]
    pub fn dynamic_store(&self) -> Store {
        let mut store = self.local.emptied();
        for mm in self.dynamic.mm_policies() {
            let mut policy = Policy::new(store.new_guid(), &mm.name);
            policy.main_mode = MainMode {
                pfs: false,
                qm_per_mm: mm.qm_per_mm,
                lifetime_minutes: mm.lifetime_minutes,
                methods: mm.methods.clone(),
                soft_seconds: mm.soft_sa_seconds,
            };
            policy.default_response = DefaultResponse { active: false, ..DefaultResponse::default() };
            for rule in self.dynamic.rules().iter().filter(|r| same_name(&r.mm_policy, &mm.name)) {
                self.add_rules(&mut store, &mut policy, rule);
            }
            // The names of main-mode policies differ from each other.
            let _ = store.put_policy(policy);
        }
        store
    }

    fn add_rules(&self, store: &mut Store, policy: &mut Policy, rule: &DynamicRule) {
        let key = &rule.key;
        let id = store.new_guid();
        let filter = Filter {
            id: store.new_guid(),
            description: String::new(),
            source: key.source.clone(),
            destination: key.destination.clone(),
            protocol: key.protocol,
            source_port: key.source_port,
            destination_port: key.destination_port,
            mirrored: key.mirrored,
        };
        let name = key.to_string();
        let filters = vec![filter];
        let _ =
            store.put_filter_list(FilterList { id, name: name.clone(), description: String::new(), filters });
        let halves = match (rule.outbound, rule.inbound) {
            (out, back) if out == back => vec![("", out, false)],
            (Action::Negotiate, Action::Permit) => vec![("", Action::Negotiate, true)],
            (out, back) => vec![(OUTBOUND_HALF, out, false), (INBOUND_HALF, back, false)],
        };
        for (half, action, inpass) in halves {
            let name = format!("{name}{half}");
            let filter_action = self.add_action(store, rule, &name, action, inpass);
            policy.rules.push(Rule {
                id: store.new_guid(),
                name,
                description: String::new(),
                filter_list: id,
                filter_action,
                tunnel: key.tunnel.clone(),
                connection: key.connection,
                active: true,
                auth: rule.auth.clone(),
            });
        }
    }

    fn add_action(
        &self,
        store: &mut Store,
        rule: &DynamicRule,
        name: &str,
        action: Action,
        inpass: bool,
    ) -> Guid {
        let quick_mode = rule.qm_policy.as_ref().and_then(|name| self.dynamic.qm_policy(name).ok());
        let id = store.new_guid();
        let _ = store.put_filter_action(FilterAction {
            id,
            name: name.to_owned(),
            description: String::new(),
            action,
            qm_pfs: false,
            inpass,
            soft: quick_mode.is_some_and(|p| p.soft),
            methods: quick_mode.map(|p| p.methods.clone()).unwrap_or_default(),
        });
        id
    }
}
