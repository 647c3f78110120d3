//! Messages, deadlines and results of work reach the exchange of an ISAKMP SA that they are for.

use core::net::SocketAddr;

use rand_core::Rng;

use super::nat_traversal::pretended;
use super::phase1::{Accepted, Established, Phase1};
use super::quick_mode::initiator::Initiator;
use super::quick_mode::responder::{Request, Responder};
use super::quick_mode::{self, QuickMode};
use super::{Checked, Received, Refused, credential, foreign};
use crate::config::PolicyDatabases;
use crate::ike::context::{Context, Step};
use crate::ike::effect::{Acquire, Effect};
use crate::ike::failure::{Failure, FailureReason, IkeError, Phase, Progress};
use crate::ike::identity;
use crate::ike::retransmit::{Due, Exchange};
use crate::ike::sa::{IsakmpSa, Names, QUICK_MODES, QuickModeExchange};
use crate::ike::timer::TimerKey;
use crate::io::{DeleteReason, Event};
use crate::natt;
use crate::rng::Label;
use crate::sad::IpsecProtocol;
use crate::selector::Selector;
use crate::spd::{Action, EntryId};
use crate::time::Instant;
use crate::wire::ikev1::{Notification, NotifyType, ProtocolId, SaPayload};
use crate::wire::isakmp::{ExchangeType, Payload, PayloadType};
use crate::work::{WorkId, WorkResult};

impl IsakmpSa {
    /// A message with the cookies of this SA arrived.
    pub(crate) fn receive(&mut self, received: &Received<'_>, cx: &mut Context<'_>) {
        self.heard = true;
        if received.header.next_payload == PayloadType::FRAGMENT && !received.header.flags.is_encrypted() {
            return self.receive_fragment(received, cx);
        }
        if self.deleted && received.header.exchange_type != ExchangeType::INFORMATIONAL {
            return cx.ignore(received.peer, IkeError::Unexpected("this ISAKMP SA is deleted"));
        }
        match (received.header.exchange_type, received.header.message_id) {
            // RFC 2409 section 5: the exchange type does not change within an exchange.
            (exchange, 0) if exchange == self.names.phase1_type() => self.receive_phase1(received, cx),
            (ExchangeType::QUICK_MODE, message_id) if message_id != 0 => {
                self.receive_quick_mode(received, message_id, cx);
            }
            (ExchangeType::INFORMATIONAL, _) => self.receive_informational(received, cx),
            (ExchangeType::MAIN_MODE | ExchangeType::AGGRESSIVE, 0) => {
                cx.ignore(
                    received.peer,
                    IkeError::Unexpected("another exchange than this phase 1 began with"),
                );
            }
            (ExchangeType::MAIN_MODE | ExchangeType::AGGRESSIVE | ExchangeType::QUICK_MODE, _) => {
                let rule = "message ID is zero in phase 1 and only there";
                let notify = NotifyType::INVALID_MESSAGE_ID.0;
                cx.ignore(received.peer, IkeError::PeerMisbehaved { notify, rule });
            }
            (exchange, _) => match foreign::of(exchange) {
                Some(what) => self.refuse_foreign(received, what, cx),
                None => cx.ignore(received.peer, IkeError::Unexpected("an exchange we do not have")),
            },
        }
    }

