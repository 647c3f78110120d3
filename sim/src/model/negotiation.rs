//! A negotiation as a question to two policies: main mode, then quick mode, no message in sight.

use std::mem::discriminant;
use std::net::IpAddr;

use ipsec_core::pad::{AuthMethod, MainModeProposal, PadEntry, Secret};
use ipsec_core::selector::{AddressRange, PortRange, Selector};
use ipsec_core::spd::{Action, EntryId, Mode, Pfs, Protect, SpdEntry};

use super::matching::{admits, contains, is_end, turned, within};
use super::{Association, Flow, Model, Protection};

/// Why there is no association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The peer gave no answer at all: it has no IKE, or no policy for us.
    Silence,
    /// Whatever else.
    Refusal,
}

/// The addresses between which SAs are negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) own: IpAddr,
    pub(super) peer: IpAddr,
}

impl Model<'_> {
    /// The ends that an entry of `side` means for this flow.
    pub(super) fn ends(&self, side: usize, mode: Mode, flow: Flow) -> Option<Ends> {
        match mode {
            Mode::Transport => Some(Ends { own: flow.source, peer: flow.destination }),
            Mode::Tunnel { remote, .. } if remote.is_unspecified() => None,
            Mode::Tunnel { local, remote } => {
                let own = local.filter(|l| !l.is_unspecified()).unwrap_or(self.sides[side].address);
                Some(Ends { own, peer: remote })
            }
        }
    }

    /// Negotiates for a packet of `entry`.
    pub(super) fn negotiate(
        &self,
        side: usize,
        entry: &SpdEntry,
        protect: &Protect,
        ends: Ends,
        flow: Flow,
    ) -> Result<Association, Failure> {
        let main_mode = self.main_mode(side, ends)?;
        let wanted = wanted(entry, protect, flow).ok_or(Failure::Refusal)?;
        self.quick_mode(side, entry, protect, ends, &wanted, main_mode)
    }

    /// Main mode: whether both sides know each other, have an authentication method with a proposal in common, the first
    /// of them works, and the keys are the same. Gives the group.
    fn main_mode(&self, side: usize, ends: Ends) -> Result<ipsec_core::crypto::Group, Failure> {
        let ours = self.known(side, ends).ok_or(Failure::Refusal)?;
        // Who has nothing that works here does not begin.
        key(ours).ok_or(Failure::Refusal)?;
        let other = 1 - side;
        // Only the other side's own addresses answer IKE, and only ours hear the answer.
        if !self.sides[other].owns(ends.peer) || !self.sides[side].owns(ends.own) {
            return Err(Failure::Silence);
        }
        let turned = Ends { own: ends.peer, peer: ends.own };
        let theirs = self.known(other, turned).ok_or(Failure::Silence)?;
        let product = ours.methods.iter().flat_map(|m| ours.proposals.iter().map(move |p| (m, p)));
        let accepted = |(method, proposal): &(&AuthMethod, &MainModeProposal)| {
            let same = |m: &AuthMethod| discriminant(m) == discriminant(*method);
            theirs.proposals.contains(proposal) && theirs.methods.iter().any(same)
        };
        let (method, proposal) = product.into_iter().find(accepted).ok_or(Failure::Refusal)?;
        // Different keys make garbage of message 5: there were answers, and then there are none.
        match method {
            AuthMethod::PreSharedKey(_) if key(ours) == key(theirs) => Ok(proposal.group),
            _ => Err(Failure::Refusal),
        }
    }

    /// The main-mode filter for these ends.
    fn known(&self, side: usize, ends: Ends) -> Option<&PadEntry> {
        let pad = &self.sides[side].policy.as_ref()?.pad;
        pad.entries.iter().find(|e| within(&e.local, ends.own) && within(&e.peer, ends.peer))
    }

    /// Quick mode: whether an entry of the other side covers what is wanted, and which suite is in common.
    fn quick_mode(
        &self,
        side: usize,
        entry: &SpdEntry,
        protect: &Protect,
        ends: Ends,
        wanted: &Selector,
        group: ipsec_core::crypto::Group,
    ) -> Result<Association, Failure> {
        let other = 1 - side;
        let tunnel = protect.mode != Mode::Transport;
        let (theirs, turned_ends) = (turned(wanted), Ends { own: ends.peer, peer: ends.own });
        // Transport mode is for the two ends' own traffic.
        let own_traffic =
            |s: &Selector, ends: Ends| s.local == [single(ends.own)] && s.remote == [single(ends.peer)];
        if !tunnel && !own_traffic(wanted, ends) {
            return Err(Failure::Refusal);
        }
        let (admitting, answer) =
            self.admitting(other, &theirs, tunnel, turned_ends).ok_or(Failure::Refusal)?;
        let pfs = |pfs: Pfs| match pfs {
            Pfs::No => None,
            Pfs::SameGroup => Some(group),
            Pfs::Group(group) => Some(group),
        };
        let acceptable =
            |o: &&ipsec_core::spd::Offer| answer.offers.iter().any(|a| (a.ah, a.esp) == (o.ah, o.esp));
        let offer = protect.offers.iter().find(acceptable).ok_or(Failure::Refusal)?;
        if pfs(protect.pfs) != pfs(answer.pfs) {
            return Err(Failure::Refusal);
        }
        let own_admitting = self.admitting(side, wanted, tunnel, ends).map_or(entry.id, |(id, _)| id);
        let mut association = Association {
            ends: [ends.own, ends.peer],
            traffic: [wanted.clone(), theirs],
            protection: Protection { ah: offer.ah, esp: offer.esp, tunnel, pfs: pfs(protect.pfs).is_some() },
            sends: [entry.id, admitting],
            admits: [own_admitting, admitting],
        };
        if side == 1 {
            association.ends.reverse();
            association.traffic.reverse();
            association.sends.reverse();
            association.admits.reverse();
        }
        Ok(association)
    }

    /// The first entry of `side` under which the peer's quick mode may come up.
    fn admitting(
        &self,
        side: usize,
        wanted: &Selector,
        tunnel: bool,
        ends: Ends,
    ) -> Option<(EntryId, &Protect)> {
        let kind = self.sides[side].kind;
        let entries = self.sides[side].policy.as_ref()?.spd.entries();
        entries.iter().filter(|e| admits(e, kind) && contains(&e.selector, wanted)).find_map(|e| {
            let Action::Protect(protect) = &e.action else { return None };
            let fits = match protect.mode {
                Mode::Transport => !tunnel,
                Mode::Tunnel { local, remote } => {
                    tunnel && local.is_none_or(|l| l == ends.own) && is_end(remote, ends.peer)
                }
            };
            fits.then_some((e.id, protect))
        })
    }
}

