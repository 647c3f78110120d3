//! Microsoft's reliable delete (MS-IKEE section 3.8): a delete that is answered, and sent again until it is.
//!
//! ```text
//!  1  HDR*, HASH(1), Ni, D -->
//!  2                       <-- HDR*, HASH(2), Nr, D
//! ```
//!
//! Both the delete that waits for its answer and the answer that may be asked for again outlive the ISAKMP SA that they are
//! about; so they live on the node, with the keys they need.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::phase1::{Established, IsakmpKeys, Phase1};
use super::{Received, auth, keymat, verify_hash};
use crate::config::ReliableDelete;
use crate::ike::context::{Context, Node};
use crate::ike::failure::IkeError;
use crate::ike::outbox::{Encryption, Protection};
use crate::ike::retransmit::Digest;
use crate::ike::sa::IsakmpSa;
use crate::ike::timer::TimerKey;
use crate::io::Event;
use crate::rng::Label;
use crate::time::{Duration, Instant};
use crate::wire::ikev1::{Delete, Nonce};
use crate::wire::isakmp::{Chain, Cookie, ExchangeType, Flags, Header, Payload, PayloadType};

/// Octets of both nonces (MS-IKEE appendix A <23>).
const NONCE_LEN: usize = 32;
/// How often an unanswered delete is sent again (MS-IKEE appendix A <24>).
const REPETITIONS: u32 = 6;
/// The longest gap between two of them, in seconds.
const LONGEST_GAP: u64 = 16;
/// Deletes that wait for their answer at once; further ones are sent once.
const WAITING: usize = 256;
/// Answers kept in case the peer repeats itself.
const ANSWERS: usize = 256;

/// How long after repetition number `attempt` (0: the first sending) the next one is due.
fn gap(attempt: u32) -> Duration {
    Duration::from_secs(1_u64.checked_shl(attempt).unwrap_or(LONGEST_GAP).min(LONGEST_GAP))
}

/// A delete that was not answered yet.
#[derive(Clone, Debug)]
struct Waiting {
    local: SocketAddr,
    peer: SocketAddr,
    cookies: (Cookie, Cookie),
    message_id: u32,
    datagram: Vec<u8>,
    attempt: u32,
    keys: IsakmpKeys,
    /// Of the answer.
    iv: Vec<u8>,
    ni_b: Vec<u8>,
    /// The body of the delete payload.
    delete: Vec<u8>,
}

/// An answer to a delete of a peer.
#[derive(Clone, Debug)]
struct Answer {
    digest: Digest,
    datagram: Vec<u8>,
    until: Instant,
}

/// All deletes of a node, and all answers to its peers'.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deletes {
    waiting: BTreeMap<u64, Waiting>,
    answers: VecDeque<Answer>,
}

impl Deletes {
    /// The peer of this ISAKMP SA is elsewhere now: what was not answered is repeated there.
    pub(crate) fn follow(&mut self, cookies: (Cookie, Cookie), (local, peer): (SocketAddr, SocketAddr)) {
        for waiting in self.waiting.values_mut().filter(|waiting| waiting.cookies == cookies) {
            (waiting.local, waiting.peer) = (local, peer);
        }
    }

    /// How many deletes wait, and answers are kept.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.answers.len()
    }
}

impl Node {
    /// Deletes that were sent from these addresses are not repeated any more: they are no longer ours.
    pub(crate) fn forget_deletes_from(&mut self, gone: &[IpAddr]) {
        let timers = &mut self.timers;
        self.deletes.waiting.retain(|number, waiting| {
            let stays = !gone.contains(&waiting.local.ip());
            if !stays {
                timers.cancel(TimerKey::Delete(*number));
            }
            stays
        });
    }
}

