//! Two nodes of ours: ESP and AH without UDP, both address families, both modes.

use ipsec_adapters::control::Request;
use ipsec_adapters::replay::replay;

use super::{Case, Named, explained};
use crate::lab::{Lab, Outcome, myself, until};
use crate::node::Node;
use crate::topology::{gateways, hosts};
use crate::traffic::{ping, soak, tcp};
use crate::wire::Wire;

pub(crate) fn all() -> Vec<(String, Case)> {
    let mut cases: Vec<(String, Case)> = Vec::new();
    for (name, suite, filter) in [
        ("esp", "aes128-sha1", "esp && !ah"),
        ("esp_des_md5", "des-md5", "esp && !ah"),
        ("ah", "ah-sha1", "ah && !esp"),
        ("ah_around_esp", "ah-md5+3des-sha1", "ah && esp"),
    ] {
        cases.push((format!("ourselves_tunnel_{name}"), Box::new(move || tunnel(suite, filter))));
        cases
            .push((format!("ourselves_transport_{name}"), Box::new(move || transport(suite, filter, false))));
        cases.push((
            format!("ourselves_transport_ipv6_{name}"),
            Box::new(move || transport(suite, filter, true)),
        ));
    }
    let others: [Named; 12] = [
        ("crash_of_one_and_only_the_other_speaks", crash),
        ("captures_and_keys_are_tsharks", captures),
        ("refusals_say_what_is_missing", refusals),
        ("recorded_run_is_repeated", recorded),
        ("alice_and_bob", alice_and_bob),
        ("stop_tells_the_peer", stop_tells_the_peer),
        ("ipv6_in_ipv6", || families("2001:db8::1", "2001:db8::2", true)),
        ("ipv6_in_ipv4", || families("203.0.113.1", "203.0.113.2", true)),
        ("ipv4_in_ipv6", || families("2001:db8::1", "2001:db8::2", false)),
        ("reload_keeps_what_is_allowed", reload),
        ("rekeying_loses_nothing", rekeying),
        ("privileges_are_given_up", privileges),
    ];
    for (name, case) in others {
        cases.push((format!("ourselves_{name}"), Box::new(case)));
    }
    cases
}

const OCTETS: u64 = 5 << 20;

pub(super) fn connection(local: &str, remote: &str, more: &str) -> String {
    format!(
        "[[connection]]\nname = \"net\"\nlocal-address = \"{local}\"\nremote-address = \"{remote}\"\n\
         proposals = [\"3des-sha1-modp1024\"]\nkey = \"between ourselves\"\n{more}\n"
    )
}

pub(super) fn tunnel_ends(lab: &mut Lab, suite: &str) -> Result<(Node, Node), String> {
    let (a, b) = ("203.0.113.1", "203.0.113.2");
    let more =
        |local, remote| format!("suites = [\"{suite}\"]\nlocal = [\"{local}\"]\nremote = [\"{remote}\"]\n");
    let gwa = Node::start(lab, "gwa", &connection(a, b, &more("10.1.0.0/16", "10.2.0.0/16")))?;
    let gwb = Node::start(lab, "gwb", &connection(b, a, &more("10.2.0.0/16", "10.1.0.0/16")))?;
    Ok((gwa, gwb))
}

fn tunnel(suite: &str, filter: &str) -> Outcome {
    explained(gateways()?, |lab| {
        let _ends = tunnel_ends(lab, suite)?;
        let wire = Wire::tap(lab, "gwb", "out0")?;
        ping(lab, "ha", "10.2.0.10")?;
        ping(lab, "hb", "10.1.0.10")?;
        tcp(lab, "ha", "hb", ([10, 2, 0, 10], 6001).into(), OCTETS)?;
        let capture = wire.end(lab)?;
        capture.has(filter)?;
        capture.lacks("udp.port == 4500")?;
        // Whatever shows an inner address is in AH, and never by itself.
        capture.lacks("ip.addr == 10.0.0.0/8 && !ah")
    })
}

fn transport(suite: &str, filter: &str, ipv6: bool) -> Outcome {
    explained(hosts()?, |lab| {
        let (a, b) = if ipv6 { ("2001:db8::1", "2001:db8::2") } else { ("192.0.2.1", "192.0.2.2") };
        let more = format!("mode = \"transport\"\nsuites = [\"{suite}\"]\n");
        let _alice = Node::start(lab, "alice", &connection(a, b, &more))?;
        let _bob = Node::start(lab, "bob", &connection(b, a, &more))?;
        let wire = Wire::tap(lab, "bob", "out0")?;
        ping(lab, "alice", b)?;
        let server = std::net::SocketAddr::new(b.parse().map_err(|e| format!("{e}"))?, 6001);
        tcp(lab, "alice", "bob", server, OCTETS)?;
        let capture = wire.end(lab)?;
        capture.has(filter)?;
        capture.lacks("(tcp || icmp || icmpv6.type == 128 || icmpv6.type == 129) && !ah")
    })
}

