//! Microsoft's fragmentation of IKE messages (MS-IKEE section 3.3): for paths that lose IP fragments.
//!
//! A message with an identity is cut into parts that fit the smallest MTU of IP; each leaves as a message of its own with
//! one payload, in clear. Fragments are not authenticated, so the ones kept prove nothing: several *candidates* for the same
//! place stand beside each other, the combinations are tried, and only a whole message that authenticates uses its fragments
//! up. The document would have the first fragment of a number block all others, and a contradiction discard all of a
//! message; whoever knows the cookies could then forge one fragment, and keep the true message out.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::Received;
use super::phase1::Phase1;
use super::quick_mode::responder::Request;
use crate::config::RetransmitSchedule;
use crate::ike::context::Context;
use crate::ike::failure::IkeError;
use crate::ike::retransmit::Exchange;
use crate::ike::sa::{IsakmpSa, Names};
use crate::time::{Duration, Instant};
use crate::wire::ikev1::{FRAGMENT_HEADER_LEN, Fragment};
use crate::wire::isakmp::{
    Cookie, ExchangeType, Flags, HEADER_LEN, Header, Payload, PayloadType, encode_chain, split,
};

/// How long fragments wait for the rest of their message (MS-IKEE appendix A <17>).
const REASSEMBLY: Duration = Duration::from_secs(70);
/// Candidates for one place of one message.
const CANDIDATES: usize = 3;
/// Messages in reassembly for one ISAKMP SA.
const MESSAGES: usize = 8;
/// Fragments kept for one ISAKMP SA.
const FRAGMENTS: usize = 192;
/// Octets kept for one ISAKMP SA.
const OCTETS: usize = 32 << 10;
/// Combinations tried when a fragment arrives: all of them up to four fragments of three candidates each.
const TRIES: usize = 81;

/// Where fragments came from and went to, and their ID: only fragments with the same belong to one message.
type MessageKey = (SocketAddr, SocketAddr, u16);

#[derive(Clone, Debug)]
struct Kept {
    key: MessageKey,
    fragment: Fragment,
    arrived: Instant,
}

/// The fragments that wait for the rest of their messages, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fragments {
    kept: VecDeque<Kept>,
}

impl Fragments {
    /// Keeps a fragment, in place of the oldest ones where bounds are reached. False if it is there already.
    fn keep(&mut self, key: MessageKey, fragment: Fragment, now: Instant) -> bool {
        // The timer of a message starts with its first fragment (MS-IKEE section 3.3.2).
        let first = |kept: &VecDeque<Kept>, key| kept.iter().find(|k| k.key == key).map(|k| k.arrived);
        let late: Vec<MessageKey> = self
            .keys()
            .into_iter()
            .filter(|key| first(&self.kept, *key).is_some_and(|at| at + REASSEMBLY <= now))
            .collect();
        self.kept.retain(|k| !late.contains(&k.key));
        if fragment.data.len() > OCTETS || self.kept.iter().any(|k| k.key == key && k.fragment == fragment) {
            return false;
        }
        let rivals = |k: &Kept| k.key == key && k.fragment.number == fragment.number;
        if self.kept.iter().filter(|k| rivals(k)).count() >= CANDIDATES {
            self.remove_first(rivals);
        }
        let mut keys = self.keys();
        keys.retain(|other| *other != key);
        if keys.len() >= MESSAGES
            && let Some(oldest) = keys.first()
        {
            self.kept.retain(|k| k.key != *oldest);
        }
        while self.kept.len() >= FRAGMENTS || self.octets() + fragment.data.len() > OCTETS {
            self.kept.pop_front();
        }
        self.kept.push_back(Kept { key, fragment, arrived: now });
        true
    }

    fn remove_first(&mut self, which: impl Fn(&Kept) -> bool) {
        if let Some(place) = self.kept.iter().position(which) {
            self.kept.remove(place);
        }
    }

    /// The messages in reassembly, the one with the oldest fragment first.
    fn keys(&self) -> Vec<MessageKey> {
        self.kept.iter().fold(Vec::new(), |mut keys, k| {
            if !keys.contains(&k.key) {
                keys.push(k.key);
            }
            keys
        })
    }

    fn octets(&self) -> usize {
        self.kept.iter().map(|k| k.fragment.data.len()).sum()
    }

    /// Forgets a message: it was accepted.
    fn forget(&mut self, key: MessageKey) {
        self.kept.retain(|k| k.key != key);
    }

