//! Captures: what each link carries, as pcapng with a comment on every packet.
//!
//! A capture taps the sender's end of a link, before the link's misfortunes; the comment says what became of the packet,
//! and what the receiver thought of it. The second capture of a link leaves out what was there already: repetitions of an
//! encrypted ISAKMP message make an analyser's IV chain lose its place.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ipsec_core::{Event, Instant};
use pcap_file::DataLink;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};

use crate::ip::{self, IpView};
use crate::sink::{Effect, Fate, Record, Sink};
use crate::topology::{LinkId, Names};
use crate::wireshark::KeyRing;

/// One captured packet.
#[derive(Clone, Debug)]
pub struct Captured {
    /// When it was put on the link.
    pub time: Instant,
    /// The link.
    pub link: LinkId,
    /// Its octets, as sent.
    pub bytes: Vec<u8>,
    /// The sender and what became of it.
    pub comment: String,
    /// Whether the link carried the same message before.
    pub repeated: bool,
    copies: u8,
}

/// A sink that keeps every packet of every link, and the keys to read them.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    names: Names,
    packets: Vec<Captured>,
    /// Index of each transmission in `packets`.
    by_transmission: BTreeMap<u64, usize>,
    seen: BTreeSet<(LinkId, u64)>,
    keys: KeyRing,
}

impl Capture {
    /// A capture that prints these names ([`Network::names`](crate::Network::names)).
    pub fn new(names: Names) -> Self {
        Capture { names, ..Capture::default() }
    }

    /// What was captured, in the order it was sent.
    pub fn packets(&self) -> &[Captured] {
        &self.packets
    }

    /// The keys seen.
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    fn sent(&mut self, record: &Record<'_>, link: LinkId, bytes: &[u8], fate: Fate) {
        let fresh = match message_fold(bytes) {
            Some(fold) => self.seen.insert((link, fold)),
            None => true,
        };
        let sender = self.names.node(record.node);
        let fate_text = fate.to_string();
        let verdict = if fate_text.is_empty() { "sent" } else { &fate_text };
        self.packets.push(Captured {
            time: record.time,
            link,
            bytes: bytes.to_vec(),
            comment: format!("{sender}: {verdict}"),
            repeated: !fresh || fate.replay,
            copies: fate.copies,
        });
    }

    /// Adds the receiver's opinion to the packet that caused it.
    fn remark(&mut self, record: &Record<'_>, remark: &str) {
        let index = self.by_transmission.get(&record.cause);
        if let Some(packet) = index.and_then(|i| self.packets.get_mut(*i)) {
            let node = self.names.node(record.node);
            packet.comment.push_str(&format!("; {node}: {remark}"));
        }
    }

    /// Writes `<link>.pcapng` for every link into a folder, `<link>.nodup.pcapng` beside it where the link carried
    /// something twice, and `wireshark/` with the keys. Returns the paths of the captures.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        std::fs::create_dir_all(folder)?;
        let mut paths = Vec::new();
        for (n, name) in self.names.links.iter().enumerate() {
            let link = LinkId(n as u16);
            let twice = |p: &&Captured| p.link == link && (p.repeated || p.copies > 0);
            let mut variants = vec![(folder.join(format!("{name}.pcapng")), true)];
            if self.packets.iter().any(|p| twice(&p)) {
                variants.push((folder.join(format!("{name}.nodup.pcapng")), false));
            }
            for (path, with_copies) in variants {
                let file = io::BufWriter::new(std::fs::File::create(&path)?);
                self.write_link(link, with_copies, file)?;
                paths.push(path);
            }
        }
        self.keys.write(&folder.join("wireshark"))?;
        Ok(paths)
    }

    /// Writes one link's packets as pcapng; `with_copies` says whether to write what the link carried before.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_link(&self, link: LinkId, with_copies: bool, out: impl Write) -> io::Result<()> {
        let mut writer = PcapNgWriter::new(out).map_err(io::Error::other)?;
        let name = self.names.link(link);
        // Nanoseconds since the epoch (pcapng: if_tsresol 9), and packets that begin with their IP header.
        let options = vec![
            InterfaceDescriptionOption::IfName(Cow::Borrowed(name)),
            InterfaceDescriptionOption::IfTsResol(9),
        ];
        let interface = InterfaceDescriptionBlock { linktype: DataLink::RAW, snaplen: 0, options };
        writer.write_pcapng_block(interface).map_err(io::Error::other)?;
        let kept = |p: &&Captured| p.link == link && (with_copies || !p.repeated);
        for packet in self.packets.iter().filter(kept) {
            let copies = if with_copies { packet.copies } else { 0 };
            for copy in 0..=copies {
                let comment = if copy == 0 { packet.comment.clone() } else { "copy".to_string() };
                let block = EnhancedPacketBlock {
                    interface_id: 0,
                    timestamp: std::time::Duration::from_nanos(packet.time.as_nanos()),
                    original_len: packet.bytes.len() as u32,
                    data: Cow::Borrowed(&packet.bytes),
                    options: vec![EnhancedPacketOption::Comment(Cow::Owned(comment))],
                };
                writer.write_pcapng_block(block).map_err(io::Error::other)?;
            }
        }
        Ok(())
    }
}

/// A fold of an ISAKMP message or a sealed packet, by which a repetition is known; the IP header may differ.
fn message_fold(bytes: &[u8]) -> Option<u64> {
    let view = IpView::parse(bytes)?;
    let same = view.is_ipsec()
        || view.is_fragment() && matches!(view.protocol, ip::protocol::ESP | ip::protocol::AH);
    let place = u64::from(view.offset) << 32 | if view.is_fragment() { u64::from(view.ident) } else { 0 };
    same.then(|| ip::fold(view.payload) ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl Sink for Capture {
    fn record(&mut self, record: &Record<'_>) {
        match record.effect {
            Effect::Sent { link, transmission, packet, fate, .. } => {
                self.by_transmission.insert(transmission, self.packets.len());
                self.sent(record, link, packet.bytes(), fate);
            }
            Effect::Dropped(_, cause) if record.cause != 0 => {
                self.remark(record, &format!("dropped: {cause}"))
            }
            Effect::Ipsec(Event::Dropped { reason, .. }) => {
                self.remark(record, &format!("dropped: {reason}"));
            }
            Effect::Ipsec(Event::IkeIgnored { reason, .. }) => {
                self.remark(record, &format!("ignored: {reason}"));
            }
            Effect::Ipsec(Event::Opened { pair, .. }) => {
                self.remark(record, &format!("opened on pair {}", pair.0));
            }
            Effect::Ipsec(Event::Keys(keys)) => self.keys.learn(keys),
            Effect::Delivered { .. } if record.cause != 0 => self.remark(record, "delivered"),
            _ => {}
        }
    }
}
