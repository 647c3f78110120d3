//! Ping, which talks like the one of Windows: `Negotiating IP Security.` while a packet waits for IKE.

use std::net::IpAddr;

use ipsec_core::packet::PacketId;
use ipsec_core::{Duration, Instant};

use super::{AppCx, Outgoing};
use crate::ip::{be16, protocol};

/// Windows' identifier in echo requests.
const IDENTIFIER: u16 = 0x0200;

/// What to ping, and what came of it.
#[derive(Clone, Debug)]
pub struct Ping {
    /// Whom.
    pub destination: IpAddr,
    /// From which address; `None` leaves it to the routes.
    pub source: Option<IpAddr>,
    /// How many echo requests (`-n`, 4).
    pub count: u32,
    /// Octets of data (`-l`, 32).
    pub size: u16,
    /// How long to wait for each reply (`-w`, 4 s).
    pub timeout: Duration,
    /// Pause from a reply to the next request (1 s).
    pub interval: Duration,
    /// Time to live of the requests (`-i`, 128).
    pub ttl: u8,
    /// Whether requests must not be fragmented (`-f`).
    pub dont_fragment: bool,

    /// Requests sent.
    pub sent: u32,
    /// Replies that came in time.
    pub received: u32,
    /// Requests whose send reported `Negotiating IP Security.`; Windows counts them as lost.
    pub negotiating: u32,
    /// Round-trip times of the replies.
    pub round_trips: Vec<Duration>,
    /// Everything it printed.
    pub lines: Vec<String>,
    /// When it ended.
    pub finished: Option<Instant>,

    state: State,
    base: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Waiting { since: Instant, packet: PacketId },
    Pausing { until: Instant },
    Done,
}

/// What can come instead of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Unreachable(u8),
    Expired,
}

impl Ping {
    /// Windows' defaults: four requests of 32 octets.
    pub fn new(destination: IpAddr) -> Self {
        Ping {
            destination,
            source: None,
            count: 4,
            size: 32,
            timeout: Duration::from_secs(4),
            interval: Duration::from_secs(1),
            ttl: 128,
            dont_fragment: false,
            sent: 0,
            received: 0,
            negotiating: 0,
            round_trips: Vec::new(),
            lines: Vec::new(),
            finished: None,
            state: State::New,
            base: 0,
        }
    }

    /// The same with so many requests.
    pub fn count(self, count: u32) -> Self {
        Ping { count, ..self }
    }

    /// The same with so many octets of data.
    pub fn size(self, size: u16) -> Self {
        Ping { size, ..self }
    }

    /// The same with this time to live.
    pub fn ttl(self, ttl: u8) -> Self {
        Ping { ttl, ..self }
    }

    /// The same with Don't Fragment set.
    pub fn dont_fragment(self) -> Self {
        Ping { dont_fragment: true, ..self }
    }

    /// Requests that were not answered, in per cent, as Windows prints it.
    pub fn loss_percent(&self) -> u32 {
        ((self.sent - self.received) * 100).checked_div(self.sent).unwrap_or(0)
    }

    /// Sets the first sequence number, so that two pings of one host do not share any.
    pub(crate) fn numbered_from(&mut self, base: u16) {
        self.base = base;
    }

    fn say(&mut self, cx: &mut AppCx<'_>, line: String) {
        cx.print(line.clone());
        self.lines.push(line);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::New | State::Done => None,
            State::Waiting { since, .. } => Some(since + self.timeout),
            State::Pausing { until } => Some(until),
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut AppCx<'_>) {
        match self.state {
            State::New => {
                let line = format!("Pinging {} with {} bytes of data:", self.destination, self.size);
                self.say(cx, line);
                self.next(cx);
            }
            State::Waiting { since, .. } if since + self.timeout <= cx.now => {
                self.say(cx, "Request timed out.".into());
                self.next(cx);
            }
            State::Pausing { until } if until <= cx.now => self.next(cx),
            _ => {}
        }
    }

    /// Sends the next request, or ends.
    fn next(&mut self, cx: &mut AppCx<'_>) {
        if self.sent == self.count {
            return self.finish(cx);
        }
        let sequence = self.sequence(self.sent);
        self.sent += 1;
        self.state = State::Waiting { since: cx.now, packet: 0 };
        let v6 = self.destination.is_ipv6();
        let mut segment = vec![if v6 { 128 } else { 8 }, 0, 0, 0];
        segment.extend(IDENTIFIER.to_be_bytes());
        segment.extend(sequence.to_be_bytes());
        segment.extend((b'a'..=b'w').cycle().take(usize::from(self.size)));
        cx.outbox.push(Outgoing {
            app: Some(cx.id),
            source: self.source,
            destination: self.destination,
            protocol: if v6 { protocol::ICMPV6 } else { protocol::ICMP },
            ttl: self.ttl,
            dont_fragment: self.dont_fragment,
            segment,
            checksum: true,
        });
    }

