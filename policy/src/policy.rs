//! Policies: the unit that is assigned to a computer.

use crate::{
    auth_method::AuthMethod,
    defaults,
    rule::Rule,
    security_method::{MainModeMethod, SecurityMethod},
    store::{Guid, ObjectKind, StoreError, not_found},
};

/// An IPsec policy. At most one policy of a store is assigned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// The policy's id.
    pub id: Guid,
    /// Unique in the store, whatever the case of its letters.
    pub name: String,
    /// Free text.
    pub description: String,
    /// How often the agent looks for changes, in minutes.
    pub polling_interval_minutes: u32,
    /// Main-mode settings.
    pub main_mode: MainMode,
    /// The default response rule, which every policy has and which may be switched off.
    pub default_response: DefaultResponse,
    /// Rules in order of creation; their order decides nothing.
    pub rules: Vec<Rule>,
}

/// The key-exchange settings of a policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MainMode {
    /// Master-key PFS: one quick mode for each main mode, with authentication anew.
    pub pfs: bool,
    /// Quick modes for each main mode; 0 is no limit.
    pub qm_per_mm: u32,
    /// Lifetime in minutes.
    pub lifetime_minutes: u32,
    /// Methods, the most preferred first.
    pub methods: Vec<MainModeMethod>,
    /// Seconds that a soft association lives. Only dynamic policy can set it.
    pub soft_seconds: u32,
}

/// The rule with the filter list `<Dynamic>`: answer whoever asks for IPsec, filters made from what is received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DefaultResponse {
    /// Whether it takes part.
    pub active: bool,
    /// Perfect forward secrecy for its quick modes.
    pub qm_pfs: bool,
    /// Security methods, the most preferred first.
    pub methods: Vec<SecurityMethod>,
    /// Authentication methods, the most preferred first.
    pub auth: Vec<AuthMethod>,
}

impl Policy {
    /// A policy with nothing but a name, as `add policy name=...` makes it.
    #[must_use]
    pub fn new(id: Guid, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            description: String::new(),
            polling_interval_minutes: defaults::POLLING_INTERVAL_MINUTES.value,
            main_mode: MainMode::default(),
            default_response: DefaultResponse::default(),
            rules: Vec::new(),
        }
    }

    /// The rule with this name, or the error that there is none.
    pub fn existing_rule(&self, name: &str) -> Result<&Rule, StoreError> {
        let names = self.rules.iter().map(|r| &r.name);
        self.rule(name).ok_or_else(|| not_found(ObjectKind::Rule, name, names))
    }

    /// The rule with this name, whatever the case of its letters.
    #[must_use]
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| crate::store::same_name(&rule.name, name))
    }
}

impl MainMode {
    /// How many quick modes a main mode may carry; PFS forces one.
    #[must_use]
    pub fn quick_mode_limit(&self) -> u32 {
        if self.pfs { 1 } else { self.qm_per_mm }
    }
}

impl Default for MainMode {
    fn default() -> Self {
        Self {
            pfs: defaults::MM_PFS.value,
            qm_per_mm: defaults::QM_PER_MM.value,
            lifetime_minutes: defaults::MM_LIFETIME_MINUTES.value,
            methods: defaults::MM_METHODS.value.to_vec(),
            soft_seconds: defaults::SOFT_SA_SECONDS.value,
        }
    }
}

impl Default for DefaultResponse {
    fn default() -> Self {
        Self {
            active: defaults::ACTIVATE_DEFAULT_RULE.value,
            qm_pfs: defaults::QM_PFS.value,
            methods: defaults::DEFAULT_RESPONSE_METHODS.value.to_vec(),
            auth: vec![AuthMethod::Kerberos],
        }
    }
}
