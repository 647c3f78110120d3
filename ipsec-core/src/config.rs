//! What a node is told when it is made.

mod dead_peer;
mod exchanges;
mod habits;
mod nat_traversal;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::interface::{Interface, InterfaceId};
use crate::pad::Pad;
use crate::route::RouteTable;
use crate::spd::{Lifetime, Spd};
use crate::time::Duration;
use crate::wire::isakmp::Lie;
pub use dead_peer::DeadPeerDetection;
pub use exchanges::{DosProtection, IdleTimeout, ReliableDelete};
pub use habits::{LaterFragments, TunnelEgress};
pub use nat_traversal::{NatOaHabit, NatTraversal, ResponderBehindNat};

/// Configuration of one IPsec node.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its interfaces.
    pub interfaces: Vec<Interface>,
    /// Its routes: they answer source address and interface for IKE datagrams and outer headers.
    pub routes: RouteTable,
    /// Its policy.
    pub policy: PolicyDatabases,
    /// Timers and habits of IKE.
    pub ike: IkeConfig,
    /// Bounds on memory and queues.
    pub limits: Limits,
    /// How the outer header's DF bit is set in tunnel mode (RFC 4301 section 8.1).
    pub df: DfPolicy,
    /// What is asked of packets that came in on SAs, beside their integrity.
    pub sa_checks: SaChecks,
    /// What becomes of fragments without ports where an entry asks for ports.
    pub later_fragments: LaterFragments,
    /// Which route decides where a tunnel's packets leave, and from which address.
    pub tunnel_egress: TunnelEgress,
    /// Interfaces whose adapters can process IPsec in hardware. Nothing but counters tells: the octets are the same.
    pub offload: Vec<InterfaceId>,
    /// Who runs Diffie-Hellman.
    pub work: WorkMode,
    /// Emit [`Event::Keys`](crate::io::Event::Keys) for each SA, so that captures can be decrypted.
    pub key_log: bool,
}

/// The databases a policy compiles to; swapped as a whole by [`Command::SetPolicy`](crate::io::Command::SetPolicy).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyDatabases {
    /// What to do with which traffic.
    pub spd: Arc<Spd>,
    /// Who may negotiate, and how.
    pub pad: Arc<Pad>,
}

/// Timers and habits of IKE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IkeConfig {
    /// When an unanswered message is sent again, and when to give up.
    pub retransmit: RetransmitSchedule,
    /// When message 1 is sent again, and when the peer counts as one without IPsec, if clear traffic with it is allowed
    /// then (soft associations). The first gap is that of `retransmit` all the same. `None`: as `retransmit`.
    pub soft_trial: Option<RetransmitSchedule>,
    /// When the responder repeats its messages of main mode while the initiator is silent: Windows, as ike-scan measures it.
    /// `None`: it only answers repetitions.
    pub responder_retransmit: Option<RetransmitSchedule>,
    /// Quick-mode lifetime when nothing was negotiated. Windows: 3,600 s and 100,000 kB, local only.
    pub default_lifetime: Lifetime,
    /// How long before hard expiry an SA is rekeyed, as a part of the lifetime in thousandths; jitter is added.
    pub rekey_margin_permille: u32,
    /// Send the last message of aggressive mode in clear, as RFC 2409 section 5.4 draws it; encrypted otherwise. Both are
    /// accepted.
    pub aggressive_in_clear: bool,
    /// Vendor IDs sent in the first message of each side, in order. What they announce, this node does.
    /// `FRAGMENTATION` among them switches Microsoft's IKE fragments on, with peers that send it too (MS-IKEE section 3.3).
    pub vendor_ids: Vec<VendorIdRule>,
    /// How deletes are sent and answered.
    pub reliable_delete: ReliableDelete,
    /// Sets the commit bit in message 2 of quick mode, and sends CONNECTED after message 3 (RFC 2408 section 3.1): Windows.
    /// A responder's commit bit is honoured always.
    pub commit_bit: bool,
    /// Says REPLAY-STATUS in message 2 of quick mode (RFC 2407 section 4.6.3.2).
    pub replay_status: bool,
    /// Says RESPONDER-LIFETIME when our ISAKMP SA is to live shorter than was offered (RFC 2407 section 4.6.3.1). Windows
    /// says nothing.
    pub isakmp_lifetime_notice: bool,
    /// When pairs of SAs that carry nothing are deleted.
    pub idle: Option<IdleTimeout>,
    /// An ISAKMP SA that has made all its quick modes stays until its lifetime ends (MS-IKEE section 3.8.7.2): Windows. Else
    /// it is deleted when nobody repeats itself any more.
    pub spent_sas_stay: bool,
    /// An ISAKMP SA whose peer has pairs of IPsec SAs gets a successor before its lifetime ends, so that somebody can always be
    /// told of deletes and asked whether he lives. Windows waits for the next quick mode.
    pub renews_isakmp_sas: bool,
    /// In tunnel mode a responder may choose a part of the traffic it was asked for, by narrower identities in message 2 of quick
    /// mode: strongSwan. RFC 2409 section 5.5 has them come back as they were sent.
    pub accepts_narrowing: bool,
    /// When cookies are asked for before state is kept.
    pub dos_protection: Option<DosProtection>,
    /// Habits of NAT traversal, which the vendor IDs switch on.
    pub nat_traversal: NatTraversal,
    /// Repeats message 1 with the cookie when a responder asks for one (MS-IKEE section 3.9.5.2).
    pub answers_dos_cookies: bool,
    /// When peers are asked whether they live; `None`: never.
    pub dead_peer_detection: Option<DeadPeerDetection>,
    /// What a probe lies about, one lie for each IKE message it sends; an honest node has none.
    pub lies: Vec<Lie>,
}

