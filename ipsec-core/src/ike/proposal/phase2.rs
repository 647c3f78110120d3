//! Proposals of quick mode (RFC 2407 sections 4.4 and 4.5).
//!
//! Proposals of one number are one suite, all of whose protocols are wanted (AND); different numbers are alternatives (OR):
//! RFC 2408 section 4.2.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use super::{Narrowing, OfferedLifetime, OrNone, Refusal, basic, same_attributes};
use crate::crypto::{Cipher, Group, Mac};
use crate::ike::v1::nat_traversal::Version;
use crate::sad::Spi;
use crate::spd::Offer;
use crate::wire::ikev1::{
    AhTransform, Attribute, AuthenticationAlgorithm, EncapsulationMode, EspTransform, GroupDescription,
    LifeType, Phase2Attribute, Proposal, ProtocolId, SaPayload, Transform,
};

/// Transform-Id of 40-bit DES: from the private range, because no RFC numbers it. Only two peers of ours agree on it.
const ESP_DES_40: EspTransform = EspTransform(249);
/// Explanations kept for one SA payload.
const REFUSALS: usize = 64;
/// Offers of ours that fit one SA payload, where AH with ESP takes two proposals.
const OFFERS: usize = 32;

/// What our policy wants of a quick mode.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The suites, most wanted first.
    pub offers: &'a [Offer],
    /// Tunnel or transport mode.
    pub tunnel: bool,
    /// The group of perfect forward secrecy.
    pub pfs: Option<Group>,
    /// Across a NAT, the revision whose UDP-encapsulated modes are meant in place of the plain ones (RFC 3947 section 5.1).
    pub nat: Option<Version>,
}

/// One side's SPIs of a suite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spis {
    /// Of ESP.
    pub esp: Option<Spi>,
    /// Of AH.
    pub ah: Option<Spi>,
}

impl Spis {
    fn of(&self, protocol: ProtocolId) -> Option<Spi> {
        match protocol {
            ProtocolId::AH => self.ah,
            ProtocolId::ESP => self.esp,
            _ => None,
        }
    }

    fn set(&mut self, protocol: ProtocolId, spi: Spi) {
        match protocol {
            ProtocolId::AH => self.ah = Some(spi),
            ProtocolId::ESP => self.esp = Some(spi),
            _ => {}
        }
    }
}

/// What the responder takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The chosen suite as received, one transform for each protocol.
    pub proposals: Vec<Proposal>,
    /// Which of our offers it fits.
    pub offer: Offer,
    /// The shortest lifetime among its transforms.
    pub lifetime: OfferedLifetime,
    /// The initiator's SPIs.
    pub peer: Spis,
}

impl Choice {
    /// The SA payload of the reply: the suite with our SPIs in it.
    pub fn reply(&self, ours: &Spis) -> SaPayload {
        let with_spi = |proposal: &Proposal| Proposal {
            spi: ours.of(proposal.protocol).map_or(Vec::new(), |spi| spi.0.to_be_bytes().to_vec()),
            ..proposal.clone()
        };
        SaPayload::new(self.proposals.iter().map(with_spi).collect())
    }
}

/// The SA payload that offers these suites, in this order.
pub fn offer(wanted: &Wanted<'_>, spis: &Spis) -> SaPayload {
    let mut proposals = Vec::new();
    for (number, offer) in (1..).zip(wanted.offers.iter().take(OFFERS)) {
        let mut add = |protocol: ProtocolId, id: u8, algorithm: Option<Mac>, key_length: Option<u16>| {
            let mut attributes = common_attributes(offer, wanted);
            attributes
                .extend(algorithm.map(|mac| {
                    Attribute::basic(Phase2Attribute::AUTHENTICATION_ALGORITHM, auth_number(mac))
                }));
            attributes.extend(key_length.map(|bits| Attribute::basic(Phase2Attribute::KEY_LENGTH, bits)));
            proposals.push(Proposal {
                number,
                protocol,
                spi: spis.of(protocol).map_or(Vec::new(), |spi| spi.0.to_be_bytes().to_vec()),
                transforms: vec![Transform { number: 1, id, attributes }],
            });
        };
        if let Some(mac) = offer.ah {
            add(ProtocolId::AH, ah_number(mac).0, Some(mac), None);
        }
        if let Some(esp) = offer.esp {
            let (id, key_length) = esp_number(esp.cipher);
            add(ProtocolId::ESP, id.0, esp.mac, key_length);
        }
    }
    SaPayload::new(proposals)
}

