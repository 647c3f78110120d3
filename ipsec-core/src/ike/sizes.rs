//! How much IKE holds: what monitors show, and what tests of the bounds look at.

use super::Ike;

/// How much IKE holds at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct IkeSizes {
    /// Answered first messages, those past their time included until the next one comes.
    pub half_open: usize,
    /// ISAKMP SAs, established or not.
    pub isakmp_sas: usize,
    /// Quick modes that run, or are kept to repeat their answers.
    pub quick_modes: usize,
    /// Negotiations that wait for an ISAKMP SA.
    pub waiting: usize,
    /// Pairs of SAs that IKE knows.
    pub pairs: usize,
    /// Answers kept in case the peer repeats itself, of all exchanges together.
    pub replies: usize,
    /// Message IDs remembered against replay, of all ISAKMP SAs together.
    pub message_ids: usize,
    /// Parts of messages that wait for the rest, of all ISAKMP SAs together.
    pub fragments: usize,
    /// Deletes that wait for their answers, and answers kept in case a peer repeats a delete.
    pub deletes: usize,
    /// Deadlines.
    pub timers: usize,
}

impl Ike {
    /// Negotiations asked for since we started; one that goes on under another ISAKMP SA was asked for again.
    pub fn acquires(&self) -> u64 {
        self.node.acquires
    }

    /// How much is held.
    pub fn sizes(&self) -> IkeSizes {
        let sas = || self.sas.values();
        let quick_modes = || sas().flat_map(|sa| sa.quick_modes.values());
        let exchanges = sas().map(|sa| &sa.exchange).chain(quick_modes().map(|q| &q.exchange));
        IkeSizes {
            half_open: self.half_open.len(),
            isakmp_sas: self.sas.len(),
            quick_modes: quick_modes().count(),
            waiting: sas().map(|sa| sa.acquires.len()).sum(),
            pairs: self.node.pairs.iter().count(),
            replies: exchanges.map(|exchange| exchange.replies()).sum(),
            message_ids: sas().map(|sa| sa.used_message_ids()).sum(),
            fragments: sas().map(|sa| sa.fragments.len()).sum(),
            deletes: self.node.deletes.len(),
            timers: self.node.timers.len(),
        }
    }
}
