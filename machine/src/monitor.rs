//! IP Security Monitor and ipsecmon: what they show at one moment, without keys.
//!
//! | release | monitor | shows |
//! |---|---|---|
//! | Windows 2000 | `ipsecmon` | a list of associations by filter name, and thirteen totals |
//! | Windows XP, Server 2003 | the snap-in IP Security Monitor | main mode and quick mode apart: statistics, and SAs in detail |
//!
//! "If the ping command is successful but there is no SA, the ICMP traffic was not protected by IPSec. If you see a 'soft
//! association' that did not previously exist, then IPSec agreed to allow this traffic to go 'on the clear'" (KB 816514):
//! [`Snapshot::assert_protected`] is that check.
//!
//! Field names are those of windows-ipsec.md section 12, most of them without a public source; the layout is ours.

mod refresh;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipsec_core::selector::{FlowKey, Selector};
use ipsec_core::spd::EntryId;
use ipsec_core::{Instant, Ipsec};
use ipsec_policy::compile::{EntryNames, entry_names};
use ipsec_policy::filter::protocol_name;
use ipsec_policy::live::{Counter, Counts, LivePair, LiveSoft, proposal};
use ipsec_policy::tools::{self, Tool};
use ipsec_policy::{Live, Profile};
use serde::Serialize;

use crate::computer::Computer;
pub use refresh::{DEFAULT_INTERVAL, View};

/// Which monitor a release has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MonitorKind {
    /// `ipsecmon.exe` of Windows 2000.
    Ipsecmon,
    /// The snap-in of Windows XP.
    SnapInXp,
    /// The snap-in of Windows Server 2003; also what we show of a computer that runs no Windows.
    SnapIn2003,
}

impl MonitorKind {
    /// The monitor of a release.
    #[must_use]
    pub fn of(release: &Profile) -> Self {
        if !tools::has(release, Tool::MonitorSnapIn).value {
            Self::Ipsecmon
        } else if tools::has(release, Tool::IpsecCmd).value && !tools::has(release, Tool::NetshIpsec).value {
            Self::SnapInXp
        } else {
            Self::SnapIn2003
        }
    }

    /// Its name for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ipsecmon => "ipsecmon",
            Self::SnapInXp | Self::SnapIn2003 => "IP Security Monitor",
        }
    }

    /// The counters it shows, in order, with its own labels: of key exchange, and of the driver.
    #[must_use]
    pub fn counters(self) -> [Vec<(Counter, &'static str)>; 2] {
        let own = |all: &[Counter]| all.iter().map(|c| (*c, c.name())).collect::<Vec<_>>();
        match self {
            Self::SnapIn2003 => [own(&Counter::IKE), own(&Counter::DRIVER)],
            Self::SnapInXp => {
                let mut ike = own(&Counter::IKE);
                // Windows XP's page of statistics has these two in the other order.
                let place = ike.iter().position(|(c, _)| *c == Counter::AuthenticationFailures);
                if let Some(place) = place {
                    ike.swap(place, place + 1);
                }
                [ike, own(&Counter::DRIVER)]
            }
            Self::Ipsecmon => [IPSECMON_IKE.to_vec(), IPSECMON_DRIVER.to_vec()],
        }
    }
}

const IPSECMON_DRIVER: [(Counter, &str); 9] = [
    (Counter::ActiveAssociations, "Active Associations"),
    (Counter::ConfidentialBytesSent, "Confidential Bytes Sent"),
    (Counter::ConfidentialBytesReceived, "Confidential Bytes Received"),
    (Counter::AuthenticatedBytesSent, "Authenticated Bytes Sent"),
    (Counter::AuthenticatedBytesReceived, "Authenticated Bytes Received"),
    (Counter::BadSpiPackets, "Bad SPI Packets"),
    (Counter::PacketsNotDecrypted, "Packets Not Decrypted"),
    (Counter::PacketsNotAuthenticated, "Packets Not Authenticated"),
    (Counter::KeyAdditions, "Key Additions"),
];
const IPSECMON_IKE: [(Counter, &str); 4] = [
    (Counter::MainModes, "Oakley Main Modes"),
    (Counter::QuickModes, "Oakley Quick Modes"),
    (Counter::SoftAssociations, "Soft Associations"),
    (Counter::AuthenticationFailures, "Authentication Failures"),
];

/// A computer as its monitor shows it at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The moment.
    pub at: Instant,
    /// The release.
    pub release: &'static Profile,
    /// Which monitor shows it.
    pub kind: MonitorKind,
    /// The assigned policy.
    pub policy: Option<String>,
    /// The domain whose directory it comes from; none: the computer's own stores.
    pub domain: Option<String>,
    /// ISAKMP SAs; ipsecmon does not show them.
    pub main_modes: Vec<MainMode>,
    /// Pairs of SAs, and soft associations.
    pub associations: Vec<Association>,
    /// What was counted.
    pub counts: Counts,
}

