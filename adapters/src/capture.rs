//! A ring of pcapng files with every packet that crosses the boundary, on both of its sides.
//!
//! The first interface of each file is the unprotected side, as the wire sees it; the second is the protected side, in clear:
//! captures are written only when asked for, and readable by their owner alone.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pcap_file::DataLink;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};

/// How much is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingSize {
    /// Files in the ring, at least one.
    pub files: u32,
    /// Octets of packets after which the next file begins.
    pub octets: u64,
}

impl Default for RingSize {
    /// Four files of 64 MiB.
    fn default() -> Self {
        RingSize { files: 4, octets: 64 << 20 }
    }
}

/// On which side of the boundary a packet was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// On the wire.
    Unprotected,
    /// In clear.
    Protected,
}

/// The files, of which the oldest is overwritten.
pub struct Ring {
    path: PathBuf,
    size: RingSize,
    number: u32,
    written: u64,
    writer: PcapNgWriter<BufWriter<File>>,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("path", &self.path).field("number", &self.number).finish_non_exhaustive()
    }
}

impl Ring {
    /// Begins the ring: `node.pcapng` becomes `node.0.pcapng`, `node.1.pcapng` and so on.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path, size: RingSize) -> io::Result<Ring> {
        Ok(Ring { writer: open(&name(path, 0))?, path: path.to_owned(), size, number: 0, written: 0 })
    }

    /// Writes a packet, seen at this time since 1970.
    ///
    /// # Errors
    /// When the file cannot be written, or the next one not be made.
    pub fn write(&mut self, side: Side, at: Duration, bytes: &[u8]) -> io::Result<()> {
        if self.written >= self.size.octets {
            self.flush()?;
            self.number = (self.number + 1) % self.size.files.max(1);
            self.writer = open(&name(&self.path, self.number))?;
            self.written = 0;
        }
        let block = EnhancedPacketBlock {
            interface_id: if side == Side::Unprotected { 0 } else { 1 },
            timestamp: at,
            original_len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            data: Cow::Borrowed(bytes),
            options: Vec::new(),
        };
        self.written += self.writer.write_pcapng_block(block).map_err(io::Error::other)? as u64;
        Ok(())
    }

    /// Hands what was written to the kernel.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.get_mut().flush()
    }
}

fn name(path: &Path, number: u32) -> PathBuf {
    path.with_extension(format!("{number}.pcapng"))
}

fn open(path: &Path) -> io::Result<PcapNgWriter<BufWriter<File>>> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut writer = PcapNgWriter::new(BufWriter::new(file)).map_err(io::Error::other)?;
    for side in ["unprotected", "protected"] {
        // Nanoseconds, and packets that begin with their IP header.
        let options = vec![
            InterfaceDescriptionOption::IfName(Cow::Borrowed(side)),
            InterfaceDescriptionOption::IfTsResol(9),
        ];
        let interface = InterfaceDescriptionBlock { linktype: DataLink::RAW, snaplen: 0, options };
        writer.write_pcapng_block(interface).map_err(io::Error::other)?;
    }
    Ok(writer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_file_makes_room() {
        let folder = std::env::temp_dir().join(format!("ipseclab-ring-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut ring = Ring::create(&folder.join("node.pcapng"), RingSize { files: 2, octets: 100 }).unwrap();
        for n in 0..5 {
            ring.write(Side::Unprotected, Duration::from_secs(n), &[0x45; 80]).unwrap();
        }
        ring.flush().unwrap();
        let mut names: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(names, ["node.0.pcapng", "node.1.pcapng"]);
    }
}