/// The attributes that do not depend on the protocol. A lifetime that policy leaves open is not sent.
fn common_attributes(offer: &Offer, wanted: &Wanted<'_>) -> Vec<Attribute> {
    let mut attributes = lifetime_attributes(offer.lifetime.seconds, offer.lifetime.kilobytes);
    attributes
        .extend(wanted.pfs.map(|group| Attribute::basic(Phase2Attribute::GROUP_DESCRIPTION, group.id())));
    attributes.push(Attribute::basic(Phase2Attribute::ENCAPSULATION_MODE, mode_number(wanted)));
    attributes
}

/// Lifetimes as attributes, each type before its duration (RFC2407-4.5-05).
pub fn lifetime_attributes(seconds: Option<u32>, kilobytes: Option<u32>) -> Vec<Attribute> {
    let pair = |life_type: LifeType, duration: Option<u32>| {
        duration.into_iter().flat_map(move |duration| {
            [
                Attribute::basic(Phase2Attribute::LIFE_TYPE, life_type),
                Attribute::long(Phase2Attribute::LIFE_DURATION, duration),
            ]
        })
    };
    pair(LifeType::SECONDS, seconds).chain(pair(LifeType::KILOBYTES, kilobytes)).collect()
}

/// Reads the lifetimes of a transform or a RESPONDER-LIFETIME notification.
pub fn read_lifetime(attributes: &[Attribute]) -> Option<OfferedLifetime> {
    OfferedLifetime::read(attributes, Phase2Attribute::LIFE_TYPE.0, Phase2Attribute::LIFE_DURATION.0)
}

/// The encapsulation modes that occur in an offer, in order: `true` for tunnel. Where nothing is said the mode is ours to
/// choose (RFC 2407 section 4.5), so both count. Across a NAT only the UDP-encapsulated modes of the agreed revision do.
pub fn modes(offered: &SaPayload, nat: Option<Version>) -> Vec<bool> {
    let mut modes = Vec::new();
    for transform in offered.proposals.iter().flat_map(|proposal| &proposal.transforms) {
        let mode =
            basic(transform, Phase2Attribute::ENCAPSULATION_MODE).ok().flatten().map(EncapsulationMode);
        let found: &[bool] = match mode {
            Some(mode) if mode == number_of(true, nat) => &[true],
            Some(mode) if mode == number_of(false, nat) => &[false],
            None if nat.is_none() => &[false, true],
            _ => &[],
        };
        found.iter().for_each(|mode| {
            if !modes.contains(mode) {
                modes.push(*mode);
            }
        });
    }
    modes
}

/// Whether the proposals come in order, those of one number together (RFC2408-4.2-04, RFC2408-4.2-05), and agree about
/// perfect forward secrecy: with KE every transform names one group (RFC2409-5.5-13, RFC2409-5.5-14).
pub fn is_well_formed(offered: &SaPayload, has_ke: bool) -> bool {
    let mut transforms = offered.proposals.iter().flat_map(|proposal| &proposal.transforms);
    let group = |transform: &Transform| transform.attribute(Phase2Attribute::GROUP_DESCRIPTION).cloned();
    let first = transforms.clone().next().and_then(group);
    offered.proposals.is_sorted_by_key(|proposal| proposal.number)
        && transforms.all(|transform| group(transform) == first)
        && (first.is_some() || !has_ke)
}

/// The first offered suite that our policy accepts, in the order of the initiator; else why each one was refused.
pub fn choose(offered: &SaPayload, wanted: &Wanted<'_>) -> Result<Choice, Vec<Refusal>> {
    let mut refusals = Vec::new();
    let mut tried = Vec::new();
    for number in offered.proposals.iter().map(|proposal| proposal.number) {
        if tried.contains(&number) {
            continue;
        }
        tried.push(number);
        let suite: Vec<&Proposal> = offered.proposals.iter().filter(|p| p.number == number).collect();
        match accept_suite(&suite, wanted, &mut refusals) {
            Some(choice) => return Ok(choice),
            None => refusals.truncate(REFUSALS),
        }
    }
    Err(refusals)
}

