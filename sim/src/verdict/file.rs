//! Reading captures: pcap in all its orders and resolutions, and pcapng.
//!
//! Captures of strangers are damaged, cut short, or written by programs with ideas of their own about options, timestamps and
//! snapshot lengths. Only link types and packets count here, so nothing else is read, and nothing else can be wrong.
//! Formats: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.

use super::Findings;
use super::framing::{Inside, unwrap};

/// The bytes are no capture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// Neither the magic number of pcap nor of pcapng.
    #[error("octet 0: expected the magic number of pcap or pcapng, found {0}")]
    Magic(String),
    /// The file ends before its first packet could begin.
    #[error("octet {at}: the file ends in {what}, of which {missing} octets are missing")]
    Short {
        /// Where it ends.
        at: usize,
        /// In what.
        what: &'static str,
        /// How much is missing.
        missing: usize,
    },
    /// The octets that tell the byte order of a pcapng section.
    #[error("octet 8: expected the byte-order magic 1a2b3c4d, found {0:08x}")]
    ByteOrder(u32),
}

/// The four octets that a pcapng file begins with, and the type of its section header blocks, in either order.
const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// Types of blocks.
const INTERFACE: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Judges a whole capture. What is damaged ends it, and is noted; what came before counts.
///
/// # Errors
/// When the bytes are no capture.
pub fn read(bytes: &[u8]) -> Result<Findings, CaptureError> {
    let mut findings = Findings::default();
    if bytes.starts_with(&SECTION_HEADER) {
        pcapng(bytes, &mut findings)?;
    } else {
        pcap(bytes, &mut findings)?;
    }
    findings.forget_fragments();
    Ok(findings)
}

/// Numbers in the byte order of whoever wrote them.
#[derive(Clone, Copy)]
struct Order {
    big: bool,
}

impl Order {
    fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let octets = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.big { u16::from_be_bytes(octets) } else { u16::from_le_bytes(octets) })
    }

    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let octets = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.big { u32::from_be_bytes(octets) } else { u32::from_le_bytes(octets) })
    }
}

/// Byte order and length of a packet's header, by magic number: with microseconds, with nanoseconds, and the modified
/// format of an old libpcap for Linux.
fn pcap_format(bytes: &[u8]) -> Result<(Order, usize), CaptureError> {
    for big in [true, false] {
        match (Order { big }).u32(bytes, 0) {
            Some(0xa1b2_c3d4 | 0xa1b2_3c4d) => return Ok((Order { big }, 16)),
            Some(0xa1b2_cd34) => return Ok((Order { big }, 24)),
            _ => {}
        }
    }
    Err(CaptureError::Magic(what_is(bytes)))
}

/// What the bytes are instead, where that helps.
fn what_is(bytes: &[u8]) -> String {
    let known: [(&[u8], &str); 6] = [
        (&[0x1f, 0x8b], "a file compressed by gzip: decompress it first"),
        (&[0x28, 0xb5, 0x2f, 0xfd], "a file compressed by zstd: decompress it first"),
        (&[0x04, 0x22, 0x4d, 0x18], "a file compressed by lz4: decompress it first"),
        (b"GMBU", "a capture of Microsoft Network Monitor 2: convert it with `editcap -F pcapng`"),
        (b"RTSS", "a capture of Microsoft Network Monitor 1: convert it with `editcap -F pcapng`"),
        (b"snoop\0\0\0", "a capture of snoop: convert it with `editcap -F pcapng`"),
    ];
    match (bytes, known.iter().find(|(magic, _)| bytes.starts_with(magic))) {
        ([], _) => "an empty file".to_owned(),
        (_, Some((_, what))) => (*what).to_owned(),
        _ => {
            let first: Vec<String> = bytes.iter().take(4).map(|octet| format!("{octet:02x}")).collect();
            first.join(" ")
        }
    }
}

fn pcap(bytes: &[u8], findings: &mut Findings) -> Result<(), CaptureError> {
    const HEADER: usize = 24;
    let (order, record) = pcap_format(bytes)?;
    let Some(link_type) = order.u32(bytes, 20) else {
        let (at, missing) = (bytes.len(), HEADER - bytes.len());
        return Err(CaptureError::Short { at, what: "the file header", missing });
    };
    // The upper bits tell of frame check sequences.
    let link_type = link_type & 0x0fff_ffff;
    let mut at = HEADER;
    while at < bytes.len() {
        let Some(length) = order.u32(bytes, at + 8).filter(|_| at + record <= bytes.len()) else {
            findings.damaged(at, "it ends in the header of a packet");
            break;
        };
        let data = at + record;
        let end = data.saturating_add(length as usize);
        let Some(frame) = bytes.get(data..end) else {
            findings.damaged(at, &lacking(length as usize, bytes.len() - data));
            break;
        };
        findings.frame(link_type, frame);
        at = end;
    }
    Ok(())
}

