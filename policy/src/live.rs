//! What a running computer holds at one moment, for `dynamic show`: security associations and counts, no keys.

use core::net::IpAddr;

use ipsec_core::crypto::Suite;
use ipsec_core::crypto::{Cipher, Group};
use ipsec_core::ike::IsakmpView;
use ipsec_core::pad::MainModeProposal;
use ipsec_core::sad::{Bundle, IpsecProtocol, Pair};
use ipsec_core::selector::Selector;
use ipsec_core::spd::{Action, EntryId, Lifetime, Mode, Spd, SpdEntry};
use ipsec_core::{Instant, Ipsec, SoftAssociation};

pub mod counter;

pub use counter::{Counter, Counts};

/// A computer at one moment.
#[derive(Clone, Debug)]
pub struct Live {
    /// The moment.
    pub now: Instant,
    /// Main-mode SAs.
    pub main_modes: Vec<IsakmpView>,
    /// Quick-mode SAs, each with both directions.
    pub quick_modes: Vec<LivePair>,
    /// Soft associations: peers without IPsec, with which traffic passes in clear.
    pub soft: Vec<LiveSoft>,
    /// What was counted.
    pub counts: Counts,
}

/// One soft association: an SA whose security operation is "None" (KB 234580).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveSoft {
    /// Our address.
    pub local: IpAddr,
    /// The peer that gave no answer to IKE.
    pub peer: IpAddr,
    /// The entry that allows it.
    pub entry: EntryId,
    /// The rule of that entry.
    pub filter: String,
    /// Seconds left.
    pub seconds_left: u64,
}

/// One pair of quick-mode SAs.
#[derive(Clone, Debug)]
pub struct LivePair {
    /// Our address of the SAs.
    pub local: IpAddr,
    /// The peer's.
    pub peer: IpAddr,
    /// The entry whose packets leave on it.
    pub entry: EntryId,
    /// The rule of that entry.
    pub filter: String,
    /// The traffic it carries, our side local.
    pub selector: Selector,
    /// Whether it is of transport mode, else of tunnel mode.
    pub transport: bool,
    /// Whether ESP travels in UDP.
    pub in_udp: bool,
    /// In netsh's notation, `AH[MD5]+ESP[DES,None]`.
    pub method: String,
    /// Inbound SPIs, inner protocol first.
    pub inbound_spis: Vec<u32>,
    /// Outbound SPIs.
    pub outbound_spis: Vec<u32>,
    /// Agreed limits.
    pub lifetime: Lifetime,
    /// Seconds left.
    pub seconds_left: u64,
    /// Octets that came in and went out.
    pub octets: (u64, u64),
}

impl Live {
    /// The computer as it is now.
    #[must_use]
    pub fn of(ipsec: &Ipsec, now: Instant) -> Self {
        let status = ipsec.status();
        let spd = status.spd();
        let soft = status.soft_associations().map(|soft| LiveSoft::of(soft, spd, now));
        Self {
            now,
            main_modes: status.isakmp_sas().collect(),
            quick_modes: status.pairs().map(|pair| LivePair::of(pair, spd, now)).collect(),
            soft: soft.collect(),
            counts: Counts::new(&status),
        }
    }
}

impl LiveSoft {
    fn of(soft: &SoftAssociation, spd: &Spd, now: Instant) -> Self {
        Self {
            local: soft.local,
            peer: soft.peer,
            entry: soft.entry,
            filter: filter(spd, soft.entry),
            seconds_left: soft.until.saturating_since(now).as_secs(),
        }
    }
}

impl LivePair {
    fn of(pair: &Pair, spd: &Spd, now: Instant) -> Self {
        let spis = |b: &Option<Bundle>| b.iter().flat_map(Bundle::sas).map(|sa| sa.spi().0).collect();
        let octets = |b: &Option<Bundle>| b.as_ref().map_or(0, Bundle::octets);
        Self {
            local: pair.local,
            peer: pair.peer,
            entry: sender(pair, spd),
            filter: filter(spd, sender(pair, spd)),
            selector: pair.selector.clone(),
            transport: pair.mode == Mode::Transport,
            in_udp: pair.udp.is_some(),
            method: pair.outbound.as_ref().or(pair.inbound.as_ref()).map_or_else(String::new, method),
            inbound_spis: spis(&pair.inbound),
            outbound_spis: spis(&pair.outbound),
            lifetime: pair.lifetime,
            seconds_left: pair.life.hard.saturating_since(now).as_secs(),
            octets: (octets(&pair.inbound), octets(&pair.outbound)),
        }
    }
}

/// The entry whose packets leave on a pair. What a peer began with the inbound half of a tunnel came up under that half, and
/// serves the outbound one.
fn sender(pair: &Pair, spd: &Spd) -> EntryId {
    let serves = |e: &&SpdEntry| {
        e.direction.outbound()
            && e.selector.covers(&pair.selector)
            && matches!(&e.action, Action::Protect(protect) if pair.satisfies(protect))
    };
    match spd.get(pair.sends_for) {
        Some(own) if !own.direction.outbound() => spd.entries().iter().find(serves).unwrap_or(own).id,
        _ => pair.sends_for,
    }
}

fn filter(spd: &Spd, entry: EntryId) -> String {
    let all = spd.entries().iter().chain(spd.default_response());
    all.into_iter().find(|e| e.id == entry).map_or_else(String::new, |e| e.name.clone())
}

/// As netsh writes it: AH first, for it is outside.
fn method(bundle: &Bundle) -> String {
    let one = |protocol: IpsecProtocol| {
        let sa = bundle.sas().iter().find(|sa| sa.protocol() == protocol)?;
        Some(match sa.suite() {
            Suite::IntegrityOnly(mac) => format!("AH[{}]", mac.microsoft_name()),
            Suite::EncryptThenMac { cipher, mac } => {
                let cipher = if cipher == Cipher::Null { "None" } else { cipher.microsoft_name() };
                format!("ESP[{cipher},{}]", mac.map_or("None", |mac| mac.microsoft_name()))
            }
            other => format!("{other:?}"),
        })
    };
    [one(IpsecProtocol::Ah), one(IpsecProtocol::Esp)].into_iter().flatten().collect::<Vec<_>>().join("+")
}

/// As netsh writes it, `3DES-SHA1-2`, with netsh's own number 3 for the 2,048-bit group.
#[must_use]
pub fn proposal(p: &MainModeProposal) -> String {
    let group = if p.group == Group::Modp2048 { 3 } else { p.group.id() };
    format!("{}-{}-{group}", p.cipher.microsoft_name(), p.hash.microsoft_name())
}
