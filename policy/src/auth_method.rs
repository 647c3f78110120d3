//! Authentication methods of a rule, in order of preference (MS-GPIPSEC 2.2.1.5, types 1, 3 and 5).

use core::fmt;

use zeroize::Zeroizing;

/// One way in which main mode may authenticate the peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AuthMethod {
    /// Kerberos V5 through GSS-API; both computers need a common realm.
    Kerberos,
    /// A certificate that chains to the named authority.
    Certificate(CertificateMethod),
    /// A string both ends know. Windows stores it as UTF-16; IKE uses its octets.
    PresharedKey(PresharedKey),
}

/// How a certificate is asked for and used (netsh `rootca=`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateMethod {
    /// The distinguished name of the certification authority.
    pub authority: String,
    /// Map the certificate to a computer account (`certmap:yes`, domain members only).
    pub map_to_account: bool,
    /// Leave the authority's name out of the certificate request (`excludecaname:yes`).
    pub exclude_authority_name: bool,
}

/// A pre-shared key. `Debug` never prints it and it is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct PresharedKey(Zeroizing<String>);

impl PresharedKey {
    /// Takes the key as typed.
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self(Zeroizing::new(key.to_owned()))
    }

    /// The key as typed. Handle with care.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PresharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresharedKey(..)")
    }
}

impl fmt::Display for AuthMethod {
    /// What `show rule` prints; the key itself is never shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kerberos => f.write_str("KERBEROS"),
            Self::Certificate(c) => write!(f, "Root CA : {}", c.authority),
            Self::PresharedKey(_) => f.write_str("Preshared key"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_key() {
        let m = AuthMethod::PresharedKey(PresharedKey::new("Abczz secret"));
        assert!(!format!("{m:?} {m}").contains("secret"));
    }
}
