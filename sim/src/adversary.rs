//! The on-path adversary: rules as data, so that a counterexample is a list one can shorten.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipsec_core::{Duration, Instant, Packet};

use crate::ip::{self, IpView};
use crate::topology::{LinkId, NodeId};

/// What a rule does to which packets. The first rule that applies to a packet decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Only on this link; `None` is every link.
    pub link: Option<LinkId>,
    /// Only packets this node puts on the link; `None` is every sender.
    pub from: Option<NodeId>,
    /// What the packet must be.
    pub matcher: Matcher,
    /// Which of the matching packets.
    pub which: Which,
    /// What to do.
    pub deed: Deed,
}

/// What a packet must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matcher {
    /// Anything.
    Any,
    /// ESP, natively or in UDP.
    Esp,
    /// AH.
    Ah,
    /// Any ISAKMP message.
    Ike,
    /// The n-th message, from 1, of any exchange of this type (RFC 2408 section 3.1: main mode 2, informational 5, quick
    /// mode 32). Both directions count, repetitions do not: main mode's are 1 to 6, quick mode's 1 to 3.
    IkeMessage {
        /// Exchange type.
        exchange: u8,
        /// Number of the message in its exchange.
        message: u32,
    },
    /// This IP protocol.
    Protocol(u8),
    /// Part of a fragmented IP datagram, the first one too.
    Fragment,
}

/// Which of the matching packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Only the n-th, from 1.
    Nth(u32),
    /// The n-th and all later ones.
    From(u32),
    /// The first n.
    First(u32),
    /// Every one.
    All,
}

/// What is done to a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It vanishes.
    Drop,
    /// It arrives twice at once.
    Duplicate,
    /// It passes, and a copy is played back later.
    Replay(Duration),
    /// It passes late.
    Delay(Duration),
    /// It passes altered. IP and UDP checksums are left as they were, except the IPv4 header's, which is corrected.
    Alter(Vec<Alteration>),
    /// This datagram passes in its place, octet by octet as it is.
    Replace(Vec<u8>),
    /// It waits, and passes right behind the next packet of its sender on the link; if there is none, never.
    Swap,
}

/// One octet to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alteration {
    /// Where: from the datagram's start, or if negative from its end (-1 is the last octet).
    pub at: i32,
    /// What is XORed onto it.
    pub xor: u8,
}

/// A packet of the adversary's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    /// When it is put on the link.
    pub at: Instant,
    /// The link.
    pub link: LinkId,
    /// The next hop on the link that gets it.
    pub next_hop: IpAddr,
    /// The IP datagram.
    pub bytes: Vec<u8>,
}

/// A packet held back by [`Deed::Swap`].
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) link: LinkId,
    pub(crate) node: NodeId,
    pub(crate) next_hop: IpAddr,
    pub(crate) packet: Packet,
}

/// The adversary of a running network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Adversary {
    rules: Vec<Rule>,
    /// How many packets matched each rule so far.
    seen: Vec<u32>,
    /// Packets that wait for the next one of their sender.
    pub(crate) waiting: Vec<Waiting>,
    /// Folds of the distinct messages of each exchange, in order of appearance: by initiator cookie, type, message ID.
    exchanges: BTreeMap<(u64, u8, u32), Vec<u64>>,
}

impl Adversary {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        Adversary { seen: vec![0; rules.len()], rules, ..Adversary::default() }
    }

    /// What to do with a packet that `from` puts on `link`.
    pub(crate) fn judge(&mut self, link: LinkId, from: NodeId, bytes: &[u8]) -> Option<Deed> {
        if self.rules.is_empty() {
            return None;
        }
        let view = IpView::parse(bytes)?;
        let message = self.message_number(&view);
        let mut deed = None;
        for (rule, seen) in self.rules.iter().zip(&mut self.seen) {
            let here = rule.link.is_none_or(|l| l == link) && rule.from.is_none_or(|n| n == from);
            if !here || !rule.matcher.matches(&view, message) {
                continue;
            }
            *seen += 1;
            if rule.which.includes(*seen) && deed.is_none() {
                deed = Some(rule.deed.clone());
            }
        }
        deed
    }

    /// The packets that waited for another one of this sender.
    pub(crate) fn behind(&mut self, link: LinkId, from: NodeId) -> Vec<Waiting> {
        self.waiting.extract_if(.., |w| (w.link, w.node) == (link, from)).collect()
    }

    /// Exchange type and number of an ISAKMP message in its exchange.
    fn message_number(&mut self, view: &IpView<'_>) -> Option<(u8, u32)> {
        let message = view.isakmp()?;
        let cookie = u64::from(ip::be32(message, 0)?) << 32 | u64::from(ip::be32(message, 4)?);
        let exchange = *message.get(18)?;
        let id = ip::be32(message, 20)?;
        let fold = ip::fold(message);
        let seen = self.exchanges.entry((cookie, exchange, id)).or_default();
        let at = seen.iter().position(|f| *f == fold).unwrap_or_else(|| {
            seen.push(fold);
            seen.len() - 1
        });
        Some((exchange, at as u32 + 1))
    }
}

