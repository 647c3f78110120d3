//! Where RFC 4301 and Windows differ about packets on their way.

/// What becomes of a fragment without ports that meets an entry which asks for ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LaterFragments {
    /// It stops there: it may belong to the entry's traffic (RFC 4301 section 7.3).
    #[default]
    Stop,
    /// It does not match, and the next entry decides: where the last one lets everything pass, it passes in clear. Windows,
    /// whose tunnels "do not support protocol-specific or port-specific filters" (KB 816514).
    FallThrough,
}

/// Which route decides where a tunnel's packets leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TunnelEgress {
    /// That of the outer destination. The outer source is our address of the SA (RFC 4301 section 5.1.2.1).
    #[default]
    OuterRoute,
    /// That of the inner destination: a tunnel "does not change the way traffic is routed", and "the source IP of the tunneled
    /// packet is the source IP on the outbound interface" (KB 816514). ESP in UDP keeps the addresses that IKE spoke with.
    InnerRoute,
}