/// A vendor ID (RFC 2408 section 3.16), and when it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VendorIdRule {
    /// The body of the payload.
    pub body: Vec<u8>,
    /// In which first messages.
    pub role: VendorIdRole,
    /// Under which condition.
    pub when: VendorIdWhen,
}

impl VendorIdRule {
    /// A vendor ID that both roles always send.
    pub fn always(body: impl Into<Vec<u8>>) -> Self {
        VendorIdRule { body: body.into(), role: VendorIdRole::Both, when: VendorIdWhen::Always }
    }
}

/// In which first messages of phase 1 a vendor ID is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VendorIdRole {
    /// In the initiator's and in the responder's.
    #[default]
    Both,
    /// Only in the initiator's.
    Initiator,
    /// Only in the responder's.
    Responder,
    /// In the initiator's, and in the responder's when the initiator sent the same.
    Echo,
}

/// Under which condition a vendor ID is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VendorIdWhen {
    /// Under any.
    #[default]
    Always,
    /// To IPv4 peers only (MS-IKEE appendix A <15>: no NAT traversal for IPv6).
    Ipv4,
    /// While no ISAKMP SA with the peer is established (MS-IKEE section 3.5.4.1).
    NoIsakmpSa,
}

impl Default for IkeConfig {
    fn default() -> Self {
        IkeConfig {
            retransmit: RetransmitSchedule::default(),
            soft_trial: None,
            responder_retransmit: None,
            default_lifetime: Lifetime { seconds: Some(3_600), kilobytes: Some(100_000) },
            rekey_margin_permille: 100,
            aggressive_in_clear: false,
            vendor_ids: Vec::new(),
            reliable_delete: ReliableDelete::Off,
            commit_bit: false,
            replay_status: false,
            isakmp_lifetime_notice: false,
            idle: None,
            spent_sas_stay: false,
            renews_isakmp_sas: false,
            accepts_narrowing: false,
            dos_protection: None,
            nat_traversal: NatTraversal::default(),
            answers_dos_cookies: false,
            dead_peer_detection: None,
            lies: Vec::new(),
        }
    }
}

/// When an unanswered message is sent again, and when to give up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetransmitSchedule {
    /// Gaps between the sends of one message. Windows: 1, 2, 4, 8, 16, 32 s, so seven sends in 63 s.
    pub gaps: Vec<Duration>,
    /// How long the last send is given before the exchange has failed. What Windows waits is not known.
    pub last_wait: Duration,
}

impl Default for RetransmitSchedule {
    fn default() -> Self {
        RetransmitSchedule {
            gaps: [1, 2, 4, 8, 16, 32].map(Duration::from_secs).to_vec(),
            last_wait: Duration::from_secs(1),
        }
    }
}

impl RetransmitSchedule {
    /// How long to wait after the send with this number (0 is the first); `None` after the last send there is.
    pub fn wait_after(&self, send: usize) -> Option<Duration> {
        match send.cmp(&self.gaps.len()) {
            Ordering::Less => self.gaps.get(send).copied(),
            Ordering::Equal => Some(self.last_wait),
            Ordering::Greater => None,
        }
    }