/// Whether no suite in an offer does without AH, which comes through no NAT (RFC 3715 section 2.1, case a).
pub fn is_ah_everywhere(offered: &SaPayload) -> bool {
    let has_ah = |number| {
        let is_ah = |p: &Proposal| p.number == number && p.protocol == ProtocolId::AH;
        offered.proposals.iter().any(is_ah)
    };
    !offered.proposals.is_empty() && offered.proposals.iter().all(|proposal| has_ah(proposal.number))
}

fn accept_suite(suite: &[&Proposal], wanted: &Wanted<'_>, refusals: &mut Vec<Refusal>) -> Option<Choice> {
    let first = suite.first()?;
    let has = |protocol| suite.iter().any(|p| p.protocol == protocol);
    let (ah, esp) = (has(ProtocolId::AH), has(ProtocolId::ESP));
    let mut fitting = Narrowing {
        proposal: first.number,
        transform: first.transforms.first().map_or(0, |t| t.number),
        candidates: wanted.offers.to_vec(),
    };
    // Also refuses a suite with IPCOMP, or with one protocol twice, whole: neither set has them.
    let set = Protocols::sorted(suite.iter().map(|p| p.protocol));
    let known = suite.len() == usize::from(ah) + usize::from(esp);
    if let Err(refusal) = fitting.keep("set of protocols", known.then(|| set.clone()), &set, Protocols::of) {
        refusals.push(refusal);
        return None;
    }
    if ah && wanted.nat.is_some() {
        refusals.push(fitting.refuse("set of protocols", "ESP: no AH comes through a NAT", &set));
        return None;
    }
    let mut peer = Spis::default();
    for proposal in suite {
        // RFC2408-5.5-03, RFC4303-2.1-03: 0 to 255 are reserved.
        match proposal.spi_u32().filter(|spi| *spi > 255) {
            Some(spi) => peer.set(proposal.protocol, Spi(spi)),
            None => {
                refusals.push(fitting.refuse("SPI", "four octets above 255", "another"));
                return None;
            }
        }
    }
    let mut chosen = Vec::new();
    let (candidates, lifetime) = combine(suite, fitting.candidates, wanted, &mut chosen, refusals)?;
    chosen.reverse();
    Some(Choice { proposals: chosen, offer: *candidates.first()?, lifetime, peer })
}

/// Finds one transform for each protocol so that some offer of ours fits them all; pushes them last protocol first.
fn combine(
    suite: &[&Proposal],
    candidates: Vec<Offer>,
    wanted: &Wanted<'_>,
    chosen: &mut Vec<Proposal>,
    refusals: &mut Vec<Refusal>,
) -> Option<(Vec<Offer>, OfferedLifetime)> {
    let Some((proposal, rest)) = suite.split_first() else {
        return Some((candidates, OfferedLifetime::default()));
    };
    for transform in &proposal.transforms {
        let fitting = Narrowing {
            proposal: proposal.number,
            transform: transform.number,
            candidates: candidates.clone(),
        };
        match accept(proposal.protocol, transform, fitting, wanted) {
            Ok((fitting, lifetime)) => {
                if let Some((offers, other)) = combine(rest, fitting, wanted, chosen, refusals) {
                    chosen.push(Proposal { transforms: vec![transform.clone()], ..(*proposal).clone() });
                    return Some((offers, lifetime.shortest(other)));
                }
            }
            Err(refusal) if refusals.len() < REFUSALS => refusals.push(refusal),
            Err(_) => {}
        }
    }
    None
}

