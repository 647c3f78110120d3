//! Both ends with IKE: the first packet waits, the later ones never do.

use super::*;

/// Two gateways on one link, and what came out at the far ends.
struct Link {
    nodes: [Ipsec; 2],
    now: Instant,
    delivered: [usize; 2],
    events: Vec<Event>,
}

impl Link {
    fn new(lifetime: Lifetime) -> Link {
        let node = |me: u8| {
            let mut policy = tunnel_policy(me);
            if let Action::Protect(p) = &mut policy[0].action {
                p.offers = vec![Offer { lifetime, ..offer(None, Some(AES_MD5)) }];
            }
            node(me, policy)
        };
        Link { nodes: [node(1), node(2)], now: NOW, delivered: [0; 2], events: vec![] }
    }

    /// Carries packets over until nothing moves.
    fn settle(&mut self) {
        loop {
            let mut quiet = true;
            for from in [0, 1] {
                while let Some(output) = self.nodes[from].poll_output() {
                    quiet = false;
                    match output {
                        Output::Transmit(_, packet) => {
                            let proto = packet.bytes()[9];
                            let ike = proto == protocol::UDP && packet.bytes()[22..24] == [1, 0xf4];
                            assert!(proto == protocol::ESP || ike, "clear text on the link");
                            self.nodes[1 - from].handle_input(Input::Inbound(OUTSIDE, packet), self.now);
                        }
                        Output::Deliver(..) => self.delivered[from] += 1,
                        Output::Event(event) => self.events.push(event),
                        Output::Work(..) => panic!("work is done inline"),
                    }
                }
            }
            if quiet {
                return;
            }
        }
    }

    /// One request and one reply.
    fn ping(&mut self) {
        let reply = udp(ip("10.2.0.10"), ip("10.1.0.10"), (7, 4000), 100);
        self.nodes[0].handle_input(Input::Outbound(OUTSIDE, request(100)), self.now);
        self.settle();
        self.nodes[1].handle_input(Input::Outbound(OUTSIDE, reply), self.now);
        self.settle();
    }

    /// Lets time pass, timer by timer.
    fn advance(&mut self, until: Instant) {
        loop {
            let next = self.nodes.iter().filter_map(Ipsec::poll_timeout).min();
            let Some(next) = next.filter(|at| *at <= until) else { break };
            self.now = next.max(self.now);
            for node in &mut self.nodes {
                node.handle_input(Input::Timeout, self.now);
            }
            self.settle();
        }
        self.now = until;
    }
}

#[test]
fn rekeying_loses_nothing() {
    let mut link = Link::new(Lifetime { seconds: Some(600), kilobytes: None });
    for n in 0..600u64 {
        link.advance(Instant::from_secs(n * 10));
        link.ping();
        assert_eq!(link.delivered, [n as usize + 1; 2], "at {}", link.now);
    }
    let count = |what: fn(&Event) -> bool| link.events.iter().filter(|e| what(e)).count();
    // Only the first packet waited; 6,000 s need at least ten lives of 600 s.
    assert_eq!(count(|e| matches!(e, Event::Held { .. })), 1);
    assert!(count(|e| matches!(e, Event::QuickModeEstablished(_))) >= 20);
    assert_eq!(
        count(|e| matches!(e, Event::Dropped { .. } | Event::Failed(_) | Event::InstallFailed { .. })),
        0
    );
    // Old pairs do not pile up.
    for node in &link.nodes {
        assert!(node.status().pairs().count() <= 3);
    }
}

#[test]
fn kilobytes_rekey_too() {
    let mut link = Link::new(Lifetime { seconds: Some(28_800), kilobytes: Some(16) });
    for n in 0..500u64 {
        link.advance(Instant::from_millis(n * 100));
        link.ping();
    }
    assert_eq!(link.delivered, [500; 2]);
    assert!(link.events.iter().filter(|e| matches!(e, Event::QuickModeEstablished(_))).count() >= 6);
    assert_eq!(link.events.iter().filter(|e| matches!(e, Event::Held { .. })).count(), 1);
}

#[test]
fn an_idle_pair_expires() {
    let mut link = Link::new(Lifetime { seconds: Some(600), kilobytes: None });
    link.ping();
    link.advance(Instant::from_secs(5_000));
    // Used once, it is renewed once; what carries nothing is not.
    assert!(link.nodes.iter().all(|n| n.status().pairs().count() == 0));
    link.ping();
    assert_eq!(link.delivered, [2; 2]);
}
