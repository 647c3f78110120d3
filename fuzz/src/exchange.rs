//! A whole main mode and quick mode between two nodes of which either lies before it encrypts, over a wire that loses,
//! repeats, delays and alters. When both are honest again, traffic must flow; until then nothing may leak.

use ipsec_core::crypto::{Cipher, Group, HashAlg, Mac};
use ipsec_core::ike::outbox::Lie;
use ipsec_core::spd::{Lifetime, Pfs};
use ipsec_core::wire::isakmp::PayloadType;
use ipsec_core::wire::{IpProtocol, PacketInfo};
use ipsec_core::{Command, Duration, Input, Packet};

use crate::bytes::Bytes;
use crate::pair::{Agreement, Fate, Pair, config, esp};

/// Lies each end may tell.
const MAX_LIES: usize = 16;

/// Packets the wire may treat badly.
const MAX_FAULTS: usize = 64;

/// Both ends' SAs live so long: after that, what they disagree about is forgotten.
const LIFETIME: u32 = 300;

/// What the ends agree on, the lies of each, then the fate of packet after packet.
pub fn body(data: &[u8]) {
    let mut b = Bytes::new(data);
    let agreement = choose_agreement(&mut b);
    let configs = [0, 1].map(|end| {
        let mut config = config(end, &agreement);
        config.work = ipsec_core::config::WorkMode::Offload;
        config.ike.lies = choose_lies(&mut b);
        config
    });
    let lied = configs.iter().any(|c| c.ike.lies.iter().any(|lie| *lie != Lie::None));
    let mut pair = Pair::new(configs, 1);

    let mut faults = 0;
    while faults == 0 || (!b.is_empty() && faults < MAX_FAULTS) {
        faults += 1;
        pair.send(faults % 2, 64);
        let deadline = pair.now + Duration::from_secs(8);
        pair.run(deadline, &mut |packet| {
            protected(packet);
            if b.is_empty() || faults >= MAX_FAULTS {
                return Fate::Arrive;
            }
            faults += 1;
            choose_fate(&mut b, packet)
        });
        bounded(&pair);
    }

    // What the wire did must heal without help. A lie may have left SAs that only an operator can clear away sooner than
    // their end of life; an honest node owes a liar no more than a fresh start.
    if !connects(&mut pair, 2 * LIFETIME) {
        assert!(lied, "the wire is honest again, and nothing gets through");
        for end in 0..2 {
            pair.input(end, Input::Command(Command::Shutdown));
        }
        assert!(connects(&mut pair, LIFETIME), "both ends are honest and fresh, and nothing gets through");
    }
}

/// Whether a packet gets through each way within so many seconds.
fn connects(pair: &mut Pair, seconds: u32) -> bool {
    let deadline = pair.now + Duration::from_secs(seconds.into());
    while pair.now < deadline {
        let before = pair.delivered;
        let until = pair.now + Duration::from_secs(5);
        (0..2).for_each(|end| pair.send(end, 64));
        pair.run(until, &mut |packet| {
            protected(packet);
            Fate::Arrive
        });
        bounded(pair);
        if pair.delivered.iter().zip(before).all(|(now, before)| *now > before) {
            return true;
        }
    }
    false
}

/// Nothing but IKE, ESP and AH is on the wire.
fn protected(packet: &Packet) {
    let Ok(info) = PacketInfo::of(packet.bytes()) else { panic!("a node sent a malformed packet") };
    let ike =
        info.protocol == IpProtocol::UDP && info.src_port() == Some(500) && info.dst_port() == Some(500);
    let ipsec = matches!(info.protocol, IpProtocol::ESP | IpProtocol::AH);
    // A fragment of an IKE message has no ports to see.
    assert!(ike || ipsec || info.fragment.is_some(), "in clear on the wire: {info}");
}

/// Nothing but what the stacks sent was delivered, and once; tables stay small.
fn bounded(pair: &Pair) {
    for (end, node) in pair.ends.iter().enumerate() {
        assert!(pair.delivered[end] <= pair.sent[1 - end], "a packet was delivered twice");
        let (pairs, pending) = (node.status().pairs().count(), node.status().pending().count());
        assert!(pairs <= 256 && pending <= 4, "{pairs} pairs of SAs, {pending} negotiations");
    }
    assert_eq!(pair.strangers, [0, 0], "delivered what nobody sent");
}

fn choose_agreement(b: &mut Bytes<'_>) -> Agreement {
    let bits = b.u8();
    let mut agreement = Agreement::usual();
    agreement.main_mode.group = if bits & 1 == 0 { Group::Modp768 } else { Group::Modp1024 };
    if bits & 2 != 0 {
        (agreement.main_mode.cipher, agreement.main_mode.hash) = (Cipher::Des, HashAlg::Md5);
    }
    agreement.tunnel = bits & 4 != 0;
    agreement.pfs = if bits & 8 != 0 { Pfs::SameGroup } else { Pfs::No };
    agreement.offer = match bits >> 4 & 3 {
        0 => esp(Cipher::Aes128, Some(Mac::HmacSha1_96)),
        1 => esp(Cipher::Des, Some(Mac::HmacMd5_96)),
        2 => esp(Cipher::Null, Some(Mac::HmacSha256_128)),
        _ => esp(Cipher::TripleDes, Some(Mac::HmacSha1_96)),
    };
    if bits & 0x40 != 0 {
        agreement.offer.ah = Some(Mac::HmacSha1_96);
    }
    agreement.offer.lifetime = Lifetime { seconds: Some(LIFETIME), kilobytes: None };
    agreement
}

fn choose_lies(b: &mut Bytes<'_>) -> Vec<Lie> {
    let count = usize::from(b.u8()) % (MAX_LIES + 1);
    (0..count).map(|_| choose_lie(b)).collect()
}

/// Five octets of choice.
fn choose_lie(b: &mut Bytes<'_>) -> Lie {
    let (kind, payload, at, bits) = (b.u8(), usize::from(b.u8()), usize::from(b.u16()), b.u8());
    match kind % 10 {
        0 => Lie::None,
        1 => Lie::Body { payload, at, bits },
        2 => Lie::Length { payload, len: at as u16 % 2048 },
        3 => Lie::Type { payload, payload_type: PayloadType(bits) },
        4 => Lie::Remove { payload },
        5 => Lie::Repeat { payload },
        6 => Lie::Rotate { by: payload },
        7 => Lie::Append { payload_type: PayloadType(bits), body: b.take(at % 256).to_vec() },
        8 => Lie::Header { at, bits },
        _ => Lie::Chain { at, bits },
    }
}

fn choose_fate(b: &mut Bytes<'_>, packet: &mut Packet) -> Fate {
    match b.u8() % 8 {
        0..=2 => Fate::Arrive,
        3 => Fate::Lost,
        4 => Fate::Twice,
        5 => Fate::Late(Duration::from_millis(u64::from(b.u8()) * 100)),
        6 => {
            let len = packet.len();
            packet.truncate(usize::from(b.u16()) % len.max(1));
            Fate::Arrive
        }
        _ => {
            let (at, bits) = (usize::from(b.u16()), b.u8());
            let len = packet.len().max(1);
            if let Some(octet) = packet.bytes_mut().get_mut(at % len) {
                *octet ^= bits;
            }
            Fate::Arrive
        }
    }
}