    fn receive_phase1(&mut self, received: &Received<'_>, cx: &mut Context<'_>) {
        if self.names.has_left(received.local) {
            return cx.ignore(received.peer, IkeError::Unexpected("phase 1 on the port that it has left"));
        }
        if repeat_answer(&self.exchange, &mut self.names, received, cx) {
            return;
        }
        if self.phase1.is_working() {
            keep_waiting(&mut self.exchange, received, cx);
            return;
        }
        match self.phase1.check(received, &self.names) {
            Err(error) => {
                if let IkeError::NotAvailable(method) = error {
                    self.noted = Some(FailureReason::MethodNotAvailable(alloc::vec![method]));
                }
                cx.ignore(received.peer, error);
            }
            Ok(Checked::Refused(refused)) => self.fail_phase1(refused.reason, self.phase1.progress(), cx),
            Ok(Checked::Accepted(accepted)) => {
                if self.names.should_have_moved(received, &accepted) {
                    let rule =
                        IkeError::Unexpected("a NAT was found, but the initiator is still on port 500");
                    return cx.ignore(received.peer, rule);
                }
                match &accepted {
                    Accepted::Sa { cky_r, peer_can, .. } => {
                        (self.names.cky_r, self.names.peer_can) = (*cky_r, *peer_can);
                    }
                    Accepted::Authenticated { id, nat, .. } => {
                        self.names.nat = self.names.nat.or(pretended(*nat, self.names.pretend));
                        self.names.peer_id.clone_from(id);
                        self.follow(received, cx);
                    }
                    Accepted::KeyExchange(key_exchange) => self.names.discovered(key_exchange.nat),
                    Accepted::Unproven(_) => {
                        return self.move_phase1(cx, |state, step| state.advance(accepted, step));
                    }
                }
                self.exchange.accepted(received.digest);
                self.move_phase1(cx, |state, step| {
                    step.rest();
                    state.advance(accepted, step)
                });
            }
        }
    }

    /// Message 2 of aggressive mode has proved itself: only now the SA has the responder's cookie.
    fn believe(&mut self, cx: &mut Context<'_>) {
        let Some(second) = self.phase1.proven() else { return };
        (self.names.cky_r, self.names.peer_can) = (second.cky_r, second.peer_can);
        let (digest, (local, peer), nat) = (second.digest, second.ends, second.ke.nat);
        self.names.peer_id = second.id.as_ref().and_then(identity::claimed);
        self.exchange.accepted(digest);
        self.follow_to(local, peer, cx);
        self.names.discovered(nat);
        self.move_phase1(cx, |state, step| {
            step.rest();
            state.conclude(step)
        });
    }

    /// Moves phase 1 on, and draws the conclusions.
    fn move_phase1(
        &mut self,
        cx: &mut Context<'_>,
        change: impl FnOnce(Phase1, &mut Step<'_, '_>) -> Phase1,
    ) {
        let (was_established, progress) = (self.established().is_some(), self.phase1.progress());
        let state = core::mem::replace(
            &mut self.phase1,
            Phase1::Failed(FailureReason::Deleted(DeleteReason::Abandoned)),
        );
        let mut step = Step { names: &self.names, exchange: &mut self.exchange, message_id: 0, cx };
        self.phase1 = change(state, &mut step);
        if let Phase1::Failed(reason) = &self.phase1 {
            let reason = reason.clone();
            self.fail_phase1(reason, progress, cx);
        } else if self.established().is_some() && !was_established {
            if self.names.is_forbidden_by(&cx.node.config) {
                return self.leave_responder(cx);
            }
            self.fresh = true;
            self.announce_lifetime(cx);
            let contact = self.names.contact();
            if cx.node.is_first_contact(&contact) {
                self.announce_first_contact(cx);
                cx.node.contacted(contact);
            }
        }
        if !self.phase1.is_working() {
            self.release_waiting(cx);
        }
    }

    /// NAT discovery found the responder where we must not speak to it. Nobody had proved anything then; now it has, so an
    /// attacker cannot end phase 1 so, and the responder can be told.
    fn leave_responder(&mut self, cx: &mut Context<'_>) {
        self.announce_end(cx);
        self.fail_phase1(FailureReason::ResponderBehindNat, Progress::IdProcessed, cx);
    }

    fn release_waiting(&mut self, cx: &mut Context<'_>) {
        for ((local, peer), datagram) in self.exchange.take_waiting() {
            if let Ok(received) = Received::new(local, peer, &datagram) {
                self.receive(&received, cx);
            }
        }
        self.reassemble_waiting(cx);
    }

