//! The Security Association Database (RFC 4301 section 4.4.2).
//!
//! Inbound SAs are found by SPI, protocol and destination (RFC 2401 section 4.4.3); outbound ones by peer, and then by the
//! SPD entry they were made for. The two directions that one quick mode makes are a [`Pair`]; each direction is one SA, or
//! ESP inside AH.

pub mod binding;
pub mod encapsulation;
pub mod lifetime;
pub mod replay;
pub mod sa;
mod succession;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use rand_core::Rng;

use crate::crypto::{Cipher, KeyError, Mac, Suite};
use crate::interface::InterfaceId;
use crate::pad::Secret;
use crate::rng::{Label, Streams};
use crate::selector::Selector;
use crate::spd::{EntryId, EspTransform, Lifetime, Mode, Offer, Protect};
use crate::time::{Duration, Instant};
use binding::Bindings;
pub use encapsulation::{OriginalAddresses, UdpEncapsulation};
pub use lifetime::Life;
pub use replay::ReplayWindow;
pub use sa::{IpsecSa, SaCounters, SaError};
pub(crate) use sa::{Unfinished, Verified};

/// A security parameter index; 0 to 255 are never allocated (RFC 4303 section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spi(pub u32);

impl fmt::Display for Spi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

/// Number of a pair on its node: the inbound and outbound SAs that one quick mode made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairId(pub u64);

/// ESP or AH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IpsecProtocol {
    /// Encapsulating Security Payload, IP protocol 50.
    Esp,
    /// Authentication Header, IP protocol 51.
    Ah,
}

impl IpsecProtocol {
    /// IP protocol number.
    pub fn number(self) -> u8 {
        match self {
            IpsecProtocol::Esp => 50,
            IpsecProtocol::Ah => 51,
        }
    }
}

/// One SA as IKE hands it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaSpec {
    /// ESP or AH.
    pub protocol: IpsecProtocol,
    /// Chosen by the receiver.
    pub spi: Spi,
    /// Confidentiality; [`Cipher::Null`] for AH and ESP-NULL.
    pub cipher: Cipher,
    /// Cipher key; empty for NULL.
    pub cipher_key: Secret,
    /// Integrity; always present for AH.
    pub mac: Option<Mac>,
    /// Integrity key; empty without integrity.
    pub mac_key: Secret,
}

/// One direction of a pair: one SA, or ESP inside AH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleSpec {
    /// The pair.
    pub pair: PairId,
    /// Whether packets come in on it.
    pub inbound: bool,
    /// The SPD entry it serves.
    pub entry: EntryId,
    /// The traffic it carries, our side local (for both directions).
    pub selector: Selector,
    /// Transport or tunnel, with the outer addresses resolved.
    pub mode: Mode,
    /// Our address of the SAs.
    pub local: IpAddr,
    /// The peer's address of the SAs.
    pub peer: IpAddr,
    /// The SAs, inner protocol first: ESP before AH. One or two.
    pub sas: Vec<SaSpec>,
    /// Agreed limits, defaults filled in.
    pub lifetime: Lifetime,
    /// Whether we initiated the quick mode (spreads the rekey times of the two ends).
    pub initiator: bool,
    /// ESP in UDP (RFC 3948), the same for both directions of a pair.
    pub udp: Option<UdpEncapsulation>,
}

/// Why SAs could not be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum InstallError {
    /// A key is weak or has the wrong length.
    #[error("{0}")]
    Key(KeyError),
    /// A live inbound SA has this SPI, protocol and destination already (RFC 4301 section 4.4.2).
    #[error("another SA has this SPI")]
    DuplicateSpi,
    /// SPIs 0 to 255 are reserved (RFC 4303 section 2.1).
    #[error("a reserved SPI")]
    ReservedSpi,
    /// ESP with neither encryption nor integrity (RFC 4301 section 4.2).
    #[error("ESP that protects nothing")]
    NoProtection,
    /// Not one SA, nor ESP inside AH.
    #[error("a bundle is one SA, or ESP and then AH")]
    Bundle,
    /// The pair has this direction already, or its other direction is about other traffic.
    #[error("does not fit the pair's other direction")]
    Pair,
    /// UDP carries ESP alone, over IPv4 (RFC 3948 section 1; AH covers the addresses that a NAT changes).
    #[error("only ESP over IPv4 is encapsulated in UDP")]
    Encapsulation,
}

