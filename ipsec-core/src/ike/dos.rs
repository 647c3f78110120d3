//! Microsoft's denial-of-service protection (MS-IKEE section 3.9): a cookie is asked for before anything is remembered.
//!
//! ```text
//!  1  HDR (CKY-R = 0), SA -->
//!  2                      <-- HDR, N(NOTIFY_DOS_COOKIE)
//!  3  HDR (CKY-R), SA     -->
//! ```
//!
//! Message 3 is message 1 with the cookie as the responder's, and the cookie stays that of the ISAKMP SA. It is computed again
//! when it comes back (appendix A <27>, <28>), so message 2 costs no memory, and shows whether the initiator receives what is
//! sent to its address.

use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;

use rand_core::Rng;

use super::context::Context;
use super::failure::IkeError;
use super::outbox::Protection;
use super::v1::{NOT_WITH_SA, Received, none_of, sa_at};
use super::{Ike, IkeContext, context};
use crate::config::DosProtection;
use crate::crypto::{HashAlg, hash};
use crate::io::Event;
use crate::rng::{Label, Streams};
use crate::time::Instant;
use crate::wire::ikev1::{Notification, NotifyType, ProtocolId};
use crate::wire::isakmp::{Cookie, ExchangeType, Flags, Header, Payload};

/// COOKIE_KEY_TIME (MS-IKEE appendix A <27>): a cookie counts for this long, and once more, in seconds.
const SLICE: u64 = 150;
/// Octets of cookieKey.
const KEY_LEN: usize = 50;

/// The cookie of MS-IKEE appendix A <27>, for the time slice of `now` or the one before it.
fn cookie(
    streams: &Streams,
    cky_i: Cookie,
    (local, peer): (SocketAddr, SocketAddr),
    now: Instant,
    previous: bool,
) -> Cookie {
    let mut key = [0; KEY_LEN];
    streams.fill(Label::DosCookie, 0, &mut key);
    let slice = (now.as_millis() / 1_000 + SLICE) / SLICE * SLICE;
    let time = slice - if previous { SLICE } else { 0 };
    let time = (time as u32).to_be_bytes();
    let covered: [&[u8]; 5] = [&key, &cky_i.0, &address(peer), &address(local), &time];
    let mut cookie = Cookie::ZERO;
    cookie.0.iter_mut().zip(hash(HashAlg::Sha1, &covered)).for_each(|(octet, hashed)| *octet = hashed);
    cookie
}

/// A socket's address as it is hashed: a family, the port, the address and zeros.
fn address(socket: SocketAddr) -> Vec<u8> {
    let port = socket.port().to_be_bytes();
    match socket {
        SocketAddr::V4(v4) => [&[1, 0, 2, 0], &port[..], &v4.ip().octets(), &[0; 26]].concat(),
        SocketAddr::V6(v6) => [&[5, 0, 0x17, 0], &port[..], &v6.ip().octets(), &[0; 14]].concat(),
    }
}

impl Ike {
    /// Whether a first message may cost state. Else it is answered by a cookie, or not at all.
    pub(super) fn admits_first(&mut self, received: &Received<'_>, cx: &mut IkeContext<'_>) -> bool {
        let Some(protection) = self.node.config.dos_protection else { return true };
        let (peer, vouched) = (received.peer, !received.header.cky_r.is_zero());
        let of_source = self.half_open.count_of(peer.ip());
        let active = self.node.dos_mode;
        let cx = &mut context(&mut self.node, cx);
        if of_source > protection.per_source {
            cx.ignore(peer, IkeError::Busy("the source's share of half-open main modes"));
            return false;
        }
        if active && !vouched {
            match is_first(received) {
                Ok(()) => ask_for_cookie(received, cx),
                Err(error) => cx.ignore(peer, error),
            }
            return false;
        }
        true
    }

    /// Whether the responder cookie of a first message is the one that we ask for.
    pub(super) fn is_vouched(&self, received: &Received<'_>, cx: &IkeContext<'_>) -> bool {
        let Header { cky_i, cky_r, exchange_type, message_id, .. } = received.header;
        let ends = (received.local, received.peer);
        self.node.config.dos_protection.is_some()
            && (exchange_type, message_id) == (ExchangeType::MAIN_MODE, 0)
            && is_first(received).is_ok()
            && [false, true]
                .iter()
                .any(|previous| cky_r == cookie(cx.streams, cky_i, ends, cx.now, *previous))
    }

    /// Begins and ends the mode by the number of half-open main modes.
    pub(super) fn consider_protection(&mut self, protection: DosProtection, cx: &mut IkeContext<'_>) {
        let held = self.half_open.live(cx.now);
        let active = match (protection.above, self.node.dos_mode) {
            (None, _) => true,
            (Some(above), false) => held > above,
            (Some(_), true) => held >= protection.below,
        };
        if core::mem::replace(&mut self.node.dos_mode, active) != active {
            context(&mut self.node, cx).event(Event::DosProtection { active });
        }
    }
}

/// Whether a message looks like message 1 of main mode.
fn is_first(received: &Received<'_>) -> Result<(), IkeError> {
    let chain = received.clear()?;
    sa_at(&chain, 0)?;
    none_of(&chain, &NOT_WITH_SA)
}

/// Answers message 1 with the cookie that its repetition is to have, and forgets it.
fn ask_for_cookie(received: &Received<'_>, cx: &mut Context<'_>) {
    let cky_i = received.header.cky_i;
    let cookie = cookie(cx.streams, cky_i, (received.local, received.peer), cx.now, false);
    let number = cx.node.next_number();
    let message_id = cx.streams.stream(Label::MessageId, number).next_u32().max(1);
    let header = Header::new(cky_i, cookie, ExchangeType::INFORMATIONAL, Flags::NONE, message_id);
    let notification = Notification::new(ProtocolId::ISAKMP, vec![], NotifyType::DOS_COOKIE);
    let notification = Notification { data: cookie.0.to_vec(), ..notification };
    let sent = cx.node.outbox.send(header, vec![Payload::Notification(notification)], Protection::Clear);
    cx.send(received.local, received.peer, sent.datagram);
    cx.ignore(received.peer, IkeError::Unexpected("a first message without the cookie that is asked for"));
}
