//! The responder's beginning: message 1 of main mode makes a half-open entry, message 3 makes an ISAKMP SA of it. Message
//! 1 of aggressive mode makes an ISAKMP SA at once, or nothing.

mod aggressive;

use alloc::vec;

use super::context::{Context, Step};
use super::failure::{Failure, FailureReason, IkeError, Phase, Progress};
use super::half_open::HalfOpen;
use super::outbox::Protection;
use super::proposal::phase1::{self, Choice};
use super::retransmit::Exchange;
use super::sa::{IsakmpSa, Names, SaId};
use super::timer::TimerKey;
use super::v1::credential::{self, Credential};
use super::v1::foreign;
use super::v1::main_mode::KeyExchange;
use super::v1::main_mode::responder::Responder;
use super::v1::nat_traversal::{Version, pretended};
use super::v1::phase1::Agreement;
use super::v1::vendor_id::{self, Capabilities, Occasion};
use super::v1::{NOT_WITH_SA, Received, none_of, sa_at};
use super::{Ike, IkeContext, context};
use crate::io::Event;
use crate::pad::{PadEntry, Phase1Exchange};
use crate::rng::Label;
use crate::wire::ikev1::{Notification, NotifyType, ProtocolId, SaPayload};
use crate::wire::isakmp::{Cookie, ExchangeType, Flags, Header, Payload};
use rand_core::Rng;

/// Seconds that an ISAKMP SA lives when the offer says nothing: RFC 2409 has no default, so that of RFC 2407 counts.
const DEFAULT_SECONDS: u32 = 28_800;

impl Ike {
    /// A message without a responder cookie: message 1 of a phase 1, or nothing.
    pub(super) fn receive_first(&mut self, received: &Received<'_>, cx: &mut IkeContext<'_>) {
        let (peer, header) = (received.peer, &received.header);
        if header.exchange_type == ExchangeType::INFORMATIONAL {
            // Peers that refuse message 1 may not bother to choose a cookie.
            if let Some(id) = self.by_cookies.get(&(header.cky_i, Cookie::ZERO)).copied() {
                return self.with(id, cx, |sa, cx| sa.note(received, cx));
            }
        }
        let alone = !self.is_established_with(peer.ip());
        let outer = cx;
        let mut cx = context(&mut self.node, outer);
        let cx = &mut cx;
        let begins = matches!(header.exchange_type, ExchangeType::MAIN_MODE | ExchangeType::AGGRESSIVE);
        if let Some(what) = foreign::of(header.exchange_type) {
            return cx.ignore(peer, IkeError::NotSupported(what));
        }
        if !begins || header.message_id != 0 {
            return cx.ignore(peer, IkeError::Unexpected("not the first message of a phase 1"));
        }
        if header.cky_i.is_zero() {
            let notify = NotifyType::INVALID_COOKIE.0;
            return cx
                .ignore(peer, IkeError::PeerMisbehaved { notify, rule: "the initiator cookie is zero" });
        }
        if let Some(half_open) = self.half_open.repeated(peer, &received.digest, cx.now) {
            return cx.send(half_open.local, half_open.peer, half_open.reply.clone());
        }
        let same_initiator = (header.cky_i, Cookie::ZERO)..=(header.cky_i, Cookie([0xff; 8]));
        for id in self.by_cookies.range(same_initiator).map(|(_, id)| id) {
            let Some(sa) = self.sas.get(id) else { continue };
            if sa.names.initiator {
                return cx.ignore(peer, IkeError::Unexpected("our own cookie, reflected"));
            }
            match sa.exchange.seen(&received.digest) {
                Some(Some(answer)) => return cx.send(sa.names.local, sa.names.peer, answer.to_vec()),
                Some(None) => {
                    return cx.ignore(peer, IkeError::Unexpected("a repetition, before there is an answer"));
                }
                None => {}
            }
        }
        if !self.admits_first(received, outer) {
            return;
        }
        let mut cx = context(&mut self.node, outer);
        let cx = &mut cx;
        if header.exchange_type == ExchangeType::AGGRESSIVE {
            let begun = aggressive::begin(received, alone, &self.sas, cx);
            return match begun {
                Ok(sa) => {
                    self.by_cookies.insert((sa.names.cky_i, sa.names.cky_r), sa.names.id);
                    self.sas.insert(sa.names.id, sa);
                }
                Err(error) => cx.ignore(peer, error),
            };
        }
        match answer_first(received, alone, cx) {
            Ok(half_open) => {
                let (local, cky_i) = (half_open.local, half_open.cky_i);
                let exchange = Phase1Exchange::MainMode;
                cx.event(Event::MainModeStarted { local, peer, exchange, initiator: false, cky_i });
                cx.send(local, peer, half_open.reply.clone());
                self.half_open.insert(half_open);
                self.half_open.sent(cx.node.config.responder_retransmit.as_ref(), cx.now);
                self.watch_half_open();
            }
            Err(error) => cx.ignore(peer, error),
        }
    }