    /// Windows steps the sequence number by 256 on the wire: it increments in host byte order.
    fn sequence(&self, request: u32) -> u16 {
        self.base.wrapping_add(request as u16).swap_bytes()
    }

    /// The request went out with this number, or could not.
    pub(crate) fn sent_as(&mut self, packet: Option<PacketId>, cx: &mut AppCx<'_>) {
        match (packet, self.state) {
            (Some(packet), State::Waiting { since, .. }) => self.state = State::Waiting { since, packet },
            (None, State::Waiting { .. }) => self.give_up(cx, "Destination host unreachable.".into()),
            _ => {}
        }
    }

    /// IPsec holds a packet while IKE negotiates: Windows' ping reports that at once and goes on to the next request.
    pub(crate) fn held(&mut self, held: PacketId, cx: &mut AppCx<'_>) {
        if matches!(self.state, State::Waiting { packet, .. } if packet == held) {
            self.negotiating += 1;
            self.give_up(cx, "Negotiating IP Security.".into());
        }
    }

    fn give_up(&mut self, cx: &mut AppCx<'_>, line: String) {
        self.say(cx, line);
        self.state = State::Pausing { until: cx.now + self.interval };
    }

    /// Whether an echo message with this identifier and sequence number answers the request that is out.
    fn expects(&self, message: &[u8]) -> Option<Instant> {
        let State::Waiting { since, .. } = self.state else { return None };
        let ours = be16(message, 4) == Some(IDENTIFIER)
            && be16(message, 6) == Some(self.sequence(self.sent.wrapping_sub(1)));
        ours.then_some(since)
    }

    /// An echo reply arrived.
    pub(crate) fn reply(&mut self, from: IpAddr, ttl: u8, message: &[u8], cx: &mut AppCx<'_>) {
        let Some(since) = self.expects(message) else { return };
        let took = cx.now.saturating_since(since);
        self.received += 1;
        self.round_trips.push(took);
        let time = match took.as_millis() {
            0 => "<1ms".into(),
            ms => format!("={ms}ms"),
        };
        let size = message.len().saturating_sub(8);
        self.say(cx, format!("Reply from {from}: bytes={size} time{time} TTL={ttl}"));
        self.state = State::Pausing { until: cx.now + self.interval };
    }

    /// An ICMP error about a request arrived; `quoted` is its quoted echo message.
    pub(crate) fn trouble(&mut self, from: IpAddr, trouble: Trouble, quoted: &[u8], cx: &mut AppCx<'_>) {
        if self.expects(quoted).is_none() {
            return;
        }
        let what = match trouble {
            Trouble::Expired => "TTL expired in transit.",
            Trouble::Unreachable(0) => "Destination net unreachable.",
            Trouble::Unreachable(2) => "Destination protocol unreachable.",
            Trouble::Unreachable(3) => "Destination port unreachable.",
            Trouble::Unreachable(4) => "Packet needs to be fragmented but DF set.",
            Trouble::Unreachable(_) => "Destination host unreachable.",
        };
        self.give_up(cx, format!("Reply from {from}: {what}"));
    }

    fn finish(&mut self, cx: &mut AppCx<'_>) {
        self.state = State::Done;
        self.finished = Some(cx.now);
        let (sent, received) = (self.sent, self.received);
        self.say(cx, format!("Ping statistics for {}:", self.destination));
        let (lost, percent) = (sent - received, self.loss_percent());
        self.say(
            cx,
            format!("    Packets: Sent = {sent}, Received = {received}, Lost = {lost} ({percent}% loss),"),
        );
        let millis: Vec<u128> = self.round_trips.iter().map(Duration::as_millis).collect();
        if let (Some(min), Some(max)) = (millis.iter().min(), millis.iter().max()) {
            let average = millis.iter().sum::<u128>() / millis.len() as u128;
            self.say(cx, "Approximate round trip times in milli-seconds:".into());
            self.say(cx, format!("    Minimum = {min}ms, Maximum = {max}ms, Average = {average}ms"));
        }
    }
}
