//! What an exchange has sent and may have to send again: on a schedule, or because the peer repeats itself.

use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::config::RetransmitSchedule;
use crate::crypto::{HashAlg, hash};
use crate::time::Instant;

/// Messages that wait while work is out, at most.
const WAITING: usize = 2;
/// Answered messages an exchange remembers: no exchange of ours receives more than three.
const ANSWERED: usize = 4;

/// Names received bytes: the start of their SHA-256.
pub(crate) type Digest = [u8; 16];

/// The digest of a datagram.
pub(crate) fn digest(datagram: &[u8]) -> Digest {
    hash(HashAlg::Sha256, &[datagram]).first_chunk().copied().unwrap_or_default()
}

/// Our address and the peer's, where a message came to and from.
pub(crate) type Ends = (SocketAddr, SocketAddr);

/// The sending side of one exchange.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exchange {
    repeating: Option<Vec<u8>>,
    attempt: u32,
    last_sent: Instant,
    started: Instant,
    answering: Option<Digest>,
    answered: Vec<(Digest, Option<Vec<u8>>)>,
    waiting: Vec<(Ends, Vec<u8>)>,
}

/// What the schedule asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Send this again, for the `attempt`th time after the first; look again at `next`.
    Resend {
        /// The same bytes.
        datagram: Vec<u8>,
        /// 1 for the first repetition.
        attempt: u32,
        /// The next deadline.
        next: Instant,
    },
    /// The schedule has run out.
    GiveUp,
}

impl Exchange {
    /// An exchange that begins now.
    pub(crate) fn begun(now: Instant) -> Self {
        Exchange { started: now, ..Exchange::default() }
    }

    /// When it began; known of quick modes.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Records a message of ours. If it answers one, it is kept for the peer's repetitions; with `repeat` it is sent
    /// again on the schedule. Gives the next deadline.
    pub(crate) fn sent(
        &mut self,
        datagram: &[u8],
        repeat: bool,
        schedule: &RetransmitSchedule,
        now: Instant,
    ) -> Instant {
        if let Some(answering) = self.answering.take() {
            self.remember(answering, Some(datagram.to_vec()));
        }
        (self.attempt, self.last_sent) = (0, now);
        self.repeating = repeat.then(|| datagram.to_vec());
        let wait = if repeat { schedule.wait_after(0).unwrap_or_default() } else { schedule.length() };
        now + wait
    }

    /// The peer's message with this digest was accepted: nothing of ours needs repeating until the answer is sent.
    pub(crate) fn accepted(&mut self, digest: Digest) {
        if let Some(earlier) = self.answering.replace(digest) {
            self.remember(earlier, None);
        }
        self.repeating = None;
    }

    /// Stops repeating: the peer has shown that it got the message.
    pub(crate) fn stop(&mut self) {
        self.repeating = None;
    }

    fn remember(&mut self, digest: Digest, answer: Option<Vec<u8>>) {
        if self.answered.len() == ANSWERED {
            self.answered.remove(0);
        }
        self.answered.push((digest, answer));
    }

    /// Whether a message with this digest was accepted before, and our answer to it if there is one yet.
    pub(crate) fn seen(&self, digest: &Digest) -> Option<Option<&[u8]>> {
        if self.answering.as_ref() == Some(digest) {
            return Some(None);
        }
        let (_, answer) = self.answered.iter().find(|(seen, _)| seen == digest)?;
        Some(answer.as_deref())
    }

    /// The message that is repeated until it is answered.
    pub(crate) fn repeated(&self) -> Option<&[u8]> {
        self.repeating.as_deref()
    }

    /// Whether the message with this digest was accepted last, and not answered.
    pub(crate) fn is_unanswered(&self, digest: &Digest) -> bool {
        self.answering.as_ref() == Some(digest)
    }

    /// When its last message was sent first.
    pub(crate) fn last_sent(&self) -> Instant {
        self.last_sent
    }

    /// What we answered last.
    pub(crate) fn last_answer(&self) -> Option<&[u8]> {
        self.answered.last().and_then(|(_, answer)| answer.as_deref())
    }

    /// How many answers are kept.
    pub(crate) fn replies(&self) -> usize {
        self.answered.len()
    }

    /// Forgets all answers.
    pub(crate) fn forget(&mut self) {
        *self = Exchange::default();
    }

    /// Keeps a message until work is done. False when too many wait already.
    pub(crate) fn wait(&mut self, ends: Ends, datagram: &[u8]) -> bool {
        if self.waiting.len() >= WAITING || self.waiting.iter().any(|(_, waiting)| waiting == datagram) {
            return false;
        }
        self.waiting.push((ends, datagram.to_vec()));
        true
    }

    /// The messages that waited.
    pub(crate) fn take_waiting(&mut self) -> Vec<(Ends, Vec<u8>)> {
        core::mem::take(&mut self.waiting)
    }

    /// The deadline has come.
    pub(crate) fn due(&mut self, schedule: &RetransmitSchedule, now: Instant) -> Due {
        self.attempt = self.attempt.saturating_add(1);
        let wait = usize::try_from(self.attempt).ok().and_then(|attempt| schedule.wait_after(attempt));
        match (&self.repeating, wait) {
            (Some(datagram), Some(wait)) => {
                Due::Resend { datagram: datagram.clone(), attempt: self.attempt, next: now + wait }
            }
            _ => Due::GiveUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As ike-scan measured Windows 2000: seven sends.
    #[test]
    fn repeats_after_gaps_of_1_2_4_8_16_and_32_seconds() {
        let schedule = RetransmitSchedule::default();
        let mut exchange = Exchange::default();
        let mut at = exchange.sent(b"m", true, &schedule, Instant::EPOCH);
        let mut sends = alloc::vec![];
        while let Due::Resend { next, .. } = exchange.due(&schedule, at) {
            sends.push(at.as_millis() / 1000);
            at = next;
        }
        assert_eq!((sends.as_slice(), at), ([1, 3, 7, 15, 31, 63].as_slice(), Instant::from_secs(64)));
        assert_eq!(Instant::EPOCH + schedule.length(), at);
    }

    #[test]
    fn every_answered_message_is_answered_again() {
        let mut exchange = Exchange::default();
        exchange.accepted([1; 16]);
        assert_eq!(exchange.seen(&[1; 16]), Some(None));
        exchange.sent(b"a", true, &RetransmitSchedule::default(), Instant::EPOCH);
        exchange.accepted([2; 16]);
        exchange.sent(b"b", false, &RetransmitSchedule::default(), Instant::EPOCH);
        assert_eq!(exchange.seen(&[1; 16]), Some(Some(b"a".as_slice())));
        assert_eq!(exchange.seen(&[2; 16]), Some(Some(b"b".as_slice())));
        assert_eq!(exchange.seen(&[3; 16]), None);
        assert_eq!(exchange.due(&RetransmitSchedule::default(), Instant::EPOCH), Due::GiveUp);
    }

    #[test]
    fn at_most_two_messages_wait() {
        let mut exchange = Exchange::default();
        let end = SocketAddr::from(([192, 0, 2, 1], 500));
        let mut wait = |message: &[u8]| exchange.wait((end, end), message);
        assert_eq!([b"a", b"a", b"b", b"c"].map(|m| wait(m)), [true, false, true, false]);
        assert_eq!(exchange.take_waiting().len(), 2);
    }
}
