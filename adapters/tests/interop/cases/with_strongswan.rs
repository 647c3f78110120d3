//! strongSwan at the other end of a tunnel between subnets, as in KB 816514.

use ipsec_adapters::control::Request;

use super::{Case, Named, explained};
use crate::lab::{Lab, Outcome, until};
use crate::node::Node;
use crate::strongswan::{Connection, StrongSwan};
use crate::topology::{gateways, gateways_behind_nat};
use crate::traffic::{ping, settle, soak, tcp};
use crate::wire::Wire;

/// Megabytes as the cases count them.
const MEGABYTE: u64 = 1 << 20;

/// Who stands where.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Nat {
    None,
    /// We are gateway A, behind the translator.
    Us,
    /// strongSwan is.
    Them,
}

/// One tunnel.
#[derive(Clone, Copy)]
pub(super) struct Tunnel {
    pub(super) ike: &'static str,
    pub(super) esp: &'static str,
    pub(super) pfs: Option<&'static str>,
    pub(super) aggressive: bool,
    pub(super) we_begin: bool,
    pub(super) nat: Nat,
    /// Lines of our connection.
    pub(super) our_lines: &'static str,
    /// Lines of our `[ike]`.
    pub(super) ike_lines: &'static str,
    /// Lines of strongSwan's connection, and of its child.
    pub(super) theirs: (&'static str, &'static str),
    /// What strongSwan proposes, if not the same as we.
    pub(super) they_propose: Option<(&'static str, &'static str)>,
    pub(super) octets: u64,
}

/// The parameters of KB 816514.
pub(super) const KB: Tunnel = Tunnel {
    ike: "3des-md5-modp1024",
    esp: "des-md5",
    pfs: None,
    aggressive: false,
    we_begin: true,
    nat: Nat::None,
    our_lines: "",
    ike_lines: "",
    theirs: ("", ""),
    they_propose: None,
    octets: 5 * MEGABYTE,
};

type Name = &'static str;

const KEY: &str = "-actual key-";

/// Both ends of a tunnel, at work.
pub(super) struct Ends {
    pub(super) node: Node,
    pub(super) strongswan: StrongSwan,
    /// Hosts behind us and behind them, with their addresses.
    pub(super) us: (&'static str, &'static str),
    pub(super) them: (&'static str, &'static str),
}

impl Tunnel {
    pub(super) fn lab(self) -> Result<Lab, String> {
        if self.nat == Nat::None { gateways() } else { gateways_behind_nat() }
    }

    /// What strongSwan is told: addresses, identities and networks, its own first.
    fn theirs(self, local: Name, remote: Name, ids: (Name, Name), nets: (Name, Name)) -> Connection {
        let (proposals, esp) = self.they_propose.unwrap_or((self.ike, self.esp));
        Connection {
            local,
            remote,
            local_id: ids.0,
            remote_id: ids.1,
            local_net: nets.0,
            remote_net: nets.1,
            proposals: proposals.to_owned(),
            esp: self.pfs.map_or_else(|| esp.to_owned(), |group| format!("{esp}-{group}")),
            aggressive: self.aggressive,
            key: KEY,
            more: self.theirs.0.to_owned(),
            more_child: self.theirs.1.to_owned(),
        }
    }

