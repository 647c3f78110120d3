//! [`Ipsec`]: the node that owns SPD, SAD, PAD and IKE, with two doors for packets.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::config::Config;
use crate::ike::Ike;
use crate::io::{Input, Output};
use crate::packet::Packet;
use crate::rng::Streams;
use crate::sad::Sad;
use crate::time::Instant;

/// One IPsec node, without clock, sockets or randomness of its own.
#[derive(Clone, Debug)]
pub struct Ipsec {
    config: Config,
    streams: Streams,
    sad: Sad,
    ike: Ike,
    outputs: VecDeque<Output>,
}

impl Ipsec {
    /// A node with this configuration. `seed` yields every random number it will ever use.
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Self {
        let _ = now;
        let ike = Ike::new(&config);
        Ipsec { config, streams: Streams::new(seed), sad: Sad::default(), ike, outputs: VecDeque::new() }
    }

    /// Handles one input. Timers due at `now` fire first; `now` never goes back. What the network sends cannot make this
    /// fail: it becomes [`Event::Dropped`](crate::io::Event::Dropped).
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        let _ = (input, now);
    }

    /// Handles a batch: same outputs in the same order as one by one. Drains `inputs`.
    pub fn handle_batch(&mut self, inputs: &mut Vec<Input>, now: Instant) {
        for input in inputs.drain(..) {
            self.handle_input(input, now);
        }
    }

    /// The next thing to carry out.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.ike.poll_timeout()
    }

    /// Gives a packet buffer back for reuse.
    pub fn recycle(&mut self, packet: Packet) {
        let _ = packet;
    }
}
