//! scapy as the peer of native ESP and AH: it takes the place of a node whose SAs it knows, and shares no code with us.

use super::{Case, between_ourselves::connection, explained};
use crate::lab::Outcome;
use crate::node::Node;
use crate::topology::hosts;
use crate::traffic::ping;

const PEER: &str = include_str!("native_peer.py");

pub(crate) fn all() -> Vec<(String, Case)> {
    let suites = [
        "des-md5",
        "des-sha1",
        "3des-md5",
        "3des-sha1",
        "aes128-md5",
        "aes128-sha1",
        "aes192-sha1",
        "aes256-sha256",
        "null-md5",
        "null-sha1",
        "ah-md5",
        "ah-sha1",
        "ah-sha256",
    ];
    let case = |suite: &'static str| -> (String, Case) {
        (format!("scapy_{}", suite.replace('-', "_")), Box::new(move || native(suite)))
    };
    suites.into_iter().map(case).collect()
}

/// Bob is killed, and scapy goes on with his SAs: Alice answers what it seals, and neither what was seen before nor what was
/// altered.
fn native(suite: &str) -> Outcome {
    explained(hosts()?, |lab| {
        let (a, b) = ("192.0.2.1", "192.0.2.2");
        let more = format!("mode = \"transport\"\nsuites = [\"{suite}\"]\n");
        let alice = Node::start(lab, "alice", &connection(a, b, &more))?;
        lab.write("bob.log-keys", "")?;
        let bob = Node::start(lab, "bob", &connection(b, a, &more))?;
        ping(lab, "alice", b)?;
        let before = alice.pair(&[])?;
        bob.kill(lab)?;
        let script = lab.write("peer.py", PEER)?.display().to_string();
        let keys = lab.path("bob.keys").display().to_string();
        let table = if suite.starts_with("ah-") { "ah" } else { "esp" };
        lab.run("bob", &["timeout", "60", "/usr/bin/python3", &script, &keys, table, b, a, "out0"])?;
        let after =
            alice.sas()?.pairs.into_iter().find(|p| p.pair == before.pair).ok_or("the pair is gone")?;
        let (old, new) = (&before.inbound[0], &after.inbound[0]);
        let opened = new.packets - old.packets;
        if (opened, new.replays, new.integrity_failures) != (5, 1, 1) {
            return Err(format!("expected 5 packets opened, 1 replayed, 1 altered: {new:?} after {old:?}"));
        }
        Ok(())
    })
}
