//! Quick mode as the initiator; states are named for the message they expect.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::{
    Accepted, Checked, Failed, Making, QuickMode, authentic, connected, enforced, identity, install_inbound,
    install_outbound, nat, pfs_group,
};
use crate::crypto::{Group, Secret};
use crate::ike::context::Step;
use crate::ike::effect::{Acquire, Effect};
use crate::ike::failure::{FailureReason, IkeError, Progress};
use crate::ike::outbox::{Encryption, Protection, Sent};
use crate::ike::proposal::phase2::{self, Confirmed, Spis, Wanted};
use crate::ike::proposal::{OfferedLifetime, phase2::read_lifetime};
use crate::ike::sa::Names;
use crate::ike::timer::TimerKey;
use crate::ike::v1::phase1::Established;
use crate::ike::v1::{Received, Refused, at_most_one, check_public, keymat, one, sa_at};
use crate::io::{Event, QuickModeInfo};
use crate::sad::{BundleSpec, IpsecProtocol, PairId};
use crate::selector::Selector;
use crate::spd::{Mode, Offer, Protect};
use crate::wire::Reader;
use crate::wire::ikev1::{
    Attribute, Identification, KeyExchange, Nonce, Notification, NotifyType, SaPayload,
};
use crate::wire::isakmp::{Chain, Flags, Payload, PayloadType};
use crate::work::{Work, WorkId, WorkResult};

/// What the initiator waits for.
#[derive(Clone, Debug)]
pub(crate) enum Initiator {
    /// Our public value (only with perfect forward secrecy).
    MakePublic { plan: Plan, work: WorkId },
    /// The responder's choice.
    WaitMessage2 { plan: Plan, sent: SentRequest },
    /// The shared secret (only with perfect forward secrecy).
    MakeShared { plan: Plan, sent: SentRequest, reply: Reply, work: WorkId },
    /// CONNECTED, because the responder has set the commit bit (RFC 2408 section 3.1).
    WaitConnected { plan: Plan, made: Box<Made> },
}

/// What we want.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) acquire: Acquire,
    pub(crate) ours: Spis,
    pair: PairId,
    offers: Vec<Offer>,
    tunnel: bool,
    pfs: Option<Group>,
    secret: Secret,
    ids: (Identification, Identification),
    selector: Selector,
    offered: SaPayload,
    number: u64,
    /// Whether the responder may choose a part of the traffic.
    may_narrow: bool,
}

/// What message 1 leaves for the answer.
#[derive(Clone, Debug)]
pub(crate) struct SentRequest {
    ni_b: Vec<u8>,
    id_ci_b: Vec<u8>,
    id_cr_b: Vec<u8>,
    iv: Vec<u8>,
}

/// Message 2, checked.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    next_iv: Vec<u8>,
    nr_b: Vec<u8>,
    g_xr: Option<Vec<u8>>,
    confirmed: Confirmed,
    responder_lifetime: OfferedLifetime,
    /// The part of the traffic that the responder has chosen, if not all of it.
    narrowed: Option<Box<Selector>>,
    /// The original addresses.
    said: Vec<IpAddr>,
    /// The commit bit. Nothing authenticates it.
    commit: bool,
}

/// A pair that packets may come in on, but not leave yet.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    outbound: BundleSpec,
    info: QuickModeInfo,
    /// The last ciphertext block of message 3.
    iv: Vec<u8>,
}