fn accept(
    protocol: ProtocolId,
    transform: &Transform,
    mut fitting: Narrowing<Offer>,
    wanted: &Wanted<'_>,
) -> Result<(Vec<Offer>, OfferedLifetime), Refusal> {
    // An attribute we cannot read may change the meaning of the others: no abort, but no agreement either.
    if let Some(unknown) = transform.attributes.iter().find(|attribute| !is_known(attribute.kind)) {
        return Err(fitting.refuse("an unknown attribute", "none", Phase2Attribute(unknown.kind)));
    }
    let number = |kind: Phase2Attribute, fitting: &Narrowing<Offer>| {
        basic(transform, kind)
            .map_err(|why| fitting.refuse(kind.name().unwrap_or("?"), "one basic value", why))
    };
    let algorithm =
        OrNone(number(Phase2Attribute::AUTHENTICATION_ALGORITHM, &fitting)?.map(AuthenticationAlgorithm));
    let key_length = OrNone(number(Phase2Attribute::KEY_LENGTH, &fitting)?);
    let group = OrNone(number(Phase2Attribute::GROUP_DESCRIPTION, &fitting)?.map(GroupDescription));
    let mode = number(Phase2Attribute::ENCAPSULATION_MODE, &fitting)?.map(EncapsulationMode);

    if protocol == ProtocolId::AH {
        let id = AhTransform(transform.id);
        fitting.keep("Transform-Id", Some(OrNone(Some(id))), id, |o| OrNone(o.ah.map(ah_number)))?;
        fitting.keep("Authentication-Algorithm", Some(algorithm), algorithm, |o| {
            OrNone(o.ah.map(auth_number))
        })?;
        fitting.keep("Key-Length", Some(key_length), key_length, |_| OrNone(None))?;
    } else {
        let id = EspTransform(transform.id);
        let cipher = |o: &Offer| o.esp.map(|esp| esp_number(esp.cipher));
        fitting.keep("Transform-Id", Some(OrNone(Some(id))), id, |o| OrNone(cipher(o).map(|(id, _)| id)))?;
        fitting.keep("Key-Length", Some(key_length), key_length, |o| {
            OrNone(cipher(o).and_then(|(_, bits)| bits))
        })?;
        fitting.keep("Authentication-Algorithm", Some(algorithm), algorithm, |o| {
            OrNone(o.esp.and_then(|esp| esp.mac).map(auth_number))
        })?;
        // RFC2407-4.4.4.11-02: whatever our policy says, ESP_NULL needs an authentication algorithm.
        if id == EspTransform::NULL && algorithm.0.is_none() {
            return Err(fitting.refuse("Authentication-Algorithm", "one with ESP_NULL", algorithm));
        }
    }
    let our_mode = mode_number(wanted);
    if mode.map_or(wanted.nat.is_some(), |mode| mode != our_mode) {
        return Err(fitting.refuse("Encapsulation-Mode", our_mode, OrNone(mode)));
    }
    let our_group = OrNone(wanted.pfs.map(|group| GroupDescription(group.id())));
    fitting.keep("Group-Description", Some(group), group, |_| our_group)?;
    let lifetime = read_lifetime(&transform.attributes)
        .ok_or_else(|| fitting.refuse("SA-Life-Duration", "type, then duration", "malformed"))?;
    Ok((fitting.candidates, lifetime))
}

fn is_known(kind: u16) -> bool {
    matches!(
        Phase2Attribute(kind),
        Phase2Attribute::LIFE_TYPE
            | Phase2Attribute::LIFE_DURATION
            | Phase2Attribute::GROUP_DESCRIPTION
            | Phase2Attribute::ENCAPSULATION_MODE
            | Phase2Attribute::AUTHENTICATION_ALGORITHM
            | Phase2Attribute::KEY_LENGTH
    )
}

/// What the initiator learns from a reply that is one suite of its offer, unmodified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// Which of our offers it is.
    pub offer: Offer,
    /// The responder's SPIs.
    pub peer: Spis,
}

/// Whether a lifetime is among the attributes.
fn names_life(attributes: &[Attribute]) -> bool {
    attributes.iter().any(is_life)
}

fn is_life(attribute: &Attribute) -> bool {
    matches!(Phase2Attribute(attribute.kind), Phase2Attribute::LIFE_TYPE | Phase2Attribute::LIFE_DURATION)
}

fn without_life(transform: &Transform) -> Vec<Attribute> {
    transform.attributes.iter().filter(|a| !is_life(a)).cloned().collect()
}