impl Context<'_> {
    /// Takes a message that answers one of our deletes, or repeats one that we answered. False for all others.
    pub(crate) fn receive_about_delete(&mut self, received: &Received<'_>) -> bool {
        let header = &received.header;
        if header.exchange_type != ExchangeType::INFORMATIONAL || !header.flags.is_encrypted() {
            return false;
        }
        let now = self.now;
        let deletes = &mut self.node.deletes;
        let kept = deletes.answers.iter().find(|kept| kept.digest == received.digest && kept.until > now);
        if let Some(datagram) = kept.map(|kept| kept.datagram.clone()) {
            self.send(received.local, received.peer, datagram);
            return true;
        }
        let ours =
            |w: &Waiting| (w.cookies, w.message_id) == ((header.cky_i, header.cky_r), header.message_id);
        let Some((number, waiting)) = deletes.waiting.iter().find(|(_, w)| ours(w)) else { return false };
        let (number, peer, cky_i) = (*number, waiting.peer, waiting.cookies.0);
        match waiting.check(received) {
            Err(error) => self.ignore(received.peer, error),
            Ok(()) => {
                deletes.waiting.remove(&number);
                self.node.timers.cancel(TimerKey::Delete(number));
                self.event(Event::DeleteAnswered { peer, cky_i, message_id: header.message_id });
            }
        }
        true
    }

    /// A delete was not answered in time.
    pub(crate) fn delete_due(&mut self, number: u64) {
        let Some(waiting) = self.node.deletes.waiting.get_mut(&number) else { return };
        if waiting.attempt == REPETITIONS {
            self.node.deletes.waiting.remove(&number);
            return;
        }
        waiting.attempt += 1;
        let (local, peer, attempt) = (waiting.local, waiting.peer, waiting.attempt);
        let (cky_i, message_id, datagram) = (waiting.cookies.0, waiting.message_id, waiting.datagram.clone());
        self.node.timers.set(TimerKey::Delete(number), self.now + gap(attempt));
        self.event(Event::Retransmitted { peer, cky_i, message_id, attempt });
        self.send(local, peer, datagram);
    }
}

impl Waiting {
    /// Judges an answer: HASH(2) = prf(SKEYID_a, Ni_b | M-ID | Nr | D), and our own delete payload. Windows 2000 sends no Nr.
    fn check(&self, received: &Received<'_>) -> Result<(), IkeError> {
        let (chain, _) = received.decrypt(Encryption { key: &self.keys.key, iv: &self.iv })?;
        let skeyid_a = &self.keys.skeyids.skeyid_a;
        let expected =
            auth::hash_delete_answer(self.keys.alg, skeyid_a, &self.ni_b, self.message_id, chain.from(1));
        verify_hash(&chain, 0, &expected, "HASH(2) of a reliable delete")?;
        match chain.body_of(PayloadType::DELETE) == Some(&self.delete) {
            true => Ok(()),
            false => Err(IkeError::Unexpected("an answer to another delete")),
        }
    }
}

impl IsakmpSa {
    /// Whether deletes under this SA are reliable: it is configured, and both ends announced Microsoft's implementation.
    pub(crate) fn has_reliable_delete(&self, configured: ReliableDelete) -> bool {
        configured != ReliableDelete::Off && self.names.both(|can| can.microsoft.is_some())
    }

    /// Tells the peer of SAs that are gone, in the way that both ends know.
    pub(crate) fn send_deletes(&self, deletes: Vec<Delete>, cx: &mut Context<'_>) {
        let configured = cx.node.config.reliable_delete;
        if configured == ReliableDelete::Repeated && self.has_reliable_delete(configured) {
            // A message has one delete payload (MS-IKEE section 3.8.4.1).
            deletes.into_iter().for_each(|delete| self.send_delete(delete, cx));
        } else if !deletes.is_empty() {
            self.inform(deletes.into_iter().map(Payload::Delete).collect(), cx);
        }
    }

