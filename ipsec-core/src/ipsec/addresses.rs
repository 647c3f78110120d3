//! Interfaces and addresses of this node that change while it runs: a DHCP server leases another address, an operator types one.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::Ipsec;
use crate::interface::Interface;
use crate::io::DeleteReason;
use crate::route::RouteTable;
use crate::sad::PairId;
use crate::time::Instant;

impl Ipsec {
    /// These interfaces and routes from now on. SAs from an address that is no longer ours are gone, those by hand too; what
    /// waited for them is dropped.
    pub(super) fn set_interfaces(&mut self, interfaces: Vec<Interface>, routes: RouteTable, now: Instant) {
        let before = core::mem::replace(&mut self.config.interfaces, interfaces);
        self.set_routes(routes);
        let addresses = before.iter().flat_map(|i| &i.addresses).map(|p| p.address);
        let gone: Vec<IpAddr> = addresses.filter(|address| !self.owns(*address)).collect();
        if gone.is_empty() {
            return;
        }
        self.with_ike(now, |ike, cx| ike.addresses_gone(&gone, cx));
        self.apply_effects(now);
        let left = self.sad.pairs().filter(|pair| gone.contains(&pair.local)).map(|pair| pair.id);
        for id in left.collect::<Vec<PairId>>() {
            self.remove_pair(id, DeleteReason::AddressGone);
        }
        self.end_soft_where(|soft| gone.contains(&soft.local));
    }

    /// These routes from now on; SAs keep their addresses.
    pub(super) fn set_routes(&mut self, routes: RouteTable) {
        self.config.routes = routes;
        self.ike.network_changed(&self.config);
    }
}