    /// Sets the timer for the next message 2 that is repeated unasked, or the next entry whose time is over.
    pub(super) fn watch_half_open(&mut self) {
        match self.half_open.next_due() {
            Some(at) => self.node.timers.set(TimerKey::HalfOpen, at),
            None => self.node.timers.cancel(TimerKey::HalfOpen),
        }
    }

    /// Where the initiator is silent: gives up what it has had its time for, and sends message 2 again.
    pub(super) fn half_open_due(&mut self, cx: &mut IkeContext<'_>) {
        while let Some(half_open) = self.half_open.pop_expired(cx.now) {
            context(&mut self.node, cx).event(Event::Failed(half_open.given_up()));
        }
        // With few of them left, protection against too many ends.
        if let Some(protection) = self.node.config.dos_protection.filter(|_| self.node.dos_mode) {
            self.consider_protection(protection, cx);
        }
        let schedule = self.node.config.responder_retransmit.clone();
        let mut cx = context(&mut self.node, cx);
        while let Some(half_open) = self.half_open.pop_due(schedule.as_ref(), cx.now) {
            let (local, peer, cky_i) = (half_open.local, half_open.peer, half_open.cky_i);
            cx.event(Event::Retransmitted { peer, cky_i, message_id: 0, attempt: half_open.repeats });
            cx.send(local, peer, half_open.reply.clone());
        }
        self.watch_half_open();
    }

