//! The node: one loop around the core.

mod operator;
mod settings;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ipsec_core::config::{Config, PolicyDatabases, WorkMode};
use ipsec_core::interface::InterfaceId;
use ipsec_core::packet::PacketPool;
use ipsec_core::{Command, Event, Input, Instant, Ipsec, Output};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::capture::{Ring, Side};
use crate::clock::Clock;
use crate::control::{Control, IsakmpSas, Traffic};
use crate::error::OpenError;
use crate::guard::Guard;
use crate::keys::KeyLog;
use crate::outside::Outside;
use crate::record::{Recorder, Sources};
use crate::routes::Routes;
use crate::signals::{Asked, Signals};
use crate::sockets::Sockets;
use crate::tun::Tun;
use crate::worker::Worker;
use crate::{log, privileges, seed};
pub use settings::{Ports, Settings, TunSettings};

/// What wakes the loop: places of these are tokens of the poll.
const WORK: usize = 0;
const SIGNALS: usize = 1;
const CONTROL: usize = 2;
const TUN: usize = 3;
const SOCKETS: usize = 4;
/// Callers of the control socket have tokens from here on.
const CALLERS: usize = 64;

/// The program around a node.
pub trait Host {
    /// Something happened. Single packets are among it.
    fn event(&mut self, event: &Event) {
        let _ = event;
    }

    /// Reads the policy again, when an operator asks for that.
    ///
    /// # Errors
    /// Why there is none to be had: the old one stays in force.
    fn reload(&mut self) -> Result<PolicyDatabases, String> {
        Err("this program's policy does not change".to_owned())
    }

    /// What the policy was read from, for a recording.
    fn sources(&self) -> Option<Sources> {
        None
    }
}

/// A program that does not care.
impl Host for () {}

/// A running IPsec node.
#[derive(Debug)]
pub struct Node {
    ipsec: Ipsec,
    clock: Clock,
    settings: Settings,
    outside: Outside,
    /// The unprotected side as the core names it.
    interface: InterfaceId,
    poll: Poll,
    events: Events,
    /// Tokens of what may have more to read.
    readable: Vec<usize>,
    sockets: Sockets,
    tun: Option<Tun>,
    worker: Worker,
    signals: Option<Signals>,
    control: Option<Control>,
    routes: Option<Routes>,
    guard: Option<Guard>,
    ring: Option<Ring>,
    recorder: Option<Recorder>,
    keys: KeyLog,
    pool: PacketPool,
    inputs: Vec<Input>,
    isakmp: IsakmpSas,
    traffic: Traffic,
    stopped: bool,
}

impl Node {
    /// Opens everything. From then on the kernel's guard drops what policy wants protected, and packets wait for
    /// [`run`](Node::run).
    ///
    /// # Errors
    /// When this computer lacks something; the message says what, and what helps.
    pub fn open(mut config: Config, outside: Outside, settings: Settings) -> Result<Node, OpenError> {
        config.work = WorkMode::Offload;
        config.key_log = settings.keys.is_some();
        let interface = outside.unprotected().next().map(|i| i.id);
        let interface =
            interface.ok_or_else(|| OpenError::new("unprotected side", "no interface is named for it"))?;
        let poll = Poll::new().map_err(|e| OpenError::new("epoll", e))?;
        let signals = settings.signals.then(Signals::open).transpose();
        let signals = signals.map_err(|e| OpenError::new("signals", e))?;
        let control = settings.control.as_deref();
        let control =
            control.map(|path| Control::open(path, poll.registry(), Token(CONTROL), CALLERS)).transpose()?;
        let sockets = Sockets::open(&settings, outside.mtu)?;
        let spd = config.policy.spd.clone();
        let mark = settings.mark.unwrap_or_default();
        let mut guard = None;
        if let (true, Some(tun)) = (settings.guard, &settings.tun) {
            let names = outside.names().map(str::to_owned).collect();
            guard = Some(Guard::new(&tun.name, names, mark));
        }
        if let Some(guard) = &guard {
            guard.install(&spd)?;
        }
        let (mut tun, mut routes) = (None, None);
        if let Some(wanted) = &settings.tun {
            let opened = Tun::open(&wanted.name, wanted.mtu(outside.mtu));
            let what = || format!("TUN device `{}`", wanted.name);
            tun = Some(opened.map_err(|e| OpenError::io(what(), &e, "CAP_NET_ADMIN and /dev/net/tun"))?);
            routes = Some(Routes::install(&wanted.name, mark, &spd, &outside.interfaces)?);
        }
        let ring = settings.capture.clone().map(|(path, size)| {
            Ring::create(&path, size).map_err(|e| OpenError::new(format!("capture {}", path.display()), e))
        });
        let ring = ring.transpose()?;
        let waker = Waker::new(poll.registry(), Token(WORK)).map_err(|e| OpenError::new("epoll", e))?;
        let seed = seed::seed().map_err(|e| OpenError::new("entropy", e))?;
        let recorder = settings.record.as_ref().map(|recording| {
            let recorder =
                Recorder::create(recording, &seed, &outside.interfaces, &config.routes, outside.mtu);
            recorder.map_err(|e| OpenError::new(format!("recording {}", recording.path.display()), e))
        });
        let recorder = recorder.transpose()?;
        if settings.drop_privileges {
            privileges::drop_all_but_net_admin().map_err(|e| OpenError::new("giving up privileges", e))?;
        }
        // The thread is started last: it has the privileges and the blocked signals of this moment.
        let worker = Worker::start(Arc::new(waker)).map_err(|e| OpenError::new("worker thread", e))?;
        let clock = Clock::start();
        let node = Node {
            ipsec: Ipsec::new(config, seed, clock.now()),
            clock,
            settings,
            outside,
            interface,
            poll,
            events: Events::with_capacity(128),
            readable: Vec::new(),
            sockets,
            tun,
            worker,
            signals,
            control,
            routes,
            guard,
            ring,
            recorder,
            keys: KeyLog::default(),
            pool: PacketPool::default(),
            inputs: Vec::new(),
            isakmp: IsakmpSas::default(),
            traffic: Traffic::default(),
            stopped: false,
        };
        node.register().map_err(|e| OpenError::new("epoll", e))?;
        Ok(node)
    }

