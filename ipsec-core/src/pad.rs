//! The Peer Authorization Database (RFC 4301 section 4.4.3): who may negotiate, and how each proves who it is.
//!
//! Windows hangs authentication methods on rules; IKE needs them before any quick-mode filter is known. Main-mode filters,
//! pairs of addresses with methods, bridge the two.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

pub use crate::crypto::Secret;
use crate::crypto::{Cipher, Group, HashAlg};
use crate::selector::AddressRange;

/// Number of a PAD entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PadEntryId(pub u32);

/// The ordered PAD: the first entry whose addresses match decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pad {
    /// Entries in match order.
    pub entries: Vec<PadEntry>,
}

impl Pad {
    /// The entry for main mode between our `local` and the peer's address.
    pub fn lookup(&self, local: IpAddr, peer: IpAddr) -> Option<&PadEntry> {
        let within = |ranges: &[AddressRange], a| ranges.iter().any(|r| r.contains(a));
        self.entries.iter().find(|e| within(&e.local, local) && within(&e.peer, peer))
    }

    /// The entry with this number.
    pub fn get(&self, id: PadEntryId) -> Option<&PadEntry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    /// The entry for aggressive mode of a peer with this address that calls itself `claimed`: several may share addresses,
    /// and be told apart by identity.
    pub fn lookup_identified(&self, local: IpAddr, peer: IpAddr, claimed: &Identity) -> Option<&PadEntry> {
        let within = |ranges: &[AddressRange], a| ranges.iter().any(|r| r.contains(a));
        let fits =
            |e: &&PadEntry| within(&e.local, local) && within(&e.peer, peer) && e.admits(claimed, peer);
        self.entries.iter().find(fits)
    }
}

/// How main mode with some peers goes (Windows: a main-mode filter with its policy).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PadEntry {
    /// Its number in events.
    pub id: PadEntryId,
    /// A name for people.
    pub name: String,
    /// Our addresses.
    pub local: Vec<AddressRange>,
    /// The peer's addresses.
    pub peer: Vec<AddressRange>,
    /// Authentication methods in order of preference. Never empty. All are offered; of several that are the same method
    /// on the wire (certificates of several authorities) the first counts.
    pub methods: Vec<AuthMethod>,
    /// Main-mode proposals in order of preference (Windows: key exchange security methods). Never empty.
    pub proposals: Vec<MainModeProposal>,
    /// Lifetime of the ISAKMP SA in seconds (Windows: 480 minutes).
    pub lifetime_seconds: u32,
    /// Quick modes allowed under one ISAKMP SA; 0 is unlimited. Master-key PFS is 1.
    pub quick_modes: u32,
    /// How long a soft association with a silent peer lives, in seconds (Windows: `softsaexpirationtime`); `None` is 300.
    pub soft_seconds: Option<u32>,
    /// The exchange by which we begin.
    pub exchange: Phase1Exchange,
    /// Whether the peer may begin by aggressive mode, which costs us a Diffie-Hellman exchange before it has proved
    /// anything, and shows whoever watches a hash to guess a weak key by.
    pub accept_aggressive: bool,
    /// What we call ourselves in phase 1; our address where there is nothing.
    pub identity: Option<Identity>,
    /// What the peer may call itself in phase 1; its address where there is nothing. In aggressive mode this finds the
    /// entry, and so the key (RFC 2409 section 5.4).
    pub peer_identities: Vec<Identity>,
}

impl Default for PadEntry {
    /// An entry for nobody: no addresses, no methods, no proposals.
    fn default() -> Self {
        PadEntry {
            id: PadEntryId(0),
            name: String::new(),
            local: Vec::new(),
            peer: Vec::new(),
            methods: Vec::new(),
            proposals: Vec::new(),
            lifetime_seconds: 28_800,
            quick_modes: 0,
            soft_seconds: None,
            exchange: Phase1Exchange::MainMode,
            accept_aggressive: false,
            identity: None,
            peer_identities: Vec::new(),
        }
    }
}

/// The exchange that establishes an ISAKMP SA (RFC 2409 section 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase1Exchange {
    /// Six messages, identities encrypted.
    #[default]
    MainMode,
    /// Three messages, identities in clear, the Diffie-Hellman group not negotiated.
    AggressiveMode,
}

impl Phase1Exchange {
    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Phase1Exchange::MainMode => "main mode",
            Phase1Exchange::AggressiveMode => "aggressive mode",
        }
    }
}

/// What an end calls itself in phase 1 (RFC 2407 section 4.6.2.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// ID_IPV4_ADDR or ID_IPV6_ADDR.
    Address(IpAddr),
    /// ID_FQDN: a host name; case does not count.
    Fqdn(String),
    /// ID_USER_FQDN: `user@host`.
    UserFqdn(String),
    /// ID_KEY_ID: octets that both ends know.
    KeyId(Vec<u8>),
}

impl Identity {
    fn is(&self, other: &Identity) -> bool {
        match (self, other) {
            (Identity::Fqdn(a), Identity::Fqdn(b)) => a.eq_ignore_ascii_case(b),
            _ => self == other,
        }
    }
}

impl PadEntry {
    /// Whether a peer with this address may call itself so.
    pub fn admits(&self, claimed: &Identity, peer: IpAddr) -> bool {
        admits(&self.peer_identities, claimed, peer)
    }
}

/// One main-mode proposal (RFC 2409 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MainModeProposal {
    /// Encryption of the exchange.
    pub cipher: Cipher,
    /// Hash, which also makes the PRF.
    pub hash: HashAlg,
    /// Oakley group.
    pub group: Group,
}

/// How a peer is authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// A pre-shared key (RFC 2409 section 5.4).
    PreSharedKey(Secret),
    /// Kerberos through GSS-API; offered and agreed on, not available yet.
    Kerberos,
    /// A certificate issued by this authority; offered and agreed on, not available yet.
    Certificate {
        /// Distinguished name of the root authority.
        root: String,
    },
}

/// Whether a peer with this address may call itself `claimed`, when it may use these names, or none but its address.
pub(crate) fn admits(allowed: &[Identity], claimed: &Identity, peer: IpAddr) -> bool {
    match allowed {
        [] => *claimed == Identity::Address(peer),
        allowed => allowed.iter().any(|identity| identity.is(claimed)),
    }
}
