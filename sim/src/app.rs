//! Applications, and what a schedule can make a node do.

pub mod ping;
pub mod tcp;
pub mod udp;

use std::net::{IpAddr, SocketAddr};

use ipsec_core::interface::InterfaceId;
use ipsec_core::route::Route;
use ipsec_core::selector::Prefix;
use ipsec_core::{Command, Instant};

use crate::host::stack::Stack;
use crate::node::addressing::Addressing;
use crate::topology::AppId;
use ping::Ping;
use tcp::{Answer, Tcp};
use udp::Udp;

/// Something a node does at a scheduled time.
#[derive(Clone, Debug)]
pub enum Action {
    /// Pings.
    Ping(Ping),
    /// Connects, sends, waits for an answer and closes.
    TcpConnect {
        /// The server.
        remote: SocketAddr,
        /// The local port; `None` chooses a high one at random.
        local_port: Option<u16>,
        /// What to send.
        send: Payload,
        /// How many octets of answer to wait for before closing.
        expect: u64,
    },
    /// Accepts connections until the end of the run.
    TcpListen {
        /// The port.
        port: u16,
        /// What to answer.
        answer: Answer,
    },
    /// Sends every UDP datagram back to its sender, without a checksum if it came without one.
    UdpEcho {
        /// The port.
        port: u16,
    },
    /// Sends one UDP datagram and waits for it to come back.
    UdpSend {
        /// The server.
        remote: SocketAddr,
        /// The local port.
        local_port: u16,
        /// What to send.
        payload: Payload,
        /// Whether it has a checksum; over IPv4 it need not (RFC 768).
        checksum: bool,
    },
    /// Hands a command to the node's IPsec layer.
    Ipsec(Command),
    /// A translator gives every mapping a new external port.
    Rebind {
        /// Whether also to use its next external address from now on.
        move_address: bool,
    },
    /// IPsec and address translation lose their memory, as after a power cut; they tell nobody.
    Reboot,
    /// These static routes in place of those there were.
    Routes(Vec<Route>),
    /// An interface has these addresses in place of those it had, as by another lease of DHCP.
    Addresses(InterfaceId, Vec<Prefix>),
}

/// Octets to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// These.
    Bytes(Vec<u8>),
    /// So many octets of the pattern 0, 1, … 250, 0, …; the receiver checks it.
    Pattern(u64),
}

impl Payload {
    /// How many octets.
    pub fn len(&self) -> u64 {
        match self {
            Payload::Bytes(bytes) => bytes.len() as u64,
            Payload::Pattern(len) => *len,
        }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The octet at `at`.
    pub(crate) fn octet(&self, at: u64) -> u8 {
        match self {
            Payload::Bytes(bytes) => bytes.get(at as usize).copied().unwrap_or(0),
            Payload::Pattern(_) => pattern(at),
        }
    }

    /// Octets from `at` on, at most `most` of them.
    pub(crate) fn part(&self, at: u64, most: usize) -> Vec<u8> {
        (at..self.len()).take(most).map(|i| self.octet(i)).collect()
    }
}

/// The octet of [`Payload::Pattern`] at `at`.
pub(crate) fn pattern(at: u64) -> u8 {
    (at % 251) as u8
}

/// A running or finished application: its fields are its result.
#[derive(Clone, Debug)]
pub enum App {
    /// A ping.
    Ping(Ping),
    /// A TCP client or server.
    Tcp(Tcp),
    /// A UDP client or echo server.
    Udp(Udp),
}

/// A datagram an application wants sent.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) app: Option<AppId>,
    pub(crate) source: Option<IpAddr>,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) ttl: u8,
    pub(crate) dont_fragment: bool,
    /// Transport segment; its checksum is filled in once the source address is known.
    pub(crate) segment: Vec<u8>,
    /// Whether it is to have a checksum.
    pub(crate) checksum: bool,
}

/// What an application may do.
pub(crate) struct AppCx<'a> {
    pub(crate) now: Instant,
    pub(crate) id: AppId,
    pub(crate) outbox: &'a mut Vec<Outgoing>,
    pub(crate) lines: &'a mut Vec<(AppId, String)>,
    pub(crate) stack: &'a mut Stack,
    pub(crate) local: &'a Addressing,
}

impl AppCx<'_> {
    pub(crate) fn print(&mut self, line: impl Into<String>) {
        self.lines.push((self.id, line.into()));
    }
}

impl App {
    pub(crate) fn poll(&mut self, cx: &mut AppCx<'_>) {
        match self {
            App::Ping(ping) => ping.poll(cx),
            App::Tcp(tcp) => tcp.poll(cx),
            App::Udp(udp) => udp.poll(cx),
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            App::Ping(ping) => ping.deadline(),
            App::Tcp(_) => None,
            App::Udp(udp) => udp.deadline(),
        }
    }
}
