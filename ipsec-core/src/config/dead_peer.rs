//! When a peer is asked whether it lives (RFC 3706). Whether it may be asked follows from the vendor IDs.

use super::RetransmitSchedule;
use crate::time::Duration;

/// When a node asks peers whether they are alive, and when it believes that they are not (RFC 3706 sections 5.4 and 5.5, which
/// leave all times to implementations).
///
/// Both ends must have announced `DEAD_PEER_DETECTION` among [`vendor_ids`](super::IkeConfig::vendor_ids). An end that
/// announces it answers, whether it asks or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadPeerDetection {
    /// How long a peer to which traffic is sent may prove nothing before it is asked. Without traffic nobody is asked.
    pub idle: Duration,
    /// When the question is asked again, and when the peer is held dead.
    pub retransmit: RetransmitSchedule,
}

impl DeadPeerDetection {
    /// Asks after this time without a sign of life, then four times within 7 s, and gives up after 15 s.
    pub fn after(idle: Duration) -> Self {
        let gaps = [1, 2, 4].map(Duration::from_secs).to_vec();
        let retransmit = RetransmitSchedule { gaps, last_wait: Duration::from_secs(8) };
        DeadPeerDetection { idle, retransmit }
    }
}
