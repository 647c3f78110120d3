//! Identities of phase 1 as they are configured, and as they are on the wire (RFC 2407 section 4.6.2).

use alloc::string::String;
use core::net::IpAddr;

use super::failure::FailureReason;
use super::sa::Names;
use super::v1::Refused;
use crate::natt;
use crate::pad::{self, Identity};
use crate::wire::ikev1::{IdType, Identification, NotifyType};

/// The payload that says who we are: protocol and port stay unset.
pub(crate) fn payload(identity: Option<&Identity>, local: IpAddr) -> Identification {
    match identity {
        None => Identification::address(local),
        Some(Identity::Address(address)) => Identification::address(*address),
        Some(Identity::Fqdn(name)) => Identification::fqdn(name),
        Some(Identity::UserFqdn(name)) => Identification::user_fqdn(name),
        Some(Identity::KeyId(octets)) => Identification::new(IdType::KEY_ID, octets.clone()),
    }
}

/// What the peer calls itself, if that is something that a policy can name.
pub(crate) fn claimed(id: &Identification) -> Option<Identity> {
    let text = || String::from_utf8(id.data.clone()).ok();
    match id.id_type {
        IdType::IPV4_ADDR | IdType::IPV6_ADDR => id.to_address().map(Identity::Address),
        IdType::FQDN => text().map(Identity::Fqdn),
        IdType::USER_FQDN => text().map(Identity::UserFqdn),
        IdType::KEY_ID => Some(Identity::KeyId(id.data.clone())),
        _ => None,
    }
}

/// RFC2407-4.6.2-03: protocol and port are unset, or those of IKE.
pub(crate) fn has_port_of_ike(id: &Identification) -> bool {
    matches!((id.protocol, id.port), (0, 0) | (17, 0 | 500))
}

/// Judges what the peer calls itself: one of the names that its PAD entry allows, or its address (RFC 4945 section 3.1).
///
/// A peer behind a NAT knows itself by another address than we do. Main mode found its key by the address seen, so the key
/// alone says who it is, and where no names are configured any address will do (RFC 3947 section 8). With NAT traversal it
/// must not name a port (section 4); those of IKE do no harm.
pub(crate) fn refuse(id: Option<&Identification>, names: &Names) -> Option<Refused> {
    let notify = NotifyType::INVALID_ID_INFORMATION;
    let Some(id) = id else { return Some(Refused::rule(notify, "ID is missing")) };
    let floated = names.nat_version().is_some() && (id.protocol, id.port) == (17, natt::PORT);
    if !has_port_of_ike(id) && !floated {
        return Some(Refused::rule(notify, "phase 1 ID names another port than IKE's"));
    }
    let allowed = &names.peer_identities;
    let behind_nat = allowed.is_empty() && names.nat.is_some_and(|nat| nat.peer);
    let is_allowed = claimed(id).is_some_and(|claimed| match claimed {
        Identity::Address(_) if behind_nat => true,
        claimed => pad::admits(allowed, &claimed, names.peer.ip()),
    });
    (!is_allowed).then_some(Refused { notify, reason: FailureReason::AuthenticationFailed })
}
