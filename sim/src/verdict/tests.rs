use proptest::prelude::*;

use super::*;
use crate::ip::{Header, datagram};

const A: &str = "203.0.113.1";
const B: &str = "203.0.113.2";

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn packet(source: &str, destination: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let (source, destination) = (address(source), address(destination));
    datagram(Header { source, destination, protocol, ttl: 64, ident: 1, dont_fragment: false }, payload)
}

fn udp(from: u16, to: u16, data: &[u8]) -> Vec<u8> {
    let length = 8 + data.len() as u16;
    [&from.to_be_bytes()[..], &to.to_be_bytes(), &length.to_be_bytes(), &[0, 0], data].concat()
}

/// Main mode message 1: cookie, no responder cookie, SA payload next, version 1.0, main mode, no flags, ID 0, length.
fn isakmp() -> Vec<u8> {
    [&[7; 8][..], &[0; 8], &[1, 0x10, 2, 0], &[0; 4], &32u32.to_be_bytes(), &[0; 4]].concat()
}

fn esp() -> Vec<u8> {
    [&0x1234_5678u32.to_be_bytes()[..], &1u32.to_be_bytes(), &[0xee; 24]].concat()
}

/// Next header, length, reserved, SPI, sequence number, 96 bits of ICV (RFC 4302 section 2: 24 octets, length 4).
fn ah(next: u8, inside: &[u8]) -> Vec<u8> {
    [&[next, 4, 0, 0][..], &0x9abcu32.to_be_bytes(), &1u32.to_be_bytes(), &[0xaa; 12], inside].concat()
}

const ECHO: [u8; 8] = [8, 0, 0xf7, 0xff, 0, 0, 0, 0];

fn verdict(packets: &[Vec<u8>]) -> Verdict {
    let mut findings = Findings::default();
    packets.iter().for_each(|p| assert!(findings.add(p)));
    findings.verdict()
}

/// The three answers of KB 816514, "Network Monitor".
#[test]
fn the_article_tells_clear_esp_and_ah_apart() {
    let (ike, echo) = (packet(A, B, 17, &udp(500, 500, &isakmp())), packet(A, B, 1, &ECHO));
    let (esp, ah) = (packet(A, B, 50, &esp()), packet(B, A, 51, &ah(1, &ECHO)));
    assert_eq!(verdict(&[ike.clone(), echo.clone()]), Verdict::Clear);
    assert_eq!(verdict(&[ike.clone(), esp.clone()]), Verdict::ProtectedByEsp);
    assert_eq!(verdict(&[ike.clone(), ah.clone()]), Verdict::ProtectedByAh);
    assert_eq!(verdict(std::slice::from_ref(&ike)), Verdict::IkeOnly);
    assert_eq!(verdict(&[esp, ah.clone()]), Verdict::ProtectedByAh);
    assert_eq!(verdict(&[ah, echo]), Verdict::PartlyClear);
    assert_eq!(verdict(&[]), Verdict::Nothing);
}

