//! What this end proves its identity with, once a method is agreed on.
//!
//! A policy may name methods that do not exist here: Kerberos and certificates. They are offered and agreed on like others,
//! and it shows in this file alone that they cannot be used:
//!
//! - An initiator none of whose methods is available sends nothing: [`any`].
//! - When the first common method is one of them, the responder fails with "not available" instead of sending message 2.
//!   It does not go on to the next common one: the first one counts.
//! - An initiator does not act upon a message 2 that chooses one of them, for anybody may have sent it; when no other came
//!   until its schedule ends, that is the reason of the failure.

use alloc::vec::Vec;

use crate::crypto::{HashAlg, Secret};
use crate::ike::failure::{FailureReason, IkeError};
use crate::ike::proposal::phase1::method_number;
use crate::ike::v1::keymat;
use crate::pad::{AuthMethod, PadEntry};
use crate::wire::ikev1::AuthenticationMethod;

/// A method that cannot be used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAvailable(pub(crate) AuthenticationMethod);

impl From<NotAvailable> for FailureReason {
    fn from(NotAvailable(method): NotAvailable) -> Self {
        FailureReason::MethodNotAvailable(Vec::from([method]))
    }
}

impl From<NotAvailable> for IkeError {
    fn from(NotAvailable(method): NotAvailable) -> Self {
        IkeError::NotAvailable(method)
    }
}

/// An agreed method with what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// A pre-shared key (RFC 2409 section 5.4).
    PreSharedKey(Secret),
}

impl Credential {
    /// Of a method that was agreed on.
    pub(crate) fn of(method: &AuthMethod) -> Result<Self, NotAvailable> {
        match method {
            AuthMethod::PreSharedKey(key) => Ok(Credential::PreSharedKey(key.clone())),
            AuthMethod::Kerberos | AuthMethod::Certificate { .. } => Err(NotAvailable(method_number(method))),
        }
    }

    /// The method's number on the wire.
    pub(crate) fn method(&self) -> AuthenticationMethod {
        match self {
            Credential::PreSharedKey(_) => AuthenticationMethod::PRE_SHARED_KEY,
        }
    }

    /// SKEYID, which each method makes in its own way (RFC 2409 section 5).
    pub(crate) fn skeyid(&self, alg: HashAlg, ni_b: &[u8], nr_b: &[u8]) -> Secret {
        match self {
            Credential::PreSharedKey(key) => keymat::skeyid_psk(alg, key, ni_b, nr_b),
        }
    }
}

/// Whether main mode can end well at all: one of the methods must be available.
pub(crate) fn any(entry: &PadEntry) -> Result<(), FailureReason> {
    match entry.methods.iter().any(|method| Credential::of(method).is_ok()) {
        true => Ok(()),
        false => {
            let methods = entry.methods.iter().map(method_number).collect();
            Err(FailureReason::MethodNotAvailable(methods))
        }
    }
}

/// The method that we like best with these peers.
pub(crate) fn preferred(entry: Option<&PadEntry>) -> Option<AuthenticationMethod> {
    entry?.methods.first().map(method_number)
}

/// Whether a policy still has this credential.
pub(crate) fn is_allowed(credential: &Credential, entry: &PadEntry) -> bool {
    entry.methods.iter().any(|method| Credential::of(method).as_ref() == Ok(credential))
}