impl Matcher {
    fn matches(&self, view: &IpView<'_>, number: Option<(u8, u32)>) -> bool {
        let sa = view.sa().map(|(protocol, ..)| protocol);
        match *self {
            Matcher::Any => true,
            Matcher::Esp => sa == Some(ip::protocol::ESP),
            Matcher::Ah => sa == Some(ip::protocol::AH),
            Matcher::Ike => view.is_ike(),
            Matcher::IkeMessage { exchange, message } => number == Some((exchange, message)),
            Matcher::Protocol(p) => view.protocol == p,
            Matcher::Fragment => view.is_fragment(),
        }
    }
}

impl Which {
    fn includes(self, number: u32) -> bool {
        match self {
            Which::Nth(n) => number == n,
            Which::From(n) => number >= n,
            Which::First(n) => number <= n,
            Which::All => true,
        }
    }
}

/// Applies alterations to a datagram.
pub(crate) fn alter(bytes: &mut [u8], alterations: &[Alteration]) {
    for a in alterations {
        let len = bytes.len();
        let at = usize::try_from(a.at).ok().or_else(|| len.checked_sub(a.at.unsigned_abs() as usize));
        if let Some(octet) = at.and_then(|at| bytes.get_mut(at)) {
            *octet ^= a.xor;
        }
    }
    if !bytes.is_empty() {
        ip::fix_header(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip::{Header, datagram, protocol};

    fn isakmp(exchange: u8, body: u8) -> Vec<u8> {
        let mut udp = vec![1, 244, 1, 244, 0, 37, 0, 0];
        udp.extend([1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x10, exchange, 0]);
        udp.extend([0, 0, 0, 0, 0, 0, 0, 29, body]);
        let address = |n: u8| IpAddr::from([10, 0, 0, n]);
        let (source, destination) = (address(1 + body % 2), address(2 - body % 2));
        let header =
            Header { source, destination, protocol: protocol::UDP, ttl: 9, ident: 1, dont_fragment: false };
        datagram(header, &udp)
    }

    #[test]
    fn messages_are_numbered_within_their_exchange_and_repetitions_do_not_count() {
        let third = Rule {
            link: None,
            from: None,
            matcher: Matcher::IkeMessage { exchange: 2, message: 3 },
            which: Which::First(1),
            deed: Deed::Drop,
        };
        let mut adversary = Adversary::new(vec![third]);
        let mut judge = |body| adversary.judge(LinkId(0), NodeId(0), &isakmp(2, body));
        assert_eq!([judge(0), judge(0), judge(1), judge(1)], [None, None, None, None]);
        assert_eq!(judge(2), Some(Deed::Drop));
        assert_eq!(judge(2), None, "only the first time");
    }

    #[test]
    fn rules_are_bound_to_link_and_sender() {
        let rule = Rule {
            link: Some(LinkId(1)),
            from: Some(NodeId(5)),
            matcher: Matcher::Any,
            which: Which::Nth(2),
            deed: Deed::Duplicate,
        };
        let mut adversary = Adversary::new(vec![rule]);
        let packet = isakmp(2, 0);
        let mut judge = |link, node| adversary.judge(LinkId(link), NodeId(node), &packet).is_some();
        assert!(!judge(1, 5) && !judge(0, 5) && !judge(1, 4) && judge(1, 5) && !judge(1, 5));
    }

    #[test]
    fn fragments_are_the_first_one_and_the_others() {
        // RFC 791 section 3.1: MORE FRAGMENTS or an offset.
        let [mut first, mut other] = [isakmp(2, 0), isakmp(2, 0)];
        (first[6], other[7]) = (0x20, 1);
        let matches = |bytes: &[u8]| Matcher::Fragment.matches(&IpView::parse(bytes).unwrap(), None);
        assert_eq!([&first, &other, &isakmp(2, 0)].map(|b| matches(b)), [true, true, false]);
    }

    #[test]
    fn alterations_count_from_both_ends() {
        let mut bytes = isakmp(2, 0);
        let before = bytes.clone();
        alter(&mut bytes, &[Alteration { at: 28, xor: 0xff }, Alteration { at: -1, xor: 1 }]);
        let changed: Vec<_> = (0..bytes.len()).filter(|&i| bytes[i] != before[i]).collect();
        assert_eq!(changed, [28, bytes.len() - 1]);
    }
}
