//! The table of mappings: bounded, ordered, and without a clock of its own.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use ipsec_core::Instant;

use super::rewrite::Traits;
use super::{Behaviour, Mapped, NatDrop};
use crate::ip::protocol;

/// The first port the counter hands out; it wraps back to it.
const FIRST_PORT: u16 = 32_768;

/// Towards whom a mapping is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    Everybody,
    Address(Ipv4Addr),
    End(SocketAddrV4),
}

impl Scope {
    pub(super) fn of(mapping: Behaviour, remote: SocketAddrV4) -> Scope {
        match mapping {
            Behaviour::EndpointIndependent => Scope::Everybody,
            Behaviour::AddressDependent => Scope::Address(*remote.ip()),
            Behaviour::AddressAndPortDependent => Scope::End(remote),
        }
    }
}

/// Protocol, inside end, and towards whom.
pub(super) type Key = (u8, SocketAddrV4, Scope);

/// What a packet that goes out asks of its mapping.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) address: Ipv4Addr,
    pub(super) preferred: Option<u16>,
    pub(super) expires: Instant,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mapping {
    outside: SocketAddrV4,
    /// Outside ends that inside has sent to, and until when that lets them in.
    remotes: BTreeMap<SocketAddrV4, Instant>,
    expires: Instant,
    /// The last outside end, for traces.
    last: SocketAddrV4,
    /// TCP: something came back, and nothing closed it.
    open: bool,
}

/// Mappings by inside end and by external end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    mappings: BTreeMap<Key, Mapping>,
    outside: BTreeMap<(u8, SocketAddrV4), Key>,
    most: usize,
    next_port: u16,
}

impl Table {
    pub(super) fn new(most: usize) -> Self {
        Table { mappings: BTreeMap::new(), outside: BTreeMap::new(), most, next_port: FIRST_PORT }
    }

    /// Forgets all mappings; the counter of ports goes on.
    pub(super) fn clear(&mut self) {
        self.mappings.clear();
        self.outside.clear();
    }

    pub(super) fn iter(&self, now: Instant) -> impl Iterator<Item = Mapped> {
        let live = self.mappings.iter().filter(move |(_, m)| m.expires > now);
        live.map(|((protocol, inside, _), m)| Mapped {
            protocol: *protocol,
            inside: *inside,
            outside: m.outside,
            remote: m.last,
        })
    }

    /// The external end for a packet that goes out, and whether it is a new one. Refreshes (RFC 4787 section 4.3).
    pub(super) fn outbound(
        &mut self,
        key: Key,
        remote: SocketAddrV4,
        wish: Wish,
        now: Instant,
        taken: impl Fn(u8, u16) -> bool,
    ) -> Result<(SocketAddrV4, bool), NatDrop> {
        let new = self.mappings.get(&key).is_none_or(|m| m.expires <= now);
        if new {
            self.expire(now);
            if self.mappings.len() >= self.most {
                return Err(NatDrop::TableFull);
            }
            let outside = self.free_end(key.0, wish.address, wish.preferred, taken)?;
            self.outside.insert((key.0, outside), key);
            let (remotes, expires) = (BTreeMap::new(), wish.expires);
            self.mappings.insert(key, Mapping { outside, remotes, expires, last: remote, open: false });
        }
        let most = self.most;
        let Some(mapping) = self.mappings.get_mut(&key) else { return Err(NatDrop::TableFull) };
        mapping.expires = wish.expires;
        mapping.last = remote;
        if !mapping.remotes.contains_key(&remote) && mapping.remotes.len() >= most {
            mapping.remotes.retain(|_, until| *until > now);
            if mapping.remotes.len() >= most {
                return Err(NatDrop::TableFull);
            }
        }
        mapping.remotes.insert(remote, wish.expires);
        Ok((mapping.outside, new))
    }

