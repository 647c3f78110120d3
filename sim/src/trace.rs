//! The trace: one readable line for each effect.

use std::fmt::Write as _;

use ipsec_core::Event;
use ipsec_core::io::{DpdStep, Keys};
use ipsec_core::spd::Door;
use ipsec_core::wire;

use crate::app::Action;
use crate::sink::{DropCause, Effect, Layer, Record, Sink};
use crate::topology::{Names, NodeId};

/// A sink that writes lines: time, node, what happened, verdict.
///
/// ```text
///     0.001000  gwa         forward    10.1.0.10 > 10.2.0.10: ICMP echo request, id 512, seq 256, length 40
///     0.001000  gwa         held       packet 1 waits for IKE (policy entry 0)
/// ```
#[derive(Clone, Debug, Default)]
pub struct Trace {
    names: Names,
    lines: Vec<String>,
    width: usize,
    with_arrivals: bool,
}

impl Trace {
    /// A trace that prints these names ([`Network::names`](crate::Network::names)).
    pub fn new(names: Names) -> Self {
        let width = names.nodes.iter().map(String::len).max().unwrap_or(0).max(9);
        Trace { names, lines: Vec::new(), width, with_arrivals: false }
    }

    /// The same with a line for every arrival too, and for every packet that passes a door of IPsec.
    pub fn verbose(self) -> Self {
        Trace { with_arrivals: true, ..self }
    }

    /// The lines so far.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// All lines as one text.
    pub fn text(&self) -> String {
        self.lines.iter().fold(String::new(), |mut text, line| {
            text.push_str(line);
            text.push('\n');
            text
        })
    }

    /// Verb and description of an effect; `None` leaves it out.
    fn line(&self, node: NodeId, effect: &Effect<'_>) -> Option<(&'static str, String)> {
        let packet = |p: &ipsec_core::Packet| wire::describe(p.bytes()).to_string();
        Some(match effect {
            Effect::Action(_, action) => ("action", describe_action(action)),
            Effect::Originated(_) => return None,
            Effect::Sent { link, packet: p, fate, .. } => {
                let mut text = format!("{}  on {}", packet(p), self.names.link(*link));
                if !fate.to_string().is_empty() {
                    let _ = write!(text, "  [{fate}]");
                }
                ("send", text)
            }
            Effect::Arrived(interface, p) if self.with_arrivals => {
                ("arrive", format!("{}  from {}", packet(p), self.names.interface(node, *interface)))
            }
            Effect::Arrived(..) => return None,
            Effect::Passed { layer, door, packet: p, .. } if self.with_arrivals => {
                let verb = match (layer, door) {
                    (Layer::PacketFilter, Door::Outbound) => "filter out",
                    (Layer::PacketFilter, Door::Inbound) => "filter in",
                    (Layer::Fragmentation, Door::Outbound) => "fragment",
                    (Layer::Fragmentation, Door::Inbound) => "reassemble",
                };
                (verb, packet(p))
            }
            Effect::Passed { .. } => return None,
            Effect::Forwarded { packet: p, .. } => ("forward", packet(p)),
            Effect::Mapped(mapped) => ("mapped", mapped.to_string()),
            Effect::Delivered { packet: p, protected } => {
                ("deliver", format!("{}  [{}]", packet(p), if *protected { "protected" } else { "clear" }))
            }
            Effect::Dropped(p, cause) => ("drop", format!("{}  [{}]", packet(p), self.cause(node, *cause))),
            Effect::Ipsec(event) => return describe_event(event, self.with_arrivals),
            Effect::Work(duration) => ("work", format!("Diffie-Hellman, {} us", duration.as_micros())),
            Effect::Line(_, line) => ("print", (*line).to_string()),
            Effect::Violation(violation) => ("VIOLATION", violation.kind.to_string()),
        })
    }