impl Initiator {
    /// Begins. Fails when the acquire cannot be said in a quick mode; nothing is reserved then.
    pub(crate) fn start(
        acquire: &Acquire,
        protect: &Protect,
        phase1: &Established,
        step: &mut Step<'_, '_>,
    ) -> Result<QuickMode, FailureReason> {
        let unspeakable =
            FailureReason::Protocol(IkeError::Unexpected("traffic that no ID payload can name"));
        let ids = identity::encode(&acquire.selector, acquire.peer).ok_or(unspeakable.clone())?;
        let selector = identity::decode(&ids.0, &ids.1).ok_or(unspeakable)?;
        let number = step.cx.node.next_number();
        let tunnel = protect.mode != Mode::Transport;
        let pfs = pfs_group(protect.pfs, &phase1.proposal);
        let offers = nat::passable(&protect.offers, step.names)?;
        let has_ah = offers.iter().any(|offer| offer.ah.is_some());
        let has_esp = offers.iter().any(|offer| offer.esp.is_some());
        let streams = step.cx.streams;
        let ours = Spis {
            esp: has_esp.then(|| step.cx.sad.reserve_spi(IpsecProtocol::Esp, streams)),
            ah: has_ah.then(|| step.cx.sad.reserve_spi(IpsecProtocol::Ah, streams)),
        };
        let wanted = Wanted { offers: &offers, tunnel, pfs, nat: nat::version(step.names) };
        let plan = Plan {
            offered: phase2::offer(&wanted, &ours),
            acquire: acquire.clone(),
            ours,
            pair: step.cx.node.next_pair(),
            offers,
            tunnel,
            pfs,
            secret: pfs.map_or_else(Secret::default, |group| step.cx.exponent(number, group)),
            ids,
            selector,
            number,
            may_narrow: tunnel && step.cx.node.config.accepts_narrowing,
        };
        step.rest();
        Ok(QuickMode::Initiator(match pfs {
            Some(group) => {
                let work = step.work(Work::DhPublic { group, secret: plan.secret.clone() });
                Initiator::MakePublic { plan, work }
            }
            None => Initiator::request(plan, None, phase1, step),
        }))
    }

    /// Sends message 1.
    fn request(plan: Plan, public: Option<Vec<u8>>, phase1: &Established, step: &mut Step<'_, '_>) -> Self {
        let mut payloads = vec![Payload::Sa(plan.offered.clone())];
        payloads.push(Payload::Nonce(Nonce { data: step.cx.nonce(plan.number) }));
        payloads.extend(public.map(|data| Payload::KeyExchange(KeyExchange { data })));
        payloads.push(Payload::Identification(plan.ids.0.clone()));
        payloads.push(Payload::Identification(plan.ids.1.clone()));
        payloads.extend(nat::original_addresses(plan.tunnel, true, step));
        let keys = &phase1.keys;
        let iv = keymat::phase_2_iv(keys.alg, &phase1.last_block, step.message_id, keys.key.cipher());
        let protection = Protection::Phase2 {
            encryption: Encryption { key: &keys.key, iv: &iv },
            alg: keys.alg,
            skeyid_a: &keys.skeyids.skeyid_a,
            ni_b: &[],
        };
        let sent = step.cx.node.outbox.send(step.header(), payloads, protection);
        step.send(&sent, true);
        let sent = SentRequest {
            ni_b: sent.body(PayloadType::NONCE, 0).to_vec(),
            id_ci_b: sent.body(PayloadType::IDENTIFICATION, 0).to_vec(),
            id_cr_b: sent.body(PayloadType::IDENTIFICATION, 1).to_vec(),
            iv: sent.last_block,
        };
        Initiator::WaitMessage2 { plan, sent }
    }

    pub(crate) fn check(
        &self,
        received: &Received<'_>,
        phase1: &Established,
        names: &Names,
    ) -> Result<Checked<Accepted>, IkeError> {
        let (plan, sent) = match self {
            Initiator::WaitMessage2 { plan, sent } => (plan, sent),
            Initiator::WaitConnected { made, .. } => return connected::check(received, phase1, &made.iv),
            Initiator::MakePublic { .. } | Initiator::MakeShared { .. } => {
                return Err(IkeError::Unexpected("work is under way"));
            }
        };
        let (chain, next_iv) = authentic(received, phase1, &sent.iv, &sent.ni_b, "HASH(2)")?;
        let commit = received.header.flags.contains(Flags::COMMIT);
        Ok(match read_reply(&chain, (next_iv, commit), plan, sent, names) {
            Ok(reply) => Checked::Accepted(Accepted::Reply(reply)),
            Err(refused) => Checked::Refused(refused),
        })
    }

