//! What a Windows computer audits: `audit = { logon_events = "success failure" }`.

use ipsec_machine::audit::{Audit, AuditPolicy};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::Node;

/// An audit policy. What is not named is not defined.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditSettings {
    /// `Audit logon events`: 541 to 547.
    #[serde(default, deserialize_with = "audit")]
    pub logon_events: Option<Audit>,
    /// `Audit policy change`: 613 to 616.
    #[serde(default, deserialize_with = "audit")]
    pub policy_change: Option<Audit>,
    /// `Audit system events`: 864 to 867.
    #[serde(default, deserialize_with = "audit")]
    pub system_events: Option<Audit>,
    /// `Audit object access`.
    #[serde(default, deserialize_with = "audit")]
    pub object_access: Option<Audit>,
    /// The registry value `DisableIKEAudits` is 1: none of 541 to 547.
    #[serde(default)]
    pub disable_ike_audits: bool,
}

impl From<AuditSettings> for AuditPolicy {
    fn from(settings: AuditSettings) -> Self {
        AuditPolicy {
            logon_events: settings.logon_events,
            policy_change: settings.policy_change,
            system_events: settings.system_events,
            object_access: settings.object_access,
            disable_ike_audits: settings.disable_ike_audits,
        }
    }
}

/// `none`, `success`, `failure` or `success failure`.
fn audit<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Audit>, D::Error> {
    let text = String::deserialize(input)?;
    let mut audit = Audit::OFF;
    for word in text.split_whitespace() {
        match word {
            "success" => audit.success = true,
            "failure" => audit.failure = true,
            "none" if text.trim() == "none" => {}
            _ => {
                return Err(D::Error::custom(format!(
                    "`{word}`: none, success, failure, or success failure"
                )));
            }
        }
    }
    Ok(Some(audit))
}

impl Node {
    /// The audit policy in force: the domain's over its own. Without either, everything is audited, as KB 816514 asks for.
    pub(crate) fn audit(&self) -> AuditPolicy {
        let own = self.audit.map_or(AuditPolicy::WHOLE, AuditPolicy::from);
        own.in_domain(self.domain_audit.map_or(AuditPolicy::OFF, AuditPolicy::from))
    }
}
