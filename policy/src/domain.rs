//! What a member of a Windows domain has of the policies in its directory.

use crate::store::Store;

/// A computer's membership of a domain, as Group Policy last left it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Domain {
    /// The domain's DNS name.
    pub name: String,
    /// "IP Security Policies on Active Directory". The policy of the nearest container that has one is assigned; where none
    /// has, none is.
    pub policies: Store,
    /// The Group Policy object that assigns it.
    pub gpo: Option<String>,
}