    fn cause(&self, node: NodeId, cause: DropCause) -> String {
        match cause {
            DropCause::InputFilter(i) => format!("input filter of {}", self.names.interface(node, i)),
            DropCause::OutputFilter(i) => format!("output filter of {}", self.names.interface(node, i)),
            other => other.to_string(),
        }
    }
}

impl Sink for Trace {
    fn record(&mut self, record: &Record<'_>) {
        if let Some((verb, text)) = self.line(record.node, &record.effect) {
            let name = self.names.node(record.node);
            let time = record.time.to_string();
            self.lines.push(format!("{time:>12}  {name:<width$}  {verb:<11}{text}", width = self.width));
        }
    }
}

fn describe_action(action: &Action) -> String {
    match action {
        Action::Ping(ping) => format!("ping {} -n {} -l {}", ping.destination, ping.count, ping.size),
        Action::TcpConnect { remote, send, .. } => format!("connect to {remote}, send {} octets", send.len()),
        Action::TcpListen { port, .. } => format!("listen on TCP {port}"),
        Action::UdpEcho { port } => format!("echo on UDP {port}"),
        Action::UdpSend { remote, payload, .. } => format!("send {} octets to UDP {remote}", payload.len()),
        Action::Rebind { move_address: false } => "translate all mappings to new ports".into(),
        Action::Rebind { move_address: true } => "translate all mappings to another address".into(),
        Action::Reboot => "start afresh".into(),
        Action::Routes(fixed) => format!("take other static routes, {} in all", fixed.len()),
        Action::Addresses(interface, addresses) => {
            let list: Vec<String> = addresses.iter().map(|p| format!("{}/{}", p.address, p.len)).collect();
            format!("interface {} takes {}", interface.0, list.join(", "))
        }
        Action::Ipsec(command) => match command {
            ipsec_core::Command::SetPolicy(p) => {
                format!("assign a policy of {} entries", p.spd.entries().len())
            }
            ipsec_core::Command::SetRoutes(_) => "take other routes".into(),
            ipsec_core::Command::SetInterfaces(..) => "take other interfaces".into(),
            ipsec_core::Command::Initiate(entry, _) => format!("initiate policy entry {}", entry.0),
            ipsec_core::Command::Install(spec) => format!("install SA pair {} by hand", spec.pair.0),
            ipsec_core::Command::RekeyPair(pair) => format!("rekey SA pair {}", pair.0),
            ipsec_core::Command::RenewIsakmpSa(cky_i) => format!("renew the ISAKMP SA {cky_i}"),
            ipsec_core::Command::DeletePair(pair) => format!("delete SA pair {}", pair.0),
            ipsec_core::Command::Shutdown => "stop IPsec".into(),
            ipsec_core::Command::StopIke(spd) => {
                format!("stop IKE; {} policy entries are left", spd.entries().len())
            }
        },
    }
}

/// Verb and description of what IPsec tells, as in a [`Trace`]; `None` of what is left out there.
pub fn describe(event: &Event) -> Option<(&'static str, String)> {
    describe_event(event, false)
}

