//! Traffic that is checked at both ends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use crate::lab::{Lab, Outcome, myself, pause, until};

/// Pings so often, and wants all answers but those that waited for IKE.
pub(crate) fn ping(lab: &Lab, from: &str, to: &str) -> Outcome {
    let answered = |count: &str| {
        let words = ["ping", "-n", "-q", "-i", "0.2", "-W", "5", "-c", count, to];
        lab.run(from, &words).ok().filter(|text| text.contains(" 0% packet loss"))
    };
    until(&format!("{from} reaches {to} by ping"), || answered("1"))?;
    answered("5").map(|_| ()).ok_or_else(|| format!("pings from {from} to {to} were lost"))
}

/// Sends so many octets over TCP from a server in `server` to a client in `client`, and compares checksums.
pub(crate) fn tcp(lab: &mut Lab, client: &str, server: &str, address: SocketAddr, octets: u64) -> Outcome {
    let (me, octets, port) = (myself()?, octets.to_string(), address.port().to_string());
    let log = format!("server-{port}.log");
    let _ = std::fs::remove_file(lab.path(&log));
    let process = lab.start(server, &log, &[&me, "--serve", &port, &octets])?;
    until("the TCP server listens", || {
        std::fs::read_to_string(lab.path(&log)).ok().filter(|text| text.contains("listening"))
    })?;
    let fetched = lab.run(client, &["timeout", "120", &me, "--fetch", &address.to_string(), &octets]);
    let served = until("the TCP server is done", || {
        std::fs::read_to_string(lab.path(&log)).ok().filter(|t| t.contains("sum ") || fetched.is_err())
    })?;
    let _ = lab.signal(process, "KILL");
    let (fetched, sum) = (fetched?, |text: &str| text.split("sum ").nth(1).map(|s| s.trim().to_owned()));
    match (sum(&fetched), sum(&served)) {
        (Some(a), Some(b)) if a == b => Ok(()),
        (a, b) => Err(format!("checksums differ: fetched {a:?}, served {b:?}")),
    }
}

/// A ping every 10 ms while SAs are renewed: all of them are answered, and the memory of `process` is flat. For half a minute, or
/// as many seconds as `IPSECLAB_SOAK_SECONDS` says; every ten of them, `memory.log` of the case gets a line.
pub(crate) fn soak(lab: &mut Lab, from: &str, to: &str, process: u32) -> Outcome {
    let seconds: u32 = std::env::var("IPSECLAB_SOAK_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(30);
    let count = (seconds * 100).to_string();
    lab.start(from, "pings.log", &["ping", "-n", "-q", "-i", "0.01", "-c", &count, "-W", "3", to])?;
    let pings = lab.path("pings.log");
    let mut memory: Vec<u64> = Vec::new();
    let summary = loop {
        pause(10_000);
        memory.push(resident(process)?);
        let lines: Vec<String> = memory.iter().map(|kilobytes| format!("{kilobytes} kB")).collect();
        lab.write("memory.log", &lines.join("\n"))?;
        let text = std::fs::read_to_string(&pings).unwrap_or_default();
        if text.contains(" received") {
            break text;
        }
        // A ping that waits for its turn takes a little longer than 10 ms.
        if memory.len() as u32 > seconds / 5 + 6 {
            return Err("the pings do not come to an end".to_owned());
        }
    };
    if !summary.contains(&format!("{count} packets transmitted, {count} received")) {
        return Err(summary);
    }
    // Four megabytes are noise: buffers that were not needed before.
    let (early, late) = (memory[memory.len() / 3], memory[memory.len() - 1]);
    if late > early + 4_096 { Err(format!("memory grew: {memory:?} kB, every 10 s")) } else { Ok(()) }
}

/// Resident memory of a process in kilobytes.
fn resident(process: u32) -> Result<u64, String> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).map_err(|e| e.to_string())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).ok_or_else(|| "no VmRSS".to_owned())
}

/// Programs in namespaces take a while to begin.
pub(crate) fn settle() {
    pause(300);
}

const CHUNK: usize = 1 << 16;

/// FNV-1a over all octets.
fn sum(mut state: u64, octets: &[u8]) -> u64 {
    for octet in octets {
        state = (state ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3);
    }
    state
}

const START: u64 = 0xcbf2_9ce4_8422_2325;

/// `--serve PORT OCTETS`.
pub(crate) fn serve(port: &str, octets: &str) -> ExitCode {
    let serve = || -> std::io::Result<u64> {
        let port = port.parse().map_err(std::io::Error::other)?;
        let listener = TcpListener::bind(SocketAddr::new(std::net::Ipv6Addr::UNSPECIFIED.into(), port))
            .or_else(|_| TcpListener::bind(SocketAddr::new(std::net::Ipv4Addr::UNSPECIFIED.into(), port)))?;
        println!("listening");
        let (mut stream, _) = listener.accept()?;
        let mut left: u64 = octets.parse().map_err(std::io::Error::other)?;
        let (mut state, mut random, mut chunk) = (START, 88_172_645_463_325_252_u64, vec![0; CHUNK]);
        while left > 0 {
            for octet in &mut chunk {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                *octet = random as u8;
            }
            let len = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            let now = chunk.get(..len).unwrap_or_default();
            stream.write_all(now)?;
            state = sum(state, now);
            left -= len as u64;
        }
        Ok(state)
    };
    report(serve())
}

/// `--fetch ADDRESS OCTETS`.
pub(crate) fn fetch(address: &str, octets: &str) -> ExitCode {
    let fetch = || -> std::io::Result<u64> {
        let address = address.parse().map_err(std::io::Error::other)?;
        let wanted: u64 = octets.parse().map_err(std::io::Error::other)?;
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(30))?;
        let (mut state, mut count, mut chunk) = (START, 0, vec![0; CHUNK]);
        loop {
            let len = stream.read(&mut chunk)?;
            if len == 0 {
                break;
            }
            state = sum(state, chunk.get(..len).unwrap_or_default());
            count += len as u64;
        }
        if count == wanted { Ok(state) } else { Err(std::io::Error::other(format!("{count} octets came"))) }
    };
    report(fetch())
}

fn report(result: std::io::Result<u64>) -> ExitCode {
    match result {
        Ok(sum) => {
            println!("sum {sum:016x}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
