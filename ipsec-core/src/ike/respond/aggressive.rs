//! Message 1 of aggressive mode: refused where it is not configured, or above its budget; else worth Diffie-Hellman.
//!
//! The answer to message 1 carries our public value and a proof that needs the shared secret, so whoever sends one makes us
//! compute before showing that it sees what is sent to its address, let alone that it knows the key. Such exchanges are
//! therefore off by default, and the number of those that have proved nothing is bounded, altogether and for each source.
//! Unlike half-open main modes, a newcomer never displaces another: each would cost its computation.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{DEFAULT_SECONDS, choose, fail, send_refusal};
use crate::ike::context::{Context, Step};
use crate::ike::failure::IkeError;
use crate::ike::identity;
use crate::ike::proposal::phase1::group;
use crate::ike::retransmit::Exchange;
use crate::ike::sa::{IsakmpSa, Names, SaId};
use crate::ike::v1::aggressive_mode::responder::{First, Responder};
use crate::ike::v1::main_mode::KeyExchange;
use crate::ike::v1::phase1::Agreement;
use crate::ike::v1::vendor_id::{self, Capabilities, Occasion};
use crate::ike::v1::{Received, check_public, none_of, one, sa_at};
use crate::io::Event;
use crate::pad::{Identity, PadEntry, Phase1Exchange};
use crate::wire::ikev1::NotifyType;
use crate::wire::isakmp::{Chain, PayloadType};

/// Begins an aggressive mode as the responder, or says why not.
pub(super) fn begin(
    received: &Received<'_>,
    alone: bool,
    sas: &BTreeMap<SaId, IsakmpSa>,
    cx: &mut Context<'_>,
) -> Result<IsakmpSa, IkeError> {
    let peer = received.peer;
    let chain = check(received)?;
    let (entry, claimed) = admit(received, &chain, cx)?;
    let Some(offered) = chain.sa() else { return Err(IkeError::Unexpected("no SA payload")) };
    let (choice, credential) = choose(offered, entry).map_err(|reason| {
        let number = cx.node.next_number();
        send_refusal(received, number, NotifyType::NO_PROPOSAL_CHOSEN, cx);
        fail(reason, "no proposal chosen", received, cx)
    })?;
    let ke = KeyExchange {
        public: chain.body(one(&chain, PayloadType::KEY_EXCHANGE)?).to_vec(),
        nonce: chain.body(one(&chain, PayloadType::NONCE)?).to_vec(),
        nat: None,
    };
    check_public(choice.agreed.group, &ke.public)?;
    check_budget(received, sas, cx)?;

    let number = cx.node.next_number();
    let occasion = Occasion { peer: peer.ip(), alone, answered: Some(&chain) };
    let (vendor_ids, we_can) = vendor_id::payloads(&cx.node.config.vendor_ids, occasion);
    let names = Names {
        id: SaId(number),
        local: received.local,
        peer,
        initiator: false,
        cky_i: received.header.cky_i,
        cky_r: cx.cookie(number),
        pad_entry: entry.id,
        exchange: Phase1Exchange::AggressiveMode,
        identity: entry.identity.clone(),
        peer_identities: entry.peer_identities.clone(),
        found_by: Some(claimed),
        started: cx.now,
        alone,
        we_can,
        peer_can: Capabilities::of(&chain),
        fragmenting: false,
        pretend: cx.node.config.nat_traversal.pretend,
        nat: None,
        floated: false,
        peer_id: None,
        client: SaId(number),
    };
    let (local, cky_i, exchange) = (names.local, names.cky_i, names.exchange);
    cx.event(Event::MainModeStarted { local, peer, exchange, initiator: false, cky_i });
    let agreement = Agreement {
        proposal: choice.agreed,
        lifetime_seconds: choice.seconds.unwrap_or(DEFAULT_SECONDS).min(entry.lifetime_seconds),
        shortened: entry.lifetime_seconds < choice.seconds.unwrap_or(DEFAULT_SECONDS),
        sa_i_b: chain.body(one(&chain, PayloadType::SA)?).to_vec(),
        credential,
    };
    let idii_b = chain.body(one(&chain, PayloadType::IDENTIFICATION)?).to_vec();
    let first = First { agreement, reply: choice.reply, ke, idii_b, vendor_ids };
    let mut exchange = Exchange::default();
    exchange.accepted(received.digest);
    let mut step = Step { names: &names, exchange: &mut exchange, message_id: 0, cx };
    step.rest();
    let phase1 = Responder::start(first, &mut step);
    let mut sa = IsakmpSa::new(names, phase1);
    (sa.exchange, sa.heard) = (exchange, true);
    Ok(sa)
}

