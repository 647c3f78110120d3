//! What the control socket reports: plain data, without keys.

use std::collections::BTreeMap;

use ipsec_core::io::MainModeInfo;
use ipsec_core::sad::{Bundle, Pair};
use ipsec_core::spd::Mode;
use ipsec_core::wire::isakmp::Cookie;
use ipsec_core::{Event, Instant, Ipsec};
use serde::{Deserialize, Serialize};

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Report {
    /// To `status`.
    Status(Status),
    /// To `sas`.
    Sas(Sas),
    /// To `counters`.
    Counters(Counters),
}

/// What the node is and does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Its process.
    pub process: u32,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Interfaces of the unprotected side.
    pub outside: Vec<String>,
    /// The TUN device, if there is one.
    pub tun: Option<String>,
    /// Names of the policy entries, in match order.
    pub rules: Vec<String>,
    /// Established ISAKMP SAs.
    pub isakmp_sas: usize,
    /// Pairs of IPsec SAs.
    pub pairs: usize,
    /// Packets that wait for a negotiation.
    pub waiting: usize,
}

/// All SAs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sas {
    /// Of phase 1.
    pub isakmp: Vec<IsakmpSa>,
    /// Of phase 2.
    pub pairs: Vec<PairReport>,
}

/// An ISAKMP SA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsakmpSa {
    /// Our address and port.
    pub local: String,
    /// The peer's.
    pub peer: String,
    /// Main mode or aggressive mode.
    pub exchange: String,
    /// Whether we began.
    pub initiator: bool,
    /// Initiator cookie.
    pub cky_i: String,
    /// Responder cookie.
    pub cky_r: String,
    /// What was agreed.
    pub proposal: String,
    /// Its lifetime.
    pub lifetime_seconds: u32,
    /// Seconds since it was established.
    pub age_seconds: u64,
}

/// A pair of IPsec SAs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairReport {
    /// Its number.
    pub pair: u64,
    /// The policy entry whose packets leave on it.
    pub rule: String,
    /// Our address.
    pub local: String,
    /// The peer's.
    pub peer: String,
    /// Transport or tunnel.
    pub mode: String,
    /// The traffic it carries, our side first.
    pub selector: String,
    /// Our UDP port and the peer's, when ESP is in UDP.
    pub udp: Option<(u16, u16)>,
    /// Whether we began.
    pub initiator: bool,
    /// Whether a newer pair sends in its place.
    pub replaced: bool,
    /// Seconds until it ends.
    pub expires_seconds: u64,
    /// SAs that packets come in on, inner protocol first.
    pub inbound: Vec<SaReport>,
    /// SAs that packets leave on.
    pub outbound: Vec<SaReport>,
}

/// One SA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaReport {
    /// Its SPI.
    pub spi: String,
    /// Protocol and algorithms.
    pub suite: String,
    /// Packets sealed or opened.
    pub packets: u64,
    /// Octets of their datagrams, in clear.
    pub octets: u64,
    /// Packets refused as replayed.
    pub replays: u64,
    /// Packets whose ICV was wrong.
    pub integrity_failures: u64,
}

/// What the node counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Packets that crossed the kernel's boundary.
    pub traffic: Traffic,
    /// Packets that each policy entry decided about.
    pub rules: Vec<EntryCount>,
    /// Packets dropped, by reason.
    pub drops: BTreeMap<String, u64>,
}

/// Packets and octets by way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Out of the TUN device.
    pub from_tun: u64,
    /// Into the TUN device.
    pub to_tun: u64,
    /// Arrived through sockets.
    pub received: u64,
    /// Left through sockets.
    pub sent: u64,
    /// Times the loop went round: batches are `received` divided by this.
    pub turns: u64,
}

/// How often an entry decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryCount {
    /// Name of the entry.
    pub rule: String,
    /// Packets.
    pub packets: u64,
}

/// The ISAKMP SAs there are, by what the core told.
#[derive(Clone, Debug, Default)]
pub(crate) struct IsakmpSas {
    all: Vec<(Instant, MainModeInfo)>,
}

impl IsakmpSas {
    /// Follows what happens.
    pub(crate) fn note(&mut self, event: &Event, now: Instant) {
        match event {
            Event::MainModeEstablished(info) => self.all.push((now, info.clone())),
            Event::IsakmpSaDeleted { cky_i, cky_r, .. } => {
                self.all.retain(|(_, info)| (info.cky_i, info.cky_r) != (*cky_i, *cky_r));
            }
            _ => {}
        }
    }

    /// The initiator cookie that reads so.
    pub(crate) fn cookie(&self, text: &str) -> Option<Cookie> {
        self.all.iter().map(|(_, info)| info.cky_i).find(|cookie| cookie.to_string() == text)
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    fn reports(&self, now: Instant) -> Vec<IsakmpSa> {
        let report = |(since, info): &(Instant, MainModeInfo)| IsakmpSa {
            local: info.local.to_string(),
            peer: info.peer.to_string(),
            exchange: info.exchange.name().to_owned(),
            initiator: info.initiator,
            cky_i: info.cky_i.to_string(),
            cky_r: info.cky_r.to_string(),
            proposal: format!("{}, {}, {}", info.proposal.cipher, info.proposal.hash, info.proposal.group),
            lifetime_seconds: info.lifetime_seconds,
            age_seconds: now.saturating_since(*since).as_secs(),
        };
        self.all.iter().map(report).collect()
    }
}

impl Sas {
    pub(crate) fn of(ipsec: &Ipsec, isakmp: &IsakmpSas, now: Instant) -> Sas {
        let status = ipsec.status();
        let name = |pair: &Pair| status.spd().get(pair.sends_for).map_or(String::new(), |e| e.name.clone());
        let report = |pair: &Pair| PairReport {
            pair: pair.id.0,
            rule: name(pair),
            local: pair.local.to_string(),
            peer: pair.peer.to_string(),
            mode: if pair.mode == Mode::Transport { "transport" } else { "tunnel" }.to_owned(),
            selector: pair.selector.to_string(),
            udp: pair.udp.map(|udp| (udp.local_port, udp.peer_port)),
            initiator: pair.initiator,
            replaced: pair.replaced,
            expires_seconds: pair.life.hard.saturating_since(now).as_secs(),
            inbound: sas(pair.inbound.as_ref()),
            outbound: sas(pair.outbound.as_ref()),
        };
        Sas { isakmp: isakmp.reports(now), pairs: status.pairs().map(report).collect() }
    }
}

fn sas(bundle: Option<&Bundle>) -> Vec<SaReport> {
    let report = |sa: &ipsec_core::sad::IpsecSa| {
        let counters = sa.counters();
        SaReport {
            spi: sa.spi().to_string(),
            suite: sa.suite().to_string(),
            packets: counters.packets,
            octets: counters.octets,
            replays: counters.replays,
            integrity_failures: counters.integrity_failures,
        }
    };
    bundle.iter().flat_map(|b| b.sas()).map(report).collect()
}

impl Counters {
    pub(crate) fn of(ipsec: &Ipsec, traffic: Traffic) -> Counters {
        let status = ipsec.status();
        let name = |id| status.spd().get(id).map_or(String::new(), |e| e.name.clone());
        Counters {
            traffic,
            rules: status.hits().map(|(id, packets)| EntryCount { rule: name(id), packets }).collect(),
            drops: status.drops().map(|(reason, packets)| (reason.to_owned(), packets)).collect(),
        }
    }
}