    /// Phase 1 ends without an SA.
    pub(crate) fn fail_phase1(&mut self, reason: FailureReason, progress: Progress, cx: &mut Context<'_>) {
        if self.closed {
            return;
        }
        self.closed = true;
        let (entry, selector) =
            self.acquires.front().map(|acquire| (acquire.entry, acquire.selector.clone())).unzip();
        let (phase, started) = (Phase::MainMode, self.names.started);
        let initiator = self.names.initiator;
        // A peer that was not asked to the end is not silent: a new policy, say, ended it before.
        let silent = !self.heard && reason == FailureReason::NoResponse;
        let failure = Failing { phase, initiator, entry, selector, started, progress, reason };
        failure.report(self, cx);
        for acquire in core::mem::take(&mut self.acquires) {
            cx.effects.push(Effect::AcquireFailed { acquire, silent });
        }
    }

    /// Addresses and ports of a peer behind a NAT follow authenticated messages, as long as the same PAD entry allows the new
    /// ones.
    pub(crate) fn follow(&mut self, received: &Received<'_>, cx: &mut Context<'_>) {
        self.follow_to(received.local, received.peer, cx);
    }

    fn follow_to(&mut self, local: SocketAddr, peer: SocketAddr, cx: &mut Context<'_>) {
        self.last_authentic = Some(cx.now);
        let can_be = natt::reachable(peer) && peer.ip() != local.ip();
        if !can_be || !self.names.may_follow(local, self.established().is_some()) {
            return;
        }
        let allowed = self.names.entry_in(&cx.policy.pad, local.ip(), peer.ip());
        if allowed.is_some_and(|entry| entry.id == self.names.pad_entry) {
            (self.names.local, self.names.peer) = (local, peer);
        }
    }

    /// The deadline of phase 1 has come.
    pub(crate) fn phase1_due(&mut self, cx: &mut Context<'_>) {
        if self.established().is_some() {
            self.exchange.forget();
            return;
        }
        let trial = cx.node.config.soft_trial.as_ref().filter(|_| self.may_fall_back(cx.policy));
        let schedule = trial.unwrap_or_else(|| cx.node.phase1_schedule(self.names.initiator)).clone();
        match self.exchange.due(&schedule, cx.now) {
            Due::Resend { datagram, attempt, next } => {
                self.names.consider_fragmenting(&self.exchange, &schedule, cx.now);
                cx.node.timers.set(TimerKey::Phase1(self.names.id), next);
                self.resend(datagram, 0, attempt, cx);
            }
            Due::GiveUp => {
                let reason = match (self.heard, self.noted.take()) {
                    (false, _) => FailureReason::NoResponse,
                    (true, Some(reason)) => reason,
                    (true, None) => FailureReason::TimedOut(self.phase1.expectation()),
                };
                self.fail_phase1(reason, self.phase1.progress(), cx);
            }
        }
    }

    /// Whether nobody has answered, and everything that waits may go in clear if nobody does.
    fn may_fall_back(&self, policy: &PolicyDatabases) -> bool {
        let allowed = |acquire: &Acquire| match policy.spd.get(acquire.entry).map(|entry| &entry.action) {
            Some(Action::Protect(protect)) => protect.fallback,
            _ => false,
        };
        !self.heard && !self.acquires.is_empty() && self.acquires.iter().all(allowed)
    }

    fn resend(&self, datagram: alloc::vec::Vec<u8>, message_id: u32, attempt: u32, cx: &mut Context<'_>) {
        let (peer, cky_i) = (self.names.peer, self.names.cky_i);
        cx.event(Event::Retransmitted { peer, cky_i, message_id, attempt });
        cx.send_under(&self.names, self.names.local, peer, datagram);
    }

    /// A result of work arrived.
    pub(crate) fn work_done(
        &mut self,
        message_id: u32,
        id: WorkId,
        result: WorkResult,
        cx: &mut Context<'_>,
    ) {
        match message_id {
            0 => {
                self.move_phase1(cx, |state, step| state.complete(id, result, step));
                self.believe(cx);
            }
            _ => self.move_quick_mode(message_id, cx, |state, phase1, step| {
                state.complete(id, result, phase1, step)
            }),
        }
    }

    /// Begins quick modes for the acquires that wait, as far as there is room.
    pub(crate) fn start_quick_modes(&mut self, cx: &mut Context<'_>) {
        while self.established().is_some() && !self.closed && self.quick_modes.len() < QUICK_MODES {
            let Some(acquire) = self.acquires.pop_front() else { return };
            self.start_quick_mode(acquire, cx);
        }
    }

