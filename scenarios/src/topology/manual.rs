//! `[[node.manual]]`: a pair of SAs that an operator put there, without IKE (RFC 4301 section 4.5.1). What ESP and AH do
//! can then be seen where no negotiation gets that far.

use std::net::IpAddr;

use ipsec_core::config::PolicyDatabases;
use ipsec_core::crypto::{Cipher, Secret};
use ipsec_core::sad::{BundleSpec, IpsecProtocol, PairId, SaSpec, Spi};
use ipsec_core::selector::{AddressRange, Selector};
use ipsec_core::spd::{Action, Mode, Offer, Protect, SpdEntry};
use serde::Deserialize;
use sha2::{Digest as _, Sha512};

/// Numbers below are IKE's.
const FIRST_PAIR: u64 = 1 << 32;

/// A pair of SAs with the first security method of the policy entry for traffic between these two addresses. Keys follow
/// from the SPI, so that both ends have the same.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manual {
    /// This node's address.
    pub local: IpAddr,
    /// The peer's, as this node sees it.
    pub peer: IpAddr,
    /// The SPI of what comes in; AH beside ESP has the next one.
    pub inbound: u32,
    /// The SPI of what goes out.
    pub outbound: u32,
}

impl Manual {
    /// Both directions of the node's pair number `n`; `None` if no entry of the policy protects such traffic.
    pub(crate) fn bundles(&self, n: usize, policy: &PolicyDatabases) -> Option<[BundleSpec; 2]> {
        let (entry, protect) = policy.spd.entries().iter().find_map(|entry| self.serves(entry))?;
        let offer = protect.offers.first()?;
        let (mode, selector) = match protect.mode {
            Mode::Transport => (Mode::Transport, between(self.local, self.peer)),
            Mode::Tunnel { .. } => {
                (Mode::Tunnel { local: Some(self.local), remote: self.peer }, entry.selector.clone())
            }
        };
        let bundle = |inbound, spi| BundleSpec {
            pair: PairId(FIRST_PAIR + n as u64),
            inbound,
            entry: entry.id,
            selector: selector.clone(),
            mode,
            local: self.local,
            peer: self.peer,
            sas: sas(offer, spi),
            lifetime: offer.lifetime,
            initiator: false,
            udp: None,
        };
        Some([bundle(true, self.inbound), bundle(false, self.outbound)])
    }

    fn serves<'a>(&self, entry: &'a SpdEntry) -> Option<(&'a SpdEntry, &'a Protect)> {
        let Action::Protect(protect) = &entry.action else { return None };
        let serves = match protect.mode {
            Mode::Transport => entry.selector.covers(&Selector {
                protocol: entry.selector.protocol,
                local_ports: entry.selector.local_ports,
                remote_ports: entry.selector.remote_ports,
                ..between(self.local, self.peer)
            }),
            Mode::Tunnel { remote, .. } => remote == self.peer,
        };
        serves.then_some((entry, protect))
    }
}

fn between(local: IpAddr, peer: IpAddr) -> Selector {
    Selector::between(AddressRange::single(local), AddressRange::single(peer))
}

/// Inner protocol first.
fn sas(offer: &Offer, spi: u32) -> Vec<SaSpec> {
    let key = |purpose: &str, spi: u32, len: usize| {
        let hash = Sha512::digest(format!("keyed by hand, SA {spi}, {purpose}"));
        Secret::from(hash.get(..len).unwrap_or(&hash))
    };
    let esp = offer.esp.map(|esp| SaSpec {
        protocol: IpsecProtocol::Esp,
        spi: Spi(spi),
        cipher: esp.cipher,
        cipher_key: key("encryption", spi, esp.cipher.key_len()),
        mac: esp.mac,
        mac_key: key("integrity", spi, esp.mac.map_or(0, |mac| mac.key_len())),
    });
    let ah_spi = spi + u32::from(esp.is_some());
    let ah = offer.ah.map(|mac| SaSpec {
        protocol: IpsecProtocol::Ah,
        spi: Spi(ah_spi),
        cipher: Cipher::Null,
        cipher_key: Secret::from(&[][..]),
        mac: Some(mac),
        mac_key: key("integrity", ah_spi, mac.key_len()),
    });
    esp.into_iter().chain(ah).collect()
}
