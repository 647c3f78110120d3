//! Links: who is attached, how long a packet takes, what can happen to it on the way.

use std::net::IpAddr;

use ipsec_core::interface::InterfaceId;
use ipsec_core::selector::Prefix;
use ipsec_core::{Duration, Instant};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::node::addressing::{broadcast, is_group};
use crate::topology::NodeId;

/// Misfortunes of a link, each in parts per million of the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// Packets that vanish.
    pub loss: u32,
    /// Packets that arrive twice.
    pub duplication: u32,
    /// Packets held back by up to [`Faults::hold_back`], so that later ones pass them.
    pub reordering: u32,
    /// Packets of which one octet is altered.
    pub corruption: u32,
    /// Longest time a reordered or duplicated packet is late.
    pub hold_back: Duration,
}

impl Faults {
    /// A perfect link.
    pub const NONE: Faults = Faults {
        loss: 0,
        duplication: 0,
        reordering: 0,
        corruption: 0,
        hold_back: Duration::from_millis(50),
    };

    /// Whether nothing can happen.
    pub fn is_none(&self) -> bool {
        self.loss == 0 && self.duplication == 0 && self.reordering == 0 && self.corruption == 0
    }
}

impl Default for Faults {
    fn default() -> Self {
        Faults::NONE
    }
}

/// A point-to-point link or shared segment: any number of interfaces may be attached.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// Its name; captures are called `<name>.pcapng`.
    pub name: String,
    /// Largest IP datagram it carries, in octets.
    pub mtu: u16,
    /// Time from one end to the other.
    pub latency: Duration,
    /// A random part added to the latency, up to this. It alone never reorders packets of one sender.
    pub jitter: Duration,
    /// Bits per second each sender can put on the link; `None` is unlimited.
    pub rate: Option<u64>,
    /// Misfortunes.
    pub faults: Faults,
    /// When the misfortunes end.
    pub faults_until: Instant,
    /// Whether the link lies outside: what SAs protect must not cross it in clear.
    pub outside: bool,
}

impl LinkConfig {
    /// A perfect inside link with MTU 1500 and a latency of 1 ms.
    pub fn new(name: &str) -> Self {
        LinkConfig {
            name: name.into(),
            mtu: 1500,
            latency: Duration::from_millis(1),
            jitter: Duration::ZERO,
            rate: None,
            faults: Faults::NONE,
            faults_until: Instant::NEVER,
            outside: false,
        }
    }

    /// A perfect outside link.
    pub fn outside(name: &str) -> Self {
        LinkConfig { outside: true, ..LinkConfig::new(name) }
    }

    /// The same with this MTU.
    pub fn mtu(self, mtu: u16) -> Self {
        LinkConfig { mtu, ..self }
    }

    /// The same with this latency.
    pub fn latency(self, latency: Duration) -> Self {
        LinkConfig { latency, ..self }
    }

    /// The same with these misfortunes until the given time.
    pub fn faults(self, faults: Faults, until: Instant) -> Self {
        LinkConfig { faults, faults_until: until, ..self }
    }
}

/// One interface on a link, with the state of its sending direction.
#[derive(Clone, Debug)]
struct Attachment {
    node: NodeId,
    interface: InterfaceId,
    addresses: Vec<IpAddr>,
    /// The broadcast addresses of their subnets.
    broadcasts: Vec<IpAddr>,
    rng: ChaCha20Rng,
    /// When the sender has put its last packet on the wire.
    busy_until: Instant,
    /// When its last packet that was not held back arrives.
    last_arrival: Instant,
}

/// A link of a running network.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) config: LinkConfig,
    seed: [u8; 32],
    attached: Vec<Attachment>,
}

/// What a link does to one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passage {
    pub(crate) arrival: Instant,
    pub(crate) lost: bool,
    pub(crate) held_back: bool,
    /// Arrival of a second copy.
    pub(crate) duplicate: Option<Instant>,
    /// A random number that chooses octet and bits to alter.
    pub(crate) corrupted: Option<u64>,
}

