//! Which entries can match a flow, without looking at all of them.
//!
//! One segment tree for each of remote address, local address, remote port and local port: a leaf is an interval between
//! neighbouring bounds of the selectors, and each entry stands in the O(log n) nodes that make up its range. The way from
//! a leaf to the root passes every entry that can match, so memory is O(n log n), whatever overlaps. A lookup takes the
//! tree with the fewest candidates; the caller's test decides, and the lowest place wins, as in a scan.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::SpdEntry;
use crate::selector::{AddressRange, FlowKey, PortRange};

/// Fewer entries than this are scanned: that is as fast.
const SCAN: usize = 16;

/// So few candidates that no other tree is asked.
const FEW: usize = 8;

/// The trees; empty when there are few entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    remote: Tree,
    local: Tree,
    remote_ports: Tree,
    local_ports: Tree,
    indexed: bool,
    len: usize,
}

impl Index {
    /// Indexes the entries by their places.
    pub(super) fn new(entries: &[SpdEntry]) -> Self {
        let len = entries.len();
        if len < SCAN {
            return Index { len, ..Index::default() };
        }
        let addresses = |of: fn(&SpdEntry) -> &[AddressRange]| {
            let ranges = |e| of(e).iter().map(|r| (number(r.start), number(r.end))).collect();
            Tree::new(entries.iter().map(ranges).collect())
        };
        let ports = |of: fn(&SpdEntry) -> PortRange| {
            let range = |e| alloc::vec![(u128::from(of(e).start), u128::from(of(e).end))];
            Tree::new(entries.iter().map(range).collect())
        };
        Index {
            remote: addresses(|e| &e.selector.remote),
            local: addresses(|e| &e.selector.local),
            remote_ports: ports(|e| e.selector.remote_ports),
            local_ports: ports(|e| e.selector.local_ports),
            indexed: true,
            len,
        }
    }

    /// The lowest place that `matches`, which must be no wider than the selector's own test of `flow`.
    pub(super) fn first(&self, flow: &FlowKey, mut matches: impl FnMut(usize) -> bool) -> Option<usize> {
        if !self.indexed {
            return (0..self.len).find(|place| matches(*place));
        }
        // A flow without a port matches only ANY, which covers 0 too.
        let port = |port: Option<u16>| u128::from(port.unwrap_or(0));
        let keys = [
            (&self.remote, number(flow.remote)),
            (&self.local, number(flow.local)),
            (&self.remote_ports, port(flow.remote_port)),
            (&self.local_ports, port(flow.local_port)),
        ];
        let mut chosen: Option<(usize, &Tree, usize)> = None;
        for (tree, value) in keys {
            let leaf = tree.leaf(value);
            let candidates = tree.nodes(leaf).map(<[u32]>::len).sum();
            if chosen.is_none_or(|(least, ..)| candidates < least) {
                chosen = Some((candidates, tree, leaf));
            }
            if candidates <= FEW {
                break;
            }
        }
        let (_, tree, leaf) = chosen?;
        let mut best: Option<usize> = None;
        for node in tree.nodes(leaf) {
            let places = node.iter().map(|place| *place as usize);
            let better = places.take_while(|place| best.is_none_or(|b| *place < b));
            best = better.into_iter().find(|place| matches(*place)).or(best);
        }
        best
    }
}

/// An address as a number. The two families share the numbers: that makes candidates, never matches.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => a.to_bits().into(),
        IpAddr::V6(a) => a.to_bits(),
    }
}

/// A segment tree over ranges of numbers; node `i` has children `2i` and `2i + 1`, leaves come last, node 0 is unused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tree {
    /// Where a new leaf begins; the first leaf lies before the first bound.
    bounds: Vec<u128>,
    /// Node `i` holds `places[starts[i]..starts[i + 1]]`, in ascending order.
    starts: Vec<u32>,
    places: Vec<u32>,
}

impl Tree {
    /// A tree of these inclusive ranges; `ranges[place]` are those of one entry.
    fn new(ranges: Vec<Vec<(u128, u128)>>) -> Self {
        let all = ranges.iter().flatten();
        let mut bounds: Vec<u128> =
            all.flat_map(|(start, end)| [Some(*start), end.checked_add(1)]).flatten().collect();
        bounds.sort_unstable();
        bounds.dedup();
        let mut tree = Tree { bounds, ..Tree::default() };
        let leaves = tree.leaves();
        let mut nodes: Vec<Vec<u32>> = alloc::vec![Vec::new(); 2 * leaves];
        for (place, ranges) in (0u32..).zip(&ranges) {
            for (start, end) in ranges {
                let (mut low, mut high) = (tree.leaf(*start), tree.leaf(*end) + 1);
                while low < high {
                    if low % 2 == 1 {
                        put(&mut nodes, low, place);
                        low += 1;
                    }
                    if high % 2 == 1 {
                        high -= 1;
                        put(&mut nodes, high, place);
                    }
                    (low, high) = (low / 2, high / 2);
                }
            }
        }
        for node in &nodes {
            tree.starts.push(tree.places.len() as u32);
            tree.places.extend_from_slice(node);
        }
        tree.starts.push(tree.places.len() as u32);
        tree
    }

