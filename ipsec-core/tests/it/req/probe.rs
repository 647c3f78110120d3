//! Gateway 2 as a peer that says what a test wants, to a node that is gateway 1.
//!
//! Keys, hashes and IVs come from the pure functions that recorded exchanges and NIST's vectors verify; the state
//! machines are not used.

use super::node::*;
use ipsec_core::Packet;
use ipsec_core::crypto::{CipherKey, DhSecret, Group, Suite};
use ipsec_core::esp::Esp;
use ipsec_core::ike::proposal::phase1;
use ipsec_core::ike::proposal::phase2::{self, Spis, Wanted};
use ipsec_core::ike::v1::keymat::{self, SaKeys, Skeyids};
use ipsec_core::ike::v1::{auth, protect};
use ipsec_core::pad::{AuthMethod, MainModeProposal, Secret};
use ipsec_core::sad::Spi;
use ipsec_core::spd::Offer;
use ipsec_core::wire::ikev1::{Hash, Identification, KeyExchange, Nonce, SaPayload};
use ipsec_core::wire::isakmp::{
    Chain, Cookie, ExchangeType, Flags, Header, Message, Payload, PayloadType, decode_chain, encode_chain,
    split,
};
use std::net::IpAddr;

pub(crate) const MAIN: ExchangeType = ExchangeType::MAIN_MODE;
pub(crate) const QUICK: ExchangeType = ExchangeType::QUICK_MODE;
pub(crate) const INFORMATIONAL: ExchangeType = ExchangeType::INFORMATIONAL;
/// The SPI that the peer wants ESP on.
pub(crate) const OUR_SPI: u32 = 0x00c0_ffee;

pub(crate) struct Probe {
    pub(crate) node: Node,
    pub(crate) initiator: bool,
    pub(crate) proposal: MainModeProposal,
    pub(crate) psk: Vec<u8>,
    pub(crate) cky_i: Cookie,
    pub(crate) cky_r: Cookie,
    pub(crate) sai_b: Vec<u8>,
    pub(crate) g_xi: Vec<u8>,
    pub(crate) g_xr: Vec<u8>,
    pub(crate) ni_b: Vec<u8>,
    pub(crate) nr_b: Vec<u8>,
    pub(crate) secret: DhSecret,
    pub(crate) keys: Option<(Skeyids, CipherKey)>,
    /// The IV of the next message of phase 1; its last block once it is complete.
    pub(crate) block: Vec<u8>,
    exchanges: u32,
}

/// A quick mode under way.
#[derive(Clone)]
pub(crate) struct Quick {
    pub(crate) message_id: u32,
    pub(crate) iv: Vec<u8>,
    pub(crate) ni_b: Vec<u8>,
    pub(crate) nr_b: Vec<u8>,
}

/// A pair of ESP SAs in a tunnel, from the peer's side.
pub(crate) struct Child {
    pub(crate) send: Esp,
    pub(crate) receive: Esp,
    pub(crate) sent: u64,
}

/// IKE's messages among what was sent, from port 500 to port 500.
pub(crate) fn ike(packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let ike = packets.iter().filter(|packet| packet[9] == UDP && packet[20..24] == [1, 0xf4, 1, 0xf4]);
    ike.map(|packet| packet[28..].to_vec()).collect()
}

fn from_port_500(source: IpAddr, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 8).unwrap();
    let mut udp: Vec<u8> = [500, 500, length, 0].iter().flat_map(|n| n.to_be_bytes()).collect();
    udp.extend(payload);
    datagram(header(source, outer(1), UDP), &udp)
}

pub(crate) fn message(datagram: &[u8]) -> Message {
    Message::decode(datagram).unwrap()
}

impl Probe {
    pub(crate) fn new(setup: &Setup) -> Self {
        let proposal = setup.proposals[0];
        Probe {
            node: setup.node(),
            initiator: true,
            proposal,
            psk: PSK.to_vec(),
            cky_i: Cookie([0xa1; 8]),
            cky_r: Cookie::ZERO,
            sai_b: vec![],
            g_xi: vec![],
            g_xr: vec![],
            ni_b: vec![0x11; 16],
            nr_b: vec![0x22; 16],
            secret: DhSecret::from_random(proposal.group, &[0x5a; 40]),
            keys: None,
            block: vec![],
            exchanges: 0,
        }
    }

