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
