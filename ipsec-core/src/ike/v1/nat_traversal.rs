//! NAT traversal: who is behind a NAT, and what follows (RFC 3947; draft-ietf-ipsec-nat-t-ike-02 as MS-IKEE section 3.2 has
//! it).
//!
//! Vendor IDs settle the version, and with it the numbers of payloads and encapsulation modes. The two ends then tell each
//! other by NAT-D which addresses and ports they believe in; where those differ, somebody translates. From the message with
//! the initiator's identity on (5 of main mode, 3 of aggressive mode) such an exchange goes over port 4500.
//!
//! NAT-D is not authenticated until the end of phase 1, and not covered by its hashes even then. Whoever alters it makes two
//! ends encapsulate without need, or fail to meet (RFC 3947 section 8); keys, identities and policy do not depend on it,
//! with one exception: an end that is found behind a NAT may call itself by an address that is not the one seen.

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use super::Received;
use super::phase1::Accepted;
use super::vendor_id::Capabilities;
use crate::config::{IkeConfig, ResponderBehindNat};
use crate::crypto::{HashAlg, hash};
use crate::ike::PORT;
use crate::ike::sa::Names;
use crate::natt::PORT as NAT_PORT;
use crate::wire::ikev1::{EncapsulationMode, NatD, NatNumbering};
use crate::wire::isakmp::{Chain, Cookie, Payload};

/// A revision of NAT traversal for IKE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// RFC 3947: payloads 20 and 21, encapsulation modes 3 and 4.
    Rfc3947,
    /// draft-ietf-ipsec-nat-t-ike-02: payloads 130 and 131, encapsulation modes 61443 and 61444.
    Draft02,
}

impl Version {
    /// What both ends announced; RFC 3947 if there is a choice (MS-IKEE section 3.2.5.1). Nothing between IPv6 addresses: our
    /// UDP encapsulation is for IPv4 alone, as Windows' is (MS-IKEE appendix A <15>).
    pub fn agreed(ours: &Capabilities, theirs: &Capabilities, peer: IpAddr) -> Option<Self> {
        let both = |can: fn(&Capabilities) -> bool| peer.is_ipv4() && can(ours) && can(theirs);
        if both(|c| c.nat_t_rfc3947) {
            Some(Version::Rfc3947)
        } else {
            both(|c| c.nat_t_draft_02).then_some(Version::Draft02)
        }
    }

    /// The numbers of its payloads (MS-IKEE section 2.2.1).
    pub const fn numbering(self) -> NatNumbering {
        match self {
            Version::Rfc3947 => NatNumbering::Rfc3947,
            Version::Draft02 => NatNumbering::Draft,
        }
    }

    /// The number of its UDP-encapsulated tunnel or transport mode (RFC 3947 section 5.1, MS-IKEE section 2.2.2).
    pub const fn encapsulation_mode(self, tunnel: bool) -> EncapsulationMode {
        match (self, tunnel) {
            (Version::Rfc3947, true) => EncapsulationMode::UDP_TUNNEL,
            (Version::Rfc3947, false) => EncapsulationMode::UDP_TRANSPORT,
            (Version::Draft02, true) => EncapsulationMode::UDP_TUNNEL_DRAFT,
            (Version::Draft02, false) => EncapsulationMode::UDP_TRANSPORT_DRAFT,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::Rfc3947 => "RFC 3947",
            Version::Draft02 => "draft-02",
        })
    }
}

/// What NAT discovery found between the ends of an ISAKMP SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nat {
    /// The revision that both ends speak.
    pub version: Version,
    /// Whether we are behind a NAT.
    pub local: bool,
    /// Whether the peer is.
    pub peer: bool,
}

impl Nat {
    /// Whether there is one at all.
    pub const fn is_found(&self) -> bool {
        self.local || self.peer
    }
}

impl fmt::Display for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match (self.local, self.peer) {
            (false, false) => "no NAT",
            (true, false) => "we are behind a NAT",
            (false, true) => "the peer is behind a NAT",
            (true, true) => "both are behind a NAT",
        };
        write!(f, "{who} ({})", self.version)
    }
}

/// HASH(CKY-I | CKY-R | IP | Port), with the hash of phase 1 (RFC 3947 section 3.2).
pub fn nat_d_hash(alg: HashAlg, (cky_i, cky_r): (Cookie, Cookie), end: SocketAddr) -> Vec<u8> {
    let port = end.port().to_be_bytes();
    match end.ip() {
        IpAddr::V4(address) => hash(alg, &[&cky_i.0, &cky_r.0, &address.octets(), &port]),
        IpAddr::V6(address) => hash(alg, &[&cky_i.0, &cky_r.0, &address.octets(), &port]),
    }
}