    fn start_quick_mode(&mut self, acquire: Acquire, cx: &mut Context<'_>) {
        let protect = cx.policy.spd.get(acquire.entry).and_then(|entry| match &entry.action {
            Action::Protect(protect) => Some(protect),
            Action::Bypass | Action::Discard | Action::Stateful => None,
        });
        let number = cx.node.next_number();
        let message_id = self.fresh_message_id(number, cx);
        let Phase1::Established(phase1) = &self.phase1 else { return };
        let mut exchange = Exchange::begun(cx.now);
        let names = &self.names;
        let mut step = Step { names, exchange: &mut exchange, message_id, cx };
        let started = match protect {
            Some(protect) => Initiator::start(&acquire, protect, phase1, &mut step),
            None => Err(FailureReason::NoPolicy),
        };
        match started {
            Ok(state) => {
                self.mark_used(message_id);
                self.quick_modes_begun = self.quick_modes_begun.saturating_add(1);
                self.quick_modes.insert(message_id, QuickModeExchange { state, exchange });
            }
            Err(reason) => {
                cx.node.timers.cancel(TimerKey::QuickMode(names.id, message_id));
                let failing = Failing {
                    entry: Some(acquire.entry),
                    selector: Some(acquire.selector.clone()),
                    ..Failing::refused(true, cx.now, reason)
                };
                failing.report(self, cx);
                cx.effects.push(Effect::AcquireFailed { acquire, silent: false });
            }
        }
    }

    /// A random message ID, not zero, that no exchange of this SA had lately (RFC2408-3.1-21).
    pub(crate) fn fresh_message_id(&self, number: u64, cx: &Context<'_>) -> u32 {
        let mut stream = cx.streams.stream(Label::MessageId, number);
        loop {
            let message_id = stream.next_u32();
            if message_id != 0 && !self.quick_modes.contains_key(&message_id) && !self.is_used(message_id) {
                return message_id;
            }
        }
    }

    pub(crate) fn receive_quick_mode(
        &mut self,
        received: &Received<'_>,
        message_id: u32,
        cx: &mut Context<'_>,
    ) {
        let Phase1::Established(phase1) = &self.phase1 else {
            // The peer is one message ahead: its first quick mode has overtaken the last message of main mode.
            return self.wait_for_phase1(received, cx);
        };
        let Some(quick_mode) = self.quick_modes.get_mut(&message_id) else {
            self.receive_request(received, message_id, cx);
            return;
        };
        if quick_mode.exchange.is_unanswered(&received.digest)
            && let QuickMode::Responded(connected) = &quick_mode.state
            && connected.is_asked_for(cx.now)
        {
            // Message 3 again: somebody has made its sender wait for CONNECTED.
            let exchange = &mut quick_mode.exchange;
            return connected.answer(phase1, &mut Step { names: &self.names, exchange, message_id, cx });
        }
        if repeat_answer(&quick_mode.exchange, &mut self.names, received, cx) {
            return;
        }
        if quick_mode.state.is_working() {
            keep_waiting(&mut quick_mode.exchange, received, cx);
            return;
        }
        match quick_mode.state.check(received, phase1, &self.names) {
            Err(error) => cx.ignore(received.peer, error),
            Ok(Checked::Refused(refused)) => {
                self.follow(received, cx);
                self.notify(refused.notify, ProtocolId::ISAKMP, &[], cx);
                self.fail_quick_mode(message_id, refused.reason, cx);
            }
            Ok(Checked::Accepted(accepted)) => {
                quick_mode.exchange.accepted(received.digest);
                self.follow(received, cx);
                // Its HASH covers a nonce of ours: it is new.
                self.hear(cx);
                self.move_quick_mode(message_id, cx, |state, phase1, step| {
                    step.rest();
                    state.advance(accepted, phase1, step)
                });
            }
        }
    }

