//! Misfortunes of the links, chosen on the command line; they end at a set time.

use std::time::Duration;

use ipsec_sim::Faults;
use serde::Serialize;

use crate::value::Ppm;

/// How long after the faults end a run must be protected and connected again.
///
/// The longest wait is for an exchange that lost its last hope just before: 64 s of repetitions, and the application's own
/// patience after that.
pub const RECOVERY: Duration = Duration::from_secs(120);

/// Misfortunes of every link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultPlan {
    /// Packets that vanish.
    pub loss: Ppm,
    /// Packets that arrive twice.
    pub duplication: Ppm,
    /// Packets that later ones overtake.
    pub reordering: Ppm,
    /// Packets of which one octet is altered.
    pub corruption: Ppm,
    /// When they end, from the start of the run.
    pub until: Duration,
}

impl FaultPlan {
    /// No misfortunes.
    pub const NONE: FaultPlan = FaultPlan {
        loss: Ppm(0),
        duplication: Ppm(0),
        reordering: Ppm(0),
        corruption: Ppm(0),
        until: Duration::from_secs(45),
    };

    /// Whether nothing can happen.
    pub fn is_none(&self) -> bool {
        self.faults().is_none()
    }

    pub(crate) fn faults(&self) -> Faults {
        Faults {
            loss: self.loss.0,
            duplication: self.duplication.0,
            reordering: self.reordering.0,
            corruption: self.corruption.0,
            ..Faults::NONE
        }
    }

    /// The options that ask for this plan again, each with a blank before it.
    pub fn options(&self) -> String {
        let each = [
            ("--loss", self.loss),
            ("--dup", self.duplication),
            ("--reorder", self.reordering),
            ("--corrupt", self.corruption),
        ];
        let mut text: String =
            each.iter().filter(|(_, p)| p.0 > 0).map(|(option, p)| format!(" {option} {p}")).collect();
        if !self.is_none() && self.until != FaultPlan::NONE.until {
            text += &format!(" --faults-until {}", crate::value::Span(self.until));
        }
        text
    }
}

impl Default for FaultPlan {
    fn default() -> Self {
        FaultPlan::NONE
    }
}

impl Serialize for FaultPlan {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut out = s.serialize_struct("FaultPlan", 5)?;
        out.serialize_field("loss_ppm", &self.loss.0)?;
        out.serialize_field("duplication_ppm", &self.duplication.0)?;
        out.serialize_field("reordering_ppm", &self.reordering.0)?;
        out.serialize_field("corruption_ppm", &self.corruption.0)?;
        out.serialize_field("until_ms", &(self.until.as_millis() as u64))?;
        out.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_ask_for_the_same_plan() {
        let plan = FaultPlan { loss: Ppm(100_000), reordering: Ppm(5_000), ..FaultPlan::NONE };
        assert_eq!(plan.options(), " --loss 10% --reorder 0.5%");
        assert_eq!(FaultPlan::NONE.options(), "");
        let late = FaultPlan { until: Duration::from_secs(60), ..plan };
        assert_eq!(late.options(), " --loss 10% --reorder 0.5% --faults-until 60s");
    }
}
