//! What the driver tells: counts of packets it refused, and single packets when diagnostics are on.
//!
//! The first refused packet begins an interval (`ipsecloginterval`); at its end one record for each reason and source tells
//! how many there were. Our choices: which drop is which event, what has no number of its own in 4283 to 4287 being 4288;
//! that an interval ends early when the computer goes down; bits 2 and 4 of `ipsecdiagnostics` (unconfirmed).

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipsec_core::ike::failure::{FailureReason, Phase};
use ipsec_core::sad::{PairId, Spi};
use ipsec_core::selector::FlowKey;
use ipsec_core::{DropReason, Event, Instant};

use super::DriverLogging;
use super::ike::Watch;
use super::insert::Insert;
use super::message::Kind;

/// Reasons and sources counted in one interval; what else comes is not counted.
const COUNTED: usize = 256;
/// `ipsecdiagnostics`: inbound packets.
const DIAGNOSE_INBOUND: u32 = 2;
/// `ipsecdiagnostics`: outbound packets.
const DIAGNOSE_OUTBOUND: u32 = 4;
/// What the first place of the driver's messages holds: who writes.
const DEVICE: &str = "IPSec";

/// What the driver has counted since it last wrote.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    config: DriverLogging,
    since: Option<Instant>,
    /// Packets by reason, source and inbound SA.
    packets: BTreeMap<(Kind, IpAddr, Option<Spi>), u64>,
}

impl Counts {
    pub(super) fn new(config: DriverLogging) -> Self {
        Counts { config, since: None, packets: BTreeMap::new() }
    }

    pub(super) fn configure(&mut self, config: DriverLogging) {
        self.config = config;
    }

    /// When the interval ends.
    pub(super) fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + self.config.interval)
    }

    /// The records of an interval that has ended.
    pub(super) fn take(&mut self) -> Vec<(Kind, Vec<Insert>)> {
        self.since = None;
        let record = |((kind, source, spi), packets): ((Kind, IpAddr, Option<Spi>), u64)| {
            let inserts = match kind {
                Kind::NoFilter => vec![Insert::text(DEVICE), Insert::text(source)],
                Kind::IntegrityFailed | Kind::Replayed | Kind::TooOld | Kind::ClearText => {
                    let sa = spi.map_or_else(|| "None".to_owned(), |spi| spi.0.to_string());
                    vec![Insert::text(source), Insert::Text(sa), Insert::text(packets)]
                }
                _ => vec![Insert::text(DEVICE), Insert::text(packets), Insert::text(source)],
            };
            (kind, inserts)
        };
        std::mem::take(&mut self.packets).into_iter().map(record).collect()
    }

    /// Counts what an event tells; a single packet may be a record of its own.
    pub(super) fn records(&mut self, time: Instant, event: &Event, ike: &Watch) -> Vec<(Kind, Vec<Insert>)> {
        match event {
            Event::Failed(failure)
                if failure.phase == Phase::QuickMode
                    && !failure.initiator
                    && failure.reason == FailureReason::NoPolicy =>
            {
                self.count(time, Kind::NoFilter, failure.peer.ip(), None);
                Vec::new()
            }
            Event::Dropped { inbound, reason, flow: Some(flow), .. } => {
                if *inbound {
                    self.refused(time, reason, flow, ike);
                }
                self.diagnosed(*inbound, reason, flow).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn refused(&mut self, time: Instant, reason: &DropReason, flow: &FlowKey, ike: &Watch) {
        let from = flow.remote;
        let spi = |pair: &PairId| ike.inbound_spi(*pair);
        match reason {
            DropReason::UnknownSpi(_) => self.count(time, Kind::BadSpi, from, None),
            DropReason::ClearTextRefused(_) => {
                self.count(time, Kind::InTheClear, from, None);
                self.count(time, Kind::ClearText, from, None);
            }
            DropReason::IntegrityFailed(pair) => {
                self.count(time, Kind::BadHash, from, None);
                self.count(time, Kind::IntegrityFailed, from, spi(pair));
            }
            DropReason::Replayed(pair) => self.count(time, Kind::Replayed, from, spi(pair)),
            DropReason::TooOld(pair) => self.count(time, Kind::TooOld, from, spi(pair)),
            DropReason::BadLength(_) | DropReason::BadPadding(_) | DropReason::BadEncapsulation => {
                self.count(time, Kind::BadSyntax, from, None);
            }
            DropReason::BundleMismatch(_)
            | DropReason::EspWithoutAh(_)
            | DropReason::AhWithoutEsp(_)
            | DropReason::BundleOrder(_)
            | DropReason::WrongEncapsulation(_) => self.count(time, Kind::BadProtocol, from, None),
            DropReason::WrongOuterSource(_)
            | DropReason::OverlappingFlow(_)
            | DropReason::SelectorMismatch(_)
            | DropReason::LifetimeExpired(_) => self.count(time, Kind::OtherReason, from, None),
            _ => {}
        }
    }

    fn count(&mut self, time: Instant, kind: Kind, source: IpAddr, spi: Option<Spi>) {
        let key = (kind, source, spi);
        if self.packets.len() < COUNTED || self.packets.contains_key(&key) {
            self.since.get_or_insert(time);
            *self.packets.entry(key).or_default() += 1;
        }
    }

    /// A single packet, when diagnostics are on for its direction.
    fn diagnosed(&self, inbound: bool, reason: &DropReason, flow: &FlowKey) -> Option<(Kind, Vec<Insert>)> {
        let (kind, bit) = match inbound {
            true => (Kind::InboundDropped, DIAGNOSE_INBOUND),
            false => (Kind::OutboundDropped, DIAGNOSE_OUTBOUND),
        };
        if self.config.diagnostics & bit == 0 || !is_of_ipsec(reason) {
            return None;
        }
        let (local, remote) = ((flow.local, flow.local_port), (flow.remote, flow.remote_port));
        let (source, destination) = if inbound { (remote, local) } else { (local, remote) };
        // What RFC 4301 keeps in ICMP's place for ports is no port.
        let has_ports = matches!(flow.protocol, 6 | 17);
        let port = |port: Option<u16>| Insert::text(port.filter(|_| has_ports).unwrap_or(0));
        let inserts = vec![
            Insert::text(DEVICE),
            Insert::text(source.0),
            Insert::text(destination.0),
            Insert::text(flow.protocol),
            port(source.1),
            port(destination.1),
        ];
        Some((kind, inserts))
    }
}

/// Whether IPsec dropped it, and not IP around it.
fn is_of_ipsec(reason: &DropReason) -> bool {
    !matches!(
        reason,
        DropReason::Malformed
            | DropReason::NoRoute
            | DropReason::TooBig { .. }
            | DropReason::BadFragment
            | DropReason::ReassemblyTimeout
            | DropReason::TtlExceeded
            | DropReason::NotForUs
    )
}