impl Link {
    pub(crate) fn new(config: LinkConfig, seed: [u8; 32]) -> Self {
        Link { config, seed, attached: Vec::new() }
    }

    pub(crate) fn attach(&mut self, node: NodeId, interface: InterfaceId, addresses: &[Prefix]) {
        let mut rng = ChaCha20Rng::from_seed(self.seed);
        rng.set_stream(self.attached.len() as u64);
        self.attached.push(Attachment {
            node,
            interface,
            addresses: addresses.iter().map(|p| p.address).collect(),
            broadcasts: addresses.iter().filter_map(broadcast).collect(),
            rng,
            busy_until: Instant::EPOCH,
            last_arrival: Instant::EPOCH,
        });
    }

    /// An interface has these addresses from now on. Who came first answers for one that two have.
    pub(crate) fn readdress(&mut self, node: NodeId, interface: InterfaceId, addresses: &[Prefix]) {
        let its = self.attached.iter_mut().filter(|a| (a.node, a.interface) == (node, interface));
        for a in its {
            a.addresses = addresses.iter().map(|p| p.address).collect();
            a.broadcasts = addresses.iter().filter_map(broadcast).collect();
        }
    }

    /// Whom a packet to this address on the link reaches: who has the address, or of a broadcast or multicast address everybody
    /// but its sender.
    pub(crate) fn reached(
        &self,
        address: IpAddr,
        sender: (NodeId, InterfaceId),
    ) -> Vec<(NodeId, InterfaceId)> {
        if is_group(address) || self.attached.iter().any(|a| a.broadcasts.contains(&address)) {
            let all = self.attached.iter().map(|a| (a.node, a.interface));
            return all.filter(|place| *place != sender).collect();
        }
        let owner = self.attached.iter().find(|a| a.addresses.contains(&address));
        owner.map(|a| (a.node, a.interface)).into_iter().collect()
    }

    /// Sends `len` octets from an interface. On a link with jitter or misfortunes every packet draws the same amount of
    /// its direction's randomness, whatever happens to it, so that one fault shifts no other.
    pub(crate) fn send(&mut self, from: (NodeId, InterfaceId), len: usize, now: Instant) -> Passage {
        let config = &self.config;
        let Some(sender) = self.attached.iter_mut().find(|a| (a.node, a.interface) == from) else {
            return Passage { arrival: now + config.latency, ..Passage::default() };
        };
        let sent = match config.rate {
            Some(rate) => {
                let nanos = len as u64 * 8 * 1_000_000_000 / rate.max(1);
                sender.busy_until = sender.busy_until.max(now) + Duration::from_nanos(nanos);
                sender.busy_until
            }
            None => now,
        };
        let earliest = sent + config.latency;
        if config.faults.is_none() && config.jitter.is_zero() {
            return Passage { arrival: earliest, ..Passage::default() };
        }
        let draws: [u64; 8] = std::array::from_fn(|_| sender.rng.next_u64());
        let faults = if now < config.faults_until { config.faults } else { Faults::NONE };
        let happens = |draw: u64, parts: u32| below(draw, 1_000_000) < u64::from(parts);
        let late = |draw: u64, up_to: Duration| {
            Duration::from_nanos(below(draw, u64::try_from(up_to.as_nanos()).unwrap_or(u64::MAX)))
        };
        let arrival = (earliest + late(draws[4], config.jitter)).max(sender.last_arrival);
        let held_back = happens(draws[2], faults.reordering);
        if !held_back {
            sender.last_arrival = arrival;
        }
        Passage {
            arrival: if held_back { arrival + late(draws[6], faults.hold_back) } else { arrival },
            lost: happens(draws[0], faults.loss),
            held_back,
            duplicate: happens(draws[1], faults.duplication)
                .then(|| arrival + late(draws[7], faults.hold_back)),
            corrupted: happens(draws[3], faults.corruption).then_some(draws[5]),
        }
    }
}

