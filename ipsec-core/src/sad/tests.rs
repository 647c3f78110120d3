use super::*;
use crate::crypto::Mac;
use crate::esp::{OpenError, SealError};
use crate::packet::Packet;
use alloc::vec;
use alloc::vec::Vec;

pub(super) fn spec(pair: u64, inbound: bool, spi: u32, protocols: &[IpsecProtocol]) -> BundleSpec {
    let sa = |protocol: &IpsecProtocol| SaSpec {
        protocol: *protocol,
        spi: Spi(spi),
        cipher: Cipher::Null,
        cipher_key: Secret::new(vec![]),
        mac: Some(Mac::HmacSha1_96),
        mac_key: Secret::new(vec![1; 20]),
    };
    BundleSpec {
        pair: PairId(pair),
        inbound,
        entry: EntryId(1),
        selector: Selector::any(),
        mode: Mode::Transport,
        local: "10.0.0.1".parse().unwrap(),
        peer: "10.0.0.2".parse().unwrap(),
        sas: protocols.iter().map(sa).collect(),
        lifetime: Lifetime { seconds: Some(1000), kilobytes: None },
        initiator: true,
        udp: None,
    }
}

pub(super) fn install(sad: &mut Sad, spec: &BundleSpec) -> Result<(), InstallError> {
    let streams = Streams::new([1; 32]);
    sad.install(
        spec,
        &InstallContext { streams: &streams, window: 64, margin_permille: 100, now: Instant::EPOCH },
    )
}

const ESP: IpsecProtocol = IpsecProtocol::Esp;
const AH: IpsecProtocol = IpsecProtocol::Ah;

#[test]
fn reserved_spis_are_never_small_nor_twice() {
    let mut sad = Sad::default();
    let streams = Streams::new([7; 32]);
    let spis: BTreeSet<Spi> = (0..500).map(|_| sad.reserve_spi(ESP, &streams)).collect();
    assert_eq!(spis.len(), 500);
    assert!(spis.iter().all(|spi| spi.0 > 255));
}

#[test]
fn bundles_are_one_sa_or_esp_in_ah() {
    let mut sad = Sad::default();
    for (protocols, expected) in [
        (&[][..], Err(InstallError::Bundle)),
        (&[AH, ESP], Err(InstallError::Bundle)),
        (&[ESP, ESP], Err(InstallError::Bundle)),
        (&[ESP, AH], Ok(())),
    ] {
        assert_eq!(install(&mut sad, &spec(1, true, 300, protocols)), expected);
    }
    assert_eq!(install(&mut sad, &spec(2, true, 300, &[ESP])), Err(InstallError::DuplicateSpi));
    assert_eq!(install(&mut sad, &spec(1, true, 301, &[ESP])), Err(InstallError::Pair));
    assert_eq!(install(&mut sad, &spec(3, true, 255, &[ESP])), Err(InstallError::ReservedSpi));
    let local = "10.0.0.1".parse().unwrap();
    assert_eq!(sad.lookup(Spi(300), AH, local), Some((PairId(1), 1)));
    assert_eq!(sad.lookup(Spi(300), ESP, "10.0.0.9".parse().unwrap()), None);
}

#[test]
fn handed_over_pairs_receive_but_do_not_send() {
    let mut sad = Sad::default();
    for n in [1, 2] {
        install(&mut sad, &spec(n, true, 300 + n as u32, &[ESP])).unwrap();
        install(&mut sad, &spec(n, false, 400 + n as u32, &[ESP])).unwrap();
    }
    let peer = "10.0.0.2".parse().unwrap();
    assert_eq!(sad.sending(peer, |_| true), Some(PairId(2)));
    sad.hand_over(PairId(2), PairId(3));
    assert_eq!(sad.sending(peer, |_| true), Some(PairId(1)));
    assert!(sad.lookup(Spi(302), ESP, "10.0.0.1".parse().unwrap()).is_some());
    assert_eq!(sad.remove(PairId(2)).unwrap().inbound_spis(), [(ESP, Spi(302))]);
    assert!(sad.lookup(Spi(302), ESP, "10.0.0.1".parse().unwrap()).is_none());
    assert_eq!(sad.timers.len(), 2);
    sad.remove(PairId(1));
    assert!(sad.timers.is_empty() && sad.outbound.is_empty() && sad.inbound.is_empty());
}

#[test]
fn ends_come_in_order() {
    let mut sad = Sad::default();
    install(&mut sad, &spec(1, true, 300, &[ESP])).unwrap();
    assert_eq!(sad.take_due(Instant::from_secs(700)), None);
    assert_eq!(sad.take_due(Instant::from_secs(2000)), Some((PairId(1), LifeEnd::Soft)));
    assert_eq!(sad.poll_timeout(), Some(Instant::from_secs(1000)));
    assert_eq!(sad.take_due(Instant::from_secs(2000)), Some((PairId(1), LifeEnd::Hard)));
    assert_eq!(sad.poll_timeout(), None);
}

