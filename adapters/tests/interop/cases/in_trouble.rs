//! What happens to nodes: killed in the middle of something, told to reload all the time, told to stop.

use ipsec_adapters::control::Request;

use super::with_strongswan::{KB, Tunnel};
use super::{Case, Named, between_ourselves, explained};
use crate::lab::{Lab, Outcome, pause, until};
use crate::node::Node;
use crate::topology::gateways;
use crate::traffic::ping;
use crate::wire::Wire;

pub(crate) fn all() -> Vec<(String, Case)> {
    let cases: [Named; 3] = [
        ("strongswan_we_are_killed_while_rekeying", killed_while_rekeying),
        ("strongswan_stop_tells_them", stop_tells_them),
        ("ourselves_reloads_loses_nothing", reloads),
    ];
    cases.map(|(name, case)| (name.to_owned(), Box::new(case) as Case)).into()
}

/// Pings in the background, without end.
fn chatter(lab: &mut Lab, from: &str, to: &str) -> Result<u32, String> {
    lab.start(from, &format!("chatter-{from}.log"), &["ping", "-n", "-q", "-i", "0.02", to])
}

/// `kill -9`, three times, moments after both phases began to be renewed, with traffic both ways all the time: the peer
/// recovers each time, and nothing ever leaves in clear.
fn killed_while_rekeying() -> Outcome {
    let tunnel = Tunnel { theirs: ("dpd_delay = 1s\n dpd_timeout = 5s", "dpd_action = restart"), ..KB };
    explained(tunnel.lab()?, |lab| {
        let mut ends = tunnel.start(lab)?;
        ping(lab, ends.us.0, ends.them.1)?;
        let wire = Wire::tap(lab, "gwb", "out0")?;
        let chatter = [chatter(lab, ends.us.0, ends.them.1)?, chatter(lab, ends.them.0, ends.us.1)?];
        for moment in [0, 3, 20] {
            let pair = ends.node.pair(&[])?;
            let isakmp = ends.node.sas()?.isakmp.first().map(|sa| sa.cky_i.clone()).ok_or("no ISAKMP SA")?;
            ends.node.order(&Request::Renew { isakmp })?;
            ends.node.order(&Request::Rekey { pair: pair.pair })?;
            pause(moment);
            ends.node.kill(lab)?;
            pause(500);
            ends.node = Node::again(lab, "gwa")?;
            ping(lab, ends.us.0, ends.them.1)?;
            ping(lab, ends.them.0, ends.us.1)?;
        }
        for process in chatter {
            lab.signal(process, "KILL")?;
        }
        let capture = wire.end(lab)?;
        capture.has("esp")?;
        capture.lacks("icmp.type in {0, 8} || ip.addr == 10.0.0.0/8")
    })
}

/// SIGTERM: strongSwan hears of it, and has no SAs left.
fn stop_tells_them() -> Outcome {
    explained(KB.lab()?, |lab| {
        let ends = KB.start(lab)?;
        ping(lab, ends.us.0, ends.them.1)?;
        ends.node.stop(lab)?;
        until("strongSwan has no SAs", || {
            let sas = ends.strongswan.swanctl(lab, &["--list-sas"]).ok()?;
            sas.trim().is_empty().then_some(())
        })
    })
}

/// SIGHUP fifty times under traffic: the same pair carries every packet.
fn reloads() -> Outcome {
    explained(gateways()?, |lab| {
        let (gwa, _gwb) = between_ourselves::tunnel_ends(lab, "aes128-sha1")?;
        ping(lab, "ha", "10.2.0.10")?;
        let before = gwa.pair(&[])?;
        let words = ["ping", "-n", "-q", "-i", "0.01", "-c", "300", "-W", "3", "10.2.0.10"];
        lab.start("ha", "pings.log", &words)?;
        for _ in 0..50 {
            lab.signal(gwa.process(), "HUP")?;
            pause(20);
        }
        let log = lab.path("pings.log");
        let summary = until("the pings are done", || {
            std::fs::read_to_string(&log).ok().filter(|text| text.contains(" received"))
        })?;
        if !summary.contains("300 packets transmitted, 300 received") {
            return Err(summary);
        }
        let after = gwa.sas()?.pairs;
        if after.len() == 1 && after[0].pair == before.pair {
            Ok(())
        } else {
            Err(format!("another pair than {}: {after:?}", before.pair))
        }
    })
}
