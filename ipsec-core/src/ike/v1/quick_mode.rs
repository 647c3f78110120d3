//! Quick mode (RFC 2409 section 5.5): a pair of IPsec SAs under an ISAKMP SA.
//!
//! ```text
//!  1  HDR*, HASH(1), SA, Ni [, KE ] [, IDci, IDcr ] [, NAT-OA ...] -->
//!  2                            <-- HDR*, HASH(2), SA, Nr [, KE ] [, IDci, IDcr ] [, NAT-OA ...]
//!  3  HDR*, HASH(3)                                                -->
//! ```
//!
//! The responder installs its inbound SAs before message 2 leaves, and the outbound ones with message 3 or with the first
//! valid packet on the new pair; the initiator installs both with message 3. At a rekeying its packets could overtake message 3,
//! so they leave on the old pair until the new one has shown that it works (`sad/succession.rs`). A lost message 3 heals,
//! because the responder repeats message 2, and the initiator answers it again. With the commit bit a fourth message follows ([`connected`]).

pub(crate) mod connected;
pub(crate) mod identity;
pub(crate) mod initiator;
pub(crate) mod nat;
pub(crate) mod responder;

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{Checked, Received, auth, keymat, verify_hash};
use crate::crypto::{Group, Suite, is_weak};
use crate::ike::context::Step;
use crate::ike::effect::{Acquire, Effect};
use crate::ike::failure::{FailureReason, IkeError, Progress};
use crate::ike::idle;
use crate::ike::outbox::Encryption;
use crate::ike::pair::Pair;
use crate::ike::proposal::OfferedLifetime;
use crate::ike::proposal::phase2::Spis;
use crate::ike::sa::Names;
use crate::io::QuickModeInfo;
use crate::pad::MainModeProposal;
use crate::sad::{BundleSpec, IpsecProtocol, OriginalAddresses, PairId, SaSpec, Spi};
use crate::selector::Selector;
use crate::spd::{EntryId, Lifetime, Mode, Offer, Pfs};
use crate::time::Duration;
use crate::wire::isakmp::Chain;
use crate::work::{WorkId, WorkResult};
use connected::Connected;
use initiator::Initiator;
use responder::Responder;

use super::phase1::Established;

/// Seconds that an SA lives when nobody says anything (RFC 2407 section 4.5).
const DEFAULT_SECONDS: u32 = 28_800;

/// The state of a quick mode.
#[derive(Clone, Debug)]
pub(crate) enum QuickMode {
    /// We sent the first message.
    Initiator(Initiator),
    /// The peer did.
    Responder(Responder),
    /// It made its pair, and is kept to answer repetitions.
    Finished,
    /// The same, as the responder without commit bit: CONNECTED can still be asked for.
    Responded(Connected),
    /// It came to nothing, and is kept to answer repetitions.
    Failed(Failed),
}

/// How a quick mode ended.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) reason: FailureReason,
    pub(crate) initiator: bool,
    pub(crate) entry: Option<EntryId>,
    pub(crate) selector: Selector,
    pub(crate) progress: Progress,
    /// What it was to negotiate for us.
    pub(crate) acquire: Option<Acquire>,
    /// The inbound SPIs reserved for it.
    pub(crate) reserved: Spis,
    /// Its pair, if the inbound SAs are installed already.
    pub(crate) installed: Option<PairId>,
}

/// What a message brought, checked.
#[derive(Clone, Debug)]
pub(crate) enum Accepted {
    /// Message 2.
    Reply(initiator::Reply),
    /// Message 3, with its last ciphertext block; without, a packet on the new pair in its place.
    Done(Option<Vec<u8>>),
    /// CONNECTED, or a packet on the new pair in its place.
    Connected,
}