/// One direction of a pair at work: the SAs, inner protocol first.
#[derive(Clone, Debug)]
pub struct Bundle {
    sas: Vec<IpsecSa>,
}

impl Bundle {
    /// The SAs, inner protocol first: ESP before AH.
    pub fn sas(&self) -> &[IpsecSa] {
        &self.sas
    }

    pub(crate) fn sas_mut(&mut self) -> &mut [IpsecSa] {
        &mut self.sas
    }

    /// Octets carried, as they were inside: what the kilobytes of a lifetime count.
    pub fn octets(&self) -> u64 {
        self.sas.first().map_or(0, |sa| sa.counters().octets)
    }

    /// Packets carried.
    pub fn packets(&self) -> u64 {
        self.sas.first().map_or(0, |sa| sa.counters().packets)
    }

    /// Whether it is what this offer asks for: the same set of protocols with the same algorithms.
    pub fn is_of(&self, offer: &Offer) -> bool {
        let suite = |protocol| self.sas.iter().find(|sa| sa.protocol() == protocol).map(IpsecSa::suite);
        let esp = offer.esp.map(|EspTransform { cipher, mac }| Suite::EncryptThenMac { cipher, mac });
        let ah = offer.ah.map(Suite::IntegrityOnly);
        suite(IpsecProtocol::Esp) == esp && suite(IpsecProtocol::Ah) == ah
    }

    /// Octets that sealing adds to a datagram with `payload` octets behind the place of the headers.
    pub fn overhead(&self, payload: usize, v4: bool) -> usize {
        self.sas.iter().fold(0, |sum, sa| sum + sa.overhead(payload + sum, v4))
    }
}

/// The SAs that one quick mode made, or an operator installed.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Its number on this node.
    pub id: PairId,
    /// The SPD entry it came up under, which its inbound packets meet.
    pub entry: EntryId,
    /// The SPD entry whose packets leave on it: a one-way entry acquires what another one authorises.
    pub sends_for: EntryId,
    /// The traffic it carries, our side local.
    pub selector: Selector,
    /// Transport or tunnel.
    pub mode: Mode,
    /// Our address of the SAs.
    pub local: IpAddr,
    /// The peer's address of the SAs: where its packets go now.
    pub peer: IpAddr,
    /// The peer's address as the policy knows it. A tunnel's peer keeps it when it moves (RFC 3947 section 7).
    pub home: IpAddr,
    /// ESP in UDP, with the ports of this moment.
    pub udp: Option<UdpEncapsulation>,
    /// Agreed limits.
    pub lifetime: Lifetime,
    /// When it ends.
    pub life: Life,
    /// Whether we initiated it.
    pub initiator: bool,
    /// SAs that packets come in on.
    pub inbound: Option<Bundle>,
    /// SAs that packets leave on.
    pub outbound: Option<Bundle>,
    /// A newer pair has taken its place, and sends as soon as it may.
    pub replaced: bool,
    /// The pair that sends in place of this one, and until when at the latest, while nothing has come in on this one.
    yields: Option<(PairId, Instant)>,
    /// A successor was asked for.
    pub rekeying: bool,
    /// A valid packet came in on it.
    pub confirmed: bool,
    /// When it was installed, or last carried a packet.
    pub last_used: Instant,
    /// When a packet last left on it, if it is encapsulated: a NAT remembers that.
    pub last_sent: Option<Instant>,
    /// The adapter that processes it in hardware: the one its packets leave through, if that can ("only the outbound interface can
    /// offload the Security Association", KB 816514).
    pub offload: Option<InterfaceId>,
    /// Learned path MTU, and when it is forgotten (RFC 4301 section 8.2.2).
    path_mtu: Option<(u16, Instant)>,
}

/// How long a learned path MTU counts: 10 minutes (RFC 1191 section 6.3).
const PATH_MTU_AGE: Duration = Duration::from_secs(600);

impl Pair {
    /// Whether it is of transport mode.
    pub fn is_transport(&self) -> bool {
        self.mode == Mode::Transport
    }

    /// The learned path MTU between the SA's ends in octets, unless it has aged.
    pub fn path_mtu(&self, now: Instant) -> Option<u16> {
        self.path_mtu.filter(|(_, until)| now < *until).map(|(mtu, _)| mtu)
    }

