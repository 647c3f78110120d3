//! Dead peer detection (RFC 3706): R-U-THERE and R-U-THERE-ACK under an ISAKMP SA.
//!
//! Asked is only who matters: a peer to which traffic was sent, and which has given no proof of life for a while (section
//! 5.5). Proof is what cannot have been recorded earlier and held back: an ESP or AH packet past the replay window, a message of
//! quick mode that hashes a nonce of ours, an acknowledgement of the number that we asked with, or a question with a new
//! number. Any other authentic message might be old.
//!
//! A question that is repeated keeps its number and gets a message ID of its own, because message IDs are used once; so an
//! answer that was lost can be given again, and the same bytes again get nothing.

use alloc::vec;
use alloc::vec::Vec;

use rand_core::Rng;

use crate::ike::context::Context;
use crate::ike::failure::IkeError;
use crate::ike::sa::IsakmpSa;
use crate::ike::timer::TimerKey;
use crate::io::{DpdStep, Event};
use crate::rng::Label;
use crate::time::Instant;
use crate::wire::ikev1::{Notification, NotifyType, ProtocolId};
use crate::wire::isakmp::Payload;

/// How far a peer's number may be ahead of its last one: questions may have been lost (RFC 3706 section 6.2: a window is an
/// implementation's choice).
const AHEAD: u32 = 8;

/// What an ISAKMP SA knows of the life of its peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Liveness {
    /// When the peer last proved to be alive, since phase 1 did.
    heard: Instant,
    /// When traffic last left for it.
    sent: Option<Instant>,
    /// The number that waits for its acknowledgement, and how often it was sent after the first time.
    asked: Option<(u32, u32)>,
    /// The number of our next question, once there was one.
    next: Option<u32>,
    /// The number of the peer's last question.
    of_peer: Option<u32>,
}

impl IsakmpSa {
    /// Whether dead peer detection is in force (RFC3706-5.1-02).
    pub(crate) fn has_dead_peer_detection(&self) -> bool {
        self.established().is_some()
            && !self.deleted
            && !self.closed
            && self.names.both(|can| can.dead_peer_detection)
    }

    /// When the peer last proved to be alive.
    pub(crate) fn last_heard(&self) -> Instant {
        let since = self.established().map(|established| established.since).unwrap_or_default();
        self.liveness.heard.max(since)
    }

    /// Whether an answer is waited for.
    pub(crate) fn is_asking(&self) -> bool {
        self.liveness.asked.is_some()
    }

    /// The peer has proved to be alive.
    pub(crate) fn hear(&mut self, cx: &mut Context<'_>) {
        self.liveness.heard = cx.now;
        if self.liveness.asked.take().is_some() {
            cx.node.timers.cancel(TimerKey::Liveness(self.names.id));
        }
    }

    /// Traffic left for the peer: its life is of interest (RFC3706-5.4-01).
    pub(crate) fn spoke(&mut self, cx: &mut Context<'_>) {
        self.liveness.sent = Some(cx.now);
        self.wonder(cx);
    }

    /// Asks if it is time to, or sets the time.
    fn wonder(&mut self, cx: &mut Context<'_>) {
        let Some(config) = &cx.node.config.dead_peer_detection else { return };
        if self.is_asking() || !self.has_dead_peer_detection() {
            return;
        }
        // RFC3706-5.4-02, RFC3706-5.4-03: traffic from the peer is proof enough.
        let worry = self.last_heard() + config.idle;
        if cx.now < worry {
            return cx.node.timers.set_first(TimerKey::Liveness(self.names.id), worry);
        }
        let sequence = self.liveness.next.unwrap_or_else(|| {
            // RFC3706-6.2-02, RFC3706-6.2-03: random, with the high bit zero.
            cx.streams.stream(Label::DeadPeer, self.names.id.0).next_u32() >> 1
        });
        self.liveness.next = Some(sequence.wrapping_add(1));
        self.ask(sequence, 0, cx);
    }

    /// The deadline has come: of silence, or of an answer.
    pub(crate) fn liveness_due(&mut self, cx: &mut Context<'_>) {
        match self.liveness.asked {
            None if self.liveness.sent.is_some_and(|sent| sent > self.last_heard()) => self.wonder(cx),
            None => {}
            Some((sequence, attempt)) => self.ask(sequence, attempt + 1, cx),
        }
    }

