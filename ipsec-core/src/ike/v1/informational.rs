//! Informational exchanges (RFC 2409 section 5.7): notifications and deletes, acted upon only when authenticated.

use alloc::vec;
use alloc::vec::Vec;

use super::phase1::Phase1;
use super::{Received, auth, keymat, verify_hash};
use crate::ike::context::Context;
use crate::ike::effect::Effect;
use crate::ike::failure::{FailureReason, IkeError};
use crate::ike::outbox::{Encryption, Protection};
use crate::ike::pair::SpiList;
use crate::ike::proposal::phase2::{lifetime_attributes, read_lifetime};
use crate::ike::sa::IsakmpSa;
use crate::ike::timer::TimerKey;
use crate::io::{DeleteReason, Event};
use crate::sad::{IpsecProtocol, Spi};
use crate::time::Duration;
use crate::wire::ikev1::{Attribute, Delete, Doi, Notification, NotifyType, ProtocolId};
use crate::wire::isakmp::{Chain, ExchangeType, Flags, Header, Payload, decode_chain};
use crate::wire::{Reader, Writer};

/// Cookies of denial-of-service protection that one main mode answers.
const DOS_COOKIES: u32 = 16;

impl IsakmpSa {
    /// Sends payloads in an informational exchange under this SA; gives the datagram. Nothing when it is not established.
    pub(crate) fn inform(&self, payloads: Vec<Payload>, cx: &mut Context<'_>) -> Option<Vec<u8>> {
        let Phase1::Established(phase1) = &self.phase1 else { return None };
        let number = cx.node.next_number();
        let message_id = self.fresh_message_id(number, cx);
        let keys = &phase1.keys;
        let iv = keymat::phase_2_iv(keys.alg, &phase1.last_block, message_id, keys.key.cipher());
        let (cky_i, cky_r) = (self.names.cky_i, self.names.cky_r);
        let header = Header::new(cky_i, cky_r, ExchangeType::INFORMATIONAL, Flags::NONE, message_id);
        let protection = Protection::Phase2 {
            encryption: Encryption { key: &keys.key, iv: &iv },
            alg: keys.alg,
            skeyid_a: &keys.skeyids.skeyid_a,
            ni_b: &[],
        };
        let sent = cx.node.outbox.send(header, payloads, protection);
        cx.send(self.names.local, self.names.peer, sent.datagram.clone());
        Some(sent.datagram)
    }

    /// Tells the peer that this ISAKMP SA is gone.
    pub(crate) fn announce_end(&self, cx: &mut Context<'_>) {
        self.send_deletes(vec![Delete::isakmp(self.names.cky_i, self.names.cky_r)], cx);
    }

    /// Tells the peer that we know no other SA with it: INITIAL-CONTACT (RFC 2407 section 4.6.3.3), in an exchange of its
    /// own. Inside messages 5 and 6 of main mode, where others put it, no HASH covers it.
    pub(crate) fn announce_first_contact(&self, cx: &mut Context<'_>) {
        let cookies = [self.names.cky_i.0, self.names.cky_r.0].concat();
        let notification = Notification::new(ProtocolId::ISAKMP, cookies, NotifyType::INITIAL_CONTACT);
        self.inform(vec![Payload::Notification(notification)], cx);
    }

    /// Tells the initiator that this ISAKMP SA lives shorter than it offered: RESPONDER-LIFETIME (RFC 2407 section 4.6.3.1).
    pub(crate) fn announce_lifetime(&self, cx: &mut Context<'_>) {
        let Some(phase1) = self.established().filter(|phase1| phase1.shortened) else { return };
        if !cx.node.config.isakmp_lifetime_notice {
            return;
        }
        let seconds = phase1.expires.saturating_since(phase1.since).as_millis() / 1_000;
        let attributes = lifetime_attributes(u32::try_from(seconds).ok(), None);
        let mut w = Writer::new();
        attributes.iter().for_each(|attribute| attribute.encode(&mut w));
        let cookies = [self.names.cky_i.0, self.names.cky_r.0].concat();
        let notification = Notification::new(ProtocolId::ISAKMP, cookies, NotifyType::RESPONDER_LIFETIME);
        let notification = Notification { data: w.into_bytes(), ..notification };
        self.inform(vec![Payload::Notification(notification)], cx);
    }

