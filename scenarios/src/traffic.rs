//! The applications of flows in a running network.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipsec_core::Instant;
use ipsec_sim::app::tcp::Answer;
use ipsec_sim::{Action, AppId, Network, NodeId, Payload, Ping};

use crate::error::{LoadError, missing};
use crate::scenario::Scenario;
use crate::steps::{App, Flow};

/// First local port of UDP clients that need one each.
const UDP_CLIENTS: u16 = 1025;

/// A flow that was started once.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    /// Its flow.
    pub(crate) flow: String,
    /// When it began.
    pub(crate) began: Instant,
    apps: Vec<AppId>,
    /// Octets of one TCP line.
    line: u64,
    asked: u32,
}

/// What came of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    /// Requests, lines or datagrams sent, or that should have been.
    pub(crate) asked: u32,
    /// Those that were answered.
    pub(crate) answered: u32,
    /// Pings that said `Negotiating IP Security.`
    pub(crate) negotiating: u32,
}

/// Where a flow goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
}

/// Nodes, addresses and protocol of a flow.
pub(crate) fn ends(scenario: &Scenario, flow: &Flow) -> Result<Ends, LoadError> {
    let end = |name: &str| {
        let nodes = &scenario.topology.nodes;
        let index = nodes.iter().position(|n| n.name.get_ref() == name);
        index
            .and_then(|i| {
                Some((NodeId(i as u16), nodes.get(i)?.interfaces.first()?.address.get_ref().0.address))
            })
            .ok_or_else(|| missing("steps.toml", format!("no node `{name}` with an address")))
    };
    let ((from, source), (to, own)) = (end(flow.from.get_ref())?, end(flow.to.get_ref())?);
    let destination = flow.address.unwrap_or(own);
    Ok(Ends { from, to, source, destination, protocol: protocol(flow) })
}

/// The IP protocol of a flow.
pub(crate) fn protocol(flow: &Flow) -> u8 {
    match flow.app {
        App::Ping(_) => 1,
        App::Tcp(_) => 6,
        App::Udp(_) => 17,
    }
}

/// Starts the servers of all flows.
pub(crate) fn listen(scenario: &Scenario, network: &mut Network) -> Result<(), LoadError> {
    let mut known = Vec::new();
    for flow in &scenario.steps.flows {
        let to = ends(scenario, flow)?.to;
        let (key, action) = match &flow.app {
            App::Ping(_) => continue,
            App::Tcp(t) => ((to, 6, t.port), Action::TcpListen { port: t.port, answer: Answer::Echo }),
            App::Udp(u) => ((to, 17, u.port), Action::UdpEcho { port: u.port }),
        };
        if !known.contains(&key) {
            known.push(key);
            network.schedule(Instant::EPOCH, to, action);
        }
    }
    Ok(())
}

/// Starts a flow.
pub(crate) fn start(
    scenario: &Scenario,
    network: &mut Network,
    flow: &Flow,
    at: Instant,
) -> Result<Running, LoadError> {
    let ends = ends(scenario, flow)?;
    let mut running =
        Running { flow: flow.name.get_ref().clone(), began: at, apps: Vec::new(), line: 1, asked: 1 };
    match &flow.app {
        App::Ping(p) => {
            let mut ping = Ping::new(ends.destination).count(p.count).size(p.size);
            ping.interval = p.interval.0;
            running.asked = p.count;
            running.apps.push(network.schedule(at, ends.from, Action::Ping(ping)));
        }
        App::Tcp(t) => {
            let text = format!("{}\n", t.line).repeat(t.lines as usize);
            running.line = t.line.len() as u64 + 1;
            running.asked = t.lines;
            let action = Action::TcpConnect {
                remote: SocketAddr::new(ends.destination, t.port),
                local_port: t.source_port,
                expect: text.len() as u64,
                send: Payload::Bytes(text.into_bytes()),
            };
            running.apps.push(network.schedule(at, ends.from, action));
        }
        App::Udp(u) => {
            running.asked = u.count;
            for i in 0..u.count {
                let action = Action::UdpSend {
                    remote: SocketAddr::new(ends.destination, u.port),
                    local_port: u.source_port.unwrap_or(UDP_CLIENTS).wrapping_add(i as u16),
                    payload: datagram(i + 1, u.size),
                    checksum: u.checksum,
                };
                let when = at + u.interval.0.saturating_mul(i);
                running.apps.push(network.schedule(when, ends.from, action));
            }
        }
    }
    Ok(running)
}

/// A few words with their number, filled up to this size.
fn datagram(number: u32, size: u16) -> Payload {
    let mut bytes = format!("datagram {number}").into_bytes();
    bytes.resize(bytes.len().max(usize::from(size)), b'.');
    Payload::Bytes(bytes)
}

/// A ping that keeps asking every few seconds, so that the SAs of the flow stay in use.
pub(crate) fn keep_pinging(
    scenario: &Scenario,
    network: &mut Network,
    flow: &Flow,
    from: Instant,
    until: Instant,
) -> Result<(), LoadError> {
    const PAUSE: Duration = Duration::from_secs(10);
    let ends = ends(scenario, flow)?;
    let mut ping = Ping::new(ends.destination);
    ping.interval = PAUSE;
    ping.count = (until.saturating_since(from).as_secs() / PAUSE.as_secs()) as u32;
    if ping.count == 0 {
        return Ok(());
    }
    network.schedule(from, ends.from, Action::Ping(ping));
    Ok(())
}

impl Running {
    /// What has come of it so far.
    pub(crate) fn answers(&self, network: &Network) -> Answers {
        let mut answers = Answers { asked: self.asked, ..Answers::default() };
        for app in &self.apps {
            if let Some(ping) = network.ping(*app) {
                answers.answered += ping.received;
                answers.negotiating += ping.negotiating;
            } else if let Some(tcp) = network.tcp(*app) {
                answers.answered += (tcp.received / self.line) as u32;
            } else if let Some(udp) = network.udp(*app) {
                answers.answered += udp.received;
            }
        }
        answers
    }
}
