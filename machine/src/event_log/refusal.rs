//! What did not fit in a proposal, in the words of event 546.

use ipsec_core::ike::failure::{Failure, FailureReason, Phase};
use ipsec_core::ike::proposal::Refusal;
use ipsec_core::wire::ikev1::AuthenticationMethod;

/// Attribute, expected and received value of everything that kept us apart, once each, in the order of the proposal.
pub(super) fn mismatches(failure: &Failure) -> Vec<[String; 3]> {
    let mut found: Vec<[String; 3]> = Vec::new();
    match &failure.reason {
        FailureReason::NoProposalChosen(refusals) => {
            for refusal in refusals {
                let mismatch = mismatch(refusal, failure.phase);
                if !found.contains(&mismatch) {
                    found.push(mismatch);
                }
            }
        }
        FailureReason::NoCommonMethod { offered, wanted } => {
            found.push(["Authentication Method".into(), methods(wanted), methods(offered)]);
        }
        _ => {}
    }
    found
}

fn methods(methods: &[AuthenticationMethod]) -> String {
    let name = |method: &AuthenticationMethod| value(&method.to_string()).to_owned();
    methods.iter().map(name).collect::<Vec<_>>().join(" or ")
}

fn mismatch(refusal: &Refusal, phase: Phase) -> [String; 3] {
    let values = |text: &str| text.split(" or ").map(value).collect::<Vec<_>>().join(" or ");
    [attribute(refusal.attribute, phase).to_owned(), values(&refusal.expected), values(&refusal.offered)]
}

/// Microsoft's name of an attribute; the RFC's where the message file has none.
fn attribute(name: &'static str, phase: Phase) -> &'static str {
    match (phase, name) {
        (Phase::MainMode, "Encryption-Algorithm") => "Phase I Encryption Algorithm",
        (Phase::MainMode, "Hash-Algorithm") => "Phase I Hash Algorithm",
        (Phase::MainMode, "Authentication-Method") => "Authentication Method",
        (Phase::MainMode, "Group-Description") => "Phase I Diffie-Hellman Group",
        (Phase::MainMode, "Group-Type") => "Phase I Diffie-Hellman Group type",
        (Phase::MainMode, "Life-Type") => "Phase I Lifetime type",
        (Phase::MainMode, "Life-Duration") => "Phase I Lifetime duration",
        (Phase::MainMode, "PRF") => "Phase I pseudo-random function",
        (Phase::MainMode, "Key-Length") => "Phase I key length",
        (Phase::QuickMode, "Life-Type") => "Phase II life type",
        (Phase::QuickMode, "Life-Duration" | "SA-Life-Duration") => "Phase II life duration",
        (Phase::QuickMode, "Group-Description") => "Phase II Diffie-Hellman group descriptor",
        (Phase::QuickMode, "Encapsulation-Mode") => "Phase II Encapsulation Mode",
        (Phase::QuickMode, "Authentication-Algorithm") => "Phase II HMAC Algorithm",
        (Phase::QuickMode, "Key-Length") => "Phase II Key length",
        (Phase::QuickMode, "Key-Rounds") => "Phase II Key rounds",
        (Phase::QuickMode, "Transform-Id") => "Phase II encryption and/or authentication algorithm(s)",
        (Phase::QuickMode, "set of protocols") => "Phase II Protocol",
        (_, other) => other,
    }
}

/// Microsoft's name of a value; the RFC's where the message file has none.
fn value(name: &str) -> &str {
    match name {
        "DES-CBC" | "ESP_DES" => "DES CBC",
        "3DES-CBC" | "ESP_3DES" => "Triple DES CBC",
        "ESP_NULL" => "NULL DES",
        "MD5" | "HMAC-MD5" | "AH_MD5" => "MD5",
        "SHA" | "HMAC-SHA" | "AH_SHA" => "SHA",
        "pre-shared key" => "Preshared Key",
        "RSA signatures" => "RSA Signature with Certificates",
        "Kerberos (GSS-API)" => "Kerberos (GSSAPI)",
        "Transport" => "Transport Mode",
        "Tunnel" => "Tunnel Mode",
        "absent" | "NONE" => "None",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use ipsec_core::wire::ikev1::{
        AhTransform, AuthenticationAlgorithm, EncapsulationMode, EncryptionAlgorithm, EspTransform,
        HashAlgorithm, Phase1Attribute, Phase2Attribute,
    };

    use super::*;

    /// The names of the wire format, which this file translates, are those that it knows.
    #[test]
    fn the_wires_names_are_translated() {
        let values = [
            (EncryptionAlgorithm::DES_CBC.to_string(), "DES CBC"),
            (EncryptionAlgorithm::TRIPLE_DES_CBC.to_string(), "Triple DES CBC"),
            (HashAlgorithm::MD5.to_string(), "MD5"),
            (HashAlgorithm::SHA.to_string(), "SHA"),
            (AuthenticationMethod::PRE_SHARED_KEY.to_string(), "Preshared Key"),
            (AuthenticationMethod::RSA_SIGNATURES.to_string(), "RSA Signature with Certificates"),
            (AuthenticationMethod::GSS_API.to_string(), "Kerberos (GSSAPI)"),
            (EspTransform::DES.to_string(), "DES CBC"),
            (EspTransform::TRIPLE_DES.to_string(), "Triple DES CBC"),
            (EspTransform::NULL.to_string(), "NULL DES"),
            (AhTransform::MD5.to_string(), "MD5"),
            (AhTransform::SHA.to_string(), "SHA"),
            (AuthenticationAlgorithm::HMAC_MD5.to_string(), "MD5"),
            (AuthenticationAlgorithm::HMAC_SHA.to_string(), "SHA"),
            (EncapsulationMode::TUNNEL.to_string(), "Tunnel Mode"),
            (EncapsulationMode::TRANSPORT.to_string(), "Transport Mode"),
        ];
        for (wire, windows) in &values {
            assert_eq!(value(wire), *windows);
        }
        for kind in [1, 2, 3, 4, 5, 11, 12, 13, 14] {
            let name = Phase1Attribute(kind).name().unwrap();
            assert_ne!(attribute(name, Phase::MainMode), name);
        }
        for kind in [1, 2, 3, 4, 5, 6, 7] {
            let name = Phase2Attribute(kind).name().unwrap();
            assert_ne!(attribute(name, Phase::QuickMode), name);
        }
    }
}
