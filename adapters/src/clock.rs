//! The computer's clocks, read here and nowhere else.

use std::time::{Duration, Instant as Monotonic, SystemTime};

use ipsec_core::Instant;

/// The monotonic clock as the core counts it: nanoseconds since the node was started.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Monotonic,
    /// Time since 1970 at the start: only captures show it, no decision depends on it.
    started_unix: Duration,
}

impl Clock {
    /// A clock whose epoch is now.
    #[expect(clippy::disallowed_methods, reason = "this is the place where real time comes in")]
    pub fn start() -> Self {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Clock { started: Monotonic::now(), started_unix: unix }
    }

    /// Now. It never goes back, and it stands still while the computer sleeps.
    pub fn now(&self) -> Instant {
        Instant::EPOCH + self.started.elapsed()
    }

    /// Time since 1970 at this instant, as it was when the node started.
    pub fn unix(&self, at: Instant) -> Duration {
        self.started_unix.saturating_add(Duration::from_nanos(at.as_nanos()))
    }
}
