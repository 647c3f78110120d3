//! The runs of a sweep, and what must come of each.

use std::fmt;

use ipsec_core::Duration;
use ipsec_sim::adversary::{Deed, Matcher, Rule, Which};
use ipsec_sim::ip::IpView;

use super::Sweep;
use super::tamper::{Field, altered, cut, field};
use super::watch::{Datagram, Ending, Message};

/// Exchange types of main mode (RFC 2408 section 3.1: Identity Protection) and aggressive mode.
const PHASE_1: [u8; 2] = [2, 4];
/// Exchange type of quick mode (RFC 2409 section 5.5).
const QUICK_MODE: u8 = 32;
/// Past the first repetition, which comes after 1 s.
const LATE: Duration = Duration::from_millis(1_500);

/// A kind of fault, with one run for each place it can happen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Each datagram vanishes.
    Drop,
    /// Each pair of messages of main mode, or aggressive mode, vanishes when first sent.
    DropMainModePair,
    /// Each pair of messages of quick mode vanishes when first sent.
    DropQuickModePair,
    /// Each pair of IKE datagrams vanishes, wherever they belong: the first of them, and the one in the second's place.
    DropIkePair,
    /// Each datagram arrives twice.
    Duplicate,
    /// Each datagram arrives after its repetition.
    Delay,
    /// Each datagram changes places with the next one of its sender.
    Swap,
    /// Each datagram is played back after this many seconds.
    Replay(u64),
    /// One bit of each octet of each datagram is altered: bit 0 of the first octet, 1 of the second, and so on.
    FlipOctet,
    /// Each bit of each datagram is altered.
    FlipBit,
    /// Each datagram is cut to each length; IP and UDP say the new length.
    Truncate,
    /// Each IKE datagram is cut to each length, and the ISAKMP header says the new length as well.
    TruncateIsakmp,
}

/// What must come of a run, beside a sound ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// Nothing more.
    Recovers,
    /// Not a thing is established, deleted, failed or answered otherwise than without faults.
    Undisturbed,
    /// An ESP or AH packet is refused: nothing comes out of an SA, and no SA changes.
    Refused,
    /// What is no longer an IP datagram to the receiver makes nothing and comes out of no SA; nobody may even notice.
    Lost,
    /// An ESP or AH packet passes, because only what nothing covers was altered.
    Passes,
    /// An IKE message makes nothing.
    Ignored,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Case {
    /// The kind it belongs to.
    pub kind: Kind,
    /// The datagram it is about, from 1, or the two of them.
    pub datagrams: (usize, Option<usize>),
    /// The octet that is altered with the bits, or the length that is left.
    pub place: Option<(usize, u8)>,
    rules: Vec<Rule>,
    expect: Expect,
}

impl Case {
    /// What the adversary does.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} datagram {}", self.kind, self.datagrams.0)?;
        if let Some(second) = self.datagrams.1 {
            write!(f, " and {second}")?;
        }
        match self.place {
            Some((len, 0)) => write!(f, " to {len} octets"),
            Some((at, xor)) => write!(f, " octet {at} bits {xor:#04x}"),
            None => Ok(()),
        }
    }
}

/// What came of all runs of a kind.
#[derive(Clone, Debug)]
pub struct Tally {
    /// The kind.
    pub kind: Kind,
    /// How many runs there must be, in words.
    pub formula: String,
    /// That number, counted without making the runs.
    pub expected: usize,
    /// How many there were.
    pub runs: usize,
    /// Those that did not end as they must.
    pub failures: Vec<String>,
    /// The first of those.
    pub first: Option<Case>,
}

impl Tally {
    /// Every run there must be was made and held.
    pub fn held(&self) -> bool {
        self.failures.is_empty() && self.runs == self.expected
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = format!("{:?}", self.kind);
        write!(
            f,
            "{kind:18} {:>6} runs, {} = {}, {} failed",
            self.runs,
            self.formula,
            self.expected,
            self.failures.len()
        )
    }
}