/// "you will see the ISAKMP traffic followed by the ICMP packets": what AH carries is named, in both modes.
#[test]
fn what_ah_carries_can_be_read() {
    let read = |p: &[u8]| match sight(&IpView::parse(p).unwrap()) {
        Sight::Ah { spi: Some(0x9abc), inner } => inner.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(read(&packet(A, B, 51, &ah(1, &ECHO))), "ICMP 203.0.113.1 -> 203.0.113.2");
    let inner = packet("10.1.0.10", "10.2.0.10", 17, &udp(5, 7, b"x"));
    assert_eq!(read(&packet(A, B, 51, &ah(4, &inner))), "UDP 10.1.0.10:5 -> 10.2.0.10:7");
    let six = packet("2001:db8::1", "2001:db8::2", 58, &ECHO);
    assert_eq!(read(&packet(A, B, 51, &ah(41, &six))), "ICMPv6 2001:db8::1 -> 2001:db8::2");
    // AH around ESP hides what ESP hides.
    let bundle = packet(A, B, 51, &ah(50, &esp()));
    let seen = sight(&IpView::parse(&bundle).unwrap());
    assert_eq!(seen, Sight::Esp { spi: Some(0x1234_5678), in_udp: false, in_ah: true });
}

#[test]
fn esp_in_udp_is_told_from_ike_keepalives_and_other_traffic() {
    let floated = |data: &[u8]| sight(&IpView::parse(&packet(A, B, 17, &udp(4500, 61_000, data))).unwrap());
    let marked = [&[0; 4][..], &isakmp()].concat();
    assert_eq!(floated(&marked), Sight::Ike);
    assert_eq!(floated(&[0xff]), Sight::Keepalive);
    assert_eq!(floated(&esp()), Sight::Esp { spi: Some(0x1234_5678), in_udp: true, in_ah: false });
    // SPIs up to 255 are reserved (RFC 4303 section 2.1), and four octets are no ESP.
    assert!(matches!(floated(&[&[0, 0, 0, 9][..], &[0; 28]].concat()), Sight::Clear(_)));
    assert!(matches!(floated(&[1, 2, 3, 4]), Sight::Clear(_)));
}

/// Whoever sends something readable to port 500 or 4500 does not get it past the verdict.
#[test]
fn what_is_no_isakmp_on_ikes_ports_is_clear() {
    let line = b"GET /secrets HTTP/1.0, and whatever else may follow";
    assert_eq!(verdict(&[packet(A, B, 17, &udp(500, 500, line))]), Verdict::Clear);
    let marked = [&[0; 4][..], line].concat();
    assert_eq!(verdict(&[packet(A, B, 17, &udp(4500, 4500, &marked))]), Verdict::Clear);
}

#[test]
fn later_fragments_are_what_their_first_was() {
    let whole = packet(A, B, 17, &udp(4500, 4500, &[esp(), vec![0; 600]].concat()));
    let cut = |more: bool, offset: usize, part: &[u8]| {
        let mut bytes = packet(A, B, 17, part);
        let field = (u16::from(more) << 13) | (offset / 8) as u16;
        bytes[6..8].copy_from_slice(&field.to_be_bytes());
        bytes
    };
    let payload = &whole[20..];
    let (first, last) = (cut(true, 0, &payload[..320]), cut(false, 320, &payload[320..]));
    let mut findings = Findings::default();
    assert!(findings.add(&first) && findings.add(&last));
    let pair = &findings.pairs[&(address(A), address(B))];
    assert_eq!((pair.esp_in_udp, pair.parts, pair.clear), (2, 0, 0));
    // Alone it may be anything, and is held to be nothing.
    let mut findings = Findings::default();
    assert!(findings.add(&last));
    assert_eq!((findings.pairs[&(address(A), address(B))].parts, findings.verdict()), (1, Verdict::Nothing));
}

/// A pcap file of one frame.
fn pcap(link_type: u32, frame: &[u8]) -> Vec<u8> {
    let length = (frame.len() as u32).to_be_bytes();
    let header = [0xa1b2_c3d4u32, 0x0002_0004, 0, 0, 65_535, link_type];
    let mut file: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).collect();
    file.extend([0; 8]);
    [&file[..], &length, &length, frame].concat()
}

/// Frames as www.tcpdump.org/linktypes.html, IEEE 802.1Q, RFC 1042 and RFC 2516 describe them, around one echo request.
#[test]
fn every_link_type_gives_the_datagram() {
    let (echo, six) = (packet(A, B, 1, &ECHO), packet("2001:db8::1", "2001:db8::2", 58, &ECHO));
    let ethernet = |middle: &[u8]| [&[0x11; 12][..], middle].concat();
    let frames: [(&str, u32, Vec<u8>, &[u8]); 13] = [
        ("Ethernet", 1, ethernet(&[8, 0]), &echo),
        ("Ethernet, IPv6", 1, ethernet(&[0x86, 0xdd]), &six),
        ("802.1Q", 1, ethernet(&[0x81, 0, 0, 5, 8, 0]), &echo),
        ("802.1ad", 1, ethernet(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0]), &echo),
        ("SNAP", 1, ethernet(&[0, 44, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0]), &echo),
        ("PPPoE", 1, ethernet(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 30, 0, 0x21]), &echo),
        ("PPP", 9, vec![0xff, 3, 0, 0x21], &echo),
        ("raw", 101, vec![], &echo),
        ("IPv6 alone", 229, vec![], &six),
        ("Linux cooked", 113, [&[0; 14][..], &[8, 0]].concat(), &echo),
        ("Linux cooked 2", 276, [&[8, 0][..], &[0; 18]].concat(), &echo),
        ("loopback", 0, vec![2, 0, 0, 0], &echo),
        ("loopback in network order, IPv6", 108, vec![0, 0, 0, 30], &six),
    ];
    for (name, link_type, header, datagram) in frames {
        let found = read(&pcap(link_type, &[&header, datagram].concat())).unwrap();
        let clear = found.pairs.values().map(|b| b.clear).sum::<u64>();
        assert_eq!((found.frames, found.not_ip, clear), (1, 0, 1), "{name}");
    }
    let arp = read(&pcap(1, &[&[0x11; 12][..], &[8, 6], &[0; 28]].concat())).unwrap();
    assert_eq!((arp.not_ip, arp.verdict()), (1, Verdict::Nothing));
    let strange = read(&pcap(147, &echo)).unwrap();
    assert!(strange.notes[0].contains("link type 147"), "{:?}", strange.notes);
}

