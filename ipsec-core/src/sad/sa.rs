//! One security association at work: keys, sequence number or window, counters.

use alloc::sync::Arc;
use core::fmt;

use rand_core::Rng;

use crate::ah::Ah;
use crate::crypto::{Cipher, IvGenerator, KeyError, Suite};
use crate::esp::{self, Esp, OpenError, Opened, SealError};
use crate::packet::Packet;
use crate::rng::{Label, Streams};
use crate::sad::replay::ReplayWindow;
use crate::sad::{IpsecProtocol, SaSpec, Spi};

/// What an SA has carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SaCounters {
    /// Packets sealed or opened.
    pub packets: u64,
    /// Octets of whole datagrams, as they were before sealing or after opening.
    pub octets: u64,
    /// Packets with a number that was seen, or lies left of the window.
    pub replays: u64,
    /// Packets whose ICV was wrong.
    pub integrity_failures: u64,
}

/// One direction of one protocol.
#[derive(Clone, Debug)]
pub struct IpsecSa {
    spi: Spi,
    transform: Transform,
    iv: IvGenerator,
    /// Outbound: the last number sent.
    sequence: u64,
    /// Inbound with integrity.
    window: Option<ReplayWindow>,
    pub(super) counters: SaCounters,
}

#[derive(Clone)]
enum Transform {
    /// Shared with packets whose encryption is put off ([`Unfinished`]).
    Esp(Arc<Esp>),
    Ah(Ah),
}

/// Why an SA refuses a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SaError {
    /// Inside the window, and seen before.
    Replayed,
    /// Below the window, which has forgotten whether it was seen.
    TooOld,
    /// The transform did not open it.
    Open(OpenError),
}

impl IpsecSa {
    /// The SA of `spec`. `number` is unique on the node among SAs: it selects the IVs. `window` is the width of the
    /// anti-replay window.
    pub fn new(spec: &SaSpec, number: u64, window: u32, streams: &Streams) -> Result<IpsecSa, KeyError> {
        let mut key = [0; IvGenerator::KEY_LEN];
        streams.stream(Label::Iv, number).fill_bytes(&mut key);
        let (transform, cipher) = match spec.protocol {
            IpsecProtocol::Esp => {
                let mac_key = spec.mac_key.expose();
                let esp = Esp::new(spec.spi.0, spec.cipher, spec.cipher_key.expose(), spec.mac, mac_key)?;
                (Transform::Esp(Arc::new(esp)), spec.cipher)
            }
            IpsecProtocol::Ah => {
                // RFC 4302 has no AH without integrity: the missing algorithm is a key of no length.
                let mac = spec.mac.ok_or(KeyError::Length { expected: 16, got: 0 })?;
                (Transform::Ah(Ah::new(spec.spi.0, mac, spec.mac_key.expose())?), Cipher::Null)
            }
        };
        let iv = IvGenerator::new(cipher, &key);
        zeroize::Zeroize::zeroize(&mut key);
        // RFC4303-3.4.3-02: no anti-replay without integrity.
        let window = spec.mac.map(|_| ReplayWindow::new(window));
        Ok(IpsecSa { spi: spec.spi, transform, iv, sequence: 0, window, counters: SaCounters::default() })
    }

    /// Its SPI.
    pub fn spi(&self) -> Spi {
        self.spi
    }

    /// ESP or AH.
    pub fn protocol(&self) -> IpsecProtocol {
        match self.transform {
            Transform::Esp(_) => IpsecProtocol::Esp,
            Transform::Ah(_) => IpsecProtocol::Ah,
        }
    }

    /// Its algorithms.
    pub fn suite(&self) -> Suite {
        match &self.transform {
            Transform::Esp(esp) => esp.suite(),
            Transform::Ah(ah) => ah.suite(),
        }
    }

    /// Packets, octets, refusals.
    pub fn counters(&self) -> SaCounters {
        self.counters
    }

    /// Outbound: the last sequence number sent. Inbound: the highest seen.
    pub fn sequence(&self) -> u64 {
        self.window.as_ref().map_or(0, ReplayWindow::highest).max(self.sequence)
    }

    /// Octets that sealing adds when `payload` octets lie behind the place of the header.
    pub fn overhead(&self, payload: usize, v4: bool) -> usize {
        match &self.transform {
            Transform::Esp(esp) => esp.overhead(payload),
            Transform::Ah(ah) => ah.header_len(v4),
        }
    }

    /// Whether the sequence numbers are so near their end that a successor is due: 2^28 are left.
    pub fn nearly_exhausted(&self) -> bool {
        self.sequence >= (1 << 32) - (1 << 28)
    }

