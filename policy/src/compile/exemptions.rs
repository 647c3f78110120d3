//! Entries before and after the filters: what no filter touches, and the permit at the end.

use core::net::{IpAddr, Ipv4Addr};

use ipsec_core::selector::{AddressRange, PortRange, Prefix, Selector};
use ipsec_core::spd::{Action, Direction, EntryId, SpdEntry};

use super::LocalAddresses;
use crate::exempt::Exemption;

const TCP: u8 = 6;
const UDP: u8 = 17;
const RSVP: u8 = 46;
/// 224.0.0.0 to 239.255.255.255 (KB 253169).
const MULTICAST: AddressRange = AddressRange {
    start: IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)),
    end: IpAddr::V4(Ipv4Addr::new(239, 255, 255, 255)),
};

/// The exemptions in force, IKE's own ports first.
pub(super) fn entries(local: &LocalAddresses) -> Vec<SpdEntry> {
    let mut entries = Vec::new();
    for exemption in local.exempt.exemptions() {
        push(&mut entries, *exemption, local, false);
    }
    // TechNet cc756041, where that reading is chosen.
    if local.inbound_groups && !local.exempt.exemptions().contains(&Exemption::Multicast) {
        push(&mut entries, Exemption::Multicast, local, true);
        push(&mut entries, Exemption::Broadcast, local, true);
    }
    entries
}

/// Windows ends in permit, RFC 4301 section 5 in discard.
pub(super) fn default_permit() -> SpdEntry {
    bypass("default permit", Selector::any(), Direction::Both)
}

fn bypass(name: &str, selector: Selector, direction: Direction) -> SpdEntry {
    let action = Action::Bypass;
    SpdEntry { id: EntryId(0), name: name.to_owned(), selector, direction, connection: None, action }
}

fn push(entries: &mut Vec<SpdEntry>, exemption: Exemption, local: &LocalAddresses, inbound_only: bool) {
    let name = format!("exempt: {exemption}");
    match exemption {
        Exemption::Isakmp => {
            // Only our own IKE: that of computers behind a gateway is traffic like any other.
            let own: Vec<AddressRange> = local.all().map(|p| AddressRange::single(p.address)).collect();
            for port in [500, 4500] {
                let mut selector = Selector::any();
                if !own.is_empty() {
                    selector.local.clone_from(&own);
                }
                selector.protocol = Some(UDP);
                selector.local_ports = PortRange::single(port);
                entries.push(bypass(&name, selector, Direction::Both));
            }
        }
        Exemption::Multicast => to(entries, &name, vec![MULTICAST], inbound_only),
        Exemption::Broadcast => to(entries, &name, broadcasts(local), inbound_only),
        Exemption::Rsvp => {
            entries.push(bypass(
                &name,
                Selector { protocol: Some(RSVP), ..Selector::any() },
                Direction::Both,
            ));
        }
        Exemption::Kerberos => {
            for protocol in [TCP, UDP] {
                let any = Selector { protocol: Some(protocol), ..Selector::any() };
                let port = PortRange::single(88);
                entries.push(bypass(&name, Selector { remote_ports: port, ..any.clone() }, Direction::Both));
                entries.push(bypass(&name, Selector { local_ports: port, ..any }, Direction::Both));
            }
        }
    }
}

/// Packets to these destinations: the far side going out, the near side coming in.
fn to(entries: &mut Vec<SpdEntry>, name: &str, destinations: Vec<AddressRange>, inbound_only: bool) {
    let any = || vec![AddressRange::ANY_V4];
    if !inbound_only {
        let selector = Selector { local: any(), remote: destinations.clone(), ..Selector::any() };
        entries.push(bypass(name, selector, Direction::Outbound));
    }
    let selector = Selector { local: destinations, remote: any(), ..Selector::any() };
    entries.push(bypass(name, selector, Direction::Inbound));
}

/// The limited broadcast and that of each local subnet (/31 and /32 have none).
fn broadcasts(local: &LocalAddresses) -> Vec<AddressRange> {
    let subnets = local.all().filter(|p| p.address.is_ipv4() && p.len < 31);
    let directed = subnets.map(|p: &Prefix| AddressRange::single(AddressRange::from(*p).end));
    let mut all = vec![AddressRange::single(Ipv4Addr::BROADCAST.into())];
    for range in directed {
        if !all.contains(&range) {
            all.push(range);
        }
    }
    all
}
