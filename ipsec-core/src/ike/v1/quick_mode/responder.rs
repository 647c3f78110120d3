//! Quick mode as the responder; states are named for the message they expect.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::connected::Connected;
use super::{
    Accepted, Checked, Failed, Making, QuickMode, authentic, enforced, identity, install_inbound,
    install_outbound, nat, pfs_group, responder_lifetime,
};
use crate::config::PolicyDatabases;
use crate::crypto::{Group, Secret};
use crate::ike::context::Step;
use crate::ike::failure::{FailureReason, IkeError, Progress};
use crate::ike::outbox::{Encryption, Protection};
use crate::ike::proposal::phase2::{self, Choice, Spis, Wanted, lifetime_attributes};
use crate::ike::sa::Names;
use crate::ike::v1::phase1::Established;
use crate::ike::v1::{Received, Refused, at_most_one, auth, check_public, keymat, one, sa_at, verify_hash};
use crate::interface::ConnectionKind;
use crate::io::Event;
use crate::sad::{BundleSpec, IpsecProtocol, OriginalAddresses, PairId, Spi};
use crate::selector::{AddressRange, Selector};
use crate::spd::{EntryId, Lifetime};
use crate::wire::Writer;
use crate::wire::ikev1::{
    Identification, KeyExchange, Nonce, Notification, NotifyType, ProtocolId, SaPayload,
};
use crate::wire::isakmp::{Chain, Flags, Payload, PayloadType};
use crate::work::{Work, WorkId, WorkResult};

/// What the responder waits for.
#[derive(Clone, Debug)]
pub(crate) enum Responder {
    /// Both Diffie-Hellman values (only with perfect forward secrecy).
    Compute { plan: Plan, public: (WorkId, Option<Secret>), shared: (WorkId, Option<Secret>) },
    /// The initiator's confirmation.
    WaitMessage3 { plan: Plan, answer: Answer },
}

/// Message 1 as far as it can be judged without policy.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) sa: SaPayload,
    next_iv: Vec<u8>,
    ni_b: Vec<u8>,
    g_xi: Option<Vec<u8>>,
    ids: Option<(Identification, Identification)>,
    /// The original addresses.
    said: Vec<IpAddr>,
}

/// What was decided about message 1.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) ours: Spis,
    request: Request,
    entry: EntryId,
    selector: Selector,
    tunnel: bool,
    pfs: Option<Group>,
    choice: Choice,
    pair: PairId,
    number: u64,
}

/// What a decision needs of the policy.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    entry: EntryId,
    selector: Selector,
    tunnel: bool,
    pfs: Option<Group>,
    choice: Choice,
}

/// What message 2 leaves for message 3.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    iv: Vec<u8>,
    nr_b: Vec<u8>,
    g_xy: Option<Secret>,
    lifetime: Lifetime,
    /// Inbound and outbound SAs.
    bundles: Box<(BundleSpec, BundleSpec)>,
}

impl Request {
    /// Reads message 1. An error means that it is not authentic; a refusal, that it is authentic and malformed.
    pub(crate) fn check(
        received: &Received<'_>,
        phase1: &Established,
        names: &Names,
    ) -> Result<Checked<Request>, IkeError> {
        let keys = &phase1.keys;
        let message_id = received.header.message_id;
        let iv = keymat::phase_2_iv(keys.alg, &phase1.last_block, message_id, keys.key.cipher());
        let (chain, next_iv) = authentic(received, phase1, &iv, &[], "HASH(1)")?;
        Ok(match Request::read(&chain, next_iv, names) {
            Ok(request) => Checked::Accepted(request),
            Err(error) => Checked::Refused(Refused {
                notify: NotifyType::PAYLOAD_MALFORMED,
                reason: FailureReason::Protocol(error),
            }),
        })
    }

    fn read(chain: &Chain, next_iv: Vec<u8>, names: &Names) -> Result<Request, IkeError> {
        sa_at(chain, 1)?;
        let malformed = |rule| IkeError::PeerMisbehaved { notify: NotifyType::PAYLOAD_MALFORMED.0, rule };
        let sa = chain.sa().cloned().ok_or(malformed("SA is missing"))?;
        let ni_b = chain.body(one(chain, PayloadType::NONCE)?).to_vec();
        let ke = at_most_one(chain, PayloadType::KEY_EXCHANGE)?;
        if !phase2::is_well_formed(&sa, ke.is_some()) {
            return Err(malformed("proposals out of order, or offers with and without PFS"));
        }
        let ids: Vec<&Identification> = chain.identifications().collect();
        let ids = match ids.as_slice() {
            [] => None,
            [id_ci, id_cr] => Some(((*id_ci).clone(), (*id_cr).clone())),
            _ => return Err(malformed("one identity, or more than two")),
        };
        let g_xi = ke.map(|place| chain.body(place).to_vec());
        Ok(Request { sa, next_iv, ni_b, g_xi, ids, said: nat::read(chain, names)? })
    }

