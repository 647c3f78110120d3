//! Exchanges recorded between two real IKEv1 daemons, with every secret.
//!
//! `data/recorded-ikev1/README.md` says what happens in them.

use pcap_file::pcap::PcapReader;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// One recording.
#[derive(Clone, Copy, Debug)]
pub struct Recording {
    /// Authentication, phase 1 proposal and ESP proposal.
    pub name: &'static str,
    /// The pre-shared key; `None` where peers sign with RSA.
    pub pre_shared_key: Option<&'static str>,
    capture: &'static [u8],
    initiator: &'static str,
    responder: &'static str,
}

macro_rules! recording {
    ($name:literal, $key:expr) => {
        Recording {
            name: $name,
            pre_shared_key: $key,
            capture: include_bytes!(concat!("../data/recorded-ikev1/", $name, "/capture.pcap")),
            initiator: include_str!(concat!("../data/recorded-ikev1/", $name, "/initiator.json")),
            responder: include_str!(concat!("../data/recorded-ikev1/", $name, "/responder.json")),
        }
    };
}

/// Main mode with a pre-shared key, with the algorithms of the KB 816514 example.
pub const KB816514: Recording = recording!("kb816514-3des-md5-modp1024-des-md5", Some("-actual key-"));
/// Main mode with a pre-shared key, quick mode with PFS in group 2.
pub const PFS: Recording = recording!("3des-sha1-modp2048-pfs-3des-sha1", Some("Alice and Bob share this"));
/// Main mode with RSA signatures.
pub const RSA: Recording = recording!("rsa-3des-sha1-modp1024-3des-sha1", None);
/// Aggressive mode with a pre-shared key.
pub const AGGRESSIVE: Recording = recording!("aggressive-3des-md5-modp1024-3des-sha1", Some("aggressive"));

/// Every recording.
pub const ALL: [Recording; 4] = [KB816514, PFS, RSA, AGGRESSIVE];

/// The certificate authority of [`RSA`], PEM.
pub const CA_PEM: &str = include_str!("../data/recorded-ikev1/certificates/ca.pem");
/// The certificate of the initiator in [`RSA`], PEM.
pub const GWA_PEM: &str = include_str!("../data/recorded-ikev1/certificates/gwa.pem");
/// The certificate of the responder in [`RSA`], PEM.
pub const GWB_PEM: &str = include_str!("../data/recorded-ikev1/certificates/gwb.pem");

/// The values a daemon logged: name to list of values in order of appearance.
pub type Secrets = BTreeMap<String, Vec<Vec<u8>>>;

/// One UDP datagram of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Since the first datagram, in microseconds.
    pub micros: u64,
    /// Source address and port.
    pub source: (Ipv4Addr, u16),
    /// Destination address and port.
    pub destination: (Ipv4Addr, u16),
    /// What follows the UDP header.
    pub payload: Vec<u8>,
}

impl Recording {
    /// What the initiator of the first exchange logged.
    pub fn initiator(&self) -> Secrets {
        secrets(self.initiator)
    }

    /// What the responder of the first exchange logged.
    pub fn responder(&self) -> Secrets {
        secrets(self.responder)
    }

    /// The UDP datagrams on the link between them, in order.
    ///
    /// # Panics
    ///
    /// When the capture cannot be read: it is part of this crate.
    pub fn datagrams(&self) -> Vec<Datagram> {
        let mut reader = PcapReader::new(self.capture).expect("pcap header");
        let mut frames = Vec::new();
        while let Some(packet) = reader.next_packet() {
            let packet = packet.expect("pcap record");
            frames.push((packet.timestamp.as_micros() as u64, packet.data.into_owned()));
        }
        let first = frames.first().map_or(0, |(micros, _)| *micros);
        frames.iter().filter_map(|(micros, frame)| datagram(micros - first, frame)).collect()
    }
}

/// The datagram in an Ethernet frame; `None` for everything that is not UDP over IPv4, not fragmented.
fn datagram(micros: u64, frame: &[u8]) -> Option<Datagram> {
    const MORE_FRAGMENTS_OR_OFFSET: u16 = 0x3fff;
    let packet = frame.get(14..).filter(|_| frame[12..14] == [0x08, 0x00])?;
    let header_len = usize::from(packet.first()? & 0x0f) * 4;
    let udp = packet.get(header_len..usize::from(u16_at(packet, 2)?))?;
    if packet[9] != 17 || u16_at(packet, 6)? & MORE_FRAGMENTS_OR_OFFSET != 0 {
        return None;
    }
    let address = |at: usize| packet.get(at..at + 4)?.try_into().ok().map(|a: [u8; 4]| Ipv4Addr::from(a));
    Some(Datagram {
        micros,
        source: (address(12)?, u16_at(udp, 0)?),
        destination: (address(16)?, u16_at(udp, 2)?),
        payload: udp.get(8..usize::from(u16_at(udp, 4)?))?.to_vec(),
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn secrets(json: &str) -> Secrets {
    let text: BTreeMap<String, Vec<String>> = serde_json::from_str(json).expect("lists of strings");
    text.into_iter().map(|(name, values)| (name, values.iter().map(|v| crate::hex(v)).collect())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_is_a_datagram_between_the_gateways() {
        // The counts are tshark's.
        for (recording, count) in [(KB816514, 56), (PFS, 56), (RSA, 56), (AGGRESSIVE, 48)] {
            let datagrams = recording.datagrams();
            assert_eq!(datagrams.len(), count, "{}", recording.name);
            for d in datagrams {
                assert!([500, 4500].contains(&d.destination.1));
                assert!(d.source.0.octets().starts_with(&[203, 0, 113]));
            }
        }
    }

    #[test]
    fn secrets_have_both_phases() {
        for recording in ALL {
            assert_eq!(recording.initiator()["SKEYID"].len(), 2);
            assert_eq!(recording.responder()["Hash(1)"].len(), 3);
        }
    }
}
