//! Networks the tests share.

use ipsec_core::{Duration, Instant};
use ipsec_sim::{
    Action, AppId, Builder, Faults, InterfaceConfig, LinkConfig, LinkId, NodeConfig, NodeId, Ping,
};

/// alice - r1 - r2 - r3 - bob: five nodes, four links with their own latencies.
pub(crate) struct Chain {
    pub(crate) builder: Builder,
    pub(crate) alice: NodeId,
    pub(crate) bob: NodeId,
    pub(crate) links: Vec<LinkId>,
}

/// Alice is 10.0.0.1, Bob 10.0.3.2; the middle links have the given MTU, all links 1, 2, 3 and 4 ms.
pub(crate) fn chain(seed: u64, mtu: u16, faults: Faults, until: Instant) -> Chain {
    let mut builder = Builder::new(seed);
    let links: Vec<LinkId> = (0..4u64)
        .map(|i| {
            let mtu = if i == 1 || i == 2 { mtu } else { 1500 };
            let latency = Duration::from_millis(i + 1);
            let link = LinkConfig::new(&format!("link{i}")).mtu(mtu).latency(latency);
            builder.link(link.faults(faults, until))
        })
        .collect();
    let end = |name, link, address, router| {
        let interface = InterfaceConfig::new("lan", link, address);
        NodeConfig::host(name).interface(interface).route("0.0.0.0/0", router, 0)
    };
    let alice = builder.node(end("alice", links[0], "10.0.0.1/24", "10.0.0.2"));
    for i in 1..4 {
        let left = format!("10.0.{}.2/24", i - 1);
        let right = format!("10.0.{i}.1/24");
        builder.node(
            NodeConfig::router(&format!("r{i}"))
                .interface(InterfaceConfig::new("left", links[i - 1], &left))
                .interface(InterfaceConfig::new("right", links[i], &right))
                .route("10.0.3.0/24", &format!("10.0.{i}.2"), 1)
                .route("10.0.0.0/24", &format!("10.0.{}.1", i - 1), 0),
        );
    }
    let bob = builder.node(end("bob", links[3], "10.0.3.2/24", "10.0.3.1"));
    Chain { builder, alice, bob, links }
}

pub(crate) fn perfect(seed: u64) -> Chain {
    chain(seed, 1500, Faults::NONE, Instant::NEVER)
}

pub(crate) const BOB: &str = "10.0.3.2";

impl Chain {
    pub(crate) fn ping(&mut self, ping: Ping) -> AppId {
        self.builder.schedule(Instant::EPOCH, self.alice, Action::Ping(ping))
    }
}

pub(crate) fn to_bob() -> Ping {
    Ping::new(BOB.parse().unwrap())
}
