//! What this node has started, and so may be answered: the memory of
//! [`Action::Stateful`](crate::spd::Action::Stateful).
//!
//! A packet answers when its addresses, protocol and ports are those of one that left, the other way round.
//! Echo replies answer by identifier and sequence number, and ICMP errors by what they quote.

use alloc::collections::BTreeMap;

use super::{Ipsec, flow};
use crate::io::DropReason;
use crate::ip::IpInfo;
use crate::packet::Packet;
use crate::sad::binding::{Flow, Part};
use crate::selector::FlowKey;
use crate::spd::EntryId;
use crate::time::Instant;

/// The flows that were started, and when each was last used.
#[derive(Clone, Debug, Default)]
pub(super) struct Started(BTreeMap<Flow, Instant>);

impl Started {
    /// Remembers a flow; where there is no room, the one that has been idle the longest is forgotten.
    fn remember(&mut self, flow: Flow, room: usize, now: Instant) {
        while self.0.len() >= room.max(1) && !self.0.contains_key(&flow) {
            let idle = self.0.iter().min_by_key(|(flow, used)| (**used, **flow)).map(|(flow, _)| *flow);
            idle.and_then(|flow| self.0.remove(&flow));
        }
        self.0.insert(flow, now);
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Ipsec {
    /// A packet of ours leaves, and may be answered. Answers of ours start nothing, nor do later fragments,
    /// which show no ports.
    pub(super) fn start(&mut self, packet: &Packet, info: &IpInfo, key: &FlowKey, now: Instant) {
        if let Some((flow, Part::Question | Part::Member)) = flow::flow(packet.bytes(), info, key) {
            self.started.remember(flow, self.config.limits.stateful_flows, now);
        }
    }

    /// Whether a packet that came in answers one that left.
    pub(super) fn check_answer(
        &mut self,
        entry: EntryId,
        packet: &Packet,
        info: &IpInfo,
        now: Instant,
    ) -> Result<(), DropReason> {
        let key = info.inbound_flow(packet.bytes());
        let flow = flow::flow(packet.bytes(), info, &key);
        // Who asks under the identifier of our own echo request does not answer it.
        let answered = flow.filter(|(_, part)| *part != Part::Question).map(|(flow, _)| flow);
        let known = answered.and_then(|flow| self.started.0.get_mut(&flow)).map(|used| *used = now);
        if known.is_none() {
            return Err(DropReason::Unsolicited(entry));
        }
        Ok(())
    }
}
