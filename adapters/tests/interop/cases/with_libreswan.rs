//! libreswan for main mode alone: its SAs cannot carry data on a kernel without ESP.
//!
//! Its package conflicts with a part of strongSwan, so CI unpacks it beside, into `target/libreswan`.

use std::path::PathBuf;

use ipsec_adapters::control::Request;

use super::{Case, explained};
use crate::lab::{Outcome, run, until};
use crate::node::Node;
use crate::topology::gateways;

pub(crate) fn all() -> Vec<(String, Case)> {
    vec![
        ("libreswan_main_mode".to_owned(), Box::new(|| main_mode(true))),
        ("libreswan_main_mode_they_begin".to_owned(), Box::new(|| main_mode(false))),
    ]
}

fn programs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/libreswan/usr/libexec/ipsec")
}

/// Why these cases cannot run.
pub(crate) fn missing() -> Option<String> {
    if !programs().join("pluto").exists() {
        return Some(
            "libreswan is not unpacked in target/libreswan (`.ci/run packages` does that)".to_owned(),
        );
    }
    run(&["sh", "-c", "command -v certutil"])
        .is_err()
        .then(|| "program `certutil` is not installed".to_owned())
}

fn main_mode(we_begin: bool) -> Outcome {
    explained(gateways()?, |lab| {
        let folder = lab.path("libreswan").display().to_string();
        std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        run(&["certutil", "-N", "-d", &format!("sql:{folder}"), "--empty-password"])?;
        let config = format!(
            "config setup\n    ikev1-policy=accept\n    nssdir={folder}\nconn net\n    ikev2=no\n    left=203.0.113.2\n    \
             right=203.0.113.1\n    leftsubnet=10.2.0.0/16\n    rightsubnet=10.1.0.0/16\n    authby=secret\n    \
             ike=3des-sha1;modp1536\n    esp=aes128-sha1\n    pfs=no\n    auto=add\n"
        );
        let config = lab.write("ipsec.conf", &config)?.display().to_string();
        let secrets = lab.write("ipsec.secrets", "203.0.113.2 203.0.113.1 : PSK \"between ourselves\"\n")?;
        let policy = super::between_ourselves::connection(
            "203.0.113.1",
            "203.0.113.2",
            "local = [\"10.1.0.0/16\"]\nremote = [\"10.2.0.0/16\"]\nsuites = [\"aes128-sha1\"]\n",
        );
        let node = Node::start(lab, "gwa", &policy.replace("3des-sha1-modp1024", "3des-sha1-modp1536"))?;
        let program = |name: &str| programs().join(name).display().to_string();
        // It starts helpers by their full names.
        let script = format!(
            "mount -t tmpfs none /run; mkdir -p /run/pluto; mount -t tmpfs none /usr/libexec; \
             mkdir /usr/libexec/ipsec; mount --bind {} /usr/libexec/ipsec; exec {} --nofork --config {config} --secretsfile {} \
             --nssdir {folder} --logfile {folder}/../pluto.log",
            programs().display(),
            program("pluto"),
            secrets.display()
        );
        let process = lab.start("gwb", "pluto-out.log", &["unshare", "-m", "sh", "-c", &script])?.to_string();
        let (whack, addconn) = (program("whack"), program("addconn"));
        let inside = ["timeout", "20", "nsenter", "-m", "-t", &process];
        until("pluto listens", || lab.run("gwb", &[&inside[..], &[&whack, "--listen"]].concat()).ok())?;
        // It answers with numbers of messages, which the shell takes for failures.
        let _ = lab.run("gwb", &[&inside[..], &[&addconn, "--config", &config, "--addall"]].concat());
        if we_begin {
            node.order(&Request::Initiate { rule: "net".to_owned() })?;
        } else {
            let _ = lab.run(
                "gwb",
                &[&inside[..], &[&whack, "--asynchronous", "--initiate", "--name", "net"]].concat(),
            );
        }
        until("both have an ISAKMP SA", || {
            let ours = node.sas().ok()?.isakmp.into_iter().next()?;
            let theirs = std::fs::read_to_string(lab.path("pluto.log")).ok()?;
            (ours.initiator == we_begin && theirs.contains("IKE SA established")).then_some(())
        })
    })
}
