//! What `ipconfig` prints: adapters with address, mask and gateway.
//!
//! The articles show none of its text; headings and labels are from memory (unconfirmed).

use std::net::Ipv4Addr;

use crate::event_log::Release;
use crate::network_settings::{AdapterKind, NetworkSettings};

/// The lines of `ipconfig` without options. An adapter with several addresses shows each with its mask.
#[must_use]
pub fn lines(settings: &NetworkSettings, release: Release) -> Vec<String> {
    let heading = match release {
        Release::Windows2000 => "Windows 2000 IP Configuration",
        Release::WindowsXp | Release::Server2003 => "Windows IP Configuration",
    };
    let mut lines = vec![heading.to_owned()];
    for adapter in &settings.adapters {
        let kind = match adapter.kind {
            AdapterKind::Lan => "Ethernet",
            AdapterKind::DialUp | AdapterKind::RemoteAccess => "PPP",
        };
        lines.push(format!("{kind} adapter {}:", adapter.name));
        lines.push("        Connection-specific DNS Suffix  . :".to_owned());
        for prefix in &adapter.addresses {
            lines.push(format!("        IP Address. . . . . . . . . . . . : {}", prefix.address));
            if prefix.address.is_ipv4() {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix.len)).unwrap_or(0);
                lines.push(format!(
                    "        Subnet Mask . . . . . . . . . . . : {}",
                    Ipv4Addr::from_bits(mask)
                ));
            }
        }
        let gateways: Vec<String> = adapter.gateways.iter().map(ToString::to_string).collect();
        let gateway = format!("        Default Gateway . . . . . . . . . : {}", gateways.join(", "));
        lines.push(gateway.trim_end().to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use ipsec_core::selector::Prefix;

    use super::*;
    use crate::network_settings::Adapter;

    /// KB 816514's gateway: addresses of both networks, and no adapter for the tunnel.
    #[test]
    fn adapters_are_listed_with_address_and_mask() {
        let adapter = |name, address: [u8; 4], len| Adapter::lan(name, &[Prefix::new(address.into(), len)]);
        let adapters =
            vec![adapter("WIN2003intIP", [10, 1, 0, 1], 16), adapter("WIN2003extIP", [203, 0, 113, 1], 24)];
        let settings = NetworkSettings { adapters, ..NetworkSettings::default() };
        let wanted = [
            "Windows IP Configuration",
            "Ethernet adapter WIN2003intIP:",
            "        Connection-specific DNS Suffix  . :",
            "        IP Address. . . . . . . . . . . . : 10.1.0.1",
            "        Subnet Mask . . . . . . . . . . . : 255.255.0.0",
            "        Default Gateway . . . . . . . . . :",
            "Ethernet adapter WIN2003extIP:",
            "        Connection-specific DNS Suffix  . :",
            "        IP Address. . . . . . . . . . . . : 203.0.113.1",
            "        Subnet Mask . . . . . . . . . . . : 255.255.255.0",
            "        Default Gateway . . . . . . . . . :",
        ];
        assert_eq!(lines(&settings, Release::Server2003), wanted);
        assert_eq!(lines(&settings, Release::Windows2000)[0], "Windows 2000 IP Configuration");
    }
}
