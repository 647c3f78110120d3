//! What the IPsec driver does before the Policy Agent has given it a policy: permit, block, stateful.
//!
//! The driver is loaded long before the service runs, and the network is up in between. TechNet cc783039 and
//! the event texts 4292 to 4297 say what it does meanwhile:
//!
//! | start-up mode | out | in |
//! |---|---|---|
//! | permit | all | all |
//! | block | DHCP, boot exemptions | DHCP, boot exemptions |
//! | stateful | all | what answers that, DHCP, boot exemptions |
//!
//! "TCP/IP traffic" is taken to be that of both families, for no source says that IPv6 is left out.
//!
//! IKE is part of the service, so in none of them anything is negotiated or unsealed.

use core::fmt;

use ipsec_core::selector::{PortRange, Selector};
use ipsec_core::spd::{Action, Direction, EntryId, Spd, SpdEntry};
use ipsec_policy::Profile;
use ipsec_policy::dynamic::{BootExemption, Config};

use crate::policy_agent::StartupType;

const UDP: u8 = 17;
/// Ports of DHCP: client, server (RFC 2131 section 4.1).
const DHCP: (u16, u16) = (68, 67);

/// A mode of the IPsec driver (TechNet cc783039, cc738367).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DriverMode {
    /// No packet is processed: there is no IPsec.
    Permit,
    /// Nothing passes but the boot exemptions and DHCP.
    Block,
    /// What the computer starts passes, with its replies, the boot exemptions and DHCP.
    Stateful,
    /// Policy is in force, which may be none.
    Secure,
}

impl DriverMode {
    /// The mode in which the driver starts, as it was left in the registry: what `bootmode` says, else
    /// stateful "when any policy is assigned". A service that does not start by itself would never end it, so
    /// there it is permit.
    ///
    /// That a typed `bootmode` counts before an assigned policy is our reading.
    #[must_use]
    pub fn at_start_up(
        release: &Profile,
        startup: StartupType,
        config: &Config,
        policy_assigned: bool,
    ) -> Self {
        if !release.start_up_modes.value || startup != StartupType::Automatic {
            return DriverMode::Permit;
        }
        match (config.boot_mode, policy_assigned) {
            (Some("block"), _) => DriverMode::Block,
            (Some("stateful"), _) | (None, true) => DriverMode::Stateful,
            _ => DriverMode::Permit,
        }
    }

    /// What the driver does by itself in this mode. In secure mode that is nothing: policy comes from elsewhere.
    #[must_use]
    pub fn spd(self, exemptions: &[BootExemption]) -> Spd {
        let mut entries = Vec::new();
        if matches!(self, DriverMode::Block | DriverMode::Stateful) {
            let (client, server) = DHCP;
            let pass = |inbound, source_port, destination_port| BootExemption {
                protocol: UDP,
                source_port,
                destination_port,
                inbound,
            };
            entries.push(exempt("boot: DHCP", &pass(false, client, server)));
            entries.push(exempt("boot: DHCP", &pass(true, server, client)));
            entries.extend(exemptions.iter().map(|e| exempt(&format!("boot: {e}"), e)));
        }
        let (name, action) = match self {
            DriverMode::Permit | DriverMode::Secure => ("boot: permit", Action::Bypass),
            DriverMode::Block => ("boot: block", Action::Discard),
            DriverMode::Stateful => ("boot: stateful", Action::Stateful),
        };
        entries.push(entry(name, Selector::any(), Direction::Both, action));
        for (number, entry) in (0..).zip(&mut entries) {
            entry.id = EntryId(number);
        }
        Spd::new(entries)
    }
}

fn exempt(name: &str, exemption: &BootExemption) -> SpdEntry {
    let port = |port: u16| if port == 0 { PortRange::ANY } else { PortRange::single(port) };
    let (source, destination) = (port(exemption.source_port), port(exemption.destination_port));
    let (direction, (local_ports, remote_ports)) = match exemption.inbound {
        true => (Direction::Inbound, (destination, source)),
        false => (Direction::Outbound, (source, destination)),
    };
    let selector =
        Selector { protocol: Some(exemption.protocol), local_ports, remote_ports, ..Selector::any() };
    entry(name, selector, direction, Action::Bypass)
}

fn entry(name: &str, selector: Selector, direction: Direction, action: Action) -> SpdEntry {
    SpdEntry { id: EntryId(0), name: name.to_owned(), selector, direction, connection: None, action }
}

impl fmt::Display for DriverMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DriverMode::Permit => "permit",
            DriverMode::Block => "block",
            DriverMode::Stateful => "stateful",
            DriverMode::Secure => "secure",
        })
    }
}

#[cfg(test)]
mod tests {
    use ipsec_policy::profile::{WINDOWS_2000, WINDOWS_2003, WINDOWS_XP_SP2};

    use super::*;

    /// TechNet cc783039 and KB 818043, row by row.
    #[test]
    fn the_mode_follows_from_the_service_and_the_policy() {
        use StartupType::{Automatic, Disabled, Manual};
        let mode = |release, startup, boot_mode, assigned| {
            let config = Config { boot_mode, ..Config::default() };
            DriverMode::at_start_up(release, startup, &config, assigned)
        };
        let rows = [
            (&WINDOWS_2003, Automatic, None, true, DriverMode::Stateful),
            (&WINDOWS_2003, Automatic, None, false, DriverMode::Permit),
            (&WINDOWS_2003, Manual, None, true, DriverMode::Permit),
            (&WINDOWS_2003, Disabled, None, true, DriverMode::Permit),
            (&WINDOWS_2003, Disabled, Some("block"), true, DriverMode::Permit),
            (&WINDOWS_2003, Automatic, Some("block"), false, DriverMode::Block),
            (&WINDOWS_2003, Automatic, Some("stateful"), false, DriverMode::Stateful),
            (&WINDOWS_2003, Automatic, Some("permit"), true, DriverMode::Permit),
            (&WINDOWS_2000, Automatic, None, true, DriverMode::Permit),
            (&WINDOWS_XP_SP2, Automatic, None, true, DriverMode::Permit),
        ];
        for (release, startup, boot_mode, assigned, expected) in rows {
            let found = mode(release, startup, boot_mode, assigned);
            assert_eq!(found, expected, "{release}, {startup}, {boot_mode:?}, {assigned}");
        }
    }

    #[test]
    fn exemptions_are_about_one_direction() {
        use ipsec_core::interface::ConnectionKind::Lan;
        use ipsec_core::selector::FlowKey;
        let mut config = Config::default();
        let property = ipsec_policy::dynamic::PROPERTIES.iter().find(|p| p.name == "bootexemptions").unwrap();
        config.set(property, "TCP:0:3389:inbound").unwrap();
        let spd = DriverMode::Block.spd(&config.boot_exemptions());
        let flow = |protocol, local_port, remote_port| FlowKey {
            local: "10.0.0.1".parse().unwrap(),
            remote: "10.0.0.2".parse().unwrap(),
            protocol,
            local_port: Some(local_port),
            remote_port: Some(remote_port),
        };
        let passes = |entry: Option<&SpdEntry>| entry.unwrap().action == Action::Bypass;
        let ways = |flow| (passes(spd.outbound(&flow, Lan)), passes(spd.inbound(&flow, Lan)));
        assert_eq!(ways(flow(6, 3389, 1025)), (false, true));
        assert_eq!(ways(flow(6, 1025, 3389)), (false, false));
        assert_eq!(ways(flow(UDP, 68, 67)), (true, true), "DHCP, whatever is exempt beside it");
        assert_eq!(ways(flow(UDP, 67, 68)), (false, false), "not as a server");
    }
}
