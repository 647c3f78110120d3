//! ISAKMP SAs as a monitor shows them: no keys.

use core::net::SocketAddr;

use super::Ike;
use crate::pad::{MainModeProposal, PadEntryId, Phase1Exchange};
use crate::time::Instant;
use crate::wire::isakmp::Cookie;

/// An established ISAKMP SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IsakmpView {
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's.
    pub peer: SocketAddr,
    /// Main mode or aggressive mode.
    pub exchange: Phase1Exchange,
    /// Whether we sent the first message.
    pub initiator: bool,
    /// Initiator cookie.
    pub cky_i: Cookie,
    /// Responder cookie.
    pub cky_r: Cookie,
    /// The PAD entry it came from.
    pub pad_entry: PadEntryId,
    /// What was agreed.
    pub proposal: MainModeProposal,
    /// When it was established.
    pub since: Instant,
    /// When its lifetime ends.
    pub expires: Instant,
    /// Quick modes begun under it, by either end.
    pub quick_modes: u32,
    /// Whether new quick modes may begin under it.
    pub usable: bool,
}

impl Ike {
    /// The established ISAKMP SAs, in the order in which they began.
    pub fn established(&self) -> impl Iterator<Item = IsakmpView> {
        self.sas.values().filter(|sa| !sa.closed && !sa.deleted).filter_map(|sa| {
            let (established, names) = (sa.established()?, &sa.names);
            Some(IsakmpView {
                local: names.local,
                peer: names.peer,
                exchange: names.exchange,
                initiator: names.initiator,
                cky_i: names.cky_i,
                cky_r: names.cky_r,
                pad_entry: names.pad_entry,
                proposal: established.proposal,
                since: established.since,
                expires: established.expires,
                quick_modes: sa.quick_modes_begun,
                usable: !sa.spent && !sa.dead,
            })
        })
    }
}
