//! Both ends with IKE: the first packet waits, the later ones never do.

use alloc::collections::BTreeMap;

use super::*;

/// Two gateways on one link, and what came out at the far ends.
pub(super) struct Link {
    pub(super) nodes: [Ipsec; 2],
    pub(super) now: Instant,
    pub(super) delivered: [usize; 2],
    pub(super) events: Vec<Event>,
    /// Keeps the datagrams of quick mode that come third.
    keeps_message_3: bool,
    kept: Vec<Packet>,
    quick_modes: BTreeMap<[u8; 4], usize>,
}

impl Link {
    fn new(lifetime: Lifetime) -> Link {
        let policy = |me: u8| {
            let mut policy = tunnel_policy(me);
            if let Action::Protect(p) = &mut policy[0].action {
                p.offers = vec![Offer { lifetime, ..offer(None, Some(AES_MD5)) }];
            }
            policy
        };
        Link::between(policy(1), policy(2))
    }

    pub(super) fn between(first: Vec<SpdEntry>, second: Vec<SpdEntry>) -> Link {
        let nodes = [node(1, first), node(2, second)];
        Link {
            nodes,
            now: NOW,
            delivered: [0; 2],
            events: vec![],
            keeps_message_3: false,
            kept: vec![],
            quick_modes: BTreeMap::new(),
        }
    }

    /// Whether this datagram is the third of its quick mode: exchange type 32, and then by message ID.
    fn is_message_3(&mut self, packet: &Packet) -> bool {
        let message = packet.bytes().get(28..).filter(|m| packet.bytes()[9] == protocol::UDP && m[18] == 32);
        let id = message.and_then(|m| <[u8; 4]>::try_from(m.get(20..24)?).ok());
        id.is_some_and(|id| {
            let seen = self.quick_modes.entry(id).or_default();
            *seen += 1;
            *seen == 3
        })
    }