fn udp() -> Packet {
    let mut bytes: Vec<u8> = vec![0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    bytes.extend_from_slice(&[0; 8]);
    crate::ip::refresh_checksum(&mut bytes);
    Packet::from_slice(1, &bytes)
}

fn sa(protocol: IpsecProtocol, mac: Option<Mac>) -> IpsecSa {
    let mut one = spec(1, true, 300, &[protocol]).sas.remove(0);
    one.mac = mac;
    one.mac_key = Secret::new(vec![1; mac.map_or(0, Mac::key_len)]);
    IpsecSa::new(&one, 1, 64, &Streams::new([1; 32])).unwrap()
}

#[test]
fn sequence_numbers_end_and_do_not_wrap() {
    for protocol in [ESP, AH] {
        let mut sa = sa(protocol, Some(Mac::HmacMd5_96));
        sa.set_sequence(u64::from(u32::MAX) - 1);
        assert!(sa.nearly_exhausted());
        assert_eq!(sa.seal(&mut udp()), Ok(()));
        for _ in 0..2 {
            assert_eq!(sa.seal(&mut udp()), Err(SealError::SequenceExhausted));
        }
        assert_eq!((sa.sequence(), sa.counters().packets), (u64::from(u32::MAX), 1));
    }
}

#[test]
fn a_forged_packet_does_not_move_the_window() {
    let (mut sender, mut receiver) = (sa(ESP, Some(Mac::HmacMd5_96)), sa(ESP, Some(Mac::HmacMd5_96)));
    let mut packet = udp();
    sender.seal(&mut packet).unwrap();
    let mut forged = packet.clone();
    forged.bytes_mut()[24..28].copy_from_slice(&5000u32.to_be_bytes());
    assert_eq!(receiver.open(&mut forged, 5000, None), Err(SaError::Open(OpenError::Integrity)));
    assert_eq!(receiver.sequence(), 0);
    assert!(receiver.open(&mut packet.clone(), 1, None).is_ok());
    assert_eq!(receiver.open(&mut packet, 1, None), Err(SaError::Replayed));
    let counters = receiver.counters();
    assert_eq!((counters.packets, counters.replays, counters.integrity_failures), (1, 1, 1));
}

#[test]
fn without_integrity_there_is_no_anti_replay() {
    let (mut sender, mut receiver) = (sa(ESP, None), sa(ESP, None));
    let mut packet = udp();
    sender.seal(&mut packet).unwrap();
    assert!(
        receiver.open(&mut packet.clone(), 1, None).is_ok() && receiver.open(&mut packet, 1, None).is_ok()
    );
    assert!(
        IpsecSa::new(
            &SaSpec { mac: None, ..spec(1, true, 300, &[AH]).sas.remove(0) },
            1,
            64,
            &Streams::new([1; 32])
        )
        .is_err()
    );
}

#[test]
fn path_mtu_only_falls_and_ages() {
    let mut sad = Sad::default();
    install(&mut sad, &spec(1, false, 300, &[ESP])).unwrap();
    let pair = sad.get_mut(PairId(1)).unwrap();
    assert!(pair.learn_path_mtu(1400, Instant::EPOCH));
    assert!(!pair.learn_path_mtu(1450, Instant::from_secs(1)));
    assert_eq!(pair.path_mtu(Instant::from_secs(599)), Some(1400));
    // RFC 1191 section 6.3: tried again after 10 minutes.
    assert_eq!(pair.path_mtu(Instant::from_secs(600)), None);
    assert!(pair.learn_path_mtu(1450, Instant::from_secs(601)));
}

#[test]
fn a_failed_rekeying_is_tried_again_within_the_life() {
    let mut sad = Sad::default();
    install(&mut sad, &spec(1, true, 300, &[ESP])).unwrap();
    sad.get_mut(PairId(1)).unwrap().rekeying = true;
    sad.retry_soft(PairId(1), Instant::from_secs(950));
    assert_eq!(sad.take_due(Instant::from_secs(950)), Some((PairId(1), LifeEnd::Soft)));
    assert!(!sad.get(PairId(1)).unwrap().rekeying);
    sad.retry_soft(PairId(1), Instant::from_secs(1000));
    assert_eq!(sad.take_due(Instant::from_secs(1000)), Some((PairId(1), LifeEnd::Hard)));
    sad.remove(PairId(1));
    assert!(sad.timers.is_empty());
}
