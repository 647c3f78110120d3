//! Events 541 to 547 from what IKE reports.
//!
//! Our choices where no source says: the source of a filter is this computer; of a bundle the SPIs of ESP are named;
//! the total delta time of a main mode's first quick mode counts from the first message of that main mode, that of a later
//! one from its own; 546 comes before 547, once for each attribute that does not fit.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use ipsec_core::crypto::{Cipher, HashAlg, Mac};
use ipsec_core::ike::failure::{Failure, Phase};
use ipsec_core::io::{MainModeInfo, QuickModeInfo};
use ipsec_core::sad::{PairId, Spi};
use ipsec_core::selector::{AddressRange, PortRange, Selector};
use ipsec_core::spd::{Lifetime, Mode};
use ipsec_core::wire::ikev1::AuthenticationMethod;
use ipsec_core::wire::isakmp::Cookie;
use ipsec_core::{Event, Instant};
use ipsec_policy::Profile;

use super::insert::{Insert, Item};
use super::message::{Kind, Release};
use super::{reason, refusal};

const MAIN_MODE: &str = "Key Exchange Mode (Main Mode)";
const QUICK_MODE: &str = "Data Protection Mode (Quick Mode)";

/// What IKE has, as far as later events speak of it.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    /// Of pairs whose policy names none.
    lifetime: Lifetime,
    main_modes: BTreeMap<Cookie, MainMode>,
    pairs: BTreeMap<PairId, Pair>,
}

#[derive(Clone, Debug)]
struct MainMode {
    info: MainModeInfo,
    quick_modes: u32,
}

#[derive(Clone, Debug)]
struct Pair {
    filter: Insert,
    inbound: Spi,
    outbound: Spi,
}

impl Watch {
    pub(super) fn new(profile: &Profile) -> Self {
        let lifetime = Lifetime {
            seconds: Some(profile.quick_mode_seconds.value),
            kilobytes: profile.quick_mode_kilobytes.value,
        };
        Watch { lifetime, main_modes: BTreeMap::new(), pairs: BTreeMap::new() }
    }

    /// The inbound SPI of a pair.
    pub(super) fn inbound_spi(&self, pair: PairId) -> Option<Spi> {
        self.pairs.get(&pair).map(|pair| pair.inbound)
    }

    /// What this event makes of records.
    pub(super) fn records(
        &mut self,
        time: Instant,
        event: &Event,
        release: Release,
    ) -> Vec<(Kind, Vec<Insert>)> {
        match event {
            Event::MainModeEstablished(info) => {
                vec![(Kind::Established, self.main_mode(time, info, release))]
            }
            Event::QuickModeEstablished(info) => {
                vec![(Kind::Established, self.quick_mode(time, info, release))]
            }
            Event::PairDeleted { pair, .. } => match self.pairs.remove(pair) {
                Some(Pair { filter, inbound, outbound }) => {
                    let spi = |spi: Spi| Insert::text(spi.0);
                    vec![(Kind::QuickModeEnded, vec![filter, spi(inbound), spi(outbound)])]
                }
                None => Vec::new(),
            },
            Event::IsakmpSaDeleted { cky_i, .. } => match self.main_modes.remove(cky_i) {
                Some(MainMode { info, .. }) => {
                    vec![(Kind::MainModeEnded, vec![filter_of_ends(info.local, info.peer, release)])]
                }
                None => Vec::new(),
            },
            Event::Failed(failure) => self.failed(time, failure, release),
            Event::DosProtection { active: true } => vec![(Kind::DosBegins, Vec::new())],
            Event::DosProtection { active: false } => vec![(Kind::DosEnds, Vec::new())],
            _ => Vec::new(),
        }
    }

    fn main_mode(&mut self, time: Instant, info: &MainModeInfo, release: Release) -> Vec<Insert> {
        self.main_modes.insert(info.cky_i, MainMode { info: info.clone(), quick_modes: 0 });
        let mut parameters = vec![
            Item::new("ESP Algorithm", cipher(info.proposal.cipher)),
            Item::new("HMAC Algorithm", hash(info.proposal.hash)),
            Item::new("Lifetime (sec)", info.lifetime_seconds),
        ];
        if release >= Release::Server2003 {
            let delta = time.saturating_since(info.started).as_secs();
            parameters.push(Item::new("MM delta time (sec)", delta));
        }
        vec![
            Insert::text(MAIN_MODE),
            identity(Some(info.method), info.peer.ip(), release),
            filter_of_ends(info.local, info.peer, release),
            Insert::Items(parameters),
        ]
    }