    /// A message of phase 2 arrived before phase 1 is complete: it may have overtaken the last message, or that one is lost.
    /// In main mode its sender repeats it; of aggressive mode it is the last one, and repeated only when asked for.
    pub(crate) fn wait_for_phase1(&mut self, received: &Received<'_>, cx: &mut Context<'_>) {
        keep_waiting(&mut self.exchange, received, cx);
        if let (true, Some(message_2)) = (self.phase1.lacks_message_3(), self.exchange.last_answer()) {
            // To where it is now: with message 3 it may have changed ports (RFC 3947 section 4). The address has not
            // changed; whoever began the exchange himself could else have this sent to anybody, for a few octets each.
            if received.peer.ip() == self.names.peer.ip() {
                cx.send(received.local, received.peer, message_2.to_vec());
            }
        }
    }

    /// Message 1 of a quick mode that the peer begins.
    fn receive_request(&mut self, received: &Received<'_>, message_id: u32, cx: &mut Context<'_>) {
        let Phase1::Established(phase1) = &self.phase1 else { return };
        if self.is_used(message_id) {
            cx.ignore(received.peer, IkeError::Unexpected("the message ID of an earlier exchange"));
            return;
        }
        if self.quick_modes.len() >= QUICK_MODES {
            cx.ignore(received.peer, IkeError::Busy("the table of quick modes"));
            return;
        }
        let checked = match Request::check(received, phase1, &self.names) {
            Err(error) => return cx.ignore(received.peer, error),
            Ok(checked) => checked,
        };
        self.mark_used(message_id);
        self.follow(received, cx);
        if self.spent {
            // MS-IKEE section 3.8.7.2: invalidated, and not deleted explicitly. Others tell a peer that counts differently.
            if !cx.node.config.spent_sas_stay {
                self.announce_end(cx);
            }
            return cx
                .ignore(received.peer, IkeError::Unexpected("this ISAKMP SA has made all its quick modes"));
        }
        let Phase1::Established(phase1) = &self.phase1 else { return };
        let kind = cx.node.kind_towards(self.names.peer.ip());
        let decided = match checked {
            Checked::Accepted(request) => match request.decide(cx.policy, phase1, &self.names, kind) {
                Ok(decision) => Ok((request, decision)),
                Err((refused, entry)) => {
                    let asked = Asked { entry, selector: request.asked(&self.names), sa: Some(request.sa) };
                    Err((refused, asked))
                }
            },
            Checked::Refused(refused) => Err((refused, Asked::default())),
        };
        let mut exchange = Exchange::begun(cx.now);
        exchange.accepted(received.digest);
        match decided {
            Ok((request, decision)) => {
                self.quick_modes_begun = self.quick_modes_begun.saturating_add(1);
                let mut step = Step { names: &self.names, exchange: &mut exchange, message_id, cx };
                let state = Responder::start(request, decision, phase1, &mut step);
                self.quick_modes.insert(message_id, QuickModeExchange { state, exchange });
                self.conclude(message_id, cx);
            }
            Err((refused, asked)) => self.refuse(exchange, message_id, refused, asked, cx),
        }
    }

    /// Tells the peer why its quick mode is refused, and keeps that answer for repetitions.
    fn refuse(
        &mut self,
        mut exchange: Exchange,
        message_id: u32,
        refused: Refused,
        asked: Asked,
        cx: &mut Context<'_>,
    ) {
        let Asked { entry, selector, sa } = asked;
        let proposal = sa.as_ref().and_then(|sa| sa.proposals.first());
        let (protocol, spi) = proposal.map_or((ProtocolId::ISAKMP, &[][..]), |p| (p.protocol, &p.spi));
        if let Some(datagram) = self.notify(refused.notify, protocol, spi, cx) {
            exchange.sent(&datagram, false, &cx.node.config.retransmit, cx.now);
        }
        let deadline = cx.now + cx.node.linger();
        cx.node.timers.set(TimerKey::QuickMode(self.names.id, message_id), deadline);
        self.quick_modes.insert(message_id, QuickModeExchange { state: QuickMode::Finished, exchange });
        if refused.reason == FailureReason::NatDiscoveryDiffers {
            // No quick mode of this SA could succeed, as long as it lives.
            self.announce_end(cx);
            self.dead = true;
        }
        let progress = Progress::QuickModeProcessed;
        Failing { entry, selector, progress, ..Failing::refused(false, cx.now, refused.reason) }
            .report(self, cx);
    }