impl Sweep<'_> {
    /// All runs of a kind.
    pub fn cases(&self, kind: Kind) -> Vec<Case> {
        let n = self.datagrams().len();
        let each = |deed: Deed, expect| -> Vec<Case> {
            (1..=n).map(|i| self.case(kind, i, deed.clone(), expect)).collect()
        };
        match kind {
            Kind::Drop => each(Deed::Drop, Expect::Recovers),
            Kind::Duplicate => each(Deed::Duplicate, Expect::Undisturbed),
            Kind::Delay => each(Deed::Delay(LATE), Expect::Recovers),
            Kind::Swap => each(Deed::Swap, Expect::Recovers),
            Kind::Replay(seconds) => each(Deed::Replay(Duration::from_secs(seconds)), Expect::Undisturbed),
            Kind::DropMainModePair => self.message_pairs(kind, self.phase_1()),
            Kind::DropQuickModePair => self.message_pairs(kind, QUICK_MODE),
            Kind::DropIkePair => self.ike_pairs(),
            Kind::FlipOctet => (1..=n).flat_map(|i| self.flips(kind, i, false)).collect(),
            Kind::FlipBit => (1..=n).flat_map(|i| self.flips(kind, i, true)).collect(),
            Kind::Truncate => (1..=n).flat_map(|i| self.cuts(kind, i, false)).collect(),
            Kind::TruncateIsakmp => (1..=n).flat_map(|i| self.cuts(kind, i, true)).collect(),
        }
    }

    /// The runs of a kind that are about the `n`-th datagram alone.
    pub fn cases_of(&self, kind: Kind, n: usize) -> Vec<Case> {
        let mut cases = self.cases(kind);
        cases.retain(|c| c.datagrams == (n, None));
        cases
    }

    /// How many runs a kind must have, in words and as a number.
    pub fn formula(&self, kind: Kind) -> (String, usize) {
        let n = self.datagrams().len();
        let octets: usize = self.tampered().map(|i| self.datagrams()[i - 1].bytes.len()).sum();
        let messages = self.tampered().count();
        match kind {
            Kind::DropMainModePair => {
                // RFC 2409 section 5: six messages, or three.
                let m = if self.phase_1() == PHASE_1[0] { 6 } else { 3 };
                (format!("m(m-1)/2, m = {m}"), m * (m - 1) / 2)
            }
            Kind::DropQuickModePair => {
                let q = 3 * self.quick_modes();
                (format!("m(m-1)/2 for each of q quick modes, m = 3, q = {}", q / 3), q)
            }
            Kind::DropIkePair => {
                let m = (1..=n).filter(|i| self.is_ike(*i)).count();
                (format!("m(m-1)/2, m = {m}"), m * m.saturating_sub(1) / 2)
            }
            Kind::FlipOctet => (format!("octets of {messages} datagrams"), octets),
            Kind::FlipBit => (format!("8 x octets of {messages} datagrams"), 8 * octets),
            Kind::Truncate => (format!("octets - 1 of each of {messages} datagrams"), octets - messages),
            Kind::TruncateIsakmp => {
                let ike = self.tampered().filter(|i| self.is_ike(*i));
                let lengths: Vec<usize> = ike.map(|i| self.datagrams()[i - 1].bytes.len() - 1).collect();
                (format!("octets - 1 of each of {} IKE datagrams", lengths.len()), lengths.iter().sum())
            }
            _ => (format!("n = {n}"), n),
        }
    }

    /// Makes all runs of a kind. `each` hears of every one.
    pub fn tally(&mut self, kind: Kind, mut each: impl FnMut(&Case)) -> Tally {
        let (formula, expected) = self.formula(kind);
        let mut tally = Tally { kind, formula, expected, runs: 0, failures: Vec::new(), first: None };
        for case in self.cases(kind) {
            each(&case);
            tally.runs += 1;
            if let Err(why) = self.judge(&case) {
                tally.failures.push(format!("{case}: {why}"));
                tally.first.get_or_insert(case);
            }
        }
        tally
    }

    /// Plays one run.
    ///
    /// # Errors
    /// What did not hold.
    pub fn judge(&mut self, case: &Case) -> Result<(), String> {
        let ending = self.play(case.rules.clone()).map_err(|e| e.to_string())?;
        match ending.complaint().or_else(|| self.unexpected(case.expect, &ending)) {
            None => Ok(()),
            Some(why) => Err(why),
        }
    }

    fn unexpected(&self, expect: Expect, ending: &Ending) -> Option<String> {
        let quiet = self.quiet();
        let same = ending.changes == quiet.changes;
        match expect {
            Expect::Recovers => None,
            Expect::Undisturbed | Expect::Refused | Expect::Passes if !same => {
                Some(format!("changes {:?}", ending.changes))
            }
            Expect::Undisturbed if ending.answered != quiet.answered => {
                Some(format!("answered {:?}", ending.answered))
            }
            Expect::Undisturbed => None,
            Expect::Refused if ending.opened > 0 => Some("came out of an SA".into()),
            Expect::Refused if ending.refused == 0 => Some("no drop was reported".into()),
            Expect::Lost if ending.opened > 0 => Some("came out of an SA".into()),
            Expect::Lost if ending.established > 0 => Some("made an SA".into()),
            Expect::Passes if ending.opened != 1 => Some("did not pass".into()),
            Expect::Refused | Expect::Passes | Expect::Lost => None,
            Expect::Ignored if ending.established > 0 => Some("made an SA".into()),
            // Who uses a message says nothing about it, and nobody repeats more than ever.
            Expect::Ignored
                if ending.refused == 0
                    && ending.repeated <= quiet.repeated
                    && ending.notified >= quiet.notified =>
            {
                Some("was used".into())
            }
            Expect::Ignored => None,
        }
    }

    fn case(&self, kind: Kind, n: usize, deed: Deed, expect: Expect) -> Case {
        Case { kind, datagrams: (n, None), place: None, rules: vec![self.rule(n, deed)], expect }
    }

    fn is_ike(&self, n: usize) -> bool {
        matches!(self.datagrams().get(n - 1).map(|d| d.message), Some(Message::Ike { .. }))
    }

    /// The datagrams worth altering.
    fn tampered(&self) -> impl Iterator<Item = usize> + '_ {
        (1..).zip(self.datagrams()).filter(|(_, d)| d.is_worth_altering()).map(|(i, _)| i)
    }

    /// The exchange type that phase 1 has.
    fn phase_1(&self) -> u8 {
        let exchange = self.datagrams().iter().find_map(|d| match d.message {
            Message::Ike { exchange, .. } if PHASE_1.contains(&exchange) => Some(exchange),
            _ => None,
        });
        exchange.unwrap_or(PHASE_1[0])
    }

    fn quick_modes(&self) -> usize {
        let mut ids: Vec<u32> = self
            .datagrams()
            .iter()
            .filter_map(|d| match d.message {
                Message::Ike { exchange: QUICK_MODE, id } => Some(id),
                _ => None,
            })
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids.len()
    }

    /// Pairs within each exchange of this type, by the places of its datagrams in the run without faults.
    fn message_pairs(&self, kind: Kind, exchange: u8) -> Vec<Case> {
        let mut exchanges: Vec<(u32, Vec<usize>)> = Vec::new();
        for (i, d) in (1..).zip(self.datagrams()) {
            let Message::Ike { exchange: e, id } = d.message else { continue };
            if e != exchange {
                continue;
            }
            match exchanges.iter_mut().find(|(known, _)| *known == id) {
                Some((_, places)) => places.push(i),
                None => exchanges.push((id, vec![i])),
            }
        }
        let mut cases = Vec::new();
        for (nth, (_, places)) in (1..).zip(&exchanges) {
            for (a, b) in pairs(places.len()) {
                let rule = |message: usize| Rule {
                    which: Which::Nth(nth),
                    ..self.drop_message(exchange, message as u32)
                };
                let datagrams = (places[a - 1], Some(places[b - 1]));
                let rules = vec![rule(a), rule(b)];
                cases.push(Case { kind, datagrams, place: None, rules, expect: Expect::Recovers });
            }
        }
        cases
    }

    fn ike_pairs(&self) -> Vec<Case> {
        let places: Vec<usize> = (1..=self.datagrams().len()).filter(|i| self.is_ike(*i)).collect();
        let rule = |nth: usize| Rule { matcher: Matcher::Ike, ..self.rule(nth, Deed::Drop) };
        pairs(places.len())
            .map(|(a, b)| Case {
                kind: Kind::DropIkePair,
                datagrams: (places[a - 1], Some(places[b - 1])),
                place: None,
                rules: vec![rule(a), rule(b)],
                expect: Expect::Recovers,
            })
            .collect()
    }

    fn flips(&self, kind: Kind, n: usize, all: bool) -> Vec<Case> {
        let datagram = &self.datagrams()[n - 1];
        let len = if datagram.is_worth_altering() { datagram.bytes.len() } else { 0 };
        let bits = |at: usize| if all { 0..8 } else { at % 8..at % 8 + 1 };
        let places = (0..len).flat_map(|at| bits(at).map(move |bit| (at, 1u8 << bit)));
        places
            .map(|(at, xor)| {
                let deed = Deed::Replace(altered(datagram, at, xor));
                let expect = match (datagram.message, field(datagram, at, xor)) {
                    (Message::Esp, Field::Source) if !self.asks_for_source(datagram) => Expect::Passes,
                    (message, field) => expected(message, field),
                };
                Case { place: Some((at, xor)), ..self.case(kind, n, deed, expect) }
            })
            .collect()
    }

    /// Whether the node that this goes to asks where packets of an SA come from.
    fn asks_for_source(&self, datagram: &Datagram) -> bool {
        let to = IpView::parse(&datagram.bytes).map(|view| view.destination);
        let mut nodes = self.scenario.topology.nodes.iter();
        let receiver =
            nodes.find(|node| node.interfaces.iter().any(|i| Some(i.address.get_ref().0.address) == to));
        receiver.is_none_or(|node| node.profile.checks_outer_source.value)
    }

    fn cuts(&self, kind: Kind, n: usize, isakmp: bool) -> Vec<Case> {
        let datagram = &self.datagrams()[n - 1];
        let some = datagram.is_worth_altering() && (!isakmp || self.is_ike(n));
        let len = if some { datagram.bytes.len() } else { 0 };
        (1..len)
            .map(|len| {
                let deed = Deed::Replace(cut(datagram, len, isakmp));
                let expect = expected(datagram.message, Field::Body);
                Case { place: Some((len, 0)), ..self.case(kind, n, deed, expect) }
            })
            .collect()
    }
}

