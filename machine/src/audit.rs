//! Audit policy: which events reach the Security log.
//!
//! An administrator turns success and failure on for each category, of the computer or of its domain; where the domain says
//! something, that counts (KB 816514, "Enable Auditing for Logon Events and Object Access"). IKE's events are logon events.
//! Those of the service are changes of policy, and those of the driver's late checks are system events: the categories of
//! their successors in Windows Vista, whose numbers are theirs plus 4,096 (inferred).

/// What is recorded of one category.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Audit {
    /// What succeeds.
    pub success: bool,
    /// What fails.
    pub failure: bool,
}

impl Audit {
    /// Neither.
    pub const OFF: Audit = Audit { success: false, failure: false };
    /// Both.
    pub const BOTH: Audit = Audit { success: true, failure: true };
}

/// A category of the Security log that has events of IPsec in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Category {
    /// `Audit logon events`: 541 to 547.
    LogonEvents,
    /// `Audit policy change`: 613 to 616.
    PolicyChange,
    /// `Audit system events`: 864 to 867.
    SystemEvents,
}

impl Category {
    /// As the event viewer names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Category::LogonEvents => "Logon/Logoff",
            Category::PolicyChange => "Policy Change",
            Category::SystemEvents => "System Event",
        }
    }
}

/// An audit policy, of a computer or of its domain. `None`: not defined.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct AuditPolicy {
    /// `Audit logon events`.
    pub logon_events: Option<Audit>,
    /// `Audit policy change`.
    pub policy_change: Option<Audit>,
    /// `Audit system events`.
    pub system_events: Option<Audit>,
    /// `Audit object access`, which the article turns on too. No event of IPsec is in it.
    pub object_access: Option<Audit>,
    /// `HKLM\System\CurrentControlSet\Control\Lsa\Audit\DisableIKEAudits`: none of 541 to 547 (unconfirmed).
    pub disable_ike_audits: bool,
}

impl AuditPolicy {
    /// Nothing is recorded.
    pub const OFF: AuditPolicy = AuditPolicy {
        logon_events: None,
        policy_change: None,
        system_events: None,
        object_access: None,
        disable_ike_audits: false,
    };

    /// Success and failure of everything.
    pub const WHOLE: AuditPolicy = AuditPolicy {
        logon_events: Some(Audit::BOTH),
        policy_change: Some(Audit::BOTH),
        system_events: Some(Audit::BOTH),
        object_access: Some(Audit::BOTH),
        disable_ike_audits: false,
    };

    /// This local policy on a computer whose domain has a policy: what the domain defines overwrites it.
    #[must_use]
    pub fn in_domain(self, domain: AuditPolicy) -> AuditPolicy {
        AuditPolicy {
            logon_events: domain.logon_events.or(self.logon_events),
            policy_change: domain.policy_change.or(self.policy_change),
            system_events: domain.system_events.or(self.system_events),
            object_access: domain.object_access.or(self.object_access),
            disable_ike_audits: self.disable_ike_audits,
        }
    }

    /// Whether a success or failure of this category is recorded.
    #[must_use]
    pub fn records(&self, category: Category, success: bool) -> bool {
        let audit = match category {
            Category::LogonEvents if self.disable_ike_audits => None,
            Category::LogonEvents => self.logon_events,
            Category::PolicyChange => self.policy_change,
            Category::SystemEvents => self.system_events,
        };
        audit.is_some_and(|audit| if success { audit.success } else { audit.failure })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUCCESS: Audit = Audit { success: true, failure: false };

    #[test]
    fn success_and_failure_are_told_apart() {
        let policy = AuditPolicy { logon_events: Some(SUCCESS), ..AuditPolicy::OFF };
        let recorded = |success| policy.records(Category::LogonEvents, success);
        assert_eq!((recorded(true), recorded(false)), (true, false));
        assert!(!policy.records(Category::PolicyChange, true));
        assert!(!AuditPolicy { disable_ike_audits: true, ..policy }.records(Category::LogonEvents, true));
    }

    /// KB 816514: "the domain policy overwrites your local policy".
    #[test]
    fn a_domains_policy_overwrites_the_local_one() {
        let domain = AuditPolicy { logon_events: Some(Audit::OFF), ..AuditPolicy::OFF };
        let effective = AuditPolicy::WHOLE.in_domain(domain);
        assert!(!effective.records(Category::LogonEvents, true));
        assert!(effective.records(Category::PolicyChange, true), "which the domain does not define");
        let effective = AuditPolicy::OFF.in_domain(AuditPolicy::WHOLE);
        assert!(effective.records(Category::LogonEvents, false));
    }
}