    /// Notes what a router said; only lower values count. Whether it was news.
    pub(crate) fn learn_path_mtu(&mut self, mtu: u16, now: Instant) -> bool {
        let news = self.path_mtu(now).is_none_or(|known| mtu < known);
        if news {
            self.path_mtu = Some((mtu, now + PATH_MTU_AGE));
        }
        news
    }

    /// Whether the pair is what `protect` asks for: mode, both ends of the tunnel, and one of the offers.
    pub fn satisfies(&self, protect: &Protect) -> bool {
        let mode = match (protect.mode, self.mode) {
            (Mode::Transport, Mode::Transport) => true,
            (Mode::Tunnel { local, remote }, Mode::Tunnel { .. }) => {
                local.is_none_or(|l| l == self.local) && (remote == self.home || remote.is_unspecified())
            }
            _ => false,
        };
        let bundles = || self.inbound.iter().chain(&self.outbound);
        mode && protect.offers.iter().any(|offer| bundles().all(|b| b.is_of(offer)))
    }

    /// Octets in the direction that carried more.
    fn octets(&self) -> u64 {
        self.inbound.iter().chain(&self.outbound).map(Bundle::octets).max().unwrap_or(0)
    }

    /// Whether it carried anything; idle pairs are not rekeyed.
    pub fn is_used(&self) -> bool {
        self.inbound.iter().chain(&self.outbound).any(|b| b.packets() > 0)
    }

    /// Whether kilobytes or sequence numbers ask for a successor now.
    pub(crate) fn wants_successor(&self) -> bool {
        !self.rekeying
            && !self.replaced
            && (self.octets() >= self.life.soft_octets
                || self.outbound.iter().flat_map(Bundle::sas).any(IpsecSa::nearly_exhausted))
    }

    /// Whether the kilobytes are used up.
    pub(crate) fn is_spent(&self) -> bool {
        self.octets() >= self.life.hard_octets
    }

    /// Protocols and SPIs of the inbound SAs: what a delete notification lists.
    pub fn inbound_spis(&self) -> Vec<(IpsecProtocol, Spi)> {
        self.inbound.iter().flat_map(Bundle::sas).map(|sa| (sa.protocol(), sa.spi())).collect()
    }
}

/// The two ends of a life that a clock brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LifeEnd {
    /// A successor is to be negotiated.
    Soft,
    /// The pair is gone.
    Hard,
}

/// How installed SAs behave.
#[derive(Clone, Copy, Debug)]
pub struct InstallContext<'a> {
    /// Randomness of IVs and jitter.
    pub streams: &'a Streams,
    /// Width of the anti-replay window.
    pub window: u32,
    /// Margin of rekeying, in thousandths of the lifetime.
    pub margin_permille: u32,
    /// Now.
    pub now: Instant,
}

/// All SAs of a node.
#[derive(Clone, Debug, Default)]
pub struct Sad {
    pairs: BTreeMap<PairId, Pair>,
    /// Which pair and which SA of its bundle a packet belongs to.
    inbound: BTreeMap<(Spi, IpsecProtocol, IpAddr), (PairId, usize)>,
    /// Pairs that send, by [`Pair::home`], in the order they were installed.
    outbound: BTreeMap<IpAddr, Vec<PairId>>,
    /// Which client behind a NAT has which flow.
    bindings: Bindings,
    reserved: BTreeSet<(IpsecProtocol, Spi)>,
    timers: BTreeSet<(Instant, PairId, LifeEnd)>,
    spis_drawn: u64,
    spis_reserved: u64,
    sas_made: u64,
}

impl Sad {
    /// Reserves an inbound SPI that no live or reserved SA of this node and protocol has, drawn from `streams`.
    pub fn reserve_spi(&mut self, protocol: IpsecProtocol, streams: &Streams) -> Spi {
        self.spis_reserved += 1;
        loop {
            self.spis_drawn += 1;
            let spi = Spi(streams.stream(Label::Spi, self.spis_drawn).next_u32());
            // RFC4303-2.1-03, RFC4302-2.4-02: 1 to 255 are reserved, 0 is for local use.
            let used = self.inbound.keys().any(|(s, p, _)| (*s, *p) == (spi, protocol));
            if spi.0 > 255 && !used && self.reserved.insert((protocol, spi)) {
                return spi;
            }
        }
    }