/// The initiator's check: one suite, one transform for each protocol, as it was offered (RFC2408-4.2-11).
///
/// A whole lifetime where we said none modifies nothing: it is the peer's own, and strongSwan spells out the 28,800 s that an offer
/// without one means (RFC 2407 section 4.5).
pub fn confirm(offered: &SaPayload, offers: &[Offer], reply: &SaPayload) -> Option<Confirmed> {
    let number = reply.proposals.first()?.number;
    let sent = || offered.proposals.iter().filter(|p| p.number == number);
    if sent().count() != reply.proposals.len() {
        return None;
    }
    let mut peer = Spis::default();
    for proposal in &reply.proposals {
        let [transform] = proposal.transforms.as_slice() else { return None };
        let ours = sent().find(|p| p.protocol == proposal.protocol && p.number == proposal.number)?;
        let same = |t: &&Transform| {
            t.number == transform.number
                && t.id == transform.id
                && (same_attributes(&t.attributes, &transform.attributes)
                    || !names_life(&t.attributes)
                        && read_lifetime(&transform.attributes).is_some()
                        && same_attributes(&t.attributes, &without_life(transform)))
        };
        ours.transforms.iter().find(same)?;
        let spi = Spi(proposal.spi_u32().filter(|spi| *spi > 255)?);
        if peer.of(proposal.protocol).is_some() {
            return None;
        }
        peer.set(proposal.protocol, spi);
    }
    let place = usize::from(number).checked_sub(1)?;
    Some(Confirmed { offer: *offers.get(place)?, peer })
}

/// A set of protocols, in an explanation.
#[derive(Clone, PartialEq, Eq)]
struct Protocols(Vec<ProtocolId>);

impl Protocols {
    fn of(offer: &Offer) -> Self {
        let ah = offer.ah.map(|_| ProtocolId::AH);
        let esp = offer.esp.map(|_| ProtocolId::ESP);
        Protocols(ah.into_iter().chain(esp).collect())
    }

    fn sorted(protocols: impl IntoIterator<Item = ProtocolId>) -> Self {
        let mut protocols: Vec<_> = protocols.into_iter().collect();
        protocols.sort();
        Protocols(protocols)
    }
}

impl fmt::Display for Protocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, protocol) in self.0.iter().enumerate() {
            write!(f, "{}{protocol}", if i == 0 { "" } else { " + " })?;
        }
        Ok(())
    }
}

fn mode_number(wanted: &Wanted<'_>) -> EncapsulationMode {
    number_of(wanted.tunnel, wanted.nat)
}

fn number_of(tunnel: bool, nat: Option<Version>) -> EncapsulationMode {
    match (nat, tunnel) {
        (Some(version), tunnel) => version.encapsulation_mode(tunnel),
        (None, true) => EncapsulationMode::TUNNEL,
        (None, false) => EncapsulationMode::TRANSPORT,
    }
}

fn ah_number(mac: Mac) -> AhTransform {
    match mac {
        Mac::HmacMd5_96 => AhTransform::MD5,
        Mac::HmacSha1_96 => AhTransform::SHA,
        Mac::HmacSha256_128 => AhTransform::SHA2_256,
    }
}

fn auth_number(mac: Mac) -> AuthenticationAlgorithm {
    match mac {
        Mac::HmacMd5_96 => AuthenticationAlgorithm::HMAC_MD5,
        Mac::HmacSha1_96 => AuthenticationAlgorithm::HMAC_SHA,
        Mac::HmacSha256_128 => AuthenticationAlgorithm::HMAC_SHA2_256,
    }
}

fn esp_number(cipher: Cipher) -> (EspTransform, Option<u16>) {
    match cipher {
        Cipher::Null => (EspTransform::NULL, None),
        Cipher::Des40 => (ESP_DES_40, None),
        Cipher::Des => (EspTransform::DES, None),
        Cipher::TripleDes => (EspTransform::TRIPLE_DES, None),
        Cipher::Aes128 | Cipher::Aes192 | Cipher::Aes256 => (EspTransform::AES_CBC, Some(cipher.key_bits())),
    }
}