/// KB 301284: TCP to port 6667 in transport mode; all else in clear.
fn alice_and_bob() -> Outcome {
    explained(hosts()?, |lab| {
        let (a, b) = ("192.0.2.1", "192.0.2.2");
        let base = "mode = \"transport\"\nprotocol = \"tcp\"\nsuites = [\"3des-sha1\"]\n";
        let _alice = Node::start(lab, "alice", &connection(a, b, &format!("{base}remote-port = 6667\n")))?;
        let _bob = Node::start(lab, "bob", &connection(b, a, &format!("{base}local-port = 6667\n")))?;
        let wire = Wire::tap(lab, "bob", "out0")?;
        tcp(lab, "alice", "bob", ([192, 0, 2, 2], 6667).into(), OCTETS)?;
        ping(lab, "alice", b)?;
        tcp(lab, "alice", "bob", ([192, 0, 2, 2], 6670).into(), OCTETS)?;
        let capture = wire.end(lab)?;
        capture.has("esp")?;
        capture.has("icmp")?;
        capture.has("tcp.port == 6670")?;
        capture.lacks("tcp.port == 6667")
    })
}

fn stop_tells_the_peer() -> Outcome {
    explained(gateways()?, |lab| {
        let (gwa, gwb) = tunnel_ends(lab, "aes128-sha1")?;
        ping(lab, "ha", "10.2.0.10")?;
        gwa.stop(lab)?;
        until("the peer has no SAs either", || {
            let sas = gwb.sas().ok()?;
            (sas.pairs.is_empty() && sas.isakmp.is_empty()).then_some(())
        })
    })
}

/// Tunnels of one address family in the other.
fn families(a: &str, b: &str, inner_v6: bool) -> Outcome {
    explained(gateways()?, |lab| {
        let (net_a, net_b) =
            if inner_v6 { ("fd01::/64", "fd02::/64") } else { ("10.1.0.0/16", "10.2.0.0/16") };
        let more = |local, remote| format!("local = [\"{local}\"]\nremote = [\"{remote}\"]\n");
        let _gwa = Node::start(lab, "gwa", &connection(a, b, &more(net_a, net_b)))?;
        let _gwb = Node::start(lab, "gwb", &connection(b, a, &more(net_b, net_a)))?;
        let wire = Wire::tap(lab, "gwb", "out0")?;
        let server = if inner_v6 { "fd02::10" } else { "10.2.0.10" };
        ping(lab, "ha", server)?;
        let server = std::net::SocketAddr::new(server.parse().map_err(|e| format!("{e}"))?, 6001);
        tcp(lab, "ha", "hb", server, OCTETS)?;
        let capture = wire.end(lab)?;
        capture.has("esp")?;
        capture.lacks("ip.addr == 10.0.0.0/8 || ipv6.addr == fd00::/8")
    })
}

/// SIGHUP: SAs that the new policy allows carry on; others go.
fn reload() -> Outcome {
    explained(hosts()?, |lab| {
        let (a, b) = ("192.0.2.1", "192.0.2.2");
        let rule = |port: u16, side: &str| {
            let name = format!("port {port}");
            let more = format!("mode = \"transport\"\nprotocol = \"tcp\"\n{side}-port = {port}\n");
            let (from, to) = if side == "remote" { (a, b) } else { (b, a) };
            connection(from, to, &more).replace("\"net\"", &format!("\"{name}\""))
        };
        let both = |side| format!("{}{}", rule(6001, side), rule(6002, side));
        let alice = Node::start(lab, "alice", &both("remote"))?;
        let _bob = Node::start(lab, "bob", &both("local"))?;
        tcp(lab, "alice", "bob", ([192, 0, 2, 2], 6001).into(), OCTETS)?;
        tcp(lab, "alice", "bob", ([192, 0, 2, 2], 6002).into(), OCTETS)?;
        let kept = alice.sas()?.pairs.into_iter().find(|p| p.rule == "port 6001").ok_or("no pair")?;
        alice.reload(lab, &rule(6001, "remote"))?;
        until("the other pair is gone", || (alice.sas().ok()?.pairs.len() == 1).then_some(()))?;
        tcp(lab, "alice", "bob", ([192, 0, 2, 2], 6001).into(), OCTETS)?;
        let now = alice.sas()?.pairs.into_iter().find(|p| p.pair == kept.pair).ok_or("the pair is gone")?;
        if now.outbound[0].packets <= kept.outbound[0].packets {
            return Err("the pair was kept, but carries nothing".to_owned());
        }
        Ok(())
    })
}

