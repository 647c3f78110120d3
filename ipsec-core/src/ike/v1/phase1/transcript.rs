//! What phase 1 computes keys and proofs from, and how it ends.

use alloc::vec;
use alloc::vec::Vec;

use super::{Accepted, Agreement, Established, IsakmpKeys, Phase1};
use crate::crypto::{CipherKey, KeyError};
use crate::ike::context::Step;
use crate::ike::failure::{FailureReason, IkeError};
use crate::ike::identity;
use crate::ike::outbox::{Encryption, Protection, Sent};
use crate::ike::sa::Names;
use crate::ike::timer::TimerKey;
use crate::ike::v1::keymat::{self, Skeyids};
use crate::ike::v1::{Checked, Received, auth, one, verify_hash};
use crate::io::{Event, Keys, MainModeInfo};
use crate::pad::MainModeProposal;
use crate::time::Duration;
use crate::wire::ikev1::{Notification, NotifyType};
use crate::wire::isakmp::{Payload, PayloadType};

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
        let keys = self.keys(g_xy, step.names)?;
        self.log_key(&keys, step);
        Ok(keys)
    }

    /// SKEYID and its children, and the cipher key.
    pub(crate) fn keys(&self, g_xy: &[u8], names: &Names) -> Result<IsakmpKeys, KeyError> {
        let MainModeProposal { cipher, hash: alg, .. } = self.agreement.proposal;
        let skeyid = self.agreement.credential.skeyid(alg, &self.ni_b, &self.nr_b);
        let skeyids = Skeyids::derive(alg, skeyid, g_xy, &names.cky_i.0, &names.cky_r.0);
        let key = CipherKey::new(cipher, &keymat::cipher_key(alg, &skeyids.skeyid_e, cipher))?;
        Ok(IsakmpKeys { alg, skeyids, key })
    }

    /// Lets captures be decrypted, where that is configured.
    pub(crate) fn log_key(&self, keys: &IsakmpKeys, step: &mut Step<'_, '_>) {
        if step.cx.node.key_log {
            let cipher = self.agreement.proposal.cipher;
            let (cky_i, cky_r) = (step.names.cky_i, step.names.cky_r);
            let key = keymat::cipher_key(keys.alg, &keys.skeyids.skeyid_e, cipher);
            step.cx.event(Event::Keys(Keys::Isakmp { cky_i, cky_r, cipher, key }));
        }
    }

    /// The IV of the first encrypted message.
    pub(crate) fn first_iv(&self) -> Vec<u8> {
        let MainModeProposal { cipher, hash: alg, .. } = self.agreement.proposal;
        keymat::phase_1_iv(alg, &self.g_xi, &self.g_xr, cipher)
    }

    /// What HASH_I and HASH_R cover besides an identity.
    pub(crate) fn hashed<'a>(&'a self, names: &'a Names) -> auth::Phase1<'a> {
        auth::Phase1 {
            g_xi: &self.g_xi,
            g_xr: &self.g_xr,
            cky_i: &names.cky_i.0,
            cky_r: &names.cky_r.0,
            sai_b: &self.agreement.sa_i_b,
        }
    }

    /// Judges message 5 or 6: it decrypts, the HASH verifies, and then the identity must be one that the peer may use.
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
        if let Some(refused) = identity::refuse(chain.identification(), names) {
            return Ok(Checked::Refused(refused));
        }
        let notifications = chain.notifications().cloned().collect();
        let id = chain.identification().and_then(identity::claimed);
        Ok(Checked::Accepted(Accepted::Authenticated { next_iv, notifications, id, nat: None }))
    }

    /// Sends message 5 or 6.
    pub(crate) fn authenticate(&self, keys: &IsakmpKeys, iv: &[u8], step: &mut Step<'_, '_>) -> Sent {
        let names = step.names;
        // Nothing stands beside the identity: the HASH would not cover it.
        let payloads =
            vec![Payload::Identification(identity::payload(names.identity.as_ref(), names.local.ip()))];
        let protection = Protection::Phase1 {
            encryption: Some(Encryption { key: &keys.key, iv }),
            alg: keys.alg,
            skeyid: &keys.skeyids.skeyid,
            transcript: self.hashed(names),
            initiator: names.initiator,
            id_b: &[],
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
            exchange: names.exchange,
            initiator: names.initiator,
            started: names.started,
            cky_i: names.cky_i,
            cky_r: names.cky_r,
            nat: names.nat,
            pad_entry: names.pad_entry,
            method: agreement.credential.method(),
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
            shortened: agreement.shortened,
            initial_contact,
        })
    }
}

/// What becomes of a phase 1 whose keys cannot be used.
pub(crate) fn unusable_key(_: KeyError) -> Phase1 {
    let rule = "the derived key is weak";
    let notify = NotifyType::INVALID_KEY_INFORMATION.0;
    Phase1::Failed(FailureReason::Protocol(IkeError::PeerMisbehaved { notify, rule }))
}
