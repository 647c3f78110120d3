//! The Oakley log: what IKE does, step by step, in a file (`%windir%\debug\oakley.log`).
//!
//! Windows Server 2003 turns it on and off with `netsh ipsec dynamic set config ikelogging 1`, at once; Windows 2000 and XP
//! with the registry value `EnableLogging` of `PolicyAgent\Oakley`, from the next start of the service on. Nobody has
//! published an excerpt: **every line here is in our own wording**. What is sourced is that the file exists and how it is
//! turned on, and the names of states, modes and reasons, which are those of the message file of oakley.dll.
//!
//! There are no keys in it.

use core::fmt::Write as _;

use ipsec_core::io::{DpdStep, MainModeInfo, QuickModeInfo};
use ipsec_core::pad::Phase1Exchange;
use ipsec_core::sad::Spi;
use ipsec_core::wire::ikev1::NotifyType;
use ipsec_core::wire::isakmp::Cookie;
use ipsec_core::{Event, Instant};

use crate::event_log::failure_text;

/// Where it is on a computer.
pub const PATH: &str = r"%windir%\debug\oakley.log";

/// Lines that are kept; a longer log loses its oldest.
const LINES: usize = 20_000;

/// The log of one computer.
#[derive(Clone, Debug, Default)]
pub struct OakleyLog {
    on: bool,
    lines: std::collections::VecDeque<String>,
}

impl OakleyLog {
    /// A log that is written from the start.
    #[must_use]
    pub fn enabled() -> Self {
        OakleyLog { on: true, ..OakleyLog::default() }
    }

    /// Turns it on or off; what is written stays.
    pub fn set(&mut self, on: bool) {
        self.on = on;
    }

    /// Whether it is written.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// IKE reports.
    pub fn ipsec(&mut self, time: Instant, event: &Event) {
        if !self.on {
            return;
        }
        let Some(text) = line(time, event) else { return };
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        let ms = time.as_millis();
        let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
        self.lines.push_back(format!("{h:02}:{m:02}:{s:02}.{:03} {text}", ms % 1_000));
    }

    /// Its lines, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }
}

/// What an event makes of a line, if it is IKE's.
fn line(time: Instant, event: &Event) -> Option<String> {
    Some(match event {
        Event::Held { entry, .. } => format!("acquire: a packet waits, filter {}", entry.0),
        Event::MainModeStarted { local, peer, exchange, initiator, cky_i } => {
            // The arrow points from who begins.
            let (who, from, to) =
                if *initiator { ("Initiator", local, peer) } else { ("Responder", peer, local) };
            format!("{who}: {} {from} -> {to}, cookie {}", mode(*exchange), cookie(cky_i))
        }
        Event::MainModeEstablished(info) => main_mode(info),
        Event::QuickModeEstablished(info) => quick_mode(info),
        Event::Failed(failure) => {
            let (point, why, status) = failure_text(time, failure);
            let mode = match failure.phase {
                ipsec_core::ike::failure::Phase::MainMode => mode(Phase1Exchange::MainMode),
                ipsec_core::ike::failure::Phase::QuickMode => "Quick mode",
            };
            format!("{mode} with {} failed at {point}: {why}; {status}; {}", failure.peer, failure.reason)
        }
        Event::Retransmitted { peer, cky_i, message_id, attempt } => {
            format!("retransmit {attempt} to {peer}, cookie {}, message ID {message_id:08x}", cookie(cky_i))
        }
        Event::IkeIgnored { peer, reason } => format!("receive from {peer}: ignored, {reason}"),
        Event::Notified { peer, notify } => format!("receive from {peer}: notify {}", NotifyType(*notify)),
        Event::SoftAssociation { peer, .. } => format!("Soft SA loaded for {peer}"),
        Event::SoftAssociationEnded { peer, .. } => format!("Soft SA torn down for {peer}"),
        Event::DeleteAnswered { peer, cky_i, message_id } => {
            format!(
                "receive from {peer}: delete answered, cookie {}, message ID {message_id:08x}",
                cookie(cky_i)
            )
        }
        Event::DeadPeerDetection { peer, step: DpdStep::Dead, .. } => format!("{peer} is dead"),
        Event::QuickModeConnected { pair } => format!("CONNECTED for SA {}", pair.0),
        Event::DosProtection { active: true } => "denial of service prevention begins".into(),
        Event::DosProtection { active: false } => "denial of service prevention ends".into(),
        Event::PairDeleted { pair, why } => format!("Quick mode SA {} deleted: {why:?}", pair.0),
        Event::IsakmpSaDeleted { cky_i, cky_r, why } => {
            format!("Main mode SA {}:{} deleted: {why:?}", cookie(cky_i), cookie(cky_r))
        }
        _ => return None,
    })
}

