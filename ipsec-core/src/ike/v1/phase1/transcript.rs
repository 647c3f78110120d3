//! What phase 1 computes keys and proofs from, and how it ends.

use alloc::vec;
use alloc::vec::Vec;

use super::{Accepted, Agreement, Established, IsakmpKeys, Phase1};
use crate::crypto::{CipherKey, KeyError};
use crate::ike::context::Step;
use crate::ike::failure::{FailureReason, IkeError};
use crate::ike::outbox::{Encryption, Protection, Sent};
use crate::ike::sa::Names;
use crate::ike::timer::TimerKey;
use crate::ike::v1::keymat::{self, Skeyids};
use crate::ike::v1::{Checked, Received, Refused, auth, one, verify_hash};
use crate::io::{Event, Keys, MainModeInfo};
use crate::pad::MainModeProposal;
use crate::time::Duration;
use crate::wire::ikev1::{IdType, Identification, Notification, NotifyType};
use crate::wire::isakmp::{Chain, Payload, PayloadType};

/// What both hashes and all keys are computed from.
#[derive(Clone, Debug)]
pub(crate) struct Transcript {
    pub(crate) agreement: Agreement,
    pub(crate) g_xi: Vec<u8>,
    pub(crate) g_xr: Vec<u8>,
    pub(crate) ni_b: Vec<u8>,
    pub(crate) nr_b: Vec<u8>,
}

impl Transcript {
    /// SKEYID and its children, and the cipher key, which is logged at once: messages 5 and 6 can then be read even when
    /// they do not authenticate.
    pub(crate) fn derive(&self, g_xy: &[u8], step: &mut Step<'_, '_>) -> Result<IsakmpKeys, KeyError> {
        let MainModeProposal { cipher, hash: alg, .. } = self.agreement.proposal;
        let (cky_i, cky_r) = (step.names.cky_i, step.names.cky_r);
        let skeyid = self.agreement.credential.skeyid(alg, &self.ni_b, &self.nr_b);
        let skeyids = Skeyids::derive(alg, skeyid, g_xy, &cky_i.0, &cky_r.0);
        let secret = keymat::cipher_key(alg, &skeyids.skeyid_e, cipher);
        let key = CipherKey::new(cipher, &secret)?;
        if step.cx.node.key_log {
            step.cx.event(Event::Keys(Keys::Isakmp { cky_i, cky_r, cipher, key: secret }));
        }
        Ok(IsakmpKeys { alg, skeyids, key })
    }

    /// The IV of message 5.
    pub(crate) fn first_iv(&self) -> Vec<u8> {
        let MainModeProposal { cipher, hash: alg, .. } = self.agreement.proposal;
        keymat::phase_1_iv(alg, &self.g_xi, &self.g_xr, cipher)
    }

    fn hashed<'a>(&'a self, names: &'a Names) -> auth::Phase1<'a> {
        auth::Phase1 {
            g_xi: &self.g_xi,
            g_xr: &self.g_xr,
            cky_i: &names.cky_i.0,
            cky_r: &names.cky_r.0,
            sai_b: &self.agreement.sa_i_b,
        }
    }

    /// Judges message 5 or 6: it decrypts, the HASH verifies, and then the identity must be the peer's address.
    ///
    /// With different pre-shared keys the plaintext is garbage: no authenticated error exists, and both ends time out.
    pub(crate) fn check_authentication(
        &self,
        keys: &IsakmpKeys,
        iv: &[u8],
        received: &Received<'_>,
        names: &Names,
    ) -> Result<Checked<Accepted>, IkeError> {
        let (chain, next_iv) = received.decrypt(Encryption { key: &keys.key, iv })?;
        let id = one(&chain, PayloadType::IDENTIFICATION)?;
        let hash = one(&chain, PayloadType::HASH)?;
        let (hashed, skeyid) = (self.hashed(names), &keys.skeyids.skeyid);
        // The peer authenticates itself in its own role.
        let (expected, name) = match names.initiator {
            true => (hashed.hash_r(keys.alg, skeyid, chain.body(id)), "HASH_R"),
            false => (hashed.hash_i(keys.alg, skeyid, chain.body(id)), "HASH_I"),
        };
        verify_hash(&chain, hash, &expected, name)?;
        if let Some(refused) = refuse_identity(&chain, names) {
            return Ok(Checked::Refused(refused));
        }
        let notifications = chain.notifications().cloned().collect();
        Ok(Checked::Accepted(Accepted::Authenticated { next_iv, notifications }))
    }

