//! What an expert would try before relying on the core: long lives, lost memories, odd sizes, liars and strangers. Each
//! test prints how many cases it ran; `docs/trust.md` lists them.

mod bundles;
mod clock;
mod day;
mod fragments;
mod recovery;
mod sizes;
mod strangers;

use std::sync::Arc;

use ipsec_core::ike::IkeSizes;
use ipsec_core::interface::InterfaceId;
use ipsec_core::spd::{Lifetime, Offer};
use ipsec_core::{Event, Input, Instant, Ipsec, Output, Packet};
use ipsec_sim::ip::{self, Header, IpView, protocol};
use ipsec_sim::{Action, AppId, Effect, Faults, Network, NodeId, Ping, Record, Sink};

use crate::gateways::{Gateways, des_md5, gateways, to_hb};

/// The outside interface of both gateways.
pub(crate) const OUTSIDE: InterfaceId = InterfaceId(1);

/// Everything the IPsec layers reported.
#[derive(Default)]
pub(crate) struct Events {
    pub(crate) all: Vec<(Instant, NodeId, Event)>,
    /// IKE datagrams put on links.
    pub(crate) ike: usize,
}

impl Sink for Events {
    fn record(&mut self, record: &Record<'_>) {
        match record.effect {
            Effect::Ipsec(event) => self.all.push((record.time, record.node, event.clone())),
            Effect::Sent { packet, .. } => {
                self.ike += usize::from(IpView::parse(packet.bytes()).is_some_and(|v| v.is_ike()));
            }
            _ => {}
        }
    }
}

impl Events {
    pub(crate) fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.all.iter().filter(|(_, _, event)| wanted(event)).count()
    }

    /// The last events, to be printed when something fails.
    pub(crate) fn tail(&self) -> String {
        let from = self.all.len().saturating_sub(60);
        self.all[from..].iter().map(|(t, n, e)| format!("{t} {n:?} {e:?}\n")).collect()
    }
}

/// The two gateways with this lifetime of their SAs, and of their ISAKMP SAs in seconds.
pub(crate) fn with_lifetimes(seed: u64, lifetime: Lifetime, isakmp: u32) -> Gateways {
    let mut gateways = gateways(seed, Offer { lifetime, ..des_md5() }, Faults::NONE, Instant::NEVER);
    for node in [gateways.gwa, gateways.gwb] {
        let ipsec = gateways.builder.node_mut(node).unwrap().ipsec.as_mut().unwrap();
        Arc::make_mut(&mut ipsec.policy.pad).entries[0].lifetime_seconds = isakmp;
    }
    gateways
}

pub(crate) fn seconds(seconds: u32) -> Lifetime {
    Lifetime { seconds: Some(seconds), kilobytes: Some(1_000_000) }
}

pub(crate) fn to_ha() -> Ping {
    Ping::new("10.1.0.10".parse().unwrap())
}

impl Gateways {
    pub(crate) fn ping_at(&mut self, at: u64, from: NodeId, ping: Ping) -> AppId {
        self.builder.schedule(Instant::from_secs(at), from, Action::Ping(ping))
    }

    pub(crate) fn ends(&self) -> [NodeId; 2] {
        [self.gwa, self.gwb]
    }
}

/// A ping that leaves the gateways in peace until `at`, and is answered completely.
pub(crate) fn late_ping(gateways: &mut Gateways, at: u64) -> AppId {
    gateways.ping_at(at, gateways.ha, to_hb())
}

/// What a node holds that could grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) pairs: usize,
    pub(crate) ike: IkeSizes,
    pub(crate) reserved: usize,
    pub(crate) pending: usize,
    pub(crate) reassemblies: usize,
}

pub(crate) fn held(ipsec: &Ipsec) -> Held {
    let status = ipsec.status();
    Held {
        pairs: status.pairs().count(),
        ike: status.ike(),
        reserved: status.reserved_spis(),
        pending: status.pending().map(|(_, packets)| packets).sum(),
        reassemblies: status.reassemblies(),
    }
}

