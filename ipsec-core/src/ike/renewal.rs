//! A new phase 1 in place of one that serves: IKEv1 has no other way to renew an ISAKMP SA.
//!
//! Nothing says that it must be done. An ISAKMP SA may end while its pairs of IPsec SAs live on, and the next quick mode begins
//! with a new phase 1: so does Windows. But until then nobody can be told of deletes or asked whether he lives. So a node with
//! [`renews_isakmp_sas`](crate::config::IkeConfig::renews_isakmp_sas) has the next one in good time, as strongSwan does, and an
//! operator can ask for it at any time. The margin is our own choice: the initiator's is a tenth of the lifetime, and the
//! responder's half of that, so that the two rarely begin at once.

use core::net::SocketAddr;

use super::sa::{IsakmpSa, Names, SaId};
use super::timer::TimerKey;
use super::{Ike, IkeContext};
use crate::time::Duration;
use crate::wire::isakmp::Cookie;

/// How long an ISAKMP SA outlives the beginning of its successor: what runs under it comes to an end.
const GRACE: Duration = Duration::from_secs(10);

impl Ike {
    /// Begins a new phase 1 with the peer of the established ISAKMP SA with this initiator cookie, which ends soon after that is
    /// established. Whether there is such an ISAKMP SA, and policy still allows it.
    pub fn renew(&mut self, cky_i: Cookie, cx: &mut IkeContext<'_>) -> bool {
        let its = |sa: &&IsakmpSa| sa.names.cky_i == cky_i && sa.established().is_some() && !sa.deleted;
        let Some(id) = self.sas.values().find(its).map(|sa| sa.names.id) else { return false };
        let begun = self.begin_successor(id, cx);
        self.run_inline(cx);
        begun
    }

    /// The ISAKMP SA has just been established: its successor is due before its end, and the one that it succeeds is done.
    pub(super) fn plan_renewal(&mut self, id: SaId, cx: &mut IkeContext<'_>) {
        let Some(sa) = self.sas.get_mut(&id) else { return };
        let renewed = sa.renews.take();
        let (initiator, phase1) = (sa.names.initiator, sa.established());
        if let Some(phase1) = phase1.filter(|_| self.node.config.renews_isakmp_sas) {
            let life = phase1.expires.saturating_since(phase1.since);
            let margin = life / if initiator { 10 } else { 20 };
            self.node.timers.set(TimerKey::Renewal(id), phase1.expires - margin);
        }
        let renewed = renewed.and_then(|old| self.sas.get(&old)).filter(|old| !old.deleted);
        if let Some((old, phase1)) = renewed.and_then(|old| Some((old.names.id, old.established()?))) {
            self.node.timers.cancel(TimerKey::Renewal(old));
            self.node.timers.set(TimerKey::Expiry(old), phase1.expires.min(cx.now + GRACE));
        }
    }

    /// The time of the successor has come, if the peer still has pairs and nobody was quicker.
    pub(super) fn renewal_due(&mut self, id: SaId, cx: &mut IkeContext<'_>) {
        let Some(names) = self.sas.get(&id).filter(|sa| !sa.deleted).map(|sa| &sa.names) else { return };
        let is_of_it = |names: &Names| {
            let ends =
                |sa: &IsakmpSa| sa.names.local.ip() == names.local.ip() && sa.names.is_same_peer(names);
            self.sas.values().any(|sa| sa.names.id > id && ends(sa) && sa.established().is_some())
        };
        let serves = self.node.pairs.iter().any(|(_, pair)| pair.is_of(names));
        if serves && !is_of_it(names) {
            self.begin_successor(id, cx);
        }
    }

    fn begin_successor(&mut self, id: SaId, cx: &mut IkeContext<'_>) -> bool {
        let Some(names) = self.sas.get(&id).map(|sa| sa.names.clone()) else { return false };
        let under_way = self.sas.values().any(|sa| sa.renews == Some(id));
        let entry = names.entry_in(&cx.policy.pad, names.local.ip(), names.peer.ip());
        let Some(entry) = entry.filter(|_| self.sas.len() < self.node.limits.isakmp_sas) else {
            return false;
        };
        if !under_way {
            // A peer behind a NAT can be reached through the mapping that it has; all others where phase 1 belongs.
            let of_peer = self.node.pairs.iter().map(|(_, pair)| pair).filter(|pair| pair.is_of(&names));
            let mapped = of_peer.filter(|pair| pair.udp.is_some_and(|udp| udp.follow));
            let port = |end: SocketAddr| SocketAddr::new(end.ip(), super::PORT);
            let ends = mapped.max_by_key(|pair| pair.since).map(|pair| pair.ends());
            let ends = ends.unwrap_or((port(names.local), port(names.peer)));
            let begun = self.begin(entry, ends, None, cx);
            if let Some(sa) = self.sas.get_mut(&begun) {
                sa.renews = Some(id);
            }
        }
        true
    }
}
