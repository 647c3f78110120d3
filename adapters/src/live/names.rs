//! Names of algorithms, addresses and identities in the configuration file.

use std::net::IpAddr;

use ipsec_core::crypto::{Cipher, Group, HashAlg, Mac};
use ipsec_core::ip::protocol;
use ipsec_core::pad::{Identity, MainModeProposal};
use ipsec_core::selector::{AddressRange, Prefix};
use ipsec_core::spd::{EspTransform, Lifetime, Offer, Pfs};

const CIPHERS: [(&str, Cipher); 6] = [
    ("null", Cipher::Null),
    ("des", Cipher::Des),
    ("3des", Cipher::TripleDes),
    ("aes128", Cipher::Aes128),
    ("aes192", Cipher::Aes192),
    ("aes256", Cipher::Aes256),
];

const HASHES: [(&str, HashAlg); 5] = [
    ("md5", HashAlg::Md5),
    ("sha1", HashAlg::Sha1),
    ("sha256", HashAlg::Sha256),
    ("sha384", HashAlg::Sha384),
    ("sha512", HashAlg::Sha512),
];

const MACS: [(&str, Mac); 3] =
    [("md5", Mac::HmacMd5_96), ("sha1", Mac::HmacSha1_96), ("sha256", Mac::HmacSha256_128)];

const GROUPS: [(&str, Group); 4] = [
    ("modp768", Group::Modp768),
    ("modp1024", Group::Modp1024),
    ("modp1536", Group::Modp1536),
    ("modp2048", Group::Modp2048),
];

const PROTOCOLS: [(&str, u8); 4] =
    [("icmp", protocol::ICMP), ("tcp", protocol::TCP), ("udp", protocol::UDP), ("icmpv6", protocol::ICMPV6)];

fn find<T: Copy>(table: &[(&str, T)], what: &str, name: &str) -> Result<T, String> {
    let found = table.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let known: Vec<&str> = table.iter().map(|(known, _)| *known).collect();
        format!("`{name}` is no {what}; there are {}", known.join(", "))
    })
}

/// `3des-sha1-modp1024`.
pub(super) fn proposal(text: &str) -> Result<MainModeProposal, String> {
    let parts: Vec<&str> = text.split('-').collect();
    let [cipher, hash, group] = parts.as_slice() else {
        return Err(format!("`{text}`: an IKE proposal is CIPHER-HASH-GROUP, as in 3des-sha1-modp1024"));
    };
    let cipher = find(&CIPHERS, "cipher", cipher)?;
    if cipher == Cipher::Null {
        return Err(format!("`{text}`: IKE encrypts"));
    }
    Ok(MainModeProposal { cipher, hash: find(&HASHES, "hash", hash)?, group: find(&GROUPS, "group", group)? })
}

/// `aes128-sha1`, `3des`, `ah-md5`, `ah-sha1+des-md5`.
pub(super) fn suite(text: &str, lifetime: Lifetime) -> Result<Offer, String> {
    let mut offer = Offer { ah: None, esp: None, lifetime };
    for part in text.split('+') {
        let (first, second) = part.split_once('-').map_or((part, None), |(a, b)| (a, Some(b)));
        let mac = second.map(|name| find(&MACS, "integrity algorithm", name)).transpose()?;
        match (first, mac) {
            ("ah", Some(mac)) if offer.ah.is_none() => offer.ah = Some(mac),
            (cipher, mac) if first != "ah" && offer.esp.is_none() => {
                let cipher = find(&CIPHERS, "cipher", cipher)?;
                if cipher == Cipher::Null && mac.is_none() {
                    return Err(format!("`{text}` protects nothing"));
                }
                offer.esp = Some(EspTransform { cipher, mac });
            }
            _ => {
                return Err(format!(
                    "`{text}`: a suite is ESP (aes128-sha1), AH (ah-sha1) or both (ah-sha1+3des-md5)"
                ));
            }
        }
    }
    Ok(offer)
}

