//! Proposals of phase 1 (RFC 2409 section 4 and appendix A).
//!
//! A transform holds algorithms and one authentication method, so an offer is the product of both lists. The order says what
//! counts more: all proposals with the first method, then all with the second, and so on. (That Windows does the same is not
//! confirmed.) The responder takes the first transform that it has in common with the initiator, whatever its own order, and
//! so the first common method of the initiator's list.

use alloc::vec;
use alloc::vec::Vec;

use super::{Narrowing, OfferedLifetime, OrNone, Refusal, basic, same_attributes};
use crate::crypto::{Cipher, HashAlg};
use crate::pad::{AuthMethod, MainModeProposal};
use crate::wire::ikev1::{
    Attribute, AuthenticationMethod, EncryptionAlgorithm, GroupDescription, HashAlgorithm, IsakmpTransform,
    LifeType, Phase1Attribute, Proposal, ProtocolId, SaPayload, Transform,
};

/// Encryption algorithm of 40-bit DES: from the private range, because no RFC numbers it. Only two peers of ours agree on it.
const DES_40: EncryptionAlgorithm = EncryptionAlgorithm(65_001);

/// What the responder takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The SA payload to answer with: one proposal, one transform, as received.
    pub reply: SaPayload,
    /// The algorithms.
    pub agreed: MainModeProposal,
    /// The authentication method, as our policy has it.
    pub method: AuthMethod,
    /// The lifetime that was offered, in seconds.
    pub seconds: Option<u32>,
}

/// What one transform stands for.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    proposal: MainModeProposal,
    method: &'a AuthMethod,
}

/// The product of methods and proposals, the methods outside. Two methods that look the same on the wire are one. At most
/// 255: a transform's number has one octet.
fn candidates<'a>(proposals: &[MainModeProposal], methods: &'a [AuthMethod]) -> Vec<Candidate<'a>> {
    let first = |(place, method): &(usize, &AuthMethod)| {
        !methods.iter().take(*place).any(|earlier| method_number(earlier) == method_number(method))
    };
    let methods = methods.iter().enumerate().filter(first).map(|(_, method)| method);
    let product = methods
        .flat_map(|method| proposals.iter().map(move |proposal| Candidate { proposal: *proposal, method }));
    product.take(u8::MAX.into()).collect()
}

/// The SA payload that offers these proposals with each of these methods, the methods outermost.
pub fn offer(proposals: &[MainModeProposal], methods: &[AuthMethod], lifetime_seconds: u32) -> SaPayload {
    let transforms = (1..=u8::MAX).zip(candidates(proposals, methods)).map(|(number, candidate)| Transform {
        number,
        id: IsakmpTransform::KEY_IKE.0,
        attributes: attributes(&candidate, lifetime_seconds),
    });
    SaPayload::new(vec![Proposal {
        number: 1,
        protocol: ProtocolId::ISAKMP,
        spi: Vec::new(),
        transforms: transforms.collect(),
    }])
}

fn attributes(candidate: &Candidate<'_>, lifetime_seconds: u32) -> Vec<Attribute> {
    let Candidate { proposal, method } = candidate;
    let (encryption, key_length) = encryption_number(proposal.cipher);
    let mut attributes = vec![Attribute::basic(Phase1Attribute::ENCRYPTION_ALGORITHM, encryption)];
    attributes.extend(key_length.map(|bits| Attribute::basic(Phase1Attribute::KEY_LENGTH, bits)));
    attributes.extend([
        Attribute::basic(Phase1Attribute::HASH_ALGORITHM, hash_number(proposal.hash)),
        Attribute::basic(Phase1Attribute::GROUP_DESCRIPTION, proposal.group.id()),
        Attribute::basic(Phase1Attribute::AUTHENTICATION_METHOD, method_number(method)),
        Attribute::basic(Phase1Attribute::LIFE_TYPE, LifeType::SECONDS),
        Attribute::long(Phase1Attribute::LIFE_DURATION, lifetime_seconds),
    ]);
    attributes
}