/// What message 1 must and must not have: HDR, SA, KE, Ni, IDii.
fn check(received: &Received<'_>) -> Result<Chain, IkeError> {
    let chain = received.clear()?;
    sa_at(&chain, 0)?;
    none_of(&chain, &[PayloadType::HASH, PayloadType::SIGNATURE])?;
    for payload_type in [PayloadType::KEY_EXCHANGE, PayloadType::NONCE, PayloadType::IDENTIFICATION] {
        one(&chain, payload_type)?;
    }
    let offered = chain.sa().map(|sa| sa.proposals.as_slice()).unwrap_or_default();
    let notify = NotifyType::BAD_PROPOSAL_SYNTAX.0;
    // RFC2409-5-20: several offers are several transforms of one proposal.
    let [proposal] = offered else {
        return Err(IkeError::PeerMisbehaved { notify, rule: "more than one proposal in phase 1" });
    };
    // RFC2409-5-18: the public value is of one group, so every offer names that group.
    let mut groups = proposal.transforms.iter().map(group);
    let first = groups.next().flatten();
    if groups.any(|group| group != first) {
        return Err(IkeError::PeerMisbehaved { notify, rule: "aggressive mode cannot negotiate the group" });
    }
    Ok(chain)
}

/// The PAD entry of whom the peer says it is, if it may begin by aggressive mode.
///
/// A peer that policy knows by its address learns that this exchange is not supported (RFC 2408 section 5.2); a stranger
/// learns nothing. Whether Windows answers is not known: it has no aggressive mode (KB 257225).
fn admit<'p>(
    received: &Received<'_>,
    chain: &Chain,
    cx: &mut Context<'p>,
) -> Result<(&'p PadEntry, Identity), IkeError> {
    let (local, peer) = (received.local.ip(), received.peer.ip());
    let policy = cx.policy;
    let id = chain.identification().filter(|id| identity::has_port_of_ike(id));
    let claimed = id.and_then(identity::claimed);
    let found = claimed.and_then(|claimed| {
        let accepts = |entry: &&PadEntry| entry.accept_aggressive;
        policy.pad.lookup_identified(local, peer, &claimed).filter(accepts).map(|entry| (entry, claimed))
    });
    if let Some(found) = found {
        return Ok(found);
    }
    if policy.pad.lookup(local, peer).is_some_and(|entry| !entry.accept_aggressive) {
        let (number, notify) = (cx.node.next_number(), NotifyType::INVALID_EXCHANGE_TYPE);
        send_refusal(received, number, notify, cx);
        return Err(IkeError::PeerIncompatible { notify: notify.0, what: "aggressive mode is not accepted" });
    }
    let notify = NotifyType::INVALID_ID_INFORMATION.0;
    Err(IkeError::PeerIncompatible { notify, what: "nobody of this identity may begin by aggressive mode" })
}

fn check_budget(
    received: &Received<'_>,
    sas: &BTreeMap<SaId, IsakmpSa>,
    cx: &Context<'_>,
) -> Result<(), IkeError> {
    let limits = &cx.node.limits;
    let unproven: Vec<&IsakmpSa> =
        sas.values().filter(|sa| sa.is_unproven(Phase1Exchange::AggressiveMode)).collect();
    let of_source = unproven.iter().filter(|sa| sa.names.peer.ip() == received.peer.ip()).count();
    match () {
        () if of_source >= limits.aggressive_per_source => {
            Err(IkeError::Busy("the source's budget of aggressive modes"))
        }
        () if unproven.len() >= limits.aggressive => Err(IkeError::Busy("the budget of aggressive modes")),
        () if sas.len() >= limits.isakmp_sas => Err(IkeError::Busy("the table of ISAKMP SAs")),
        () => Ok(()),
    }
}