impl QuickMode {
    /// Judges a message. Changes nothing.
    pub(crate) fn check(
        &self,
        received: &Received<'_>,
        phase1: &Established,
        names: &Names,
    ) -> Result<Checked<Accepted>, IkeError> {
        match self {
            QuickMode::Initiator(state) => state.check(received, phase1, names),
            QuickMode::Responder(state) => state.check(received, phase1),
            QuickMode::Finished | QuickMode::Responded(_) | QuickMode::Failed(_) => {
                Err(IkeError::Unexpected("this quick mode has ended"))
            }
        }
    }

    /// Moves on.
    pub(crate) fn advance(self, accepted: Accepted, phase1: &Established, step: &mut Step<'_, '_>) -> Self {
        match self {
            QuickMode::Initiator(state) => state.advance(accepted, phase1, step),
            QuickMode::Responder(state) => state.advance(accepted, phase1, step),
            other => other,
        }
    }

    /// Moves on with the result of work.
    pub(crate) fn complete(
        self,
        id: WorkId,
        result: WorkResult,
        phase1: &Established,
        step: &mut Step<'_, '_>,
    ) -> Self {
        match self {
            QuickMode::Initiator(state) => state.complete(id, result, phase1, step),
            QuickMode::Responder(state) => state.complete(id, result, phase1, step),
            other => other,
        }
    }

    /// Ends it, if it has not ended yet.
    pub(crate) fn fail(self, reason: FailureReason) -> Self {
        match self {
            QuickMode::Initiator(state) => QuickMode::Failed(state.into_failed(reason)),
            QuickMode::Responder(state) => QuickMode::Failed(state.into_failed(reason)),
            other => other,
        }
    }

    /// Whether it waits for work rather than for a message.
    pub(crate) fn is_working(&self) -> bool {
        match self {
            QuickMode::Initiator(state) => state.is_working(),
            QuickMode::Responder(state) => state.is_working(),
            QuickMode::Finished | QuickMode::Responded(_) | QuickMode::Failed(_) => false,
        }
    }

    /// Whether it still negotiates.
    pub(crate) fn is_active(&self) -> bool {
        matches!(self, QuickMode::Initiator(_) | QuickMode::Responder(_))
    }

    /// Whether only CONNECTED is missing.
    pub(crate) fn awaits_connected(&self) -> bool {
        matches!(self, QuickMode::Initiator(Initiator::WaitConnected { .. }))
    }

    /// The acquire that it serves while it negotiates.
    pub(crate) fn acquire(&self) -> Option<&Acquire> {
        match self {
            QuickMode::Initiator(state) => Some(&state.plan().acquire),
            _ => None,
        }
    }

    /// The inbound SPIs it reserved, while it negotiates.
    pub(crate) fn reserved(&self) -> Option<Spis> {
        match self {
            QuickMode::Initiator(state) => Some(state.plan().ours),
            QuickMode::Responder(state) => Some(state.plan().ours),
            _ => None,
        }
    }

    /// What it waits for, for people.
    pub(crate) fn expectation(&self) -> &'static str {
        match self {
            QuickMode::Initiator(state) => state.expectation(),
            QuickMode::Responder(state) => state.expectation(),
            QuickMode::Finished | QuickMode::Responded(_) | QuickMode::Failed(_) => "after quick mode ended",
        }
    }
}

/// Everything that a pair of SAs is made from, once both ends have spoken.
pub(crate) struct Making<'a> {
    pub(crate) pair: PairId,
    pub(crate) initiator: bool,
    pub(crate) tunnel: bool,
    pub(crate) selector: &'a Selector,
    pub(crate) offer: Offer,
    pub(crate) lifetime: Lifetime,
    pub(crate) pfs: Option<Group>,
    pub(crate) ours: Spis,
    pub(crate) theirs: Spis,
    pub(crate) ni_b: &'a [u8],
    pub(crate) nr_b: &'a [u8],
    pub(crate) g_xy: Option<&'a [u8]>,
    /// What is known of the packets' addresses before a NAT.
    pub(crate) original: Option<OriginalAddresses>,
    /// The entry that authorised the pair, and the one whose packets leave on it.
    pub(crate) entries: (EntryId, EntryId),
    pub(crate) replaces: Option<PairId>,
}