    /// The node hears this from gateway 2; what it answers.
    pub(crate) fn tell(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        self.tell_from(outer(2), datagram)
    }

    pub(crate) fn tell_from(&mut self, source: IpAddr, datagram: &[u8]) -> Vec<Vec<u8>> {
        self.node.inbound(&from_port_500(source, datagram));
        ike(&self.node.sent)
    }

    /// Tells something that must be answered by one message.
    pub(crate) fn ask(&mut self, datagram: &[u8]) -> Vec<u8> {
        let mut answers = self.tell(datagram);
        assert_eq!(answers.len(), 1, "{:?}", self.node.events);
        answers.remove(0)
    }

    pub(crate) fn header(&self, exchange: ExchangeType, message_id: u32) -> Header {
        Header::new(self.cky_i, self.cky_r, exchange, Flags::NONE, message_id)
    }

    /// A main mode message in clear.
    pub(crate) fn clear(&self, payloads: Vec<Payload>) -> Vec<u8> {
        Message { header: self.header(MAIN, 0), payloads }.encode()
    }

    pub(crate) fn offer(&self) -> SaPayload {
        phase1::offer(&[self.proposal], &[AuthMethod::PreSharedKey(Secret::new(self.psk.as_slice()))], 28_800)
    }

    pub(crate) fn key_exchange(&self) -> Vec<Payload> {
        let nonce = if self.initiator { &self.ni_b } else { &self.nr_b };
        vec![
            Payload::KeyExchange(KeyExchange { data: self.secret.public() }),
            Payload::Nonce(Nonce { data: nonce.clone() }),
        ]
    }

    /// Messages 1 to 4 as the initiator; everything but authentication is settled then.
    pub(crate) fn exchange_keys(&mut self) {
        let offer = Payload::Sa(self.offer());
        self.sai_b = offer.to_body();
        let second = self.ask(&self.clear(vec![offer]));
        self.cky_r = message(&second).header.cky_r;
        let fourth = self.ask(&self.clear(self.key_exchange()));
        self.read_key_exchange(&fourth);
    }

    /// Takes public value and nonce of message 3 or 4, and computes the keys.
    pub(crate) fn read_key_exchange(&mut self, datagram: &[u8]) {
        let (header, body) = split(datagram).unwrap();
        let (chain, _) = decode_chain(header.next_payload, body).unwrap();
        let theirs = chain.body_of(PayloadType::KEY_EXCHANGE).unwrap().to_vec();
        let nonce = chain.body_of(PayloadType::NONCE).unwrap().to_vec();
        let ours = self.secret.public();
        let g_xy = self.secret.shared(&theirs).unwrap();
        (self.g_xi, self.g_xr) = if self.initiator { (ours, theirs) } else { (theirs, ours) };
        *(if self.initiator { &mut self.nr_b } else { &mut self.ni_b }) = nonce;
        let MainModeProposal { cipher, hash, .. } = self.proposal;
        let skeyid = keymat::skeyid_psk(hash, &self.psk, &self.ni_b, &self.nr_b);
        let skeyids = Skeyids::derive(hash, skeyid, &g_xy, &self.cky_i.0, &self.cky_r.0);
        let key = CipherKey::new(cipher, &keymat::cipher_key(hash, &skeyids.skeyid_e, cipher)).unwrap();
        self.keys = Some((skeyids, key));
        self.block = keymat::phase_1_iv(hash, &self.g_xi, &self.g_xr, cipher);
    }