    /// The responder ends this ISAKMP SA earlier than we offered: so do we, lest we use what it has forgotten.
    fn shorten(&mut self, notification: &Notification, cx: &mut Context<'_>) {
        let cookies = [self.names.cky_i.0, self.names.cky_r.0].concat();
        let Phase1::Established(phase1) = &mut self.phase1 else { return };
        if !self.names.initiator || notification.spi != cookies {
            return;
        }
        let attributes = Attribute::decode_all(&mut Reader::new(&notification.data));
        let lifetime = attributes.ok().and_then(|attributes| read_lifetime(&attributes));
        let Some(seconds) = lifetime.and_then(|lifetime| lifetime.seconds) else { return };
        let ends = phase1.since + Duration::from_secs(seconds.into());
        if ends < phase1.expires {
            phase1.expires = ends;
            cx.node.timers.set(TimerKey::Expiry(self.names.id), ends);
        }
    }

    /// Tells the peer which of our inbound SAs are gone (RFC2408-3.15-04): one payload for each protocol (RFC2408-3.15-02).
    pub(crate) fn announce_deleted(&self, inbound: &SpiList, cx: &mut Context<'_>) {
        let of = |wanted: IpsecProtocol| -> Vec<u32> {
            inbound.iter().filter(|(protocol, _)| *protocol == wanted).map(|(_, spi)| spi.0).collect()
        };
        let lists = [(ProtocolId::AH, of(IpsecProtocol::Ah)), (ProtocolId::ESP, of(IpsecProtocol::Esp))];
        let deletes = lists
            .into_iter()
            .filter(|(_, spis)| !spis.is_empty())
            .map(|(protocol, spis)| Delete::ipsec(protocol, &spis))
            .collect();
        self.send_deletes(deletes, cx);
    }

    /// An informational message with the cookies of this SA arrived.
    pub(crate) fn receive_informational(&mut self, received: &Received<'_>, cx: &mut Context<'_>) {
        let message_id = received.header.message_id;
        if !received.header.flags.is_encrypted() {
            self.note(received, cx);
            return;
        }
        let Phase1::Established(phase1) = &self.phase1 else {
            return self.wait_for_phase1(received, cx);
        };
        let quick_mode = self.quick_modes.get(&message_id);
        if quick_mode.is_some_and(|quick_mode| quick_mode.state.awaits_connected()) {
            return self.receive_quick_mode(received, message_id, cx);
        }
        if message_id == 0 || self.is_used(message_id) || self.quick_modes.contains_key(&message_id) {
            return cx.ignore(received.peer, IkeError::Unexpected("the message ID of an earlier exchange"));
        }
        let keys = &phase1.keys;
        let iv = keymat::phase_2_iv(keys.alg, &phase1.last_block, message_id, keys.key.cipher());
        let authentic = received.decrypt(Encryption { key: &keys.key, iv: &iv }).and_then(|opened| {
            let chain = &opened.0;
            let skeyid_a = &keys.skeyids.skeyid_a;
            let expected = auth::hash_informational(keys.alg, skeyid_a, message_id, chain.from(1));
            verify_hash(chain, 0, &expected, "HASH(1) of an informational exchange").map(|()| opened)
        });
        match authentic {
            Err(error) => cx.ignore(received.peer, error),
            Ok((chain, next_iv)) => {
                self.mark_used(message_id);
                self.follow(received, cx);
                self.act_upon(&chain, cx);
                self.answer_delete(received, &chain, &next_iv, cx);
            }
        }
    }

    /// An informational message in clear proves nothing. An error in it is remembered to explain a later time-out.
    pub(crate) fn note(&mut self, received: &Received<'_>, cx: &mut Context<'_>) {
        self.heard = true;
        if self.established().is_none()
            && let Ok((chain, _)) = decode_chain(received.header.next_payload, received.body)
        {
            self.answer_dos_cookie(&chain, cx);
            let error = chain.notifications().find(|n| n.notify_type.is_error());
            if let Some(error) = error {
                self.noted = Some(self.phase1.refused_with(error.notify_type.0));
            }
        }
        cx.ignore(received.peer, IkeError::Unauthenticated);
    }