/// An ISAKMP SA in a list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct MainMode {
    /// Our address.
    pub me: IpAddr,
    /// The peer's.
    pub peer: IpAddr,
    /// Who began.
    pub initiator: bool,
    /// In netsh's notation, `3DES-SHA1-2`.
    pub security: String,
    /// Initiator and responder cookie.
    pub cookies: [String; 2],
    /// Seconds until it expires.
    pub seconds_left: u64,
    /// Quick modes begun under it.
    pub quick_modes: u32,
}

/// What kind of association it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AssociationKind {
    /// SAs of transport mode.
    Transport,
    /// SAs of tunnel mode.
    Tunnel,
    /// No SA: a peer without IPsec, to which traffic goes in clear (KB 234580).
    Soft,
}

/// A pair of SAs, or a soft association.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Association {
    /// Which.
    pub kind: AssociationKind,
    /// The policy that has the rule; empty for a dynamic rule.
    pub policy: String,
    /// In netsh's notation, `ESP[DES,MD5]`; `None` of a soft association (KB 234580: security operation *None*).
    pub security: String,
    /// The name of the filter whose packets leave on it.
    pub filter: String,
    /// Our side of its traffic.
    pub source: String,
    /// The other side.
    pub destination: String,
    /// Protocol of its traffic, `ANY` for all.
    pub protocol: String,
    /// Port at our side, 0 for any.
    pub source_port: u16,
    /// Port at the other side, 0 for any.
    pub destination_port: u16,
    /// Our end of the tunnel, where there is one.
    pub my_tunnel_endpoint: Option<IpAddr>,
    /// The peer's end.
    pub peer_tunnel_endpoint: Option<IpAddr>,
    /// Whether ESP travels in UDP.
    pub in_udp: bool,
    /// Inbound SPIs, inner protocol first.
    pub inbound_spis: Vec<u32>,
    /// Outbound SPIs.
    pub outbound_spis: Vec<u32>,
    /// Agreed limit in seconds.
    pub lifetime_seconds: Option<u32>,
    /// Agreed limit in kilobytes.
    pub lifetime_kilobytes: Option<u32>,
    /// Seconds until it is gone.
    pub seconds_left: u64,
    /// Octets sent on it.
    pub bytes_sent: u64,
    /// Octets received on it.
    pub bytes_received: u64,
    /// What it covers.
    #[serde(skip)]
    covers: Covers,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Covers {
    Traffic(Selector),
    Peer(IpAddr),
}

/// Why a flow is not protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unprotected {
    /// "There is no SA": what passes goes in clear.
    #[error("no security association covers it")]
    NoAssociation,
    /// "IPSec agreed to allow this traffic to go on the clear."
    #[error("a soft association covers it: it goes in clear")]
    Soft,
}

/// A monitor may not look at another computer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{own} cannot monitor {other}: IPSec is monitored remotely only between computers with the same version of Windows; use \
     Remote Desktop Connection"
)]
pub struct VersionMismatch {
    /// The monitor's release.
    pub own: &'static str,
    /// The other computer's.
    pub other: &'static str,
}

impl Snapshot {
    /// What the computer's own monitor shows.
    #[must_use]
    pub fn of(computer: &Computer, ipsec: &Ipsec, now: Instant) -> Self {
        let stores = computer.in_force();
        let mut names = entry_names(stores, &computer.local_addresses()).unwrap_or_default();
        let assigned = stores.effective().assigned().or_else(|| stores.persistent.assigned());
        let policy = assigned.map(|policy| policy.name.clone());
        // Its filters are made from what peers propose, and are named after the rule.
        if let Some(entry) = ipsec.status().spd().default_response() {
            let (filter, policy) = (entry.name.clone(), policy.clone().unwrap_or_default());
            names.insert(entry.id, EntryNames { rule: filter.clone(), filter, policy });
        }
        let domain = stores.domain.as_ref().filter(|_| stores.domain_assigns());
        let domain = domain.map(|domain| domain.name.clone());
        Self { domain, ..Self::new(computer.release(), policy, &names, &Live::of(ipsec, now)) }
    }

    /// What the monitor of a computer with the release `own` shows of another one.
    ///
    /// # Errors
    /// Unless both run the same Windows.
    pub fn remote(
        own: &'static Profile,
        computer: &Computer,
        ipsec: &Ipsec,
        now: Instant,
    ) -> Result<Self, VersionMismatch> {
        let other = computer.release();
        if !tools::same_windows(own, other) {
            return Err(VersionMismatch { own: own.title, other: other.title });
        }
        Ok(Self::of(computer, ipsec, now))
    }

    /// What a monitor shows of a node that is no simulated computer, such as a live one: filters have the names of its policy
    /// entries, and no policy has a name.
    #[must_use]
    pub fn of_node(release: &'static Profile, ipsec: &Ipsec, now: Instant) -> Self {
        Self::new(release, None, &BTreeMap::new(), &Live::of(ipsec, now))
    }

