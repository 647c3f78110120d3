//! Which filter is asked first: the most specific, wherever it stands in the policy.
//!
//! Microsoft's own weights are not public. The order here is that of the published teaching table "IPSec Order of
//! Specificity" (J. Fossen, SEC505): nine classes of (source, destination), in each of them five classes of protocol
//! and ports; a longer mask is more specific; tunnel filters stand above transport filters; of equally specific filters
//! the more restrictive action wins. Our choices beyond it: "me" counts as a single address; mask lengths are compared
//! inside a class, as their sum; what is still equal keeps the order of creation.

use ipnet::IpNet;
use std::net::IpAddr;

use crate::filter_action::Action;

/// A filter side when all names and keywords have been resolved.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Scope {
    /// Every address.
    Any,
    /// A prefix; host prefixes are single addresses.
    Net(IpNet),
    /// First to last address.
    Range(IpAddr, IpAddr),
}

/// How much of the address space a side covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Single,
    Range,
    Any,
}

impl Scope {
    /// Whether it is one address.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.class() == Class::Single
    }

    /// Orders scopes from the widest to the narrowest.
    #[must_use]
    pub fn narrowness(&self) -> u32 {
        self.bits()
    }

    fn class(&self) -> Class {
        match self {
            Self::Any => Class::Any,
            Self::Net(net) if net.prefix_len() == 0 => Class::Any,
            Self::Net(net) if net.prefix_len() == net.max_prefix_len() => Class::Single,
            Self::Range(first, last) if first == last => Class::Single,
            Self::Net(_) | Self::Range(..) => Class::Range,
        }
    }

    /// Leading bits that are fixed; for a range, those its ends share.
    fn bits(&self) -> u32 {
        match self {
            Self::Any => 0,
            Self::Net(net) => u32::from(net.prefix_len()),
            Self::Range(IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            Self::Range(IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            Self::Range(..) => 0,
        }
    }
}

/// The weight of one direction of a filter; the greater one is asked first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Weight {
    tunnel: bool,
    addresses: u8,
    protocol: u8,
    bits: u32,
    restriction: u8,
}

impl Weight {
    /// The weight of a filter with these sides.
    #[must_use]
    pub fn new(
        tunnel: bool,
        (source, source_port): (&Scope, bool),
        (destination, destination_port): (&Scope, bool),
        protocol: bool,
        action: Action,
    ) -> Self {
        Self {
            tunnel,
            addresses: address_class(source.class(), destination.class()),
            protocol: protocol_class(protocol, source_port, destination_port),
            bits: source.bits() + destination.bits(),
            restriction: match action {
                Action::Block => 2,
                Action::Negotiate => 1,
                Action::Permit => 0,
            },
        }
    }

    /// Whether one of two filters that may cover the same packet was chosen only because it was created first.
    #[must_use]
    pub fn is_tie(&self, other: &Self) -> bool {
        self == other
    }
}

const fn address_class(source: Class, destination: Class) -> u8 {
    use Class::{Any, Range, Single};
    match (source, destination) {
        (Single, Single) => 8,
        (Range, Single) => 7,
        (Single, Range) => 6,
        (Range, Range) => 5,
        (Any, Single) => 4,
        (Single, Any) => 3,
        (Any, Range) => 2,
        (Range, Any) => 1,
        (Any, Any) => 0,
    }
}

const fn protocol_class(protocol: bool, source_port: bool, destination_port: bool) -> u8 {
    match (protocol, source_port, destination_port) {
        (_, true, true) => 4,
        (_, false, true) => 3,
        (_, true, false) => 2,
        (true, false, false) => 1,
        (false, false, false) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Scope {
        Scope::Net(text.parse().unwrap())
    }

    fn plain(source: &Scope, destination: &Scope) -> Weight {
        Weight::new(false, (source, false), (destination, false), false, Action::Permit)
    }

    /// The nine address classes in the order of the published table, each above the next.
    #[test]
    fn address_classes_follow_the_table() {
        let (single, range, any) = (net("10.0.0.1/32"), net("10.0.0.0/24"), Scope::Any);
        let table = [
            (&single, &single),
            (&range, &single),
            (&single, &range),
            (&range, &range),
            (&any, &single),
            (&single, &any),
            (&any, &range),
            (&range, &any),
            (&any, &any),
        ];
        for pair in table.windows(2) {
            assert!(plain(pair[0].0, pair[0].1) > plain(pair[1].0, pair[1].1), "{pair:?}");
        }
    }

    /// The five protocol classes of the table.
    #[test]
    fn protocol_classes_follow_the_table() {
        let any = Scope::Any;
        let w = |p, s, d| Weight::new(false, (&any, s), (&any, d), p, Action::Permit);
        let table = [
            w(true, true, true),
            w(true, false, true),
            w(true, true, false),
            w(true, false, false),
            w(false, false, false),
        ];
        assert!(table.windows(2).all(|p| p[0] > p[1]));
    }

    #[test]
    fn tunnel_first_longer_mask_next_restriction_last() {
        let (wide, narrow, any) = (net("10.0.0.0/8"), net("10.1.0.0/16"), Scope::Any);
        assert!(plain(&narrow, &any) > plain(&wide, &any));
        let tunnel = Weight::new(true, (&any, false), (&any, false), false, Action::Permit);
        assert!(tunnel > plain(&narrow, &net("10.0.0.1/32")));
        let of = |action| Weight::new(false, (&any, false), (&any, false), false, action);
        assert!(of(Action::Block) > of(Action::Negotiate) && of(Action::Negotiate) > of(Action::Permit));
        assert!(of(Action::Block).is_tie(&of(Action::Block)));
    }

    #[test]
    fn range_of_one_address_is_single() {
        let a = "10.0.0.1".parse().unwrap();
        assert_eq!(Scope::Range(a, a).class(), Class::Single);
        assert_eq!(Scope::Range(a, "10.0.0.2".parse().unwrap()).bits(), 30);
    }
}