/// The pre-shared key of a main-mode filter.
fn key(filter: &PadEntry) -> Option<&Secret> {
    filter.methods.iter().find_map(|m| match m {
        AuthMethod::PreSharedKey(key) => Some(key),
        _ => None,
    })
}

fn single(address: IpAddr) -> AddressRange {
    AddressRange { start: address, end: address }
}

/// The traffic to negotiate for: the entry's, narrowed to the packet where the entry says so, in the words that
/// identities have: one range for each side, all ports or one.
fn wanted(entry: &SpdEntry, protect: &Protect, flow: Flow) -> Option<Selector> {
    let side = |narrow: bool, ranges: &[AddressRange], address: IpAddr| {
        if narrow {
            return Some(single(address));
        }
        // Of several ranges, the one that the packet is in.
        ranges.iter().find(|r| within(&[**r], address)).copied()
    };
    let populate = protect.populate;
    let from = entry.selector.clone();
    let (near_port, far_port) = flow.ports.unzip();
    let port = |range: PortRange, port: Option<u16>| match port {
        Some(port) if populate.ports => PortRange { start: port, end: port },
        _ => range,
    };
    Some(Selector {
        local: vec![side(populate.local, &from.local, flow.source)?],
        remote: vec![side(populate.remote, &from.remote, flow.destination)?],
        protocol: if populate.protocol { Some(flow.protocol) } else { from.protocol },
        local_ports: port(from.local_ports, near_port),
        remote_ports: port(from.remote_ports, far_port),
    })
}
