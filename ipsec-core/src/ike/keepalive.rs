//! NAT keepalives (RFC 3948 sections 2.3 and 4): an end behind a NAT keeps its mapping while it has SAs across it.
//!
//! One octet goes out when nothing else went the same way for a while: neither IKE, nor ESP on any pair with the same ends.
//! There is one deadline for each two ends. It is not moved with every packet; when it comes, it is set anew if something
//! was sent meanwhile.

use super::context::Context;
use super::effect::{Datagram, Effect};
use super::retransmit::Ends;
use super::timer::TimerKey;
use super::{Ike, IkeContext};
use crate::natt;
use crate::time::Instant;

impl Context<'_> {
    /// IKE sends something from here to there.
    pub(crate) fn sent_something(&mut self, ends: Ends) {
        if let Some(last) = self.node.keepalives.get_mut(&ends) {
            *last = self.now;
        }
    }
}

impl Ike {
    /// Keeps the mapping between these ends, if we are behind a NAT and configured to. The timer starts after the change to
    /// port 4500 (RFC 3947 section 4).
    pub(super) fn keep_alive(&mut self, ends: Ends, cx: &mut IkeContext<'_>) {
        let Some(interval) = self.node.config.nat_traversal.keepalive else { return };
        if self.is_behind_nat(ends) && !self.node.keepalives.contains_key(&ends) {
            self.node.keepalives.insert(ends, cx.now);
            self.node.timers.set(TimerKey::Keepalive(ends.0, ends.1), cx.now + interval);
        }
    }

    /// Whether an ISAKMP SA between these ends has us behind a NAT.
    fn is_behind_nat(&self, ends: Ends) -> bool {
        self.sas.values().any(|sa| {
            let found = sa.established().is_some() && sa.names.nat.is_some_and(|nat| nat.local);
            found && (sa.names.local, sa.names.peer) == ends
        })
    }

    /// The deadline between these ends has come.
    pub(super) fn keepalive_due(&mut self, ends: Ends, cx: &mut IkeContext<'_>) {
        let Some(interval) = self.node.config.nat_traversal.keepalive else { return };
        let pairs = || self.node.pairs.iter().filter(|(_, pair)| pair.udp.is_some() && pair.ends() == ends);
        let needed = self.is_behind_nat(ends) || pairs().next().is_some();
        let Some(last_of_ike) = self.node.keepalives.get(&ends).copied().filter(|_| needed) else {
            self.node.keepalives.remove(&ends);
            return;
        };
        let last_of_esp = pairs().filter_map(|(id, _)| cx.sad.get(id)?.last_sent).max();
        let mut last = last_of_esp.unwrap_or(Instant::EPOCH).max(last_of_ike);
        if last + interval <= cx.now {
            let (local, peer) = ends;
            let payload = natt::KEEPALIVE.to_vec();
            cx.effects.push(Effect::Send(Datagram { local, peer, payload, keepalive: true }));
            last = cx.now;
            self.node.keepalives.insert(ends, last);
        }
        self.node.timers.set(TimerKey::Keepalive(ends.0, ends.1), last + interval);
    }
}
