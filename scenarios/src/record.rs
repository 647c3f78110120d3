//! What is kept of a run beside its report: trace and captures.

use ipsec_sim::capture::Capture;
use ipsec_sim::trace::Trace;
use ipsec_sim::{Names, Record, Sink};

/// Trace and captures of one run.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The direction of a twin.
    pub name: Option<String>,
    /// One line for each effect.
    pub trace: Trace,
    /// Every packet of every link, and the keys to read them.
    pub capture: Capture,
}

impl Recording {
    pub(crate) fn new(name: Option<&str>, names: &Names) -> Self {
        let (trace, capture) = (Trace::new(names.clone()), Capture::new(names.clone()));
        Recording { name: name.map(str::to_string), trace, capture }
    }
}

impl Sink for Recording {
    fn record(&mut self, record: &Record<'_>) {
        self.trace.record(record);
        self.capture.record(record);
    }
}