/// A group, or that of IKE.
pub(super) fn pfs(text: &str) -> Result<Pfs, String> {
    if text == "same" { Ok(Pfs::SameGroup) } else { find(&GROUPS, "group", text).map(Pfs::Group) }
}

/// A name or a number.
pub(super) fn upper_protocol(text: &str) -> Result<u8, String> {
    text.parse().or_else(|_| find(&PROTOCOLS, "protocol", text))
}

/// An address, a network or a range.
pub(super) fn range(text: &str) -> Result<AddressRange, String> {
    let address = |t: &str| t.trim().parse::<IpAddr>().map_err(|_| format!("`{text}`: `{t}` is no address"));
    if let Some((network, len)) = text.split_once('/') {
        let network = address(network)?;
        let width = if network.is_ipv4() { 32 } else { 128 };
        let len = len.parse().ok().filter(|len| *len <= width);
        let len = len.ok_or_else(|| format!("`{text}`: a prefix has 0 to {width} bits"))?;
        return Ok(Prefix::new(network, len).into());
    }
    let (start, end) = text.split_once('-').unwrap_or((text, text));
    let (start, end) = (address(start)?, address(end)?);
    if start.is_ipv4() != end.is_ipv4() || end < start {
        return Err(format!("`{text}`: a range goes from a lower to a higher address of the same family"));
    }
    Ok(AddressRange { start, end })
}

/// What an end calls itself.
pub(super) fn identity(text: &str) -> Identity {
    if let Some(octets) = text.strip_prefix("key-id:") {
        return Identity::KeyId(octets.as_bytes().to_vec());
    }
    match text.parse() {
        Ok(address) => Identity::Address(address),
        Err(_) if text.contains('@') => Identity::UserFqdn(text.to_owned()),
        Err(_) => Identity::Fqdn(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_what_they_say() {
        let p = proposal("3des-md5-modp1024").unwrap();
        assert_eq!((p.cipher, p.hash, p.group), (Cipher::TripleDes, HashAlg::Md5, Group::Modp1024));
        let esp = |cipher, mac| Some(EspTransform { cipher, mac });
        for (text, ah, wanted) in [
            ("des-md5", None, esp(Cipher::Des, Some(Mac::HmacMd5_96))),
            ("aes256", None, esp(Cipher::Aes256, None)),
            ("ah-sha1", Some(Mac::HmacSha1_96), None),
            ("ah-sha256+null-sha1", Some(Mac::HmacSha256_128), esp(Cipher::Null, Some(Mac::HmacSha1_96))),
        ] {
            let offer = suite(text, Lifetime::default()).unwrap();
            assert_eq!((offer.ah, offer.esp), (ah, wanted), "{text}");
        }
        assert_eq!(range("10.0.0.1-10.0.0.9").unwrap().to_string(), "10.0.0.1-10.0.0.9");
        assert_eq!(range("10.1.2.3/16").unwrap().to_string(), "10.1.0.0/16");
        assert_eq!(identity("a@b"), Identity::UserFqdn("a@b".into()));
        assert_eq!(identity("192.0.2.1"), Identity::Address("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn nonsense_is_explained() {
        for (text, why) in [
            (proposal("aes-sha1-modp1024").map(|_| ()), "there are null, des, 3des, aes128"),
            (proposal("3des-sha1").map(|_| ()), "CIPHER-HASH-GROUP"),
            (suite("null", Lifetime::default()).map(|_| ()), "protects nothing"),
            (suite("ah", Lifetime::default()).map(|_| ()), "a suite is"),
            (range("10.0.0.9-10.0.0.1").map(|_| ()), "lower to a higher"),
            (range("10.0.0.0/33").map(|_| ()), "0 to 32 bits"),
        ] {
            let message = text.unwrap_err();
            assert!(message.contains(why), "{message}");
        }
    }
}
