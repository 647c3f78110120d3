//! Reading captures: pcap in all its orders and resolutions, and pcapng.

use pcap_file::PcapError;
use pcap_file::pcap::PcapParser;
use pcap_file::pcapng::{Block, PcapNgParser};

use super::Findings;
use super::framing::{Inside, unwrap};

/// The bytes are no capture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither pcap nor pcapng: {0}")]
pub struct CaptureError(String);

/// The four octets that a pcapng file begins with.
const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

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
    findings.firsts.clear();
    Ok(findings)
}

fn error(e: PcapError) -> CaptureError {
    CaptureError(e.to_string())
}

fn pcap(bytes: &[u8], findings: &mut Findings) -> Result<(), CaptureError> {
    let (mut rest, parser) = PcapParser::new(bytes).map_err(error)?;
    let link_type = u32::from(parser.header().datalink);
    while !rest.is_empty() {
        match parser.next_raw_packet(rest) {
            Ok((after, packet)) => {
                rest = after;
                findings.frame(link_type, &packet.data);
            }
            Err(e) => return findings.damaged(bytes.len() - rest.len(), &e),
        }
    }
    Ok(())
}

fn pcapng(bytes: &[u8], findings: &mut Findings) -> Result<(), CaptureError> {
    let (mut rest, mut parser) = PcapNgParser::new(bytes).map_err(error)?;
    while !rest.is_empty() {
        let (after, block) = match parser.next_block(rest) {
            Ok(found) => found,
            Err(e) => return findings.damaged(bytes.len() - rest.len(), &e),
        };
        rest = after;
        let (interface, data) = match &block {
            Block::EnhancedPacket(packet) => (packet.interface_id as usize, &packet.data),
            Block::SimplePacket(packet) => (0, &packet.data),
            Block::Packet(packet) => (usize::from(packet.interface_id), &packet.data),
            _ => continue,
        };
        match parser.interfaces().get(interface) {
            Some(interface) => findings.frame(u32::from(interface.linktype), data),
            None => findings.remark(format!("packets of interface {interface}, which is not described")),
        }
    }
    Ok(())
}

impl Findings {
    fn frame(&mut self, link_type: u32, frame: &[u8]) {
        self.frames += 1;
        match unwrap(link_type, frame) {
            Inside::Ip(datagram) => {
                self.note(datagram);
            }
            Inside::Other => self.not_ip += 1,
            Inside::UnknownLink => {
                self.not_ip += 1;
                self.remark(format!("frames of link type {link_type}, which is not understood"));
            }
        }
    }

    fn remark(&mut self, note: String) {
        if !self.notes.contains(&note) && self.notes.len() < 16 {
            self.notes.push(note);
        }
    }

    fn damaged(&mut self, at: usize, why: &PcapError) -> Result<(), CaptureError> {
        let why = match why {
            PcapError::IncompleteBuffer => "it ends in the middle of a packet".to_string(),
            other => other.to_string(),
        };
        self.remark(format!("the capture is damaged at octet {at}, and was read up to there: {why}"));
        Ok(())
    }
}