fn describe_event(event: &Event, verbose: bool) -> Option<(&'static str, String)> {
    Some(match event {
        Event::Dropped { packet, reason, .. } => {
            ("drop", format!("packet {packet}  [{reason}; {}]", reason.rfc()))
        }
        Event::Held { packet, entry } => {
            ("held", format!("packet {packet} waits for IKE (entry {})", entry.0))
        }
        Event::Protected { packet, pair } if verbose => {
            ("seal", format!("packet {packet} on pair {}", pair.0))
        }
        Event::Opened { packet, pair } if verbose => ("open", format!("packet {packet} on pair {}", pair.0)),
        Event::Bypassed { packet, entry } if verbose => {
            ("bypass", format!("packet {packet} by entry {}", entry.0))
        }
        Event::Protected { .. } | Event::Opened { .. } | Event::Bypassed { .. } => return None,
        Event::MainModeStarted { peer, exchange, initiator, .. } => {
            let role = if *initiator { "initiator" } else { "responder" };
            (exchange.name(), format!("begins with {peer} as {role}"))
        }
        Event::MainModeEstablished(i) => (
            i.exchange.name(),
            format!(
                "SA with {}: {} {} {}, {} s{}",
                i.peer,
                i.proposal.cipher,
                i.proposal.hash,
                i.proposal.group,
                i.lifetime_seconds,
                i.nat.map_or(String::new(), |nat| format!(", {nat}"))
            ),
        ),
        Event::QuickModeEstablished(i) => {
            let mut text = format!("SAs with {} for {}:", i.peer, i.selector);
            if let Some(esp) = &i.offer.esp {
                let _ = write!(text, " ESP {}", esp.cipher);
                let _ = esp.mac.map(|mac| write!(text, " {mac}"));
            }
            let _ = i.offer.ah.map(|mac| write!(text, " AH {mac}"));
            for (way, spis) in [("in", &i.inbound_spis), ("out", &i.outbound_spis)] {
                let _ = write!(text, ", {way}");
                let _ = spis.iter().try_for_each(|spi| write!(text, " {spi}"));
            }
            if let Some(udp) = &i.udp {
                let _ = write!(text, ", in UDP {} to {}", udp.local_port, udp.peer_port);
                let was = |original: ipsec_core::sad::OriginalAddresses| {
                    write!(text, ", {} to {} before the NAT", original.peer, original.local)
                };
                let _ = udp.original.map(was);
            }
            ("quick mode", text)
        }
        Event::Failed(f) => ("failed", format!("{:?} with {}: {}", f.phase, f.peer, f.reason)),
        Event::Retransmitted { peer, attempt, .. } => ("repeat", format!("to {peer}, repetition {attempt}")),
        Event::IkeIgnored { peer, reason } => ("ignored", format!("IKE from {peer}  [{reason}]")),
        Event::Notified { peer, notify } => ("notified", format!("{notify} by {peer}")),
        Event::InstallFailed { pair, why } => {
            ("failed", format!("SA pair {} not installed: {why:?}", pair.0))
        }
        Event::SoftAssociation { entry, peer } => {
            ("soft SA", format!("clear traffic with {peer} for a while (entry {})", entry.0))
        }
        Event::SoftAssociationEnded { entry, peer } => {
            ("soft SA", format!("no more clear traffic with {peer} (entry {})", entry.0))
        }
        Event::PathMtu { pair, mtu } => ("path MTU", format!("{mtu} for pair {}", pair.0)),
        Event::IsakmpPeerMoved { from, to, .. } => ("peer moved", format!("ISAKMP SA from {from} to {to}")),
        Event::PeerMoved { pair, from, to } => ("peer moved", format!("pair {} from {from} to {to}", pair.0)),
        Event::DeleteAnswered { peer, .. } => ("SA deleted", format!("as {peer} confirms")),
        Event::DeadPeerDetection { peer, step, .. } => match step {
            DpdStep::Asked { attempt: 0, .. } => ("DPD", format!("asks {peer} whether it lives")),
            DpdStep::Asked { attempt, .. } => ("DPD", format!("asks {peer} again ({attempt})")),
            DpdStep::Alive { .. } => ("DPD", format!("{peer} lives")),
            DpdStep::Dead => ("DPD", format!("{peer} is held dead")),
        },
        // The established pair follows.
        Event::QuickModeConnected { .. } => return None,
        Event::DosProtection { active } => {
            let what = if *active { "begins: cookies are asked for" } else { "ends: normal operation" };
            ("DoS mode", what.into())
        }
        Event::PairDeleted { pair, why } => ("SA deleted", format!("pair {} [{why:?}]", pair.0)),
        Event::IsakmpSaDeleted { why, .. } => ("SA deleted", format!("ISAKMP SA [{why:?}]")),
        Event::Keys(Keys::Isakmp { .. } | Keys::Ipsec(_)) => return None,
    })
}
