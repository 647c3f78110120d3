//! Interfaces, routes and addresses of our own that change while IKE runs.
//!
//! An SA lives between two addresses. When ours is gone nothing leaves from there any more, so the peer cannot be told: what
//! was negotiated from it ends here, and at the peer when it has been idle for long enough, or its lifetime ends. That nobody
//! is told is our reading; no document says what Windows does.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::{Ike, IkeContext, SaId};
use crate::config::Config;
use crate::ike::effect::Effect;
use crate::io::DeleteReason;
use crate::sad::PairId;

impl Ike {
    /// These interfaces and routes from now on.
    pub fn network_changed(&mut self, config: &Config) {
        self.node.learn_network(config);
    }

    /// Ends everything that was negotiated, or is being negotiated, from one of these addresses, and tells nobody.
    pub fn addresses_gone(&mut self, gone: &[IpAddr], cx: &mut IkeContext<'_>) {
        let why = DeleteReason::AddressGone;
        self.half_open.forget_local(gone);
        self.node.forget_deletes_from(gone);
        let pairs = self.node.pairs.iter().filter(|(_, pair)| gone.contains(&pair.local)).map(|(id, _)| id);
        for pair in pairs.collect::<Vec<PairId>>() {
            self.node.pairs.remove(pair);
            self.node.timers.forget_pair(pair);
            cx.effects.push(Effect::DeleteSa { pair, why });
        }
        let sas = self.sas.values().filter(|sa| gone.contains(&sa.names.local.ip())).map(|sa| sa.names.id);
        for id in sas.collect::<Vec<SaId>>() {
            self.close(id, why, cx);
        }
    }
}
