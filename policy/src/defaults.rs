//! Every default of the policy system in one place, with how sure we are of it.

use crate::security_method::{Cipher, DhGroup, Hash, MainModeMethod, SecurityMethod};

/// How well a value is sourced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Confidence {
    /// Read in a named public source.
    Confirmed,
    /// Follows from something that was read.
    Inferred,
    /// Common knowledge without a source at hand: easy to change here.
    Unconfirmed,
}

/// A default value with its provenance.
#[derive(Clone, Copy, Debug)]
pub struct Defaulted<T> {
    /// The value.
    pub value: T,
    /// How sure we are.
    pub confidence: Confidence,
    /// Where it comes from.
    pub source: &'static str,
}

pub(crate) const fn confirmed<T: Copy>(value: T, source: &'static str) -> Defaulted<T> {
    Defaulted { value, confidence: Confidence::Confirmed, source }
}
pub(crate) const fn inferred<T: Copy>(value: T, source: &'static str) -> Defaulted<T> {
    Defaulted { value, confidence: Confidence::Inferred, source }
}
pub(crate) const fn unconfirmed<T: Copy>(value: T, source: &'static str) -> Defaulted<T> {
    Defaulted { value, confidence: Confidence::Unconfirmed, source }
}

/// How often the agent looks for policy changes, in minutes.
pub const POLLING_INTERVAL_MINUTES: Defaulted<u32> =
    confirmed(180, "netsh output of a default policy; MS-GPIPSEC 2.2.1.1: stored 0 means 10800 s");
/// Master-key perfect forward secrecy.
pub const MM_PFS: Defaulted<bool> = confirmed(false, "netsh output of a default policy");
/// Main-mode lifetime in minutes.
pub const MM_LIFETIME_MINUTES: Defaulted<u32> =
    confirmed(480, "MS-GPIPSEC 2.2.1.2 MM-Lifetime: stored 0 means 28800 s");
/// Quick modes for each main mode; 0 is no limit.
pub const QM_PER_MM: Defaulted<u32> = confirmed(0, "MS-GPIPSEC 2.2.1.2 QM-Limit");
/// Whether a new policy has its default response rule on.
pub const ACTIVATE_DEFAULT_RULE: Defaulted<bool> = confirmed(true, "Windows Server 2003 Networking Recipes");
/// Whether a new policy is assigned at once.
pub const ASSIGN: Defaulted<bool> = confirmed(false, "published scripts need a separate set policy assign=y");
/// New Diffie-Hellman exchange in each quick mode.
pub const QM_PFS: Defaulted<bool> = confirmed(false, "Windows Server 2003 Networking Recipes 3.18");
/// "Accept unsecured communication, but always respond using IPSec".
pub const INPASS: Defaulted<bool> = inferred(false, "netsh help text");
/// "Allow unsecured communication with non-IPSec-aware computers".
pub const SOFT: Defaulted<bool> = inferred(false, "netsh help text");
/// Whether a filter is mirrored.
pub const MIRRORED: Defaulted<bool> = confirmed(true, "netsh output of a filter made without the tag");
/// Whether a rule is active.
pub const RULE_ACTIVE: Defaulted<bool> = unconfirmed(true, "netsh help text names no value");
/// Seconds after which a quick-mode SA is replaced when its method sets no limit.
pub const QM_SECONDS: Defaulted<u32> = confirmed(3600, "Microsoft support 2790970");
/// Kilobytes after which a quick-mode SA is replaced when its method sets no limit.
pub const QM_KILOBYTES: Defaulted<u32> = confirmed(100_000, "Microsoft support 2790970");
/// Seconds a soft association lives.
pub const SOFT_SA_SECONDS: Defaulted<u32> =
    unconfirmed(300, "netsh dynamic softsaexpirationtime, value unknown");
/// `ipsecexempt` on Windows Server 2003.
pub const EXEMPT_2003: Defaulted<u8> = confirmed(3, "TechNet cc756041");
/// `NoDefaultExempt` on Windows 2000 and XP.
pub const EXEMPT_2000: Defaulted<u8> = confirmed(0, "TechNet cc756041");

/// Main-mode methods of a policy that names none.
pub const MM_METHODS: Defaulted<[MainModeMethod; 4]> = unconfirmed(
    [
        MainModeMethod { cipher: Cipher::TripleDes, hash: Hash::Sha1, group: DhGroup::Medium },
        MainModeMethod { cipher: Cipher::TripleDes, hash: Hash::Md5, group: DhGroup::Medium },
        MainModeMethod { cipher: Cipher::Des, hash: Hash::Sha1, group: DhGroup::Low },
        MainModeMethod { cipher: Cipher::Des, hash: Hash::Md5, group: DhGroup::Low },
    ],
    "order of the GUI, widely repeated",
);

/// Quick-mode methods of a negotiating filter action that names none.
pub const QM_METHODS: Defaulted<[SecurityMethod; 2]> = unconfirmed(
    [
        SecurityMethod::esp(Cipher::TripleDes, Hash::Sha1).with_lifetime(100_000, 3600),
        SecurityMethod::esp(Cipher::TripleDes, Hash::Md5).with_lifetime(100_000, 3600),
    ],
    "no output of a default action was found",
);

/// Quick-mode methods of the default response rule.
pub const DEFAULT_RESPONSE_METHODS: Defaulted<[SecurityMethod; 6]> = unconfirmed(
    [
        SecurityMethod::esp(Cipher::TripleDes, Hash::Sha1),
        SecurityMethod::esp(Cipher::TripleDes, Hash::Md5),
        SecurityMethod::esp(Cipher::Des, Hash::Sha1),
        SecurityMethod::esp(Cipher::Des, Hash::Md5),
        SecurityMethod::ah(Hash::Sha1),
        SecurityMethod::ah(Hash::Md5),
    ],
    "order of the GUI",
);
