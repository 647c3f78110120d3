//! The commit bit, and CONNECTED, which ends a quick mode with it (RFC 2408 section 3.1).
//!
//! ```text
//!  2                     <--  HDR* (commit bit), HASH(2), SA, Nr [, KE ] [, IDci, IDcr ]
//!  3  HDR*, HASH(3)      -->
//!  4                     <--  HDR*, HASH(4), N(CONNECTED)
//! ```
//!
//! `HASH(4) = prf(SKEYID_a, M-ID | N)`, as in an informational exchange, and the IV is the last block of message 3. RFC 2408
//! puts CONNECTED into an informational exchange with the message ID of the quick mode, which RFC 2409 section 5.7 forbids;
//! Windows sends it as the fourth message of the quick mode, and so do we. Both are taken.
//!
//! The initiator sends on the pair when CONNECTED has come, or a packet on the pair, and repeats message 3 until then. The bit
//! itself is not authenticated: somebody on the path may set it. So a responder that did not set it sends CONNECTED as well
//! when message 3 is repeated after a while. An initiator's commit bit asks for nothing that message 3 does not say.

use alloc::vec;
use alloc::vec::Vec;

use super::{Accepted, Checked, authentic};
use crate::ike::context::Step;
use crate::ike::failure::IkeError;
use crate::ike::outbox::{Encryption, Protection, Sent};
use crate::ike::v1::phase1::Established;
use crate::ike::v1::{Received, keymat};
use crate::sad::Spi;
use crate::time::{Duration, Instant};
use crate::wire::ikev1::{Notification, NotifyType, ProtocolId};
use crate::wire::isakmp::{ExchangeType, Payload};

/// Message 3 that comes again sooner was doubled by the network; its sender does not wait.
const REPETITION: Duration = Duration::from_millis(500);

/// What CONNECTED is made from.
#[derive(Clone, Debug)]
pub(crate) struct Connected {
    /// When message 3 came.
    since: Instant,
    /// The last ciphertext block of message 3.
    iv: Vec<u8>,
    spi: (ProtocolId, Spi),
}

impl Connected {
    pub(crate) fn new(since: Instant, iv: Vec<u8>, spi: (ProtocolId, Spi)) -> Self {
        Connected { since, iv, spi }
    }

    /// Whether a repetition of message 3 at this time asks for it.
    pub(crate) fn is_asked_for(&self, now: Instant) -> bool {
        now >= self.since + REPETITION
    }

    /// Makes the message.
    pub(crate) fn message(&self, phase1: &Established, step: &mut Step<'_, '_>) -> Sent {
        let (protocol, spi) = self.spi;
        let notification = Notification::new(protocol, spi.0.to_be_bytes().to_vec(), NotifyType::CONNECTED);
        let keys = &phase1.keys;
        let protection = Protection::Phase2 {
            encryption: Encryption { key: &keys.key, iv: &self.iv },
            alg: keys.alg,
            skeyid_a: &keys.skeyids.skeyid_a,
            ni_b: &[],
        };
        let payloads = vec![Payload::Notification(notification)];
        step.cx.node.outbox.send(step.header(), payloads, protection)
    }

    /// Answers a repetition of message 3; the exchange lives no longer for it.
    pub(crate) fn answer(&self, phase1: &Established, step: &mut Step<'_, '_>) {
        let Sent { datagram, .. } = self.message(phase1, step);
        step.exchange.sent(&datagram, false, &step.cx.node.config.retransmit, step.cx.now);
        step.cx.send_under(step.names, step.names.local, step.names.peer, datagram);
    }
}

/// Judges a message that should be CONNECTED. `iv` is the last ciphertext block of message 3.
pub(crate) fn check(
    received: &Received<'_>,
    phase1: &Established,
    iv: &[u8],
) -> Result<Checked<Accepted>, IkeError> {
    let name = "the hash of CONNECTED";
    let opened = authentic(received, phase1, iv, &[], name);
    let (chain, _) = match received.header.exchange_type {
        // An exchange of its own begins with an IV of its own (RFC 2409 appendix B).
        ExchangeType::INFORMATIONAL => opened.or_else(|_| {
            let (keys, message_id) = (&phase1.keys, received.header.message_id);
            let fresh = keymat::phase_2_iv(keys.alg, &phase1.last_block, message_id, keys.key.cipher());
            authentic(received, phase1, &fresh, &[], name)
        }),
        _ => opened,
    }?;
    match chain.notifications().any(|n| n.notify_type == NotifyType::CONNECTED) {
        true => Ok(Checked::Accepted(Accepted::Connected)),
        false => Err(IkeError::Unexpected("another notification than CONNECTED")),
    }
}