    pub(crate) fn advance(
        self,
        accepted: Accepted,
        phase1: &Established,
        step: &mut Step<'_, '_>,
    ) -> QuickMode {
        match (self, accepted) {
            (Initiator::WaitMessage2 { plan, sent }, Accepted::Reply(reply)) => {
                match (plan.pfs, reply.g_xr.clone()) {
                    (Some(group), Some(peer_public)) => {
                        let work =
                            step.work(Work::DhShared { group, secret: plan.secret.clone(), peer_public });
                        QuickMode::Initiator(Initiator::MakeShared { plan, sent, reply, work })
                    }
                    _ => finish(plan, &sent, &reply, None, phase1, step),
                }
            }
            (Initiator::WaitConnected { plan, made }, Accepted::Connected) => {
                let replaces = plan.acquire.replaces;
                step.cx.event(Event::QuickModeConnected { pair: plan.pair });
                send_on(&made.outbound, (replaces, true), made.info, step);
                step.rest();
                QuickMode::Finished
            }
            // `check` gives each state its own kind of message.
            (state, _) => QuickMode::Initiator(state),
        }
    }

    pub(crate) fn complete(
        self,
        id: WorkId,
        result: WorkResult,
        phase1: &Established,
        step: &mut Step<'_, '_>,
    ) -> QuickMode {
        let WorkResult::Bytes(bytes) = result else {
            return QuickMode::Failed(self.into_failed(FailureReason::BadPublicValue));
        };
        match self {
            Initiator::MakePublic { plan, work } if work == id => {
                QuickMode::Initiator(Initiator::request(plan, Some(bytes.to_vec()), phase1, step))
            }
            Initiator::MakeShared { plan, sent, reply, work } if work == id => {
                finish(plan, &sent, &reply, Some(&bytes), phase1, step)
            }
            other => QuickMode::Initiator(other),
        }
    }

    pub(crate) fn plan(&self) -> &Plan {
        match self {
            Initiator::MakePublic { plan, .. }
            | Initiator::WaitMessage2 { plan, .. }
            | Initiator::MakeShared { plan, .. }
            | Initiator::WaitConnected { plan, .. } => plan,
        }
    }

    pub(crate) fn into_failed(self, reason: FailureReason) -> Failed {
        match self {
            Initiator::MakePublic { plan, .. } | Initiator::WaitMessage2 { plan, .. } => {
                Failed { progress: Progress::SaSent, ..plan.into_failed(reason) }
            }
            Initiator::MakeShared { plan, .. } => plan.into_failed(reason),
            Initiator::WaitConnected { plan, .. } => {
                let installed = Some(plan.pair);
                Failed { installed, reserved: Spis::default(), ..plan.into_failed(reason) }
            }
        }
    }

    pub(crate) fn is_working(&self) -> bool {
        matches!(self, Initiator::MakePublic { .. } | Initiator::MakeShared { .. })
    }

    pub(crate) fn expectation(&self) -> &'static str {
        match self {
            Initiator::MakePublic { .. } => "computing the public value",
            Initiator::WaitMessage2 { .. } => "waiting for quick mode message 2",
            Initiator::MakeShared { .. } => "computing the shared secret",
            Initiator::WaitConnected { .. } => "waiting for CONNECTED",
        }
    }
}

impl Plan {
    fn into_failed(self, reason: FailureReason) -> Failed {
        Failed {
            reason,
            initiator: true,
            entry: Some(self.acquire.entry),
            selector: self.selector,
            progress: Progress::QuickModeProcessed,
            reserved: self.ours,
            installed: None,
            acquire: Some(self.acquire),
        }
    }
}

