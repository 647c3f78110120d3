//! A reference model: from two compiled policies and the place of their computers, who may reach whom, and protected how.
//!
//! It is small and slow on purpose, and shares no code with what it judges: policy entries and main-mode filters are read
//! as plain data, one after the other, and nothing of the core's lookups, negotiation or SA database is called. It knows no
//! time and no packets; a negotiation is a question to two policies.
//!
//! ```text
//!   network - [ side 0 ] ------- outside ------- [ side 1 ] - network
//! ```
//!
//! Each side is a host, or a gateway with a network behind it. A flow is one request and, if that arrives, its reply, on a
//! network where nothing happened before.

mod matching;
mod negotiation;

use std::fmt;
use std::net::IpAddr;

use ipsec_core::config::PolicyDatabases;
use ipsec_core::crypto::Mac;
use ipsec_core::interface::ConnectionKind;
use ipsec_core::selector::{Prefix, Selector};
use ipsec_core::spd::{Action, EntryId, EspTransform, Protect, SpdEntry};

use matching::{Seen, admits, sends};

/// A computer at one end of the outside link.
#[derive(Clone, Debug)]
pub struct Side {
    /// Its address on the outside link.
    pub address: IpAddr,
    /// Its address on the network behind it, if it is a gateway: that side is not guarded.
    pub network: Option<Prefix>,
    /// What kind of connection the outside link is to it.
    pub kind: ConnectionKind,
    /// Its policy; `None` for a computer without IPsec.
    pub policy: Option<PolicyDatabases>,
}

impl Side {
    /// Whether the address is one of this computer's.
    fn owns(&self, address: IpAddr) -> bool {
        self.address == address || self.network.is_some_and(|n| n.address == address)
    }

    /// Whether the address is this computer's, or lies behind it.
    pub fn holds(&self, address: IpAddr) -> bool {
        self.address == address || self.network.is_some_and(|n| matching::prefix_contains(n, address))
    }
}

/// A request: who asks whom, through which ports. ICMP has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// Who asks.
    pub source: IpAddr,
    /// Who is asked.
    pub destination: IpAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// Source and destination port.
    pub ports: Option<(u16, u16)>,
}

impl Flow {
    /// The answer's flow.
    pub fn reply(self) -> Flow {
        let ports = self.ports.map(|(from, to)| (to, from));
        Flow { source: self.destination, destination: self.source, ports, ..self }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = matching::protocol_name(self.protocol);
        match self.ports {
            Some((from, to)) => {
                write!(f, "{name} {}:{from} > {}:{to}", self.source, self.destination)
            }
            None => write!(f, "{name} {} > {}", self.source, self.destination),
        }
    }
}

/// The protection of a packet between the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection {
    /// AH, if used.
    pub ah: Option<Mac>,
    /// ESP, if used; inside AH.
    pub esp: Option<EspTransform>,
    /// Tunnel mode rather than transport mode.
    pub tunnel: bool,
    /// Whether quick mode made a Diffie-Hellman exchange of its own.
    pub pfs: bool,
}

/// Which rule stops a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// An entry says discard.
    Blocked,
    /// It is in clear, and has to be protected.
    ClearText,
    /// It is protected, but not by what the entry asks for, or it is not the traffic of its SA.
    OtherProtection,
    /// The negotiation fails.
    NoAgreement,
    /// No entry at all.
    NoEntry,
    /// What the model does not foresee, when a run is described in its words.
    Unforeseen,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rule::Blocked => "blocked",
            Rule::ClearText => "clear text",
            Rule::OtherProtection => "not the protection asked for",
            Rule::NoAgreement => "no agreement",
            Rule::NoEntry => "no entry",
            Rule::Unforeseen => "something unforeseen",
        })
    }
}

/// What happens to a packet on its way from one side to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It arrives, and was in clear outside.
    Clear,
    /// It arrives, and was protected outside.
    Protected(Protection),
    /// It is stopped at this side.
    Refused(usize, Rule),
}

impl Passage {
    /// Whether the packet arrives.
    pub fn arrives(&self) -> bool {
        !matches!(self, Passage::Refused(..))
    }
}