    fn new(
        release: &'static Profile,
        policy: Option<String>,
        names: &BTreeMap<EntryId, EntryNames>,
        live: &Live,
    ) -> Self {
        let pairs = live.quick_modes.iter().map(|pair| Association::of_pair(pair, names.get(&pair.entry)));
        let soft = live.soft.iter().map(|soft| Association::of_soft(soft, names.get(&soft.entry)));
        let main_modes = live.main_modes.iter().map(|sa| MainMode {
            me: sa.local.ip(),
            peer: sa.peer.ip(),
            initiator: sa.initiator,
            security: proposal(&sa.proposal),
            cookies: [sa.cky_i.to_string(), sa.cky_r.to_string()],
            seconds_left: sa.expires.saturating_since(live.now).as_secs(),
            quick_modes: sa.quick_modes,
        });
        Self {
            at: live.now,
            release,
            kind: MonitorKind::of(release),
            policy,
            domain: None,
            main_modes: main_modes.collect(),
            associations: pairs.chain(soft).collect(),
            counts: live.counts.clone(),
        }
    }

    /// The association on which a packet of this flow would leave, the newest first; else why it is not protected.
    ///
    /// # Errors
    /// When no SA covers it, or only a soft association does.
    pub fn assert_protected(&self, flow: &FlowKey) -> Result<&Association, Unprotected> {
        let covering = |a: &&Association| match &a.covers {
            Covers::Traffic(selector) => selector.matches_but_ports(flow),
            Covers::Peer(peer) => *peer == flow.remote,
        };
        let found = || self.associations.iter().rev().filter(covering);
        match found().find(|a| a.kind != AssociationKind::Soft) {
            Some(association) => Ok(association),
            None if found().next().is_some() => Err(Unprotected::Soft),
            None => Err(Unprotected::NoAssociation),
        }
    }
}

impl fmt::Display for Association {
    /// One line: filter, security, peer, traffic.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { filter, security, source, destination, .. } = self;
        match (self.kind, self.peer_tunnel_endpoint) {
            (AssociationKind::Soft, _) => {
                write!(f, "{filter}: soft association with {destination}, in clear")
            }
            (_, Some(peer)) => write!(f, "{filter}: {security} with {peer}, {source} -> {destination}"),
            (_, None) => write!(f, "{filter}: {security}, {source} -> {destination}"),
        }
    }
}

impl Association {
    fn of_pair(pair: &LivePair, names: Option<&EntryNames>) -> Self {
        let selector = &pair.selector;
        let ranges = |all: &[ipsec_core::selector::AddressRange]| {
            all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let port = |range: ipsec_core::selector::PortRange| if range.is_any() { 0 } else { range.start };
        let tunnel = |address| (!pair.transport).then_some(address);
        Self {
            kind: if pair.transport { AssociationKind::Transport } else { AssociationKind::Tunnel },
            policy: names.map_or_else(String::new, |n| n.policy.clone()),
            security: pair.method.clone(),
            filter: names.map_or_else(|| pair.filter.clone(), |n| n.filter.clone()),
            source: ranges(&selector.local),
            destination: ranges(&selector.remote),
            protocol: protocol_name(selector.protocol),
            source_port: port(selector.local_ports),
            destination_port: port(selector.remote_ports),
            my_tunnel_endpoint: tunnel(pair.local),
            peer_tunnel_endpoint: tunnel(pair.peer),
            in_udp: pair.in_udp,
            inbound_spis: pair.inbound_spis.clone(),
            outbound_spis: pair.outbound_spis.clone(),
            lifetime_seconds: pair.lifetime.seconds,
            lifetime_kilobytes: pair.lifetime.kilobytes,
            seconds_left: pair.seconds_left,
            bytes_sent: pair.octets.1,
            bytes_received: pair.octets.0,
            covers: Covers::Traffic(selector.clone()),
        }
    }

    fn of_soft(soft: &LiveSoft, names: Option<&EntryNames>) -> Self {
        Self {
            kind: AssociationKind::Soft,
            policy: names.map_or_else(String::new, |n| n.policy.clone()),
            security: "None".to_owned(),
            filter: names.map_or_else(|| soft.filter.clone(), |n| n.filter.clone()),
            source: soft.local.to_string(),
            destination: soft.peer.to_string(),
            protocol: protocol_name(None),
            source_port: 0,
            destination_port: 0,
            my_tunnel_endpoint: None,
            peer_tunnel_endpoint: None,
            in_udp: false,
            inbound_spis: Vec::new(),
            outbound_spis: Vec::new(),
            lifetime_seconds: None,
            lifetime_kilobytes: None,
            seconds_left: soft.seconds_left,
            bytes_sent: 0,
            bytes_received: 0,
            covers: Covers::Peer(soft.peer),
        }
    }
}
