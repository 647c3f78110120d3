//! What the benches share. The benches are in `benches/`, what they measured in `README.md`.

use std::time::Duration;

use criterion::Criterion;

/// A second for each bench: enough to compare two of them side by side.
#[must_use]
pub fn short() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
}
