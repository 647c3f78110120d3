//! What a node has counted since it began: the cumulative half of what a monitor shows. No decision reads any of it.

use alloc::collections::BTreeMap;

use crate::crypto::{Cipher, Suite};
use crate::ike::failure::{FailureReason, IkeError};
use crate::interface::InterfaceId;
use crate::io::{DropReason, Event};
use crate::sad::{Bundle, IpsecSa, Pair};
use crate::spd::EntryId;

/// Notify type AUTHENTICATION-FAILED (RFC 2408 section 3.14.1).
const AUTHENTICATION_FAILED: u16 = 24;

/// What a node has counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    pub(super) drops: BTreeMap<&'static str, u64>,
    pub(super) hits: BTreeMap<EntryId, u64>,
    pub(super) ike: IkeCounters,
    pub(super) processed: Processed,
    /// Of pairs that are gone.
    pub(super) past: TrafficCounters,
}

impl Counters {
    pub(super) fn dropped(&mut self, reason: &DropReason) {
        *self.drops.entry(reason.name()).or_default() += 1;
        if matches!(reason, DropReason::BadEncapsulation) {
            self.ike.receive_failures += 1;
        }
    }

    pub(super) fn hit(&mut self, entry: EntryId) {
        *self.hits.entry(entry).or_default() += 1;
    }
}

/// What key exchange has counted, under the names of IP Security Monitor. Microsoft documents most of the names and few of
/// the meanings; where it does not, the meaning beside the name is our own choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IkeCounters {
    /// "Total Acquire": negotiations that traffic, a rekeying or an operator asked for.
    pub acquires: u64,
    /// "Acquire Failures": of these, the ones that came to nothing.
    pub acquire_failures: u64,
    /// "Receive Failures": datagrams that IKE could not take: no room for what they began, or not IKE on its port.
    pub receive_failures: u64,
    /// "Send Failures": IKE datagrams for which there was no route.
    pub send_failures: u64,
    /// "Authentication Failures": identities, keys or methods that do not fit, noticed by either end.
    pub authentication_failures: u64,
    /// "Negotiation Failures": negotiations that ended without an SA, whatever the reason.
    pub negotiation_failures: u64,
    /// "Invalid Cookies Received": messages whose cookies no ISAKMP SA has.
    pub invalid_cookies: u64,
    /// "Invalid Packets Received": messages that do not decode or break a rule. With two different pre-shared keys message
    /// 5 of main mode decrypts to one.
    pub invalid_packets: u64,
    /// "Total Get SPI": SPIs that IKE asked the driver for.
    pub spis: u64,
    /// "Key Additions": outbound SAs (or bundles) that IKE gave to the driver.
    pub key_additions: u64,
    /// "Key Addition Failures": of these, the ones that the driver refused.
    pub key_addition_failures: u64,
    /// "Key Updates": inbound SAs (or bundles) that IKE gave to the driver.
    pub key_updates: u64,
    /// "Key Update Failures": of these, the ones that the driver refused.
    pub key_update_failures: u64,
    /// "IKE Main Mode": ISAKMP SAs established.
    pub main_modes: u64,
    /// "IKE Quick Mode": pairs of SAs established.
    pub quick_modes: u64,
    /// "Soft Associations": times that a peer was found to have no IPsec, and was spoken to in clear.
    pub soft_associations: u64,
    /// "Rekeys": pairs that were made to replace another.
    pub rekeys: u64,
    /// "Key Deletions": pairs of SAs that are gone.
    pub key_deletions: u64,
}

impl IkeCounters {
    /// Takes note of an event that leaves the node.
    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::MainModeEstablished(_) => self.main_modes += 1,
            Event::QuickModeEstablished(info) => {
                self.quick_modes += 1;
                self.rekeys += u64::from(info.replaces.is_some());
            }
            Event::SoftAssociation { .. } => self.soft_associations += 1,
            Event::PairDeleted { .. } => self.key_deletions += 1,
            Event::Failed(failure) => {
                self.negotiation_failures += 1;
                self.authentication_failures += u64::from(is_about_authentication(&failure.reason));
            }
            Event::IkeIgnored { reason, .. } => match reason {
                IkeError::UnknownCookies => self.invalid_cookies += 1,
                IkeError::Decode(_) | IkeError::PeerMisbehaved { .. } => self.invalid_packets += 1,
                IkeError::AuthenticationFailed(_) => self.authentication_failures += 1,
                IkeError::Busy(_) => self.receive_failures += 1,
                _ => {}
            },
            _ => {}
        }
    }
}

fn is_about_authentication(reason: &FailureReason) -> bool {
    match reason {
        FailureReason::AuthenticationFailed
        | FailureReason::NoCommonMethod { .. }
        | FailureReason::MethodNotAvailable(_) => true,
        FailureReason::Notified(notify) => *notify == AUTHENTICATION_FAILED,
        _ => false,
    }
}

/// Packets of SAs since the node began, by who processed them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Processed {
    /// By the adapter of the interface that they passed: it had the SA.
    pub hardware: u64,
    /// By this computer.
    pub software: u64,
    /// Octets of the packets that adapters processed and that left, counted as [`TrafficCounters`] does.
    pub hardware_sent: u64,
    /// The same of those that came in.
    pub hardware_received: u64,
}

