//! The IP packet filter of Routing and Remote Access: stateless input and output filters of an interface.
//!
//! KB 816514: it "is performed over IPSec. You do not have to specifically allow the IPSec protocol because it never
//! reaches the IP packet filter layer." So it sees what IPsec opened or is about to seal, and IKE's own datagrams, which
//! an application above it sends; it never sees ESP or AH.

use ipsec_core::selector::Prefix;

use crate::ip::IpView;

/// What happens to packets that match a filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FilterDefault {
    /// "Receive (transmit) all packets except those that meet the criteria below".
    #[default]
    PassExcept,
    /// "Drop all packets except those that meet the criteria below".
    DropExcept,
}

/// One criterion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Source network; `None` is any.
    pub source: Option<Prefix>,
    /// Destination network; `None` is any.
    pub destination: Option<Prefix>,
    /// Protocol; `None` is Any.
    pub protocol: Option<u8>,
    /// TCP or UDP source port; `None` is any.
    pub source_port: Option<u16>,
    /// TCP or UDP destination port; `None` is any.
    pub destination_port: Option<u16>,
}

impl Filter {
    /// All traffic from one network to another.
    pub fn between(source: Prefix, destination: Prefix) -> Self {
        Filter { source: Some(source), destination: Some(destination), ..Filter::default() }
    }

    /// Whether the packet meets the criterion. A non-first fragment has no ports and meets none that asks for them.
    pub fn matches(&self, packet: &IpView<'_>) -> bool {
        let port = |want: Option<u16>, have: Option<u16>| want.is_none() || want == have;
        let ports = packet.ports();
        self.source.is_none_or(|p| p.contains(packet.source))
            && self.destination.is_none_or(|p| p.contains(packet.destination))
            && self.protocol.is_none_or(|p| p == packet.protocol)
            && port(self.source_port, ports.map(|p| p.0))
            && port(self.destination_port, ports.map(|p| p.1))
    }
}

/// The filters of one interface and direction. The default, no filter at all, passes everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PacketFilter {
    /// What to do with packets that no filter matches.
    pub default: FilterDefault,
    /// The criteria.
    pub filters: Vec<Filter>,
}

impl PacketFilter {
    /// "Drop all packets except those that meet the criteria below".
    pub fn drop_except(filters: Vec<Filter>) -> Self {
        PacketFilter { default: FilterDefault::DropExcept, filters }
    }

    /// "Receive (transmit) all packets except those that meet the criteria below".
    pub fn pass_except(filters: Vec<Filter>) -> Self {
        PacketFilter { default: FilterDefault::PassExcept, filters }
    }

    /// Whether the packet passes.
    pub fn passes(&self, packet: &IpView<'_>) -> bool {
        let met = self.filters.iter().any(|f| f.matches(packet));
        met == (self.default == FilterDefault::DropExcept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip::{Header, datagram};

    fn prefix(text: &str, len: u8) -> Prefix {
        Prefix::new(text.parse().unwrap(), len)
    }

    fn packet(source: &str, destination: &str) -> Vec<u8> {
        let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
        let header = Header { source, destination, protocol: 17, ttl: 64, ident: 1, dont_fragment: false };
        datagram(header, &[1, 244, 1, 244, 0, 8, 0, 0])
    }

    #[test]
    fn the_article_s_output_filter() {
        let filter = PacketFilter::drop_except(vec![
            Filter::between(prefix("10.1.0.0", 16), prefix("10.2.0.0", 16)),
            Filter::between(prefix("203.0.113.1", 32), prefix("203.0.113.2", 32)),
        ]);
        let passes = |s, d| filter.passes(&IpView::parse(&packet(s, d)).unwrap());
        assert!(passes("10.1.0.10", "10.2.0.10"));
        assert!(passes("203.0.113.1", "203.0.113.2"));
        assert!(!passes("10.2.0.10", "10.1.0.10"));
        assert!(!passes("203.0.113.1", "198.51.100.1"));
    }

    #[test]
    fn no_filter_passes_everything_and_pass_except_drops_what_matches() {
        let bytes = packet("10.1.0.10", "10.2.0.10");
        let view = IpView::parse(&bytes).unwrap();
        assert!(PacketFilter::default().passes(&view));
        let ike = Filter { protocol: Some(17), destination_port: Some(500), ..Filter::default() };
        assert!(!PacketFilter::pass_except(vec![ike]).passes(&view));
        let other = Filter { destination_port: Some(501), ..ike };
        assert!(PacketFilter::pass_except(vec![other]).passes(&view));
    }
}