impl Making<'_> {
    /// Inbound and outbound SAs with their keys; `None` if a key is weak.
    pub(crate) fn bundles(&self, phase1: &Established, names: &Names) -> Option<(BundleSpec, BundleSpec)> {
        let (local, peer) = (names.local.ip(), names.peer.ip());
        let mode = match self.tunnel {
            true => Mode::Tunnel { local: Some(local), remote: peer },
            false => Mode::Transport,
        };
        let bundle = |inbound: bool, spis: Spis, entry: EntryId| {
            Some(BundleSpec {
                pair: self.pair,
                inbound,
                entry,
                selector: self.selector.clone(),
                mode,
                local,
                peer,
                sas: self.sas(spis, phase1)?,
                lifetime: self.lifetime,
                initiator: self.initiator,
                udp: nat::encapsulation(names, self.original, self.tunnel),
            })
        };
        Some((bundle(true, self.ours, self.entries.0)?, bundle(false, self.theirs, self.entries.1)?))
    }

    /// What the driver is told when it is finished.
    pub(crate) fn info(&self, bundles: (&BundleSpec, &BundleSpec), step: &Step<'_, '_>) -> QuickModeInfo {
        let (inbound, outbound) = bundles;
        let spis = |bundle: &BundleSpec| bundle.sas.iter().map(|sa| sa.spi).collect();
        QuickModeInfo {
            pair: self.pair,
            cky_i: step.names.cky_i,
            message_id: step.message_id,
            initiator: self.initiator,
            started: step.exchange.started(),
            entry: if self.initiator { outbound.entry } else { inbound.entry },
            local: inbound.local,
            peer: inbound.peer,
            udp: inbound.udp.map(Box::new),
            selector: self.selector.clone(),
            offer: Offer { lifetime: self.lifetime, ..self.offer },
            mode: inbound.mode,
            pfs: self.pfs,
            inbound_spis: spis(inbound),
            outbound_spis: spis(outbound),
            replaces: self.replaces,
        }
    }

    /// One direction's SAs, inner protocol first: ESP before AH. `spis` are the receiver's.
    fn sas(&self, spis: Spis, phase1: &Established) -> Option<Vec<SaSpec>> {
        let esp = self.offer.esp.zip(spis.esp).map(|(esp, spi)| {
            let suite = Suite::EncryptThenMac { cipher: esp.cipher, mac: esp.mac };
            (IpsecProtocol::Esp, 3, spi, suite)
        });
        let ah = self.offer.ah.zip(spis.ah);
        let ah = ah.map(|(mac, spi)| (IpsecProtocol::Ah, 2, spi, Suite::IntegrityOnly(mac)));
        let each = esp.into_iter().chain(ah);
        each.map(|(protocol, number, spi, suite)| self.sa(protocol, number, spi, suite, phase1)).collect()
    }

    fn sa(
        &self,
        protocol: IpsecProtocol,
        number: u8,
        spi: Spi,
        suite: Suite,
        phase1: &Established,
    ) -> Option<SaSpec> {
        let keys = &phase1.keys;
        let octets = spi.0.to_be_bytes();
        let skeyid_d = &keys.skeyids.skeyid_d;
        let len = suite.keymat_len();
        let keymat = keymat::keymat(keys.alg, skeyid_d, self.g_xy, number, octets, self.ni_b, self.nr_b, len);
        let keys = keymat::SaKeys::split(suite, &keymat)?;
        // RFC 2405 section 2.3: a weak key is never used; a new quick mode makes another one.
        (!is_weak(suite.cipher(), &keys.encryption)).then(|| SaSpec {
            protocol,
            spi,
            cipher: suite.cipher(),
            cipher_key: keys.encryption,
            mac: suite.mac(),
            mac_key: keys.integrity,
        })
    }
}