/// Lifetimes of ten seconds, of ISAKMP SAs 15, and no ping is lost.
fn rekeying() -> Outcome {
    explained(gateways()?, |lab| {
        let more = |local, remote| {
            format!("seconds = 10\nike-seconds = 15\nlocal = [\"{local}\"]\nremote = [\"{remote}\"]\n")
        };
        let (a, b) = ("203.0.113.1", "203.0.113.2");
        let gwa = Node::start(lab, "gwa", &connection(a, b, &more("10.1.0.0/16", "10.2.0.0/16")))?;
        let _gwb = Node::start(lab, "gwb", &connection(b, a, &more("10.2.0.0/16", "10.1.0.0/16")))?;
        ping(lab, "ha", "10.2.0.10")?;
        soak(lab, "ha", "10.2.0.10", gwa.process())?;
        let pair = gwa.pair(&[])?;
        if pair.pair < 4 { Err(format!("too few rekeyings: pair {}", pair.pair)) } else { Ok(()) }
    })
}

/// What a computer lacks, a node says before it starts, with exit code 3, and leaves nothing behind.
fn refusals() -> Outcome {
    explained(gateways()?, |lab| {
        let (_gwa, _gwb) = tunnel_ends(lab, "aes128-sha1")?;
        let me = myself()?;
        let key = "[[connection]]\nname = \"a\"\nkey = \"k\"\nremote = [\"192.0.2.0/24\"]\n";
        let control = format!("machine.control = \"{}\"\n", lab.path("second.control").display());
        let taken = format!("machine.control = \"{}\"\n", lab.path("gwa.control").display());
        let outside = "machine.outside = [\"out0\"]\n";
        let elsewhere = "machine.outside = [\"wlan7\"]\n";
        for (space, user, lines, why) in [
            ("gwa", "root", format!("{outside}{control}"), "UDP port 0.0.0.0:500: Address already in use"),
            ("gwa", "root", format!("{outside}{taken}"), "another node answers there"),
            ("ha", "root", format!("{elsewhere}{control}"), "interface `wlan7`: it does not exist"),
            ("gwb", "nobody", "machine.outside = [\"out0\"]\nmachine.control = \"\"\n".to_owned(), "CAP_NET"),
        ] {
            let file = lab.write("second.toml", &(lines + key))?.display().to_string();
            let words = ["setpriv", "--reuid", user, "--clear-groups", &me, "--node", &file];
            match lab.run(space, &words) {
                Err(message) if message.contains(why) => {}
                other => return Err(format!("expected `{why}`, got {other:?}")),
            }
        }
        ping(lab, "ha", "10.2.0.10")
    })
}

/// What is left is CAP_NET_ADMIN (12), and no way to get more; a new policy is put in force with that.
fn privileges() -> Outcome {
    explained(gateways()?, |lab| {
        let (gwa, _gwb) = tunnel_ends(lab, "aes128-sha1")?;
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", gwa.process())).map_err(|e| e.to_string())?;
        for line in ["CapEff:\t0000000000001000", "CapPrm:\t0000000000001000", "NoNewPrivs:\t1"] {
            if !status.contains(line) {
                return Err(format!("no `{line}` in {status}"));
            }
        }
        gwa.order(&Request::Reload)?;
        ping(lab, "ha", "10.2.0.10")
    })
}

/// A run with traffic, a rekeying, a reload and an end is repeated output by output; and an altered one is not.
fn recorded() -> Outcome {
    explained(gateways()?, |lab| {
        lab.write("gwa.record", "")?;
        let (gwa, _gwb) = tunnel_ends(lab, "3des-md5")?;
        ping(lab, "ha", "10.2.0.10")?;
        tcp(lab, "ha", "hb", ([10, 2, 0, 10], 6001).into(), 1 << 20)?;
        let first = gwa.pair(&[])?;
        gwa.order(&Request::Rekey { pair: first.pair })?;
        gwa.pair(&[first.pair])?;
        gwa.order(&Request::Reload)?;
        ping(lab, "hb", "10.1.0.10")?;
        gwa.stop(lab)?;
        let (run, secrets) = (lab.path("gwa.rec"), lab.path("gwa.secrets"));
        let verdict = replay(&run, &secrets)?;
        if !verdict.held() || verdict.outputs < 1_000 {
            return Err(format!("not repeated: {verdict:?}"));
        }
        let text = std::fs::read_to_string(&run).map_err(|e| e.to_string())?;
        if text.contains("between ourselves") {
            return Err("the key is in the recording".to_owned());
        }
        // What a node had written when it was killed is repeated as far as it goes.
        let cut = lab.write("cut.rec", text.get(..text.len() * 2 / 3).unwrap_or_default())?;
        let part = replay(&cut, &secrets)?;
        if !part.held() || part.outputs * 2 < verdict.outputs {
            return Err(format!("the part is not repeated: {part:?}"));
        }
        // One octet of one packet, in hexadecimal, and the run is another.
        let place = text.rfind("\"inbound\"").and_then(|at| text.get(at..)?.find("45").map(|more| at + more));
        let mut altered = text.clone().into_bytes();
        let digit = &mut altered[place.ok_or("no packet arrived")? + 41];
        *digit = if *digit == b'0' { b'1' } else { b'0' };
        let altered = lab.write("altered.rec", &String::from_utf8_lossy(&altered))?;
        let verdict = replay(&altered, &secrets)?;
        if verdict.held() {
            return Err("an altered run is repeated as well".to_owned());
        }
        match replay(&run, &lab.path("nothing")) {
            Err(why) if why.contains("without its secrets") => Ok(()),
            other => Err(format!("without secrets: {other:?}")),
        }
    })
}