/// The first offered transform that our policy accepts, in the order of the initiator; else why each one was refused.
pub fn choose(
    offered: &SaPayload,
    proposals: &[MainModeProposal],
    methods: &[AuthMethod],
) -> Result<Choice, Vec<Refusal>> {
    let ours = candidates(proposals, methods);
    let mut refusals = Vec::new();
    for proposal in &offered.proposals {
        for transform in &proposal.transforms {
            match accept(proposal, transform, &ours) {
                Ok((Candidate { proposal: agreed, method }, seconds)) => {
                    let chosen = Proposal {
                        number: proposal.number,
                        protocol: proposal.protocol,
                        spi: Vec::new(),
                        transforms: vec![transform.clone()],
                    };
                    let reply = SaPayload::new(vec![chosen]);
                    return Ok(Choice { reply, agreed, method: method.clone(), seconds });
                }
                Err(refusal) => refusals.push(refusal),
            }
        }
    }
    Err(refusals)
}

/// Whether only the methods keep us apart: the algorithms would do, and none of the methods offered is one of `methods`.
/// If so, the methods that are offered.
pub fn no_common_method(
    offered: &SaPayload,
    proposals: &[MainModeProposal],
    methods: &[AuthMethod],
) -> Option<Vec<AuthenticationMethod>> {
    let transforms = || offered.proposals.iter().flat_map(|p| p.transforms.iter().map(move |t| (p, t)));
    let mut named = Vec::new();
    for (_, transform) in transforms() {
        let method = AuthenticationMethod(basic(transform, Phase1Attribute::AUTHENTICATION_METHOD).ok()??);
        if methods.iter().any(|ours| method_number(ours) == method) {
            return None;
        }
        if !named.contains(&method) {
            named.push(method);
        }
    }
    let any: Vec<Candidate<'_>> = methods
        .first()
        .map(|method| proposals.iter().map(|proposal| Candidate { proposal: *proposal, method }).collect())?;
    let fits = |(proposal, transform): (&Proposal, &Transform)| {
        let refused = accept(proposal, transform, &any).err();
        refused.is_some_and(|refusal| refusal.attribute == AUTHENTICATION_METHOD)
    };
    transforms().any(fits).then_some(named)
}

const AUTHENTICATION_METHOD: &str = "Authentication-Method";

fn accept<'a>(
    proposal: &Proposal,
    transform: &Transform,
    ours: &[Candidate<'a>],
) -> Result<(Candidate<'a>, Option<u32>), Refusal> {
    let mut fitting =
        Narrowing { proposal: proposal.number, transform: transform.number, candidates: ours.to_vec() };
    if proposal.protocol != ProtocolId::ISAKMP {
        return Err(fitting.refuse("Protocol-Id", ProtocolId::ISAKMP, proposal.protocol));
    }
    if transform.id != IsakmpTransform::KEY_IKE.0 {
        return Err(fitting.refuse("Transform-Id", IsakmpTransform::KEY_IKE, IsakmpTransform(transform.id)));
    }
    // An attribute we cannot read may change the meaning of the others: no abort, but no agreement either.
    if let Some(unknown) = transform.attributes.iter().find(|attribute| !is_known(attribute.kind)) {
        return Err(fitting.refuse("an unknown attribute", "none", Phase1Attribute(unknown.kind)));
    }
    let number = |kind: Phase1Attribute, fitting: &Narrowing<_>| {
        basic(transform, kind)
            .map_err(|why| fitting.refuse(kind.name().unwrap_or("?"), "one basic value", why))
    };
    let encryption = number(Phase1Attribute::ENCRYPTION_ALGORITHM, &fitting)?.map(EncryptionAlgorithm);
    let key_length = number(Phase1Attribute::KEY_LENGTH, &fitting)?;
    let hash = number(Phase1Attribute::HASH_ALGORITHM, &fitting)?.map(HashAlgorithm);
    let method = number(Phase1Attribute::AUTHENTICATION_METHOD, &fitting)?.map(AuthenticationMethod);
    let group = number(Phase1Attribute::GROUP_DESCRIPTION, &fitting)?.map(GroupDescription);

    fitting.keep("Encryption-Algorithm", encryption, OrNone(encryption), |c| {
        encryption_number(c.proposal.cipher).0
    })?;
    let key_length = OrNone(key_length);
    fitting.keep("Key-Length", Some(key_length), key_length, |c| {
        OrNone(encryption_number(c.proposal.cipher).1)
    })?;
    fitting.keep("Hash-Algorithm", hash, OrNone(hash), |c| hash_number(c.proposal.hash))?;
    fitting.keep("Group-Description", group, OrNone(group), |c| GroupDescription(c.proposal.group.id()))?;
    fitting.keep(AUTHENTICATION_METHOD, method, OrNone(method), |c| method_number(c.method))?;

    let (life_type, duration) = (Phase1Attribute::LIFE_TYPE.0, Phase1Attribute::LIFE_DURATION.0);
    let lifetime = OfferedLifetime::read(&transform.attributes, life_type, duration)
        .ok_or_else(|| fitting.refuse("Life-Duration", "type, then duration", "malformed"))?;
    match fitting.candidates.first() {
        Some(agreed) => Ok((*agreed, lifetime.seconds)),
        None => Err(fitting.refuse("policy", "a proposal", "none")),
    }
}