/// What must come of a datagram of which this was altered.
fn expected(message: Message, field: Field) -> Expect {
    match (message, field) {
        // What nothing covers passes; nothing but that.
        (Message::Esp, Field::Mutable | Field::Ident) | (Message::Ah, Field::Mutable) => Expect::Passes,
        (Message::Esp | Message::Ah, Field::Ident | Field::Body) => Expect::Refused,
        (Message::Ike { .. }, Field::Isakmp | Field::Body) => Expect::Ignored,
        // The message itself is the honest one, or what IKEv1 leaves unauthenticated; who gets the answer may be another.
        (Message::Ike { .. }, _) => Expect::Recovers,
        // Who takes it for whose is the business of the NAT between; what is in it is as honest as before.
        (Message::EspInUdp, Field::Body) => Expect::Refused,
        (Message::EspInUdp, _) => Expect::Recovers,
        (Message::Clear, _) | (Message::Esp | Message::Ah, Field::Spent) => Expect::Recovers,
        (Message::Esp | Message::Ah, Field::Header | Field::Source) => Expect::Lost,
        (Message::Esp | Message::Ah, _) => Expect::Refused,
    }
}

/// All pairs of different numbers from 1 to `n`, the smaller first.
fn pairs(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (1..=n).flat_map(move |i| (i + 1..=n).map(move |j| (i, j)))
}