/// Alters one octet as `draw` says: never to the same value.
pub(crate) fn corrupt(bytes: &mut [u8], draw: u64) {
    let at = below(draw, bytes.len() as u64) as usize;
    if let Some(octet) = bytes.get_mut(at) {
        *octet ^= 1 << (draw & 7);
    }
}

/// Maps a random number to 0..bound (0 for bound 0), by its high bits.
fn below(draw: u64, bound: u64) -> u64 {
    ((u128::from(draw) * u128::from(bound)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: (NodeId, InterfaceId) = (NodeId(0), InterfaceId(0));

    fn link(config: LinkConfig) -> Link {
        let mut link = Link::new(config, [7; 32]);
        link.attach(END.0, END.1, &[]);
        link
    }

    #[test]
    fn a_packet_takes_serialisation_plus_latency() {
        let mut config = LinkConfig::new("x").latency(Duration::from_millis(10));
        config.rate = Some(1_000_000);
        let mut link = link(config);
        // 125 octets at 1 Mbit/s take 1 ms; the second waits for the first.
        assert_eq!(link.send(END, 125, Instant::EPOCH).arrival, Instant::from_millis(11));
        assert_eq!(link.send(END, 125, Instant::EPOCH).arrival, Instant::from_millis(12));
        assert_eq!(link.send(END, 125, Instant::from_millis(50)).arrival, Instant::from_millis(61));
    }

    #[test]
    fn faults_come_at_their_rates_and_end() {
        let faults = Faults {
            loss: 100_000,
            duplication: 200_000,
            reordering: 50_000,
            corruption: 10_000,
            ..Faults::NONE
        };
        let mut link = link(LinkConfig::new("x").faults(faults, Instant::from_secs(1)));
        let mut seen = [0u32; 4];
        for _ in 0..100_000 {
            let p = link.send(END, 100, Instant::EPOCH);
            let happened = [p.lost, p.duplicate.is_some(), p.held_back, p.corrupted.is_some()];
            for (count, happened) in seen.iter_mut().zip(happened) {
                *count += u32::from(happened);
            }
        }
        // Six standard deviations of the binomial distribution: sqrt(n p (1 - p)).
        for (count, (expected, slack)) in
            seen.iter().zip([(10_000, 570), (20_000, 760), (5_000, 414), (1_000, 189)])
        {
            assert!(count.abs_diff(expected) < slack, "{seen:?}");
        }
        for _ in 0..1_000 {
            let p = link.send(END, 100, Instant::from_secs(1));
            assert_eq!(p.arrival, Instant::from_millis(1_001));
            assert!(!p.lost && !p.held_back && p.duplicate.is_none() && p.corrupted.is_none());
        }
    }

    #[test]
    fn one_fault_shifts_no_other() {
        let run = |duplication| {
            let faults = Faults { loss: 300_000, duplication, ..Faults::NONE };
            let mut link = link(LinkConfig::new("x").faults(faults, Instant::NEVER));
            (0..1_000).map(|_| link.send(END, 100, Instant::EPOCH).lost).collect::<Vec<_>>()
        };
        assert_eq!(run(0), run(500_000));
    }

    #[test]
    fn jitter_keeps_the_order() {
        let mut config = LinkConfig::new("x");
        config.jitter = Duration::from_millis(20);
        let mut link = link(config);
        let times: Vec<_> = (0..100).map(|i| link.send(END, 1, Instant::from_millis(i)).arrival).collect();
        assert!(times.is_sorted());
        assert!(
            times
                .iter()
                .zip(0..)
                .all(|(t, i)| t.saturating_since(Instant::from_millis(i)) <= Duration::from_millis(40))
        );
    }

    #[test]
    fn corruption_alters_exactly_one_bit() {
        for draw in (0..50).map(|i| u64::MAX / 50 * i + i) {
            let mut bytes = [0; 9];
            corrupt(&mut bytes, draw);
            assert_eq!(bytes.iter().map(|b| b.count_ones()).sum::<u32>(), 1);
        }
    }
}
