//! The configuration file of `ipseclab live`: TOML, with a JSON schema.
//!
//! ```toml
//! [machine]
//! outside = ["eth1"]
//!
//! [[connection]]
//! name = "to NetB"
//! local-address = "203.0.113.1"
//! remote-address = "203.0.113.2"
//! local = ["10.1.0.0/16"]
//! remote = ["10.2.0.0/16"]
//! key = "-actual key-"
//! ```
//!
//! A file may name `netsh` scripts instead of connections: then the policy is Microsoft's, and `[machine]` is all the rest.

use std::net::IpAddr;
use std::path::PathBuf;

use ipsec_core::Duration;
use ipsec_core::config::{DeadPeerDetection, IkeConfig, RetransmitSchedule, VendorIdRule};
use ipsec_core::ike::v1::vendor_id;
use ipsec_policy::profile::{ALL, Profile};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capture::RingSize;
use crate::mark::Mark;
use crate::node::{Ports, Settings, TunSettings};

/// The configuration of a live node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    /// This computer.
    pub machine: Machine,
    /// IKE's habits.
    #[serde(default)]
    pub ike: Ike,
    /// Scripts with `netsh ipsec static` commands, run one after the other; relative to this file. Instead of connections.
    #[serde(default)]
    pub netsh: Vec<PathBuf>,
    /// What is to be protected, and how. The first that matches a packet decides; what none matches passes in clear.
    #[serde(default, rename = "connection")]
    pub connections: Vec<Connection>,
}

/// This computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Machine {
    /// Interfaces of the unprotected side, as in `eth1`.
    pub outside: Vec<String>,
    /// Name of the TUN device.
    #[serde(default = "tun")]
    pub tun: String,
    /// MTU of the TUN device in octets. Without it: the outside's, less what the most expensive suite adds.
    pub mtu: Option<u16>,
    /// The control socket. An empty path: none.
    #[serde(default = "control")]
    pub control: PathBuf,
    /// Mark of what the node sends, and number of its routing table and rule. Each node of a computer needs its own.
    #[serde(default = "mark")]
    pub mark: u32,
    /// Whether nftables rules, which outlive the node, keep what is to be protected from leaving or arriving in clear.
    #[serde(default = "yes")]
    pub guard: bool,
    /// Whether the node gives up privileges it no longer needs.
    #[serde(default = "yes")]
    pub drop_privileges: bool,
    /// Write every packet to files.
    pub capture: Option<Capture>,
    /// Write keys for Wireshark to this folder; only the command line sets it.
    #[serde(skip)]
    pub keys: Option<PathBuf>,
    /// Record the run here, and the secrets that repeat it there; only the command line sets it.
    #[serde(skip)]
    pub record: Option<(PathBuf, Option<PathBuf>)>,
}

fn tun() -> String {
    "ipsec0".to_owned()
}

fn control() -> PathBuf {
    PathBuf::from("/run/ipseclab/control")
}

fn mark() -> u32 {
    Mark::default().0
}

fn yes() -> bool {
    true
}

/// A ring of pcapng files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Capture {
    /// `node.pcapng` becomes `node.0.pcapng`, `node.1.pcapng` and so on.
    pub path: PathBuf,
    /// How many files there are before the oldest is overwritten.
    #[serde(default = "files")]
    pub files: u32,
    /// Megabytes of each.
    #[serde(default = "megabytes")]
    pub megabytes: u32,
}

fn files() -> u32 {
    4
}

fn megabytes() -> u32 {
    64
}

/// IKE's habits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Ike {
    /// Whose habits: `rfc`, or a release of Windows as `ipseclab profile` lists them. None: `windows-2003` with netsh scripts,
    /// else `rfc`.
    pub profile: Option<String>,
    /// Whether `rfc` announces NAT traversal (RFC 3947, and draft 02 as Windows does). Releases of Windows do what they do.
    pub nat_traversal: bool,
    /// Whether to say that we are behind a NAT, so that ESP travels in UDP where both ends speak NAT traversal: the kernel then
    /// takes and brings dozens of packets at once, and firewalls that know no ESP let them pass. IPv4 only.
    pub encapsulate: bool,
    /// After how many seconds of silence `rfc` asks a peer whether it lives (RFC 3706). 0: never.
    pub dead_peer_seconds: u32,
    /// Whether `rfc` has a new ISAKMP SA before the old one ends, while there are IPsec SAs with the peer. Releases of Windows
    /// wait for the next quick mode.
    pub renew: bool,
    /// How long before its end an SA is rekeyed, in thousandths of its lifetime.
    pub rekey_margin_permille: u32,
}

