//! Proposal selection that explains every refusal.

use alloc::string::String;
use core::fmt;

/// Why one offered transform was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Number of the proposal.
    pub proposal: u8,
    /// Number of the transform.
    pub transform: u8,
    /// The attribute that does not fit, by its RFC name.
    pub attribute: &'static str,
    /// What our policy accepts.
    pub expected: String,
    /// What was offered.
    pub offered: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { proposal, transform, attribute, expected, offered } = self;
        write!(f, "proposal {proposal} transform {transform}: {attribute} is {offered}, expected {expected}")
    }
}