    fn quick_mode(&mut self, time: Instant, info: &QuickModeInfo, release: Release) -> Vec<Insert> {
        let main_mode = self.main_modes.get_mut(&info.cky_i);
        let mut total_from = info.started;
        let mut ends = (SocketAddr::new(info.local, 500), SocketAddr::new(info.peer, 500));
        let mut method = None;
        if let Some(MainMode { info: of, quick_modes }) = main_mode {
            *quick_modes = quick_modes.saturating_add(1);
            if *quick_modes == 1 {
                total_from = of.started;
            }
            (method, ends) = (Some(of.method), (of.local, of.peer));
        }
        if let Some(udp) = &info.udp {
            ends.0.set_port(udp.local_port);
            ends.1.set_port(udp.peer_port);
        }
        let private = info.udp.as_ref().and_then(|udp| udp.original).map(|original| original.peer);
        let filter = filter(&info.selector, ends, private.filter(|p| *p != info.peer), release);
        let spi = |spis: &[Spi]| spis.first().copied().unwrap_or(Spi(0));
        let (inbound, outbound) = (spi(&info.inbound_spis), spi(&info.outbound_spis));
        self.pairs.insert(info.pair, Pair { filter: filter.clone(), inbound, outbound });
        let esp = info.offer.esp;
        let agreed = info.offer.lifetime;
        let lifetime = Lifetime {
            seconds: agreed.seconds.or(self.lifetime.seconds),
            kilobytes: agreed.kilobytes.or(self.lifetime.kilobytes),
        };
        let mut parameters = vec![
            Item::new("ESP Algorithm", esp.map_or("None", |esp| cipher(esp.cipher))),
            Item::new("HMAC Algorithm", esp.and_then(|esp| esp.mac).map_or("None", mac)),
            Item::new("AH Algorithm", info.offer.ah.map_or("None", mac)),
            Item::new("Encapsulation", encapsulation(info, release)),
            Item::new("InboundSpi", inbound.0),
            Item::new("OutBoundSpi", outbound.0),
            Item::new("Lifetime (sec)", lifetime.seconds.unwrap_or(0)),
            Item::new("Lifetime (kb)", lifetime.kilobytes.unwrap_or(0)),
        ];
        if release >= Release::Server2003 {
            let since = |start| time.saturating_since(start).as_secs();
            parameters.push(Item::new("QM delta time (sec)", since(info.started)));
            parameters.push(Item::new("Total delta time (sec)", since(total_from)));
        }
        vec![
            Insert::text(QUICK_MODE),
            identity(method, info.peer, release),
            filter,
            Insert::Items(parameters),
        ]
    }

    fn failed(&mut self, time: Instant, failure: &Failure, release: Release) -> Vec<(Kind, Vec<Insert>)> {
        let mode = Insert::text(match failure.phase {
            Phase::MainMode => MAIN_MODE,
            Phase::QuickMode => QUICK_MODE,
        });
        if failure.phase == Phase::MainMode {
            // It was complete, and then given up for what was agreed on.
            self.main_modes.remove(&failure.cky_i);
        }
        let ends = (failure.local, failure.peer);
        let filter = match (&failure.selector, failure.phase) {
            (Some(selector), Phase::QuickMode) => filter(selector, ends, None, release),
            _ => filter_of_ends(failure.local, failure.peer, release),
        };
        let identity = identity(failure.method, failure.peer.ip(), release);
        let mut records = Vec::new();
        for [attribute, expected, received] in refusal::mismatches(failure) {
            let values = [attribute, expected, received].map(Insert::Text);
            let inserts = [mode.clone(), filter.clone()].into_iter().chain(values).collect();
            records.push((Kind::InvalidProposal, inserts));
        }
        if reason::is_bad_credential(&failure.reason) {
            records.push((Kind::PeerNotAuthenticated, vec![identity.clone(), filter.clone()]));
        }
        let (point, why) = reason::of(&failure.reason);
        let (point, why) = (Insert::text(point.name()), Insert::text(why.text()));
        let inserts = match release {
            Release::Windows2000 => vec![mode, filter, point, why],
            _ => vec![mode, filter, identity, point, why, reason::extra_status(time, failure, release)],
        };
        records.push((Kind::NegotiationFailed, inserts));
        records
    }
}

/// The filter of a main mode: both ends, whatever they will say to each other.
fn filter_of_ends(local: SocketAddr, peer: SocketAddr, release: Release) -> Insert {
    let single = |end: SocketAddr| vec![AddressRange::single(end.ip())];
    let selector = Selector {
        local: single(local),
        remote: single(peer),
        protocol: None,
        local_ports: PortRange::ANY,
        remote_ports: PortRange::ANY,
    };
    filter(&selector, (local, peer), None, release)
}

