//! IPsec pass-through as boxes of the time did it, with the weaknesses that RFC 3715 section 2.3 tells of: ESP and AH for
//! one inside host with each outside peer, and IKE kept at port 500 and told apart by the initiator's cookie.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipsec_core::{Duration, Instant};

use super::{Flow, NatDrop};
use crate::ip::{IKE_PORT, IpView, protocol};

/// An ISAKMP initiator cookie.
pub(super) type Cookie = [u8; 8];

/// An inside host, and until when something is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    host: Ipv4Addr,
    until: Instant,
}

/// Who inside has which peer's protocol, and which negotiation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PassThrough {
    peers: BTreeMap<(u8, Ipv4Addr), Owner>,
    cookies: BTreeMap<(Ipv4Addr, Cookie), Owner>,
    most: usize,
}

impl PassThrough {
    pub(super) fn new(most: usize) -> Self {
        PassThrough { peers: BTreeMap::new(), cookies: BTreeMap::new(), most }
    }

    pub(super) fn clear(&mut self) {
        self.peers.clear();
        self.cookies.clear();
    }

    /// An inside host sends ESP or AH to a peer; whether that is new.
    pub(super) fn claim(
        &mut self,
        number: u8,
        host: Ipv4Addr,
        peer: Ipv4Addr,
        now: Instant,
        lifetime: Duration,
    ) -> Result<bool, NatDrop> {
        claim(&mut self.peers, (number, peer), Owner { host, until: now + lifetime }, now, self.most)
    }

    /// An inside host sends an ISAKMP message; whether its negotiation is new.
    pub(super) fn ike(
        &mut self,
        cookie: Cookie,
        host: Ipv4Addr,
        peer: Ipv4Addr,
        now: Instant,
        lifetime: Duration,
    ) -> Result<bool, NatDrop> {
        claim(&mut self.cookies, (peer, cookie), Owner { host, until: now + lifetime }, now, self.most)
    }

    /// Who gets this peer's ESP or AH.
    pub(super) fn owner(&self, number: u8, peer: Ipv4Addr, now: Instant) -> Option<Ipv4Addr> {
        self.peers.get(&(number, peer)).filter(|o| o.until > now).map(|o| o.host)
    }

    /// Who gets a peer's ISAKMP message. A negotiation that the peer begins has a cookie nobody knows.
    pub(super) fn demultiplex(
        &mut self,
        cookie: Cookie,
        peer: Ipv4Addr,
        now: Instant,
        lifetime: Duration,
    ) -> Option<Ipv4Addr> {
        let owner = self.cookies.get_mut(&(peer, cookie)).filter(|o| o.until > now)?;
        owner.until = now + lifetime;
        Some(owner.host)
    }

    /// Whether an inside host sends this: the flow goes out.
    pub(super) fn knows(&self, flow: &Flow, now: Instant) -> bool {
        let host = *flow.source.ip();
        self.owner(flow.protocol, *flow.destination.ip(), now) == Some(host)
            || is_ike(flow)
                && self.cookies.iter().any(|((peer, _), owner)| {
                    (peer, owner.host) == (flow.destination.ip(), host) && owner.until > now
                })
    }

    /// Whose packet an ICMP error quotes.
    pub(super) fn quoted_owner(&self, flow: &Flow, quote: &[u8], now: Instant) -> Option<Ipv4Addr> {
        let peer = *flow.destination.ip();
        self.owner(flow.protocol, peer, now).or_else(|| {
            let cookie = self::cookie(flow, quote)?;
            self.cookies.get(&(peer, cookie)).filter(|o| o.until > now).map(|o| o.host)
        })
    }
}

fn claim<K: Ord>(
    table: &mut BTreeMap<K, Owner>,
    key: K,
    claim: Owner,
    now: Instant,
    most: usize,
) -> Result<bool, NatDrop> {
    if let Some(owner) = table.get_mut(&key).filter(|o| o.until > now) {
        if owner.host != claim.host {
            return Err(NatDrop::PeerTaken);
        }
        *owner = claim;
        return Ok(false);
    }
    table.retain(|_, owner| owner.until > now);
    if table.len() >= most {
        return Err(NatDrop::TableFull);
    }
    table.insert(key, claim);
    Ok(true)
}

fn is_ike(flow: &Flow) -> bool {
    flow.protocol == protocol::UDP && (flow.source.port(), flow.destination.port()) == (IKE_PORT, IKE_PORT)
}

/// The initiator's cookie of an ISAKMP message between two ports 500 (RFC 2408 section 3.1).
pub(super) fn cookie(flow: &Flow, bytes: &[u8]) -> Option<Cookie> {
    if !is_ike(flow) {
        return None;
    }
    let view = IpView::parse_quoted(bytes)?;
    view.payload.get(8..16)?.try_into().ok()
}