    /// A responder asks for a cookie: message 1 goes to it once more, with the cookie (MS-IKEE section 3.9.5.2). Anybody may
    /// have said so; hence message 1 itself is repeated as before, and cookies are answered a few times only.
    fn answer_dos_cookie(&mut self, chain: &Chain, cx: &mut Context<'_>) {
        let [Payload::Notification(notification)] = chain.payloads() else { return };
        let waits = cx.node.config.answers_dos_cookies && self.phase1.awaits_choice();
        let (Ok(cookie), Some(first)) =
            (<[u8; 8]>::try_from(notification.data.as_slice()), self.exchange.repeated())
        else {
            return;
        };
        if !waits || notification.notify_type != NotifyType::DOS_COOKIE || self.dos_cookies == DOS_COOKIES {
            return;
        }
        self.dos_cookies += 1;
        let mut datagram = first.to_vec();
        datagram.iter_mut().skip(8).zip(cookie).for_each(|(octet, asked)| *octet = asked);
        cx.send_under(&self.names, self.names.local, self.names.peer, datagram);
    }

    fn act_upon(&mut self, chain: &Chain, cx: &mut Context<'_>) {
        for payload in chain.payloads() {
            match payload {
                Payload::Notification(notification) if !self.deleted => self.notified(notification, cx),
                Payload::Delete(delete) => self.deleted(delete, cx),
                _ => {}
            }
        }
    }

    fn notified(&mut self, notification: &Notification, cx: &mut Context<'_>) {
        let notify = notification.notify_type;
        // RFC2408-5.14-08, RFC2408-5.14-09: of another DOI or protocol it says nothing to us.
        if !is_ours(notification.doi, notification.protocol) {
            return;
        }
        cx.event(Event::Notified { peer: self.names.peer, notify: notify.0 });
        if notify == NotifyType::INITIAL_CONTACT {
            self.purge = true;
        } else if matches!(notify, NotifyType::R_U_THERE | NotifyType::R_U_THERE_ACK) {
            self.notified_of_life(notification, cx);
        } else if notify == NotifyType::RESPONDER_LIFETIME && notification.protocol == ProtocolId::ISAKMP {
            self.shorten(notification, cx);
        } else if notify.is_error()
            && let Some(message_id) = self.quick_mode_of(notification)
        {
            self.fail_quick_mode(message_id, FailureReason::Notified(notify.0), cx);
        }
    }

    /// The quick mode that an error is about: the one whose inbound SPI it names, or the only one that runs.
    fn quick_mode_of(&self, notification: &Notification) -> Option<u32> {
        let spi = <[u8; 4]>::try_from(notification.spi.as_slice()).ok().map(u32::from_be_bytes).map(Spi);
        let mut active = self.quick_modes.iter().filter(|(_, quick_mode)| quick_mode.state.is_active());
        let named = active.clone().find(|(_, quick_mode)| {
            let reserved = quick_mode.state.reserved().unwrap_or_default();
            spi.is_some() && (reserved.esp == spi || reserved.ah == spi)
        });
        let only = match (active.next(), active.next()) {
            (Some(only), None) if spi.is_none() => Some(only),
            _ => None,
        };
        named.or(only).map(|(message_id, _)| *message_id)
    }

    fn deleted(&mut self, delete: &Delete, cx: &mut Context<'_>) {
        // RFC2408-5.15-09, RFC2408-5.15-10.
        if !is_ours(delete.doi, delete.protocol) {
            return;
        }
        let protocol = match delete.protocol {
            ProtocolId::ISAKMP => {
                let peers = delete.cookies();
                self.deleted_by_peer.extend(peers);
                return;
            }
            ProtocolId::AH => IpsecProtocol::Ah,
            ProtocolId::ESP => IpsecProtocol::Esp,
            _ => return,
        };
        // The sender lists its inbound SAs: our outbound ones.
        for spi in delete.spis_u32() {
            if let Some(pair) = cx.node.pairs.by_outbound(&self.names, protocol, Spi(spi)) {
                cx.node.pairs.remove(pair);
                cx.node.timers.forget_pair(pair);
                cx.effects.push(Effect::DeleteSa { pair, why: DeleteReason::PeerDeleted });
            }
        }
    }
}

/// Whether a notification or delete is about SAs of ours: ISAKMP's own DOI, which is about ISAKMP only, or the IPsec DOI.
fn is_ours(doi: Doi, protocol: ProtocolId) -> bool {
    match protocol {
        ProtocolId::ISAKMP => matches!(doi, Doi::ISAKMP | Doi::IPSEC),
        ProtocolId::AH | ProtocolId::ESP => doi == Doi::IPSEC,
        _ => false,
    }
}
