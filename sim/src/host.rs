//! What lives above IP on a node: applications, TCP, identification numbers, reassembly.

pub(crate) mod stack;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use ipsec_core::fragment::Reassembler;
use ipsec_core::packet::PacketId;
use ipsec_core::{Instant, Packet};

use crate::app::ping::Trouble;
use crate::app::tcp::{Role, Tcp};
use crate::app::udp::Udp;
use crate::app::{Action, App, AppCx, Outgoing, Payload};
use crate::ip::{IpView, be16, protocol};
use crate::node::addressing::Addressing;
use crate::topology::AppId;
use stack::Stack;

/// The upper half of a node.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) apps: BTreeMap<AppId, App>,
    pub(crate) outbox: Vec<Outgoing>,
    pub(crate) lines: Vec<(AppId, String)>,
    pub(crate) reassembler: Reassembler,
    pub(crate) stack: Stack,
    path_mtu_discovery: bool,
    ident: u16,
    echo_requests: u16,
}

impl Host {
    pub(crate) fn new(addresses: Vec<IpAddr>, mtu: u16, path_mtu_discovery: bool, seed: [u8; 32]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, ..] = seed;
        Host {
            apps: BTreeMap::new(),
            outbox: Vec::new(),
            lines: Vec::new(),
            reassembler: Reassembler::new(64, 1 << 20),
            stack: Stack::new(addresses, mtu, u64::from_le_bytes([a, b, c, d, e, f, g, h])),
            path_mtu_discovery,
            ident: u16::from_le_bytes([i, j]),
            echo_requests: 1,
        }
    }

    /// The host has these addresses from now on.
    pub(crate) fn set_addresses(&mut self, addresses: Vec<IpAddr>, now: Instant) {
        self.stack.set_addresses(addresses, now);
    }

    /// A fresh IPv4 identification. RFC 6864 wants it unique for each flow while fragments may live.
    pub(crate) fn ident(&mut self) -> u16 {
        self.ident = self.ident.wrapping_add(1);
        self.ident
    }

    /// Starts the application of an action; `false` when the action is none for applications.
    pub(crate) fn start(&mut self, id: AppId, action: &Action, now: Instant, local: &Addressing) -> bool {
        let mut app = match action.clone() {
            Action::Ping(mut ping) => {
                ping.numbered_from(self.echo_requests);
                self.echo_requests = self.echo_requests.wrapping_add(ping.count as u16);
                App::Ping(ping)
            }
            Action::TcpConnect { remote, local_port, send, expect } => {
                App::Tcp(Tcp::new(Role::Client { remote, local_port, send, expect }))
            }
            Action::TcpListen { port, answer } => App::Tcp(Tcp::new(Role::Server { port, answer })),
            Action::UdpEcho { port } => App::Udp(Udp::new(port, None, Payload::Bytes(Vec::new()), true)),
            Action::UdpSend { remote, local_port, payload, checksum } => {
                App::Udp(Udp::new(local_port, Some(remote), payload, checksum))
            }
            Action::Ipsec(_)
            | Action::Rebind { .. }
            | Action::Reboot
            | Action::Routes(_)
            | Action::Addresses(..) => return false,
        };
        let (outbox, lines, stack) = (&mut self.outbox, &mut self.lines, &mut self.stack);
        app.poll(&mut AppCx { now, id, outbox, lines, stack, local });
        self.apps.insert(id, app);
        true
    }

    /// Calls `f` with every application.
    fn each(&mut self, now: Instant, local: &Addressing, mut f: impl FnMut(&mut App, &mut AppCx<'_>)) {
        let (outbox, lines, stack) = (&mut self.outbox, &mut self.lines, &mut self.stack);
        for (id, app) in &mut self.apps {
            f(app, &mut AppCx { now, id: *id, outbox, lines, stack, local });
        }
    }

    /// Lets TCP and every application that is due work.
    pub(crate) fn poll(&mut self, now: Instant, local: &Addressing) {
        if self.apps.values().any(|a| a.deadline().is_some_and(|t| t <= now)) {
            self.each(now, local, |app, cx| {
                if !matches!(app, App::Tcp(_)) {
                    app.poll(cx);
                }
            });
        }
        let mut by_timer = true;
        while self.stack.poll(now, by_timer) {
            by_timer = false;
            self.each(now, local, |app, cx| {
                if matches!(app, App::Tcp(_)) {
                    app.poll(cx);
                }
            });
        }
    }

    /// When [`Host::poll`] has something to do next.
    pub(crate) fn deadline(&mut self, now: Instant) -> Option<Instant> {
        let apps = self.apps.values().filter_map(App::deadline).min();
        let others = [self.stack.deadline(now), self.reassembler.poll_timeout()];
        apps.into_iter().chain(others.into_iter().flatten()).min()
    }

    /// The next TCP packet of the stack, with an identification of ours. smoltcp sets DF on everything: it stays only
    /// where path MTU discovery wants it.
    pub(crate) fn next_segment(&mut self) -> Option<Vec<u8>> {
        let mut bytes = self.stack.take()?;
        if bytes.first()? >> 4 == 4 {
            let ident = self.ident();
            bytes[4..6].copy_from_slice(&ident.to_be_bytes());
            if !self.path_mtu_discovery {
                bytes[6] &= !0x40;
            }
            crate::ip::fix_header(&mut bytes);
        }
        Some(bytes)
    }

    /// A packet of an application has got its number, or could not be sent.
    pub(crate) fn sent(&mut self, app: AppId, packet: Option<PacketId>, now: Instant, local: &Addressing) {
        self.each(now, local, |a, cx| {
            if let (App::Ping(ping), true) = (a, cx.id == app) {
                ping.sent_as(packet, cx);
            }
        });
    }

    /// A packet waits for IKE.
    pub(crate) fn held(&mut self, packet: PacketId, now: Instant, local: &Addressing) {
        self.each(now, local, |app, cx| {
            if let App::Ping(ping) = app {
                ping.held(packet, cx);
            }
        });
    }

    /// A UDP datagram arrived; whether an application has its port.
    pub(crate) fn udp(&mut self, view: &IpView<'_>, now: Instant, local: &Addressing) -> bool {
        let Some((from, to)) = view.ports() else { return true };
        let len = be16(view.payload, 4).map_or(0, usize::from);
        let Some(data) = view.payload.get(8..len) else { return true };
        let from = SocketAddr::new(view.source, from);
        let checksum = be16(view.payload, 6) != Some(0);
        let mut wanted = false;
        self.each(now, local, |app, cx| {
            if let App::Udp(udp) = app
                && udp.port == to
            {
                wanted = true;
                udp.receive(from, data, checksum, cx);
            }
        });
        wanted
    }

    /// An ICMP message arrived whose checksum holds.
    pub(crate) fn icmp(&mut self, view: &IpView<'_>, now: Instant, local: &Addressing) {
        let message = view.payload;
        let (Some(kind), Some(code)) = (message.first(), message.get(1)) else { return };
        let (from, ttl) = (view.source, view.ttl);
        match (view.protocol, kind) {
            (protocol::ICMP, 8) | (protocol::ICMPV6, 128) => self.answer_echo(view),
            (protocol::ICMP, 0) | (protocol::ICMPV6, 129) => self.each(now, local, |app, cx| {
                if let App::Ping(ping) = app {
                    ping.reply(from, ttl, message, cx);
                }
            }),
            (protocol::ICMP, 3) => {
                if let (4, Some(mtu @ 68..)) = (code, be16(message, 6)) {
                    self.path_mtu(mtu, now);
                }
                self.trouble(from, Trouble::Unreachable(*code), message, now, local);
            }
            (protocol::ICMP, 11) => self.trouble(from, Trouble::Expired, message, now, local),
            (protocol::ICMPV6, 2) => {
                self.path_mtu(be16(message, 6).unwrap_or(u16::MAX).max(1280), now);
            }
            (protocol::ICMPV6, 1) => self.trouble(from, Trouble::Unreachable(1), message, now, local),
            (protocol::ICMPV6, 3) => self.trouble(from, Trouble::Expired, message, now, local),
            _ => {}
        }
    }

    /// Packets must not be larger than this to reach some destination.
    pub(crate) fn path_mtu(&mut self, mtu: u16, now: Instant) {
        self.stack.limit_mtu(mtu, now);
    }

    fn answer_echo(&mut self, view: &IpView<'_>) {
        let mut segment = view.payload.to_vec();
        segment[0] = if view.protocol == protocol::ICMP { 0 } else { 129 };
        self.outbox.push(Outgoing {
            app: None,
            source: Some(view.destination),
            destination: view.source,
            protocol: view.protocol,
            ttl: 128,
            dont_fragment: false,
            segment,
            checksum: true,
        });
    }

    fn trouble(&mut self, from: IpAddr, trouble: Trouble, message: &[u8], now: Instant, local: &Addressing) {
        let quoted = message.get(8..).unwrap_or(&[]);
        let header = quoted.first().map_or(0, |b| if b >> 4 == 6 { 40 } else { usize::from(b & 15) * 4 });
        let Some(inner) = quoted.get(header..) else { return };
        self.each(now, local, |app, cx| {
            if let App::Ping(ping) = app {
                ping.trouble(from, trouble, inner, cx);
            }
        });
    }
}

/// Whether the transport checksum of a whole packet holds, as far as its protocol has one.
pub(crate) fn transport_intact(packet: &Packet) -> bool {
    let Some(view) = IpView::parse(packet.bytes()) else { return false };
    let (s, d, segment) = (view.source, view.destination, view.payload);
    match view.protocol {
        protocol::ICMP => crate::ip::checksum(&[segment]) == 0,
        protocol::UDP if s.is_ipv4() && be16(segment, 6) == Some(0) => true,
        protocol::TCP | protocol::UDP | protocol::ICMPV6 => {
            crate::ip::transport_checksum(s, d, view.protocol, segment) == 0
        }
        _ => true,
    }
}