    fn hashed(&self) -> auth::Phase1<'_> {
        auth::Phase1 {
            g_xi: &self.g_xi,
            g_xr: &self.g_xr,
            cky_i: &self.cky_i.0,
            cky_r: &self.cky_r.0,
            sai_b: &self.sai_b,
        }
    }

    /// HASH_I or HASH_R over this identity's body.
    pub(crate) fn phase_1_hash(&self, of_initiator: bool, id_b: &[u8]) -> Vec<u8> {
        let (skeyids, _) = self.keys.as_ref().unwrap();
        match of_initiator {
            true => self.hashed().hash_i(self.proposal.hash, &skeyids.skeyid, id_b),
            false => self.hashed().hash_r(self.proposal.hash, &skeyids.skeyid, id_b),
        }
    }

    /// Our identity and its hash: the payloads of message 5 or 6.
    pub(crate) fn proof(&self, id: Identification) -> Vec<Payload> {
        let id = Payload::Identification(id);
        let data = self.phase_1_hash(self.initiator, &id.to_body());
        vec![id, Payload::Hash(Hash { data })]
    }

    /// Encrypts payloads under this IV; gives the message and the next IV.
    pub(crate) fn encrypt(&self, header: Header, iv: &[u8], payloads: &[Payload]) -> (Vec<u8>, Vec<u8>) {
        let (first, body) = encode_chain(payloads);
        self.encrypt_bytes(header, iv, first, &body)
    }

    pub(crate) fn encrypt_bytes(
        &self,
        mut header: Header,
        iv: &[u8],
        first: PayloadType,
        body: &[u8],
    ) -> (Vec<u8>, Vec<u8>) {
        let (_, key) = self.keys.as_ref().unwrap();
        header.flags |= Flags::ENCRYPTION;
        let sealed = protect::encrypt(key, iv, body).unwrap();
        (header.encode_with(first, &sealed.body), sealed.next_iv)
    }

    /// Decrypts a message that must be encrypted, from directly after the header; padding is zeros and less than a block.
    pub(crate) fn decrypt(&self, iv: &[u8], datagram: &[u8]) -> (Chain, Vec<u8>) {
        let (_, key) = self.keys.as_ref().unwrap();
        let (header, body) = split(datagram).unwrap();
        assert!(header.flags == Flags::ENCRYPTION);
        let opened = protect::decrypt(key, iv, body).unwrap();
        let (chain, consumed) = decode_chain(header.next_payload, &opened.body).unwrap();
        let padding = &opened.body[consumed..];
        assert!(padding.len() < key.cipher().block_len() && padding.iter().all(|octet| *octet == 0));
        (chain, opened.next_iv)
    }

    /// Message 5 or 6 of phase 1, without remembering anything.
    pub(crate) fn authentication(&self, payloads: &[Payload]) -> (Vec<u8>, Vec<u8>) {
        self.encrypt(self.header(MAIN, 0), &self.block, payloads)
    }

    /// The last block of a message that another key may have encrypted.
    pub(crate) fn decrypt_any(&self, datagram: &[u8]) -> ((), Vec<u8>) {
        let (_, key) = self.keys.as_ref().unwrap();
        let (_, body) = split(datagram).unwrap();
        ((), protect::decrypt(key, &self.block, body).unwrap().next_iv)
    }

    /// Messages 5 and 6 as the initiator, where message 6 may not be alone.
    pub(crate) fn authenticate_any(&mut self) {
        let (fifth, block) = self.authentication(&self.proof(Identification::address(outer(2))));
        let answers = self.tell(&fifth);
        self.block = self.decrypt(&block, &answers[0]).1;
    }

    /// Messages 5 and 6 as the initiator; gives the payloads of message 6, whose hash is verified.
    pub(crate) fn authenticate(&mut self) -> Chain {
        let (fifth, block) = self.authentication(&self.proof(Identification::address(outer(2))));
        let sixth = self.tell(&fifth).remove(0);
        let (chain, block) = self.decrypt(&block, &sixth);
        let expected = self.phase_1_hash(false, chain.body_of(PayloadType::IDENTIFICATION).unwrap());
        assert_eq!(chain.body_of(PayloadType::HASH).unwrap(), expected);
        self.block = block;
        chain
    }

    /// A node with which we have established an ISAKMP SA as the initiator.
    pub(crate) fn established(setup: &Setup) -> Self {
        let mut probe = Probe::new(setup);
        probe.exchange_keys();
        probe.authenticate();
        probe
    }

    /// A node that wants an SA, and its message 1; we answer.
    pub(crate) fn responder(setup: &Setup) -> (Self, Vec<u8>) {
        let mut probe = Probe::new(setup);
        let transport = setup.entries[0].selector == ends(1);
        let wanted = if transport { udp(outer(1), outer(2), (4000, 7), 8) } else { request(8) };
        let first = ike(&probe.node.outbound(&wanted)).remove(0);
        let header = message(&first).header;
        (probe.initiator, probe.cky_i, probe.cky_r) = (false, header.cky_i, Cookie([0xb2; 8]));
        let (_, body) = split(&first).unwrap();
        probe.sai_b = decode_chain(header.next_payload, body).unwrap().0.body(0).to_vec();
        (probe, first)
    }

    /// Message 2: the only transform of the offer, as it came.
    pub(crate) fn second(&self, first: &[u8]) -> Vec<u8> {
        self.clear(vec![message(first).payloads[0].clone()])
    }

    /// Everything up to message 6 as the responder; gives message 6, not yet told, and what the node said in message 5.
    pub(crate) fn until_sixth(&mut self, first: &[u8]) -> (Vec<u8>, Chain) {
        let third = self.ask(&self.second(first));
        self.read_key_exchange(&third);
        let fifth = self.ask(&self.clear(self.key_exchange()));
        let (chain, block) = self.decrypt(&self.block, &fifth);
        let expected = self.phase_1_hash(true, chain.body_of(PayloadType::IDENTIFICATION).unwrap());
        assert_eq!(chain.body_of(PayloadType::HASH).unwrap(), expected);
        self.block = block;
        let (sixth, block) = self.authentication(&self.proof(Identification::address(outer(2))));
        self.block = block;
        (sixth, chain)
    }

    /// The IV of the first message with this ID after phase 1.
    pub(crate) fn phase_2_iv(&self, message_id: u32) -> Vec<u8> {
        keymat::phase_2_iv(self.proposal.hash, &self.block, message_id, self.proposal.cipher)
    }

    /// An exchange of ours with a message ID not used before.
    pub(crate) fn begin(&mut self) -> Quick {
        self.exchanges += 1;
        self.exchange(self.exchanges.wrapping_mul(0x9e37_79b9))
    }

    pub(crate) fn exchange(&self, message_id: u32) -> Quick {
        let nonce = vec![0x33 ^ message_id as u8; 16];
        Quick { message_id, iv: self.phase_2_iv(message_id), ni_b: nonce, nr_b: vec![0x44; 16] }
    }

    /// HASH(1), or with a nonce HASH(2), over these payloads.
    pub(crate) fn phase_2_hash(&self, message_id: u32, ni_b: &[u8], rest: &[u8]) -> Vec<u8> {
        let (skeyids, _) = self.keys.as_ref().unwrap();
        auth::hash_2(self.proposal.hash, &skeyids.skeyid_a, message_id, ni_b, rest)
    }

    /// A message of an exchange after phase 1: HASH and payloads.
    pub(crate) fn say(
        &self,
        exchange: ExchangeType,
        quick: &mut Quick,
        ni_b: &[u8],
        payloads: &[Payload],
    ) -> Vec<u8> {
        let data = self.phase_2_hash(quick.message_id, ni_b, &encode_chain(payloads).1);
        let payloads = [&[Payload::Hash(Hash { data })], payloads].concat();
        let header = self.header(exchange, quick.message_id);
        let (datagram, iv) = self.encrypt(header, &quick.iv, &payloads);
        quick.iv = iv;
        datagram
    }

    /// Reads a message of the node in this exchange, whose HASH must fit.
    pub(crate) fn hear(&self, quick: &mut Quick, ni_b: &[u8], datagram: &[u8]) -> Chain {
        let header = split(datagram).unwrap().0;
        assert_eq!((header.cky_i, header.cky_r), (self.cky_i, self.cky_r));
        assert_eq!(header.message_id, quick.message_id);
        let (chain, iv) = self.decrypt(&quick.iv, datagram);
        quick.iv = iv;
        let expected = self.phase_2_hash(quick.message_id, ni_b, chain.from(1));
        assert_eq!((chain.position(PayloadType::HASH), chain.body(0)), (Some(0), &expected[..]));
        chain
    }

    /// An informational exchange of ours.
    pub(crate) fn inform(&mut self, payloads: &[Payload]) -> Vec<u8> {
        let mut exchange = self.begin();
        self.say(INFORMATIONAL, &mut exchange, &[], payloads)
    }

    /// The payloads of the node's informational message.
    pub(crate) fn informed(&self, datagram: &[u8]) -> Chain {
        let header = split(datagram).unwrap().0;
        assert_eq!(header.exchange_type, INFORMATIONAL);
        self.hear(&mut self.exchange(header.message_id), &[], datagram)
    }

    /// SA, nonce and, for other than host to host, the identities of a quick mode message 1.
    pub(crate) fn request(&self, quick: &Quick, offers: &[Offer], group: Option<Group>) -> Vec<Payload> {
        let spis = Spis { esp: Some(Spi(OUR_SPI)), ah: Some(Spi(OUR_SPI + 1)) };
        let sa = phase2::offer(&Wanted { offers, tunnel: true, pfs: group, nat: None }, &spis);
        let mut payloads = vec![Payload::Sa(sa), Payload::Nonce(Nonce { data: quick.ni_b.clone() })];
        if group.is_some() {
            payloads.push(Payload::KeyExchange(KeyExchange { data: self.secret.public() }));
        }
        payloads.extend(
            [2, 1].map(|n| Payload::Identification(Identification::subnet([10, n, 0, 0].into(), 16))),
        );
        payloads
    }

    pub(crate) fn third(&self, quick: &mut Quick) -> Vec<u8> {
        let (skeyids, _) = self.keys.as_ref().unwrap();
        let (ni_b, nr_b) = (&quick.ni_b, &quick.nr_b);
        let data = auth::hash_3(self.proposal.hash, &skeyids.skeyid_a, quick.message_id, ni_b, nr_b);
        let header = self.header(QUICK, quick.message_id);
        let (datagram, iv) = self.encrypt(header, &quick.iv, &[Payload::Hash(Hash { data })]);
        quick.iv = iv;
        datagram
    }

    /// A whole quick mode of ours for this offer.
    pub(crate) fn quick_mode(&mut self, offer: Offer) -> Child {
        let mut quick = self.begin();
        let payloads = self.request(&quick, &[offer], None);
        let first = self.say(QUICK, &mut quick, &[], &payloads);
        let second = self.ask(&first);
        let ni_b = quick.ni_b.clone();
        let chain = self.hear(&mut quick, &ni_b, &second);
        quick.nr_b = chain.body_of(PayloadType::NONCE).unwrap().to_vec();
        let spi = chain.sa().unwrap().proposals[0].spi_u32().unwrap();
        let third = self.third(&mut quick);
        assert!(self.tell(&third).is_empty());
        self.child(&quick, &offer, spi, OUR_SPI, None)
    }

    /// The SAs of a quick mode: keys for the node's SPI and for ours.
    pub(crate) fn child(
        &self,
        quick: &Quick,
        offer: &Offer,
        theirs: u32,
        ours: u32,
        g_xy: Option<&[u8]>,
    ) -> Child {
        let (skeyids, _) = self.keys.as_ref().unwrap();
        let transform = offer.esp.unwrap();
        let suite = Suite::EncryptThenMac { cipher: transform.cipher, mac: transform.mac };
        let esp = |spi: u32| {
            let (octets, len) = (spi.to_be_bytes(), suite.keymat_len());
            let hash = self.proposal.hash;
            let (ni_b, nr_b) = (&quick.ni_b, &quick.nr_b);
            let keymat = keymat::keymat(hash, &skeyids.skeyid_d, g_xy, 3, octets, ni_b, nr_b, len);
            let keys = SaKeys::split(suite, &keymat).unwrap();
            Esp::new(spi, transform.cipher, &keys.encryption, transform.mac, &keys.integrity).unwrap()
        };
        Child { send: esp(theirs), receive: esp(ours), sent: 0 }
    }

    /// Whether a packet that we seal on this SA is delivered by the node.
    pub(crate) fn reaches(&mut self, child: &mut Child) -> bool {
        self.carries(child, &udp(host(2), host(1), (7, 4000), 8))
    }

    /// Whether this packet, sealed on this SA, is delivered by the node.
    pub(crate) fn carries(&mut self, child: &mut Child, inner: &[u8]) -> bool {
        child.sent += 1;
        let next = if inner[0] >> 4 == 4 { 4 } else { 41 };
        let mut packet = Packet::from_slice(3, &datagram(header(outer(2), outer(1), next), inner));
        let iv = vec![0x77; child.send.iv_len()];
        child.send.seal(&mut packet, child.sent, &iv).unwrap();
        self.node.inbound(packet.bytes()) == [inner.to_vec()]
    }

    /// Whether the node's next packet leaves on this SA, and is what went in.
    pub(crate) fn hears(&mut self, child: &Child) -> bool {
        let original = request(8);
        let sent = self.node.outbound(&original);
        let mut esp = sent.iter().filter(|packet| packet[9] == ESP);
        let Some(packet) = esp.next() else { return false };
        let mut packet = Packet::from_slice(3, packet);
        child.receive.open(&mut packet).is_ok() && packet.bytes()[20..] == original
    }
}
