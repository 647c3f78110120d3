//! Routes that change while a scenario runs.

use ipsec_core::Instant;
use ipsec_sim::Action;

use super::Act;
use crate::build;
use crate::steps::NewRoute;

impl Act<'_> {
    /// One more static route.
    pub(super) fn route(&mut self, new: &NewRoute, at: Instant) {
        let name = new.node.get_ref();
        let Some(node) = self.scenario.topology.node(name) else { return };
        let added = self.routes.entry(name.clone()).or_insert_with(|| node.routes.clone());
        added.push(new.route.clone());
        let fixed = build::routes(node, added);
        let via = new.route.interface.as_ref().map_or(String::new(), |i| format!(" through {}", i.get_ref()));
        let what = format!("has one more route to {}{via}, metric {}", new.route.to.0, new.route.metric);
        self.act(name, at, Action::Routes(fixed), &what);
    }
}
