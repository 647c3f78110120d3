//! What operators ask for, through the control socket and by signals.

use ipsec_core::config::PolicyDatabases;
use ipsec_core::sad::PairId;
use ipsec_core::selector::{FlowKey, Selector};
use ipsec_core::spd::{Action, SpdEntry};
use ipsec_core::{Command, Ipsec};

use super::{Host, Node};
use crate::control::{Answer, Counters, Report, Request, Sas, Status};

impl Node {
    /// Reads what a caller says, and answers.
    pub(super) fn hear(&mut self, caller: usize, host: &mut dyn Host) {
        let requests = self.control.as_mut().map(|control| control.read(caller)).unwrap_or_default();
        for request in requests {
            let answer = match request {
                Ok(request) => self.obey(&request, host),
                Err(why) => Answer::failed(format!("not understood: {why}")),
            };
            if let Some(control) = &mut self.control {
                control.answer(caller, &answer);
            }
        }
        if let Some(control) = &mut self.control {
            control.heard(caller);
        }
    }

    fn obey(&mut self, request: &Request, host: &mut dyn Host) -> Answer {
        let now = self.clock.now();
        match request {
            Request::Status => Answer::of(&Report::Status(self.status())),
            Request::Sas => Answer::of(&Report::Sas(Sas::of(&self.ipsec, &self.isakmp, now))),
            Request::Counters => Answer::of(&Report::Counters(Counters::of(&self.ipsec, self.traffic))),
            Request::Initiate { rule } => answer(self.initiate(rule, host)),
            Request::Rekey { pair } => self.for_pair(*pair, Command::RekeyPair, host),
            Request::Renew { isakmp } => answer(self.renew(isakmp, host)),
            Request::Delete { pair } => self.for_pair(*pair, Command::DeletePair, host),
            Request::Reload => answer(self.reload(host)),
        }
    }

    fn status(&self) -> Status {
        let status = self.ipsec.status();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            process: std::process::id(),
            uptime_seconds: self.clock.now().as_millis() / 1_000,
            outside: self.outside.names().map(str::to_owned).collect(),
            tun: self.settings.tun.as_ref().map(|tun| tun.name.clone()),
            rules: status.spd().entries().iter().map(|e| e.name.clone()).collect(),
            isakmp_sas: self.isakmp.len(),
            pairs: status.pairs().count(),
            waiting: status.pending().map(|(_, packets)| packets).sum(),
        }
    }

    /// Negotiates for the outbound entries of this name.
    ///
    /// # Errors
    /// When there are none, or they cover nothing to begin with.
    pub fn initiate(&mut self, rule: &str, host: &mut dyn Host) -> Result<(), String> {
        let entries = self.ipsec.status().spd().entries();
        let wanted = |e: &&SpdEntry| {
            e.name == rule && e.direction.outbound() && matches!(e.action, Action::Protect(_))
        };
        let found: Vec<_> = entries.iter().filter(wanted).map(|e| (e.id, self.flow(&e.selector))).collect();
        if found.is_empty() {
            return Err(format!("no rule `{rule}` protects outgoing traffic"));
        }
        for (entry, flow) in found {
            let flow = flow.ok_or_else(|| format!("rule `{rule}` covers nothing of ours"))?;
            self.command(Command::Initiate(entry, flow), host);
        }
        Ok(())
    }

    /// A packet of this traffic, from an address of ours if one is among it.
    fn flow(&self, selector: &Selector) -> Option<FlowKey> {
        let remote = selector.remote.first()?.start;
        let same = |a: &std::net::IpAddr| a.is_ipv4() == remote.is_ipv4();
        let own = self.outside.interfaces.iter().flat_map(|i| &i.addresses).map(|p| p.address);
        let inside = |a: &std::net::IpAddr| selector.local.iter().any(|r| r.contains(*a));
        let first = || selector.local.iter().map(|r| r.start).find(same);
        let local = own.filter(same).find(inside).or_else(first)?;
        let port = |range: ipsec_core::selector::PortRange| (!range.is_any()).then_some(range.start);
        Some(FlowKey {
            local,
            remote,
            protocol: selector.protocol.unwrap_or(ipsec_core::ip::protocol::ICMP),
            local_port: port(selector.local_ports),
            remote_port: port(selector.remote_ports),
        })
    }

    /// Begins a new phase 1 in place of the ISAKMP SA with this initiator cookie.
    fn renew(&mut self, isakmp: &str, host: &mut dyn Host) -> Result<(), String> {
        let cookie = self.isakmp.cookie(isakmp).ok_or_else(|| format!("there is no ISAKMP SA `{isakmp}`"))?;
        self.command(Command::RenewIsakmpSa(cookie), host);
        Ok(())
    }

    fn for_pair(&mut self, pair: u64, command: fn(PairId) -> Command, host: &mut dyn Host) -> Answer {
        if !has_pair(&self.ipsec, pair) {
            return Answer::failed(format!("there is no pair {pair}"));
        }
        self.command(command(PairId(pair)), host);
        Answer::done()
    }

    pub(super) fn reload_and_log(&mut self, host: &mut dyn Host) {
        match self.reload(host) {
            Ok(()) => tracing::info!("policy read again"),
            Err(error) => tracing::error!(error, "the old policy stays in force"),
        }
    }

    /// Reads the policy again, and puts it in force: guard and routes first, so that nothing slips out in between.
    fn reload(&mut self, host: &mut dyn Host) -> Result<(), String> {
        let policy: PolicyDatabases = host.reload()?;
        if let Some(guard) = &self.guard {
            guard.install(&policy.spd).map_err(|e| e.to_string())?;
        }
        if let Some(routes) = &mut self.routes {
            routes.update(&policy.spd, &self.outside.interfaces).map_err(|e| e.to_string())?;
        }
        if let (Some(recorder), Some(sources)) = (&mut self.recorder, host.sources()) {
            recorder.sources(sources);
        }
        self.command(Command::SetPolicy(policy), host);
        Ok(())
    }
}

fn answer(result: Result<(), String>) -> Answer {
    result.map_or_else(Answer::failed, |()| Answer::done())
}

fn has_pair(ipsec: &Ipsec, pair: u64) -> bool {
    ipsec.status().pairs().any(|p| p.id == PairId(pair))
}
