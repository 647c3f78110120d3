//! Releases of Windows, and a strict implementation of the RFCs, as data: one table of what each one does.
//!
//! [`ALL`] has one [`Profile`] for each; `profile/table.rs` writes them down, each as its difference from the one before.
//! Every value says how sure we are of it and where it comes from; `ipseclab profile NAME` prints them.
//!
//! | profile | stands for |
//! |---|---|
//! | `windows-2000` | Windows 2000 before the rollup for Service Pack 4 |
//! | `windows-2000-sp4-rollup` | Windows 2000 with it |
//! | `windows-xp` | Windows XP before Service Pack 2 |
//! | `windows-xp-sp2` | Windows XP with Service Pack 2 |
//! | `windows-2003` | Windows Server 2003 |
//! | `rfc` | nobody's habits: what RFC 2407 to 2409 and 4301 say |
//!
//! What a rule may say that Microsoft does not support is no matter of the profile: [`crate::compile::validation`] has that switch.
//!
//! A profile makes an [`IkeConfig`] and what the compiler must know of the release; nothing else asks which release it is.

use core::fmt;

use ipsec_core::config::{
    DosProtection, IdleTimeout, IkeConfig, LaterFragments, NatTraversal, ReliableDelete, RetransmitSchedule,
    SaChecks, TunnelEgress, VendorIdRole, VendorIdRule, VendorIdWhen,
};
use ipsec_core::ike::v1::vendor_id;
use ipsec_core::spd::Lifetime;
use ipsec_core::time::Duration;

pub use crate::defaults::{Confidence, Defaulted};
use crate::exempt::ExemptLevel;
use crate::security_method::{Cipher, DhGroup, Hash, MainModeMethod};

mod print;
mod table;
#[cfg(test)]
mod tests;

pub use print::Row;
pub use table::{ALL, RFC, WINDOWS_2000, WINDOWS_2000_SP4_ROLLUP, WINDOWS_2003, WINDOWS_XP, WINDOWS_XP_SP2};

