//! The event queue: ordered by time, then by the order in which events were put in.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;

use ipsec_core::interface::InterfaceId;
use ipsec_core::work::{WorkId, WorkResult};
use ipsec_core::{Instant, Packet};

use crate::topology::{AppId, LinkId, NodeId};

/// Something that is going to happen.
#[derive(Clone, Debug)]
pub(crate) enum Occasion {
    /// A packet comes off a link.
    Arrival { node: NodeId, interface: InterfaceId, transmission: u64, packet: Packet },
    /// A node's next timer; stale when the node has moved it since.
    Timer(NodeId),
    /// A piece of offloaded work is done.
    WorkDone(NodeId, WorkId, WorkResult),
    /// A scheduled action.
    Action(NodeId, AppId),
    /// An injection of the adversary, by its number.
    Injection(usize),
    /// The adversary plays a packet back.
    Replay { link: LinkId, next_hop: IpAddr, packet: Packet },
}

#[derive(Clone, Debug)]
struct Entry {
    time: Instant,
    sequence: u64,
    occasion: Occasion,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.sequence == other.sequence
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.time, self.sequence).cmp(&(other.time, other.sequence))
    }
}

/// Events in (time, sequence) order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    sequence: u64,
}

impl Queue {
    pub(crate) fn push(&mut self, time: Instant, occasion: Occasion) {
        self.sequence += 1;
        self.heap.push(Reverse(Entry { time, sequence: self.sequence, occasion }));
    }

    /// Results of work that nobody remembers having asked for.
    pub(crate) fn forget_work(&mut self, node: NodeId) {
        self.heap.retain(|Reverse(entry)| !matches!(entry.occasion, Occasion::WorkDone(n, ..) if n == node));
    }

    pub(crate) fn pop(&mut self) -> Option<(Instant, Occasion)> {
        self.heap.pop().map(|Reverse(entry)| (entry.time, entry.occasion))
    }

    pub(crate) fn next_time(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(entry)| entry.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_first_then_in_order_of_arrival() {
        let mut queue = Queue::default();
        for (time, node) in [(2, 0), (1, 1), (2, 2), (1, 3)] {
            queue.push(Instant::from_secs(time), Occasion::Timer(NodeId(node)));
        }
        let order: Vec<_> = std::iter::from_fn(|| match queue.pop() {
            Some((_, Occasion::Timer(node))) => Some(node.0),
            _ => None,
        })
        .collect();
        assert_eq!(order, [1, 3, 0, 2]);
    }
}
