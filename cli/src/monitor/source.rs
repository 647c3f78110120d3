//! What a monitor looks at: a scenario that runs, or runs again as it was recorded, or the recording of a live node.

use ipsec_adapters::replay::Playback;
use ipsec_core::Instant;
use ipsec_machine::monitor::Snapshot;
use ipsec_scenarios::{RunOptions, Scenario, Watch};

/// What the only node of a live recording is called.
pub(super) const NODE: &str = "node";

/// Something that can be looked at, at any of its times.
pub(super) enum Source<'a> {
    /// A scenario, and the digest that its run must end with if it was recorded.
    Run {
        /// The scenario.
        scenario: &'a Scenario,
        /// How it runs.
        options: &'a RunOptions,
        /// How far it is.
        watch: Box<Watch<'a>>,
        /// Of the recording.
        digest: Option<String>,
    },
    /// A live node's recording, and its name.
    Live(String, Box<Playback>),
}

impl<'a> Source<'a> {
    /// A scenario at its beginning.
    pub(super) fn run(
        scenario: &'a Scenario,
        options: &'a RunOptions,
        digest: Option<String>,
    ) -> Result<Self, String> {
        let watch = Watch::new(scenario, options).map_err(|e| wrong(scenario, e))?;
        Ok(Source::Run { scenario, options, watch: Box::new(watch), digest })
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        match self {
            Source::Run { scenario, .. } => &scenario.name,
            Source::Live(name, _) => name,
        }
    }

    /// The nodes with IPsec.
    pub(super) fn nodes(&self) -> Vec<String> {
        match self {
            Source::Run { watch, .. } => watch.nodes().map(str::to_owned).collect(),
            Source::Live(..) => vec![NODE.to_owned()],
        }
    }

    /// The release of a node.
    pub(super) fn release(&self, node: &str) -> &'static str {
        match self {
            Source::Run { watch, .. } => watch.computer(node).map_or("", |c| c.release().name),
            Source::Live(_, playback) => playback.release().name,
        }
    }

    /// What the monitor of a node shows now.
    pub(super) fn snapshot(&self, node: &str) -> Option<Snapshot> {
        match self {
            Source::Run { watch, .. } => watch.snapshot(node),
            Source::Live(_, playback) => {
                let shown = || Snapshot::of_node(playback.release(), playback.ipsec(), playback.now());
                (node == NODE).then(shown)
            }
        }
    }

    /// The time.
    pub(super) fn now(&self) -> Instant {
        match self {
            Source::Run { watch, .. } => watch.now(),
            Source::Live(_, playback) => playback.now(),
        }
    }

    /// The last time there is something to see.
    pub(super) fn end(&self) -> Instant {
        match self {
            Source::Run { watch, .. } => watch.end(),
            Source::Live(_, playback) => playback.end(),
        }
    }

    /// When something happens next.
    pub(super) fn next(&self) -> Option<Instant> {
        match self {
            Source::Run { watch, .. } => watch.next(),
            Source::Live(_, playback) => playback.next(),
        }
    }

    /// Goes on until this time.
    pub(super) fn run_until(&mut self, time: Instant) -> Result<(), String> {
        match self {
            Source::Run { scenario, watch, .. } => watch.run_until(time).map_err(|e| wrong(scenario, e)),
            Source::Live(_, playback) => playback.run_until(time),
        }
    }

    /// Begins again.
    pub(super) fn restart(&mut self) -> Result<(), String> {
        match self {
            Source::Run { scenario, options, watch, .. } => {
                **watch = Watch::new(scenario, options).map_err(|e| wrong(scenario, e))?;
                Ok(())
            }
            Source::Live(_, playback) => playback.restart(),
        }
    }

    /// The story so far.
    pub(super) fn story(&self) -> &[String] {
        match self {
            Source::Run { watch, .. } => watch.story(),
            Source::Live(_, playback) => playback.story(),
        }
    }

    /// That what is seen is not what was recorded, once that is known: of a scenario at its end.
    pub(super) fn difference(&self) -> Option<String> {
        match self {
            Source::Run { watch, digest: Some(recorded), .. } if watch.now() == watch.end() => {
                let found = watch.digest();
                (found != *recorded).then(|| format!("digest {found}, but {recorded} was recorded"))
            }
            Source::Run { .. } => None,
            Source::Live(_, playback) => playback.difference().map(str::to_owned),
        }
    }
}

fn wrong(scenario: &Scenario, error: impl std::fmt::Display) -> String {
    format!("{}/{error}", scenario.name)
}
