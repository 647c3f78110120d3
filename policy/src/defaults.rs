//! Every default of the policy system in one place, with how sure we are of it.

use core::fmt;

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

/// How sure we are of something, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// How sure we are.
    pub confidence: Confidence,
    /// The public source that was read, or what the value rests on.
    pub source: &'static str,
}

impl Mark {
    /// Read in this source.
    #[must_use]
    pub const fn confirmed(source: &'static str) -> Self {
        Self { confidence: Confidence::Confirmed, source }
    }

    /// No source at hand.
    #[must_use]
    pub const fn unconfirmed(source: &'static str) -> Self {
        Self { confidence: Confidence::Unconfirmed, source }
    }
}

impl fmt::Display for Mark {
    /// `Confirmed(source)`, `Inferred(from)`, `Unconfirmed(remark)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({})", self.confidence, self.source)
    }
}

impl<T> Defaulted<T> {
    /// Confidence and source.
    #[must_use]
    pub const fn mark(&self) -> Mark {
        Mark { confidence: self.confidence, source: self.source }
    }
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
/// The action of a filter action or dynamic rule that names none.
pub const ACTION: Defaulted<&str> = unconfirmed("negotiate", "published scripts always give it");
/// The authentication of a rule that names none: Windows' "dynamic defaults".
pub const AUTH: Defaulted<&str> =
    inferred("yes when no method is named", "netsh help: \"dynamic defaults\" are used");
/// Description of an object that has none, as `show` prints it.
pub const DESCRIPTION: Defaulted<&str> = confirmed("NONE", "netsh output of an object without description");
/// A filter's protocol.
pub const PROTOCOL: Defaulted<&str> = unconfirmed("ANY", "widely used without the tag");
/// A filter's mask: 32 bits for a single address, none for any.
pub const MASK: Defaulted<&str> = inferred("32 bits", "netsh output of filters made without a mask");
/// A filter's ports; 0 stands for any.
pub const PORT: Defaulted<&str> = confirmed("0", "Windows help strings: 0 is any port");
/// The connections a rule is for.
pub const CONNECTION: Defaulted<&str> = unconfirmed("all", "netsh help text names no value");
/// PFS of a dynamic quick-mode policy.
pub const PFS_GROUP: Defaulted<&str> = confirmed("nopfs", "Microsoft Learn, netsh ipsec");
/// How much `show` tells.
pub const SHOW_LEVEL: Defaulted<&str> = unconfirmed("normal", "common knowledge");
/// How `show` lays out.
pub const SHOW_FORMAT: Defaulted<&str> = unconfirmed("list", "common knowledge");
/// Whether `show` prints cells in full.
pub const SHOW_WIDE: Defaulted<bool> = unconfirmed(false, "common knowledge");
/// Whether `show` looks up names of addresses.
pub const SHOW_RESOLVE_DNS: Defaulted<bool> = unconfirmed(false, "common knowledge");
/// `ipsecdiagnostics`: what the driver logs; 7 is everything it drops.
pub const DIAGNOSTICS: Defaulted<u32> =
    unconfirmed(0, "7 is used to log all drops; the default is common knowledge");
/// `ikelogging`: whether IKE writes its log.
pub const IKE_LOGGING: Defaulted<u32> = unconfirmed(0, "published guides switch it on with 1");
/// `strongcrlcheck`: 0 off, 1 fail when revoked, 2 fail on any error.
pub const STRONG_CRL_CHECK: Defaulted<u32> =
    unconfirmed(1, "meanings from later help; this release's value unknown");
/// `ipsecloginterval` in seconds.
pub const LOG_INTERVAL: Defaulted<u32> = unconfirmed(3600, "common knowledge");
/// `ipsecexempt` as a number.
pub const EXEMPT: Defaulted<u32> = confirmed(3, "TechNet cc756041, Windows Server 2003");
/// `bootmode`; a policy that is assigned makes it stateful.
pub const BOOT_MODE: Defaulted<&str> =
    confirmed("permit", "TechNet cc783039: stateful as soon as a policy is assigned");
/// `bootexemptions`, as protocol:source port:destination port:direction.
pub const BOOT_EXEMPTIONS: Defaulted<&str> =
    unconfirmed("UDP:0:68:inbound", "DHCP passes at boot; form from memory");
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

/// Quick-mode methods of an `ipsecpol` or `ipseccmd` call that names none.
pub const IPSECPOL_METHODS: Defaulted<[SecurityMethod; 4]> = unconfirmed(
    [
        SecurityMethod::esp(Cipher::TripleDes, Hash::Sha1),
        SecurityMethod::esp(Cipher::TripleDes, Hash::Md5),
        SecurityMethod::esp(Cipher::Des, Hash::Sha1),
        SecurityMethod::esp(Cipher::Des, Hash::Md5),
    ],
    "order from memory",
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

/// Quick-mode methods of "Request Security (Optional)".
pub const REQUEST_METHODS: Defaulted<[SecurityMethod; 4]> = unconfirmed(
    [
        SecurityMethod::esp(Cipher::TripleDes, Hash::Sha1).with_lifetime(100_000, 900),
        SecurityMethod::esp(Cipher::TripleDes, Hash::Md5).with_lifetime(100_000, 900),
        SecurityMethod::ah(Hash::Sha1).with_lifetime(100_000, 900),
        SecurityMethod::ah(Hash::Md5).with_lifetime(100_000, 900),
    ],
    "order and limits from memory",
);

/// Quick-mode methods of "Require Security".
pub const REQUIRE_METHODS: Defaulted<[SecurityMethod; 4]> = unconfirmed(
    [
        SecurityMethod::esp(Cipher::TripleDes, Hash::Sha1).with_lifetime(100_000, 900),
        SecurityMethod::esp(Cipher::TripleDes, Hash::Md5).with_lifetime(100_000, 900),
        SecurityMethod::esp(Cipher::Des, Hash::Sha1).with_lifetime(100_000, 900),
        SecurityMethod::esp(Cipher::Des, Hash::Md5).with_lifetime(100_000, 900),
    ],
    "order and limits from memory",
);