    /// The inside end for a packet that comes in from `remote` for an external end; `refresh` is the mapping's new end of
    /// life, if the packet gives it one.
    pub(super) fn inbound(
        &mut self,
        outside: (u8, SocketAddrV4),
        remote: SocketAddrV4,
        filtering: Behaviour,
        refresh: Option<Instant>,
        now: Instant,
        traits: Traits,
    ) -> Result<SocketAddrV4, NatDrop> {
        let key = *self.outside.get(&outside).ok_or(NatDrop::NoMapping)?;
        let mapping = self.mappings.get_mut(&key).filter(|m| m.expires > now).ok_or(NatDrop::NoMapping)?;
        let mut live = mapping.remotes.iter().filter(|(_, until)| **until > now).map(|(end, _)| end);
        let passes = match filtering {
            Behaviour::EndpointIndependent => true,
            Behaviour::AddressDependent => live.any(|end| end.ip() == remote.ip()),
            // ICMP has an identifier and no port of the other end.
            Behaviour::AddressAndPortDependent if outside.0 == protocol::ICMP => {
                live.any(|end| end.ip() == remote.ip())
            }
            Behaviour::AddressAndPortDependent => live.any(|end| *end == remote),
        };
        if !passes {
            return Err(NatDrop::Filtered);
        }
        mapping.open = !traits.closes;
        if let Some(refresh) = refresh {
            mapping.expires = refresh;
            if let Some(until) = mapping.remotes.get_mut(&remote) {
                *until = refresh;
            }
        }
        Ok(key.1)
    }

    /// Whether something has come in on this mapping, and nothing closed it since.
    pub(super) fn is_open(&self, key: Key) -> bool {
        self.mappings.get(&key).is_some_and(|m| m.open)
    }

    pub(super) fn close(&mut self, key: Key) {
        if let Some(mapping) = self.mappings.get_mut(&key) {
            mapping.open = false;
        }
    }

    /// The external end of a live mapping.
    pub(super) fn outside_of(&self, key: Key, now: Instant) -> Option<SocketAddrV4> {
        self.mappings.get(&key).filter(|m| m.expires > now).map(|m| m.outside)
    }

    /// The inside end of the live session between an external and an outside end.
    pub(super) fn session(
        &self,
        outside: (u8, SocketAddrV4),
        remote: SocketAddrV4,
        now: Instant,
    ) -> Option<SocketAddrV4> {
        let key = *self.outside.get(&outside)?;
        let mapping = self.mappings.get(&key).filter(|m| m.expires > now)?;
        // The identifier stands in both ports, and the quote has the external one.
        let same =
            |end: &SocketAddrV4| *end == remote || outside.0 == protocol::ICMP && end.ip() == remote.ip();
        mapping.remotes.iter().any(|(end, until)| *until > now && same(end)).then_some(key.1)
    }

    /// Gives every live mapping a new external end.
    pub(super) fn rebind(
        &mut self,
        address: Ipv4Addr,
        now: Instant,
        taken: impl Fn(u8, u16) -> bool,
    ) -> usize {
        self.expire(now);
        let keys: Vec<Key> = self.mappings.keys().copied().collect();
        for key in &keys {
            let Ok(outside) = self.free_end(key.0, address, None, &taken) else { continue };
            if let Some(mapping) = self.mappings.get_mut(key) {
                self.outside.remove(&(key.0, mapping.outside));
                mapping.outside = outside;
                self.outside.insert((key.0, outside), *key);
            }
        }
        keys.len()
    }

    fn expire(&mut self, now: Instant) {
        let outside = &mut self.outside;
        self.mappings.retain(|(number, ..), mapping| {
            let live = mapping.expires > now;
            if !live {
                outside.remove(&(*number, mapping.outside));
            }
            live
        });
    }

    /// The preferred port if it is free, else the next free one of the counter.
    fn free_end(
        &mut self,
        number: u8,
        address: Ipv4Addr,
        preferred: Option<u16>,
        taken: impl Fn(u8, u16) -> bool,
    ) -> Result<SocketAddrV4, NatDrop> {
        let outside = &self.outside;
        let is_free = |port: u16| {
            let end = SocketAddrV4::new(address, port);
            !taken(number, port) && !outside.contains_key(&(number, end))
        };
        if let Some(port) = preferred.filter(|p| is_free(*p)) {
            return Ok(SocketAddrV4::new(address, port));
        }
        for _ in FIRST_PORT..=u16::MAX {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
            if is_free(port) {
                return Ok(SocketAddrV4::new(address, port));
            }
        }
        Err(NatDrop::TableFull)
    }
}
