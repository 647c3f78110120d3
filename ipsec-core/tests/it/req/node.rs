//! A node under test as its network sees it: gateway 1 of two, with 10.1.0.0/16 and fd00:1::/32 behind it.

use ipsec_core::config::{DfPolicy, PolicyDatabases};
use ipsec_core::crypto::{Cipher, Group, HashAlg, Mac, Secret};
use ipsec_core::interface::{Boundary, ConnectionKind, Egress, Interface, InterfaceId};
use ipsec_core::ip::{IpInfo, NewHeader};
use ipsec_core::pad::{AuthMethod, MainModeProposal, Pad, PadEntry, PadEntryId};
use ipsec_core::route::{Route, RouteTable};
use ipsec_core::sad::{BundleSpec, IpsecProtocol, PairId, SaSpec, Spi};
use ipsec_core::selector::{AddressRange, Prefix, Selector};
use ipsec_core::spd::{
    Action, Direction, EntryId, EspTransform, Lifetime, Mode, Offer, Pfs, Populate, Protect, Spd, SpdEntry,
};
use ipsec_core::{Command, Config, DropReason, Duration, Event, Input, Instant, Ipsec, Output, Packet};
use std::net::IpAddr;
use std::sync::Arc;

pub(crate) const INSIDE: InterfaceId = InterfaceId(0);
pub(crate) const OUTSIDE: InterfaceId = InterfaceId(1);
pub(crate) const ESP: u8 = 50;
pub(crate) const AH: u8 = 51;
pub(crate) const UDP: u8 = 17;

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Outer address of gateway `n`.
pub(crate) fn outer(n: u8) -> IpAddr {
    [192, 0, 2, n].into()
}

/// A host behind gateway `n`.
pub(crate) fn host(n: u8) -> IpAddr {
    [10, n, 0, 10].into()
}

pub(crate) const AES_SHA1: EspTransform =
    EspTransform { cipher: Cipher::Aes128, mac: Some(Mac::HmacSha1_96) };

pub(crate) fn esp_offer(cipher: Cipher, mac: Option<Mac>) -> Offer {
    Offer { ah: None, esp: Some(EspTransform { cipher, mac }), lifetime: Lifetime::default() }
}

/// The traffic between the two nets, seen from gateway `me`.
pub(crate) fn nets(me: u8) -> Selector {
    let net = |n: u8| Prefix::new([10, n, 0, 0].into(), 16).into();
    Selector::between(net(me), net(3 - me))
}

/// The traffic between the two gateways themselves.
pub(crate) fn ends(me: u8) -> Selector {
    Selector::between(AddressRange::single(outer(me)), AddressRange::single(outer(3 - me)))
}

pub(crate) fn tunnel_mode(me: u8) -> Mode {
    Mode::Tunnel { local: Some(outer(me)), remote: outer(3 - me) }
}

pub(crate) fn entry(id: u32, selector: Selector, action: Action) -> SpdEntry {
    let (name, direction) = (String::new(), Direction::Both);
    SpdEntry { id: EntryId(id), name, selector, direction, connection: None, action }
}

/// What a node is made of, before it is made.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) me: u8,
    pub(crate) entries: Vec<SpdEntry>,
    pub(crate) proposals: Vec<MainModeProposal>,
    pub(crate) isakmp_seconds: u32,
    pub(crate) df: DfPolicy,
    pub(crate) seed: u8,
}

pub(crate) const PSK: &[u8] = b"secret";

impl Setup {
    fn new(me: u8, mode: Mode, selector: Selector) -> Self {
        let protect = Protect {
            mode,
            offers: vec![esp_offer(Cipher::Aes128, Some(Mac::HmacSha1_96))],
            pfs: Pfs::No,
            accept_clear_inbound: false,
            fallback: false,
            populate: Populate::default(),
        };
        let entries =
            vec![entry(1, selector, Action::Protect(protect)), entry(9, Selector::any(), Action::Bypass)];
        let proposals =
            vec![MainModeProposal { cipher: Cipher::TripleDes, hash: HashAlg::Sha1, group: Group::Modp768 }];
        Setup { me, entries, proposals, isakmp_seconds: 28_800, df: DfPolicy::Copy, seed: me }
    }

    /// A tunnel between the nets; the rest passes in clear.
    pub(crate) fn tunnel(me: u8) -> Self {
        Setup::new(me, tunnel_mode(me), nets(me))
    }

    /// Transport mode between the gateways; the rest passes in clear.
    pub(crate) fn transport(me: u8) -> Self {
        Setup::new(me, Mode::Transport, ends(me))
    }

    /// The first entry's protection.
    pub(crate) fn protect(&mut self) -> &mut Protect {
        match &mut self.entries[0].action {
            Action::Protect(protect) => protect,
            _ => unreachable!("the first entry protects"),
        }
    }

    pub(crate) fn offers(mut self, offers: Vec<Offer>) -> Self {
        self.protect().offers = offers;
        self
    }

