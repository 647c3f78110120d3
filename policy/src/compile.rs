//! From the assigned policy to the databases of `ipsec-core`.
//!
//! RFC 4301 entries are symmetric and end in discard; Windows filters have a source and a destination and end in
//! permit. What each filter becomes:
//!
//! | rule | action | half of the filter | becomes | direction | protection |
//! |---|---|---|---|---|---|
//! | any | permit, block | `src -> dst`, and `dst -> src` when mirrored | one entry a half and direction | outbound unless `dst` is us, inbound unless `src` is us | - |
//! | transport | negotiate | mirrored | one entry, local side = the side that is us | both | transport |
//! | transport | negotiate | not mirrored | one entry a direction that can occur | as above | transport |
//! | tunnel, endpoint is a peer | negotiate | `src -> dst` | local = src, remote = dst | outbound: acquires | tunnel to the endpoint |
//! | tunnel, endpoint is us | negotiate | `src -> dst` | local = dst, remote = src | inbound: authorises, demands | tunnel ending at the endpoint, from the peer of the counterpart rule, else from anyone |
//! | tunnel, endpoint is a peer | negotiate | mirrored half | local = src, remote = dst | inbound | a tunnel that ends at the *peer's* address: nothing that arrives here can satisfy it |
//! | tunnel, endpoint is us | negotiate | mirrored half | local = dst, remote = src | outbound | a tunnel to *ourselves*: never comes up |
//!
//! So KB 816514's warnings come out by themselves:
//!
//! | policy | NetA to NetB | NetB to NetA |
//! |---|---|---|
//! | both rules, not mirrored | tunnelled | accepted only from the tunnel |
//! | only the outbound rule | tunnelled when we start | the peer's quick mode finds no entry; clear packets pass (default permit) |
//! | only the inbound rule | leaves in clear (default permit) | accepted only from the tunnel, which only the peer can start |
//! | both mirrored, outbound rule first | tunnelled | dropped: the mirrored half of the outbound rule is asked first |
//! | both mirrored, inbound rule first | never leaves: a tunnel to ourselves is asked for first | accepted only from the tunnel |
//!
//! Order: IKE's own ports, the default exemptions, all filters by [weight](crate::weight::Weight), and last an entry that lets everything pass.
//! The default response rule is behind all of them: it answers where no rule is about a computer (see
//! [`default_response`]).
//! A mirrored negotiate entry counts for both directions, so one SA pair serves them; it takes the weight of its
//! outbound half. Filters speak of IPv4 unless an address says otherwise: `any` against `any` leaves IPv6 alone, as
//! Windows Server 2003 does.
//!
//! Authentication belongs to rules in Windows and to address pairs in IKE. Each negotiating rule gives main-mode
//! filters (see [`main_mode`]); the most specific pair counts, and for equal pairs the rule that was created first.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::sync::Arc;

use ipsec_core::config::PolicyDatabases;
use ipsec_core::interface::{ConnectionKind, Interface};
use ipsec_core::pad::Pad;
use ipsec_core::selector::Prefix;
use ipsec_core::spd::{EntryId, Spd, SpdEntry};

use crate::exempt::ExemptLevel;
use crate::filter::Server;
use crate::profile::Profile;
use crate::store::Store;

pub mod default_response;
mod exemptions;
mod expand;
pub(crate) mod listing;
pub mod main_mode;
mod names;
#[cfg(test)]
mod tests;
pub mod validation;
mod warnings;
pub mod whole;

pub use expand::{CompiledFilter, Half};
pub use listing::{listing, listing_of_all};
pub use names::{EntryNames, entry_names};
pub use validation::Validation;
pub use warnings::{Warning, warnings};
pub use whole::compile_stores;

/// What the compiler must know about the computer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalAddresses {
    /// Interfaces with their addresses: what `me` stands for, and which tunnel endpoints are ours.
    pub interfaces: Vec<LocalInterface>,
    /// Configured servers, for the keywords of filters.
    pub servers: BTreeMap<Server, Vec<IpAddr>>,
    /// Host names in lower case, for filters and tunnel endpoints that were stored by name.
    pub names: BTreeMap<String, Vec<IpAddr>>,
    /// Default exemptions in force.
    pub exempt: ExemptLevel,
    /// Whether multicast and broadcast that come in are exempt at every level, as TechNet cc756041 has it of Windows Server
    /// 2003. "Windows Server 2003 IPSec Concepts" says that only ISAKMP is exempt there, and counts.
    pub inbound_groups: bool,
    /// The release: of what it does not know nothing is compiled. `None` knows everything.
    pub release: Option<&'static Profile>,
    /// What becomes of settings that Windows offers and Microsoft does not support.
    pub validation: Validation,
}

/// One interface of the computer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalInterface {
    /// LAN or remote access.
    pub kind: ConnectionKind,
    /// Own addresses with their on-link prefix.
    pub addresses: Vec<Prefix>,
    /// Whether a DHCP server leased them: they are not static.
    pub leased: bool,
}

