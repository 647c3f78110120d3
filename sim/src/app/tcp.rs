//! A TCP client and a server: the Abczz program of KB 301284, and bulk transfers.

use std::net::SocketAddr;

use ipsec_core::Instant;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::State;

use super::{AppCx, Payload, pattern};

/// How much of what arrives is kept to look at.
const KEPT: usize = 4096;

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing.
    Nothing,
    /// What it receives.
    Echo,
    /// These octets, once a connection, when the first data arrives.
    Bytes(Vec<u8>),
}

/// Client or server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Connects once.
    Client {
        /// The server.
        remote: SocketAddr,
        /// The local port; `None` chooses a high one at random.
        local_port: Option<u16>,
        /// What to send.
        send: Payload,
        /// How many octets of answer to wait for before closing.
        expect: u64,
    },
    /// Accepts connections.
    Server {
        /// The port.
        port: u16,
        /// What to answer.
        answer: Answer,
    },
}

/// A TCP client or server and what came of it.
#[derive(Clone, Debug)]
pub struct Tcp {
    /// What it is.
    pub role: Role,
    /// How many connections were established.
    pub connections: u32,
    /// When the first one was.
    pub connected: Option<Instant>,
    /// Octets given to the stack.
    pub sent: u64,
    /// Octets received.
    pub received: u64,
    /// The first 4,096 octets received.
    pub data: Vec<u8>,
    /// Whether everything received so far equals [`Payload::Pattern`].
    pub is_pattern: bool,
    /// When the client had everything acknowledged and every expected octet, or a connection of the server ended.
    pub finished: Option<Instant>,
    /// When the client's connection failed or was refused.
    pub failed: Option<Instant>,
    links: Vec<Connection>,
    started: bool,
}

#[derive(Clone, Debug)]
struct Connection {
    handle: SocketHandle,
    established: bool,
    closing: bool,
    received: u64,
    /// Octets to send, and how many of them the stack has.
    out: Payload,
    sent: u64,
}

impl Tcp {
    pub(crate) fn new(role: Role) -> Self {
        Tcp {
            role,
            connections: 0,
            connected: None,
            sent: 0,
            received: 0,
            data: Vec::new(),
            is_pattern: true,
            finished: None,
            failed: None,
            links: Vec::new(),
            started: false,
        }
    }

    /// Whether the client got everything it waited for, and all it sent was acknowledged.
    pub fn succeeded(&self) -> bool {
        self.finished.is_some() && self.failed.is_none()
    }

    pub(crate) fn poll(&mut self, cx: &mut AppCx<'_>) {
        if !self.started {
            self.started = true;
            self.start(cx);
        }
        let mut links = std::mem::take(&mut self.links);
        for link in &mut links {
            self.serve(link, cx);
        }
        links.retain(|link| {
            let open = cx.stack.socket(link.handle).is_open();
            if !open {
                cx.stack.remove(link.handle);
            }
            open
        });
        self.links.append(&mut links);
        self.listen(cx);
    }

    fn start(&mut self, cx: &mut AppCx<'_>) {
        let Role::Client { remote, local_port, send, .. } = self.role.clone() else { return };
        let source = cx.local.source_for(remote.ip());
        let handle = source.and_then(|address| cx.stack.connect(address, local_port, remote));
        match handle {
            Some(handle) => {
                cx.print(format!("connecting to {remote}"));
                self.links.push(Connection::new(handle, send));
            }
            None => {
                cx.print(format!("cannot connect to {remote}: no route"));
                self.failed = Some(cx.now);
            }
        }
    }

    /// A server always has one socket in LISTEN.
    fn listen(&mut self, cx: &mut AppCx<'_>) {
        let Role::Server { port, .. } = self.role else { return };
        if self.links.iter().any(|l| cx.stack.socket(l.handle).state() == State::Listen) {
            return;
        }
        if let Some(handle) = cx.stack.listen(port) {
            self.links.push(Connection::new(handle, Payload::Bytes(Vec::new())));
        }
    }

    fn serve(&mut self, link: &mut Connection, cx: &mut AppCx<'_>) {
        self.notice_established(link, cx);
        self.receive(link, cx);
        while link.sent < link.out.len() {
            let part = link.out.part(link.sent, 8192);
            let Ok(taken @ 1..) = cx.stack.socket(link.handle).send_slice(&part) else { break };
            link.sent += taken as u64;
            self.sent += taken as u64;
            cx.stack.touch();
        }
        self.close_when_done(link, cx);
    }

    fn notice_established(&mut self, link: &mut Connection, cx: &mut AppCx<'_>) {
        let socket = cx.stack.socket(link.handle);
        let state = socket.state();
        let before = matches!(state, State::Listen | State::SynSent | State::SynReceived | State::Closed);
        if link.established || before {
            return;
        }
        link.established = true;
        self.connections += 1;
        self.connected.get_or_insert(cx.now);
        let peer = socket.remote_endpoint().map_or_else(String::new, |e| e.to_string());
        match self.role {
            Role::Client { .. } => cx.print(format!("connected to {peer}")),
            Role::Server { .. } => cx.print(format!("accepted {peer}")),
        }
    }

    fn receive(&mut self, link: &mut Connection, cx: &mut AppCx<'_>) {
        let mut chunk = [0; 4096];
        loop {
            let socket = cx.stack.socket(link.handle);
            let Ok(len @ 1..) = socket.recv_slice(&mut chunk) else { return };
            cx.stack.touch();
            let chunk = &chunk[..len];
            self.is_pattern &= (link.received..).zip(chunk).all(|(at, octet)| pattern(at) == *octet);
            let room = KEPT.saturating_sub(self.data.len());
            self.data.extend(&chunk[..len.min(room)]);
            if let (Role::Server { answer, .. }, Payload::Bytes(out)) = (&self.role, &mut link.out) {
                match answer {
                    Answer::Echo => out.extend(chunk),
                    Answer::Bytes(bytes) if link.received == 0 => out.extend(bytes),
                    _ => {}
                }
            }
            link.received += len as u64;
            self.received += len as u64;
        }
    }

    fn close_when_done(&mut self, link: &mut Connection, cx: &mut AppCx<'_>) {
        let now = cx.now;
        let socket = cx.stack.socket(link.handle);
        let all_sent = link.sent == link.out.len();
        match &self.role {
            Role::Client { expect, remote, .. } => {
                let acknowledged = all_sent && socket.send_queue() == 0 && link.received >= *expect;
                if link.established && acknowledged && self.finished.is_none() {
                    self.finished = Some(now);
                    let (sent, received) = (self.sent, self.received);
                    socket.close();
                    cx.stack.touch();
                    cx.print(format!("done: {sent} octets sent, {received} received"));
                } else if !socket.is_open() && self.finished.is_none() && self.failed.is_none() {
                    self.failed = Some(now);
                    cx.print(format!("connection to {remote} failed"));
                }
            }
            Role::Server { .. } => {
                if link.established && !link.closing && !socket.may_recv() && all_sent {
                    link.closing = true;
                    self.finished = Some(now);
                    socket.close();
                    cx.stack.touch();
                }
            }
        }
    }
}

impl Connection {
    fn new(handle: SocketHandle, out: Payload) -> Self {
        Connection { handle, established: false, closing: false, received: 0, out, sent: 0 }
    }
}
