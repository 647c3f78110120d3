//! Pairs of SAs that carry nothing are deleted (MS-IKEE section 3.5): sooner with a peer of a cluster, whose members may have
//! shared their load anew.
//!
//! The timer looks at the pair when it is due rather than being moved by each packet.

use super::context::Step;
use super::timer::TimerKey;
use super::{Ike, IkeContext};
use crate::io::DeleteReason;
use crate::sad::PairId;

/// Watches a new pair, if that is configured.
pub(crate) fn watch(pair: PairId, step: &mut Step<'_, '_>) {
    let Some(timeout) = step.cx.node.config.idle else { return };
    // The flag "Fast Failover" of MS-IKEE section 3.5.1.
    let in_cluster = step.names.peer_can.nlbs_present;
    let after = if in_cluster { timeout.in_cluster } else { timeout.after };
    if let Some(known) = step.cx.node.pairs.get_mut(pair) {
        known.idle_after = after;
    }
    step.cx.node.timers.set(TimerKey::Idle(pair), step.cx.now + after);
}

impl Ike {
    /// A pair may have been idle for too long.
    pub(super) fn idle_due(&mut self, pair: PairId, cx: &mut IkeContext<'_>) {
        let Some(known) = self.node.pairs.get(pair) else { return };
        let ignores_traffic = self.node.config.idle.is_some_and(|timeout| timeout.ignores_traffic);
        let used = cx.sad.get(pair).filter(|_| !ignores_traffic).map(|pair| pair.last_used);
        match used.map(|used| used + known.idle_after).filter(|end| *end > cx.now) {
            Some(end) => self.node.timers.set(TimerKey::Idle(pair), end),
            None => self.delete_pair(pair, DeleteReason::Idle, cx),
        }
    }
}
