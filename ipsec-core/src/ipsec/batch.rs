//! Many inputs at once: what ESP computes for the packets of one SA is done side by side.
//!
//! ICVs of packets that arrive are checked before the first of them is handled; packets that leave are encrypted when the
//! last was. In between each input meets the same steps in the same order as alone, so the outputs are the same.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::array;

use super::Ipsec;
use crate::crypto::LANES;
use crate::esp::{self, Esp};
use crate::io::{Input, Output};
use crate::ip::{IpInfo, protocol, read_u16};
use crate::natt::{self, Content};
use crate::packet::Packet;
use crate::sad::{IpsecProtocol, Sad, Spi, Unfinished, Verified};
use crate::time::Instant;
use crate::wire::udp::Udp;

/// What a batch remembers between its inputs.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    /// Whether encryption can wait.
    active: bool,
    /// Outputs, by place, that are to be encrypted.
    unfinished: Vec<(usize, Option<Unfinished>)>,
    /// Of each input.
    verified: Vec<Option<Verified>>,
    /// Of the input that is being handled.
    current: Option<Verified>,
}

impl Batch {
    /// The check of the ICV of the packet that is being handled, once.
    pub(super) fn take_verified(&mut self) -> Option<Verified> {
        self.current.take()
    }
}

impl Ipsec {
    /// Handles a batch: same outputs in the same order as one by one. Drains `inputs`.
    pub fn handle_batch(&mut self, inputs: &mut Vec<Input>, now: Instant) {
        self.verify(inputs);
        self.batch.active = inputs.len() > 1;
        for (place, input) in inputs.drain(..).enumerate() {
            self.batch.current = self.batch.verified.get_mut(place).and_then(Option::take);
            self.handle_input(input, now);
        }
        self.batch.current = None;
        self.batch.active = false;
        self.finish();
    }

    /// The packet that becomes the next output is still to be encrypted: with others if it can wait, else now.
    pub(super) fn finish_later(&mut self, unfinished: Unfinished, packet: &mut Packet, can_wait: bool) {
        if self.batch.active && can_wait && unfinished.can_wait() {
            self.batch.unfinished.push((self.outputs.len(), Some(unfinished)));
        } else {
            unfinished.finish(packet);
        }
    }

    /// Encrypts what has waited.
    fn finish(&mut self) {
        let unfinished = &mut self.batch.unfinished;
        while let Some(esp) = unfinished.iter().find_map(|(_, u)| u.as_ref()).map(|u| u.esp.clone()) {
            let mut packets: [&mut [u8]; LANES] = array::from_fn(|_| &mut [][..]);
            let mut rest = self.outputs.iter_mut();
            // All of this SA, in the order of the outputs.
            let (mut count, mut next) = (0, 0);
            let of_sa = |u: &Option<Unfinished>| u.as_ref().is_some_and(|u| Arc::ptr_eq(&u.esp, &esp));
            let chosen = unfinished.iter_mut().filter(|(_, u)| of_sa(u)).take(LANES);
            for ((place, unfinished), lane) in chosen.zip(&mut packets) {
                let output = place.checked_sub(next).and_then(|skip| rest.nth(skip));
                next = *place + 1;
                if let (Some(Output::Transmit(_, packet)), Some(u)) = (output, unfinished.take()) {
                    *lane = esp::tail(packet, u.len);
                }
                count += 1;
            }
            // It cannot fail: each was laid out for this.
            let _ = packets.get_mut(..count).and_then(|packets| esp.finish_many(packets));
        }
        unfinished.clear();
    }

    /// Checks ICVs ahead.
    fn verify(&mut self, inputs: &[Input]) {
        let Ipsec { sad, batch: Batch { verified, .. }, .. } = self;
        verified.clear();
        if inputs.len() < 2 {
            return;
        }
        for (first, inputs) in (0..).step_by(LANES).zip(inputs.chunks(LANES)) {
            let mut found: [Option<(&Arc<Esp>, &[u8])>; LANES] = [None; LANES];
            for (place, input) in found.iter_mut().zip(inputs) {
                if let Input::Inbound(_, packet) = input {
                    *place = verifiable(sad, packet);
                }
            }
            verified.resize(first + inputs.len(), None);
            while let Some(esp) = found.iter().flatten().next().map(|(esp, _)| *esp) {
                let mut packets: [&[u8]; LANES] = [&[]; LANES];
                let mut places = [0; LANES];
                let mut count = 0;
                let of_sa = found.iter_mut().enumerate();
                let of_sa = of_sa.filter(|(_, f)| f.is_some_and(|(other, _)| Arc::ptr_eq(other, esp)));
                for ((place, found), (packet, to)) in of_sa.zip(packets.iter_mut().zip(&mut places)) {
                    *packet = found.take().map(|(_, packet)| packet).unwrap_or_default();
                    *to = first + place;
                    count += 1;
                }
                esp.verify_many(packets.get(..count).unwrap_or_default(), |n, right| {
                    let place = places.get(n).and_then(|place| verified.get_mut(*place));
                    if let Some(place) = place {
                        *place = Some(Verified { esp: esp.clone(), right });
                    }
                });
            }
        }
    }
}

/// The SA of an ESP packet whose ICV can be checked ahead, and the packet from its SPI on.
fn verifiable<'a>(sad: &'a Sad, packet: &'a Packet) -> Option<(&'a Arc<Esp>, &'a [u8])> {
    let info = IpInfo::parse(packet.bytes()).filter(|info| info.fragment.is_none())?;
    let behind = packet.bytes().get(info.upper.offset..info.total_len)?;
    let esp = match info.upper.protocol {
        protocol::ESP => behind,
        protocol::UDP if read_u16(behind, 2) == Some(natt::PORT) => {
            match natt::classify(Udp::decode(behind).ok()?.payload)? {
                Content::Esp(esp) => esp,
                Content::Ike(_) | Content::Keepalive => return None,
            }
        }
        _ => return None,
    };
    let (spi, sequence) = esp::header(esp, 0)?;
    let (id, index) = sad.lookup(Spi(spi), IpsecProtocol::Esp, info.destination)?;
    let sa = sad.get(id)?.inbound.as_ref()?.sas().get(index)?;
    Some((sa.early_verifier(sequence)?, esp))
}