    fn leaves(&self) -> usize {
        self.bounds.len() + 1
    }

    /// The leaf that `value` lies in.
    fn leaf(&self, value: u128) -> usize {
        self.leaves() + self.bounds.partition_point(|bound| *bound <= value)
    }

    /// What stands in the nodes from a leaf up to the root.
    fn nodes(&self, leaf: usize) -> impl Iterator<Item = &[u32]> {
        let up = core::iter::successors(Some(leaf), |node| Some(node / 2).filter(|n| *n > 0));
        up.filter_map(|node| match self.starts.get(node..node + 2) {
            Some([start, end]) => self.places.get(*start as usize..*end as usize),
            _ => None,
        })
    }
}

/// Two ranges of one entry may meet in a node: it stands there once.
fn put(nodes: &mut [Vec<u32>], node: usize, place: u32) {
    if let Some(places) = nodes.get_mut(node).filter(|places| places.last() != Some(&place)) {
        places.push(place);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Action, Direction, EntryId, Spd};
    use super::*;
    use crate::interface::ConnectionKind;
    use crate::selector::{Prefix, Selector};
    use alloc::string::String;
    use proptest::prelude::*;

    /// Few addresses, so that ranges overlap, nest and touch.
    fn address() -> impl Strategy<Value = IpAddr> {
        let bits = prop_oneof![0u32..24, (u32::MAX - 3)..=u32::MAX];
        prop_oneof![
            4 => bits.prop_map(|b| core::net::Ipv4Addr::from_bits(b).into()),
            1 => prop_oneof![0u128..24, (u128::MAX - 3)..=u128::MAX]
                .prop_map(|b| core::net::Ipv6Addr::from_bits(b).into()),
        ]
    }

    fn range() -> impl Strategy<Value = AddressRange> {
        let between = (address(), 0u32..9).prop_map(|(start, len)| match start {
            IpAddr::V4(a) => {
                let end = core::net::Ipv4Addr::from_bits(a.to_bits().saturating_add(len)).into();
                AddressRange { start, end }
            }
            IpAddr::V6(_) => AddressRange::single(start),
        });
        let prefix = (address(), 0u8..=32).prop_map(|(a, len)| Prefix::new(a, len).into());
        prop_oneof![between, prefix, Just(AddressRange::ANY_V4), Just(AddressRange::ANY_V6)]
    }

    fn ports() -> impl Strategy<Value = PortRange> {
        let narrow = (0u16..5, 0u16..3).prop_map(|(start, len)| PortRange { start, end: start + len });
        prop_oneof![Just(PortRange::ANY), narrow, Just(PortRange { start: 3, end: u16::MAX })]
    }

    fn selector() -> impl Strategy<Value = Selector> {
        let ranges = || prop::collection::vec(range(), 1..3);
        let protocol = prop_oneof![Just(None), Just(Some(6)), Just(Some(17))];
        (ranges(), ranges(), protocol, ports(), ports()).prop_map(
            |(local, remote, protocol, local_ports, remote_ports)| Selector {
                local,
                remote,
                protocol,
                local_ports,
                remote_ports,
            },
        )
    }

    fn flow() -> impl Strategy<Value = FlowKey> {
        let port = || prop_oneof![Just(None), (0u16..7).prop_map(Some), Just(Some(u16::MAX))];
        let protocol = prop_oneof![Just(6u8), Just(17)];
        (address(), address(), protocol, port(), port()).prop_map(
            |(local, remote, protocol, local_port, remote_port)| FlowKey {
                local,
                remote,
                protocol,
                local_port,
                remote_port,
            },
        )
    }

    proptest! {
        #[test]
        fn finds_what_a_scan_finds(
            entries in prop::collection::vec((selector(), 0usize..3), 0..80),
            flows in prop::collection::vec(flow(), 1..20),
        ) {
            let directions = [Direction::Outbound, Direction::Inbound, Direction::Both];
            let entries = (0..).zip(entries).map(|(id, (selector, direction))| SpdEntry {
                id: EntryId(id),
                name: String::new(),
                selector,
                direction: directions[direction],
                connection: None,
                action: Action::Bypass,
            });
            let spd = Spd::new(entries.collect());
            for flow in flows {
                let scan = spd.entries().iter().find(|e| e.direction.outbound() && e.selector.matches(&flow));
                prop_assert_eq!(spd.outbound(&flow, ConnectionKind::Lan), scan);
                let scan = spd.entries().iter().find(|e| e.direction.inbound() && e.selector.matches(&flow));
                prop_assert_eq!(spd.inbound(&flow, ConnectionKind::Lan), scan);
            }
        }
    }

    /// Ranges that all overlap stand in few nodes each: memory does not grow with the square.
    #[test]
    fn nested_ranges_stay_small() {
        let ranges = (0..4_096u128).map(|n| alloc::vec![(n, 10_000 - n)]).collect();
        let tree = Tree::new(ranges);
        assert!(tree.places.len() < 4_096 * 2 * 14, "{}", tree.places.len());
        assert_eq!(tree.nodes(tree.leaf(5_000)).map(<[u32]>::len).sum::<usize>(), 4_096);
    }
}