/// Reads message 2, which is authentic: whatever is wrong with it ends the quick mode.
fn read_reply(
    chain: &Chain,
    (next_iv, commit): (Vec<u8>, bool),
    plan: &Plan,
    sent: &SentRequest,
    names: &Names,
) -> Result<Reply, Refused> {
    let malformed = |error: IkeError| Refused {
        notify: NotifyType::PAYLOAD_MALFORMED,
        reason: FailureReason::Protocol(error),
    };
    sa_at(chain, 1).map_err(malformed)?;
    let confirmed = chain.sa().and_then(|reply| phase2::confirm(&plan.offered, &plan.offers, reply));
    let rule = "the reply is not one of our suites, unmodified";
    let confirmed = confirmed.ok_or(Refused::rule(NotifyType::BAD_PROPOSAL_SYNTAX, rule))?;
    let nr_b = chain.body(one(chain, PayloadType::NONCE).map_err(malformed)?).to_vec();
    let ke = at_most_one(chain, PayloadType::KEY_EXCHANGE).map_err(malformed)?;
    let g_xr = match (plan.pfs, ke) {
        (None, None) => None,
        (Some(group), Some(place)) => {
            check_public(group, chain.body(place)).map_err(|error| Refused {
                notify: NotifyType::INVALID_KEY_INFORMATION,
                reason: FailureReason::Protocol(error),
            })?;
            Some(chain.body(place).to_vec())
        }
        _ => {
            return Err(Refused::rule(
                NotifyType::INVALID_KEY_INFORMATION,
                "KE, but no PFS was agreed, or none",
            ));
        }
    };
    let narrowed = narrowed(chain, plan, sent)?.map(Box::new);
    let responder_lifetime = chain.notifications().find_map(responder_lifetime).unwrap_or_default();
    let said = nat::read(chain, names).map_err(malformed)?;
    Ok(Reply { next_iv, nr_b, g_xr, confirmed, responder_lifetime, narrowed, said, commit })
}

/// The identities must be those we sent (RFC 2409 section 5.5). strongSwan sends narrower ones when its policy is about less
/// traffic, and takes them.
fn narrowed(chain: &Chain, plan: &Plan, sent: &SentRequest) -> Result<Option<Selector>, Refused> {
    let ids: Vec<&[u8]> =
        chain.positions(PayloadType::IDENTIFICATION).map(|place| chain.body(place)).collect();
    if ids == [sent.id_ci_b.as_slice(), sent.id_cr_b.as_slice()] {
        return Ok(None);
    }
    let chosen = match chain.identifications().collect::<Vec<_>>().as_slice() {
        [id_ci, id_cr] if plan.may_narrow => identity::decode(id_ci, id_cr),
        _ => None,
    };
    let chosen = chosen.filter(|chosen| plan.selector.covers(chosen));
    let rule = "the identities are not the ones we sent";
    chosen.map(Some).ok_or(Refused::rule(NotifyType::INVALID_ID_INFORMATION, rule))
}

/// The lifetimes in a RESPONDER-LIFETIME notification (RFC 2407 section 4.6.3.1).
fn responder_lifetime(notification: &Notification) -> Option<OfferedLifetime> {
    if notification.notify_type != NotifyType::RESPONDER_LIFETIME {
        return None;
    }
    read_lifetime(&Attribute::decode_all(&mut Reader::new(&notification.data)).ok()?)
}

