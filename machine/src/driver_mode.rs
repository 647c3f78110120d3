//! What the IPsec driver does before the Policy Agent has given it a policy: permit, block, stateful.

use core::fmt;

/// A mode of the IPsec driver (TechNet cc783039, cc738367).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DriverMode {
    /// No packet is processed: there is no IPsec.
    Permit,
    /// Nothing passes but the boot exemptions and DHCP.
    Block,
    /// What the computer starts passes, with its replies, the boot exemptions and DHCP.
    Stateful,
    /// Policy is in force, which may be none.
    Secure,
}

impl fmt::Display for DriverMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DriverMode::Permit => "permit",
            DriverMode::Block => "block",
            DriverMode::Stateful => "stateful",
            DriverMode::Secure => "secure",
        })
    }
}