impl Default for Ike {
    fn default() -> Self {
        Ike {
            profile: None,
            nat_traversal: true,
            encapsulate: false,
            dead_peer_seconds: 30,
            renew: true,
            rekey_margin_permille: 100,
        }
    }
}

/// Traffic, and what happens to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Connection {
    /// Its name in logs and for `ipseclab ctl`.
    pub name: String,
    /// Protect, let pass, or drop.
    #[serde(default)]
    pub action: Action,
    /// Tunnel or transport.
    #[serde(default)]
    pub mode: Mode,
    /// Our end. Without it: the address that the way to the peer begins with.
    pub local_address: Option<IpAddr>,
    /// The peer's end. Without it, tunnels only answer, and transport mode speaks to the addresses in `remote`.
    pub remote_address: Option<IpAddr>,
    /// Traffic on our side: addresses, networks (`10.1.0.0/16`) or ranges (`10.0.0.1-10.0.0.9`). None: our end, or any.
    #[serde(default)]
    pub local: Vec<String>,
    /// Traffic on the far side. None: the peer's end, or any.
    #[serde(default)]
    pub remote: Vec<String>,
    /// `tcp`, `udp`, `icmp`, `icmpv6` or a number. None: all.
    pub protocol: Option<String>,
    /// Port on our side.
    pub local_port: Option<u16>,
    /// Port on the far side.
    pub remote_port: Option<u16>,
    /// IKE proposals in order of preference, as in `3des-sha1-modp1024`.
    #[serde(default = "proposals")]
    pub proposals: Vec<String>,
    /// Suites in order of preference: `aes128-sha1` and `null-md5` are ESP, `ah-sha1` is AH, `ah-sha1+3des-md5` is ESP in AH.
    #[serde(default = "suites")]
    pub suites: Vec<String>,
    /// Perfect forward secrecy: a group as in `modp1024`, or `same` for that of IKE. None: none.
    pub pfs: Option<String>,
    /// The pre-shared key.
    pub key: Option<String>,
    /// A file with the pre-shared key; a line end at its end is not part of it.
    pub key_file: Option<PathBuf>,
    /// Whether we begin by aggressive mode.
    #[serde(default)]
    pub aggressive: bool,
    /// Whether the peer may begin by aggressive mode; so it may when we do.
    #[serde(default)]
    pub accept_aggressive: bool,
    /// What we call ourselves: an address, a host name, `user@host`, or `key-id:TEXT`. None: our address.
    pub local_id: Option<String>,
    /// What the peer calls itself. None: its address.
    pub remote_id: Option<String>,
    /// Lifetime of ISAKMP SAs in seconds.
    #[serde(default = "ike_seconds")]
    pub ike_seconds: u32,
    /// Lifetime of IPsec SAs in seconds.
    #[serde(default = "seconds")]
    pub seconds: u32,
    /// Lifetime of IPsec SAs in kilobytes. None: no bound.
    pub kilobytes: Option<u32>,
    /// Negotiate at the start, without waiting for traffic.
    #[serde(default)]
    pub start: bool,
}

fn proposals() -> Vec<String> {
    vec!["aes128-sha256-modp2048".to_owned(), "aes128-sha1-modp2048".to_owned()]
}

fn suites() -> Vec<String> {
    vec!["aes128-sha256".to_owned(), "aes128-sha1".to_owned()]
}

fn ike_seconds() -> u32 {
    28_800
}

fn seconds() -> u32 {
    3_600
}

/// What happens to traffic (RFC 4301 section 4.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is sent and accepted in SAs only.
    #[default]
    Protect,
    /// It passes in clear.
    Bypass,
    /// It is dropped.
    Discard,
}

/// Tunnel or transport mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Between the ends, for what is behind them.
    #[default]
    Tunnel,
    /// Between the two hosts themselves.
    Transport,
}

impl File {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<File, String> {
        let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
        file.check()?;
        Ok(file)
    }

    /// The file without its keys, for a recording.
    pub(crate) fn without_keys(&self) -> String {
        let mut file = self.clone();
        for key in file.connections.iter_mut().filter_map(|c| c.key.as_mut()) {
            *key = "(among the secrets)".to_owned();
        }
        toml::to_string(&file).unwrap_or_default()
    }