impl Processed {
    /// A packet of this many octets left on a pair with this offload through an interface.
    pub(super) fn sent(&mut self, offload: Option<InterfaceId>, through: InterfaceId, octets: u64) {
        if self.is_hardware(offload, through) {
            self.hardware_sent += octets;
        }
    }

    /// The same of one that came in.
    pub(super) fn received(&mut self, offload: Option<InterfaceId>, through: InterfaceId, octets: u64) {
        if self.is_hardware(offload, through) {
            self.hardware_received += octets;
        }
    }

    fn is_hardware(&mut self, offload: Option<InterfaceId>, through: InterfaceId) -> bool {
        let hardware = offload == Some(through);
        *(if hardware { &mut self.hardware } else { &mut self.software }) += 1;
        hardware
    }
}

/// Octets that SAs carried since the node began, as they count them for their lifetimes: whole datagrams before they are
/// sealed, in tunnel mode with the outer header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficCounters {
    /// Of packets that left.
    pub sent: Octets,
    /// Of packets that came in.
    pub received: Octets,
}

/// Octets by kind of SA; one packet counts in several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Octets {
    /// On SAs that encrypt.
    pub confidential: u64,
    /// On SAs that authenticate.
    pub authenticated: u64,
    /// On SAs of transport mode.
    pub transport: u64,
    /// On SAs of tunnel mode.
    pub tunnel: u64,
}

impl TrafficCounters {
    /// Adds what a pair has carried.
    pub(super) fn add(&mut self, pair: &Pair) {
        for (octets, bundle) in [(&mut self.sent, &pair.outbound), (&mut self.received, &pair.inbound)] {
            let Some(bundle) = bundle else { continue };
            let (n, any) = (bundle.octets(), |is: fn(Suite) -> bool| suites(bundle).any(is));
            octets.confidential += if any(encrypts) { n } else { 0 };
            octets.authenticated += if any(authenticates) { n } else { 0 };
            *(if pair.is_transport() { &mut octets.transport } else { &mut octets.tunnel }) += n;
        }
    }
}

fn suites(bundle: &Bundle) -> impl Iterator<Item = Suite> {
    bundle.sas().iter().map(IpsecSa::suite)
}

fn encrypts(suite: Suite) -> bool {
    suite.cipher() != Cipher::Null
}

fn authenticates(suite: Suite) -> bool {
    !matches!(suite, Suite::EncryptThenMac { mac: None, .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ike::failure::{Failure, Phase};
    use crate::sad::PairId;
    use crate::wire::{DecodeError, DecodeErrorKind};
    use alloc::vec::Vec;
    use core::net::SocketAddr;

    fn counted(events: &[Event]) -> IkeCounters {
        let mut counters = IkeCounters::default();
        events.iter().for_each(|event| counters.event(event));
        counters
    }

    fn failed(reason: FailureReason) -> Event {
        let peer = SocketAddr::from(([192, 0, 2, 1], 500));
        Event::Failed(Failure {
            local: peer,
            peer,
            cky_i: crate::wire::isakmp::Cookie::ZERO,
            initiator: true,
            phase: Phase::MainMode,
            entry: None,
            selector: None,
            method: None,
            started: crate::time::Instant::EPOCH,
            progress: crate::ike::failure::Progress::NotBegun,
            reason,
        })
    }

    fn ignored(reason: IkeError) -> Event {
        Event::IkeIgnored { peer: SocketAddr::from(([192, 0, 2, 1], 500)), reason }
    }

    /// A mismatch of credentials is a failed negotiation too; silence is no failure of authentication.
    #[test]
    fn failures_are_told_apart() {
        let found =
            counted(&[failed(FailureReason::AuthenticationFailed), failed(FailureReason::NoResponse)]);
        assert_eq!((found.authentication_failures, found.negotiation_failures), (1, 2));
        let found = counted(&[failed(FailureReason::Notified(AUTHENTICATION_FAILED))]);
        assert_eq!(found.authentication_failures, 1);
        let found = counted(&[failed(FailureReason::NoProposalChosen(Vec::new()))]);
        assert_eq!((found.authentication_failures, found.negotiation_failures), (0, 1));
    }

    #[test]
    fn ignored_messages_count_by_what_is_wrong_with_them() {
        let decode =
            DecodeError { field: "length", offset: 24, kind: DecodeErrorKind::BadLength { length: 3 } };
        let busy = ignored(IkeError::Busy("the table"));
        let found = counted(&[ignored(IkeError::UnknownCookies), ignored(IkeError::Decode(decode)), busy]);
        let expected = IkeCounters {
            invalid_cookies: 1,
            invalid_packets: 1,
            receive_failures: 1,
            ..IkeCounters::default()
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_pair_that_goes_and_a_soft_association_are_counted() {
        let gone = Event::PairDeleted { pair: PairId(1), why: crate::io::DeleteReason::Idle };
        let soft = Event::SoftAssociation { entry: EntryId(1), peer: [192, 0, 2, 1].into() };
        let found = counted(&[gone, soft]);
        assert_eq!((found.key_deletions, found.soft_associations), (1, 1));
    }
}
