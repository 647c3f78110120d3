//! The networks of the cases.

use crate::lab::Lab;

/// NetA and NetB of KB 816514:
///
/// ```text
/// ha 10.1.0.10 - 10.1.0.1 gwa 203.0.113.1 - 203.0.113.2 gwb 10.2.0.1 - 10.2.0.10 hb
/// ```
pub(crate) fn gateways() -> Result<Lab, String> {
    let lab = Lab::new(&["ha", "gwa", "gwb", "hb"])?;
    let outside: &[&str] = &["203.0.113.1/24", "2001:db8::1/64"];
    lab.link(("gwa", "out0", outside), ("gwb", "out0", &["203.0.113.2/24", "2001:db8::2/64"]))?;
    insides(&lab, "203.0.113.2", "203.0.113.1")?;
    Ok(lab)
}

/// The same with a translator in front of gateway A, which is 192.168.77.2 there and 203.0.113.1 to the world.
pub(crate) fn gateways_behind_nat() -> Result<Lab, String> {
    let lab = Lab::new(&["ha", "gwa", "nat", "gwb", "hb"])?;
    lab.link(("gwa", "out0", &["192.168.77.2/24"]), ("nat", "in0", &["192.168.77.1/24"]))?;
    lab.link(("nat", "out0", &["203.0.113.1/24"]), ("gwb", "out0", &["203.0.113.2/24"]))?;
    forward(&lab, "nat")?;
    let rules = "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; \
                 add rule ip nat post oifname out0 masquerade";
    lab.run("nat", &["nft", rules])?;
    insides(&lab, "192.168.77.1", "203.0.113.1")?;
    lab.run("gwa", &["ip", "route", "add", "203.0.113.0/24", "via", "192.168.77.1"])?;
    Ok(lab)
}

fn insides(lab: &Lab, from_a: &str, from_b: &str) -> Result<(), String> {
    let ha: &[&str] = &["10.1.0.10/16", "fd01::10/64"];
    lab.link(("ha", "e0", ha), ("gwa", "in0", &["10.1.0.1/16", "fd01::1/64"]))?;
    let hb: &[&str] = &["10.2.0.10/16", "fd02::10/64"];
    lab.link(("hb", "e0", hb), ("gwb", "in0", &["10.2.0.1/16", "fd02::1/64"]))?;
    lab.run("ha", &["ip", "-6", "route", "add", "default", "via", "fd01::1"])?;
    lab.run("hb", &["ip", "-6", "route", "add", "default", "via", "fd02::1"])?;
    lab.run("ha", &["ip", "route", "add", "default", "via", "10.1.0.1"])?;
    lab.run("hb", &["ip", "route", "add", "default", "via", "10.2.0.1"])?;
    // As without IPsec: what is not protected would take this way.
    lab.run("gwa", &["ip", "route", "add", "10.2.0.0/16", "via", from_a])?;
    lab.run("gwb", &["ip", "route", "add", "10.1.0.0/16", "via", from_b])?;
    forward(lab, "gwa")?;
    forward(lab, "gwb")
}

fn forward(lab: &Lab, space: &str) -> Result<(), String> {
    lab.run(space, &["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]).map(|_| ())
}

/// Alice and Bob of KB 301284, on one link, with both address families.
pub(crate) fn hosts() -> Result<Lab, String> {
    let lab = Lab::new(&["alice", "bob"])?;
    let alice: &[&str] = &["192.0.2.1/24", "2001:db8::1/64"];
    lab.link(("alice", "out0", alice), ("bob", "out0", &["192.0.2.2/24", "2001:db8::2/64"]))?;
    Ok(lab)
}