    /// Sends message 5 or 6.
    pub(crate) fn authenticate(&self, keys: &IsakmpKeys, iv: &[u8], step: &mut Step<'_, '_>) -> Sent {
        let names = step.names;
        // Nothing stands beside the identity: the HASH would not cover it.
        let payloads = vec![Payload::Identification(Identification::address(names.local.ip()))];
        let protection = Protection::Phase1 {
            encryption: Encryption { key: &keys.key, iv },
            alg: keys.alg,
            skeyid: &keys.skeyids.skeyid,
            transcript: self.hashed(names),
            initiator: names.initiator,
        };
        let sent = step.cx.node.outbox.send(step.header(), payloads, protection);
        step.send(&sent, names.initiator);
        sent
    }

    /// Both ends have authenticated themselves.
    pub(crate) fn establish(
        self,
        keys: IsakmpKeys,
        last_block: Vec<u8>,
        notifications: &[Notification],
        step: &mut Step<'_, '_>,
    ) -> Phase1 {
        let (names, agreement) = (step.names, self.agreement);
        let lifetime_seconds = agreement.lifetime_seconds;
        let expires = step.cx.now + Duration::from_secs(lifetime_seconds.into());
        step.cx.node.timers.set(TimerKey::Expiry(names.id), expires);
        step.rest();
        step.cx.event(Event::MainModeEstablished(MainModeInfo {
            local: names.local,
            peer: names.peer,
            initiator: names.initiator,
            cky_i: names.cky_i,
            cky_r: names.cky_r,
            pad_entry: names.pad_entry,
            proposal: agreement.proposal,
            lifetime_seconds,
            we_can: names.we_can,
            peer_can: names.peer_can,
        }));
        for notification in notifications {
            let notify = notification.notify_type.0;
            step.cx.event(Event::Notified { peer: names.peer, notify });
        }
        // The HASH does not cover notifications, and CBC alone proves little: the cookies inside must have survived.
        let cookies = [names.cky_i.0, names.cky_r.0].concat();
        let initial_contact =
            notifications.iter().any(|n| n.notify_type == NotifyType::INITIAL_CONTACT && n.spi == cookies);
        Phase1::Established(Established {
            keys,
            last_block,
            proposal: agreement.proposal,
            credential: agreement.credential,
            since: step.cx.now,
            expires,
            initial_contact,
        })
    }
}

/// With pre-shared keys in main mode the key was chosen by address, so the identity must be that address (RFC 4945 section
/// 3.1), and protocol and port must be unset or those of IKE (RFC2407-4.6.2-03).
fn refuse_identity(chain: &Chain, names: &Names) -> Option<Refused> {
    let notify = NotifyType::INVALID_ID_INFORMATION;
    let Some(id) = chain.identification() else { return Some(Refused::rule(notify, "ID is missing")) };
    if !matches!((id.protocol, id.port), (0, 0) | (17, 0 | 500)) {
        return Some(Refused::rule(notify, "phase 1 ID names another port than IKE's"));
    }
    let is_address = matches!(id.id_type, IdType::IPV4_ADDR | IdType::IPV6_ADDR);
    if !is_address || id.to_address() != Some(names.peer.ip()) {
        return Some(Refused { notify, reason: FailureReason::AuthenticationFailed });
    }
    None
}

/// What becomes of a phase 1 whose keys cannot be used.
pub(crate) fn unusable_key(_: KeyError) -> Phase1 {
    let rule = "the derived key is weak";
    let notify = NotifyType::INVALID_KEY_INFORMATION.0;
    Phase1::Failed(FailureReason::Protocol(IkeError::PeerMisbehaved { notify, rule }))
}
