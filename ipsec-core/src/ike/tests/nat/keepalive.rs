//! Keepalives (RFC 3948 sections 2.3 and 4): who sends them, when, and when not.

use alloc::vec;
use alloc::vec::Vec;

use super::world::*;
use crate::config::{IkeConfig, NatTraversal};
use crate::ike::tests::harness::*;
use crate::sad::InstallContext;
use crate::time::{Duration, Instant};

fn setup(keepalive: Option<Duration>) -> Setup {
    let nat_traversal = NatTraversal { keepalive, ..NatTraversal::default() };
    Setup { ike: IkeConfig { vendor_ids: rfc(), nat_traversal, ..IkeConfig::default() }, ..Setup::default() }
}

/// Source address, source and destination port of each keepalive.
fn keepalives(world: &World) -> Vec<(&'static str, u16, u16)> {
    let kept = world.sent.iter().filter(|d| d.keepalive);
    kept.map(|d| {
        assert_eq!(d.payload, [0xff]);
        let of = [INSIDE[0], INSIDE[1], OUTSIDE[0], OUTSIDE[1]];
        let sender = of.into_iter().find(|end| ip(end) == d.local.ip()).unwrap();
        (sender, d.local.port(), d.peer.port())
    })
    .collect()
}

#[test]
fn an_end_behind_a_nat_sends_one_octet_every_20_seconds_and_the_other_none() {
    for placement in PLACEMENTS {
        let mut world = World::connected(&setup(NatTraversal::default().keepalive), placement);
        world.run_for(100);
        let of = |node: usize| keepalives(&world).iter().filter(|k| k.0 == INSIDE[node]).count();
        let expected = |behind: bool| if behind { 5 } else { 0 };
        assert_eq!([of(0), of(1)], [expected(placement.client), expected(placement.server)], "{placement:?}");
        // RFC 3947 section 4: never on port 500. The server answers to where the client's box is.
        assert!(keepalives(&world).iter().all(|k| k.1 == 4500));
        assert!(keepalives(&world).iter().all(|k| k.2 == 4500 || k.0 == INSIDE[1] && placement.client));
    }
}

#[test]
fn the_interval_is_configured() {
    let placement = CLIENT;
    let mut world = World::connected(&setup(Some(Duration::from_secs(7))), placement);
    world.run_for(100);
    assert_eq!(keepalives(&world).len(), 14);
    let mut world = World::connected(&setup(None), placement);
    world.run_for(100);
    assert_eq!(keepalives(&world), []);
}

/// RFC 3948 section 4: a keepalive goes out if no other packet went to the peer for as long as the interval.
#[test]
fn whatever_else_is_sent_takes_its_place() {
    let placement = CLIENT;
    let mut world = World::connected(&setup(Some(Duration::from_secs(20))), placement);
    // IKE, 12 s after the last message: the next keepalive is due at 32 s.
    world.run_for(12);
    world.acquire(0);
    world.run_for(19);
    assert_eq!(keepalives(&world), []);
    world.run_for(1);
    assert_eq!(keepalives(&world).len(), 1);
    // ESP, 5 s after that keepalive.
    let client = &mut world.nodes[0];
    let spec = client.outbound[1].clone();
    let streams = crate::rng::Streams::new([9; 32]);
    let cx = InstallContext { streams: &streams, window: 64, margin_permille: 0, now: world.now };
    client.sad.install(&spec, &cx).unwrap();
    client.sad.get_mut(spec.pair).unwrap().last_sent = Some(world.now + Duration::from_secs(5));
    world.run_for(24);
    assert_eq!(keepalives(&world).len(), 1);
    world.run_for(1);
    assert_eq!(keepalives(&world).len(), 2);
}

#[test]
fn they_end_with_the_last_sa() {
    let placement = CLIENT;
    let mut world = World::connected(&setup(Some(Duration::from_secs(20))), placement);
    world.call(0, |ike, cx| ike.shutdown(cx));
    world.run_for(100);
    assert_eq!(keepalives(&world), []);
    assert_eq!(world.nodes[0].ike.sizes().timers, 0);
}

/// RFC 3947 section 4: the timer starts after the change of ports, and none is sent to port 500.
#[test]
fn an_exchange_that_waits_before_the_change_sends_none() {
    let mut world = World::new(&setup(Some(Duration::from_secs(1))), CLIENT);
    world.acquire(0);
    // Message 4 never comes.
    for _ in 0..3 {
        let (node, datagram) = world.take().unwrap();
        world.deliver(node, &datagram);
    }
    while world.take().is_some() {}
    let until = Instant::from_secs(10);
    while let Some(next) = world.nodes[0].ike.poll_timeout().filter(|next| *next < until) {
        world.now = next;
        world.call(0, |ike, cx| ike.handle_timeout(cx));
    }
    assert_eq!(keepalives(&world), vec![]);
}