    /// The traffic that is asked for, our side local: without identities, all between the two ends.
    fn selector(&self, names: &Names, tunnel: bool) -> Option<Selector> {
        let single = |address| AddressRange::single(address);
        match &self.ids {
            Some(ids) if !tunnel => nat::seen(names, ids),
            Some((id_ci, id_cr)) => identity::decode(id_cr, id_ci),
            None => Some(Selector::between(single(names.local.ip()), single(names.peer.ip()))),
        }
    }

    /// The traffic of a request that was refused, in the first mode that it asks for.
    pub(crate) fn asked(&self, names: &Names) -> Option<Selector> {
        let modes = phase2::modes(&self.sa, nat::version(names));
        self.selector(names, modes.first().copied().unwrap_or_default())
    }

    /// Judges the request by policy, on a connection of this kind.
    pub(crate) fn decide(
        &self,
        policy: &PolicyDatabases,
        phase1: &Established,
        names: &Names,
        kind: ConnectionKind,
    ) -> Result<Decision, (Refused, Option<EntryId>)> {
        let (local, peer) = (names.local.ip(), names.peer.ip());
        let no_policy =
            Refused { notify: NotifyType::INVALID_ID_INFORMATION, reason: FailureReason::NoPolicy };
        let nat = nat::version(names);
        let mut modes = phase2::modes(&self.sa, nat);
        if modes.is_empty() {
            // None that we know or may use: to be refused as such, with the mode in the explanation.
            modes = vec![false, true];
        }
        let mut refused: Option<(FailureReason, EntryId)> = None;
        for tunnel in modes {
            let Some(selector) = self.selector(names, tunnel) else { continue };
            // Transport mode protects traffic between the two ends, nothing else (RFC4301-4.1-14).
            let ends = [AddressRange::single(local)] == *selector.local
                && [AddressRange::single(peer)] == *selector.remote;
            if !tunnel && !ends {
                continue;
            }
            let Some((entry, protect)) = policy.spd.authorise(&selector, tunnel, local, peer, kind) else {
                continue;
            };
            let pfs = pfs_group(protect.pfs, &phase1.proposal);
            match phase2::choose(&self.sa, &Wanted { offers: &protect.offers, tunnel, pfs, nat }) {
                Ok(choice) => {
                    self.check_ke(pfs).map_err(|refused| (refused, Some(entry.id)))?;
                    return Ok(Decision { entry: entry.id, selector, tunnel, pfs, choice });
                }
                Err(refusals) => {
                    let ah_only = nat.is_some() && phase2::is_ah_everywhere(&self.sa);
                    let reason = if ah_only || nat::passable(&protect.offers, names).is_err() {
                        FailureReason::AhAcrossNat
                    } else if nat::is_found_by_peer_alone(&self.sa, names) {
                        FailureReason::NatDiscoveryDiffers
                    } else {
                        FailureReason::NoProposalChosen(refusals)
                    };
                    refused = refused.or(Some((reason, entry.id)));
                }
            }
        }
        Err(match refused {
            Some((reason, entry)) => {
                (Refused { notify: NotifyType::NO_PROPOSAL_CHOSEN, reason }, Some(entry))
            }
            None => (no_policy, None),
        })
    }

    fn check_ke(&self, pfs: Option<Group>) -> Result<(), Refused> {
        let notify = NotifyType::INVALID_KEY_INFORMATION;
        match (pfs, &self.g_xi) {
            (None, None) => Ok(()),
            (Some(group), Some(public)) => check_public(group, public)
                .map_err(|error| Refused { notify, reason: FailureReason::Protocol(error) }),
            (Some(_), None) => Err(Refused::rule(notify, "PFS was agreed, but KE is missing")),
            (None, Some(_)) => Err(Refused::rule(notify, "KE without PFS")),
        }
    }
}

