//! IP protocol and next header numbers (IANA "Assigned Internet Protocol Numbers").

use super::number;

number! {
    /// What follows an IP header, an IPv6 extension header, AH, or lies inside ESP.
    pub struct IpProtocol(u8) {
        HOP_BY_HOP = 0 => "hop-by-hop",
        ICMP = 1 => "ICMP",
        IPV4 = 4 => "IPv4",
        TCP = 6 => "TCP",
        UDP = 17 => "UDP",
        IPV6 = 41 => "IPv6",
        ROUTING = 43 => "routing",
        FRAGMENT = 44 => "fragment",
        GRE = 47 => "GRE",
        ESP = 50 => "ESP",
        AH = 51 => "AH",
        ICMPV6 = 58 => "ICMPv6",
        /// IPv6 No Next Header; in ESP a dummy packet (RFC 4303 2.6).
        NO_NEXT_HEADER = 59 => "no next header",
        DESTINATION_OPTIONS = 60 => "destination options",
        IPCOMP = 108 => "IPComp",
    }
}

impl IpProtocol {
    /// True for TCP and UDP, whose first four octets are ports.
    pub const fn has_ports(self) -> bool {
        matches!(self, IpProtocol::TCP | IpProtocol::UDP)
    }

    /// True for ICMP of either family.
    pub const fn is_icmp(self) -> bool {
        matches!(self, IpProtocol::ICMP | IpProtocol::ICMPV6)
    }
}
