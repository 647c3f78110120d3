//! A UDP echo server and a client for it.

use std::net::SocketAddr;

use ipsec_core::{Duration, Instant};

use super::{AppCx, Outgoing, Payload};
use crate::ip::protocol;

/// How long a client waits for its datagram to come back.
const PATIENCE: Duration = Duration::from_secs(5);

/// A UDP client, or with `remote: None` an echo server.
#[derive(Clone, Debug)]
pub struct Udp {
    /// The local port.
    pub port: u16,
    /// The client's server.
    pub remote: Option<SocketAddr>,
    /// What the client sends.
    pub payload: Payload,
    /// Whether what the client sends has a checksum.
    pub checksum: bool,
    /// Datagrams sent.
    pub sent: u32,
    /// Datagrams received; a client counts only those that equal what it sent.
    pub received: u32,
    /// How long the echo took.
    pub round_trip: Option<Duration>,
    since: Option<Instant>,
}

impl Udp {
    pub(crate) fn new(port: u16, remote: Option<SocketAddr>, payload: Payload, checksum: bool) -> Self {
        Udp { port, remote, payload, checksum, sent: 0, received: 0, round_trip: None, since: None }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.since.filter(|_| self.received == 0).map(|t| t + PATIENCE)
    }

    pub(crate) fn poll(&mut self, cx: &mut AppCx<'_>) {
        match (self.remote, self.since) {
            (Some(remote), None) if self.sent == 0 => {
                self.since = Some(cx.now);
                let data = self.payload.part(0, 65_507);
                self.send(remote, &data, self.checksum, cx);
            }
            (Some(remote), Some(since)) if self.received == 0 && since + PATIENCE <= cx.now => {
                cx.print(format!("no echo from {remote}"));
                self.since = None;
            }
            _ => {}
        }
    }

    fn send(&mut self, to: SocketAddr, data: &[u8], checksum: bool, cx: &mut AppCx<'_>) {
        self.sent += 1;
        let mut segment = Vec::with_capacity(8 + data.len());
        segment.extend(self.port.to_be_bytes());
        segment.extend(to.port().to_be_bytes());
        segment.extend((8 + data.len() as u16).to_be_bytes());
        segment.extend([0, 0]);
        segment.extend(data);
        cx.outbox.push(Outgoing {
            app: Some(cx.id),
            source: None,
            destination: to.ip(),
            protocol: protocol::UDP,
            ttl: 128,
            dont_fragment: false,
            segment,
            checksum,
        });
    }

    /// A datagram for this port arrived.
    pub(crate) fn receive(&mut self, from: SocketAddr, data: &[u8], checksum: bool, cx: &mut AppCx<'_>) {
        match self.remote {
            None => {
                self.received += 1;
                self.send(from, data, checksum, cx);
            }
            Some(remote) if remote == from && data == self.payload.part(0, 65_507) => {
                self.received += 1;
                if let Some(since) = self.since.take() {
                    let took = cx.now.saturating_since(since);
                    self.round_trip = Some(took);
                    cx.print(format!(
                        "echo of {} octets from {from} after {} ms",
                        data.len(),
                        took.as_millis()
                    ));
                }
            }
            Some(_) => {}
        }
    }
}