    /// Message 3: the peer receives what is sent to its address, and is worth an ISAKMP SA and Diffie-Hellman.
    pub(super) fn receive_third(&mut self, received: &Received<'_>, cx: &mut IkeContext<'_>) {
        let header = &received.header;
        if let Some(half_open) = self.half_open.repeated(received.peer, &received.digest, cx.now) {
            // Message 1 with the cookie that we asked for, again.
            let (local, peer, reply) = (half_open.local, half_open.peer, half_open.reply.clone());
            return context(&mut self.node, cx).send(local, peer, reply);
        }
        let Some(half_open) = self.half_open.get(header.cky_i, header.cky_r, cx.now) else { return };
        let mut cx = context(&mut self.node, cx);
        let cx = &mut cx;
        if header.exchange_type != ExchangeType::MAIN_MODE || header.message_id != 0 {
            return cx.ignore(received.peer, IkeError::Unexpected("main mode is not complete"));
        }
        let agreement = Agreement {
            proposal: half_open.chosen,
            lifetime_seconds: half_open.lifetime_seconds,
            shortened: half_open.shortened,
            sa_i_b: half_open.sa_i_b.clone(),
            credential: half_open.credential.clone(),
        };
        let version = Version::agreed(&half_open.we_can, &half_open.peer_can, half_open.peer.ip());
        let key_exchange = match KeyExchange::check(received, &agreement, version) {
            Ok(key_exchange) => key_exchange,
            Err(error) => return cx.ignore(received.peer, error),
        };
        // Who sees our answers need not know the key: main modes that only cost Diffie-Hellman are bounded as well.
        let limits = &cx.node.limits;
        let unproven = || self.sas.values().filter(|sa| sa.is_unproven(Phase1Exchange::MainMode));
        let of_source = unproven().filter(|sa| sa.names.peer.ip() == half_open.peer.ip()).count();
        if self.sas.len() >= limits.isakmp_sas
            || unproven().count() >= limits.half_open
            || of_source >= limits.half_open_per_source
        {
            return cx.ignore(received.peer, IkeError::Busy("the table of ISAKMP SAs"));
        }
        let Some(half_open) = self.half_open.take(header.cky_i, header.cky_r) else { return };
        let id = SaId(half_open.number);
        let mut exchange = Exchange::default();
        exchange.accepted(half_open.digest);
        exchange.sent(&half_open.reply, false, &cx.node.config.retransmit, cx.now);
        exchange.accepted(received.digest);
        let entry = cx.policy.pad.get(half_open.pad_entry);
        let pretend = cx.node.config.nat_traversal.pretend;
        let names = Names {
            id,
            local: half_open.local,
            peer: half_open.peer,
            initiator: false,
            cky_i: half_open.cky_i,
            cky_r: half_open.cky_r,
            pad_entry: half_open.pad_entry,
            exchange: Phase1Exchange::MainMode,
            identity: entry.and_then(|entry| entry.identity.clone()),
            peer_identities: entry.map(|entry| entry.peer_identities.clone()).unwrap_or_default(),
            found_by: None,
            started: half_open.born,
            alone: half_open.alone,
            we_can: half_open.we_can,
            peer_can: half_open.peer_can,
            fragmenting: false,
            pretend,
            nat: pretended(key_exchange.nat, pretend),
            floated: false,
            peer_id: None,
            client: id,
        };
        let mut step = Step { names: &names, exchange: &mut exchange, message_id: 0, cx };
        step.rest();
        let phase1 = Responder::start(agreement, key_exchange, &mut step);
        self.by_cookies.insert((names.cky_i, names.cky_r), id);
        let mut sa = IsakmpSa::new(names, phase1);
        (sa.exchange, sa.heard) = (exchange, true);
        self.sas.insert(id, sa);
        self.watch_half_open();
    }
}

/// Chooses from the offer in message 1 and makes message 2, or says why not.
fn answer_first(received: &Received<'_>, alone: bool, cx: &mut Context<'_>) -> Result<HalfOpen, IkeError> {
    let (local, peer) = (received.local, received.peer);
    let chain = received.clear()?;
    let place = sa_at(&chain, 0)?;
    none_of(&chain, &NOT_WITH_SA)?;
    // RFC2409-5-20: several offers are several transforms of one proposal.
    if chain.sa().is_some_and(|sa| sa.proposals.len() != 1) {
        let notify = NotifyType::BAD_PROPOSAL_SYNTAX.0;
        return Err(IkeError::PeerMisbehaved { notify, rule: "more than one proposal in phase 1" });
    }
    let policy = cx.policy;
    let Some(entry) = policy.pad.lookup(local.ip(), peer.ip()) else {
        return Err(fail(FailureReason::NoPolicy, "no policy for this peer", received, cx));
    };
    let Some(sa) = chain.sa() else { return Err(IkeError::Unexpected("no SA payload")) };
    let number = cx.node.next_number();
    match choose(sa, entry) {
        Ok((choice, credential)) => {
            let occasion = Occasion { peer: peer.ip(), alone, answered: Some(&chain) };
            Ok(half_open(received, number, chain.body(place), choice, (entry, credential), occasion, cx))
        }
        Err(reason) => {
            send_refusal(received, number, NotifyType::NO_PROPOSAL_CHOSEN, cx);
            Err(fail(reason, "no proposal chosen", received, cx))
        }
    }
}