impl fmt::Display for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Passage::Clear => f.write_str("clear"),
            Passage::Protected(p) => {
                f.write_str(if p.tunnel { "tunnel" } else { "transport" })?;
                if let Some(mac) = p.ah {
                    write!(f, " AH {mac}")?;
                }
                if let Some(esp) = p.esp {
                    let mac = esp.mac.map_or_else(|| "none".to_owned(), |m| m.to_string());
                    write!(f, " ESP {}/{mac}", esp.cipher)?;
                }
                f.write_str(if p.pfs { " with PFS" } else { "" })
            }
            Passage::Refused(side, rule) => write!(f, "refused at side {side}: {rule}"),
        }
    }
}

/// What becomes of a request, and of its reply if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The request.
    pub request: Passage,
    /// The reply, when the request arrives.
    pub reply: Option<Passage>,
}

/// [`Outcome`] in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutcomeKind {
    /// Request and reply arrive in clear.
    Clear,
    /// Request and reply arrive protected.
    Protected,
    /// Both arrive, one of them in clear.
    Mixed,
    /// Only the request arrives.
    OneWay,
    /// The request does not arrive.
    Refused,
}

impl fmt::Display for OutcomeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OutcomeKind::Clear => "clear",
            OutcomeKind::Protected => "protected",
            OutcomeKind::Mixed => "one way protected, the other clear",
            OutcomeKind::OneWay => "one-way",
            OutcomeKind::Refused => "refused",
        })
    }
}