    pub(crate) fn databases(&self) -> PolicyDatabases {
        let pad = PadEntry {
            id: PadEntryId(1),
            name: String::new(),
            local: vec![AddressRange::ANY_V4],
            peer: vec![AddressRange::ANY_V4],
            methods: vec![AuthMethod::PreSharedKey(Secret::new(PSK))],
            proposals: self.proposals.clone(),
            lifetime_seconds: self.isakmp_seconds,
            quick_modes: 0,
            ..PadEntry::default()
        };
        PolicyDatabases {
            spd: Arc::new(Spd::new(self.entries.clone())),
            pad: Arc::new(Pad { entries: vec![pad] }),
        }
    }

    pub(crate) fn node(&self) -> Node {
        let me = self.me;
        let interface = |id, boundary, addresses| Interface {
            id,
            name: String::new(),
            kind: ConnectionKind::Lan,
            boundary,
            addresses,
            egress: Egress::Fragment { mtu: 1500 },
        };
        let v6 = |text: &str, len| Prefix::new(ip(&text.replace('N', &me.to_string())), len);
        let mut routes = RouteTable::new();
        for (destination, interface) in [
            (Prefix::new([10, me, 0, 0].into(), 16), INSIDE),
            (v6("fd00:N::", 32), INSIDE),
            (Prefix::new([0, 0, 0, 0].into(), 0), OUTSIDE),
            (Prefix::new(ip("::"), 0), OUTSIDE),
        ] {
            routes.add(Route { destination, next_hop: None, interface, source: None });
        }
        let inside = vec![Prefix::new([10, me, 0, 1].into(), 16), v6("fd00:N::1", 32)];
        // A second address outside: SAs belong to one address.
        let outside =
            vec![Prefix::new(outer(me), 24), Prefix::new(outer(me + 100), 24), v6("2001:db8::N", 64)];
        let interfaces = vec![
            interface(INSIDE, Boundary::Protected, inside),
            interface(OUTSIDE, Boundary::Unprotected, outside),
        ];
        let mut config = Config::new(interfaces, routes, self.databases());
        (config.key_log, config.df) = (true, self.df);
        let now = Instant::from_secs(1);
        let ipsec = Ipsec::new(config, [self.seed; 32], now);
        Node { ipsec, now, sent: vec![], delivered: vec![], events: vec![] }
    }
}

/// A node, and all that came out of it.
pub(crate) struct Node {
    pub(crate) ipsec: Ipsec,
    pub(crate) now: Instant,
    /// What left on the outside.
    pub(crate) sent: Vec<Vec<u8>>,
    /// What passed the inbound door, or was told to a host inside.
    pub(crate) delivered: Vec<Vec<u8>>,
    pub(crate) events: Vec<Event>,
}

impl Node {
    fn input(&mut self, input: Input) {
        self.ipsec.handle_input(input, self.now);
        while let Some(output) = self.ipsec.poll_output() {
            match output {
                Output::Transmit(OUTSIDE, packet) => self.sent.push(packet.bytes().to_vec()),
                Output::Transmit(..) => {}
                Output::Deliver(_, packet) => self.delivered.push(packet.bytes().to_vec()),
                Output::Event(event) => self.events.push(event),
                Output::Work(..) => unreachable!("work is done inline"),
            }
        }
    }

    /// A packet leaves through the outside; gives what was sent.
    pub(crate) fn outbound(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        self.sent.clear();
        self.input(Input::Outbound(OUTSIDE, Packet::from_slice(7, packet)));
        std::mem::take(&mut self.sent)
    }

    /// The one packet that leaves instead of this one.
    pub(crate) fn seal(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut sent = self.outbound(packet);
        assert_eq!(sent.len(), 1, "{:?}", self.events);
        sent.remove(0)
    }

    /// A packet arrives from the outside; gives what was delivered.
    pub(crate) fn inbound(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        self.delivered.clear();
        self.sent.clear();
        self.input(Input::Inbound(OUTSIDE, Packet::from_slice(8, packet)));
        std::mem::take(&mut self.delivered)
    }

    /// The reason for which an arriving packet is dropped. Nothing leaves in answer.
    pub(crate) fn refused(&mut self, packet: &[u8]) -> DropReason {
        self.events.clear();
        let delivered = self.inbound(packet);
        assert_eq!((delivered.len(), self.sent.len()), (0, 0), "{delivered:02x?} {:02x?}", self.sent);
        let reason = |event: &Event| match event {
            Event::Dropped { reason, .. } => Some(*reason),
            _ => None,
        };
        self.events.iter().find_map(reason).unwrap_or_else(|| panic!("no drop in {:?}", self.events))
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    /// Lets time pass, timer by timer.
    pub(crate) fn wait(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(next) = self.ipsec.poll_timeout().filter(|next| *next <= until) {
            self.now = next.max(self.now);
            self.input(Input::Timeout);
        }
        self.now = until;
    }

    /// Installs both directions of pair 1 by hand.
    pub(crate) fn install(&mut self, me: u8, manual: &Manual) {
        for from in [1, 2] {
            self.command(Command::Install(manual.bundle(me, from)));
        }
        let failed = self.events.iter().find(|event| matches!(event, Event::InstallFailed { .. }));
        assert_eq!(failed, None);
    }
}

/// SAs with keys that the test knows.
#[derive(Clone)]
pub(crate) struct Manual {
    pub(crate) pair: u64,
    pub(crate) entry: u32,
    pub(crate) spi: u32,
    pub(crate) tunnel: bool,
    /// Seen from gateway 1.
    pub(crate) selector: Selector,
    /// Inner protocol first.
    pub(crate) protocols: Vec<IpsecProtocol>,
    pub(crate) esp: EspTransform,
    pub(crate) ah: Mac,
}

impl Manual {
    pub(crate) fn tunnel(protocols: &[IpsecProtocol]) -> Self {
        let (esp, ah) = (AES_SHA1, Mac::HmacSha1_96);
        let protocols = protocols.to_vec();
        Manual { pair: 1 << 32, entry: 1, spi: 0x1000, tunnel: true, selector: nets(1), protocols, esp, ah }
    }

