//! Checks of what people read off displays.

use std::net::IpAddr;

use ipsec_machine::monitor::Association;
use ipsec_sim::verdict::Findings;

use super::{Facts, Verdict, listed};
use crate::steps::displays::{Judged, Shown};

impl Facts<'_> {
    /// The verdict on a link.
    pub(super) fn judged(&self, c: &Judged) -> Verdict {
        let link = self.observer.link(c.link.get_ref());
        let found = link.and_then(|link| self.observer.findings.get(&link));
        let findings = found.cloned().unwrap_or_else(Findings::default);
        let findings = match c.between {
            None => findings,
            Some((a, b)) => {
                let joins = |x: IpAddr, y: IpAddr| a.0.contains(x) && b.0.contains(y);
                findings.only(|(low, high)| joins(*low, *high) || joins(*high, *low))
            }
        };
        let verdict = findings.verdict();
        let mut detail = format!("{}: {verdict}", c.link.get_ref());
        if verdict != c.is {
            let pairs =
                findings.pairs.iter().map(|((a, b), between)| format!("{a} <-> {b} {}", between.verdict()));
            detail += &format!("; wanted {}; found {}", c.is.name(), listed(&pairs.collect::<Vec<_>>()));
        }
        (verdict == c.is, detail)
    }

    /// What a monitor showed at a look.
    pub(super) fn shown(&self, c: &Shown) -> Verdict {
        let name = c.node.get_ref();
        let looks = self.monitors.get(name).map_or(&[][..], Vec::as_slice);
        let look = match &c.look {
            Some(look) => looks.get(look.get_ref().wrapping_sub(1)),
            None => looks.last(),
        };
        let Some(shown) = look else { return (false, format!("nobody looked at the monitor of {name}")) };
        let fits = |a: &&Association| {
            c.filter.as_ref().is_none_or(|filter| *filter == a.filter)
                && c.kind.is_none_or(|kind| kind == a.kind)
                && c.security.as_ref().is_none_or(|security| *security == a.security)
        };
        let fitting = shown.associations.iter().filter(fits).count();
        let held = c.count.map_or(fitting > 0, |count| fitting == count);
        let all: Vec<String> = shown.associations.iter().map(ToString::to_string).collect();
        let wanted = c.count.map_or("at least one".to_string(), |count| count.to_string());
        let detail = if held {
            format!("{name} at {} s: {fitting} such associations", shown.at)
        } else {
            format!(
                "{name} at {} s: {fitting} such associations, wanted {wanted}; found {}",
                shown.at,
                listed(&all)
            )
        };
        (held, detail)
    }
}
