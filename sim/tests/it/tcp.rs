//! TCP and UDP above the simulated network.

use ipsec_core::{Duration, Instant};
use ipsec_sim::app::tcp::Answer;
use ipsec_sim::{Action, Faults, Payload};

use crate::topologies::{BOB, Chain, chain, perfect};

fn connect(chain: &mut Chain, port: u16, send: Payload, expect: u64) -> ipsec_sim::AppId {
    let remote = format!("{BOB}:{port}").parse().unwrap();
    let action = Action::TcpConnect { remote, local_port: None, send, expect };
    chain.builder.schedule(Instant::from_secs(1), chain.alice, action)
}

fn listen(chain: &mut Chain, port: u16, answer: Answer) -> ipsec_sim::AppId {
    chain.builder.schedule(Instant::EPOCH, chain.bob, Action::TcpListen { port, answer })
}

#[test]
fn abczz_connects_and_is_answered() {
    let mut chain = perfect(1);
    let server = listen(&mut chain, 6667, Answer::Bytes(b"hello Alice".to_vec()));
    let client = connect(&mut chain, 6667, Payload::Bytes(b"hello Bob".to_vec()), 11);
    let mut network = chain.builder.build().unwrap();
    network.run_until(Instant::from_secs(30), &mut ());
    let (client, server) = (network.tcp(client).unwrap(), network.tcp(server).unwrap());
    assert!(client.succeeded());
    assert_eq!((client.data.as_slice(), server.data.as_slice()), (&b"hello Alice"[..], &b"hello Bob"[..]));
    // SYN and SYN-ACK: one round trip of 20 ms.
    assert_eq!(client.connected, Some(Instant::from_millis(1_020)));
}

#[test]
fn nobody_listens() {
    let mut chain = perfect(1);
    let client = connect(&mut chain, 6668, Payload::Bytes(b"hello".to_vec()), 1);
    let mut network = chain.builder.build().unwrap();
    network.run_until(Instant::from_secs(30), &mut ());
    let client = network.tcp(client).unwrap();
    assert_eq!((client.failed, client.connections), (Some(Instant::from_millis(1_020)), 0));
}

#[test]
fn bulk_survives_loss_duplication_and_reordering() {
    let faults = Faults { loss: 20_000, duplication: 20_000, reordering: 20_000, ..Faults::NONE };
    let mut chain = chain(5, 1500, faults, Instant::NEVER);
    let server = listen(&mut chain, 9, Answer::Nothing);
    let client = connect(&mut chain, 9, Payload::Pattern(300_000), 0);
    let mut network = chain.builder.build().unwrap();
    network.run_until(Instant::from_secs(300), &mut ());
    assert!(network.tcp(client).unwrap().succeeded());
    let server = network.tcp(server).unwrap();
    assert_eq!((server.received, server.is_pattern), (300_000, true));
}

#[test]
fn a_smaller_path_mtu_is_discovered() {
    let mut chain = chain(5, 800, Faults::NONE, Instant::NEVER);
    let server = listen(&mut chain, 9, Answer::Nothing);
    let client = connect(&mut chain, 9, Payload::Pattern(100_000), 0);
    let mut network = chain.builder.build().unwrap();
    network.run_until(Instant::from_secs(60), &mut ());
    assert!(network.tcp(client).unwrap().succeeded());
    assert_eq!(network.tcp(server).unwrap().received, 100_000);
}

#[test]
fn udp_comes_back_even_in_fragments() {
    let mut chain = perfect(1);
    chain.builder.schedule(Instant::EPOCH, chain.bob, Action::UdpEcho { port: 7 });
    let remote = format!("{BOB}:7").parse().unwrap();
    let send = |len, local_port| Action::UdpSend {
        remote,
        local_port,
        payload: Payload::Pattern(len),
        checksum: true,
    };
    let small = chain.builder.schedule(Instant::EPOCH, chain.alice, send(100, 4000));
    let large = chain.builder.schedule(Instant::EPOCH, chain.alice, send(9_000, 4001));
    let mut network = chain.builder.build().unwrap();
    network.run_until(Instant::from_secs(10), &mut ());
    for id in [small, large] {
        assert_eq!(network.udp(id).unwrap().round_trip, Some(Duration::from_millis(20)));
    }
}
