//! The payloads of IKE version 1 (RFC 2408 3.4 to 3.16) and the numbers that fill them (RFC 2407, RFC 2409 App. A).

mod attribute;
mod certificate;
mod delete;
mod doi;
mod fragment;
mod identification;
mod nat;
mod notification;
mod opaque;
mod phase1;
mod phase2;
mod proposal;
mod sa;
mod transform;

pub use attribute::{Attribute, AttributeValue, MAX_ATTRIBUTES};
pub use certificate::{Certificate, CertificateEncoding, CertificateRequest};
pub use delete::Delete;
pub use doi::{AhTransform, Doi, EspTransform, IpcompTransform, IsakmpTransform, ProtocolId, Situation};
pub use fragment::{FRAGMENT_HEADER_LEN, Fragment};
pub use identification::{IdType, Identification};
pub use nat::{NatD, NatNumbering, NatOa};
pub use notification::{Notification, NotifyType};
pub use opaque::{Hash, KeyExchange, Nonce, Signature, VendorId};
pub use phase1::{
    AuthenticationMethod, EncryptionAlgorithm, GroupDescription, GroupType, HashAlgorithm, LifeType,
    Phase1Attribute,
};
pub use phase2::{AuthenticationAlgorithm, EncapsulationMode, Phase2Attribute};
pub use proposal::{MAX_PROPOSALS, Proposal};
pub use sa::SaPayload;
pub use transform::Transform;