impl Responder {
    /// Message 1 was accepted.
    pub(crate) fn start(
        request: Request,
        decision: Decision,
        phase1: &Established,
        step: &mut Step<'_, '_>,
    ) -> QuickMode {
        let Decision { entry, selector, tunnel, pfs, choice } = decision;
        let streams = step.cx.streams;
        let number = step.cx.node.next_number();
        let ours = Spis {
            esp: choice.peer.esp.map(|_| step.cx.sad.reserve_spi(IpsecProtocol::Esp, streams)),
            ah: choice.peer.ah.map(|_| step.cx.sad.reserve_spi(IpsecProtocol::Ah, streams)),
        };
        let pair = step.cx.node.next_pair();
        let peer_public = request.g_xi.clone();
        let plan = Plan { ours, request, entry, selector, tunnel, pfs, choice, pair, number };
        step.rest();
        let (Some(group), Some(peer_public)) = (pfs, peer_public) else {
            return respond(plan, None, None, phase1, step);
        };
        let secret = step.cx.exponent(number, group);
        let public = step.work(Work::DhPublic { group, secret: secret.clone() });
        let shared = step.work(Work::DhShared { group, secret, peer_public });
        QuickMode::Responder(Responder::Compute { plan, public: (public, None), shared: (shared, None) })
    }

    pub(crate) fn check(
        &self,
        received: &Received<'_>,
        phase1: &Established,
    ) -> Result<Checked<Accepted>, IkeError> {
        let Responder::WaitMessage3 { plan, answer } = self else {
            return Err(IkeError::Unexpected("work is under way"));
        };
        let keys = &phase1.keys;
        let (chain, next_iv) = received.decrypt(Encryption { key: &keys.key, iv: &answer.iv })?;
        let message_id = received.header.message_id;
        let (ni_b, nr_b) = (&plan.request.ni_b, &answer.nr_b);
        let expected = auth::hash_3(keys.alg, &keys.skeyids.skeyid_a, message_id, ni_b, nr_b);
        verify_hash(&chain, 0, &expected, "HASH(3)")?;
        Ok(Checked::Accepted(Accepted::Done(Some(next_iv))))
    }

    /// Message 3, or a packet on the new pair: the initiator has everything.
    pub(crate) fn advance(
        self,
        accepted: Accepted,
        phase1: &Established,
        step: &mut Step<'_, '_>,
    ) -> QuickMode {
        let (Responder::WaitMessage3 { plan, answer }, Accepted::Done(iv)) = (self.clone(), accepted) else {
            return QuickMode::Responder(self);
        };
        let (inbound, outbound) = &*answer.bundles;
        let original = inbound.udp.and_then(|udp| udp.original);
        let making = plan.making(&answer.nr_b, answer.g_xy.as_deref(), answer.lifetime, original);
        let connected = iv.zip(plan.spi()).map(|(iv, spi)| Connected::new(step.cx.now, iv, spi));
        let asked = step.cx.node.config.commit_bit;
        if let Some(connected) = connected.as_ref().filter(|_| asked) {
            let message_4 = connected.message(phase1, step);
            step.send(&message_4, false);
        }
        install_outbound(outbound, None, true, step);
        step.cx.event(Event::QuickModeEstablished(making.info((inbound, outbound), step)));
        step.rest();
        match connected {
            Some(connected) if !asked => QuickMode::Responded(connected),
            _ => QuickMode::Finished,
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
        let Responder::Compute { plan, mut public, mut shared } = self else {
            return QuickMode::Responder(self);
        };
        match id {
            id if id == public.0 => public.1 = Some(bytes),
            id if id == shared.0 => shared.1 = Some(bytes),
            _ => {}
        }
        match (&public.1, &shared.1) {
            (Some(value), Some(g_xy)) => {
                respond(plan, Some(value.to_vec()), Some(g_xy.clone()), phase1, step)
            }
            _ => QuickMode::Responder(Responder::Compute { plan, public, shared }),
        }
    }

    pub(crate) fn plan(&self) -> &Plan {
        match self {
            Responder::Compute { plan, .. } | Responder::WaitMessage3 { plan, .. } => plan,
        }
    }

    pub(crate) fn into_failed(self, reason: FailureReason) -> Failed {
        match self {
            Responder::Compute { plan, .. } => plan.into_failed(reason),
            Responder::WaitMessage3 { plan, .. } => {
                let installed = Some(plan.pair);
                Failed { installed, reserved: Spis::default(), ..plan.into_failed(reason) }
            }
        }
    }

    pub(crate) fn is_working(&self) -> bool {
        matches!(self, Responder::Compute { .. })
    }

    pub(crate) fn expectation(&self) -> &'static str {
        match self {
            Responder::Compute { .. } => "computing Diffie-Hellman values",
            Responder::WaitMessage3 { .. } => "waiting for quick mode message 3",
        }
    }
}

impl Plan {
    fn into_failed(self, reason: FailureReason) -> Failed {
        Failed {
            reason,
            initiator: false,
            entry: Some(self.entry),
            selector: self.selector,
            progress: Progress::QuickModeProcessed,
            acquire: None,
            reserved: self.ours,
            installed: None,
        }
    }