/// Two strongSwan daemons over a NAT-less link with forced encapsulation; the numbers are tshark's.
#[test]
fn recorded_captures_are_judged_as_tshark_counts_them() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/data/recorded-ikev1");
    for (name, ike) in [
        ("kb816514-3des-md5-modp1024-des-md5", 40),
        ("3des-sha1-modp2048-pfs-3des-sha1", 40),
        ("rsa-3des-sha1-modp1024-3des-sha1", 40),
        ("aggressive-3des-md5-modp1024-3des-sha1", 32),
    ] {
        let bytes = std::fs::read(root.join(name).join("capture.pcap")).unwrap();
        let found = read(&bytes).unwrap();
        assert_eq!(found.between(address(A), address(B)), Verdict::ProtectedByEsp, "{name}");
        let pair = &found.pairs[&(address(A), address(B))];
        assert_eq!((pair.ike, pair.esp, pair.esp_in_udp, pair.spis.len()), (ike, 16, 16, 6), "{name}");
        // Cut anywhere, what is left still counts, and the damage is said.
        let cut = read(&bytes[..bytes.len() - 5]).unwrap();
        assert_eq!((cut.frames, cut.notes.len()), (found.frames - 1, 1));
    }
}

#[test]
fn what_is_no_capture_is_refused() {
    for bytes in [&b""[..], b"GET / HTTP/1.0\r\n\r\n and more octets than a header has", &SHORT_SECTION] {
        assert!(read(bytes).is_err());
    }
}

/// A pcapng section header that says it is longer than the file.
const SHORT_SECTION: [u8; 12] = [0x0a, 0x0d, 0x0d, 0x0a, 0, 0, 0, 99, 0x1a, 0x2b, 0x3c, 0x4d];

proptest! {
    #[test]
    fn no_datagram_makes_it_fail(bytes in proptest::collection::vec(any::<u8>(), 0..120), six: bool) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = if six { 0x60 } else { 0x45 };
        }
        Findings::default().add(&bytes);
    }

    #[test]
    fn no_file_makes_it_fail(at in 0usize..9_000, with: u8, cut in 0usize..9_000, ng: bool) {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/data/recorded-ikev1");
        let path = root.join("kb816514-3des-md5-modp1024-des-md5/capture.pcap");
        let mut bytes = if ng { section() } else { std::fs::read(path).unwrap() };
        let (at, cut) = (at % bytes.len(), cut % (bytes.len() + 1));
        bytes[at] = with;
        bytes.truncate(cut.max(1));
        let _ = read(&bytes);
    }
}

/// A pcapng file of one raw packet: section header, interface description, enhanced packet.
fn section() -> Vec<u8> {
    let echo = packet(A, B, 1, &ECHO);
    let block = |kind: u32, body: &[u8]| {
        let length = (12 + body.len() as u32).to_be_bytes();
        [&kind.to_be_bytes()[..], &length, body, &length].concat()
    };
    let length = (echo.len() as u32).to_be_bytes();
    let header = [&[0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0][..], &[0xff; 8]].concat();
    let packet = [&[0; 12][..], &length, &length, &echo].concat();
    [block(0x0a0d_0d0a, &header), block(1, &[0, 101, 0, 0, 0, 0, 0, 0]), block(6, &packet)].concat()
}

#[test]
fn pcapng_is_read_too() {
    let found = read(&section()).unwrap();
    assert_eq!((found.frames, found.verdict(), found.notes.len()), (1, Verdict::Clear, 0));
}
