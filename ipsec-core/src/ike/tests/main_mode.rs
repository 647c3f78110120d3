//! Negotiations from the first message to a pair of SAs.

use super::harness::*;
use crate::io::Event;

#[test]
fn nine_messages_make_a_pair_with_the_same_keys_at_both_ends() {
    let mut net = Net::same(&Setup::default());
    net.acquire(0);
    net.settle();
    assert_eq!(net.sent.len(), 9, "{:#?}", net.nodes.each_ref().map(|n| &n.events));
    net.assert_same_pairs(1);
    for node in &net.nodes {
        assert_eq!(node.count(|e| matches!(e, Event::MainModeEstablished(_))), 1);
        assert_eq!(node.count(|e| matches!(e, Event::QuickModeEstablished(_))), 1);
        assert_eq!(node.count(|e| matches!(e, Event::IkeIgnored { .. })), 0);
    }
}