    /// Names of the other files it is made of.
    pub(crate) fn others(&self) -> impl Iterator<Item = &PathBuf> {
        self.netsh.iter().chain(self.connections.iter().filter_map(|c| c.key_file.as_ref()))
    }

    /// The JSON schema of the file.
    pub fn schema() -> String {
        serde_json::to_string_pretty(&schemars::schema_for!(File)).unwrap_or_default()
    }

    fn check(&self) -> Result<(), String> {
        if self.machine.outside.is_empty() {
            return Err("machine.outside: name at least one interface".to_owned());
        }
        if self.netsh.is_empty() == self.connections.is_empty() {
            return Err("either `netsh` scripts or connections make the policy".to_owned());
        }
        self.profile()?;
        for (n, connection) in self.connections.iter().enumerate() {
            if self.connections.iter().take(n).any(|c| c.name == connection.name) {
                return Err(format!("two connections have the name `{}`", connection.name));
            }
        }
        Ok(())
    }

    /// What the node opens.
    pub fn settings(&self) -> Settings {
        let machine = &self.machine;
        let size = |c: &Capture| RingSize { files: c.files, octets: u64::from(c.megabytes) << 20 };
        Settings {
            bind: Vec::new(),
            ports: Ports::default(),
            mark: Some(Mark(machine.mark)),
            native: true,
            tun: Some(TunSettings { name: machine.tun.clone(), mtu: machine.mtu }),
            guard: machine.guard,
            control: Some(machine.control.clone()).filter(|path| !path.as_os_str().is_empty()),
            capture: machine.capture.as_ref().map(|c| (c.path.clone(), size(c))),
            keys: machine.keys.clone(),
            record: None,
            signals: true,
            drop_privileges: machine.drop_privileges,
        }
    }
}

impl File {
    /// Whose habits the node has.
    ///
    /// # Errors
    /// When nobody has that name.
    pub(crate) fn profile(&self) -> Result<&'static Profile, String> {
        let by_policy = if self.netsh.is_empty() { "rfc" } else { "windows-2003" };
        let name = self.ike.profile.as_deref().unwrap_or(by_policy);
        let known = || ALL.iter().map(|p| p.name).collect::<Vec<_>>().join(", ");
        Profile::find(name).ok_or_else(|| format!("ike.profile: `{name}` is unknown; there are {}", known()))
    }

    /// IKE's habits as the core wants them.
    pub(crate) fn ike_config(&self) -> Result<IkeConfig, String> {
        let (profile, ike) = (self.profile()?, &self.ike);
        let mut config = IkeConfig { rekey_margin_permille: ike.rekey_margin_permille, ..profile.ike() };
        config.nat_traversal.pretend = ike.encapsulate;
        if profile.name == "rfc" && ike.nat_traversal {
            let revisions =
                [vendor_id::RFC_3947, vendor_id::NAT_T_DRAFT_02_NEWLINE, vendor_id::NAT_T_DRAFT_02];
            config.vendor_ids.extend(revisions.map(VendorIdRule::always));
        }
        config.accepts_narrowing = profile.name == "rfc";
        config.renews_isakmp_sas = profile.name == "rfc" && ike.renew;
        if profile.name == "rfc" {
            config.responder_retransmit = Some(repeats_of_answers());
        }
        if profile.name == "rfc" && ike.dead_peer_seconds > 0 {
            config.vendor_ids.push(VendorIdRule::always(vendor_id::DEAD_PEER_DETECTION));
            let idle = Duration::from_secs(ike.dead_peer_seconds.into());
            config.dead_peer_detection = Some(DeadPeerDetection::after(idle));
        }
        Ok(config)
    }
}

/// Whose first message we answer within microseconds may not have noted yet that it asked (charon on the same computer, now and
/// then), and asks again only seconds later. So an answer in phase 1 is repeated twice, as RFC 2408 section 5.1 lets either
/// end; twice only, for who sends the first message may be a liar. The exchange lasts as long as without it.
fn repeats_of_answers() -> RetransmitSchedule {
    let gaps: Vec<Duration> = [1, 2].map(Duration::from_secs).to_vec();
    let repeating = gaps.iter().fold(Duration::ZERO, |sum, gap| sum + *gap);
    RetransmitSchedule { gaps, last_wait: RetransmitSchedule::default().length().saturating_sub(repeating) }
}
