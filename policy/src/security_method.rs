//! Security methods: what quick mode and main mode may agree on, in order of preference.
//!
//! The text forms are those of netsh (`qmsecmethods`, `mmsecmethods`); reading them is [`crate::netsh`]'s work.

use core::fmt;

/// A confidentiality algorithm.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cipher {
    /// 40-bit DES, the export-era value of Windows 2000. A policy value only: it has no interoperable wire form.
    Des40,
    /// DES in CBC mode, 56-bit key (RFC 2405).
    Des,
    /// Three-key triple DES in CBC mode (RFC 2451).
    TripleDes,
}

/// A hash, used as HMAC with 96-bit output in ESP and AH (RFC 2403, 2404).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Hash {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
}

/// An ESP choice. At least one of the two is present (`ESP[None,None]` is illegal).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Esp {
    /// `None` is the NULL cipher (RFC 2410).
    pub confidentiality: Option<Cipher>,
    /// `None` is no integrity check.
    pub integrity: Option<Hash>,
}

/// When a quick-mode SA must be replaced. Zero means "not set": the system limits apply
/// ([`crate::defaults::QM_SECONDS`], [`crate::defaults::QM_KILOBYTES`]).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Lifetime {
    /// Kilobytes of protected traffic.
    pub kilobytes: u32,
    /// Seconds.
    pub seconds: u32,
}

/// One quick-mode security method: ESP, AH, or AH around ESP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SecurityMethod {
    /// The AH hash, when AH is used.
    pub ah: Option<Hash>,
    /// The ESP pair, when ESP is used.
    pub esp: Option<Esp>,
    /// Rekeying limits.
    pub lifetime: Lifetime,
}

impl SecurityMethod {
    /// ESP with a cipher and a hash, no lifetime of its own.
    #[must_use]
    pub const fn esp(cipher: Cipher, hash: Hash) -> Self {
        Self {
            ah: None,
            esp: Some(Esp { confidentiality: Some(cipher), integrity: Some(hash) }),
            lifetime: Lifetime { kilobytes: 0, seconds: 0 },
        }
    }

    /// AH alone, no lifetime of its own.
    #[must_use]
    pub const fn ah(hash: Hash) -> Self {
        Self { ah: Some(hash), esp: None, lifetime: Lifetime { kilobytes: 0, seconds: 0 } }
    }

    /// The same method with a lifetime.
    #[must_use]
    pub const fn with_lifetime(self, kilobytes: u32, seconds: u32) -> Self {
        Self { ah: self.ah, esp: self.esp, lifetime: Lifetime { kilobytes, seconds } }
    }

    /// Whether the method protects anything: some AH, or an ESP with at least one algorithm.
    #[must_use]
    pub fn is_legal(&self) -> bool {
        match (self.ah, self.esp) {
            (None, None) => false,
            (_, Some(esp)) => esp.confidentiality.is_some() || esp.integrity.is_some(),
            (Some(_), None) => true,
        }
    }
}

/// The Diffie-Hellman group of a main-mode method, by netsh's digit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DhGroup {
    /// "Low (1)": 768 bits, Oakley group 1.
    Low,
    /// "Medium (2)": 1024 bits, Oakley group 2.
    Medium,
    /// "High (3)", "2048": Oakley group 14 on the wire (MS-IKEE appendix A note 5). Windows Server 2003 only.
    High,
}

impl DhGroup {
    /// The group number IKE sends (RFC 2409 6.1, 6.2; RFC 3526 3).
    #[must_use]
    pub const fn oakley_group(self) -> u16 {
        match self {
            Self::Low => 1,
            Self::Medium => 2,
            Self::High => 14,
        }
    }
}

/// One main-mode method, netsh's `3DES-SHA1-2`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct MainModeMethod {
    /// The cipher that protects messages 5 and 6 and all later exchanges.
    pub cipher: Cipher,
    /// The hash, also the PRF.
    pub hash: Hash,
    /// The group of the exchange.
    pub group: DhGroup,
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Des40 => "DES40",
            Self::Des => "DES",
            Self::TripleDes => "3DES",
        })
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA1",
        })
    }
}

fn or_none<T: fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| "None".to_owned(), |v| v.to_string())
}

impl fmt::Display for SecurityMethod {
    /// netsh's form, `AH[MD5]+ESP[DES,SHA1]:30000k/480s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(hash) = self.ah {
            write!(f, "AH[{hash}]")?;
        }
        if let Some(esp) = self.esp {
            let plus = if self.ah.is_some() { "+" } else { "" };
            write!(f, "{plus}ESP[{},{}]", or_none(esp.confidentiality), or_none(esp.integrity))?;
        }
        match (self.lifetime.kilobytes, self.lifetime.seconds) {
            (0, 0) => Ok(()),
            (k, 0) => write!(f, ":{k}k"),
            (0, s) => write!(f, ":{s}s"),
            (k, s) => write!(f, ":{k}k/{s}s"),
        }
    }
}

impl fmt::Display for MainModeMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = match self.group {
            DhGroup::Low => 1,
            DhGroup::Medium => 2,
            DhGroup::High => 3,
        };
        write!(f, "{}-{}-{digit}", self.cipher, self.hash)
    }
}