    /// Sends R-U-THERE, or gives up.
    fn ask(&mut self, sequence: u32, attempt: u32, cx: &mut Context<'_>) {
        let schedule = cx.node.config.dead_peer_detection.as_ref().map(|config| &config.retransmit);
        let (peer, cky_i) = (self.names.peer, self.names.cky_i);
        match schedule.and_then(|schedule| schedule.wait_after(usize::try_from(attempt).ok()?)) {
            Some(wait) => {
                self.liveness.asked = Some((sequence, attempt));
                cx.node.timers.set(TimerKey::Liveness(self.names.id), cx.now + wait);
                cx.event(Event::DeadPeerDetection {
                    peer,
                    cky_i,
                    step: DpdStep::Asked { sequence, attempt },
                });
                self.say(NotifyType::R_U_THERE, sequence, cx);
            }
            None => {
                self.liveness.asked = None;
                self.unreachable = true;
                cx.event(Event::DeadPeerDetection { peer, cky_i, step: DpdStep::Dead });
            }
        }
    }

    /// Sends one of the two notifications: of the IPsec DOI, about ISAKMP, with both cookies and the number (section 5.3).
    fn say(&self, notify: NotifyType, sequence: u32, cx: &mut Context<'_>) {
        let mut notification = Notification::new(ProtocolId::ISAKMP, self.both_cookies(), notify);
        notification.data = sequence.to_be_bytes().to_vec();
        self.inform(vec![Payload::Notification(notification)], cx);
    }

    fn both_cookies(&self) -> Vec<u8> {
        [self.names.cky_i.0, self.names.cky_r.0].concat()
    }

    /// An authenticated R-U-THERE or R-U-THERE-ACK arrived.
    pub(crate) fn notified_of_life(&mut self, notification: &Notification, cx: &mut Context<'_>) {
        let heard = self.number(notification).and_then(|sequence| match notification.notify_type {
            NotifyType::R_U_THERE => self.asked_by_peer(sequence, cx),
            _ => self.acknowledged(sequence, cx),
        });
        if let Err(error) = heard {
            cx.ignore(self.names.peer, error);
        }
    }

    /// The sequence number of a well-formed notification about this SA (RFC3706-5.3-06, RFC3706-6.1-04).
    fn number(&self, notification: &Notification) -> Result<u32, IkeError> {
        let broken = |rule| Err(IkeError::PeerMisbehaved { notify: notification.notify_type.0, rule });
        if notification.protocol != ProtocolId::ISAKMP || notification.spi != self.both_cookies() {
            return broken("dead peer detection is about this ISAKMP SA and names its cookies");
        }
        match <[u8; 4]>::try_from(notification.data.as_slice()) {
            Ok(number) => Ok(u32::from_be_bytes(number)),
            Err(_) => broken("a sequence number of dead peer detection has four octets"),
        }
    }

    fn asked_by_peer(&mut self, sequence: u32, cx: &mut Context<'_>) -> Result<(), IkeError> {
        // RFC3706-5.2-01: whoever announced it answers.
        if !self.names.we_can.dead_peer_detection {
            return Err(IkeError::Unexpected("R-U-THERE, without dead peer detection"));
        }
        // RFC3706-6.2-06: the number goes up; the last one again is a repetition whose answer was lost.
        let ahead = self.liveness.of_peer.map(|last| sequence.wrapping_sub(last));
        if ahead.is_some_and(|ahead| ahead > AHEAD) {
            return Err(IkeError::Unexpected("R-U-THERE with a number that is not the next one"));
        }
        self.liveness.of_peer = Some(sequence);
        if ahead != Some(0) {
            self.hear(cx);
        }
        self.say(NotifyType::R_U_THERE_ACK, sequence, cx);
        Ok(())
    }

    fn acknowledged(&mut self, sequence: u32, cx: &mut Context<'_>) -> Result<(), IkeError> {
        // RFC3706-6.1-03: another number was held back by somebody, or made up.
        if self.liveness.asked.is_none_or(|(asked, _)| asked != sequence) {
            return Err(IkeError::Unexpected("R-U-THERE-ACK with a number that was not asked"));
        }
        self.hear(cx);
        let (peer, cky_i) = (self.names.peer, self.names.cky_i);
        cx.event(Event::DeadPeerDetection { peer, cky_i, step: DpdStep::Alive { sequence } });
        Ok(())
    }
}
