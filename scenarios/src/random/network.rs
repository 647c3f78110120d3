//! The network of a trial: two computers on an outside link, with hosts behind gateways.

use ipsec_core::Instant;
use ipsec_core::interface::Boundary;
use ipsec_core::selector::Prefix;
use ipsec_sim::model::Flow;
use ipsec_sim::packet_filter::{Filter, FilterDefault, PacketFilter};
use ipsec_sim::trace::Trace;
use ipsec_sim::work::Workshop;
use ipsec_sim::{
    Action, Builder, InterfaceConfig, IpsecConfig, LinkConfig, LinkId, Network, NodeConfig, NodeId, Payload,
    Ping,
};

use super::observe::Observer;
use super::{Disagreement, Place, Trial, Verdict};

/// Everything random in the networks comes from this: the exchanges of all trials then share their Diffie-Hellman values,
/// which are computed once.
const SEED: u64 = 1;
/// A request and a reply may each wait out a whole schedule of IKE, 63 s.
const END: Instant = Instant::from_secs(200);

/// Runs trials, and remembers Diffie-Hellman values from one to the next.
#[derive(Clone, Debug)]
pub struct Bench {
    workshop: Workshop,
}

impl Default for Bench {
    fn default() -> Self {
        Bench { workshop: Workshop::default().remembering() }
    }
}

impl Bench {
    /// Runs every flow of a trial and compares it with the model.
    pub fn judge(&mut self, trial: &Trial) -> Verdict {
        let mut verdict = Verdict::default();
        for flow in &trial.flows {
            let Some(model) = trial.predict(*flow) else { continue };
            let mut observer = Observer::new(*flow);
            let violations = self.run(trial, *flow, &mut observer);
            let simulator = observer.outcome();
            verdict.outcomes.push(simulator);
            if simulator != model || !violations.is_empty() {
                let trace = self.trace(trial, *flow);
                verdict.disagreements.push(Disagreement { flow: *flow, model, simulator, violations, trace });
            }
        }
        verdict
    }

    /// Runs one flow; gives the violated invariants.
    fn run(&mut self, trial: &Trial, flow: Flow, observer: &mut Observer) -> Vec<String> {
        let mut network = self.network(trial, flow);
        // Short steps at first: most flows are settled soon.
        for end in [1, 5, 70, 130].map(Instant::from_secs).into_iter().chain([END]) {
            network.run_until(end, observer);
            if observer.is_done() {
                break;
            }
        }
        let violations = network.violations().iter().map(|v| v.kind.to_string()).collect();
        self.workshop = network.into_workshop();
        violations
    }

    /// The same run once more, told line by line.
    fn trace(&mut self, trial: &Trial, flow: Flow) -> String {
        let mut network = self.network(trial, flow);
        let mut trace = Trace::new(network.names()).verbose();
        network.run_until(END, &mut trace);
        trace.text()
    }

    fn network(&mut self, trial: &Trial, flow: Flow) -> Network {
        let mut builder = Builder::new(SEED);
        builder.workshop(std::mem::take(&mut self.workshop));
        let outside = builder.link(LinkConfig::outside("outside"));
        let inner = [0, 1].map(|i| builder.link(LinkConfig::new(&format!("net{i}"))));
        let mut nodes: Vec<(Prefix, NodeId)> = Vec::new();
        for side in [0, 1] {
            let (near, far) = (&trial.places[side], &trial.places[1 - side]);
            let node = computer(trial, side, near, far, outside, inner[side]);
            let id = builder.node(node);
            nodes.extend([near.address].into_iter().chain(near.inside).map(|p| (p, id)));
        }
        for (place, link) in trial.places.iter().zip(inner) {
            if let Some(inside) = place.inside {
                nodes.push((place.host, builder.node(host(place, inside, link))));
            }
        }
        let node = |address| nodes.iter().find(|(p, _)| p.address == address).map(|(_, id)| *id);
        if let (Some(from), Some(to)) = (node(flow.source), node(flow.destination)) {
            schedule(&mut builder, from, to, flow);
        }
        builder.build().expect("the parts of a trial fit together")
    }
}

fn text(prefix: Prefix) -> String {
    format!("{}/{}", prefix.address, prefix.len)
}

/// A gateway, or a host on the outside link.
fn computer(
    trial: &Trial,
    side: usize,
    near: &Place,
    far: &Place,
    outside: LinkId,
    inner: LinkId,
) -> NodeConfig {
    let mut interface = InterfaceConfig::new("outside", outside, &text(near.address));
    interface.kind = near.kind;
    let name = format!("side{side}");
    let node = match near.inside {
        None => NodeConfig::host(&name).interface(interface),
        Some(inside) => NodeConfig::router(&name)
            .interface(interface.boundary(Boundary::Unprotected))
            .interface(InterfaceConfig::new("inside", inner, &text(inside)).boundary(Boundary::Protected)),
    };
    let node = match far.inside {
        Some(inside) => node.route(&text(inside), &far.address.address.to_string(), 0),
        None => node,
    };
    match &trial.sides[side].policy {
        Some(policy) => node.ipsec(IpsecConfig::new(policy.clone())),
        None => node,
    }
}

/// The host behind a gateway. It has no IPsec and does not even say so: an ICMP error about a stray IKE message would be a
/// second flow.
fn host(place: &Place, gateway: Prefix, link: LinkId) -> NodeConfig {
    let ike = Filter { protocol: Some(17), destination_port: Some(500), ..Filter::default() };
    let deaf = PacketFilter { default: FilterDefault::PassExcept, filters: vec![ike] };
    let interface =
        InterfaceConfig::new("lan", link, &text(place.host)).filters(deaf, PacketFilter::default());
    NodeConfig::host(&format!("host of {}", place.address.address)).interface(interface).route(
        "0.0.0.0/0",
        &gateway.address.to_string(),
        0,
    )
}

fn schedule(builder: &mut Builder, from: NodeId, to: NodeId, flow: Flow) {
    let start = Instant::EPOCH;
    let payload = Payload::Bytes(b"hello".to_vec());
    let Some((local_port, port)) = flow.ports else {
        let mut ping = Ping::new(flow.destination).count(1);
        ping.source = Some(flow.source);
        builder.schedule(start, from, Action::Ping(ping));
        return;
    };
    let remote = (flow.destination, port).into();
    let (server, client) = match flow.protocol {
        6 => (
            Action::TcpListen { port, answer: ipsec_sim::app::tcp::Answer::Echo },
            Action::TcpConnect { remote, local_port: Some(local_port), send: payload, expect: 5 },
        ),
        _ => (Action::UdpEcho { port }, Action::UdpSend { remote, local_port, payload, checksum: true }),
    };
    builder.schedule(start, to, server);
    builder.schedule(start, from, client);
}