    /// How many fragments are kept.
    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// The first whole message that `accept` likes, of the combinations that contain the fragment that came last (with
    /// `new`), the newest candidates first; and whether there was any whole message.
    fn find(
        &self,
        key: MessageKey,
        new: bool,
        cookies: (Cookie, Cookie),
        accept: impl Fn(&[u8]) -> bool,
    ) -> (Option<Vec<u8>>, bool) {
        let ours: Vec<&Fragment> =
            self.kept.iter().rev().filter(|k| k.key == key).map(|k| &k.fragment).collect();
        let newest = ours.first().filter(|_| new).copied();
        let mut tries = TRIES;
        let mut whole = false;
        for last in ours.iter().filter(|f| f.last) {
            // What may stand at each place before the last one.
            let place = |number: u8| -> Vec<&Fragment> {
                let fits = |f: &&&Fragment| f.number == number && !f.last;
                match newest.filter(|newest| newest.number == number) {
                    Some(newest) => ours.iter().filter(fits).filter(|f| **f == newest).copied().collect(),
                    None => ours.iter().filter(fits).copied().collect(),
                }
            };
            if newest.is_some_and(|n| n.number > last.number || (n.number == last.number && n != *last)) {
                continue;
            }
            let places: Vec<Vec<&Fragment>> = (1..last.number).map(place).collect();
            if places.iter().any(Vec::is_empty) {
                continue;
            }
            let mut choice = vec![0; places.len()];
            loop {
                let chosen = places.iter().zip(&choice).filter_map(|(place, n)| place.get(*n));
                let message: Vec<u8> =
                    chosen.chain([last]).flat_map(|fragment| fragment.data.iter().copied()).collect();
                if is_whole(&message, cookies) {
                    whole = true;
                    if accept(&message) {
                        return (Some(message), whole);
                    }
                }
                tries = tries.saturating_sub(1);
                if tries == 0 {
                    return (None, whole);
                }
                if !count_up(&mut choice, &places) {
                    break;
                }
            }
        }
        (None, whole)
    }
}

/// Goes on to the next combination. False after the last one.
fn count_up(choice: &mut [usize], places: &[Vec<&Fragment>]) -> bool {
    for (digit, place) in choice.iter_mut().zip(places) {
        *digit += 1;
        if *digit < place.len() {
            return true;
        }
        *digit = 0;
    }
    false
}

/// Whether this looks like a whole message of this ISAKMP SA: only messages with an identity are fragmented (MS-IKEE section
/// 3.3.6.1), and under an SA those are encrypted.
fn is_whole(message: &[u8], cookies: (Cookie, Cookie)) -> bool {
    split(message).is_ok_and(|(header, _)| {
        (header.cky_i, header.cky_r) == cookies && header.flags.contains(Flags::ENCRYPTION)
    })
}

impl IsakmpSa {
    /// A fragment with the cookies of this SA arrived.
    pub(crate) fn receive_fragment(&mut self, received: &Received<'_>, cx: &mut Context<'_>) {
        let names = &self.names;
        if names.cky_r.is_zero() || !names.both(|can| can.fragmentation) {
            let what = "a fragment, though not both ends announced fragmentation";
            return cx.ignore(received.peer, IkeError::Unexpected(what));
        }
        if (received.local.ip(), received.peer.ip()) != (names.local.ip(), names.peer.ip()) {
            return cx.ignore(received.peer, IkeError::Unexpected("a fragment from another address"));
        }
        let fragment = match decode(received) {
            Ok(fragment) => fragment,
            Err(error) => return cx.ignore(received.peer, error),
        };
        let key = (received.local, received.peer, fragment.id);
        if self.fragments.keep(key, fragment, cx.now) {
            self.reassemble(key, true, cx);
        }
    }

    /// Work is done: what could not be judged before can be now.
    pub(crate) fn reassemble_waiting(&mut self, cx: &mut Context<'_>) {
        for key in self.fragments.keys() {
            self.reassemble(key, false, cx);
        }
    }

    fn reassemble(&mut self, key: MessageKey, new: bool, cx: &mut Context<'_>) {
        let (local, peer, _) = key;
        let cookies = (self.names.cky_i, self.names.cky_r);
        let accept = |message: &[u8]| {
            Received::new(local, peer, message).is_ok_and(|received| self.would_accept(&received))
        };
        match self.fragments.find(key, new, cookies, accept) {
            (Some(message), _) => {
                self.fragments.forget(key);
                // MS-IKEE section 3.3.5.3: who sends fragments has a reason to, and gets fragments.
                self.names.fragmenting = true;
                if let Ok(received) = Received::new(local, peer, &message) {
                    self.receive(&received, cx);
                }
            }
            (None, true) if new && !self.phase1.is_working() => {
                cx.ignore(
                    peer,
                    IkeError::Unexpected("a message, put together from fragments, that fits nothing"),
                );
            }
            (None, _) => {}
        }
    }

    /// Whether a whole message would move its exchange on, or be answered again. Changes nothing.
    fn would_accept(&self, received: &Received<'_>) -> bool {
        let message_id = received.header.message_id;
        match received.header.exchange_type {
            ExchangeType::MAIN_MODE if message_id == 0 => {
                let check = || self.phase1.check(received, &self.names).is_ok();
                self.exchange.seen(&received.digest).is_some() || check()
            }
            ExchangeType::QUICK_MODE => {
                let Phase1::Established(phase1) = &self.phase1 else { return false };
                match self.quick_modes.get(&message_id) {
                    Some(quick_mode) => {
                        quick_mode.exchange.seen(&received.digest).is_some()
                            || quick_mode.state.check(received, phase1, &self.names).is_ok()
                    }
                    None => {
                        !self.is_used(message_id) && Request::check(received, phase1, &self.names).is_ok()
                    }
                }
            }
            _ => false,
        }
    }
}