    fn send_delete(&self, delete: Delete, cx: &mut Context<'_>) {
        let Phase1::Established(phase1) = &self.phase1 else { return };
        let number = cx.node.next_number();
        let message_id = self.fresh_message_id(number, cx);
        let nonce = nonce(number, cx);
        let iv =
            keymat::phase_2_iv(phase1.keys.alg, &phase1.last_block, message_id, phase1.keys.key.cipher());
        let protection = Protection::Phase2 {
            encryption: Encryption { key: &phase1.keys.key, iv: &iv },
            alg: phase1.keys.alg,
            skeyid_a: &phase1.keys.skeyids.skeyid_a,
            ni_b: &[],
        };
        let payloads = vec![Payload::Nonce(nonce), Payload::Delete(delete)];
        let sent = cx.node.outbox.send(self.informational(message_id), payloads, protection);
        cx.send(self.names.local, self.names.peer, sent.datagram.clone());
        if cx.node.deletes.waiting.len() >= WAITING {
            return;
        }
        let waiting = Waiting {
            local: self.names.local,
            peer: self.names.peer,
            cookies: (self.names.cky_i, self.names.cky_r),
            message_id,
            attempt: 0,
            keys: phase1.keys.clone(),
            iv: sent.last_block.clone(),
            ni_b: sent.body(PayloadType::NONCE, 0).to_vec(),
            delete: sent.body(PayloadType::DELETE, 0).to_vec(),
            datagram: sent.datagram,
        };
        cx.node.deletes.waiting.insert(number, waiting);
        cx.node.timers.set(TimerKey::Delete(number), cx.now + gap(0));
    }

    /// Answers an authentic delete of the peer, and keeps the answer for repetitions. `iv` is that of the answer.
    pub(crate) fn answer_delete(
        &self,
        received: &Received<'_>,
        chain: &Chain,
        iv: &[u8],
        cx: &mut Context<'_>,
    ) {
        let configured = cx.node.config.reliable_delete;
        if !self.has_reliable_delete(configured) {
            return;
        }
        let (ni_b, delete): (&[u8], &Delete) = match chain.payloads() {
            [_, Payload::Nonce(_), Payload::Delete(delete)] => (chain.body(1), delete),
            [_, Payload::Delete(delete)] if configured == ReliableDelete::Answered => (&[], delete),
            _ => return,
        };
        let Phase1::Established(Established { keys, .. }) = &self.phase1 else { return };
        let number = cx.node.next_number();
        let nonce = (configured == ReliableDelete::Repeated).then(|| Payload::Nonce(nonce(number, cx)));
        let payloads = nonce.into_iter().chain([Payload::Delete(delete.clone())]).collect();
        let protection = Protection::DeleteAnswer {
            encryption: Encryption { key: &keys.key, iv },
            alg: keys.alg,
            skeyid_a: &keys.skeyids.skeyid_a,
            ni_b,
        };
        let header = self.informational(received.header.message_id);
        let sent = cx.node.outbox.send(header, payloads, protection);
        let repetitions =
            (0..=REPETITIONS).fold(Duration::ZERO, |sum, attempt| sum.saturating_add(gap(attempt)));
        let answers = &mut cx.node.deletes.answers;
        while answers.len() >= ANSWERS || answers.front().is_some_and(|oldest| oldest.until <= cx.now) {
            answers.pop_front();
        }
        let until = cx.now + repetitions;
        answers.push_back(Answer { digest: received.digest, datagram: sent.datagram.clone(), until });
        cx.send(received.local, received.peer, sent.datagram);
    }

    fn informational(&self, message_id: u32) -> Header {
        let (cky_i, cky_r) = (self.names.cky_i, self.names.cky_r);
        Header::new(cky_i, cky_r, ExchangeType::INFORMATIONAL, Flags::NONE, message_id)
    }
}

fn nonce(number: u64, cx: &Context<'_>) -> Nonce {
    let mut data = vec![0; NONCE_LEN];
    cx.streams.fill(Label::Nonce, number, &mut data);
    Nonce { data }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MS-IKEE appendix A <24>.
    #[test]
    fn gaps_double_up_to_sixteen_seconds() {
        let seconds = (0..=REPETITIONS).map(|attempt| gap(attempt).as_millis() / 1_000);
        assert_eq!(seconds.collect::<Vec<_>>(), [1, 2, 4, 8, 16, 16, 16]);
    }
}
