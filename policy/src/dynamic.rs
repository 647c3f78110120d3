//! What `netsh ipsec dynamic` edits: policy that goes straight into the running driver and key exchange. It is lost
//! when the service stops (TechNet cc739550); the properties of `set config` stay, for Windows keeps them in the registry.

use core::fmt;

use crate::auth_method::AuthMethod;
use crate::filter::{Address, Filter, Port};
use crate::filter_action::Action;
use crate::rule::{ConnectionType, TunnelEndpoint};
use crate::security_method::{MainModeMethod, SecurityMethod};
use crate::store::{ObjectKind, StoreError, not_found, same_name};

mod config;

pub use config::{BootExemption, Config, PROPERTIES, PROPERTY_WORDS, Property, PropertyKind};

/// A main-mode policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MmPolicy {
    /// Its name.
    pub name: String,
    /// Quick modes for each main mode; 0 is no limit.
    pub qm_per_mm: u32,
    /// Lifetime of main-mode SAs in minutes.
    pub lifetime_minutes: u32,
    /// Seconds a soft association lives.
    pub soft_sa_seconds: u32,
    /// Methods, the most preferred first.
    pub methods: Vec<MainModeMethod>,
}

/// The group of quick mode's own Diffie-Hellman exchange.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PfsGroup {
    /// No exchange of its own.
    NoPfs,
    /// 768 bits.
    Group1,
    /// 1024 bits.
    Group2,
    /// 2048 bits, as in main mode's digit 3.
    Group3,
    /// The group of the main-mode SA.
    MainMode,
}

/// A quick-mode policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QmPolicy {
    /// Its name.
    pub name: String,
    /// Send in clear to computers without IPsec.
    pub soft: bool,
    /// Perfect forward secrecy.
    pub pfs: PfsGroup,
    /// Security methods, the most preferred first.
    pub methods: Vec<SecurityMethod>,
}

/// What tells one dynamic rule from another (netsh help of `set rule`: these cannot be changed).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleKey {
    /// Where packets come from.
    pub source: Address,
    /// Where they go to.
    pub destination: Address,
    /// The IP protocol, `None` for any.
    pub protocol: Option<u8>,
    /// Source port.
    pub source_port: Port,
    /// Destination port.
    pub destination_port: Port,
    /// Whether the way back matches too.
    pub mirrored: bool,
    /// Connections it is for.
    pub connection: ConnectionType,
    /// The tunnel's endpoint.
    pub tunnel: Option<TunnelEndpoint>,
}

/// One dynamic rule: a filter and what happens to its packets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DynamicRule {
    /// Its identity.
    pub key: RuleKey,
    /// The main-mode policy's name.
    pub mm_policy: String,
    /// The quick-mode policy's name; needed when something is negotiated.
    pub qm_policy: Option<String>,
    /// What happens to packets that come in.
    pub inbound: Action,
    /// What happens to packets that go out.
    pub outbound: Action,
    /// Authentication methods, the most preferred first.
    pub auth: Vec<AuthMethod>,
}

/// The dynamic policy of a computer.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Dynamic {
    mm_policies: Vec<MmPolicy>,
    qm_policies: Vec<QmPolicy>,
    rules: Vec<DynamicRule>,
}

