//! Default exemptions: traffic that no filter touches (TechNet cc756041, KB 253169).

use core::fmt;

/// `NoDefaultExempt` of Windows 2000 and XP, `ipsecexempt` of Windows Server 2003.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ExemptLevel {
    /// 0: multicast, broadcast, RSVP, Kerberos and ISAKMP.
    All,
    /// 1: multicast, broadcast and ISAKMP.
    NoKerberosRsvp,
    /// 2: RSVP, Kerberos and ISAKMP.
    NoMulticastBroadcast,
    /// 3: ISAKMP only.
    IsakmpOnly,
}

/// One kind of exempt traffic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Exemption {
    /// UDP 500, and UDP 4500 with it (the latter unconfirmed).
    Isakmp,
    /// Destination 224.0.0.0 to 239.255.255.255.
    Multicast,
    /// 255.255.255.255 and the broadcast address of each local subnet.
    Broadcast,
    /// IP protocol 46.
    Rsvp,
    /// TCP or UDP with source *or* destination port 88, hence the source-port-88 bypass.
    Kerberos,
}

impl ExemptLevel {
    /// The level with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::All),
            1 => Some(Self::NoKerberosRsvp),
            2 => Some(Self::NoMulticastBroadcast),
            3 => Some(Self::IsakmpOnly),
            _ => None,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::All => 0,
            Self::NoKerberosRsvp => 1,
            Self::NoMulticastBroadcast => 2,
            Self::IsakmpOnly => 3,
        }
    }

    /// What the level exempts. ISAKMP always comes first.
    #[must_use]
    pub const fn exemptions(self) -> &'static [Exemption] {
        use Exemption::{Broadcast, Isakmp, Kerberos, Multicast, Rsvp};
        match self {
            Self::All => &[Isakmp, Multicast, Broadcast, Rsvp, Kerberos],
            Self::NoKerberosRsvp => &[Isakmp, Multicast, Broadcast],
            Self::NoMulticastBroadcast => &[Isakmp, Rsvp, Kerberos],
            Self::IsakmpOnly => &[Isakmp],
        }
    }
}

impl fmt::Display for Exemption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Isakmp => "ISAKMP",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Rsvp => "RSVP",
            Self::Kerberos => "Kerberos",
        })
    }
}