fn is_known(kind: u16) -> bool {
    matches!(
        Phase1Attribute(kind),
        Phase1Attribute::ENCRYPTION_ALGORITHM
            | Phase1Attribute::HASH_ALGORITHM
            | Phase1Attribute::AUTHENTICATION_METHOD
            | Phase1Attribute::GROUP_DESCRIPTION
            | Phase1Attribute::LIFE_TYPE
            | Phase1Attribute::LIFE_DURATION
            | Phase1Attribute::KEY_LENGTH
    )
}

/// The initiator's check: the reply is exactly one transform of the offer, unmodified (RFC2408-4.2-11, RFC2409-5-23).
/// `proposals` and `methods` are those that `offered` was made of.
pub fn confirm(
    offered: &SaPayload,
    proposals: &[MainModeProposal],
    methods: &[AuthMethod],
    reply: &SaPayload,
) -> Option<(MainModeProposal, AuthMethod)> {
    let [proposal] = reply.proposals.as_slice() else { return None };
    let [transform] = proposal.transforms.as_slice() else { return None };
    let same = |p: &&Proposal| p.number == proposal.number && p.protocol == proposal.protocol;
    let sent = offered.proposals.iter().find(same)?;
    let place = sent.transforms.iter().position(|t| t.number == transform.number && t.id == transform.id)?;
    let unmodified = same_attributes(&sent.transforms.get(place)?.attributes, &transform.attributes);
    let agreed = candidates(proposals, methods).get(place).copied().filter(|_| unmodified)?;
    Some((agreed.proposal, agreed.method.clone()))
}

/// The number of a method on the wire.
pub fn method_number(method: &AuthMethod) -> AuthenticationMethod {
    match method {
        AuthMethod::PreSharedKey(_) => AuthenticationMethod::PRE_SHARED_KEY,
        AuthMethod::Kerberos => AuthenticationMethod::GSS_API,
        AuthMethod::Certificate { .. } => AuthenticationMethod::RSA_SIGNATURES,
    }
}

/// The group that a transform names, by number.
pub(crate) fn group(transform: &Transform) -> Option<u16> {
    basic(transform, Phase1Attribute::GROUP_DESCRIPTION).ok().flatten()
}

/// The proposals that aggressive mode can offer: those of the first one's group, which is not negotiated (RFC2409-5-18).
pub(crate) fn of_one_group(proposals: &[MainModeProposal]) -> Vec<MainModeProposal> {
    let group = proposals.first().map(|first| first.group);
    proposals.iter().filter(|proposal| Some(proposal.group) == group).copied().collect()
}

fn encryption_number(cipher: Cipher) -> (EncryptionAlgorithm, Option<u16>) {
    match cipher {
        // A policy cannot mean NULL for main mode; number 0 is reserved and matches nothing.
        Cipher::Null => (EncryptionAlgorithm(0), None),
        Cipher::Des40 => (DES_40, None),
        Cipher::Des => (EncryptionAlgorithm::DES_CBC, None),
        Cipher::TripleDes => (EncryptionAlgorithm::TRIPLE_DES_CBC, None),
        Cipher::Aes128 | Cipher::Aes192 | Cipher::Aes256 => {
            (EncryptionAlgorithm::AES_CBC, Some(cipher.key_bits()))
        }
    }
}

fn hash_number(hash: HashAlg) -> HashAlgorithm {
    match hash {
        HashAlg::Md5 => HashAlgorithm::MD5,
        HashAlg::Sha1 => HashAlgorithm::SHA,
        HashAlg::Sha256 => HashAlgorithm::SHA2_256,
        HashAlg::Sha384 => HashAlgorithm::SHA2_384,
        HashAlg::Sha512 => HashAlgorithm::SHA2_512,
    }
}