impl Dynamic {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mm_policies.is_empty() && self.qm_policies.is_empty() && self.rules.is_empty()
    }

    /// Main-mode policies in order of creation.
    #[must_use]
    pub fn mm_policies(&self) -> &[MmPolicy] {
        &self.mm_policies
    }

    /// Quick-mode policies in order of creation.
    #[must_use]
    pub fn qm_policies(&self) -> &[QmPolicy] {
        &self.qm_policies
    }

    /// Rules in order of creation.
    #[must_use]
    pub fn rules(&self) -> &[DynamicRule] {
        &self.rules
    }

    /// The main-mode policy with this name.
    pub fn mm_policy(&self, name: &str) -> Result<&MmPolicy, StoreError> {
        let found = self.mm_policies.iter().find(|p| same_name(&p.name, name));
        found.ok_or_else(|| not_found(ObjectKind::MmPolicy, name, self.mm_policies.iter().map(|p| &p.name)))
    }

    /// The quick-mode policy with this name.
    pub fn qm_policy(&self, name: &str) -> Result<&QmPolicy, StoreError> {
        let found = self.qm_policies.iter().find(|p| same_name(&p.name, name));
        found.ok_or_else(|| not_found(ObjectKind::QmPolicy, name, self.qm_policies.iter().map(|p| &p.name)))
    }

    /// The rule with this identity.
    pub fn rule(&self, key: &RuleKey) -> Result<&DynamicRule, StoreError> {
        let names: Vec<String> = self.rules.iter().map(|r| r.key.to_string()).collect();
        let found = self.rules.iter().find(|r| r.key == *key);
        found.ok_or_else(|| not_found(ObjectKind::Rule, &key.to_string(), names.iter()))
    }

    /// Adds a main-mode policy. Fails when the name is taken.
    pub fn add_mm_policy(&mut self, policy: MmPolicy) -> Result<(), StoreError> {
        if self.mm_policy(&policy.name).is_ok() {
            return Err(StoreError::AlreadyExists { kind: ObjectKind::MmPolicy, name: policy.name });
        }
        self.mm_policies.push(policy);
        Ok(())
    }

    /// Adds a quick-mode policy. Fails when the name is taken.
    pub fn add_qm_policy(&mut self, policy: QmPolicy) -> Result<(), StoreError> {
        if self.qm_policy(&policy.name).is_ok() {
            return Err(StoreError::AlreadyExists { kind: ObjectKind::QmPolicy, name: policy.name });
        }
        self.qm_policies.push(policy);
        Ok(())
    }

    /// Adds a rule. Fails when there is one with its identity, or a policy it names does not exist.
    pub fn add_rule(&mut self, rule: DynamicRule) -> Result<(), StoreError> {
        if self.rule(&rule.key).is_ok() {
            return Err(StoreError::AlreadyExists { kind: ObjectKind::Rule, name: rule.key.to_string() });
        }
        self.check_references(&rule)?;
        self.rules.push(rule);
        Ok(())
    }

    /// Replaces the main-mode policy of that name.
    pub fn set_mm_policy(&mut self, policy: MmPolicy) -> Result<(), StoreError> {
        self.mm_policy(&policy.name)?;
        self.mm_policies
            .iter_mut()
            .filter(|p| same_name(&p.name, &policy.name))
            .for_each(|p| p.clone_from(&policy));
        Ok(())
    }

    /// Replaces the quick-mode policy of that name.
    pub fn set_qm_policy(&mut self, policy: QmPolicy) -> Result<(), StoreError> {
        self.qm_policy(&policy.name)?;
        self.qm_policies
            .iter_mut()
            .filter(|p| same_name(&p.name, &policy.name))
            .for_each(|p| p.clone_from(&policy));
        Ok(())
    }

    /// Replaces the rule of that identity.
    pub fn set_rule(&mut self, rule: DynamicRule) -> Result<(), StoreError> {
        self.rule(&rule.key)?;
        self.check_references(&rule)?;
        self.rules.iter_mut().filter(|r| r.key == rule.key).for_each(|r| r.clone_from(&rule));
        Ok(())
    }

    fn check_references(&self, rule: &DynamicRule) -> Result<(), StoreError> {
        self.mm_policy(&rule.mm_policy)?;
        rule.qm_policy.as_ref().map_or(Ok(()), |name| self.qm_policy(name).map(|_| ()))
    }

    /// Deletes a main-mode policy that no rule uses.
    pub fn delete_mm_policy(&mut self, name: &str) -> Result<(), StoreError> {
        let name = self.mm_policy(name)?.name.clone();
        self.check_unused(ObjectKind::MmPolicy, &name, |r| same_name(&r.mm_policy, &name))?;
        self.mm_policies.retain(|p| p.name != name);
        Ok(())
    }

    /// Deletes a quick-mode policy that no rule uses.
    pub fn delete_qm_policy(&mut self, name: &str) -> Result<(), StoreError> {
        let name = self.qm_policy(name)?.name.clone();
        let uses = |r: &DynamicRule| r.qm_policy.as_ref().is_some_and(|q| same_name(q, &name));
        self.check_unused(ObjectKind::QmPolicy, &name, uses)?;
        self.qm_policies.retain(|p| p.name != name);
        Ok(())
    }

    fn check_unused(
        &self,
        kind: ObjectKind,
        name: &str,
        uses: impl Fn(&DynamicRule) -> bool,
    ) -> Result<(), StoreError> {
        match self.rules.iter().find(|r| uses(r)) {
            None => Ok(()),
            Some(rule) => {
                Err(StoreError::InUse { kind, name: name.to_owned(), user: format!("rule '{}'", rule.key) })
            }
        }
    }

    /// Deletes the rule of this identity.
    pub fn delete_rule(&mut self, key: &RuleKey) -> Result<(), StoreError> {
        self.rule(key)?;
        self.rules.retain(|r| r.key != *key);
        Ok(())
    }

    /// Deletes everything, as `delete all` and the end of the service do.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

impl RuleKey {
    /// The identity of a filter on these connections, with a tunnel or without.
    #[must_use]
    pub fn of(filter: &Filter, connection: ConnectionType, tunnel: Option<TunnelEndpoint>) -> Self {
        Self {
            source: filter.source.clone(),
            destination: filter.destination.clone(),
            protocol: filter.protocol,
            source_port: filter.source_port,
            destination_port: filter.destination_port,
            mirrored: filter.mirrored,
            connection,
            tunnel,
        }
    }
}

impl fmt::Display for RuleKey {
    /// `any <-> me TCP :80`, our own form: dynamic rules have no names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = |port: Port| if port == Port::Any { String::new() } else { format!(":{port}") };
        let arrow = if self.mirrored { "<->" } else { "->" };
        let (from, to) = (port(self.source_port), port(self.destination_port));
        write!(f, "{}{from} {arrow} {}{to}", self.source, self.destination)?;
        if self.protocol.is_some() {
            write!(f, " {}", crate::filter::protocol_name(self.protocol))?;
        }
        if self.connection != ConnectionType::All {
            write!(f, " {}", self.connection)?;
        }
        self.tunnel.as_ref().map_or(Ok(()), |t| write!(f, " tunnel {t}"))
    }
}

impl PfsGroup {
    /// Each with netsh's word.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("grp1", Self::Group1),
        ("grp2", Self::Group2),
        ("grp3", Self::Group3),
        ("grpmm", Self::MainMode),
        ("nopfs", Self::NoPfs),
    ];

    /// The group with this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(w, _)| *w == word).map(|(_, group)| *group)
    }
}

impl fmt::Display for PfsGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::WORDS.iter().find(|(_, group)| group == self).map_or("", |(word, _)| word);
        f.write_str(&word.to_ascii_uppercase())
    }
}