    /// From the first send until the exchange has failed, and so how long a peer that repeats itself needs our answers.
    pub fn length(&self) -> Duration {
        self.gaps.iter().fold(self.last_wait, |sum, gap| sum.saturating_add(*gap))
    }
}

/// Bounds that keep memory finite, whatever arrives, each with its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Half-open main modes (answered first messages) held at once; 256. The oldest go first, so under a flood an honest
    /// peer needs its round trip to be shorter than the time in which so many first messages arrive.
    pub half_open: usize,
    /// Half-open main modes from one source address; 16. The same holds for a flood that pretends to be the honest peer.
    pub half_open_per_source: usize,
    /// Aggressive modes whose initiators have proved nothing yet, held at once; 64. Each costs two exponentiations and is
    /// held as long as a retransmission schedule lasts, so strangers make us compute for about one in a second at most.
    /// Above it, first messages are ignored: none displaces another.
    pub aggressive: usize,
    /// The same from one source address; 8.
    pub aggressive_per_source: usize,
    /// ISAKMP SAs, established or not; 4,096.
    pub isakmp_sas: usize,
    /// Packets held for one negotiation; 32.
    pub pending_packets: usize,
    /// Octets held for all negotiations; 4 MiB.
    pub pending_octets: usize,
    /// Datagrams in reassembly at once; 64.
    pub reassemblies: usize,
    /// Octets in reassembly at once; 1 MiB.
    pub reassembly_octets: usize,
    /// Width of the anti-replay window in packets, a multiple of 64 (RFC 4303 section 3.4.3: at least 32); 64.
    pub replay_window: u32,
    /// Clear-text fall-back entries and other per-peer notes; 1,024.
    pub peer_notes: usize,
    /// Flows of authenticated clients behind NATs that are remembered; 4,096. The longest idle go first.
    pub flow_bindings: usize,
    /// Flows that were started under a stateful policy and may be answered; 1,024. The longest idle go first.
    pub stateful_flows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            half_open: 256,
            half_open_per_source: 16,
            aggressive: 64,
            aggressive_per_source: 8,
            isakmp_sas: 4_096,
            pending_packets: 32,
            pending_octets: 4 << 20,
            reassemblies: 64,
            reassembly_octets: 1 << 20,
            replay_window: 64,
            peer_notes: 1_024,
            flow_bindings: 4_096,
            stateful_flows: 1_024,
        }
    }
}

/// What is asked of a packet that came in on SAs, beside its integrity. By default all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaChecks {
    /// It is traffic of those SAs, and some policy entry is about it (RFC 4301 section 5.2 step 4). Windows does not compare
    /// addresses again once there are SAs; an entry that wants such packets blocked, or protected otherwise, still counts.
    pub selectors: bool,
    /// Its outer source is the peer's address. RFC 4301 section 4.1 finds SAs without it; Windows drops other packets.
    pub outer_source: bool,
}

impl Default for SaChecks {
    fn default() -> Self {
        SaChecks { selectors: true, outer_source: true }
    }
}

/// RFC 4301 section 8.1: the outer header's DF bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DfPolicy {
    /// As in the inner header.
    #[default]
    Copy,
    /// Always set.
    Set,
    /// Always clear.
    Clear,
}

/// Who runs [`Work`](crate::work::Work).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WorkMode {
    /// The core, inside the call.
    #[default]
    Inline,
    /// The driver: work leaves as [`Output::Work`](crate::io::Output::Work) and comes back as
    /// [`Input::WorkDone`](crate::io::Input::WorkDone).
    Offload,
}

impl Config {
    /// A configuration with these interfaces, routes and policy, and defaults for the rest.
    pub fn new(interfaces: Vec<Interface>, routes: RouteTable, policy: PolicyDatabases) -> Self {
        Config {
            interfaces,
            routes,
            policy,
            ike: IkeConfig::default(),
            limits: Limits::default(),
            df: DfPolicy::default(),
            sa_checks: SaChecks::default(),
            later_fragments: LaterFragments::default(),
            tunnel_egress: TunnelEgress::default(),
            offload: Vec::new(),
            work: WorkMode::default(),
            key_log: false,
        }
    }
}
