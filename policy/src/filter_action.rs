//! Filter actions: what happens to packets that match.

use core::fmt;

use crate::{security_method::SecurityMethod, store::Guid};

/// The three things a filter action can do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Action {
    /// Let the packet pass in clear.
    Permit,
    /// Drop it silently.
    Block,
    /// Protect it with what IKE agrees on.
    Negotiate,
}

/// A named action that rules refer to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilterAction {
    /// The action's id.
    pub id: Guid,
    /// Unique in the store, whatever the case of its letters.
    pub name: String,
    /// Free text.
    pub description: String,
    /// What to do. The remaining fields only count when this is [`Action::Negotiate`].
    pub action: Action,
    /// "Session key perfect forward secrecy": a Diffie-Hellman exchange in each quick mode.
    pub qm_pfs: bool,
    /// "Accept unsecured communication, but always respond using IPSec".
    pub inpass: bool,
    /// "Allow unsecured communication with non-IPSec-aware computers": fall back to clear when the peer is silent.
    pub soft: bool,
    /// Security methods, the most preferred first.
    pub methods: Vec<SecurityMethod>,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permit => "PERMIT",
            Self::Block => "BLOCK",
            Self::Negotiate => "NEGOTIATE SECURITY",
        })
    }
}