/// The ring of captures, with the keys that were asked for: tshark decrypts all of it, and finds every ICV right.
fn captures() -> Outcome {
    explained(gateways()?, |lab| {
        lab.write("gwa.log-keys", "")?;
        let ring = format!("machine.capture.path = \"{}\"\n", lab.path("node.pcapng").display());
        let (a, b) = ("203.0.113.1", "203.0.113.2");
        let more = |local, remote| {
            format!("suites = [\"3des-sha1\"]\nlocal = [\"{local}\"]\nremote = [\"{remote}\"]\n")
        };
        let gwa = Node::start(lab, "gwa", &(ring + &connection(a, b, &more("10.1.0.0/16", "10.2.0.0/16"))))?;
        let _gwb = Node::start(lab, "gwb", &connection(b, a, &more("10.2.0.0/16", "10.1.0.0/16")))?;
        ping(lab, "ha", "10.2.0.10")?;
        gwa.stop(lab)?;
        let (file, keys) = (lab.path("node.0.pcapng"), lab.path("gwa.keys"));
        for path in [&file, &keys] {
            let mode = std::fs::metadata(path).map_err(|e| e.to_string())?.permissions();
            if std::os::unix::fs::PermissionsExt::mode(&mode) & 0o077 != 0 {
                return Err(format!("others may read {}", path.display()));
            }
        }
        let (file, keys) = (file.display().to_string(), format!("WIRESHARK_CONFIG_DIR={}", keys.display()));
        let count = |filter: &str| {
            let words =
                ["env", &keys, "tshark", "-r", &file, "-Y", filter, "-T", "fields", "-e", "frame.number"];
            lab.run("ha", &words).map(|text| text.lines().count())
        };
        let (sealed, opened) = (count("esp")?, count("esp && icmp && esp.icv_good == 1")?);
        let (isakmp, quick) = (count("isakmp")?, count("isakmp.exchangetype == 32 && isakmp.hash")?);
        if sealed == 0 || sealed != opened || quick != 3 {
            return Err(format!(
                "ESP: {opened} of {sealed} opened; ISAKMP: {isakmp}, {quick} quick modes decrypted"
            ));
        }
        // The clear side is in the same file, as an interface of its own.
        match count("frame.interface_name == \"protected\" && icmp")? {
            clear if clear == sealed => Ok(()),
            clear => Err(format!("{sealed} sealed packets and {clear} in clear")),
        }
    })
}

/// One end is killed and comes back; the other, which alone has something to say, notices and begins anew.
fn crash() -> Outcome {
    explained(gateways()?, |lab| {
        let more = |local, remote| format!("local = [\"{local}\"]\nremote = [\"{remote}\"]\n");
        let (a, b) = ("203.0.113.1", "203.0.113.2");
        let ask = "ike.dead-peer-seconds = 2\n";
        let policy = |text: String| format!("{ask}{text}");
        let gwa = Node::start(lab, "gwa", &policy(connection(a, b, &more("10.1.0.0/16", "10.2.0.0/16"))))?;
        let gwb = Node::start(lab, "gwb", &policy(connection(b, a, &more("10.2.0.0/16", "10.1.0.0/16"))))?;
        ping(lab, "ha", "10.2.0.10")?;
        let old = gwb.pair(&[])?;
        gwa.kill(lab)?;
        let wire = Wire::tap(lab, "gwb", "out0")?;
        let _gwa = Node::again(lab, "gwa")?;
        ping(lab, "hb", "10.1.0.10")?;
        let new = gwb.sas()?.pairs;
        if new.iter().any(|p| p.pair == old.pair) {
            return Err("the old pair is still there".to_owned());
        }
        wire.end(lab)?.lacks("icmp.type in {0, 8} || ip.addr == 10.0.0.0/8")
    })
}