    fn register(&self) -> io::Result<()> {
        let registry = self.poll.registry();
        let watch = |fd, token| registry.register(&mut SourceFd(&fd), Token(token), Interest::READABLE);
        if let Some(signals) = &self.signals {
            watch(signals.fd(), SIGNALS)?;
        }
        if let Some(tun) = &self.tun {
            watch(tun.fd(), TUN)?;
        }
        for (number, fd) in self.sockets.descriptors().into_iter().enumerate() {
            watch(fd, SOCKETS + number)?;
        }
        Ok(())
    }

    /// Works until somebody says [`stop`](Node::stop) or SIGTERM: then SAs are deleted and peers are told.
    ///
    /// # Errors
    /// When the kernel takes something away.
    pub fn run(&mut self, host: &mut dyn Host) -> io::Result<()> {
        while !self.stopped {
            self.turn(host, None)?;
        }
        Ok(())
    }

    /// Once round the loop: waits for a packet, a deadline or an operator, but not longer than `patience`, and does what
    /// there is to do.
    ///
    /// # Errors
    /// When the kernel takes something away.
    pub fn turn(&mut self, host: &mut dyn Host, patience: Option<Duration>) -> io::Result<()> {
        self.wait(patience)?;
        self.traffic.turns += 1;
        for token in std::mem::take(&mut self.readable) {
            if self.read(token, host)? {
                self.readable.push(token);
            }
            self.carry_out(host);
        }
        if self.ipsec.poll_timeout().is_some_and(|at| at <= self.clock.now()) {
            self.inputs.push(Input::Timeout);
            self.hand_in();
            self.carry_out(host);
        }
        Ok(())
    }

    /// Gives the core an order.
    pub fn command(&mut self, command: Command, host: &mut dyn Host) {
        self.inputs.push(Input::Command(command));
        self.hand_in();
        self.carry_out(host);
    }

    /// Deletes all SAs, tells the peers and ends.
    pub fn stop(&mut self, host: &mut dyn Host) {
        self.command(Command::Shutdown, host);
        self.stopped = true;
    }

    /// The core, to look at.
    pub fn ipsec(&self) -> &Ipsec {
        &self.ipsec
    }

