//! The default response rule of Windows 2000, XP and Server 2003: "If an active policy does not have a rule defined for a
//! computer that is requesting secure communication, the default response rule is applied and security is negotiated"
//! (Windows Server 2003 glossary of IPsec terms).
//!
//! It is no entry that packets meet: nothing is negotiated for its sake, and what nobody has asked protection for passes by
//! the other entries. It answers quick modes in transport mode, and each pair of SAs that comes of it is a filter as long as
//! it lives: packets of its traffic that no rule is about leave on it, and are not taken in clear unless the rule accepts
//! unsecured traffic. How long the filters of Windows lived is not known.

use alloc::string::String;
use core::net::IpAddr;

use super::{Action, Direction, EntryId, Protect, Spd, SpdEntry};
use crate::interface::ConnectionKind;
use crate::selector::{AddressRange, Selector};

impl Spd {
    /// Adds the rule, which protects by `protect` in transport mode. The last entry then stands for "no rule": it says what
    /// becomes of traffic that none is about.
    #[must_use]
    pub fn with_default_response(self, name: impl Into<String>, protect: Protect) -> Self {
        let number = self.entries.iter().map(|entry| entry.id.0).max().map_or(0, |id| id.saturating_add(1));
        let entry = SpdEntry {
            id: EntryId(number),
            name: name.into(),
            selector: Selector::any(),
            direction: Direction::Inbound,
            connection: None,
            action: Action::Protect(protect),
        };
        Spd { default_response: Some(entry), ..self }
    }

    /// The same policy without the rule, for a node that cannot send what it asks for.
    #[must_use]
    pub fn without_default_response(self) -> Self {
        Spd { default_response: None, ..self }
    }

    /// The default response rule, if there is one.
    pub fn default_response(&self) -> Option<&SpdEntry> {
        self.default_response.as_ref()
    }

    /// The default response rule, where `entry` is the one that stands for "no rule".
    pub fn default_behind(&self, entry: EntryId) -> Option<&SpdEntry> {
        self.default_response.as_ref().filter(|_| self.entries.last().is_some_and(|last| last.id == entry))
    }

    /// The rule for a quick mode that `peer` proposes to `local`: where no negotiating entry is about these two computers,
    /// and no other says something about all of the traffic.
    pub(super) fn respond_by_default(
        &self,
        wanted: &Selector,
        local: IpAddr,
        peer: IpAddr,
        kind: ConnectionKind,
    ) -> Option<(&SpdEntry, &Protect)> {
        let default = self.default_response.as_ref()?;
        let Action::Protect(protect) = &default.action else { return None };
        let no_rule = self.entries.last().map(|entry| entry.id);
        let within = |ranges: &[AddressRange], address| ranges.iter().any(|range| range.contains(address));
        let speaks = |entry: &SpdEntry| match entry.action {
            Action::Protect(_) => {
                within(&entry.selector.local, local) && within(&entry.selector.remote, peer)
            }
            Action::Bypass | Action::Discard | Action::Stateful => entry.selector.covers(wanted),
        };
        let mut rules = self.entries.iter().filter(|entry| {
            Some(entry.id) != no_rule && entry.connection.is_none_or(|connection| connection == kind)
        });
        (!rules.any(speaks)).then_some((default, protect))
    }
}
