//! A Wireshark configuration folder with the keys of a run: `WIRESHARK_CONFIG_DIR=DIR/wireshark tshark -r …` then
//! decrypts and authenticates with no further option (written for tshark 4.0).

use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use ipsec_core::crypto::{Cipher, Mac};
use ipsec_core::io::Keys;
use ipsec_core::sad::{BundleSpec, IpsecProtocol};

/// ESP: decrypt and check ICVs. ISAKMP needs no switch. ICMP's data is not searched for other protocols.
const PREFERENCES: &str = "\
esp.enable_null_encryption_decode_heuristic: FALSE
esp.do_esp_sequence_analysis: FALSE
esp.enable_encryption_decode: TRUE
esp.enable_authentication_check: TRUE
ip.check_checksum: TRUE
udp.check_checksum: TRUE
tcp.check_checksum: TRUE
";

/// Protocols that Wireshark guesses by port number alone and then calls malformed: Abczz (KB 301284) uses TCP 6668, which
/// is registered for IPDC.
const DISABLED_PROTOCOLS: &str = "ipdc\n";

/// Keys of SAs, as the tables of Wireshark want them.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    esp: Vec<String>,
    isakmp: Vec<String>,
}

impl KeyRing {
    /// Takes note of the keys of one SA. Both ends report it: the second time changes nothing.
    pub fn learn(&mut self, keys: &Keys) {
        match keys {
            Keys::Isakmp { cky_i, key, .. } => {
                let line = format!("{},{}\n", hex(&cky_i.0), hex(key.expose()));
                push_new(&mut self.isakmp, line);
            }
            Keys::Ipsec(bundle) => {
                for line in esp_lines(bundle) {
                    push_new(&mut self.esp, line);
                }
            }
        }
    }

    /// The file `esp_sa`: one SA a line, eight quoted fields.
    pub fn esp_sa(&self) -> String {
        self.esp.concat()
    }

    /// The file `ikev1_decryption_table`: initiator cookie and derived cipher key, unquoted.
    pub fn ikev1_decryption_table(&self) -> String {
        self.isakmp.concat()
    }

    /// Writes the configuration folder.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("preferences"), PREFERENCES)?;
        std::fs::write(folder.join("disabled_protos"), DISABLED_PROTOCOLS)?;
        std::fs::write(folder.join("esp_sa"), self.esp_sa())?;
        std::fs::write(folder.join("ikev1_decryption_table"), self.ikev1_decryption_table())
    }
}

fn push_new(lines: &mut Vec<String>, line: String) {
    if !lines.contains(&line) {
        lines.push(line);
    }
}

fn esp_lines(bundle: &BundleSpec) -> Vec<String> {
    let (from, to) = if bundle.inbound { (bundle.peer, bundle.local) } else { (bundle.local, bundle.peer) };
    let family = match from {
        IpAddr::V4(_) => "IPv4",
        IpAddr::V6(_) => "IPv6",
    };
    // A NAT shows the packets of one SA with one address before it and with another behind it, and may change that.
    let [from, to] = [from, to].map(|end| if bundle.udp.is_some() { "*".into() } else { end.to_string() });
    let esp = bundle.sas.iter().filter(|sa| sa.protocol == IpsecProtocol::Esp);
    esp.map(|sa| {
        let (cipher, mac) = (cipher_name(sa.cipher), sa.mac.map_or("NULL", mac_name));
        let (key, mac_key) = (key_text(sa.cipher_key.expose()), key_text(sa.mac_key.expose()));
        let spi = sa.spi;
        format!("\"{family}\",\"{from}\",\"{to}\",\"{spi}\",\"{cipher}\",\"{key}\",\"{mac}\",\"{mac_key}\"\n")
    })
    .collect()
}

fn key_text(key: &[u8]) -> String {
    if key.is_empty() { String::new() } else { format!("0x{}", hex(key)) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

fn cipher_name(cipher: Cipher) -> &'static str {
    match cipher {
        Cipher::Null => "NULL",
        Cipher::Des40 | Cipher::Des => "DES-CBC [RFC2405]",
        Cipher::TripleDes => "TripleDES-CBC [RFC2451]",
        Cipher::Aes128 | Cipher::Aes192 | Cipher::Aes256 => "AES-CBC [RFC3602]",
    }
}

fn mac_name(mac: Mac) -> &'static str {
    match mac {
        Mac::HmacMd5_96 => "HMAC-MD5-96 [RFC2403]",
        Mac::HmacSha1_96 => "HMAC-SHA-1-96 [RFC2404]",
        Mac::HmacSha256_128 => "HMAC-SHA-256-128 [RFC4868]",
    }
}