    /// How many SPIs were ever asked for.
    pub fn spis_reserved_so_far(&self) -> u64 {
        self.spis_reserved
    }

    /// How many SPIs are reserved for SAs that are not installed yet.
    pub fn reserved_spis(&self) -> usize {
        self.reserved.len()
    }

    /// Gives a reserved SPI back.
    pub fn release_spi(&mut self, protocol: IpsecProtocol, spi: Spi) {
        self.reserved.remove(&(protocol, spi));
    }

    /// Installs one direction of a pair. Its keys are expanded here, once.
    pub fn install(&mut self, spec: &BundleSpec, cx: &InstallContext<'_>) -> Result<(), InstallError> {
        let protocols: Vec<_> = spec.sas.iter().map(|sa| sa.protocol).collect();
        match protocols.as_slice() {
            [_] | [IpsecProtocol::Esp, IpsecProtocol::Ah] => {}
            _ => return Err(InstallError::Bundle),
        }
        if spec.sas.iter().any(|sa| sa.spi.0 < 256) {
            return Err(InstallError::ReservedSpi);
        }
        // RFC4303-3.2-01, RFC4301-4.2-01: never both NULL.
        if spec.sas.iter().any(|sa| sa.cipher == Cipher::Null && sa.mac.is_none()) {
            return Err(InstallError::NoProtection);
        }
        let bare_esp = protocols == [IpsecProtocol::Esp] && spec.local.is_ipv4() && spec.peer.is_ipv4();
        if spec.udp.is_some() && !bare_esp {
            return Err(InstallError::Encapsulation);
        }
        let key = |sa: &SaSpec| (sa.spi, sa.protocol, spec.local);
        if spec.inbound && spec.sas.iter().any(|sa| self.inbound.contains_key(&key(sa))) {
            return Err(InstallError::DuplicateSpi);
        }
        if let Some(pair) = self.pairs.get(&spec.pair) {
            let taken = if spec.inbound { pair.inbound.is_some() } else { pair.outbound.is_some() };
            // A peer that may move can have moved since the other direction was installed.
            let may_move = pair.udp.is_some_and(|udp| udp.follow) && spec.udp.is_some_and(|udp| udp.follow);
            let fits = (pair.local, pair.peer, pair.udp) == (spec.local, spec.peer, spec.udp) || may_move;
            if taken || !fits {
                return Err(InstallError::Pair);
            }
        }
        let mut sas = Vec::with_capacity(spec.sas.len());
        for sa in &spec.sas {
            self.sas_made += 1;
            sas.push(IpsecSa::new(sa, self.sas_made, cx.window, cx.streams).map_err(InstallError::Key)?);
        }
        if spec.inbound {
            for (index, sa) in spec.sas.iter().enumerate() {
                self.reserved.remove(&(sa.protocol, sa.spi));
                self.inbound.insert(key(sa), (spec.pair, index));
            }
        } else {
            let home = self.pairs.get(&spec.pair).map_or(spec.peer, |pair| pair.home);
            self.outbound.entry(home).or_default().push(spec.pair);
        }
        let timers = &mut self.timers;
        let pair = self.pairs.entry(spec.pair).or_insert_with(|| {
            let margin = cx.margin_permille;
            let life = Life::new(spec.lifetime, margin, spec.initiator, spec.pair, cx.streams, cx.now);
            timers.insert((life.soft, spec.pair, LifeEnd::Soft));
            timers.insert((life.hard, spec.pair, LifeEnd::Hard));
            Pair::new(spec, life, cx.now)
        });
        if !spec.inbound {
            pair.sends_for = spec.entry;
        }
        *(if spec.inbound { &mut pair.inbound } else { &mut pair.outbound }) = Some(Bundle { sas });
        Ok(())
    }

    /// Removes a pair, both directions.
    pub fn remove(&mut self, id: PairId) -> Option<Pair> {
        let pair = self.pairs.remove(&id)?;
        for (protocol, spi) in pair.inbound_spis() {
            self.inbound.remove(&(spi, protocol, pair.local));
        }
        self.stop_sending(pair.home, id);
        self.bindings.forget(id);
        self.timers.remove(&(pair.life.soft, id, LifeEnd::Soft));
        self.timers.remove(&(pair.life.hard, id, LifeEnd::Hard));
        Some(pair)
    }

