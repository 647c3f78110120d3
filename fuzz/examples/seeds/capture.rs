//! Captures of the packets that the walkers know, as each of the two formats; the packets themselves; and a recorded capture.

use std::path::Path;

use super::{packet, write};

/// Link types.
const RAW: u16 = 101;
const ETHERNET: u16 = 1;

fn pcap(link_type: u16, frames: &[Vec<u8>]) -> Vec<u8> {
    let header = [0xa1b2_c3d4, 0x0002_0004, 0, 0, 65_535, u32::from(link_type)];
    let mut file: Vec<u8> = header.into_iter().flat_map(u32::to_le_bytes).collect();
    for frame in frames {
        let length = frame.len() as u32;
        file.extend([1, 2, length, length].into_iter().flat_map(u32::to_le_bytes));
        file.extend(frame);
    }
    file
}

fn pcapng(link_type: u16, frames: &[Vec<u8>]) -> Vec<u8> {
    let section = [0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28];
    let interface = [1, 20, u32::from(link_type), 0, 20];
    let mut file: Vec<u8> = section.into_iter().chain(interface).flat_map(u32::to_le_bytes).collect();
    for frame in frames {
        let (length, padded) = (frame.len() as u32, frame.len().next_multiple_of(4) as u32);
        let head = [6, 32 + padded, 0, 0, 0, length, length];
        file.extend(head.into_iter().flat_map(u32::to_le_bytes));
        file.extend(frame);
        file.resize(file.len() + (padded - length) as usize, 0);
        file.extend((32 + padded).to_le_bytes());
    }
    file
}

fn in_ethernet(datagram: &[u8]) -> Vec<u8> {
    let kind = if datagram[0] >> 4 == 6 { [0x86, 0xdd] } else { [8, 0] };
    [&[2; 12][..], &kind, datagram].concat()
}

pub(crate) fn seeds() {
    let packets: Vec<Vec<u8>> = packet::packets().into_iter().map(|(_, packet)| packet).collect();
    let framed: Vec<Vec<u8>> = packets.iter().map(|p| in_ethernet(p)).collect();
    write("capture", "pcap-raw", &pcap(RAW, &packets));
    write("capture", "pcap-ethernet", &pcap(ETHERNET, &framed));
    write("capture", "pcapng-raw", &pcapng(RAW, &packets));
    write("capture", "pcapng-ethernet", &pcapng(ETHERNET, &framed));
    for (i, packet) in packets.iter().enumerate() {
        write("capture", &format!("datagram-{i}"), packet);
    }
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/data/recorded-ikev1");
    let recorded = recorded.join("kb816514-3des-md5-modp1024-des-md5/capture.pcap");
    write("capture", "recorded", &std::fs::read(recorded).expect("a recording")[..4_000]);
}