    fn wait(&mut self, patience: Option<Duration>) -> io::Result<()> {
        let now = self.clock.now();
        let deadline = self.ipsec.poll_timeout().filter(|at| *at < Instant::NEVER);
        let until = deadline.map(|at| at.saturating_since(now));
        let timeout = match (until, patience, self.readable.is_empty()) {
            (_, _, false) => Some(Duration::ZERO),
            (Some(until), Some(patience), true) => Some(until.min(patience)),
            (until, patience, true) => until.or(patience),
        };
        match self.poll.poll(&mut self.events, timeout) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            result => result?,
        }
        for event in &self.events {
            let Token(token) = event.token();
            if !self.readable.contains(&token) {
                self.readable.push(token);
            }
        }
        Ok(())
    }

    /// Reads a batch from what this token stands for. `true` when there may be more.
    fn read(&mut self, token: usize, host: &mut dyn Host) -> io::Result<bool> {
        match token {
            WORK => {
                while let Some((id, result)) = self.worker.take() {
                    self.inputs.push(Input::WorkDone(id, result));
                }
                self.hand_in();
                Ok(false)
            }
            SIGNALS => {
                while let Some(asked) = self.signals.as_ref().and_then(Signals::take) {
                    match asked {
                        Asked::Reload => self.reload_and_log(host),
                        Asked::Stop => {
                            tracing::info!("told to stop: deleting all SAs");
                            self.stop(host);
                        }
                    }
                }
                Ok(false)
            }
            CONTROL => {
                if let Some(control) = &mut self.control {
                    control.accept(self.poll.registry());
                }
                Ok(false)
            }
            TUN => self.read_tun(),
            token if token >= CALLERS => {
                self.hear(token, host);
                Ok(false)
            }
            token => {
                let (interface, at) = (self.interface, self.clock.unix(self.clock.now()));
                let Node { sockets, pool, inputs, ring, .. } = self;
                let more = sockets.receive(token - SOCKETS, pool, |packet| {
                    record(ring, Side::Unprotected, at, packet.bytes());
                    inputs.push(Input::Inbound(interface, packet));
                });
                self.traffic.received += self.inputs.len() as u64;
                self.hand_in();
                Ok(more)
            }
        }
    }

    fn read_tun(&mut self) -> io::Result<bool> {
        let (interface, at) = (self.interface, self.clock.unix(self.clock.now()));
        let Node { tun, pool, inputs, ring, .. } = self;
        let Some(tun) = tun else { return Ok(false) };
        let read = tun.receive(pool, |packet| {
            if is_of_the_link(packet.bytes()) {
                return;
            }
            record(ring, Side::Protected, at, packet.bytes());
            inputs.push(Input::Outbound(interface, packet));
        });
        self.traffic.from_tun += self.inputs.len() as u64;
        self.hand_in();
        match read {
            Ok(more) => Ok(more),
            // Something that cannot be cut: it is lost, and there may be more behind it.
            Err(e) if matches!(e.kind(), io::ErrorKind::Other | io::ErrorKind::InvalidInput) => {
                tracing::debug!(error = %e, "the TUN device brought something unreadable");
                Ok(true)
            }
            Err(e) => Err(e),
        }
    }

    /// Hands all inputs in, as of now.
    fn hand_in(&mut self) {
        let now = self.clock.now();
        if let Some(recorder) = &mut self.recorder {
            self.inputs.iter().for_each(|input| recorder.input(input, now));
        }
        self.ipsec.handle_batch(&mut self.inputs, now);
    }

    /// Carries out all that the core says. Buffers go back to where packets come from.
    fn carry_out(&mut self, host: &mut dyn Host) {
        let at = self.clock.unix(self.clock.now());
        while let Some(output) = self.ipsec.poll_output() {
            if let Some(recorder) = &mut self.recorder {
                recorder.output(&output);
            }
            match output {
                Output::Transmit(_, packet) => {
                    record(&mut self.ring, Side::Unprotected, at, packet.bytes());
                    self.traffic.sent += 1;
                    self.sockets.send(packet, &mut self.pool);
                }
                Output::Deliver(_, packet) => {
                    record(&mut self.ring, Side::Protected, at, packet.bytes());
                    if let Some(tun) = &mut self.tun {
                        self.traffic.to_tun += 1;
                        tun.send(packet, &mut self.pool);
                    }
                }
                Output::Event(event) => self.happened(&event, host),
                Output::Work(id, work) => {
                    if !self.worker.give(id, work) {
                        tracing::error!("the worker thread is gone");
                        self.stopped = true;
                    }
                }
            }
        }
        self.sockets.flush(&mut self.pool);
        if let Some(tun) = &mut self.tun {
            tun.flush(&mut self.pool);
        }
        if let Some(recorder) = self.recorder.as_mut().filter(|_| self.readable.is_empty()) {
            recorder.flush();
        }
        if let Some(Err(error)) = self.ring.as_mut().filter(|_| self.readable.is_empty()).map(Ring::flush) {
            tracing::warn!(%error, "the capture could not be written");
        }
    }

    fn happened(&mut self, event: &Event, host: &mut dyn Host) {
        if let Event::Protected { .. } | Event::Opened { .. } = event {
            return host.event(event);
        }
        log::event(event, self.ipsec.status().spd());
        self.isakmp.note(event, self.clock.now());
        if let (Event::Keys(keys), Some(folder)) = (event, &self.settings.keys)
            && let Err(error) = self.keys.learn(keys, folder)
        {
            tracing::warn!(%error, folder = %folder.display(), "keys could not be written");
        }
        host.event(event);
    }
}

/// Whether the kernel only speaks to neighbours, as IPv6 does on every new device: there are none behind a TUN device, and on
/// the unprotected side nobody is meant.
fn is_of_the_link(bytes: &[u8]) -> bool {
    let ipv6 = bytes.first().is_some_and(|octet| octet >> 4 == 6);
    ipv6 && (bytes.get(8..10).is_some_and(|a| a[0] == 0xfe && a[1] & 0xc0 == 0x80)
        || bytes.get(24) == Some(&0xff))
}

/// Writes to the capture, if there is one.
fn record(ring: &mut Option<Ring>, side: Side, at: Duration, bytes: &[u8]) {
    if let Some(Err(error)) = ring.as_mut().map(|ring| ring.write(side, at, bytes)) {
        tracing::warn!(%error, "the capture could not be written, and ends here");
        *ring = None;
    }
}
