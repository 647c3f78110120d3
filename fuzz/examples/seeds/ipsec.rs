//! Datagrams to seal, and sealed ones to open: RFC 3602's packets, and the packets of the other targets under every suite.

use ipsec_core::Packet;
use ipsec_core::ah::Ah;
use ipsec_core::crypto::{Cipher, Mac};
use ipsec_core::esp::Esp;
use ipsec_fuzz::alter::octets;
use ipsec_fuzz::{ah_open, esp_open};
use ipsec_vectors::{rfc, rsp};

use super::packet::packets;
use super::write;

const SEED: u8 = 9;

/// Suite and key, then no alteration to speak of: the octets before the datagram.
fn control(choices: &[u8], at: u16) -> Vec<u8> {
    [choices, &[SEED, 0], &at.to_be_bytes(), &[0x80], &7_u32.to_be_bytes()].concat()
}

/// For ESP and AH: each packet in clear, and sealed with the key that the control octets name.
pub(crate) fn seeds() {
    let suites = [(2, 1), (3, 2), (4, 3), (6, 2), (0, 2), (4, 0)];
    let macs = [None, Some(Mac::HmacMd5_96), Some(Mac::HmacSha1_96), Some(Mac::HmacSha256_128)];
    for (i, (name, packet)) in packets().into_iter().enumerate() {
        let (cipher, mac) = suites[i % suites.len()];
        let control_octets = control(&[cipher, mac], 20 + i as u16);
        write("esp_open", name, &[control_octets.as_slice(), &packet].concat());
        let (cipher, mac) = (Cipher::ALL[usize::from(cipher)], macs[usize::from(mac)]);
        let mac_key = octets(SEED, mac.map_or(0, Mac::key_len));
        let esp = Esp::new(esp_open::SPI, cipher, &octets(SEED, cipher.key_len()), mac, &mac_key);
        let (esp, mut sealed) = (esp.expect("good keys"), Packet::from_slice(1, &packet));
        if esp.seal(&mut sealed, 7, &octets(1, esp.iv_len())).is_ok() {
            write(
                "esp_open",
                &format!("{name}-sealed"),
                &[control_octets.as_slice(), sealed.bytes()].concat(),
            );
        }
        let mac = [Mac::HmacMd5_96, Mac::HmacSha1_96, Mac::HmacSha256_128][i % 3];
        let control_octets = control(&[(i % 3) as u8], 20 + i as u16);
        write("ah_open", name, &[control_octets.as_slice(), &packet].concat());
        let ah = Ah::new(ah_open::SPI, mac, &octets(SEED, mac.key_len())).expect("a good key");
        let mut sealed = Packet::from_slice(1, &packet);
        if ah.seal(&mut sealed, 7).is_ok() {
            write(
                "ah_open",
                &format!("{name}-sealed"),
                &[control_octets.as_slice(), sealed.bytes()].concat(),
            );
        }
    }
    for (i, case) in rsp::cases(rfc::RFC3602_AES_CBC).iter().enumerate() {
        for field in ["Packet", "ESP_Packet"] {
            if case.get(field).is_some() {
                let sample = [control(&[4, 0], 0), case.bytes(field)].concat();
                write("esp_open", &format!("rfc3602-{i}-{}", field.to_lowercase()), &sample);
            }
        }
    }
}