    /// Seals a packet with the next sequence number. The number never wraps: when it is used up, every packet is refused
    /// (RFC4303-3.3.3-02, RFC4302-3.3.2-02).
    pub(crate) fn seal(&mut self, packet: &mut Packet) -> Result<(), SealError> {
        if let Some(unfinished) = self.begin_seal(packet)? {
            unfinished.finish(packet);
        }
        Ok(())
    }

    /// As [`seal`](Self::seal), but leaves ESP's encryption and ICV to be done, perhaps with those of other packets.
    pub(crate) fn begin_seal(&mut self, packet: &mut Packet) -> Result<Option<Unfinished>, SealError> {
        let sequence = self.sequence.checked_add(1).ok_or(SealError::SequenceExhausted)?;
        let octets = packet.len();
        let unfinished = match &self.transform {
            Transform::Esp(esp) => {
                let iv = self.iv.iv(sequence);
                let len = esp.prepare(packet, sequence, iv.get(..self.iv.len()).unwrap_or_default())?;
                Some(Unfinished { esp: esp.clone(), len, sequence })
            }
            Transform::Ah(ah) => {
                ah.seal(packet, sequence)?;
                None
            }
        };
        self.sequence = sequence;
        self.counters.packets += 1;
        self.counters.octets += octets as u64;
        Ok(unfinished)
    }

    /// What checks ICVs of packets with this number, if they can be checked before their turn: the pre-check of the window
    /// comes first (RFC 4303 section 3.4.3).
    pub(crate) fn early_verifier(&self, sequence: u32) -> Option<&Arc<Esp>> {
        let Transform::Esp(esp) = &self.transform else { return None };
        let in_window = self.window.as_ref().is_some_and(|w| w.check(sequence.into()));
        (in_window && esp.has_integrity() && !esp.esn()).then_some(esp)
    }

    /// Opens a packet whose header says `low`: window pre-check, ICV, decryption, window update, in this order (RFC 4303
    /// section 3.4.3). `verified` is the ICV's check, when it was done before.
    pub(crate) fn open(
        &mut self,
        packet: &mut Packet,
        low: u32,
        verified: Option<&Verified>,
    ) -> Result<Opened, SaError> {
        let esn = matches!(&self.transform, Transform::Esp(esp) if esp.esn());
        let sequence = match &self.window {
            Some(window) if esn => window.infer(low),
            _ => u64::from(low),
        };
        if self.window.as_ref().is_some_and(|w| !w.check(sequence)) {
            self.counters.replays += 1;
            let too_old = self.window.as_ref().is_some_and(|w| w.is_below(sequence));
            return Err(if too_old { SaError::TooOld } else { SaError::Replayed });
        }
        let opened = match &self.transform {
            Transform::Esp(esp) => {
                let known = verified.filter(|v| Arc::ptr_eq(&v.esp, esp)).map(|v| v.right);
                esp.open_verified(packet, Some(sequence), known)
            }
            Transform::Ah(ah) => ah.open(packet),
        };
        match opened {
            Err(OpenError::Integrity) => self.counters.integrity_failures += 1,
            // The ICV was good (or there is none): whatever else is wrong, the number is spent.
            Ok(_) | Err(OpenError::Padding | OpenError::Dummy) => {
                if self.window.as_mut().is_some_and(|w| !w.update(sequence)) {
                    return Err(SaError::Replayed);
                }
            }
            Err(_) => {}
        }
        let opened = opened.map_err(SaError::Open)?;
        self.counters.packets += 1;
        self.counters.octets += packet.len() as u64;
        Ok(opened)
    }

    /// For tests of exhaustion: pretends that this number was the last one sent.
    #[cfg(test)]
    pub(crate) fn set_sequence(&mut self, sequence: u64) {
        self.sequence = sequence;
    }
}

/// A packet whose headers are written, and whose encryption and ICV are still to come.
#[derive(Clone, Debug)]
pub(crate) struct Unfinished {
    pub(crate) esp: Arc<Esp>,
    /// Octets at the packet's end that it is about. Headers may come in front in the meantime.
    pub(crate) len: usize,
    sequence: u64,
}

impl Unfinished {
    /// Whether it can be done together with others: extended sequence numbers cannot.
    pub(crate) fn can_wait(&self) -> bool {
        !self.esp.esn()
    }

    /// Does it now.
    pub(crate) fn finish(&self, packet: &mut Packet) {
        // It cannot fail: `prepare` has laid it out.
        let _ = self.esp.finish(esp::tail(packet, self.len), self.sequence);
    }
}

/// That the ICV of a packet is right, or not.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    /// By these keys.
    pub(crate) esp: Arc<Esp>,
    pub(crate) right: bool,
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Transform::Esp(esp) => esp.fmt(f),
            Transform::Ah(ah) => ah.fmt(f),
        }
    }
}
