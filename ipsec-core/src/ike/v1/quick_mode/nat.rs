//! Quick mode across a NAT (RFC 3947 section 5): what is encapsulated, whose traffic it is, and which addresses the packets
//! had where they were made.
//!
//! Policy, selectors and outer addresses are about addresses as this node sees them. An end behind a NAT knows itself by
//! another address than its peer does, so in transport mode the two ends of an identity may differ: the initiator's IDci
//! names its private address, or its host name (Windows), and its IDcr our public address, which we may not know. Where
//! phase 1 found a NAT before an end, one address of that end stands for the address seen. A subnet or a range stands for
//! nothing, so nobody gets more than the policy has for the address seen. In tunnel mode identities are about inner
//! addresses, which no NAT changes.

use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::identity;
use crate::config::NatOaHabit;
use crate::ike::context::Step;
use crate::ike::failure::{FailureReason, IkeError};
use crate::ike::proposal::phase2;
use crate::ike::sa::Names;
use crate::ike::v1::nat_traversal::Version;
use crate::sad::{OriginalAddresses, UdpEncapsulation};
use crate::selector::Selector;
use crate::spd::Offer;
use crate::wire::ikev1::{IdType, Identification, NatOa, NotifyType, SaPayload};
use crate::wire::isakmp::{Chain, Payload};

/// The version whose UDP-encapsulated modes are negotiated. Without a NAT there is nothing to encapsulate (RFC 3947 section
/// 5.1).
pub(crate) fn version(names: &Names) -> Option<Version> {
    names.across_nat().map(|nat| nat.version)
}

/// The offers that can pass: AH covers the addresses that a NAT changes (RFC 3715 section 2.1, case a), so across one, none
/// with AH is made. Fails when nothing is left.
pub(crate) fn passable(offers: &[Offer], names: &Names) -> Result<Vec<Offer>, FailureReason> {
    let passes = |offer: &&Offer| offer.ah.is_none() || names.across_nat().is_none();
    let passable: Vec<Offer> = offers.iter().filter(passes).copied().collect();
    match passable.is_empty() && !offers.is_empty() {
        true => Err(FailureReason::AhAcrossNat),
        false => Ok(passable),
    }
}

/// Whether the initiator wants to encapsulate where we found no NAT, though both looked for one.
pub(crate) fn is_found_by_peer_alone(offered: &SaPayload, names: &Names) -> bool {
    let version = names.nat.filter(|_| names.across_nat().is_none()).map(|nat| nat.version);
    version.is_some()
        && phase2::modes(offered, None).is_empty()
        && !phase2::modes(offered, version).is_empty()
}

/// The NAT-OA payloads of message 1 or 2, in transport mode only: with RFC 3947 the initiator's address and then the
/// responder's, each as the sender sees it (section 5.2); with the draft the sender's own.
pub(crate) fn original_addresses(tunnel: bool, initiator: bool, step: &Step<'_, '_>) -> Vec<Payload> {
    let names = step.names;
    let Some(nat) = names.across_nat().filter(|_| !tunnel) else { return Vec::new() };
    let habit = step.cx.node.config.nat_traversal.original_addresses;
    if habit == NatOaHabit::BehindNat && !nat.local {
        return Vec::new();
    }
    let (local, peer) = (names.local.ip(), names.peer.ip());
    let addresses = match (nat.version, initiator) {
        (Version::Draft02, _) => vec![local],
        (Version::Rfc3947, true) => vec![local, peer],
        (Version::Rfc3947, false) => vec![peer, local],
    };
    let numbering = nat.version.numbering();
    addresses.into_iter().map(|address| Payload::NatOa(NatOa { numbering, address })).collect()
}

/// What the peer's NAT-OA payloads say. Those of another version are passed over, and all when there is no NAT.
pub(crate) fn read(chain: &Chain, names: &Names) -> Result<Vec<IpAddr>, IkeError> {
    let Some(version) = version(names) else { return Ok(Vec::new()) };
    let of_version = |payload: &Payload| match payload {
        Payload::NatOa(nat_oa) if nat_oa.numbering == version.numbering() => Some(nat_oa.address),
        _ => None,
    };
    let addresses: Vec<IpAddr> = chain.payloads().iter().filter_map(of_version).collect();
    match addresses.len() {
        0..=2 => Ok(addresses),
        _ => Err(IkeError::PeerMisbehaved {
            notify: NotifyType::PAYLOAD_MALFORMED.0,
            rule: "more than two original addresses",
        }),
    }
}

/// The addresses that the peer's packets have where it makes them, as far as both can be known.
///
/// `said` is its NAT-OA, `ids` the identities of its message 1 when it initiated: its own, and what it calls us. An address
/// that no NAT changes is the one seen. NAT-OA and identities serve checksums only (RFC 3948 section 3.1.2): a peer that
/// lies there breaks its own packets.
pub(crate) fn original(
    names: &Names,
    said: &[IpAddr],
    peer_initiated: bool,
    ids: Option<&(Identification, Identification)>,
) -> Option<OriginalAddresses> {
    let nat = names.across_nat()?;
    let (theirs, ours) = match (said, nat.version) {
        ([initiator, responder], Version::Rfc3947) if peer_initiated => (Some(*initiator), Some(*responder)),
        ([initiator, responder], Version::Rfc3947) => (Some(*responder), Some(*initiator)),
        (said, _) => (said.first().copied(), None),
    };
    let (their_id, our_id) =
        ids.map(|(id_ci, id_cr)| (id_ci.to_address(), id_cr.to_address())).unwrap_or_default();
    let unchanged = |behind: bool, seen: IpAddr| (!behind).then_some(seen);
    Some(OriginalAddresses {
        local: ours.or(unchanged(nat.local, names.local.ip())).or(our_id)?,
        peer: theirs.or(unchanged(nat.peer, names.peer.ip())).or(their_id)?,
    })
}

/// The traffic that the peer's identities mean in transport mode, our side local, in terms of the addresses seen.
pub(crate) fn seen(names: &Names, (id_ci, id_cr): &(Identification, Identification)) -> Option<Selector> {
    let nat = names.across_nat();
    let theirs = as_seen(id_ci, nat.is_some_and(|nat| nat.peer), names.peer.ip());
    let ours = as_seen(id_cr, nat.is_some_and(|nat| nat.local), names.local.ip());
    identity::decode(&ours, &theirs)
}

fn as_seen(id: &Identification, behind_nat: bool, seen: IpAddr) -> Identification {
    let is_one_host = matches!(id.id_type, IdType::FQDN) || id.to_address().is_some();
    match behind_nat && is_one_host {
        true => Identification::address(seen).with_protocol(id.protocol, id.port),
        false => id.clone(),
    }
}

/// How the pair's packets travel, with the ports of this moment. Only ESP is there to be encapsulated.
pub(crate) fn encapsulation(
    names: &Names,
    original: Option<OriginalAddresses>,
    tunnel: bool,
) -> Option<UdpEncapsulation> {
    names.across_nat().map(|_| UdpEncapsulation {
        local_port: names.local.port(),
        peer_port: names.peer.port(),
        original: original.filter(|_| !tunnel),
        follow: names.peer_may_move(),
        client: names.client.0,
    })
}