fn lacking(wanted: usize, there: usize) -> String {
    format!("a packet of {wanted} octets, of which {there} are there")
}

/// An interface of a section: link type, and to how many octets its packets are cut, 0 for none.
#[derive(Clone, Copy)]
struct Interface {
    link_type: u32,
    snapshot: u32,
}

fn pcapng(bytes: &[u8], findings: &mut Findings) -> Result<(), CaptureError> {
    if bytes.len() < 28 {
        let (at, missing) = (bytes.len(), 28 - bytes.len());
        return Err(CaptureError::Short { at, what: "the section header", missing });
    }
    let Some(mut order) = byte_order(bytes) else {
        return Err(CaptureError::ByteOrder(Order { big: true }.u32(bytes, 8).unwrap_or(0)));
    };
    let mut interfaces: Vec<Interface> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let is_section = rest.starts_with(&SECTION_HEADER);
        if is_section {
            let Some(found) = byte_order(rest) else {
                findings.damaged(at, "a section header without the byte-order magic 1a2b3c4d");
                break;
            };
            order = found;
            interfaces.clear();
        }
        let (Some(kind), Some(length)) = (order.u32(rest, 0), order.u32(rest, 4)) else {
            findings.damaged(at, "it ends in the header of a block");
            break;
        };
        let length = length as usize;
        // Type, length, and the length again.
        if length < 12 || !length.is_multiple_of(4) {
            findings.damaged(at, &format!("a block of {length} octets: at least 12, and a multiple of 4"));
            break;
        }
        let Some(body) = rest.get(8..length - 4) else {
            findings.damaged(at, &lacking_block(length, rest.len()));
            break;
        };
        if order.u32(rest, length - 4) != Some(length as u32) {
            findings.damaged(at, "a block that ends with another length than it begins with");
            break;
        }
        if !is_section {
            findings.block(order, kind, body, &mut interfaces);
        }
        at += length;
    }
    Ok(())
}

fn lacking_block(wanted: usize, there: usize) -> String {
    format!("a block of {wanted} octets, of which {there} are there")
}

/// The byte order of the section that begins here.
fn byte_order(section: &[u8]) -> Option<Order> {
    [Order { big: true }, Order { big: false }].into_iter().find(|o| o.u32(section, 8) == Some(BYTE_ORDER))
}

impl Findings {
    /// One block of a section, but its header.
    fn block(&mut self, order: Order, kind: u32, body: &[u8], interfaces: &mut Vec<Interface>) {
        let number = |at: usize| order.u32(body, at);
        let short = |at: usize| order.u16(body, at).map(u32::from);
        let (interface, length, data): (_, _, usize) = match kind {
            INTERFACE => {
                let (link_type, snapshot) = (short(0).unwrap_or(u32::MAX), number(4).unwrap_or(0));
                interfaces.push(Interface { link_type, snapshot });
                return;
            }
            ENHANCED_PACKET => (number(0), number(12), 20),
            PACKET => (short(0), number(12), 20),
            SIMPLE_PACKET => {
                // Only the length on the wire is told: what was captured is that, cut by the interface.
                let cut = interfaces.first().map_or(0, |i| i.snapshot);
                let whole = number(0).map(|n| if cut == 0 { n } else { n.min(cut) });
                (Some(0), whole, 4)
            }
            // Names, statistics, keys, comments, and what others have invented.
            _ => return,
        };
        let frame = length.and_then(|n| body.get(data..data.checked_add(n as usize)?));
        let (Some(interface), Some(frame)) = (interface, frame) else {
            self.frames += 1;
            self.not_understood += 1;
            self.remark("packets that are longer than their blocks".to_owned());
            return;
        };
        match interfaces.get(interface as usize) {
            Some(interface) => self.frame(interface.link_type, frame),
            None => {
                self.frames += 1;
                self.not_understood += 1;
                self.remark(format!("packets of interface {interface}, which is not described"));
            }
        }
    }

    fn frame(&mut self, link_type: u32, frame: &[u8]) {
        self.frames += 1;
        match unwrap(link_type, frame) {
            Inside::Ip(datagram) => {
                self.note(datagram);
            }
            Inside::Other => self.not_ip += 1,
            Inside::UnknownLink => {
                self.not_understood += 1;
                self.remark(format!("frames of link type {link_type}, which is not understood"));
            }
        }
    }

    fn remark(&mut self, note: String) {
        if !self.notes.contains(&note) && self.notes.len() < 16 {
            self.notes.push(note);
        }
    }

    fn damaged(&mut self, at: usize, why: &str) {
        self.damaged_at = Some(at as u64);
        self.remark(format!("the capture is damaged at octet {at}, and was read up to there: {why}"));
    }
}
