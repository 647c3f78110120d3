//! The digest of a run: SHA-256 over binary records, so that two runs can be compared by 32 octets.

use std::fmt;

use ipsec_core::io::{DpdStep, Keys};
use ipsec_core::{DropReason, Event};
use sha2::{Digest as _, Sha256};

use crate::ip;
use crate::nat::NatDrop;
use crate::sink::{DropCause, Effect, Fate, Record, Sink};

/// Version of the record format; a change of format changes every digest.
const VERSION: u32 = 1;

/// Thirty-two octets that stand for everything that happened in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// A sink that digests what happens: time, node, kind, numbers, and a 64-bit fold of packet octets. Never printed text.
#[derive(Clone, Debug)]
pub struct DigestSink(Sha256);

impl Default for DigestSink {
    fn default() -> Self {
        DigestSink::new()
    }
}

impl DigestSink {
    /// The digest of nothing yet.
    pub fn new() -> Self {
        let mut hash = Sha256::new();
        hash.update(b"ipseclab records");
        hash.update(VERSION.to_le_bytes());
        DigestSink(hash)
    }

    /// The digest of everything so far.
    pub fn digest(&self) -> Digest {
        Digest(self.0.clone().finalize().into())
    }
}

impl Sink for DigestSink {
    fn record(&mut self, record: &Record<'_>) {
        if let Effect::Passed { .. } = record.effect {
            return;
        }
        let (kind, [a, b, c], fold) = numbers(&record.effect);
        let mut bytes = [0; 51];
        bytes[..8].copy_from_slice(&record.time.as_nanos().to_le_bytes());
        bytes[8..10].copy_from_slice(&record.node.0.to_le_bytes());
        bytes[10] = kind;
        for (field, value) in bytes[11..].chunks_exact_mut(8).zip([a, b, c, fold, record.cause]) {
            field.copy_from_slice(&value.to_le_bytes());
        }
        self.0.update(bytes);
    }
}

fn cause_code(cause: DropCause) -> u64 {
    match cause {
        DropCause::InputFilter(interface) => 1 << 32 | u64::from(interface.0),
        DropCause::OutputFilter(interface) => 2 << 32 | u64::from(interface.0),
        DropCause::Rule(reason) => 3 << 32 | reason_code(&reason),
        DropCause::WouldLeak => 4 << 32,
        DropCause::LinkMtu(mtu) => 5 << 32 | u64::from(mtu),
        DropCause::NoListener => 6 << 32,
        DropCause::Checksum => 7 << 32,
        DropCause::Nat(reason) => 8 << 32 | nat_code(reason),
    }
}

fn nat_code(reason: NatDrop) -> u64 {
    match reason {
        NatDrop::NoMapping => 1,
        NatDrop::Filtered => 2,
        NatDrop::NoHairpinning => 3,
        NatDrop::TableFull => 4,
        NatDrop::UnknownProtocol(number) => 5 | u64::from(number) << 8,
        NatDrop::PeerTaken => 6,
        NatDrop::UnknownQuote => 7,
        NatDrop::Checksum => 8,
    }
}

/// The kind of a reason; which entry, pair or SPI it names is in the numbers of other records.
fn reason_code(reason: &DropReason) -> u64 {
    match reason {
        DropReason::Malformed => 1,
        DropReason::NoRoute => 2,
        DropReason::PolicyDiscard(_) => 3,
        DropReason::NoPolicy => 4,
        DropReason::ClearTextRefused(_) => 5,
        DropReason::PendingFull => 6,
        DropReason::NegotiationFailed(_) => 7,
        DropReason::UnknownSpi(_) => 8,
        DropReason::WrongOuterSource(_) => 9,
        DropReason::Replayed(_) => 10,
        DropReason::IntegrityFailed(_) => 11,
        DropReason::BadPadding(_) => 12,
        DropReason::BadLength(_) => 13,
        DropReason::Dummy(_) => 14,
        DropReason::SelectorMismatch(_) => 15,
        DropReason::BundleMismatch(_) => 16,
        DropReason::SequenceExhausted(_) => 17,
        DropReason::LifetimeExpired(_) => 18,
        DropReason::TooBig { mtu } => 19 | u64::from(*mtu) << 8,
        DropReason::BadFragment => 20,
        DropReason::ReassemblyTimeout => 21,
        DropReason::FragmentWithoutPorts => 22,
        DropReason::TtlExceeded => 23,
        DropReason::NotForUs => 24,
        DropReason::QuotesProtected(_) => 25,
        DropReason::EspWithoutAh(_) => 26,
        DropReason::AhWithoutEsp(_) => 27,
        DropReason::BundleOrder(_) => 28,
        DropReason::WrongEncapsulation(_) => 29,
        DropReason::BadEncapsulation => 30,
        DropReason::OverlappingFlow(_) => 31,
        DropReason::Unsolicited(_) => 32,
        DropReason::TooOld(_) => 33,
    }
}

fn fate_bits(fate: Fate) -> u64 {
    let flags = [fate.lost, fate.removed, fate.unclaimed, fate.altered, fate.held_back, fate.replay];
    flags.iter().fold(u64::from(fate.copies), |bits, flag| bits << 1 | u64::from(*flag))
}