/// What one release does.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Its name in topologies and on the command line.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// The vendor IDs of its first main-mode message as either role, in order. The confidence is that of the order, and of
    /// there being no others.
    pub vendor_ids: Defaulted<&'static [VendorId]>,
    /// Habits of NAT traversal, where it is announced.
    pub nat_traversal: Defaulted<NatTraversal>,
    /// Main-mode methods of a policy that names none, in order.
    pub main_mode_methods: Defaulted<&'static [MainModeMethod]>,
    /// The groups it knows.
    pub groups: Defaulted<&'static [DhGroup]>,
    /// The ciphers it knows.
    pub ciphers: Defaulted<&'static [Cipher]>,
    /// The hashes it knows.
    pub hashes: Defaulted<&'static [Hash]>,
    /// Seconds between the sends of an unanswered message as initiator.
    pub initiator_gaps: Defaulted<&'static [u16]>,
    /// Seconds between the sends of message 1 to a peer that may be spoken to in clear, and from the last one until it counts
    /// as a peer without IPsec.
    pub soft_trial: Defaulted<(&'static [u16], u16)>,
    /// The same for its own messages 2 and 4 of main mode as responder; `None`: it only answers.
    pub responder_gaps: Defaulted<Option<&'static [u16]>>,
    /// Seconds from the last send until it gives up.
    pub last_wait: Defaulted<u16>,
    /// Minutes that an ISAKMP SA lives.
    pub main_mode_minutes: Defaulted<u32>,
    /// Seconds that a pair of IPsec SAs lives when no method sets a limit. Enforced locally, and not on the wire.
    pub quick_mode_seconds: Defaulted<u32>,
    /// Kilobytes, likewise; `None` is no limit.
    pub quick_mode_kilobytes: Defaulted<Option<u32>>,
    /// Whether an offer without lifetimes says nothing of them on the wire.
    pub unset_lifetimes_absent: Defaulted<bool>,
    /// Whether it says RESPONDER-LIFETIME when an ISAKMP SA is to live shorter than was offered.
    pub isakmp_lifetime_notice: Defaulted<bool>,
    /// Default exemptions.
    pub exempt: Defaulted<ExemptLevel>,
    /// The levels of exemptions that it knows.
    pub exempt_levels: Defaulted<&'static [ExemptLevel]>,
    /// Whether filters may name servers by kind (DNS, WINS, DHCP, default gateway).
    pub server_keywords: Defaulted<bool>,
    /// Whether its driver has start-up modes, and enforces policy before the service has started.
    pub start_up_modes: Defaulted<bool>,
    /// Whether its driver lets nothing pass when the service cannot start.
    pub blocks_without_service: Defaulted<bool>,
    /// How it deletes.
    pub reliable_delete: Defaulted<ReliableDelete>,
    /// Whether it sets the commit bit as responder.
    pub commit_bit: Defaulted<bool>,
    /// Whether it says REPLAY-STATUS.
    pub replay_status: Defaulted<bool>,
    /// Whether an ISAKMP SA that has made all its quick modes stays until its lifetime ends.
    pub spent_sas_stay: Defaulted<bool>,
    /// When idle pairs of IPsec SAs are deleted.
    pub idle: Defaulted<Option<IdleTimeout>>,
    /// Whether a version of it counted idle time from the SAs' beginning, whatever they carried.
    pub idle_bug: Defaulted<bool>,
    /// What `EnableDOSProtect` does; it is off unless switched on.
    pub dos_protection: Defaulted<Option<DosProtection>>,
    /// Whether it takes part in fast failover: shorter idle times with members of clusters.
    pub fast_failover: Defaulted<bool>,
    /// Whether it has aggressive mode.
    pub aggressive_mode: Defaulted<bool>,
    /// Whether it detects dead peers (RFC 3706).
    pub dead_peer_detection: Defaulted<bool>,
    /// Whether packets that arrive on an SA are compared with its selectors (RFC 4301 section 5.2).
    pub rechecks_selectors: Defaulted<bool>,
    /// Whether a tunnel's packets must come from the peer's address (RFC 4301 section 4.1 says that SAs are found without).
    pub checks_outer_source: Defaulted<bool>,
    /// What becomes of fragments without ports where a filter asks for ports.
    pub later_fragments: Defaulted<LaterFragments>,
    /// Which route decides where a tunnel's packets leave, and from which address.
    pub tunnel_egress: Defaulted<TunnelEgress>,
}

/// What a computer may have beside what all of its release have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Switch {
    /// The registry value `EnableDOSProtect` is 1 (MS-IKEE appendix A <29>).
    DosProtection,
    /// The version whose idle time ignores traffic: Windows Server 2003 Service Pack 1, before KB 923339.
    IdleBug,
    /// Multicast and broadcast that come in are exempt at every level: how TechNet cc756041 reads Windows Server 2003, against
    /// "Windows Server 2003 IPSec Concepts". It changes what policies compile to, and nothing of IKE.
    InboundGroupsExempt,
}

impl Switch {
    /// All of them.
    pub const ALL: [Switch; 3] = [Switch::DosProtection, Switch::IdleBug, Switch::InboundGroupsExempt];

    /// Its name in topologies.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Switch::DosProtection => "dos-protection",
            Switch::IdleBug => "idle-bug",
            Switch::InboundGroupsExempt => "inbound-groups-exempt",
        }
    }
}

/// One vendor ID of a release.
#[derive(Clone, Copy, Debug)]
pub struct VendorId {
    /// The text that it is the hash of.
    pub text: &'static str,
    /// Its first 16 octets.
    pub hash: [u8; 16],
    /// Microsoft's version number behind them.
    pub version: Option<u32>,
    /// In which first messages.
    pub role: VendorIdRole,
    /// Under which condition.
    pub when: VendorIdWhen,
    /// How sure we are that it is sent so.
    pub confidence: Confidence,
    /// Where that comes from.
    pub source: &'static str,
}