/// A filter line by line. A range that is no subnet stands in the address as it is, with the mask of a host.
fn filter(
    selector: &Selector,
    (local, peer): (SocketAddr, SocketAddr),
    private: Option<IpAddr>,
    release: Release,
) -> Insert {
    let (source, source_mask) = subnet(&selector.local);
    let (destination, destination_mask) = subnet(&selector.remote);
    let mut items = vec![
        Item::new("Source IP Address", source),
        Item::new("Source IP Address Mask", source_mask),
        Item::new("Destination IP Address", destination),
        Item::new("Destination IP Address Mask", destination_mask),
        Item::new("Protocol", selector.protocol.unwrap_or(0)),
        Item::new("Source Port", port(selector.local_ports)),
        Item::new("Destination Port", port(selector.remote_ports)),
    ];
    if release >= Release::WindowsXp {
        items.extend([Item::new("IKE Local Addr", local.ip()), Item::new("IKE Peer Addr", peer.ip())]);
    }
    if release >= Release::Server2003 {
        let private = private.map_or_else(String::new, |address| address.to_string());
        items.extend([
            Item::new("IKE Source Port", local.port()),
            Item::new("IKE Destination Port", peer.port()),
            Item::new("Peer Private Addr", private),
        ]);
    }
    Insert::Items(items)
}

/// Address and mask.
fn subnet(ranges: &[AddressRange]) -> (String, String) {
    let Some(range) = ranges.first() else { return (String::new(), String::new()) };
    let Some(prefix) = range.as_prefix() else { return (range.to_string(), "255.255.255.255".into()) };
    let mask = match prefix.address {
        IpAddr::V4(_) => {
            let bits = u32::MAX.checked_shl(32 - u32::from(prefix.len)).unwrap_or(0);
            std::net::Ipv4Addr::from_bits(bits).to_string()
        }
        // No Windows of that time filters IPv6 so: its prefix length says as much.
        IpAddr::V6(_) => prefix.len.to_string(),
    };
    (prefix.address.to_string(), mask)
}

fn port(range: PortRange) -> String {
    match range {
        range if range.is_any() => "0".into(),
        PortRange { start, end } if start == end => start.to_string(),
        PortRange { start, end } => format!("{start}-{end}"),
    }
}

/// Who the peer is. Names in certificates and tickets are empty: the core has neither, and an SA is never established with
/// them; such an identity stands in failures alone.
fn identity(method: Option<AuthenticationMethod>, peer: IpAddr, release: Release) -> Insert {
    let mut items = match method {
        Some(AuthenticationMethod::PRE_SHARED_KEY) => vec![Item::heading("Preshared key ID.")],
        Some(AuthenticationMethod::GSS_API) => vec![Item::new("Kerberos based Identity:", "")],
        Some(AuthenticationMethod::RSA_SIGNATURES) => vec![Item::heading("Certificate based Identity.  ")],
        _ => Vec::new(),
    };
    if method == Some(AuthenticationMethod::RSA_SIGNATURES) && release == Release::Windows2000 {
        // Later releases have a form without these lines for a peer that has shown no certificate.
        let names = ["Subject", "Issuing Certificate Authority", "Root Certificate Authority"];
        items.extend(names.map(|name| Item::new(name, "")));
    }
    items.push(Item::new("Peer IP Address:", peer));
    Insert::Items(items)
}

fn encapsulation(info: &QuickModeInfo, release: Release) -> &'static str {
    let in_udp = info.udp.is_some() && release >= Release::Server2003;
    match (info.mode, in_udp) {
        (Mode::Transport, false) => "Transport Mode",
        (Mode::Transport, true) => "Transport Mode with UDP encapsulation",
        (Mode::Tunnel { .. }, false) => "Tunnel Mode",
        (Mode::Tunnel { .. }, true) => "Tunnel Mode with UDP encapsulation",
    }
}

fn cipher(cipher: Cipher) -> &'static str {
    match cipher {
        Cipher::Null => "NULL DES",
        Cipher::Des40 => "40 bit DES CBC",
        Cipher::Des => "DES CBC",
        Cipher::TripleDes => "Triple DES CBC",
        // No release of that time has them.
        Cipher::Aes128 => "AES-128",
        Cipher::Aes192 => "AES-192",
        Cipher::Aes256 => "AES-256",
    }
}

fn hash(hash: HashAlg) -> &'static str {
    match hash {
        HashAlg::Md5 => "MD5",
        HashAlg::Sha1 => "SHA",
        HashAlg::Sha256 => "SHA-256",
        HashAlg::Sha384 => "SHA-384",
        HashAlg::Sha512 => "SHA-512",
    }
}

fn mac(mac: Mac) -> &'static str {
    match mac {
        Mac::HmacMd5_96 => "MD5",
        Mac::HmacSha1_96 => "SHA",
        Mac::HmacSha256_128 => "SHA-256",
    }
}