    /// Sends an error notification under the protection of this SA.
    pub(super) fn notify(
        &self,
        notify: NotifyType,
        protocol: ProtocolId,
        spi: &[u8],
        cx: &mut Context<'_>,
    ) -> Option<alloc::vec::Vec<u8>> {
        let notification = Notification::new(protocol, spi.to_vec(), notify);
        self.inform(alloc::vec![Payload::Notification(notification)], cx)
    }

    /// The first valid packet on a new pair stands for message 3, or for CONNECTED.
    pub(crate) fn confirm_quick_mode(&mut self, message_id: u32, cx: &mut Context<'_>) {
        let Some(quick_mode) = self.quick_modes.get_mut(&message_id) else { return };
        let accepted = match quick_mode.state {
            QuickMode::Responder(Responder::WaitMessage3 { .. }) => quick_mode::Accepted::Done(None),
            QuickMode::Initiator(Initiator::WaitConnected { .. }) => quick_mode::Accepted::Connected,
            _ => return,
        };
        quick_mode.exchange.stop();
        self.move_quick_mode(message_id, cx, |state, phase1, step| state.advance(accepted, phase1, step));
    }

    fn move_quick_mode(
        &mut self,
        message_id: u32,
        cx: &mut Context<'_>,
        change: impl FnOnce(QuickMode, &Established, &mut Step<'_, '_>) -> QuickMode,
    ) {
        let Phase1::Established(phase1) = &self.phase1 else { return };
        let Some(quick_mode) = self.quick_modes.get_mut(&message_id) else { return };
        let state = core::mem::replace(&mut quick_mode.state, QuickMode::Finished);
        let exchange = &mut quick_mode.exchange;
        let mut step = Step { names: &self.names, exchange, message_id, cx };
        quick_mode.state = change(state, phase1, &mut step);
        if !quick_mode.state.is_working() {
            let waiting = quick_mode.exchange.take_waiting();
            for ((local, peer), datagram) in waiting {
                if let Ok(received) = Received::new(local, peer, &datagram) {
                    self.receive(&received, cx);
                }
            }
        }
        self.conclude(message_id, cx);
    }

    /// Ends a quick mode without a pair.
    pub(crate) fn fail_quick_mode(&mut self, message_id: u32, reason: FailureReason, cx: &mut Context<'_>) {
        if let Some(quick_mode) = self.quick_modes.get_mut(&message_id) {
            let state = core::mem::replace(&mut quick_mode.state, QuickMode::Finished);
            quick_mode.state = state.fail(reason);
            quick_mode.exchange.stop();
            self.conclude(message_id, cx);
        }
    }

    /// Draws the conclusions of a quick mode that has failed, once.
    fn conclude(&mut self, message_id: u32, cx: &mut Context<'_>) {
        let Some(quick_mode) = self.quick_modes.get_mut(&message_id) else { return };
        let QuickMode::Failed(failed) = &mut quick_mode.state else { return };
        let (failed, started) = (failed.clone(), quick_mode.exchange.started());
        quick_mode.state = QuickMode::Finished;
        let deadline = cx.now + cx.node.linger();
        cx.node.timers.set(TimerKey::QuickMode(self.names.id, message_id), deadline);
        let reserved = [(IpsecProtocol::Esp, failed.reserved.esp), (IpsecProtocol::Ah, failed.reserved.ah)];
        for (protocol, spi) in reserved {
            cx.effects.extend(spi.map(|spi| Effect::ReleaseSpi { protocol, spi }));
        }
        let installed =
            failed.installed.and_then(|pair| cx.node.pairs.remove(pair).map(|known| (pair, known)));
        if let Some((pair, known)) = installed {
            // The initiator may have sent message 3, and then believes in a pair that does not exist.
            self.announce_deleted(&known.inbound, cx);
            cx.effects.push(Effect::DeleteSa { pair, why: DeleteReason::Abandoned });
        }
        let failing = Failing {
            phase: Phase::QuickMode,
            initiator: failed.initiator,
            entry: failed.entry,
            selector: Some(failed.selector),
            started,
            progress: failed.progress,
            reason: failed.reason,
        };
        failing.report(self, cx);
        if let Some(acquire) = failed.acquire {
            cx.effects.push(Effect::AcquireFailed { acquire, silent: false });
        }
    }