/// Makes the pair and sends message 3.
fn finish(
    plan: Plan,
    sent: &SentRequest,
    reply: &Reply,
    g_xy: Option<&[u8]>,
    phase1: &Established,
    step: &mut Step<'_, '_>,
) -> QuickMode {
    let names = step.names;
    let offer = reply.confirmed.offer;
    let ours = Spis {
        esp: plan.ours.esp.filter(|_| offer.esp.is_some()),
        ah: plan.ours.ah.filter(|_| offer.ah.is_some()),
    };
    let proposed = OfferedLifetime { seconds: offer.lifetime.seconds, kilobytes: offer.lifetime.kilobytes };
    let agreed = proposed.shortest(reply.responder_lifetime);
    let (local, peer) = (names.local.ip(), names.peer.ip());
    let selector = reply.narrowed.as_deref().unwrap_or(&plan.selector);
    // A one-way entry acquires; packets come back under the entry that would have authorised this pair.
    let kind = step.cx.node.kind_towards(peer);
    let inbound = step.cx.policy.spd.authorise(selector, plan.tunnel, local, peer, kind);
    let authorising = inbound.map_or(plan.acquire.entry, |(entry, _)| entry.id);
    let making = Making {
        pair: plan.pair,
        initiator: true,
        tunnel: plan.tunnel,
        selector,
        offer,
        lifetime: enforced(agreed, offer.lifetime, step.cx.node.config.default_lifetime),
        pfs: plan.pfs,
        ours,
        theirs: reply.confirmed.peer,
        ni_b: &sent.ni_b,
        nr_b: &reply.nr_b,
        g_xy,
        original: nat::original(names, &reply.said, false, None),
        entries: (authorising, plan.acquire.entry),
        replaces: plan.acquire.replaces,
    };
    let Some((inbound, outbound)) = making.bundles(phase1, names) else {
        let weak = IkeError::Unexpected("the derived key is weak");
        return QuickMode::Failed(plan.into_failed(FailureReason::Protocol(weak)));
    };
    let unused = [
        (IpsecProtocol::Esp, plan.ours.esp.filter(|_| ours.esp.is_none())),
        (IpsecProtocol::Ah, plan.ours.ah.filter(|_| ours.ah.is_none())),
    ];
    for (protocol, spi) in unused {
        step.cx.effects.extend(spi.map(|spi| Effect::ReleaseSpi { protocol, spi }));
    }
    install_inbound(&inbound, &outbound, step);
    let acquire = reply.narrowed.is_some().then_some(&plan.acquire);
    step.cx.node.pairs.note_narrowed(plan.pair, acquire, plan.acquire.replaces);
    let message_3 = confirm(sent, reply, phase1, step);
    let info = making.info((&inbound, &outbound), step);
    if reply.commit {
        // Message 3 is repeated until CONNECTED arrives, or a packet on the new pair, which says as much.
        step.send(&message_3, true);
        let made = Box::new(Made { outbound, info, iv: message_3.last_block });
        return QuickMode::Initiator(Initiator::WaitConnected { plan, made });
    }
    step.send(&message_3, false);
    send_on(&outbound, (plan.acquire.replaces, false), info, step);
    QuickMode::Finished
}

/// Sends on the new pair from now on, or when it is proven to work; what it replaces ends when the peer knows.
fn send_on(
    outbound: &BundleSpec,
    (replaces, proven): (Option<PairId>, bool),
    info: QuickModeInfo,
    step: &mut Step<'_, '_>,
) {
    install_outbound(outbound, replaces, proven, step);
    // The peer may send on the old pair until it has message 3, at the latest when its schedule ends. When both ends rekeyed
    // at once before, the pair that sends for neither of them is ended here as well; nobody else would do so.
    let deadline = step.cx.now + step.cx.node.linger();
    let outdone = step.cx.node.pairs.outdone_by(outbound.pair);
    for old in replaces.into_iter().chain(outdone) {
        step.cx.node.timers.set_first(TimerKey::Replaced(old), deadline);
    }
    step.cx.event(Event::QuickModeEstablished(info));
}

/// Makes message 3.
fn confirm(sent: &SentRequest, reply: &Reply, phase1: &Established, step: &mut Step<'_, '_>) -> Sent {
    let keys = &phase1.keys;
    let protection = Protection::Third {
        encryption: Encryption { key: &keys.key, iv: &reply.next_iv },
        alg: keys.alg,
        skeyid_a: &keys.skeyids.skeyid_a,
        ni_b: &sent.ni_b,
        nr_b: &reply.nr_b,
    };
    step.cx.node.outbox.send(step.header(), Vec::new(), protection)
}
