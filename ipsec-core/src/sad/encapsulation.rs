//! ESP in UDP as an attribute of a pair (RFC 3948), and peers that move (RFC 3947 section 7).

use core::net::{IpAddr, SocketAddr};

use super::{Pair, PairId, Sad};
use crate::selector::AddressRange;

/// That the SAs of a pair travel in UDP, between which ports, and how a transport mode checksum is repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UdpEncapsulation {
    /// Our port: 4500.
    pub local_port: u16,
    /// The peer's port as we see it: 4500, or what a NAT has made of it.
    pub peer_port: u16,
    /// What the peer's packets had in their headers when it computed their checksums. `None` in tunnel mode, and where
    /// one of them is not known: checksums are then computed anew.
    pub original: Option<OriginalAddresses>,
    /// Whether the peer is behind a NAT and we are not: its authenticated packets then say where it is. A host behind a
    /// NAT must not follow them (RFC 3947 section 7).
    pub follow: bool,
    /// Whose it is: the pairs of one client share this number, wherever it moves, and two clients never do. Their sockets
    /// do not tell: a NAT may give one client the port that another had.
    pub client: u64,
}

/// The addresses of a transport mode packet as the peer knows them: what it sends in NAT-OA (RFC 3947 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OriginalAddresses {
    /// Our address as the peer sees it: the destination of its packets when they leave it.
    pub local: IpAddr,
    /// The peer's address as it sees itself: their source.
    pub peer: IpAddr,
}

impl Pair {
    /// Where its packets go. Without encapsulation the port is 0.
    pub fn peer_socket(&self) -> SocketAddr {
        SocketAddr::new(self.peer, self.udp.map_or(0, |udp| udp.peer_port))
    }

    /// Our end of it. Without encapsulation the port is 0.
    pub fn local_socket(&self) -> SocketAddr {
        SocketAddr::new(self.local, self.udp.map_or(0, |udp| udp.local_port))
    }
}

impl Sad {
    /// The peer of an encapsulated pair is elsewhere now, by an authenticated packet: where it was, or `None` when nothing
    /// changes. Selectors of transport mode are about the peer's address, and move with it.
    pub(crate) fn move_peer(
        &mut self,
        id: PairId,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> Option<SocketAddr> {
        let pair = self.pairs.get_mut(&id)?;
        let from = (pair.local_socket(), pair.peer_socket());
        let udp = pair.udp.as_mut()?;
        let families = local.is_ipv4() && peer.is_ipv4();
        if from == (local, peer) || !families {
            return None;
        }
        (udp.local_port, udp.peer_port) = (local.port(), peer.port());
        let (old_local, old_home) = (pair.local, pair.home);
        (pair.local, pair.peer) = (local.ip(), peer.ip());
        if pair.is_transport() {
            pair.home = peer.ip();
            follow(&mut pair.selector.local, old_local, local.ip());
            follow(&mut pair.selector.remote, old_home, peer.ip());
        }
        let (home, sends) = (pair.home, pair.outbound.is_some() && !pair.replaced);
        if old_local != local.ip() {
            for (protocol, spi) in pair.inbound_spis() {
                if let Some(place) = self.inbound.remove(&(spi, protocol, old_local)) {
                    self.inbound.insert((spi, protocol, local.ip()), place);
                }
            }
        }
        if sends && old_home != home {
            self.stop_sending(old_home, id);
            self.outbound.entry(home).or_default().push(id);
        }
        (from.1 != peer).then_some(from.1)
    }
}

/// Selectors of exactly the old address become selectors of the new one.
fn follow(ranges: &mut [AddressRange], old: IpAddr, new: IpAddr) {
    for range in ranges {
        if *range == AddressRange::single(old) {
            *range = AddressRange::single(new);
        }
    }
}
