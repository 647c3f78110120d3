//! What tells a packet's flow from that of another client behind the same NAT (RFC 3948 section 5.2).

use crate::ip::{IpInfo, protocol};
use crate::sad::binding::{Flow, Part};
use crate::selector::FlowKey;
use crate::wire::icmp::{Icmp, IcmpMessage};
use crate::wire::{IpProtocol, PacketInfo};

/// The flow of a packet and its part in it. `None` for later fragments, which show no ports.
///
/// Echo messages are told apart by identifier and sequence number, so that two clients can ping at once; an ICMP error is
/// about the flow of the packet it quotes. Protocols without ports are one flow for each two addresses.
pub(super) fn flow(bytes: &[u8], info: &IpInfo, key: &FlowKey) -> Option<(Flow, Part)> {
    if info.is_later_fragment() {
        return None;
    }
    let flow = |ports| Flow { local: key.local, remote: key.remote, protocol: key.protocol, ports };
    let upper = bytes.get(info.upper.offset..info.total_len)?;
    let icmp = match key.protocol {
        protocol::ICMP => Icmp::decode_v4(upper),
        protocol::ICMPV6 => Icmp::decode_v6(upper),
        _ => {
            let ports = (key.local_port.unwrap_or(0), key.remote_port.unwrap_or(0));
            return Some((flow(ports), Part::Member));
        }
    };
    let icmp = icmp.ok()?;
    match icmp.message {
        IcmpMessage::EchoRequest { id, seq } => Some((flow((id, seq)), Part::Question)),
        IcmpMessage::EchoReply { id, seq } => Some((flow((id, seq)), Part::Answer)),
        _ => match icmp.quoted() {
            Some(quoted) => Some((quoted_flow(quoted, key)?, Part::About)),
            None => Some((flow((0, 0)), Part::Member)),
        },
    }
}

/// The flow of the quoted packet, whichever way it went.
fn quoted_flow(quoted: &[u8], key: &FlowKey) -> Option<Flow> {
    let info = PacketInfo::of_quoted(quoted).ok().filter(|info| !info.is_later_fragment())?;
    let upper = quoted.get(info.upper_at..)?;
    let echo = match info.protocol {
        IpProtocol::ICMP => Icmp::decode_v4(upper).ok(),
        IpProtocol::ICMPV6 => Icmp::decode_v6(upper).ok(),
        _ => None,
    };
    let sent = info.src == key.local;
    let (source, destination) = (info.src_port().unwrap_or(0), info.dst_port().unwrap_or(0));
    let ports = match echo.map(|icmp| icmp.message) {
        Some(IcmpMessage::EchoRequest { id, seq } | IcmpMessage::EchoReply { id, seq }) => (id, seq),
        Some(_) => (0, 0),
        None if sent => (source, destination),
        None => (destination, source),
    };
    let (local, remote) = if sent { (info.src, info.dst) } else { (info.dst, info.src) };
    Some(Flow { local, remote, protocol: info.protocol.0, ports })
}