impl Outcome {
    /// The outcome in one word.
    pub fn kind(&self) -> OutcomeKind {
        match (self.request, self.reply) {
            (Passage::Refused(..), _) => OutcomeKind::Refused,
            (_, None | Some(Passage::Refused(..))) => OutcomeKind::OneWay,
            (Passage::Clear, Some(Passage::Clear)) => OutcomeKind::Clear,
            (Passage::Protected(_), Some(Passage::Protected(_))) => OutcomeKind::Protected,
            _ => OutcomeKind::Mixed,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request {}", self.request)?;
        self.reply.map_or(Ok(()), |reply| write!(f, ", reply {reply}"))
    }
}

/// A pair of SAs, as both sides know it.
#[derive(Clone, Debug)]
struct Association {
    /// The outer or transport address of each side.
    ends: [IpAddr; 2],
    /// The traffic it carries, seen from each side.
    traffic: [Selector; 2],
    protection: Protection,
    /// The entry of each side whose packets it carries away.
    sends: [EntryId; 2],
    /// The entry of each side that let it come up.
    admits: [EntryId; 2],
}

/// How a packet crosses the outside link.
#[derive(Clone, Copy, Debug)]
enum Way {
    Clear,
    /// The association with this number.
    Protected(usize),
}

/// Two sides, and what they agreed on so far.
#[derive(Clone, Debug)]
pub struct Model<'a> {
    sides: [&'a Side; 2],
    associations: Vec<Association>,
    /// Silent peers that this side speaks to in clear, by entry.
    soft: Vec<(usize, EntryId, IpAddr)>,
}

impl<'a> Model<'a> {
    /// Two sides that never spoke.
    pub fn new(sides: [&'a Side; 2]) -> Self {
        Model { sides, associations: Vec::new(), soft: Vec::new() }
    }

    /// What becomes of a request and its reply. `None` when the two ends are not on different sides.
    pub fn exchange(&mut self, flow: Flow) -> Option<Outcome> {
        let from = self.sides.iter().position(|s| s.holds(flow.source))?;
        if !self.sides[1 - from].holds(flow.destination) {
            return None;
        }
        let request = self.pass(from, flow);
        let reply = request.arrives().then(|| self.pass(1 - from, flow.reply()));
        Some(Outcome { request, reply })
    }

    fn pass(&mut self, from: usize, flow: Flow) -> Passage {
        let way = match self.leave(from, flow) {
            Ok(way) => way,
            Err(rule) => return Passage::Refused(from, rule),
        };
        match (self.enter(1 - from, flow, way), way) {
            (Err(rule), _) => Passage::Refused(1 - from, rule),
            (Ok(()), Way::Clear) => Passage::Clear,
            (Ok(()), Way::Protected(number)) => Passage::Protected(self.associations[number].protection),
        }
    }

    /// The outbound door: the first entry that counts for leaving packets decides.
    fn leave(&mut self, side: usize, flow: Flow) -> Result<Way, Rule> {
        let Some(policy) = &self.sides[side].policy else { return Ok(Way::Clear) };
        let seen = Seen::leaving(flow);
        let kind = self.sides[side].kind;
        let entry = policy.spd.entries().iter().find(|e| sends(e, kind) && seen.is_of(&e.selector));
        let entry = entry.ok_or(Rule::NoEntry)?;
        match &entry.action {
            Action::Bypass | Action::Stateful => Ok(Way::Clear),
            Action::Discard => Err(Rule::Blocked),
            Action::Protect(protect) => self.secure(side, entry, protect, flow),
        }
    }

    /// A packet that an entry wants protected: on an association of that entry, in clear to a peer that is known to be
    /// silent, or after a negotiation.
    fn secure(&mut self, side: usize, entry: &SpdEntry, protect: &Protect, flow: Flow) -> Result<Way, Rule> {
        let ends = self.ends(side, protect.mode, flow).ok_or(Rule::NoAgreement)?;
        let seen = Seen::leaving(flow);
        let carries = |a: &Association| {
            a.ends[1 - side] == ends.peer
                && seen.is_of(&a.traffic[side])
                && self.serves(side, a, entry, protect)
        };
        if let Some(number) = self.associations.iter().rposition(carries) {
            return Ok(Way::Protected(number));
        }
        let note = (side, entry.id, ends.peer);
        if protect.fallback && self.soft.contains(&note) {
            return Ok(Way::Clear);
        }
        match self.negotiate(side, entry, protect, ends, flow) {
            Ok(association) => {
                // What was agreed has to carry what it was negotiated for.
                if !seen.is_of(&association.traffic[side]) {
                    return Err(Rule::NoAgreement);
                }
                self.associations.push(association);
                Ok(Way::Protected(self.associations.len() - 1))
            }
            Err(negotiation::Failure::Silence) if protect.fallback => {
                self.soft.push(note);
                Ok(Way::Clear)
            }
            Err(_) => Err(Rule::NoAgreement),
        }
    }

    /// Whether an association carries away what `entry` wants protected: it is that entry's own, or the entry is the
    /// outbound half of a one-way pair and the inbound half let up an association that is also what this half asks for.
    fn serves(&self, side: usize, association: &Association, entry: &SpdEntry, protect: &Protect) -> bool {
        let one_way = |id: EntryId, inbound: bool| {
            let policy = self.sides[side].policy.iter();
            let mut entries = policy.flat_map(|p| p.spd.entries()).filter(|e| e.id == id);
            entries.any(|e| e.direction.inbound() == inbound && e.direction.outbound() != inbound)
        };
        association.sends[side] == entry.id
            || one_way(entry.id, false)
                && one_way(association.admits[side], true)
                && matching::is_asked_for(association, side, protect)
    }

    /// The inbound door: the first entry that counts for arriving packets decides.
    fn enter(&self, side: usize, flow: Flow, way: Way) -> Result<(), Rule> {
        let Some(policy) = &self.sides[side].policy else { return Ok(()) };
        let seen = Seen::arriving(flow);
        let association = match way {
            Way::Clear => None,
            Way::Protected(number) => Some(&self.associations[number]),
        };
        if association.is_some_and(|a| !seen.is_of(&a.traffic[side])) {
            return Err(Rule::OtherProtection);
        }
        let kind = self.sides[side].kind;
        let entry = policy.spd.entries().iter().find(|e| admits(e, kind) && seen.is_of(&e.selector));
        let entry = entry.ok_or(Rule::NoEntry)?;
        match (&entry.action, association) {
            // The model asks questions only, and no policy of its own is stateful.
            (Action::Discard | Action::Stateful, _) => Err(Rule::Blocked),
            (Action::Bypass, _) => Ok(()),
            (Action::Protect(protect), None) => {
                let soft = protect.fallback && self.soft.contains(&(side, entry.id, flow.source));
                if protect.accept_clear_inbound || soft { Ok(()) } else { Err(Rule::ClearText) }
            }
            (Action::Protect(protect), Some(a)) => {
                let good = a.admits[side] == entry.id || matching::is_asked_for(a, side, protect);
                if good { Ok(()) } else { Err(Rule::OtherProtection) }
            }
        }
    }
}
