//! Why negotiations failed.

use ipsec_core::ike::failure::{Failure, FailureReason, Phase};
use ipsec_core::selector::{AddressRange, Selector};
use ipsec_core::spd::{Action, Mode, SpdEntry};
use ipsec_core::wire::ikev1::AuthenticationMethod;

use super::{Explainer, Trouble, What, rule};

impl Explainer<'_> {
    /// Why a negotiation failed; nothing where the other end, or a packet filter, knows better.
    pub(super) fn failure(&self, trouble: &Trouble, failure: &Failure) -> Vec<String> {
        let plainly = || vec![self.plainly(trouble)];
        match &failure.reason {
            FailureReason::NoPolicy if failure.phase == Phase::MainMode => {
                vec![self.no_peer(trouble, failure)]
            }
            FailureReason::NoPolicy => vec![self.no_traffic(trouble, failure)],
            FailureReason::NoProposalChosen(refusals) => {
                let mut lines = plainly();
                if refusals.iter().any(|r| r.attribute == "Group-Description") {
                    lines.push(
                        "one end asks for perfect forward secrecy of session keys, and the other does not, or in \
                         another group: both must be configured alike"
                            .into(),
                    );
                }
                lines
            }
            FailureReason::Notified(_)
            | FailureReason::OfferRefused(_)
            | FailureReason::NoResponse
            | FailureReason::Deleted(_)
                if self.somebody_knows_better() =>
            {
                Vec::new()
            }
            FailureReason::NoResponse => vec![self.silence(trouble, failure)],
            FailureReason::TimedOut(_) => self.timed_out(trouble, failure),
            _ => plainly(),
        }
    }

    /// Whether some computer refused what was asked of it, or a packet filter stopped IKE.
    fn somebody_knows_better(&self) -> bool {
        let refused = |what: &What| match what {
            What::Failed(failure) => !matches!(
                failure.reason,
                FailureReason::Notified(_)
                    | FailureReason::OfferRefused(_)
                    | FailureReason::NoResponse
                    | FailureReason::Deleted(_)
                    | FailureReason::TimedOut(_)
            ),
            _ => false,
        };
        self.ike_filtered() || self.observer.troubles.iter().any(|t| refused(&t.what))
    }

    /// Main mode with somebody about whom the policy says nothing.
    fn no_peer(&self, trouble: &Trouble, failure: &Failure) -> String {
        let (node, peer) = (self.name(trouble), failure.peer.ip());
        if self.owns(trouble.node, peer) {
            let entry = failure.entry.map_or_else(|| "its rule".into(), |e| rule(&trouble.policy, e));
            return format!(
                "{node} would have to build a tunnel to itself: {entry} names {peer}, which is {node}'s own address, for \
                 what goes out; the Mirrored box of its filter is selected, or source and destination are reversed"
            );
        }
        let mut known: Vec<String> = Vec::new();
        for range in trouble.policy.pad.entries.iter().flat_map(|entry| &entry.peer) {
            if !known.contains(&range.to_string()) {
                known.push(range.to_string());
            }
        }
        let mut text = format!("{node} refuses main mode with {peer}: ");
        text += &if known.is_empty() {
            "no rule of its policy negotiates, or none is assigned".to_owned()
        } else {
            format!("its rules are about other peers: {}", known.join(", "))
        };
        if let Some((other, interface)) = self.owner(peer) {
            let expected = |range: &AddressRange| {
                other.interfaces.iter().any(|i| {
                    let address = i.address.get_ref().0.address;
                    range.contains(address) && !range.contains(peer)
                })
            };
            if trouble.policy.pad.entries.iter().flat_map(|e| &e.peer).any(expected) {
                let (other, interface) = (other.name.get_ref(), interface.name.get_ref());
                text += &format!(
                    "; {peer} is {interface} of {other}, whose route to {node} does not lead through the interface with \
                     the tunnel endpoint"
                );
            }
        }
        text
    }

    /// Quick mode for traffic about which no rule is.
    fn no_traffic(&self, trouble: &Trouble, failure: &Failure) -> String {
        let (node, peer) = (self.name(trouble), failure.peer.ip());
        let other = self.owner(peer).map(|(other, _)| other.name.get_ref().as_str());
        let asked = other.and_then(|other| {
            let selector = self.asked_for(self.observer.node(other)?)?;
            Some(format!(" for {selector} ({other} first)"))
        });
        let asked = asked.unwrap_or_default();
        let counts = |e: &&SpdEntry| matches!(e.action, Action::Protect(_)) && e.direction.inbound();
        let rules: Vec<String> = trouble.policy.spd.entries().iter().filter(counts).map(described).collect();
        let rules = if rules.is_empty() {
            "none of its rules is about protected traffic that comes in".to_owned()
        } else {
            format!("none of its rules is about that traffic when it comes in, only: {}", rules.join(", "))
        };
        format!("{node} refuses quick mode with {peer}{asked}: {rules}")
    }

    /// What a node that was refused had asked for.
    fn asked_for(&self, node: ipsec_sim::NodeId) -> Option<&Selector> {
        self.observer.troubles.iter().find_map(|t| match &t.what {
            What::Failed(f) if t.node == node && f.phase == Phase::QuickMode => f.selector.as_ref(),
            _ => None,
        })
    }

    fn silence(&self, trouble: &Trouble, failure: &Failure) -> String {
        let (node, peer) = (self.name(trouble), failure.peer.ip());
        match self.owner(peer) {
            None => format!("{node} gets no answer from {peer}: nobody has that address"),
            Some((other, _)) => {
                let has = self.observer.node(other.name.get_ref());
                let has = has.is_some_and(|id| self.observer.policies.contains_key(&id));
                let other = other.name.get_ref();
                let why = if has { "what either sends gets lost" } else { "it has no IPsec" };
                format!("{node} gets no answer to IKE from {other} ({peer}): {why}")
            }
        }
    }

    /// Messages 5 and 6 are the first that are encrypted: when they come and make no sense, the keys differ, and of those only
    /// the preshared key is typed in (RFC 2409 section 5.4).
    fn timed_out(&self, trouble: &Trouble, failure: &Failure) -> Vec<String> {
        let unreadable = |node| {
            let ignored = self.observer.happened.keys().filter(move |(n, _)| *n == node);
            ignored.filter(|(_, what)| what.starts_with("ignored: malformed")).count() > 0
        };
        let preshared = failure.method.is_none_or(|m| m == AuthenticationMethod::PRE_SHARED_KEY);
        if failure.phase == Phase::MainMode && preshared && unreadable(trouble.node) {
            return vec![format!(
                "{} cannot read what {} encrypts: message 5 of main mode comes, and makes no sense with the key that \
                 follows from the preshared key, so that the preshared keys of the two differ",
                self.name(trouble),
                failure.peer.ip()
            )];
        }
        if self.observer.troubles.iter().any(|t| unreadable(t.node)) || self.somebody_knows_better() {
            return Vec::new();
        }
        vec![self.plainly(trouble)]
    }
}

/// `'Tunnel to NetA' (10.1.0.0/16 -> 10.2.0.0/16, tunnel with 203.0.113.2)`.
fn described(entry: &SpdEntry) -> String {
    let how = match &entry.action {
        Action::Protect(protect) => match protect.mode {
            Mode::Transport => "transport".to_owned(),
            Mode::Tunnel { remote, .. } if remote.is_unspecified() => "tunnel".to_owned(),
            Mode::Tunnel { remote, .. } => format!("tunnel with {remote}"),
        },
        _ => String::new(),
    };
    format!("'{}' ({}, {how})", entry.name, entry.selector)
}