    /// The old pair sends no more; its inbound SAs stay until deleted or expired. The new one answers its flows.
    pub fn hand_over(&mut self, old: PairId, new: PairId) {
        self.bindings.hand_over(old, new);
        if let Some(pair) = self.pairs.get_mut(&old) {
            pair.replaced = true;
            self.timers.remove(&(pair.life.soft, old, LifeEnd::Soft));
            let home = pair.home;
            self.stop_sending(home, old);
        }
    }

    fn stop_sending(&mut self, peer: IpAddr, id: PairId) {
        if let Some(ids) = self.outbound.get_mut(&peer) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.outbound.remove(&peer);
            }
        }
    }

    /// Pair and place in its inbound bundle of the SA with this SPI (RFC4303-3.4.2-01, RFC2401-4.1-01).
    pub fn lookup(&self, spi: Spi, protocol: IpsecProtocol, destination: IpAddr) -> Option<(PairId, usize)> {
        self.inbound.get(&(spi, protocol, destination)).copied()
    }

    /// The pair that sends to `peer`, by [`Pair::home`], and that `wanted` accepts; the newest if there are several.
    pub fn sending(&self, peer: IpAddr, mut wanted: impl FnMut(&Pair) -> bool) -> Option<PairId> {
        let ids = self.outbound.get(&peer)?;
        ids.iter().rev().copied().find(|id| self.pairs.get(id).is_some_and(&mut wanted))
    }

    /// The pair that sends with this SPI to `peer`, port 0 without encapsulation: clients behind one NAT choose their SPIs
    /// without asking each other.
    pub fn by_outbound_spi(&self, spi: Spi, protocol: IpsecProtocol, peer: SocketAddr) -> Option<PairId> {
        let has = |b: &Bundle| b.sas().iter().any(|sa| sa.spi() == spi && sa.protocol() == protocol);
        let sends =
            |p: &&Pair| p.peer_socket() == peer && !p.replaced && p.outbound.as_ref().is_some_and(has);
        self.pairs.values().rev().find(sends).map(|pair| pair.id)
    }

    /// The pair with this number.
    pub fn get(&self, id: PairId) -> Option<&Pair> {
        self.pairs.get(&id)
    }

    /// The pair with this number, to be changed.
    pub(crate) fn get_mut(&mut self, id: PairId) -> Option<&mut Pair> {
        self.pairs.get_mut(&id)
    }

    /// All pairs by number.
    pub fn pairs(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.values()
    }

    /// When the next soft or hard end comes.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, ..)| *at)
    }

    /// Asks for a successor of `id` once more at this time, if the pair lives that long.
    pub(crate) fn retry_soft(&mut self, id: PairId, at: Instant) {
        if let Some(pair) = self.pairs.get_mut(&id).filter(|p| at < p.life.hard && !p.replaced) {
            self.timers.remove(&(pair.life.soft, id, LifeEnd::Soft));
            pair.life.soft = at;
            self.timers.insert((at, id, LifeEnd::Soft));
        }
    }

    /// Takes the earliest end that has come. A soft end may ask again.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<(PairId, LifeEnd)> {
        let due = self.timers.first().filter(|(at, ..)| *at <= now).copied()?;
        self.timers.remove(&due);
        if let (_, id, LifeEnd::Soft) = due
            && let Some(pair) = self.pairs.get_mut(&id)
        {
            pair.rekeying = false;
        }
        Some((due.1, due.2))
    }
}

impl Pair {
    fn new(spec: &BundleSpec, life: Life, now: Instant) -> Pair {
        Pair {
            id: spec.pair,
            entry: spec.entry,
            sends_for: spec.entry,
            selector: spec.selector.clone(),
            mode: spec.mode,
            local: spec.local,
            peer: spec.peer,
            home: spec.peer,
            udp: spec.udp,
            lifetime: spec.lifetime,
            life,
            initiator: spec.initiator,
            inbound: None,
            outbound: None,
            replaced: false,
            yields: None,
            rekeying: false,
            confirmed: false,
            last_used: now,
            last_sent: None,
            offload: None,
            path_mtu: None,
        }
    }
}

#[cfg(test)]
mod tests;