/// Accepts packets on the pair from now on, and remembers it.
pub(crate) fn install_inbound(inbound: &BundleSpec, outbound: &BundleSpec, step: &mut Step<'_, '_>) {
    let spis = |bundle: &BundleSpec| bundle.sas.iter().map(|sa| (sa.protocol, sa.spi)).collect();
    let pair = Pair {
        local: inbound.local,
        peer: inbound.peer,
        udp: inbound.udp,
        client: step.names.client,
        peer_id: step.names.peer_id.clone(),
        selector: inbound.selector.clone(),
        tunnel: inbound.mode != Mode::Transport,
        inbound: spis(inbound),
        outbound: spis(outbound),
        since: step.cx.now,
        exchange: (step.names.id, step.message_id),
        idle_after: Duration::ZERO,
        replaced: false,
        narrowed_from: None,
    };
    step.cx.node.pairs.insert(inbound.pair, pair);
    step.cx.effects.push(Effect::InstallInbound(inbound.clone()));
}

/// Sends on the pair from now on, in place of `replaces` and of every older pair for the same traffic; if the peer is not yet
/// `proven` to accept that, the pair of `replaces` goes on for a while.
pub(crate) fn install_outbound(
    outbound: &BundleSpec,
    replaces: Option<PairId>,
    proven: bool,
    step: &mut Step<'_, '_>,
) {
    let new = outbound.pair;
    step.cx.effects.push(Effect::InstallOutbound(outbound.clone()));
    let named = replaces.filter(|old| step.cx.node.pairs.replace(*old));
    let older = step.cx.node.pairs.replace_with(new);
    for old in named.into_iter().chain(older) {
        let proven = proven || named != Some(old);
        step.cx.effects.push(Effect::HandOver { new, old, proven });
    }
    idle::watch(new, step);
}

/// Reads an encrypted message of a quick mode and verifies its HASH, which covers `ni_b` and everything after it.
pub(crate) fn authentic(
    received: &Received<'_>,
    phase1: &Established,
    iv: &[u8],
    ni_b: &[u8],
    name: &'static str,
) -> Result<(Chain, Vec<u8>), IkeError> {
    let keys = &phase1.keys;
    let (chain, next_iv) = received.decrypt(Encryption { key: &keys.key, iv })?;
    let message_id = received.header.message_id;
    let expected = auth::hash_2(keys.alg, &keys.skeyids.skeyid_a, message_id, ni_b, chain.from(1));
    verify_hash(&chain, 0, &expected, name)?;
    Ok((chain, next_iv))
}

/// The group of perfect forward secrecy that policy wants.
pub(crate) fn pfs_group(pfs: Pfs, phase1: &MainModeProposal) -> Option<Group> {
    match pfs {
        Pfs::No => None,
        Pfs::SameGroup => Some(phase1.group),
        Pfs::Group(group) => Some(group),
    }
}

/// What counts of the lifetime on the wire, our own offer, and the local default: the shortest of each.
pub(crate) fn enforced(wire: OfferedLifetime, ours: Lifetime, default: Lifetime) -> Lifetime {
    let seconds = wire.seconds.unwrap_or(DEFAULT_SECONDS);
    let our_seconds = ours.seconds.or(default.seconds).unwrap_or(DEFAULT_SECONDS);
    let our_kilobytes = ours.kilobytes.or(default.kilobytes);
    Lifetime {
        seconds: Some(seconds.min(our_seconds)),
        kilobytes: wire.kilobytes.into_iter().chain(our_kilobytes).min(),
    }
}

/// The limits of ours that the initiator does not know: RESPONDER-LIFETIME (RFC 2407 section 4.6.3.1). Local defaults stay
/// local, as Windows does.
pub(crate) fn responder_lifetime(wire: OfferedLifetime, ours: Lifetime) -> Option<OfferedLifetime> {
    let seconds = ours.seconds.filter(|ours| *ours < wire.seconds.unwrap_or(DEFAULT_SECONDS));
    let kilobytes = ours.kilobytes.filter(|ours| wire.kilobytes.is_none_or(|wire| *ours < wire));
    (seconds.is_some() || kilobytes.is_some()).then_some(OfferedLifetime { seconds, kilobytes })
}