    /// The deadline of a quick mode has come.
    pub(crate) fn quick_mode_due(&mut self, message_id: u32, cx: &mut Context<'_>) {
        let Some(quick_mode) = self.quick_modes.get_mut(&message_id) else { return };
        if !quick_mode.state.is_active() {
            self.quick_modes.remove(&message_id);
            self.start_quick_modes(cx);
            return;
        }
        match quick_mode.exchange.due(&cx.node.config.retransmit, cx.now) {
            Due::Resend { datagram, attempt, next } => {
                self.names.consider_fragmenting(&quick_mode.exchange, &cx.node.config.retransmit, cx.now);
                cx.node.timers.set(TimerKey::QuickMode(self.names.id, message_id), next);
                self.resend(datagram, message_id, attempt, cx);
            }
            Due::GiveUp => {
                let expectation = quick_mode.state.expectation();
                let begun = cx.now - cx.node.linger();
                let unanswered = matches!(quick_mode.state, QuickMode::Initiator(_))
                    && self.last_authentic.is_none_or(|last| last <= begun);
                self.fail_quick_mode(message_id, FailureReason::TimedOut(expectation), cx);
                // The peer has lost this SA, or is gone: the next acquire begins with a new main mode.
                self.dead |= unanswered;
            }
        }
    }
}

/// Sends the answer of a message again that was answered before, to where the repetition came from: if somebody on the path
/// altered ports or addresses of the first one, its answer went astray. False when the message is new.
fn repeat_answer(
    exchange: &Exchange,
    names: &mut Names,
    received: &Received<'_>,
    cx: &mut Context<'_>,
) -> bool {
    match exchange.seen(&received.digest) {
        Some(Some(answer)) => {
            names.consider_fragmenting(exchange, &cx.node.config.retransmit, cx.now);
            cx.send_under(names, received.local, received.peer, answer.to_vec());
        }
        Some(None) => cx.ignore(received.peer, IkeError::Unexpected("a repetition that needs no answer")),
        None => return false,
    }
    true
}

fn keep_waiting(exchange: &mut Exchange, received: &Received<'_>, cx: &mut Context<'_>) {
    if !exchange.wait((received.local, received.peer), received.datagram) {
        cx.ignore(received.peer, IkeError::Busy("the queue behind work"));
    }
}

/// What a quick mode asked for that was refused, as far as it could be read.
#[derive(Default)]
struct Asked {
    entry: Option<EntryId>,
    selector: Option<Selector>,
    sa: Option<SaPayload>,
}

/// A failure, but for what names its ISAKMP SA.
struct Failing {
    phase: Phase,
    initiator: bool,
    entry: Option<EntryId>,
    selector: Option<Selector>,
    started: Instant,
    progress: Progress,
    reason: FailureReason,
}

impl Failing {
    /// Of a quick mode that ends where it begins.
    fn refused(initiator: bool, now: Instant, reason: FailureReason) -> Self {
        let (phase, progress) = (Phase::QuickMode, Progress::IdProcessed);
        Failing { phase, initiator, entry: None, selector: None, started: now, progress, reason }
    }

    fn report(self, sa: &IsakmpSa, cx: &mut Context<'_>) {
        let names = &sa.names;
        let agreed = sa.established().map(|phase1| phase1.credential.method());
        let method = agreed.or_else(|| credential::preferred(cx.policy.pad.get(names.pad_entry)));
        let Failing { phase, initiator, entry, selector, started, progress, reason } = self;
        let (local, peer, cky_i) = (names.local, names.peer, names.cky_i);
        cx.event(Event::Failed(Failure {
            local,
            peer,
            cky_i,
            initiator,
            phase,
            entry,
            selector,
            method,
            started,
            progress,
            reason,
        }));
    }
}