    pub(super) fn start(self, lab: &mut Lab) -> Result<Ends, String> {
        let a = if self.nat == Nat::None { "203.0.113.1" } else { "192.168.77.2" };
        let (public_a, b) = ("203.0.113.1", "203.0.113.2");
        let (net_a, net_b) = ("10.1.0.0/16", "10.2.0.0/16");
        let (ha, hb) = (("ha", "10.1.0.10"), ("hb", "10.2.0.10"));
        let we_are_a = self.nat != Nat::Them;
        let (space, local, remote, remote_id, nets, theirs) = match we_are_a {
            true => ("gwa", a, b, b, (net_a, net_b), self.theirs(b, public_a, (b, a), (net_b, net_a))),
            false => ("gwb", b, public_a, a, (net_b, net_a), self.theirs(a, b, (a, b), (net_a, net_b))),
        };
        let pfs = self.pfs.map_or(String::new(), |group| format!("pfs = \"{group}\"\n"));
        let policy = format!(
            "[ike]\n{}[[connection]]\nname = \"net\"\nlocal-address = \"{local}\"\nremote-address = \"{remote}\"\n\
             remote-id = \"{remote_id}\"\nlocal = [\"{}\"]\nremote = [\"{}\"]\nproposals = [\"{}\"]\n\
             suites = [\"{}\"]\naggressive = {}\nkey = \"{KEY}\"\n{pfs}{}",
            self.ike_lines, nets.0, nets.1, self.ike, self.esp, self.aggressive, self.our_lines
        );
        let node = Node::start(lab, space, &policy)?;
        let other = if we_are_a { "gwb" } else { "gwa" };
        let strongswan = StrongSwan::start(lab, other, &theirs)?;
        let (us, them) = if we_are_a { (ha, hb) } else { (hb, ha) };
        Ok(Ends { node, strongswan, us, them })
    }

