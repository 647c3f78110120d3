//! Habits of a node beyond the RFCs' good path: most are Microsoft's, and all are off unless said otherwise.

use crate::time::Duration;

/// How deletes are sent and answered (MS-IKEE section 3.8). The peer must have announced Microsoft's implementation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReliableDelete {
    /// As RFC 2408 section 5.15: sent once, never answered.
    #[default]
    Off,
    /// Windows 2000 with the SP4 rollup (MS-IKEE appendix A <23>, <24>): answered, without nonces; sent once.
    Answered,
    /// Windows XP and later: with nonces, and sent again after 1, 2, 4, 8, 16 and 16 s until it is answered.
    Repeated,
}

/// When a pair of IPsec SAs that carries nothing is deleted (MS-IKEE section 3.5.2, appendix A <21>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleTimeout {
    /// Windows: 5 minutes.
    pub after: Duration,
    /// With a peer that is one of a cluster (`NLBS_PRESENT`). Windows: 1 minute.
    pub in_cluster: Duration,
    /// Counts from the SAs' beginning, whatever they carry: Windows Server 2003 SP1.
    pub ignores_traffic: bool,
}

impl IdleTimeout {
    /// What MS-IKEE documents.
    pub const WINDOWS: IdleTimeout = IdleTimeout {
        after: Duration::from_secs(300),
        in_cluster: Duration::from_secs(60),
        ignores_traffic: false,
    };
}

/// When a responder asks for a cookie before it keeps state (MS-IKEE section 3.9, appendix A <29>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DosProtection {
    /// Protection begins when more half-open main modes are held. `None`: at once, as Windows 2000, XP and Server 2003 do
    /// when it is switched on. Must be less than [`Limits::half_open`](crate::config::Limits::half_open) to matter.
    pub above: Option<usize>,
    /// Protection that began because of a number ends when fewer half-open main modes are held. Windows: 100.
    pub below: usize,
    /// A source with more half-open main modes gets no further ones, whether protection is on or not. Windows: 35. Must be
    /// less than [`Limits::half_open_per_source`](crate::config::Limits::half_open_per_source) to matter.
    pub per_source: usize,
}

impl DosProtection {
    /// Windows 2000, XP and Server 2003 with `EnableDOSProtect`.
    pub const AT_ONCE: DosProtection = DosProtection { above: None, below: 100, per_source: 35 };
    /// Windows Vista and later.
    pub const AT_500: DosProtection = DosProtection { above: Some(500), below: 100, per_source: 35 };
}
