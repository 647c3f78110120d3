//! Our own side: this program as a live node.

use ipsec_adapters::control::{PairReport, Report, Request, Sas, ask};

use crate::lab::{Lab, Outcome, myself, until};

/// A live node in a namespace.
pub(crate) struct Node {
    space: &'static str,
    control: std::path::PathBuf,
    process: u32,
}

impl Node {
    /// Starts a node with these connections, TOML tables, and waits until it works.
    pub(crate) fn start(lab: &mut Lab, space: &'static str, policy: &str) -> Result<Node, String> {
        let control = lab.path(&format!("{space}.control"));
        let machine = format!("machine.outside = [\"out0\"]\nmachine.control = \"{}\"\n", control.display());
        lab.write(&format!("{space}.toml"), &(machine + policy))?;
        Node::again(lab, space)
    }

    /// Changes its connections, and tells it so by SIGHUP.
    pub(crate) fn reload(&self, lab: &mut Lab, policy: &str) -> Outcome {
        let control = self.control.display();
        let machine = format!("machine.outside = [\"out0\"]\nmachine.control = \"{control}\"\n");
        lab.write(&format!("{}.toml", self.space), &(machine + policy))?;
        lab.signal(self.process, "HUP")
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.process
    }

    /// Starts it with the files it had before.
    pub(crate) fn again(lab: &mut Lab, space: &'static str) -> Result<Node, String> {
        let control = lab.path(&format!("{space}.control"));
        let config = lab.path(&format!("{space}.toml")).display().to_string();
        let process = lab.start(space, &format!("{space}.log"), &[&myself()?, "--node", &config])?;
        let answers = || ask(&control, &Request::Status).ok().filter(|answer| answer.ok);
        until(&format!("the node in {space} works"), answers)?;
        Ok(Node { space, control, process })
    }

    /// Gives it an order.
    pub(crate) fn order(&self, request: &Request) -> Outcome {
        let answer = ask(&self.control, request).map_err(|e| format!("the node in {}: {e}", self.space))?;
        answer.error.map_or(Ok(()), Err)
    }

    /// Its SAs.
    pub(crate) fn sas(&self) -> Result<Sas, String> {
        let answer = ask(&self.control, &Request::Sas).map_err(|e| e.to_string())?;
        match answer.report.map(serde_json::from_value) {
            Some(Ok(Report::Sas(sas))) => Ok(sas),
            other => Err(format!("not SAs: {other:?}")),
        }
    }

    /// Waits for a pair that both directions of which are there, other than these.
    pub(crate) fn pair(&self, known: &[u64]) -> Result<PairReport, String> {
        let complete = |p: &PairReport| !p.inbound.is_empty() && !p.outbound.is_empty();
        until("a pair of SAs", || {
            let mut pairs = self.sas().ok()?.pairs.into_iter();
            pairs.find(|p| !known.contains(&p.pair) && complete(p))
        })
    }

    /// Tells it to end, and waits.
    pub(crate) fn stop(self, lab: &mut Lab) -> Outcome {
        lab.signal(self.process, "TERM")
    }

    /// Kills it.
    pub(crate) fn kill(self, lab: &mut Lab) -> Outcome {
        lab.signal(self.process, "KILL")
    }
}