    /// Brings the tunnel up, sends traffic both ways, and looks at the wire.
    fn run(self) -> Outcome {
        explained(self.lab()?, |lab| {
            let ends = self.start(lab)?;
            let wire = Wire::tap(lab, "gwb", "out0")?;
            if !self.we_begin {
                ends.strongswan.initiate(lab)?;
            }
            ping(lab, ends.us.0, ends.them.1)?;
            ping(lab, ends.them.0, ends.us.1)?;
            tcp(
                lab,
                ends.us.0,
                ends.them.0,
                format!("{}:6001", ends.them.1).parse().map_err(text)?,
                self.octets,
            )?;
            tcp(
                lab,
                ends.them.0,
                ends.us.0,
                format!("{}:6002", ends.us.1).parse().map_err(text)?,
                self.octets,
            )?;
            let sas = ends.node.sas()?;
            let ours = sas.isakmp.first().ok_or("no ISAKMP SA")?;
            let exchange = if self.aggressive { "aggressive mode" } else { "main mode" };
            if (ours.initiator, ours.exchange.as_str()) != (self.we_begin, exchange) {
                return Err(format!("other roles than expected: {ours:?}"));
            }
            let capture = wire.end(lab)?;
            capture.has("isakmp")?;
            capture.has("esp")?;
            capture.lacks("icmp || ip.addr == 10.0.0.0/8")
        })
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

pub(crate) fn all() -> Vec<(String, Case)> {
    let big = 100 * MEGABYTE;
    let tunnels = [
        ("kb816514_parameters", KB),
        ("kb816514_parameters_they_begin", Tunnel { we_begin: false, ..KB }),
        ("modp768_des_md5", Tunnel { ike: "des-md5-modp768", ..KB }),
        ("modp1536_3des_sha1", Tunnel { ike: "3des-sha1-modp1536", esp: "3des-sha1", ..KB }),
        (
            "modp2048_aes128_sha1",
            Tunnel { ike: "aes128-sha1-modp2048", esp: "aes128-sha1", octets: big, ..KB },
        ),
        (
            "modp2048_aes256_sha256_they_begin",
            Tunnel {
                ike: "aes256-sha256-modp2048",
                esp: "aes256-sha256",
                we_begin: false,
                octets: big,
                ..KB
            },
        ),
        ("aes192_sha384_ike", Tunnel { ike: "aes192-sha384-modp1536", esp: "aes192-sha1", ..KB }),
        (
            "aes128_sha512_ike_they_begin",
            Tunnel { ike: "aes128-sha512-modp2048", esp: "aes128-md5", we_begin: false, ..KB },
        ),
        ("3des_md5", Tunnel { esp: "3des-md5", ..KB }),
        ("des_sha1_they_begin", Tunnel { ike: "des-sha1-modp1024", esp: "des-sha1", we_begin: false, ..KB }),
        ("null_sha1", Tunnel { esp: "null-sha1", ..KB }),
        ("3des_sha256", Tunnel { ike: "3des-sha256-modp1024", esp: "3des-sha256", ..KB }),
        ("aggressive_mode", Tunnel { aggressive: true, ..KB }),
        ("aggressive_mode_they_begin", Tunnel { aggressive: true, we_begin: false, ..KB }),
        ("pfs", Tunnel { pfs: Some("modp1024"), ..KB }),
        ("pfs_other_group_they_begin", Tunnel { pfs: Some("modp2048"), we_begin: false, ..KB }),
        (
            "their_defaults",
            Tunnel {
                ike: "aes128-sha256-modp2048",
                esp: "aes128-sha1",
                they_propose: Some(("default", "default")),
                ..KB
            },
        ),
        (
            "many_proposals_they_begin",
            Tunnel {
                they_propose: Some((
                    "aes256-sha512-modp2048,aes192-sha384-modp1536,3des-sha1-modp2048,3des-md5-modp1024",
                    "aes256-sha256,aes128-sha1,3des-sha1,des-md5",
                )),
                we_begin: false,
                ..KB
            },
        ),
        ("they_ask_whether_we_live", Tunnel { theirs: ("dpd_delay = 1s", "dpd_action = restart"), ..KB }),
        ("nat_before_us", Tunnel { nat: Nat::Us, ..KB }),
        ("nat_before_them", Tunnel { nat: Nat::Them, we_begin: false, ..KB }),
        ("nat_before_us_aggressive", Tunnel { nat: Nat::Us, aggressive: true, ..KB }),
    ];
    let mut cases: Vec<(String, Case)> = Vec::new();
    for (name, tunnel) in tunnels {
        cases.push((format!("strongswan_{name}"), Box::new(move || tunnel.run())));
    }
    let others: [Named; 18] = [
        ("they_choose_a_part", they_choose_a_part),
        ("identities_are_host_names", || identities(false, "a.example", "b.example")),
        ("identities_are_key_ids", || identities(true, "keyid:gate-a", "keyid:gate-b")),
        ("phase_1_renewed_by_us", phase_1_renewed_by_us),
        ("we_are_killed_and_only_they_speak", killed_and_silent),
        ("rekeying_by_them_loses_nothing", rekeying_by_them),
        ("rekeying_by_us_loses_nothing", rekeying_by_us),
        ("ike_scan_disturbs_nothing", ike_scan),
        ("transport_mode_is_negotiated", transport_mode),
        ("kb816514_netsh_script", netsh_script),
        ("dead_peer_is_noticed", dead_peer),
        ("phase_2_rekeyed_by_us", rekeyed_by_us),
        ("phase_2_rekeyed_by_them", rekeyed_by_them),
        ("phase_1_rekeyed_by_them", phase_1_rekeyed_by_them),
        ("deleted_by_us", deleted_by_us),
        ("deleted_by_them", deleted_by_them),
        ("we_are_killed_and_come_back", killed),
        ("they_are_killed_and_come_back", they_are_killed),
    ];
    for (name, case) in others {
        cases.push((format!("strongswan_{name}"), Box::new(case)));
    }
    cases
}

/// The tunnel of KB 816514, up.
fn up(lab: &mut Lab) -> Result<Ends, String> {
    let ends = KB.start(lab)?;
    ping(lab, ends.us.0, ends.them.1)?;
    Ok(ends)
}

fn rekeyed_by_us() -> Outcome {
    explained(KB.lab()?, |lab| {
        let ends = up(lab)?;
        let first = ends.node.pair(&[])?;
        ends.node.order(&Request::Rekey { pair: first.pair })?;
        let second = ends.node.pair(&[first.pair])?;
        ping(lab, ends.us.0, ends.them.1)?;
        until("the new pair carries traffic both ways", || {
            let pair = ends.node.sas().ok()?.pairs.into_iter().find(|p| p.pair == second.pair)?;
            (pair.inbound[0].packets > 0 && pair.outbound[0].packets > 0).then_some(())
        })
    })
}

fn rekeyed_by_them() -> Outcome {
    explained(KB.lab()?, |lab| {
        let ends = up(lab)?;
        let first = ends.node.pair(&[])?;
        ends.strongswan.swanctl(lab, &["--rekey", "--child", "t"])?;
        let second = ends.node.pair(&[first.pair])?;
        ping(lab, ends.us.0, ends.them.1)?;
        until("the new pair carries traffic", || {
            let pair = ends.node.sas().ok()?.pairs.into_iter().find(|p| p.pair == second.pair)?;
            (pair.inbound[0].packets > 0 && pair.outbound[0].packets > 0).then_some(())
        })
    })
}

fn phase_1_rekeyed_by_them() -> Outcome {
    explained(KB.lab()?, |lab| {
        let ends = up(lab)?;
        let old = ends.node.sas()?.isakmp.first().map(|sa| sa.cky_i.clone()).ok_or("no ISAKMP SA")?;
        ends.strongswan.swanctl(lab, &["--rekey", "--ike", "net"])?;
        until("a new ISAKMP SA", || ends.node.sas().ok()?.isakmp.into_iter().find(|sa| sa.cky_i != old))?;
        ping(lab, ends.us.0, ends.them.1)?;
        ping(lab, ends.them.0, ends.us.1)?;
        // The new one serves: a pair comes out of it.
        let first = ends.node.pair(&[])?;
        ends.node.order(&Request::Rekey { pair: first.pair })?;
        ends.node.pair(&[first.pair])?;
        ping(lab, ends.us.0, ends.them.1)
    })
}

/// Their policy is about less than ours: they choose that part, and what is left out goes nowhere, without end.
fn they_choose_a_part() -> Outcome {
    explained(KB.lab()?, |lab| {
        let policy = "[[connection]]\nname = \"net\"\nlocal-address = \"203.0.113.1\"\nremote-address = \"203.0.113.2\"\n\
                      local = [\"10.1.0.0/16\"]\nremote = [\"10.2.0.0/16\"]\nproposals = [\"3des-md5-modp1024\"]\n\
                      suites = [\"des-md5\"]\nkey = \"-actual key-\"\n";
        let node = Node::start(lab, "gwa", policy)?;
        let (a, b) = ("203.0.113.1", "203.0.113.2");
        let theirs = KB.theirs(b, a, (b, a), ("10.2.0.0/24", "10.1.0.0/24"));
        let _strongswan = StrongSwan::start(lab, "gwb", &theirs)?;
        ping(lab, "ha", "10.2.0.10")?;
        let first = node.pair(&[])?;
        if first.selector != "10.1.0.0/24 -> 10.2.0.0/24" {
            return Err(format!("another part: {}", first.selector));
        }
        if lab.run("ha", &["ping", "-n", "-c", "3", "-i", "0.2", "-W", "1", "10.2.7.7"]).is_ok() {
            return Err("an answer from outside of the part".to_owned());
        }
        let pairs = node.sas()?.pairs;
        if pairs.len() != 1 {
            return Err(format!("the rest was asked for again: {pairs:?}"));
        }
        // Its successor carries the same.
        node.order(&Request::Rekey { pair: first.pair })?;
        let second = node.pair(&[first.pair])?;
        ping(lab, "hb", "10.1.0.10")?;
        if second.selector == first.selector { Ok(()) } else { Err(second.selector) }
    })
}

/// Host names, users and key identifiers instead of addresses, in both exchanges.
fn identities(aggressive: bool, ours: Name, theirs: Name) -> Outcome {
    explained(KB.lab()?, |lab| {
        let policy = format!(
            "[[connection]]\nname = \"net\"\nlocal-address = \"203.0.113.1\"\nremote-address = \"203.0.113.2\"\n\
             local = [\"10.1.0.0/16\"]\nremote = [\"10.2.0.0/16\"]\nproposals = [\"3des-md5-modp1024\"]\n\
             suites = [\"des-md5\"]\nkey = \"{KEY}\"\naggressive = {aggressive}\n\
             local-id = \"{}\"\nremote-id = \"{}\"\n",
            ours.replace("keyid:", "key-id:"),
            theirs.replace("keyid:", "key-id:")
        );
        let _node = Node::start(lab, "gwa", &policy)?;
        let tunnel = Tunnel { aggressive, ..KB };
        let nets = ("10.2.0.0/16", "10.1.0.0/16");
        let theirs = tunnel.theirs("203.0.113.2", "203.0.113.1", (theirs, ours), nets);
        let strongswan = StrongSwan::start(lab, "gwb", &theirs)?;
        ping(lab, "ha", "10.2.0.10")?;
        strongswan.swanctl(lab, &["--terminate", "--ike", "net"])?;
        strongswan.initiate(lab)?;
        ping(lab, "hb", "10.1.0.10")
    })
}

/// A new phase 1 because we want one; quick modes run under it, and no pair is lost with the old one.
fn phase_1_renewed_by_us() -> Outcome {
    explained(KB.lab()?, |lab| {
        let ends = up(lab)?;
        let pair = ends.node.pair(&[])?;
        let old = ends.node.sas()?.isakmp.first().map(|sa| sa.cky_i.clone()).ok_or("no ISAKMP SA")?;
        ends.node.order(&Request::Renew { isakmp: old.clone() })?;
        until("a new ISAKMP SA alone", || {
            let isakmp = ends.node.sas().ok()?.isakmp;
            (isakmp.len() == 1 && isakmp.iter().all(|sa| sa.cky_i != old)).then_some(())
        })?;
        ping(lab, ends.us.0, ends.them.1)?;
        ends.node.order(&Request::Rekey { pair: pair.pair })?;
        ends.node.pair(&[pair.pair])?;
        ping(lab, ends.them.0, ends.us.1)
    })
}

fn deleted_by_us() -> Outcome {
    explained(KB.lab()?, |lab| {
        let ends = up(lab)?;
        let first = ends.node.pair(&[])?;
        let spi = first.outbound[0].spi.trim_start_matches("0x").to_owned();
        ends.node.order(&Request::Delete { pair: first.pair })?;
        until("strongSwan has forgotten it", || {
            let sas = ends.strongswan.swanctl(lab, &["--list-sas"]).ok()?;
            (!sas.contains(&spi)).then_some(())
        })?;
        ping(lab, ends.us.0, ends.them.1)
    })
}

fn deleted_by_them() -> Outcome {
    explained(KB.lab()?, |lab| {
        let ends = up(lab)?;
        ends.strongswan.swanctl(lab, &["--terminate", "--ike", "net"])?;
        until("we have forgotten it", || {
            let sas = ends.node.sas().ok()?;
            (sas.pairs.is_empty() && sas.isakmp.is_empty()).then_some(())
        })?;
        ping(lab, ends.us.0, ends.them.1)
    })
}

/// The kernel guard keeps everything in while the node is away.
fn killed() -> Outcome {
    explained(KB.lab()?, |lab| {
        let ends = up(lab)?;
        let wire = Wire::tap(lab, "gwb", "out0")?;
        ends.node.kill(lab)?;
        let alone = ["ping", "-n", "-c", "3", "-i", "0.2", "-W", "1", ends.them.1];
        if lab.run(ends.us.0, &alone).is_ok() {
            return Err("an answer, without a node".to_owned());
        }
        let _ = lab.run(ends.them.0, &["ping", "-n", "-c", "3", "-i", "0.2", "-W", "1", ends.us.1]);
        let _node = Node::again(lab, "gwa")?;
        ping(lab, ends.us.0, ends.them.1)?;
        let capture = wire.end(lab)?;
        capture.has("esp")?;
        // The kernel may say that nobody listens on port 4500; it quotes nothing but what was sealed.
        capture.lacks("icmp.type in {0, 8} || ip.addr == 10.0.0.0/8")
    })
}

/// INITIAL-CONTACT of the peer that came back ends what it no longer knows.
fn they_are_killed() -> Outcome {
    explained(KB.lab()?, |lab| {
        let ends = up(lab)?;
        let old = ends.node.pair(&[])?;
        ends.strongswan.kill(lab)?;
        settle();
        let again = StrongSwan::again(lab, "gwb")?;
        again.initiate(lab)?;
        ends.node.pair(&[old.pair])?;
        ping(lab, ends.us.0, ends.them.1)?;
        ping(lab, ends.them.0, ends.us.1)
    })
}

/// Our gateway is configured by the article's script, as a Windows Server 2003 that strongSwan takes for one.
fn netsh_script() -> Outcome {
    explained(KB.lab()?, |lab| {
        let script = include_str!("../../../../scenarios/kb816514-neta-netb-tunnel/gwa.netsh");
        lab.write("gwa.netsh", script)?;
        let _node = Node::start(lab, "gwa", "netsh = [\"gwa.netsh\"]\n")?;
        let theirs = KB.theirs("203.0.113.2", "203.0.113.1", ("", ""), ("10.2.0.0/16", "10.1.0.0/16"));
        // Windows Server 2003 proposes 3DES with SHA1 and group 2048 first.
        let theirs = Connection {
            proposals: "3des-sha1-modp2048,3des-sha1-modp1024,3des-md5-modp1024".into(),
            ..theirs
        };
        let strongswan = StrongSwan::start(lab, "gwb", &theirs)?;
        let wire = Wire::tap(lab, "gwb", "out0")?;
        ping(lab, "ha", "10.2.0.10")?;
        ping(lab, "hb", "10.1.0.10")?;
        tcp(lab, "ha", "hb", ([10, 2, 0, 10], 6001).into(), 5 * MEGABYTE)?;
        let sas = strongswan.swanctl(lab, &["--list-sas"])?;
        for wanted in ["DES_CBC", "HMAC_MD5_96", "10.2.0.0/16", "10.1.0.0/16"] {
            if !sas.contains(wanted) {
                return Err(format!("strongSwan has no {wanted}: {sas}"));
            }
        }
        let capture = wire.end(lab)?;
        capture.has("isakmp")?;
        capture.has("esp")?;
        capture.lacks("icmp || ip.addr == 10.0.0.0/8")
    })
}

/// RFC 3706: a peer that says no more is noticed, and the tunnel is made anew when it is back.
fn dead_peer() -> Outcome {
    let tunnel = Tunnel { ike_lines: "dead-peer-seconds = 2\n", ..KB };
    explained(tunnel.lab()?, |lab| {
        let ends = tunnel.start(lab)?;
        ping(lab, ends.us.0, ends.them.1)?;
        ends.strongswan.kill(lab)?;
        until("the peer is held dead", || {
            let _ = lab.run(ends.us.0, &["ping", "-n", "-c", "1", "-W", "1", ends.them.1]);
            ends.node.sas().ok()?.pairs.is_empty().then_some(())
        })?;
        let _again = StrongSwan::again(lab, "gwb")?;
        ping(lab, ends.us.0, ends.them.1)
    })
}

/// They renew their SAs every few seconds, both phases.
fn rekeying_by_them() -> Outcome {
    let tunnel =
        Tunnel { theirs: ("rekey_time = 11s\n over_time = 20s\n", "rekey_time = 6s\n rand_time = 2s"), ..KB };
    rekeying(tunnel)
}

/// We do, both phases.
fn rekeying_by_us() -> Outcome {
    rekeying(Tunnel { our_lines: "seconds = 10\nike-seconds = 15\n", ..KB })
}

fn rekeying(tunnel: Tunnel) -> Outcome {
    explained(tunnel.lab()?, |lab| {
        let ends = tunnel.start(lab)?;
        ping(lab, ends.us.0, ends.them.1)?;
        soak(lab, ends.us.0, ends.them.1, ends.node.process())?;
        let pair = ends.node.pair(&[])?;
        if pair.pair < 4 { Err(format!("too few rekeyings: pair {}", pair.pair)) } else { Ok(()) }
    })
}

/// ike-scan finds a responder, and neither its proposals nor malformed datagrams disturb a running tunnel.
fn ike_scan() -> Outcome {
    explained(KB.lab()?, |lab| {
        let ends = up(lab)?;
        let first = ends.node.pair(&[])?;
        let trans = "--trans=5,1,1,2";
        let found = lab.run("gwb", &["ike-scan", "--sport=0", trans, "203.0.113.1"])?;
        if !found.contains("Main Mode Handshake returned") || !found.contains("Enc=3DES Hash=MD5") {
            return Err(found);
        }
        // Wrong versions, lengths, exchange types and payloads, fast.
        for options in [
            &["--headerver=0x30"][..],
            &["--hdrlen=10"],
            &["--hdrlen=60000"],
            &["--exchange=99"],
            &["--nextpayload=77"],
            &["--aggressive", "--id=nobody", "--dhgroup=2"],
            &["--bandwidth=10M", "--retry=1", "--interval=1"],
        ] {
            let words =
                [&["timeout", "20", "ike-scan", "--sport=0", trans, "--retry=2"], options, &["203.0.113.1"]];
            let _ = lab.run("gwb", &words.concat());
        }
        ping(lab, ends.us.0, ends.them.1)?;
        let now = ends.node.sas()?;
        if now.pairs.iter().all(|p| p.pair != first.pair) || now.isakmp.len() != 1 {
            return Err(format!("the tunnel was disturbed: {now:?}"));
        }
        Ok(())
    })
}

/// strongSwan's user-space ESP carries tunnels only; transport mode is agreed on, and then it cannot install it.
fn transport_mode() -> Outcome {
    explained(KB.lab()?, |lab| {
        let policy = "[[connection]]\nname = \"net\"\nmode = \"transport\"\nlocal-address = \"203.0.113.1\"\n\
                      remote-address = \"203.0.113.2\"\nproposals = [\"3des-md5-modp1024\"]\n\
                      suites = [\"des-md5\"]\nkey = \"-actual key-\"\n";
        let node = Node::start(lab, "gwa", policy)?;
        let (a, b) = ("203.0.113.1", "203.0.113.2");
        let theirs = KB.theirs(b, a, (b, a), ("203.0.113.2/32", "203.0.113.1/32"));
        let _strongswan =
            StrongSwan::start(lab, "gwb", &Connection { more_child: "mode = transport".into(), ..theirs })?;
        node.order(&Request::Initiate { rule: "net".to_owned() })?;
        until("strongSwan has chosen our proposal in transport mode", || {
            let log = std::fs::read_to_string(lab.path("gwb-charon.log")).ok()?;
            (log.contains("parsed QUICK_MODE request")
                && log.contains("selected proposal: ESP:DES_CBC/HMAC_MD5_96"))
            .then_some(())
        })
    })
}

/// After our end they alone have something to say: they notice by RFC 3706 and begin anew.
fn killed_and_silent() -> Outcome {
    let theirs = ("dpd_delay = 1s\n dpd_timeout = 5s", "dpd_action = restart");
    let tunnel = Tunnel { theirs, ..KB };
    explained(tunnel.lab()?, |lab| {
        let ends = tunnel.start(lab)?;
        ping(lab, ends.us.0, ends.them.1)?;
        ends.node.kill(lab)?;
        let wire = Wire::tap(lab, "gwb", "out0")?;
        let node = Node::again(lab, "gwa")?;
        ping(lab, ends.them.0, ends.us.1)?;
        let capture = wire.end(lab)?;
        capture.lacks("icmp.type in {0, 8} || ip.addr == 10.0.0.0/8")?;
        match node.sas()?.isakmp.first() {
            Some(sa) if !sa.initiator => Ok(()),
            other => Err(format!("they should have begun: {other:?}")),
        }
    })
}