/// Kind, three numbers and a fold. Kinds are part of the format: never renumber.
fn numbers(effect: &Effect<'_>) -> (u8, [u64; 3], u64) {
    match *effect {
        Effect::Passed { .. } => (0, [0; 3], 0),
        Effect::Action(id, _) => (1, [u64::from(id.0), 0, 0], 0),
        Effect::Originated(packet) => (2, [packet.id(), packet.len() as u64, 0], ip::fold(packet.bytes())),
        Effect::Sent { link, interface, transmission, packet, fate, .. } => {
            let place = u64::from(link.0) << 16 | u64::from(interface.0);
            (3, [place, transmission, packet.id() << 16 ^ fate_bits(fate)], ip::fold(packet.bytes()))
        }
        Effect::Arrived(interface, packet) => {
            (4, [u64::from(interface.0), packet.id(), 0], ip::fold(packet.bytes()))
        }
        Effect::Forwarded { from, to, packet } => (5, [u64::from(from.0), u64::from(to.0), packet.id()], 0),
        Effect::Delivered { packet, protected } => {
            (6, [packet.id(), u64::from(protected), 0], ip::fold(packet.bytes()))
        }
        Effect::Dropped(packet, cause) => {
            (7, [packet.id(), packet.len() as u64, cause_code(cause)], ip::fold(packet.bytes()))
        }
        Effect::Ipsec(event) => {
            let (kind, numbers) = event_numbers(event);
            (kind, numbers, 0)
        }
        Effect::Work(duration) => (9, [duration.as_nanos() as u64, 0, 0], 0),
        Effect::Line(app, _) => (10, [u64::from(app.0), 0, 0], 0),
        Effect::Mapped(m) => {
            let end =
                |end: std::net::SocketAddrV4| u64::from(end.ip().to_bits()) << 16 | u64::from(end.port());
            (12, [u64::from(m.protocol), end(m.inside), end(m.outside)], end(m.remote))
        }
        Effect::Violation(violation) => (11, [violation.time.as_nanos(), 0, 0], 0),
    }
}

fn socket_bits(socket: std::net::SocketAddr) -> u64 {
    let address = match socket.ip() {
        std::net::IpAddr::V4(a) => u64::from(a.to_bits()),
        std::net::IpAddr::V6(a) => ip::fold(&a.octets()),
    };
    address << 16 ^ u64::from(socket.port())
}

fn event_numbers(event: &Event) -> (u8, [u64; 3]) {
    let number = |cookie: &ipsec_core::wire::isakmp::Cookie| u64::from_be_bytes(cookie.0);
    match event {
        Event::Dropped { packet, interface, reason, .. } => {
            (32, [*packet, u64::from(interface.0), reason_code(reason)])
        }
        Event::Held { packet, entry } => (33, [*packet, u64::from(entry.0), 0]),
        Event::Protected { packet, pair } => (34, [*packet, pair.0, 0]),
        Event::Bypassed { packet, entry } => (35, [*packet, u64::from(entry.0), 0]),
        Event::Opened { packet, pair } => (36, [*packet, pair.0, 0]),
        Event::MainModeStarted { cky_i, exchange, initiator, .. } => {
            (37, [number(cky_i), u64::from(*initiator), *exchange as u64])
        }
        Event::MainModeEstablished(i) => {
            (38, [number(&i.cky_i), number(&i.cky_r), u64::from(i.initiator) | (i.exchange as u64) << 1])
        }
        Event::QuickModeEstablished(i) => (39, [number(&i.cky_i), u64::from(i.message_id), i.pair.0]),
        Event::Failed(f) => (40, [u64::from(f.initiator), u64::from(f.peer.port()), f.phase as u64]),
        Event::Retransmitted { cky_i, message_id, attempt, .. } => {
            (41, [number(cky_i), u64::from(*message_id), u64::from(*attempt)])
        }
        Event::IkeIgnored { peer, .. } => (42, [u64::from(peer.port()), 0, 0]),
        Event::Notified { notify, .. } => (43, [u64::from(*notify), 0, 0]),
        Event::InstallFailed { pair, .. } => (48, [pair.0, 0, 0]),
        Event::SoftAssociation { entry, .. } => (49, [u64::from(entry.0), 0, 0]),
        Event::SoftAssociationEnded { entry, .. } => (57, [u64::from(entry.0), 0, 0]),
        Event::PathMtu { pair, mtu } => (50, [pair.0, u64::from(*mtu), 0]),
        Event::IsakmpPeerMoved { cky_i, from, to } => {
            (53, [number(cky_i), socket_bits(*from), socket_bits(*to)])
        }
        Event::PeerMoved { pair, from, to } => (51, [pair.0, socket_bits(*from), socket_bits(*to)]),
        Event::DeleteAnswered { cky_i, message_id, .. } => (52, [number(cky_i), u64::from(*message_id), 0]),
        Event::DeadPeerDetection { cky_i, step, .. } => match step {
            DpdStep::Asked { sequence, attempt } => {
                (54, [number(cky_i), (*sequence).into(), (*attempt).into()])
            }
            DpdStep::Alive { sequence } => (55, [number(cky_i), (*sequence).into(), 0]),
            DpdStep::Dead => (56, [number(cky_i), 0, 0]),
        },
        Event::QuickModeConnected { pair } => (54, [pair.0, 0, 0]),
        Event::DosProtection { active } => (53, [u64::from(*active), 0, 0]),
        Event::PairDeleted { pair, why } => (44, [pair.0, *why as u64, 0]),
        Event::IsakmpSaDeleted { cky_i, cky_r, why } => (45, [number(cky_i), number(cky_r), *why as u64]),
        Event::Keys(Keys::Isakmp { cky_i, key, .. }) => (46, [number(cky_i), ip::fold(key.expose()), 0]),
        Event::Keys(Keys::Ipsec(bundle)) => {
            let fold = |keys: u64, sa: &ipsec_core::sad::SaSpec| {
                keys.rotate_left(8) ^ ip::fold(sa.cipher_key.expose()) ^ ip::fold(sa.mac_key.expose())
            };
            (47, [bundle.pair.0, u64::from(bundle.inbound), bundle.sas.iter().fold(0, fold)])
        }
    }
}
