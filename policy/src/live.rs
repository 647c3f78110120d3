//! What a running computer holds at one moment, for `dynamic show`: security associations and counts, no keys.

use core::net::IpAddr;
use std::collections::BTreeMap;

use ipsec_core::crypto::Suite;
use ipsec_core::crypto::{Cipher, Group};
use ipsec_core::ike::IsakmpView;
use ipsec_core::pad::MainModeProposal;
use ipsec_core::sad::{Bundle, IpsecProtocol, Pair};
use ipsec_core::selector::Selector;
use ipsec_core::spd::{EntryId, Lifetime, Mode, Spd};
use ipsec_core::{Instant, Ipsec};

/// A computer at one moment.
#[derive(Clone, Debug)]
pub struct Live {
    /// The moment.
    pub now: Instant,
    /// Main-mode SAs.
    pub main_modes: Vec<IsakmpView>,
    /// Quick-mode SAs, each with both directions.
    pub quick_modes: Vec<LivePair>,
    /// Peers without IPsec, with which traffic passes in clear, and the filter that allows it.
    pub soft: Vec<(IpAddr, String)>,
    /// Counts of key exchange, in the order in which they are shown.
    pub ike: Vec<(&'static str, u64)>,
    /// Counts of the driver, likewise.
    pub ipsec: Vec<(&'static str, u64)>,
}

/// One pair of quick-mode SAs.
#[derive(Clone, Debug)]
pub struct LivePair {
    /// Our address of the SAs.
    pub local: IpAddr,
    /// The peer's.
    pub peer: IpAddr,
    /// The filter whose packets leave on it.
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
        let pairs: Vec<&Pair> = status.pairs().collect();
        let soft: Vec<(IpAddr, String)> =
            status.soft_associations().map(|(entry, peer, _)| (peer, filter(spd, entry))).collect();
        let main_modes: Vec<IsakmpView> = status.isakmp_sas().collect();
        let drops: BTreeMap<&str, u64> = status.drops().collect();
        let count = |names: &[&str]| names.iter().filter_map(|n| drops.get(n)).sum::<u64>();
        let sizes = status.ike();
        let ike = vec![
            ("Active Acquire", number(status.pending().count())),
            ("ISADB List Size", number(sizes.isakmp_sas)),
            ("Main Mode SAs", number(main_modes.len())),
            ("Quick Mode SAs", number(pairs.len())),
            ("Soft Associations", number(soft.len())),
        ];
        let ipsec = counts(&pairs, status.reserved_spis(), &count);
        let quick_modes = pairs.iter().map(|pair| LivePair::of(pair, spd, now)).collect();
        Self { now, main_modes, quick_modes, soft, ike, ipsec }
    }
}

/// One direction of a pair.
type Side = fn(&Pair) -> Option<&Bundle>;
const INWARD: Side = |pair| pair.inbound.as_ref();
const OUTWARD: Side = |pair| pair.outbound.as_ref();

fn number(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// The driver's counts. Octets are those of the SAs that live.
fn counts(pairs: &[&Pair], pending: usize, count: &dyn Fn(&[&str]) -> u64) -> Vec<(&'static str, u64)> {
    let octets = |wanted: fn(&Pair) -> bool, of: Side| {
        pairs.iter().filter(|p| wanted(p)).filter_map(|p| of(p)).map(Bundle::octets).sum()
    };
    vec![
        ("Active Assoc", number(pairs.len())),
        ("Pending Key", number(pending)),
        ("Active Tunnels", number(pairs.iter().filter(|p| !p.is_transport()).count())),
        ("Bad SPI Packets", count(&["unknown-spi"])),
        ("Packets Not Decrypted", count(&["bad-padding", "bad-length"])),
        ("Packets Not Authenticated", count(&["integrity-failed"])),
        ("Packets With Replay Detection", count(&["replayed"])),
        ("Confidential Bytes Sent", octets(is_confidential, OUTWARD)),
        ("Confidential Bytes Received", octets(is_confidential, INWARD)),
        ("Authenticated Bytes Sent", octets(is_authenticated, OUTWARD)),
        ("Authenticated Bytes Received", octets(is_authenticated, INWARD)),
        ("Transport Bytes Sent", octets(Pair::is_transport, OUTWARD)),
        ("Transport Bytes Received", octets(Pair::is_transport, INWARD)),
        ("Bytes Sent In Tunnels", octets(|p| !p.is_transport(), OUTWARD)),
        ("Bytes Received In Tunnels", octets(|p| !p.is_transport(), INWARD)),
    ]
}

impl LivePair {
    fn of(pair: &Pair, spd: &Spd, now: Instant) -> Self {
        let spis = |b: &Option<Bundle>| b.iter().flat_map(Bundle::sas).map(|sa| sa.spi().0).collect();
        let octets = |b: &Option<Bundle>| b.as_ref().map_or(0, Bundle::octets);
        Self {
            local: pair.local,
            peer: pair.peer,
            filter: filter(spd, pair.sends_for),
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

fn filter(spd: &Spd, entry: EntryId) -> String {
    spd.entries().iter().find(|e| e.id == entry).map_or_else(String::new, |e| e.name.clone())
}

fn suites(pair: &Pair) -> impl Iterator<Item = Suite> {
    pair.inbound.iter().chain(&pair.outbound).flat_map(Bundle::sas).map(|sa| sa.suite())
}

fn is_confidential(pair: &Pair) -> bool {
    suites(pair).any(|s| matches!(s, Suite::EncryptThenMac { cipher, .. } if cipher != Cipher::Null))
}

fn is_authenticated(pair: &Pair) -> bool {
    suites(pair).any(|s| matches!(s, Suite::IntegrityOnly(_) | Suite::EncryptThenMac { mac: Some(_), .. }))
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