/// What the NAT-D payloads of a received message say: we are behind a NAT if the first is not the address it came to, the
/// peer is if none of the others is the address it came from. `None`, so no NAT traversal, when there are none.
///
/// Payloads with the numbers of another version are passed over. There are never more than a chain may hold.
pub(crate) fn discover(
    version: Version,
    alg: HashAlg,
    chain: &Chain,
    received: &Received<'_>,
) -> Option<Nat> {
    let cookies = (received.header.cky_i, received.header.cky_r);
    let of_version = |payload: &'_ Payload| match payload {
        Payload::NatD(nat_d) if nat_d.numbering == version.numbering() => Some(nat_d.hash.clone()),
        _ => None,
    };
    let mut hashes = chain.payloads().iter().filter_map(of_version);
    let destination = hashes.next()?;
    let local = destination != nat_d_hash(alg, cookies, received.local);
    let source = nat_d_hash(alg, cookies, received.peer);
    let peer = !hashes.any(|hash| hash == source);
    Some(Nat { version, local, peer })
}

/// What was found, by a node that says it is behind a NAT: its peer believes that, so both have to act upon it.
pub(crate) fn pretended(nat: Option<Nat>, pretend: bool) -> Option<Nat> {
    nat.map(|nat| Nat { local: nat.local || pretend, ..nat })
}

impl Names {
    /// The version of NAT traversal that both ends announced.
    pub(crate) fn nat_version(&self) -> Option<Version> {
        Version::agreed(&self.we_can, &self.peer_can, self.peer.ip())
    }

    /// The NAT-D payloads of a message to the peer: its destination first, then its source (RFC 3947 section 3.2), which a
    /// node knows, so there is one. None unless both ends announced NAT traversal.
    pub(crate) fn nat_d(&self, alg: HashAlg) -> Vec<Payload> {
        let Some(version) = self.nat_version() else { return Vec::new() };
        let cookies = (self.cky_i, self.cky_r);
        let nat_d = |end| NatD { numbering: version.numbering(), hash: nat_d_hash(alg, cookies, end) };
        // Whoever pretends has an address that is nobody's.
        let source = if self.pretend { SocketAddr::from(([0; 4], 0)) } else { self.local };
        [self.peer, source].map(|end| Payload::NatD(nat_d(end))).to_vec()
    }

    /// What was found, if there is a NAT between the ends.
    pub(crate) fn across_nat(&self) -> Option<Nat> {
        self.nat.filter(Nat::is_found)
    }

    /// NAT-D was exchanged. The initiator moves to port 4500, before it sends its next message; an exchange that began there
    /// stays as it is (RFC 3947 section 4). The responder follows when it has authenticated that message.
    pub(crate) fn discovered(&mut self, nat: Option<Nat>) {
        self.nat = pretended(nat, self.pretend);
        if self.initiator && self.across_nat().is_some() {
            self.floated |= self.local.port() != NAT_PORT;
            self.local.set_port(NAT_PORT);
            if self.peer.port() == PORT {
                self.peer.set_port(NAT_PORT);
            }
        }
    }

    /// Whether the exchange has moved to port 4500: whatever of phase 1 comes to port 500 after that is old (RFC 3947
    /// section 4).
    pub(crate) fn has_left(&self, local: SocketAddr) -> bool {
        self.local.port() == NAT_PORT && local.port() != NAT_PORT
    }

    /// Whether this message, the initiator's first after NAT discovery, came to port 500 in spite of a NAT. It would leave ESP
    /// in UDP without a port (RFC 3947 section 4: the initiator MUST change).
    pub(crate) fn should_have_moved(&self, received: &Received<'_>, accepted: &Accepted) -> bool {
        let said = match accepted {
            Accepted::Authenticated { nat, .. } => *nat,
            _ => None,
        };
        let nat = self.nat.or(said).is_some_and(|nat| nat.is_found());
        !self.initiator && nat && received.local.port() != NAT_PORT
    }

    /// Whether an authenticated message says where the peer is. The one that ends phase 1 brings the initiator to port 4500,
    /// wherever the NAT is; after that only a peer behind a NAT moves, and nobody back to port 500 (RFC 3947 section 4).
    /// Without NAT traversal a message is answered to where it came from, as ever.
    pub(crate) fn may_follow(&self, local: SocketAddr, established: bool) -> bool {
        if self.nat.is_none() {
            return true;
        }
        let changes_ports = !established && !self.initiator;
        local.port() == NAT_PORT && (changes_ports || self.peer_may_move())
    }

    /// Whether the peer's authenticated messages may say that it is elsewhere now (RFC 3947 section 7): an end behind a NAT
    /// may move, and an end that is itself behind a NAT must not follow anybody. A responder behind a NAT was found there,
    /// so its NAT is static, and only a dynamic one forbids it.
    pub(crate) fn peer_may_move(&self) -> bool {
        self.nat.is_some_and(|nat| nat.peer && !(nat.local && self.initiator))
    }

    /// Whether we, as the initiator, must not speak to a responder where NAT discovery found this one. Whoever was reached
    /// through its mapping had come to us first, and may be behind a NAT.
    pub(crate) fn is_forbidden_by(&self, config: &IkeConfig) -> bool {
        let found = self.across_nat().filter(|nat| self.floated && nat.peer);
        found.is_some_and(|nat| match config.nat_traversal.responder_behind_nat {
            ResponderBehindNat::Never => true,
            ResponderBehindNat::UnlessBoth => nat.local,
            ResponderBehindNat::Allowed => false,
        })
    }
}

#[cfg(test)]
mod tests;