    pub(crate) fn transport(protocols: &[IpsecProtocol]) -> Self {
        Manual { tunnel: false, selector: ends(1), ..Manual::tunnel(protocols) }
    }

    pub(crate) fn esp_key(&self, from: u8) -> Vec<u8> {
        (1..=self.esp.cipher.key_len() as u8).map(|i| i.wrapping_mul(7) ^ from << 4).collect()
    }

    pub(crate) fn mac_key(mac: Mac, from: u8) -> Vec<u8> {
        vec![0x40 | from; mac.key_len()]
    }

    /// The direction that gateway `from` sends on, as gateway `me` installs it.
    pub(crate) fn bundle(&self, me: u8, from: u8) -> BundleSpec {
        let sa = |protocol: &IpsecProtocol| {
            let is_esp = *protocol == IpsecProtocol::Esp;
            let mac = if is_esp { self.esp.mac } else { Some(self.ah) };
            SaSpec {
                protocol: *protocol,
                spi: Spi(self.spi + u32::from(from)),
                cipher: if is_esp { self.esp.cipher } else { Cipher::Null },
                cipher_key: Secret::new(if is_esp { self.esp_key(from) } else { vec![] }),
                mac,
                mac_key: Secret::new(mac.map_or(vec![], |mac| Manual::mac_key(mac, from))),
            }
        };
        BundleSpec {
            pair: PairId(self.pair),
            inbound: from != me,
            entry: EntryId(self.entry),
            selector: if me == 1 { self.selector.clone() } else { self.selector.mirrored() },
            mode: if self.tunnel { tunnel_mode(me) } else { Mode::Transport },
            local: outer(me),
            peer: outer(3 - me),
            sas: self.protocols.iter().map(sa).collect(),
            lifetime: Lifetime::default(),
            initiator: me == 1,
            udp: None,
        }
    }

    /// Both gateways with these SAs.
    pub(crate) fn pair(&self) -> (Node, Node) {
        let setup = |me| if self.tunnel { Setup::tunnel(me) } else { Setup::transport(me) };
        let offer = Offer {
            ah: self.protocols.contains(&IpsecProtocol::Ah).then_some(self.ah),
            esp: self.protocols.contains(&IpsecProtocol::Esp).then_some(self.esp),
            lifetime: Lifetime::default(),
        };
        let [a, b] = [1, 2].map(|me| {
            let mut node = setup(me).offers(vec![offer]).node();
            node.install(me, self);
            node
        });
        (a, b)
    }
}

/// An IP datagram with this header.
pub(crate) fn datagram(header: NewHeader, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; header.len()];
    bytes.extend_from_slice(payload);
    assert!(header.write(&mut bytes));
    bytes
}

pub(crate) fn header(source: IpAddr, destination: IpAddr, protocol: u8) -> NewHeader {
    NewHeader { source, destination, protocol, traffic_class: 0, ttl: 64, dont_fragment: false, ident: 77 }
}

/// A UDP datagram without a checksum.
pub(crate) fn udp(source: IpAddr, destination: IpAddr, ports: (u16, u16), len: usize) -> Vec<u8> {
    let length = u16::try_from(len + 8).unwrap();
    let mut payload: Vec<u8> = [ports.0, ports.1, length, 0].iter().flat_map(|n| n.to_be_bytes()).collect();
    payload.extend((0..len).map(|i| i as u8));
    datagram(header(source, destination, UDP), &payload)
}

/// From behind gateway 1 to behind gateway 2.
pub(crate) fn request(len: usize) -> Vec<u8> {
    udp(host(1), host(2), (4000, 7), len)
}

/// The header checksum made right again after a change on the way.
pub(crate) fn fix(mut packet: Vec<u8>) -> Vec<u8> {
    if packet[0] >> 4 == 4 {
        let end = usize::from(packet[0] & 15) * 4;
        packet[10..12].fill(0);
        let sum = internet_checksum::checksum(&packet[..end]);
        packet[10..12].copy_from_slice(&sum);
    }
    packet
}

/// The packet with the bits of `mask` turned over at `at`.
pub(crate) fn flipped(packet: &[u8], at: usize, mask: u8) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[at] ^= mask;
    fix(packet)
}

pub(crate) fn info(packet: &[u8]) -> IpInfo {
    IpInfo::parse(packet).unwrap()
}