/// Why a policy cannot be compiled.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// A name has no address.
    #[error("rule '{rule}': the name '{name}' has no known address")]
    UnresolvedName {
        /// The rule.
        rule: String,
        /// The name.
        name: String,
    },
    /// A negotiating rule without security methods.
    #[error("rule '{rule}': filter action '{action}' negotiates but has no security methods")]
    NoSecurityMethods {
        /// The rule.
        rule: String,
        /// The filter action.
        action: String,
    },
    /// A negotiating rule without authentication methods.
    #[error("rule '{rule}' negotiates but has no authentication methods")]
    NoAuthentication {
        /// The rule.
        rule: String,
    },
    /// The policy has no main-mode methods.
    #[error("policy '{policy}' has no main-mode methods")]
    NoMainModeMethods {
        /// The policy.
        policy: String,
    },
    /// The release knows none of the policy's main-mode methods.
    #[error("policy '{policy}' has only main-mode methods that {release} does not know")]
    UnknownMainModeMethods {
        /// The policy.
        policy: String,
        /// The release.
        release: &'static str,
    },
    /// A tunnel endpoint that is nobody's address: any, multicast or broadcast. KB 816514: "both tunnel endpoints have static IP
    /// addresses".
    #[error("rule '{rule}': {endpoint} is no tunnel endpoint: both ends of a tunnel have static addresses")]
    TunnelEndpoint {
        /// The rule.
        rule: String,
        /// The address.
        endpoint: IpAddr,
    },
    /// What Windows would accept and [`Validation::Strict`] does not.
    #[error("not supported: {0}")]
    Unsupported(Box<Warning>),
    /// More filters than an SPD can number.
    #[error("the policy compiles to too many entries")]
    TooManyEntries,
}

impl Default for LocalAddresses {
    /// A computer about which nothing is known, with Windows Server 2003's exemptions.
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            servers: BTreeMap::new(),
            names: BTreeMap::new(),
            exempt: ExemptLevel::IsakmpOnly,
            inbound_groups: false,
            release: None,
            validation: Validation::default(),
        }
    }
}

impl LocalAddresses {
    /// A computer with these LAN addresses.
    #[must_use]
    pub fn lan(addresses: &[Prefix]) -> Self {
        let interface =
            LocalInterface { kind: ConnectionKind::Lan, addresses: addresses.to_vec(), leased: false };
        Self { interfaces: vec![interface], ..Self::default() }
    }

    /// The same computer with this release and its default exemptions.
    #[must_use]
    pub fn with_release(self, release: &'static Profile) -> Self {
        Self { exempt: release.exempt.value, release: Some(release), ..self }
    }

    /// A computer with the interfaces of a core configuration.
    #[must_use]
    pub fn of(interfaces: &[Interface]) -> Self {
        let local =
            |i: &Interface| LocalInterface { kind: i.kind, addresses: i.addresses.clone(), leased: false };
        Self { interfaces: interfaces.iter().map(local).collect(), ..Self::default() }
    }

    /// Whether the address is one of ours.
    #[must_use]
    pub fn owns(&self, address: IpAddr) -> bool {
        self.all().any(|p| p.address == address)
    }

    /// Whether the address is one of ours, and not for good: a DHCP server leased it.
    #[must_use]
    pub fn leases(&self, address: IpAddr) -> bool {
        let leased = self.interfaces.iter().filter(|i| i.leased);
        leased.flat_map(|i| &i.addresses).any(|p| p.address == address)
    }

    /// Every own address with its prefix.
    pub fn all(&self) -> impl Iterator<Item = &Prefix> {
        self.interfaces.iter().flat_map(|i| &i.addresses)
    }
}

/// Compiles the assigned policy; without one, everything but what the core itself consumes passes in clear.
pub fn compile(store: &Store, local: &LocalAddresses) -> Result<PolicyDatabases, CompileError> {
    validation::check(store, store.assigned(), local)?;
    let mut entries = exemptions::entries(local);
    let mut pad = Pad::default();
    if let Some(policy) = store.assigned() {
        for filter in expand::filters(store, policy, local)? {
            entries.push(filter.entry());
        }
        pad.entries = main_mode::entries(&[(store, policy)], local)?;
    }
    entries.push(exemptions::default_permit());
    let spd = default_response::add(Spd::new(numbered(entries)?), store.assigned().into_iter())?;
    Ok(PolicyDatabases { spd: Arc::new(spd), pad: Arc::new(pad) })
}

fn numbered(mut entries: Vec<SpdEntry>) -> Result<Vec<SpdEntry>, CompileError> {
    for (number, entry) in entries.iter_mut().enumerate() {
        entry.id = EntryId(u32::try_from(number).map_err(|_| CompileError::TooManyEntries)?);
    }
    Ok(entries)
}
