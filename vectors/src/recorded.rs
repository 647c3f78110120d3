//! Exchanges recorded between two real IKEv1 daemons, with every secret.
//!
//! `data/recorded-ikev1/README.md` says what happens in them. [`Recording::read`] reads others of the same form.

mod capture;

pub use capture::{Datagram, IpPacket};

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

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
    /// When the capture cannot be read.
    pub fn datagrams(&self) -> Vec<Datagram> {
        self.packets().iter().filter_map(IpPacket::datagram).collect()
    }

    /// The IPv4 packets on the link between them, in order, put together where they came in fragments.
    ///
    /// # Panics
    ///
    /// When the capture cannot be read.
    pub fn packets(&self) -> Vec<IpPacket> {
        capture::packets(self.capture)
    }

    /// The recordings below a directory, by name: each subdirectory with `capture.pcap`, `initiator.json` and
    /// `responder.json`. The directory may be such a one itself.
    ///
    /// The pre-shared key is what `psk.txt` beside the capture holds, without the end of its line; else what the table in a
    /// `README.md` of the directory says in the last column of the recording's row.
    ///
    /// They stay in memory as long as the program runs.
    ///
    /// # Errors
    ///
    /// A file or directory that cannot be read.
    pub fn read(directory: &Path) -> io::Result<Vec<Recording>> {
        let mut found: Vec<_> = match directory.join("capture.pcap").exists() {
            true => vec![directory.to_path_buf()],
            false => fs::read_dir(directory)?.map(|e| Ok(e?.path())).collect::<io::Result<_>>()?,
        };
        found.retain(|path| path.join("capture.pcap").exists());
        found.sort();
        found.iter().map(|path| read_one(path)).collect()
    }
}

fn read_one(path: &Path) -> io::Result<Recording> {
    let text = |file: &str| fs::read_to_string(path.join(file)).map(|text| &*text.leak());
    let name = &*path.file_name().unwrap_or_default().to_string_lossy().into_owned().leak();
    let readme = path.parent().and_then(|parent| fs::read_to_string(parent.join("README.md")).ok());
    let pre_shared_key = match text("psk.txt") {
        Ok(key) => Some(key.trim_end_matches(['\r', '\n'])),
        Err(_) => readme.and_then(|table| Some(&*key_in_table(&table, name)?.to_string().leak())),
    };
    Ok(Recording {
        name,
        pre_shared_key,
        capture: fs::read(path.join("capture.pcap"))?.leak(),
        initiator: text("initiator.json")?,
        responder: text("responder.json")?,
    })
}

/// The last cell, between backquotes, of the row of a Markdown table that begins with `name`.
fn key_in_table<'a>(table: &'a str, name: &str) -> Option<&'a str> {
    let cells = |line: &'a str| line.trim().strip_prefix('|')?.strip_suffix('|').map(|row| row.split('|'));
    let mut row = table
        .lines()
        .filter_map(cells)
        .find(|row| row.clone().next().is_some_and(|first| first.trim().trim_matches('`') == name))?;
    row.next_back()?.trim().strip_prefix('`')?.strip_suffix('`')
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

    /// What is read from a directory is what is compiled in, pre-shared keys from the README's table included.
    #[test]
    #[cfg(not(target_family = "wasm"))]
    fn a_directory_of_recordings_is_read() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/recorded-ikev1");
        let read = Recording::read(&directory).unwrap();
        assert_eq!(read.len(), ALL.len());
        for recording in ALL {
            let same = read.iter().find(|r| r.name == recording.name).unwrap();
            assert_eq!(same.pre_shared_key, recording.pre_shared_key);
            assert_eq!(same.packets(), recording.packets());
            assert_eq!(same.responder(), recording.responder());
            assert_eq!(Recording::read(&directory.join(recording.name)).unwrap().len(), 1);
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