    /// Carries packets over until nothing moves.
    pub(super) fn settle(&mut self) {
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
                            if self.is_message_3(&packet) && self.keeps_message_3 {
                                self.kept.push(packet);
                                continue;
                            }
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
    pub(super) fn ping(&mut self) {
        let reply = udp(ip("10.2.0.10"), ip("10.1.0.10"), (7, 4000), 100);
        self.nodes[0].handle_input(Input::Outbound(OUTSIDE, request(100)), self.now);
        self.settle();
        self.nodes[1].handle_input(Input::Outbound(OUTSIDE, reply), self.now);
        self.settle();
    }

    /// Lets time pass, timer by timer.
    pub(super) fn advance(&mut self, until: Instant) {
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

/// The initiator goes on with the old pair until the new one has shown that it works, or for a while if nobody shows it.
#[test]
fn packets_that_overtake_message_3_take_the_old_pair() {
    let mut link = Link::new(Lifetime { seconds: Some(600), kilobytes: None });
    link.ping();
    link.keeps_message_3 = true;
    link.nodes[0].handle_input(Input::Command(Command::RekeyPair(PairId(1))), link.now);
    link.settle();
    let sent_on = |link: &mut Link| {
        link.nodes[0].handle_input(Input::Outbound(OUTSIDE, request(100)), link.now);
        link.settle();
        let on = |e: &Event| if let Event::Protected { pair, .. } = e { Some(*pair) } else { None };
        link.events.iter().filter_map(on).next_back()
    };
    assert_eq!((link.kept.len(), sent_on(&mut link)), (1, Some(PairId(1))));
    assert_eq!(link.delivered, [1, 2]);
    // Message 3 arrives; the next answer comes on the new pair, and proves it.
    let message_3 = link.kept.pop().unwrap();
    link.nodes[1].handle_input(Input::Inbound(OUTSIDE, message_3), link.now);
    link.settle();
    assert_eq!(sent_on(&mut link), Some(PairId(1)));
    link.ping();
    assert_eq!(sent_on(&mut link), Some(PairId(2)));
    assert_eq!(link.delivered, [2, 5]);
    // Again, and now message 3 is lost, and only the initiator speaks: message 2 comes again after a second, and message 3.
    link.nodes[0].handle_input(Input::Command(Command::RekeyPair(PairId(2))), link.now);
    link.settle();
    for second in 1..10 {
        link.advance(Instant::from_secs(second));
        assert_eq!(sent_on(&mut link), Some(PairId(if second < 5 { 2 } else { 3 })), "{second}");
    }
    assert_eq!(link.delivered, [2, 14]);
}

/// Hundreds of rekeyings under one ISAKMP SA, and nothing is left of the old ones.
#[test]
fn rekeying_again_and_again_leaves_nothing_behind() {
    let mut link = Link::new(Lifetime { seconds: Some(20), kilobytes: None });
    let mut sizes = Vec::new();
    for n in 0..9_000u64 {
        link.advance(Instant::from_secs(n));
        link.ping();
        link.events.clear();
        if n % 1_000 == 999 {
            link.quick_modes.clear();
            sizes.push(link.nodes.each_ref().map(|node| alloc::format!("{node:?}").len()));
        }
    }
    // By now the message IDs and buffers that are kept have reached their number.
    let (early, late) = (sizes[5], sizes[8]);
    assert!(early.iter().zip(late).all(|(early, late)| late < early + early / 20), "{sizes:?}");
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

/// A one-way entry acquires what, coming back, another entry authorises: the pair is still its own. (Were it not, the packet
/// would wait again and again, and each time make a new pair.)
#[test]
fn a_pair_carries_what_it_was_acquired_for() {
    let mut policy = tunnel_policy(1);
    let udp = Selector { protocol: Some(protocol::UDP), ..nets(1) };
    let one_way = entry(0, udp, policy[0].action.clone());
    policy.insert(0, SpdEntry { direction: Direction::Outbound, ..one_way });
    let mut link = Link::between(policy, tunnel_policy(2));
    link.ping();
    assert_eq!(link.delivered, [1; 2]);
    assert_eq!(link.nodes.each_ref().map(|n| n.status().pairs().count()), [1; 2]);
    let pair = |n: &Ipsec| n.status().pairs().map(|p| (p.entry, p.sends_for)).next();
    assert_eq!(pair(&link.nodes[0]), Some((EntryId(1), EntryId(0))));
    assert_eq!(pair(&link.nodes[1]), Some((EntryId(1), EntryId(1))));
}

/// What counts on dial-up connections only lets no quick mode up on a LAN.
#[test]
fn an_entry_authorises_on_its_kind_of_connection() {
    let on = |kind| {
        let mut policy = tunnel_policy(2);
        policy[0].connection = Some(kind);
        let mut link = Link::between(tunnel_policy(1), policy);
        link.nodes[0].handle_input(Input::Outbound(OUTSIDE, request(100)), link.now);
        link.settle();
        link.delivered[1]
    };
    assert_eq!(on(ConnectionKind::Lan), 1);
    assert_eq!(on(ConnectionKind::RemoteAccess), 0);
}

/// Pretends that so many sequence numbers were used up.
fn wear_out(node: &mut Ipsec, pair: PairId, sequence: u64) {
    for sa in node.sad.get_mut(pair).unwrap().outbound.as_mut().unwrap().sas_mut() {
        sa.set_sequence(sequence);
    }
}

#[test]
fn sequence_numbers_ask_for_a_successor_long_before_they_end() {
    let mut link = Link::new(Lifetime { seconds: Some(28_800), kilobytes: None });
    link.ping();
    let pair = link.nodes[0].status().pairs().next().unwrap().id;
    wear_out(&mut link.nodes[0], pair, (1 << 32) - (1 << 28) - 2);
    for n in 1..100 {
        link.advance(Instant::from_secs(n));
        link.ping();
    }
    assert_eq!(link.delivered, [100; 2]);
    let count = |what: fn(&Event) -> bool| link.events.iter().filter(|e| what(e)).count();
    assert_eq!(count(|e| matches!(e, Event::QuickModeEstablished(_))), 4);
    assert_eq!(count(|e| matches!(e, Event::Dropped { .. })), 0);
    assert!(link.nodes[0].status().pairs().all(|p| p.id != pair));
}

#[test]
fn the_last_sequence_number_is_the_last() {
    for protocols in
        [&[IpsecProtocol::Esp][..], &[IpsecProtocol::Ah], &[IpsecProtocol::Esp, IpsecProtocol::Ah]]
    {
        let mut a = node(1, tunnel_policy(1));
        install(&mut a, 1, tunnel_mode(1), &nets(1), protocols);
        wear_out(&mut a, PairId(1), u64::from(u32::MAX) - 1);
        let (sent, _, events) = outbound(&mut a, request(1));
        // The packet itself, and the first message of IKE for a successor.
        assert!(events.contains(&Event::Protected { packet: 42, pair: PairId(1) }), "{events:?}");
        assert!(!sent.is_empty());
        let (sent, _, events) = outbound(&mut a, request(1));
        assert_eq!(sent.iter().filter(|(_, p)| p.bytes()[9] != protocol::UDP).count(), 0);
        let reason = DropReason::SequenceExhausted(PairId(1));
        assert!(
            events.iter().any(|e| matches!(e, Event::Dropped { reason: r, .. } if *r == reason)),
            "{events:?}"
        );
        assert_eq!(reason.rfc(), "RFC 4303 3.3.3");
        let gone = Event::PairDeleted { pair: PairId(1), why: DeleteReason::SequenceExhausted };
        assert!(events.contains(&gone), "{events:?}");
        assert_eq!(a.status().drops().collect::<Vec<_>>(), [("sequence-exhausted", 1)]);
        let (_, _, events) = outbound(&mut a, request(1));
        assert!(events.iter().any(|e| matches!(e, Event::Held { .. })), "{events:?}");
    }
}