impl Held {
    /// The larger of each.
    pub(crate) fn max(self, other: Held) -> Held {
        let (a, b) = (self.ike, other.ike);
        Held {
            pairs: self.pairs.max(other.pairs),
            ike: IkeSizes {
                half_open: a.half_open.max(b.half_open),
                isakmp_sas: a.isakmp_sas.max(b.isakmp_sas),
                quick_modes: a.quick_modes.max(b.quick_modes),
                waiting: a.waiting.max(b.waiting),
                pairs: a.pairs.max(b.pairs),
                replies: a.replies.max(b.replies),
                message_ids: a.message_ids.max(b.message_ids),
                deletes: a.deletes.max(b.deletes),
                fragments: a.fragments.max(b.fragments),
                timers: a.timers.max(b.timers),
            },
            reserved: self.reserved.max(other.reserved),
            pending: self.pending.max(other.pending),
            reassemblies: self.reassemblies.max(other.reassemblies),
        }
    }
}

/// What one gateway sends on, the other must open: each sending pair of `from` has its twin at `to`.
pub(crate) fn assert_heard(network: &Network, from: NodeId, to: NodeId) {
    let heard: Vec<_> =
        network.ipsec(to).unwrap().status().pairs().flat_map(|pair| pair.inbound_spis()).collect();
    let mut sending = 0;
    for pair in network.ipsec(from).unwrap().status().pairs().filter(|pair| !pair.replaced) {
        for sa in pair.outbound.iter().flat_map(|bundle| bundle.sas()) {
            sending += 1;
            assert!(heard.contains(&(sa.protocol(), sa.spi())), "{from:?} sends on {}, unheard", sa.spi());
        }
    }
    assert!(sending > 0, "{from:?} has nothing to send on");
}

/// An echo request of `len` octets of data.
pub(crate) fn echo(source: &str, destination: &str, len: usize) -> Packet {
    let mut segment = vec![8, 0, 0, 0, 2, 0, 1, 0];
    segment.extend((0..len).map(|n| n as u8));
    let sum = ip::checksum(&[&segment]).to_be_bytes();
    segment[2..4].copy_from_slice(&sum);
    let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
    let header =
        Header { source, destination, protocol: protocol::ICMP, ttl: 64, ident: 77, dont_fragment: false };
    Packet::from_slice(7_000_000, &ip::datagram(header, &segment))
}

/// Two gateways taken out of their network with established SAs, each with a clock of its own, and a wire without delay.
#[derive(Clone)]
pub(crate) struct Two {
    pub(crate) nodes: [Ipsec; 2],
    pub(crate) now: [Instant; 2],
    pub(crate) delivered: [Vec<Packet>; 2],
    pub(crate) events: [Vec<Event>; 2],
}

impl Two {
    /// The gateways as they are after four pings.
    pub(crate) fn established(mut gateways: Gateways) -> (Two, Events) {
        gateways.ping(to_hb());
        let ends = gateways.ends();
        let mut network = gateways.builder.build().unwrap();
        let mut events = Events::default();
        network.run_until(Instant::from_secs(100), &mut events);
        let nodes = ends.map(|n| network.ipsec(n).unwrap().clone());
        let now = [network.now(); 2];
        (Two { nodes, now, delivered: Default::default(), events: Default::default() }, events)
    }

    pub(crate) fn handle(&mut self, node: usize, input: Input) {
        self.nodes[node].handle_input(input, self.now[node]);
    }

    /// What a node wants sent now; the rest is noted.
    pub(crate) fn outputs(&mut self, node: usize) -> Vec<Packet> {
        let mut sent = Vec::new();
        while let Some(output) = self.nodes[node].poll_output() {
            match output {
                Output::Transmit(_, packet) => sent.push(packet),
                Output::Deliver(_, packet) => self.delivered[node].push(packet),
                Output::Event(event) => self.events[node].push(event),
                Output::Work(id, work) => {
                    let done = Input::WorkDone(id, work.run());
                    self.nodes[node].handle_input(done, self.now[node]);
                }
            }
        }
        sent
    }

    /// Carries packets over until nothing moves.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut idle = true;
            for node in [0, 1] {
                for packet in self.outputs(node) {
                    idle = false;
                    self.handle(1 - node, Input::Inbound(OUTSIDE, packet));
                }
            }
            if idle {
                return;
            }
        }
    }

    /// Drops of a node by name.
    pub(crate) fn drops(&self, node: usize, name: &str) -> u64 {
        self.nodes[node].status().drops().find(|(n, _)| *n == name).map_or(0, |(_, count)| count)
    }
}
