//! Counters of a run.

use std::collections::BTreeMap;

use ipsec_core::{DropReason, Event};

use crate::sink::{DropCause, Effect, Record, Sink};

/// How often what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Records seen.
    pub records: u64,
    /// Packets put on links.
    pub transmitted: u64,
    /// Their octets.
    pub octets: u64,
    /// Packets lost by links.
    pub lost: u64,
    /// Packets duplicated by links or the adversary.
    pub duplicated: u64,
    /// Packets altered by links or the adversary.
    pub altered: u64,
    /// Packets delivered to the node they were addressed to.
    pub delivered: u64,
    /// Of these, packets that came in on an SA.
    pub delivered_protected: u64,
    /// Packets sealed.
    pub sealed: u64,
    /// Packets opened.
    pub opened: u64,
    /// IKE messages sent again.
    pub retransmitted: u64,
    /// Main modes established, counted at each end.
    pub main_modes: u64,
    /// Quick modes established, counted at each end.
    pub quick_modes: u64,
    /// Negotiations that failed.
    pub failures: u64,
    /// Drops by kind of reason ([`drop_kind`], [`cause_kind`]).
    pub drops: BTreeMap<&'static str, u64>,
}

impl Sink for Statistics {
    fn record(&mut self, record: &Record<'_>) {
        if let Effect::Passed { .. } = record.effect {
            return;
        }
        self.records += 1;
        match record.effect {
            Effect::Sent { packet, fate, .. } => {
                self.transmitted += 1;
                self.octets += packet.len() as u64;
                self.lost += u64::from(fate.lost);
                self.duplicated += u64::from(fate.copies);
                self.altered += u64::from(fate.altered);
            }
            Effect::Delivered { protected, .. } => {
                self.delivered += 1;
                self.delivered_protected += u64::from(protected);
            }
            Effect::Dropped(_, cause) => *self.drops.entry(cause_kind(&cause)).or_default() += 1,
            Effect::Ipsec(event) => match event {
                Event::Dropped { reason, .. } => *self.drops.entry(drop_kind(reason)).or_default() += 1,
                Event::Protected { .. } => self.sealed += 1,
                Event::Opened { .. } => self.opened += 1,
                Event::Retransmitted { .. } => self.retransmitted += 1,
                Event::MainModeEstablished(_) => self.main_modes += 1,
                Event::QuickModeEstablished(_) => self.quick_modes += 1,
                Event::Failed(_) => self.failures += 1,
                _ => {}
            },
            _ => {}
        }
    }
}

/// The kind of a drop of the network layer, for counting and for reports: the name of its variant in words.
pub fn cause_kind(cause: &DropCause) -> &'static str {
    match cause {
        DropCause::InputFilter(_) => "input filter",
        DropCause::OutputFilter(_) => "output filter",
        DropCause::Rule(reason) => drop_kind(reason),
        DropCause::WouldLeak => "would leak",
        DropCause::LinkMtu(_) => "link mtu",
        DropCause::NoListener => "no listener",
        DropCause::Checksum => "checksum",
        DropCause::Nat(_) => "address translation",
    }
}

/// The kind of a drop, without the entry, pair or SPI it names.
pub fn drop_kind(reason: &DropReason) -> &'static str {
    match reason {
        DropReason::Malformed => "malformed",
        DropReason::NoRoute => "no route",
        DropReason::PolicyDiscard(_) => "policy discard",
        DropReason::Unsolicited(_) => "unsolicited",
        DropReason::NoPolicy => "no policy",
        DropReason::ClearTextRefused(_) => "clear text refused",
        DropReason::PendingFull => "pending full",
        DropReason::NegotiationFailed(_) => "negotiation failed",
        DropReason::UnknownSpi(_) => "unknown spi",
        DropReason::WrongOuterSource(_) => "wrong outer source",
        DropReason::WrongEncapsulation(_) => "wrong encapsulation",
        DropReason::BadEncapsulation => "bad encapsulation",
        DropReason::OverlappingFlow(_) => "overlapping flow",
        DropReason::Replayed(_) => "replayed",
        DropReason::TooOld(_) => "too old",
        DropReason::IntegrityFailed(_) => "integrity failed",
        DropReason::BadPadding(_) => "bad padding",
        DropReason::BadLength(_) => "bad length",
        DropReason::Dummy(_) => "dummy",
        DropReason::SelectorMismatch(_) => "selector mismatch",
        DropReason::BundleMismatch(_) => "bundle mismatch",
        DropReason::EspWithoutAh(_) => "esp without ah",
        DropReason::AhWithoutEsp(_) => "ah without esp",
        DropReason::BundleOrder(_) => "bundle order",
        DropReason::SequenceExhausted(_) => "sequence exhausted",
        DropReason::LifetimeExpired(_) => "lifetime expired",
        DropReason::TooBig { .. } => "too big",
        DropReason::BadFragment => "bad fragment",
        DropReason::ReassemblyTimeout => "reassembly timeout",
        DropReason::FragmentWithoutPorts => "fragment without ports",
        DropReason::TtlExceeded => "ttl exceeded",
        DropReason::NotForUs => "not for us",
        DropReason::QuotesProtected(_) => "quotes protected",
    }
}