impl VendorId {
    /// Its octets.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let version = self.version.map(u32::to_be_bytes);
        self.hash.iter().chain(version.iter().flatten()).copied().collect()
    }
}

impl Profile {
    /// The profile of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Profile> {
        ALL.iter().copied().find(|profile| profile.name == name)
    }

    /// What it announces to an IPv4 peer that it has no ISAKMP SA with.
    #[must_use]
    pub fn announces(&self) -> vendor_id::Capabilities {
        let bodies: Vec<Vec<u8>> = self.vendor_ids.value.iter().map(VendorId::body).collect();
        vendor_id::Capabilities::announced(bodies.iter().map(Vec::as_slice))
    }

    /// Its habits in IKE.
    #[must_use]
    pub fn ike(&self) -> IkeConfig {
        let rule = |id: &VendorId| VendorIdRule { body: id.body(), role: id.role, when: id.when };
        IkeConfig {
            retransmit: schedule(self.initiator_gaps.value, self.last_wait.value),
            soft_trial: Some(schedule(self.soft_trial.value.0, self.soft_trial.value.1)),
            responder_retransmit: self.responder_gaps.value.map(|gaps| schedule(gaps, self.last_wait.value)),
            default_lifetime: Lifetime {
                seconds: Some(self.quick_mode_seconds.value),
                kilobytes: self.quick_mode_kilobytes.value,
            },
            vendor_ids: self.vendor_ids.value.iter().map(rule).collect(),
            reliable_delete: self.reliable_delete.value,
            commit_bit: self.commit_bit.value,
            replay_status: self.replay_status.value,
            isakmp_lifetime_notice: self.isakmp_lifetime_notice.value,
            idle: self.idle.value,
            spent_sas_stay: self.spent_sas_stay.value,
            nat_traversal: self.nat_traversal.value,
            dos_protection: None,
            answers_dos_cookies: self.dos_protection.value.is_some(),
            ..IkeConfig::default()
        }
    }

    /// Changes its habits as a switch of the computer does; false if the release has no such switch.
    #[must_use]
    pub fn switch(&self, switch: Switch, ike: &mut IkeConfig) -> bool {
        match switch {
            Switch::DosProtection => {
                ike.dos_protection = self.dos_protection.value;
                ike.dos_protection.is_some()
            }
            Switch::IdleBug => {
                let has = self.idle_bug.value;
                ike.idle = ike.idle.map(|idle| IdleTimeout { ignores_traffic: has, ..idle });
                has
            }
            Switch::InboundGroupsExempt => {
                self.exempt_level(ExemptLevel::IsakmpOnly.number()).is_some() && *self != RFC
            }
        }
    }

    /// What it asks of packets that came in on SAs.
    #[must_use]
    pub fn sa_checks(&self) -> SaChecks {
        SaChecks { selectors: self.rechecks_selectors.value, outer_source: self.checks_outer_source.value }
    }

    /// What its `NoDefaultExempt` or `ipsecexempt` of this number means; `None` if it knows no such level.
    #[must_use]
    pub fn exempt_level(&self, number: u8) -> Option<ExemptLevel> {
        self.exempt_levels.value.iter().copied().find(|level| level.number() == number)
    }

    /// Whether the release has what a main-mode method asks for.
    #[must_use]
    pub fn knows(&self, method: &MainModeMethod) -> bool {
        self.groups.value.contains(&method.group)
            && self.ciphers.value.contains(&method.cipher)
            && self.hashes.value.contains(&method.hash)
    }
}

fn schedule(gaps: &[u16], last_wait: u16) -> RetransmitSchedule {
    RetransmitSchedule {
        gaps: gaps.iter().map(|s| Duration::from_secs(u64::from(*s))).collect(),
        last_wait: Duration::from_secs(last_wait.into()),
    }
}

/// A release is its name.
impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Profile {}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