/// What we take of an offer, and how we authenticate ourselves then; else why not.
fn choose(offered: &SaPayload, entry: &PadEntry) -> Result<(Choice, Credential), FailureReason> {
    let choice = phase1::choose(offered, &entry.proposals, &entry.methods).map_err(|refusals| {
        match phase1::no_common_method(offered, &entry.proposals, &entry.methods) {
            Some(offered) => {
                let wanted = entry.methods.iter().map(phase1::method_number).collect();
                FailureReason::NoCommonMethod { offered, wanted }
            }
            None => FailureReason::NoProposalChosen(refusals),
        }
    })?;
    let credential = Credential::of(&choice.method)?;
    Ok((choice, credential))
}

fn half_open(
    received: &Received<'_>,
    number: u64,
    sa_i_b: &[u8],
    choice: Choice,
    (entry, credential): (&PadEntry, Credential),
    occasion: Occasion<'_>,
    cx: &mut Context<'_>,
) -> HalfOpen {
    let Choice { reply, agreed, seconds, .. } = choice;
    let cky_i = received.header.cky_i;
    // A cookie that we asked for stays (MS-IKEE section 3.9.5.3).
    let cky_r = if received.header.cky_r.is_zero() { cx.cookie(number) } else { received.header.cky_r };
    let header = Header::new(cky_i, cky_r, ExchangeType::MAIN_MODE, Flags::NONE, 0);
    let (vendor_ids, we_can) = vendor_id::payloads(&cx.node.config.vendor_ids, occasion);
    let payloads = [Payload::Sa(reply)].into_iter().chain(vendor_ids).collect();
    let sent = cx.node.outbox.send(header, payloads, Protection::Clear);
    HalfOpen {
        local: received.local,
        peer: received.peer,
        cky_i,
        cky_r,
        number,
        born: cx.now,
        digest: received.digest,
        sa_i_b: sa_i_b.to_vec(),
        chosen: agreed,
        // Windows accepts any lifetime in main mode and says nothing; the shorter one is enforced.
        lifetime_seconds: seconds.unwrap_or(DEFAULT_SECONDS).min(entry.lifetime_seconds),
        shortened: entry.lifetime_seconds < seconds.unwrap_or(DEFAULT_SECONDS),
        pad_entry: entry.id,
        credential,
        alone: occasion.alone,
        we_can,
        peer_can: occasion.answered.map(Capabilities::of).unwrap_or_default(),
        reply: sent.datagram,
        repeats: 0,
        again: None,
    }
}

/// Tells the initiator in clear; it proves nothing, and may only explain a time-out.
fn send_refusal(received: &Received<'_>, number: u64, notify: NotifyType, cx: &mut Context<'_>) {
    let cky_r = cx.cookie(number);
    let message_id = cx.streams.stream(Label::MessageId, number).next_u32().max(1);
    let cky_i = received.header.cky_i;
    let header = Header::new(cky_i, cky_r, ExchangeType::INFORMATIONAL, Flags::NONE, message_id);
    let notification = Notification::new(ProtocolId::ISAKMP, vec![], notify);
    let sent = cx.node.outbox.send(header, vec![Payload::Notification(notification)], Protection::Clear);
    cx.send(received.local, received.peer, sent.datagram);
}

/// Reports a main mode that ends with its first message.
fn fail(
    reason: FailureReason,
    what: &'static str,
    received: &Received<'_>,
    cx: &mut Context<'_>,
) -> IkeError {
    let cky_i = received.header.cky_i;
    cx.event(Event::Failed(Failure {
        local: received.local,
        peer: received.peer,
        cky_i,
        initiator: false,
        phase: Phase::MainMode,
        entry: None,
        selector: None,
        method: credential::preferred(cx.policy.pad.lookup(received.local.ip(), received.peer.ip())),
        started: cx.now,
        progress: Progress::NotBegun,
        reason,
    }));
    IkeError::PeerIncompatible { notify: NotifyType::NO_PROPOSAL_CHOSEN.0, what }
}