fn main_mode(info: &MainModeInfo) -> String {
    let mut text = format!(
        "{} SA {}:{} with {} established: {} {} {}, {} s",
        mode(info.exchange),
        cookie(&info.cky_i),
        cookie(&info.cky_r),
        info.peer,
        info.proposal.cipher,
        info.proposal.hash,
        info.proposal.group,
        info.lifetime_seconds,
    );
    let _ = info.nat.map(|nat| write!(text, ", {nat}"));
    text
}

fn quick_mode(info: &QuickModeInfo) -> String {
    let spis = |spis: &[Spi]| spis.iter().map(|spi| format!("{:#010x}", spi.0)).collect::<Vec<_>>().join("+");
    format!(
        "Quick mode SA {} with {} established: {}, in {} out {}, message ID {:08x}",
        info.pair.0,
        info.peer,
        info.selector,
        spis(&info.inbound_spis),
        spis(&info.outbound_spis),
        info.message_id,
    )
}

fn mode(exchange: Phase1Exchange) -> &'static str {
    match exchange {
        Phase1Exchange::MainMode => "Main mode",
        Phase1Exchange::AggressiveMode => "Aggressive mode",
    }
}

fn cookie(cookie: &Cookie) -> String {
    cookie.0.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipsec_core::io::Keys;
    use ipsec_core::pad::Secret;

    fn retransmission(attempt: u32) -> Event {
        let peer = std::net::SocketAddr::from(([192, 0, 2, 2], 500));
        Event::Retransmitted { peer, cky_i: Cookie([0xab; 8]), message_id: 0, attempt }
    }

    #[test]
    fn it_is_written_only_while_it_is_on() {
        let mut log = OakleyLog::default();
        log.ipsec(Instant::from_secs(1), &retransmission(1));
        log.set(true);
        log.ipsec(Instant::from_millis(3_002), &retransmission(2));
        log.set(false);
        log.ipsec(Instant::from_secs(5), &retransmission(3));
        let wanted =
            "00:00:03.002 retransmit 2 to 192.0.2.2:500, cookie abababababababab, message ID 00000000";
        assert_eq!(log.lines().collect::<Vec<_>>(), [wanted]);
    }

    /// "Soft SA loaded", "Soft SA torn down": oakley.dll's words (Win32 13844 and 13845).
    #[test]
    fn soft_associations_begin_and_end() {
        let mut log = OakleyLog::enabled();
        let (entry, peer) = (ipsec_core::spd::EntryId(1), [192, 0, 2, 2].into());
        log.ipsec(Instant::from_secs(3), &Event::SoftAssociation { entry, peer });
        log.ipsec(Instant::from_secs(303), &Event::SoftAssociationEnded { entry, peer });
        let wanted =
            ["00:00:03.000 Soft SA loaded for 192.0.2.2", "00:05:03.000 Soft SA torn down for 192.0.2.2"];
        assert_eq!(log.lines().collect::<Vec<_>>(), wanted);
    }

    /// A notification has its name, and an arrow points from who begins, on either side.
    #[test]
    fn lines_read_like_what_happened() {
        let [local, peer] = [1, 2].map(|host| std::net::SocketAddr::from(([192, 0, 2, host], 500)));
        let mut log = OakleyLog::enabled();
        for initiator in [true, false] {
            let exchange = Phase1Exchange::MainMode;
            let cky_i = Cookie([0xab; 8]);
            let event = Event::MainModeStarted { local, peer, exchange, initiator, cky_i };
            log.ipsec(Instant::EPOCH, &event);
        }
        log.ipsec(Instant::EPOCH, &Event::Notified { peer, notify: 24_578 });
        let lines: Vec<&str> = log.lines().map(|line| line.split_once(' ').unwrap().1).collect();
        let wanted = [
            "Initiator: Main mode 192.0.2.1:500 -> 192.0.2.2:500, cookie abababababababab",
            "Responder: Main mode 192.0.2.2:500 -> 192.0.2.1:500, cookie abababababababab",
            "receive from 192.0.2.2:500: notify INITIAL-CONTACT",
        ];
        assert_eq!(lines, wanted);
    }

    #[test]
    fn keys_are_not_in_it() {
        let mut log = OakleyLog::enabled();
        let key = Secret::new(vec![0x5a; 8]);
        let (cky_i, cky_r) = (Cookie([1; 8]), Cookie([2; 8]));
        let cipher = ipsec_core::crypto::Cipher::Des;
        log.ipsec(Instant::EPOCH, &Event::Keys(Keys::Isakmp { cky_i, cky_r, cipher, key }));
        assert_eq!(log.lines().count(), 0);
    }
}
