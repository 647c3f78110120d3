//! Packets and the filters that the default response rule has made ([`Spd::default_response`](crate::spd::Spd)): each
//! living pair of SAs of the rule is one.

use super::{Ipsec, flow};
use crate::io::DropReason;
use crate::ip::IpInfo;
use crate::packet::Packet;
use crate::sad::binding::Choice;
use crate::sad::{Pair, PairId};
use crate::selector::FlowKey;
use crate::spd::{Action, EntryId, Spd};
use crate::time::Instant;

impl Ipsec {
    /// The pair on which a packet leaves that `entry` lets pass, because its receiver has asked for protection. An error
    /// says why it does not leave at all.
    pub(super) fn answered(
        &self,
        entry: EntryId,
        packet: &Packet,
        info: &IpInfo,
        key: &FlowKey,
        now: Instant,
    ) -> Result<Option<PairId>, DropReason> {
        let Some(default) = self.config.policy.spd.default_behind(entry).map(|entry| entry.id) else {
            return Ok(None);
        };
        // RFC4301-7.3-04: the fragment may belong to the traffic.
        let hidden = |pair: &Pair| pair.sends_for == default && pair.selector.matches_but_ports(key);
        if info.is_later_fragment()
            && self.sad.sending(key.remote, |pair| hidden(pair) && !pair.selector.matches(key)).is_some()
        {
            return Err(DropReason::FragmentWithoutPorts);
        }
        let wanted = |pair: &Pair| pair.sends_for == default && pair.selector.matches(key);
        let of_client = || flow::flow(packet.bytes(), info, key).map(|found| found.0);
        match self.sad.choose(Some(key.remote), wanted, of_client, now) {
            Choice::None => Ok(None),
            Choice::Pair(pair) => Ok(Some(pair)),
            Choice::Ambiguous(pair) => Err(DropReason::OverlappingFlow(pair)),
        }
    }

    /// The default response rule, where `entry` would let a clear packet of this flow in, but its sender has asked for
    /// protection and the rule does not accept unsecured traffic.
    pub(super) fn refuses_clear(&self, entry: EntryId, key: &FlowKey) -> Option<EntryId> {
        let default = self.config.policy.spd.default_behind(entry)?;
        let accepts = matches!(&default.action, Action::Protect(protect) if protect.accept_clear_inbound);
        self.asked_for(entry, key).filter(|_| !accepts)
    }

    /// The default response rule, where `entry` would let a packet of this flow pass in clear but its sender has asked for
    /// protection.
    pub(super) fn asked_for(&self, entry: EntryId, key: &FlowKey) -> Option<EntryId> {
        let default = self.config.policy.spd.default_behind(entry)?.id;
        let its = |pair: &Pair| pair.sends_for == default && pair.selector.matches(key);
        self.sad.sending(key.remote, its).map(|_| default)
    }
}

/// The rule, when it keeps a pair after a change of policy: no other entry says something about all of its traffic.
pub(super) fn keeps(spd: &Spd, pair: &Pair) -> Option<EntryId> {
    let default = spd.default_response()?;
    let Action::Protect(protect) = &default.action else { return None };
    let (_, rules) = spd.entries().split_last()?;
    let free = !rules.iter().any(|entry| entry.selector.covers(&pair.selector));
    (free && pair.satisfies(protect)).then_some(default.id)
}