    fn making<'a>(
        &'a self,
        nr_b: &'a [u8],
        g_xy: Option<&'a [u8]>,
        lifetime: Lifetime,
        original: Option<OriginalAddresses>,
    ) -> Making<'a> {
        let entries = (self.entry, self.entry);
        Making {
            pair: self.pair,
            initiator: false,
            tunnel: self.tunnel,
            selector: &self.selector,
            offer: self.choice.offer,
            lifetime,
            pfs: self.pfs,
            ours: self.ours,
            theirs: self.choice.peer,
            ni_b: &self.request.ni_b,
            nr_b,
            g_xy,
            original,
            entries,
            replaces: None,
        }
    }

    /// What notifications name the pair by: our inbound SPI, that of ESP when there are two.
    fn spi(&self) -> Option<(ProtocolId, Spi)> {
        let esp = self.ours.esp.map(|spi| (ProtocolId::ESP, spi));
        esp.or(self.ours.ah.map(|spi| (ProtocolId::AH, spi)))
    }

    /// REPLAY-STATUS (RFC 2407 section 4.6.3.2): repetitions are refused wherever there is integrity.
    fn replay_status(&self) -> Option<Payload> {
        let (protocol, spi) = self.spi()?;
        let offer = &self.choice.offer;
        let enabled = offer.ah.is_some() || offer.esp.is_some_and(|esp| esp.mac.is_some());
        let spi = spi.0.to_be_bytes().to_vec();
        let notification = Notification::new(protocol, spi, NotifyType::REPLAY_STATUS);
        let data = u32::from(enabled).to_be_bytes().to_vec();
        Some(Payload::Notification(Notification { data, ..notification }))
    }

    /// RESPONDER-LIFETIME, when our policy is stricter than the offer: for the SA with our inbound SPI.
    fn lifetime_notification(&self) -> Option<Payload> {
        let ours = responder_lifetime(self.choice.lifetime, self.choice.offer.lifetime)?;
        let (protocol, spi) = self.spi()?;
        let mut w = Writer::new();
        lifetime_attributes(ours.seconds, ours.kilobytes)
            .iter()
            .for_each(|attribute| attribute.encode(&mut w));
        let spi = spi.0.to_be_bytes().to_vec();
        let notification = Notification::new(protocol, spi, NotifyType::RESPONDER_LIFETIME);
        Some(Payload::Notification(Notification { data: w.into_bytes(), ..notification }))
    }
}

/// Makes the pair, installs its inbound half and sends message 2.
fn respond(
    plan: Plan,
    public: Option<Vec<u8>>,
    g_xy: Option<Secret>,
    phase1: &Established,
    step: &mut Step<'_, '_>,
) -> QuickMode {
    let mut payloads = vec![Payload::Sa(plan.choice.reply(&plan.ours))];
    payloads.push(Payload::Nonce(Nonce { data: step.cx.nonce(plan.number) }));
    payloads.extend(public.map(|data| Payload::KeyExchange(KeyExchange { data })));
    let ids = plan.request.ids.clone();
    payloads.extend(ids.into_iter().flat_map(|(id_ci, id_cr)| [id_ci, id_cr].map(Payload::Identification)));
    payloads.extend(nat::original_addresses(plan.tunnel, false, step));
    payloads.extend(plan.lifetime_notification());
    if step.cx.node.config.replay_status {
        payloads.extend(plan.replay_status());
    }
    let keys = &phase1.keys;
    let protection = Protection::Phase2 {
        encryption: Encryption { key: &keys.key, iv: &plan.request.next_iv },
        alg: keys.alg,
        skeyid_a: &keys.skeyids.skeyid_a,
        ni_b: &plan.request.ni_b,
    };
    let mut header = step.header();
    if step.cx.node.config.commit_bit {
        header.flags |= Flags::COMMIT;
    }
    let sent = step.cx.node.outbox.send(header, payloads, protection);
    let nr_b = sent.body(PayloadType::NONCE, 0).to_vec();
    let default = step.cx.node.config.default_lifetime;
    let lifetime = enforced(plan.choice.lifetime, plan.choice.offer.lifetime, default);
    let original = nat::original(step.names, &plan.request.said, true, plan.request.ids.as_ref());
    let making = plan.making(&nr_b, g_xy.as_deref(), lifetime, original);
    let Some((inbound, outbound)) = making.bundles(phase1, step.names) else {
        let weak = IkeError::Unexpected("the derived key is weak");
        return QuickMode::Failed(plan.into_failed(FailureReason::Protocol(weak)));
    };
    install_inbound(&inbound, &outbound, step);
    step.send(&sent, true);
    let answer = Answer { iv: sent.last_block, nr_b, g_xy, lifetime, bundles: Box::new((inbound, outbound)) };
    QuickMode::Responder(Responder::WaitMessage3 { plan, answer })
}
