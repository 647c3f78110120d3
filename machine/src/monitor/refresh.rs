//! Monitors look again at intervals: "Click Options. Change the refresh interval to 1" (KB 301284).

use ipsec_core::{Duration, Instant, Ipsec};
use ipsec_policy::profile::{Confidence, Defaulted};

use super::{MonitorKind, Snapshot};
use crate::computer::Computer;

/// Seconds between two looks, until somebody changes that.
pub const DEFAULT_INTERVAL: [(MonitorKind, Defaulted<u32>); 3] = [
    (MonitorKind::Ipsecmon, unconfirmed(15)),
    (MonitorKind::SnapInXp, unconfirmed(45)),
    (MonitorKind::SnapIn2003, unconfirmed(45)),
];

const fn unconfirmed(value: u32) -> Defaulted<u32> {
    Defaulted { value, confidence: Confidence::Unconfirmed, source: "common knowledge" }
}

/// A monitor that is open: it shows what it saw when it last looked. Its clock is the caller's.
#[derive(Clone, Debug)]
pub struct View {
    interval: Duration,
    shown: Snapshot,
}

impl View {
    /// Opens the monitor, which looks at once.
    #[must_use]
    pub fn open(computer: &Computer, ipsec: &Ipsec, now: Instant) -> Self {
        Self::showing(Snapshot::of(computer, ipsec, now))
    }

    /// A monitor that has just looked, and saw this.
    #[must_use]
    pub fn showing(shown: Snapshot) -> Self {
        let default = DEFAULT_INTERVAL.iter().find(|(kind, _)| *kind == shown.kind);
        let seconds = default.map_or(1, |(_, seconds)| seconds.value);
        Self { interval: Duration::from_secs(seconds.into()), shown }
    }

    /// The interval from now on; at least a second.
    pub fn set_interval(&mut self, interval: Duration) {
        self.interval = interval.max(Duration::from_secs(1));
    }

    /// The interval.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// When it looks again.
    #[must_use]
    pub fn next(&self) -> Instant {
        self.shown.at + self.interval
    }

    /// What it shows at `now`: it looks only when its interval has passed.
    pub fn look(&mut self, computer: &Computer, ipsec: &Ipsec, now: Instant) -> &Snapshot {
        self.look_by(now, || Snapshot::of(computer, ipsec, now))
    }

    /// The same, with another way to look.
    pub fn look_by(&mut self, now: Instant, look: impl FnOnce() -> Snapshot) -> &Snapshot {
        if now >= self.next() {
            self.shown = look();
        }
        &self.shown
    }

    /// What it shows.
    #[must_use]
    pub fn shown(&self) -> &Snapshot {
        &self.shown
    }
}
