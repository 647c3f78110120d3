//! Any inputs into a node's doors: datagrams from the wire and from the stack, commands, forged results of work, and time.
//!
//! The peer is there and honest, so that the inputs also meet a node with live SAs and negotiations under way.

use std::sync::Arc;

use ipsec_core::config::{PolicyDatabases, WorkMode};
use ipsec_core::crypto::{Cipher, Group, Mac, Secret};
use ipsec_core::interface::InterfaceId;
use ipsec_core::sad::PairId;
use ipsec_core::selector::{FlowKey, Selector};
use ipsec_core::spd::{Action, Direction, EntryId, Pfs, Spd, SpdEntry};
use ipsec_core::wire::ipv4::Ipv4Header;
use ipsec_core::wire::{IpProtocol, udp};
use ipsec_core::work::{WorkId, WorkResult};
use ipsec_core::{Command, Config, Duration, Input, Packet};

use crate::bytes::Bytes;
use crate::pair::{ADDRESSES, Agreement, Fate, Pair, config, esp};

/// Steps in one run.
const MAX_STEPS: usize = 256;

/// The node that is fed; the other is its honest peer.
const NODE: usize = 1;

/// What the ends agree on, then step after step.
pub fn body(data: &[u8]) {
    let mut b = Bytes::new(data);
    let bits = b.u8();
    let mut agreement = Agreement::usual();
    agreement.main_mode.group = Group::Modp768;
    agreement.offer = esp([Cipher::Aes128, Cipher::Des][usize::from(bits & 1)], Some(Mac::HmacMd5_96));
    agreement.tunnel = bits & 2 != 0;
    agreement.pfs = if bits & 4 != 0 { Pfs::SameGroup } else { Pfs::No };
    let mut node = config(NODE, &agreement);
    let limits = &mut node.limits;
    (limits.half_open, limits.isakmp_sas, limits.pending_packets, limits.reassemblies) = (4, 8, 4, 2);
    node.work = if bits & 8 != 0 { WorkMode::Offload } else { WorkMode::Inline };
    let mut pair = Pair::new([config(1 - NODE, &agreement), node.clone()], 2);
    if bits & 16 != 0 {
        pair.send(NODE, 32);
        pair.run_honestly(Duration::from_secs(2));
    }
    let mut replay: Vec<Vec<u8>> = Vec::new();
    for _ in 0..MAX_STEPS {
        if b.is_empty() {
            break;
        }
        step(&mut b, &mut pair, &node, &mut replay);
        bounded(&pair);
    }
}

fn step(b: &mut Bytes<'_>, pair: &mut Pair, config: &Config, replay: &mut Vec<Vec<u8>>) {
    let (peer, node) = (ADDRESSES[1 - NODE], ADDRESSES[NODE]);
    match b.u8() % 16 {
        0 | 1 => pair.send(usize::from(b.u8() & 1), usize::from(b.u8())),
        2..=4 => {
            let millis = u64::from(b.u16()) * 10;
            let deadline = pair.now + Duration::from_millis(millis);
            pair.run(deadline, &mut |packet| {
                replay.truncate(16);
                replay.insert(0, packet.bytes().to_vec());
                Fate::Arrive
            });
        }
        5 => {
            let datagram = sized(b);
            pair.inject(NODE, datagram);
        }
        6 => {
            let message = udp::datagram((peer.into(), 500), (node.into(), 500), sized(b));
            let packet = Ipv4Header::new(peer, node, IpProtocol::UDP).packet(&message);
            pair.inject(NODE, &packet.unwrap_or_default());
        }
        7 => {
            let protocol = [IpProtocol::ESP, IpProtocol::AH, IpProtocol::ICMP][usize::from(b.u8() % 3)];
            let packet = Ipv4Header::new(peer, node, protocol).packet(sized(b));
            pair.inject(NODE, &packet.unwrap_or_default());
        }
        8..=10 => {
            // Something that was on the wire, again or altered.
            let (which, at, bits) = (usize::from(b.u8()), usize::from(b.u16()), b.u8());
            if let Some(mut datagram) = replay.get(which % replay.len().max(1)).cloned() {
                let len = datagram.len().max(1);
                if let Some(octet) = datagram.get_mut(at % len) {
                    *octet ^= bits;
                }
                pair.inject(NODE, &datagram);
            }
        }
        11 => {
            let packet = Packet::from_slice(0, sized(b));
            pair.input(NODE, Input::Outbound(InterfaceId(u16::from(b.u8() & 1)), packet));
        }
        12 => {
            let result =
                if b.u8() & 1 == 0 { WorkResult::Refused } else { WorkResult::Bytes(Secret::new(sized(b))) };
            pair.input(NODE, Input::WorkDone(WorkId(u64::from(b.u8())), result));
        }
        13 => pair.input(NODE, Input::Timeout),
        _ => command(b, pair, config),
    }
}

fn command(b: &mut Bytes<'_>, pair: &mut Pair, config: &Config) {
    let command = match b.u8() % 6 {
        0 => Command::SetPolicy(config.policy.clone()),
        1 => Command::SetPolicy(PolicyDatabases { spd: Arc::new(Spd::default()), ..config.policy.clone() }),
        2 => Command::DeletePair(PairId(b.u8().into())),
        3 => Command::Initiate(
            EntryId(b.u8().into()),
            FlowKey {
                local: ADDRESSES[NODE].into(),
                remote: ADDRESSES[1 - NODE].into(),
                protocol: b.u8(),
                local_port: Some(b.u16()),
                remote_port: None,
            },
        ),
        4 => Command::StopIke(Arc::new(Spd::new(vec![SpdEntry {
            id: EntryId(0),
            name: String::new(),
            selector: Selector::any(),
            direction: Direction::Both,
            connection: None,
            action: Action::Stateful,
        }]))),
        _ => Command::Shutdown,
    };
    pair.input(NODE, Input::Command(command));
}

/// Octets with a length in front.
fn sized<'a>(b: &mut Bytes<'a>) -> &'a [u8] {
    let len = usize::from(b.u16()) % 2_048;
    b.take(len)
}

/// No stranger's packet came through, and tables keep their bounds.
fn bounded(pair: &Pair) {
    assert_eq!(pair.strangers, [0, 0], "delivered what nobody sent");
    let status = pair.ends[NODE].status();
    let (pairs, pending) =
        (status.pairs().count(), status.pending().map(|(_, packets)| packets).sum::<usize>());
    assert!(
        pairs <= 256 && pending <= 64 && status.reassemblies() <= 2,
        "{pairs} pairs, {pending} packets held"
    );
}