/// The only payload of the message.
fn decode(received: &Received<'_>) -> Result<Fragment, IkeError> {
    let chain = received.clear()?;
    match chain.payloads() {
        [Payload::Other { payload_type: PayloadType::FRAGMENT, body }] => {
            Fragment::decode(&mut crate::wire::Reader::at(body, HEADER_LEN + 4)).map_err(IkeError::Decode)
        }
        _ => Err(IkeError::Unexpected("a fragment that is not alone in its message")),
    }
}

impl Names {
    /// From now on fragments are sent, if this message has waited for its answer through the first two gaps of the schedule
    /// (MS-IKEE appendix A <16>). The timer runs from the second round trip of main mode on.
    pub(crate) fn consider_fragmenting(
        &mut self,
        exchange: &Exchange,
        schedule: &RetransmitSchedule,
        now: Instant,
    ) {
        let wait = schedule.gaps.iter().take(2).fold(Duration::ZERO, |sum, gap| sum.saturating_add(*gap));
        if !self.cky_r.is_zero() && exchange.last_sent() + wait <= now {
            self.fragmenting = self.both(|can| can.fragmentation);
        }
    }
}

impl Context<'_> {
    /// Sends a message under an ISAKMP SA from here to there: whole, or in fragments when the SA has come to that.
    pub(crate) fn send_under(
        &mut self,
        names: &Names,
        local: SocketAddr,
        peer: SocketAddr,
        message: Vec<u8>,
    ) {
        match fragments(names, local, peer, &message, self.node.fragment_id.wrapping_add(1)) {
            None => self.send(local, peer, message),
            Some(fragments) => {
                self.node.fragment_id = self.node.fragment_id.wrapping_add(1);
                fragments.into_iter().for_each(|fragment| self.send(local, peer, fragment));
            }
        }
    }
}

/// The fragments that a message leaves in; `None` when it leaves whole, as everything does that fits into one.
///
/// Main mode's encrypted messages have an identity, and of quick mode's those that are long enough for more than one
/// fragment; informational exchanges have none.
fn fragments(
    names: &Names,
    local: SocketAddr,
    peer: SocketAddr,
    message: &[u8],
    id: u16,
) -> Option<Vec<Vec<u8>>> {
    let (header, _) = split(message).ok().filter(|_| names.fragmenting)?;
    let has_identity = header.flags.contains(Flags::ENCRYPTION)
        && matches!(header.exchange_type, ExchangeType::MAIN_MODE | ExchangeType::QUICK_MODE);
    let room = room(local, peer);
    if !has_identity || message.len() <= room {
        return None;
    }
    let header = Header { flags: Flags(header.flags.0 & !Flags::ENCRYPTION.0), ..header };
    let count = message.len().div_ceil(room);
    let parts = (1..=u8::try_from(count).ok()?).zip(message.chunks(room));
    let part = |(number, data): (u8, &[u8])| {
        let last = usize::from(number) == count;
        let payload = Fragment { id, number, last, data: data.to_vec() }.to_payload();
        let (first, body) = encode_chain(&[payload]);
        header.encode_with(first, &body)
    };
    Some(parts.map(part).collect())
}

/// Octets of data in a fragment: with all headers it makes 576 octets of IPv4 or 1,280 of IPv6 (MS-IKEE section 3.3.6.1).
fn room(local: SocketAddr, peer: SocketAddr) -> usize {
    let (mtu, ip) = if peer.is_ipv4() { (576, 20) } else { (1_280, 40) };
    let (udp, marker) = (8, if local.port() == NAT_T_PORT { 4 } else { 0 });
    mtu - ip - udp - marker - HEADER_LEN - FRAGMENT_HEADER_LEN
}

/// The port on which a non-ESP marker precedes IKE (RFC 3948 section 2.2).
const NAT_T_PORT: u16 = 4_500;

#[cfg(test)]
mod tests {
    use super::*;

    /// MS-IKEE section 3.3.6.1: 576 octets with all headers, 1,280 of IPv6; RFC 3948 section 2.2: four octets of marker.
    #[test]
    fn a_full_fragment_makes_the_smallest_mtu() {
        let at = |address: &str| -> SocketAddr { address.parse().unwrap() };
        let full = |local, peer| room(at(local), at(peer)) + FRAGMENT_HEADER_LEN + HEADER_LEN + 8;
        assert_eq!(full("192.0.2.1:500", "192.0.2.2:500") + 20, 576);
        assert_eq!(full("192.0.2.1:4500", "192.0.2.2:4500") + 4 + 20, 576);
        assert_eq!(full("[2001:db8::1]:500", "[2001:db8::2]:500") + 40, 1_280);
    }
}
