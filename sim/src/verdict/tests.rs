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
    let wanted = Sight::Esp { spi: Some(0x1234_5678), in_udp: false, in_ah: true, readable: None };
    assert_eq!(seen, wanted);
}

#[test]
fn esp_in_udp_is_told_from_ike_keepalives_and_other_traffic() {
    let floated = |data: &[u8]| sight(&IpView::parse(&packet(A, B, 17, &udp(4500, 61_000, data))).unwrap());
    let marked = [&[0; 4][..], &isakmp()].concat();
    assert_eq!(floated(&marked), Sight::Ike);
    assert_eq!(floated(&[0xff]), Sight::Keepalive);
    let wanted = Sight::Esp { spi: Some(0x1234_5678), in_udp: true, in_ah: false, readable: None };
    assert_eq!(floated(&esp()), wanted);
    // Sixteen octets are the least: SPI, sequence number, a block.
    assert!(matches!(floated(&esp()[..16]), Sight::Esp { in_udp: true, .. }));
    assert!(matches!(floated(&esp()[..15]), Sight::Clear(_)));
    assert!(matches!(floated(&[&[0, 0, 1, 0][..], &[0; 28]].concat()), Sight::Esp { spi: Some(256), .. }));
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

/// Nor does text on port 4500 that happens to have the length of ESP.
#[test]
fn text_on_port_4500_is_clear() {
    let floated = |data: &[u8]| verdict(&[packet(A, B, 17, &udp(4500, 4500, data))]);
    let line = b"GET /secrets HTTP/1.0\r\n";
    assert_eq!(floated(line), Verdict::Clear);
    // One octet that no text has, and it may be ESP.
    assert_eq!(floated(&[&line[..], &[0x80]].concat()), Verdict::ProtectedByEsp);
}

/// Captures that keep the first octets of each packet only: what can still be told is told, the rest may be anything.
#[test]
fn what_is_cut_short_may_be_anything() {
    let cut = |whole: &[u8], octets: usize| {
        let mut findings = Findings::default();
        assert!(findings.add(&whole[..octets]));
        (findings.verdict(), findings.not_judged())
    };
    let ike = packet(A, B, 17, &udp(500, 500, &[isakmp(), vec![0; 60]].concat()));
    assert_eq!(cut(&ike, 20 + 8 + 28), (Verdict::IkeOnly, 0));
    assert_eq!(cut(&ike, 20 + 8 + 27), (Verdict::Nothing, 1));
    assert_eq!(cut(&ike, 20 + 3), (Verdict::Nothing, 1));
    let floated = packet(A, B, 17, &udp(4500, 4500, &esp()));
    assert_eq!(cut(&floated, 20 + 8 + 5), (Verdict::ProtectedByEsp, 0));
    assert_eq!(cut(&floated, 20 + 8 + 3), (Verdict::Nothing, 1));
    assert_eq!(cut(&packet(A, B, 50, &esp()), 20 + 3), (Verdict::ProtectedByEsp, 0));
    assert_eq!(cut(&packet(A, B, 17, &udp(5, 7, b"more")), 20 + 4), (Verdict::Clear, 0));
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

/// Some systems send the last fragment first, and captures are not always in order.
#[test]
fn fragments_count_in_any_order() {
    let payload = udp(4500, 4500, &[esp(), vec![0; 600]].concat());
    let mut parts: Vec<Vec<u8>> = [(true, 0..320), (true, 320..480), (false, 480..payload.len())]
        .map(|(more, range)| {
            let mut bytes = packet(A, B, 17, &payload[range.clone()]);
            let field = (u16::from(more) << 13) | (range.start / 8) as u16;
            bytes[6..8].copy_from_slice(&field.to_be_bytes());
            bytes
        })
        .into();
    parts.reverse();
    let mut findings = Findings::default();
    parts.iter().for_each(|part| assert!(findings.add(part)));
    let pair = &findings.pairs[&(address(A), address(B))];
    assert_eq!((pair.esp_in_udp, pair.parts, findings.is_whole()), (3, 0, true));
    // Of another datagram it is no part.
    parts[0][4..6].copy_from_slice(&[9, 9]);
    let mut findings = Findings::default();
    parts.iter().for_each(|part| assert!(findings.add(part)));
    let pair = &findings.pairs[&(address(A), address(B))];
    assert_eq!((pair.esp_in_udp, pair.parts, findings.is_whole()), (2, 1, false));
}

/// ESP with the NULL cipher and 96 bits of ICV: what is inside, padding 1, 2, ..., its length, next header (RFC 4303
/// section 2).
fn null_esp(next: u8, inside: &[u8], icv: usize) -> Vec<u8> {
    let pad: Vec<u8> = (1..=((4 - (inside.len() + 2) % 4) % 4) as u8).collect();
    let trailer = [&pad[..], &[pad.len() as u8, next]].concat();
    [&0x1001u32.to_be_bytes()[..], &1u32.to_be_bytes(), inside, &trailer, &vec![0x5a; icv]].concat()
}

/// RFC 5879: what ESP without encryption carries is named, in both modes, with each length of ICV.
#[test]
fn esp_without_encryption_is_readable() {
    let echo: Vec<u8> = [&[8, 0, 0xf7, 0xff, 0, 0, 0, 0][..]].concat();
    let read = |next, inside: &[u8], icv| {
        let bytes = packet(A, B, 50, &null_esp(next, inside, icv));
        match sight(&IpView::parse(&bytes).unwrap()) {
            Sight::Esp { spi: Some(0x1001), readable, .. } => readable.map(|flow| flow.to_string()),
            other => panic!("{other:?}"),
        }
    };
    for icv in [12, 16, 24, 32, 0] {
        assert_eq!(read(1, &echo, icv).as_deref(), Some("ICMP 203.0.113.1 -> 203.0.113.2"), "{icv}");
    }
    let inner = packet("10.1.0.10", "10.2.0.10", 17, &udp(5, 7, b"x"));
    assert_eq!(read(4, &inner, 12).as_deref(), Some("UDP 10.1.0.10:5 -> 10.2.0.10:7"));
    let six = packet("2001:db8::1", "2001:db8::2", 58, &ECHO);
    assert_eq!(read(41, &six, 12).as_deref(), Some("ICMPv6 2001:db8::1 -> 2001:db8::2"));
    assert_eq!(read(17, &udp(5, 7, b"readable"), 12).as_deref(), Some("UDP 203.0.113.1:5 -> 203.0.113.2:7"));
    // An octet otherwise, and it is not what it says it is: a checksum, a length, a next header, a pad.
    let broken = |at: usize, bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    assert_eq!(read(1, &broken(7, &echo), 12), None);
    assert_eq!(read(4, &broken(10, &inner), 12), None);
    assert_eq!(read(17, &broken(5, &udp(5, 7, b"readable")), 12), None);
    assert_eq!(read(17, &broken(7, &udp(5, 7, b"readable")), 12), None);
    assert_eq!(read(41, &inner, 12), None);
    assert_eq!(read(59, &echo, 12), None);
    let padded = null_esp(1, &[&echo[..], &[0; 0]].concat(), 12);
    assert_eq!(
        null::readable(&IpView::parse(&packet(A, B, 50, &padded)).unwrap(), &broken(16, &padded)),
        None
    );
    // Beside it, AH alone is the better of two readable things, and encryption of all.
    let (null, ah) = (packet(A, B, 50, &null_esp(1, &echo, 12)), packet(A, B, 51, &ah(1, &ECHO)));
    assert_eq!(verdict(std::slice::from_ref(&null)), Verdict::NullEsp);
    assert_eq!(verdict(&[ah, packet(A, B, 50, &esp()), null.clone()]), Verdict::NullEsp);
    assert_eq!(verdict(&[null, packet(A, B, 1, &ECHO)]), Verdict::PartlyClear);
    assert!(Verdict::NullEsp.is_protected());
}

/// The checksums of TCP and ICMPv6 are over the addresses, too; the segments are scapy's.
#[test]
fn esp_without_encryption_shows_tcp_and_icmpv6() {
    let tcp = hex("00050007000000010000000050022000af6500006869");
    let echo = hex("8000244600010001");
    let read = |source: &str, destination: &str, next: u8, inside: &[u8]| {
        let bytes = packet(source, destination, 50, &null_esp(next, inside, 12));
        match sight(&IpView::parse(&bytes).unwrap()) {
            Sight::Esp { readable, .. } => readable.map(|flow| flow.to_string()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(read(A, B, 6, &tcp).as_deref(), Some("TCP 203.0.113.1:5 -> 203.0.113.2:7"));
    assert_eq!(read(A, "203.0.113.9", 6, &tcp), None);
    let (a, b) = ("2001:db8::1", "2001:db8::2");
    assert_eq!(read(a, b, 58, &echo).as_deref(), Some("ICMPv6 2001:db8::1 -> 2001:db8::2"));
    assert_eq!(read(a, "2001:db8::9", 58, &echo), None);
    // A tunnelled datagram fills what is there.
    let inner = packet("10.1.0.10", "10.2.0.10", 17, &udp(5, 7, b"x"));
    assert_eq!(read(A, B, 4, &[&inner[..], &[0; 3]].concat()), None);
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Parts of ESP and AH are known by their protocol number, whatever became of the first.
#[test]
fn parts_of_esp_and_ah_need_no_first() {
    let part = |protocol: u8| {
        let mut bytes = packet(A, B, protocol, &[0x45; 32]);
        bytes[6..8].copy_from_slice(&[0, 40]);
        let mut findings = Findings::default();
        assert!(findings.add(&bytes));
        let pair = &findings.pairs[&(address(A), address(B))];
        (findings.verdict(), findings.is_whole(), pair.spis.len())
    };
    assert_eq!(part(50), (Verdict::ProtectedByEsp, true, 0));
    assert_eq!(part(51), (Verdict::ProtectedByAh, true, 0));
}

/// What claims to be IP and is not, is not judged, and counted; the SPIs of AH are those of its header.
#[test]
fn what_is_malformed_is_counted() {
    let mut findings = Findings::default();
    assert!(!findings.add(&[0x45; 12]) && !findings.add(&[0x75; 40]) && !findings.add(&[]));
    assert_eq!((findings.frames, findings.malformed, findings.not_judged()), (3, 3, 3));
    assert!(findings.add(&packet(A, B, 51, &ah(1, &ECHO))));
    let spis: Vec<u32> = findings.pairs[&(address(A), address(B))].spis.iter().copied().collect();
    assert_eq!((spis, findings.is_whole()), (vec![0x9abc], false));
}

/// RFC 4861: hop limit 255 shows that no router has passed it on. It is to IPv6 what ARP is to IPv4.
#[test]
fn neighbour_discovery_is_no_traffic() {
    let solicitation = |kind: u8, code: u8, hops: u8| {
        let mut bytes = packet("2001:db8::1", "2001:db8::2", 58, &[&[kind, code][..], &[0; 22]].concat());
        bytes[7] = hops;
        bytes
    };
    for kind in 133..=137 {
        assert_eq!(verdict(&[solicitation(kind, 0, 255)]), Verdict::Nothing, "{kind}");
    }
    for (kind, code, hops) in [(135, 0, 254), (132, 0, 255), (138, 0, 255), (135, 1, 255), (128, 0, 255)] {
        assert_eq!(verdict(&[solicitation(kind, code, hops)]), Verdict::Clear, "{kind} {code} {hops}");
    }
}

/// AH in AH in AH: whoever sends thousands of them finds out nothing but where the looking ends.
#[test]
fn headers_within_headers_end() {
    let shortest = |next: u8| [next, 0, 0, 0, 0, 0, 0x10, 1];
    let deep = [shortest(51).repeat(8_000), shortest(1).to_vec(), ECHO.to_vec()].concat();
    assert_eq!(verdict(&[packet(A, B, 51, &deep)]), Verdict::ProtectedByAh);
    let shallow = [shortest(51).repeat(3), shortest(1).to_vec(), ECHO.to_vec()].concat();
    let bytes = packet(A, B, 51, &shallow);
    let seen = sight(&IpView::parse(&bytes).unwrap());
    assert!(matches!(seen, Sight::Ah { inner: Flow { protocol: 1, .. }, .. }), "{seen:?}");
}

/// Whose verdict is the worse one decides: a table of all.
#[test]
fn verdicts_are_ordered_from_comfort_to_none() {
    let names = Verdict::ALL.map(Verdict::name);
    assert_eq!(names, ["nothing", "esp", "ah", "esp-null", "ike-only", "partly-clear", "clear"]);
    assert!(Verdict::ALL.is_sorted());
    let protected: Vec<&str> =
        Verdict::ALL.into_iter().filter(|v| v.is_protected()).map(Verdict::name).collect();
    assert_eq!(protected, ["esp", "ah", "esp-null"]);
    // Two pairs: the clear one is what is said of all, and each has its own.
    let mut findings = Findings::default();
    assert!(findings.add(&packet(A, B, 50, &esp())) && findings.add(&packet(A, "192.0.2.9", 1, &ECHO)));
    assert_eq!(findings.verdict(), Verdict::Clear);
    assert_eq!(findings.between(address(B), address(A)), Verdict::ProtectedByEsp);
    let only = findings.only(|(_, high)| *high == address(B));
    assert_eq!(only.verdict(), Verdict::ProtectedByEsp);
}

/// RFC 2408 section 3.1, RFC 7296 section 3.1: a cookie, version 1.0 or 2.0, a length that a header and a datagram have.
#[test]
fn an_isakmp_header_is_told_by_its_fields() {
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut message = isakmp();
        change(&mut message);
        sight(&IpView::parse(&packet(A, B, 17, &udp(500, 500, &message))).unwrap())
    };
    assert_eq!(with(&|_| {}), Sight::Ike);
    assert_eq!(with(&|m| m[17] = 0x20), Sight::Ike);
    assert!(matches!(with(&|m| m[17] = 0x30), Sight::Clear(_)));
    assert!(matches!(with(&|m| m[..8].fill(0)), Sight::Clear(_)));
    assert!(matches!(with(&|m| m[27] = 27), Sight::Clear(_)));
    assert_eq!(with(&|m| m[27] = 28), Sight::Ike);
    assert!(matches!(with(&|m| m[25] = 1), Sight::Clear(_)), "more octets than a datagram has");
    assert!(matches!(with(&|m| m.truncate(27)), Sight::Clear(_)));
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
    assert_eq!((strange.not_understood, strange.is_whole()), (1, false));
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
        assert!(found.is_whole() && !cut.is_whole());
    }
}

/// What is refused is refused with the place and what is there instead.
#[test]
fn what_is_no_capture_is_refused() {
    let section = |octets: usize| section()[..octets].to_vec();
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("empty", Vec::new(), "octet 0: expected the magic number of pcap or pcapng, found an empty file"),
        ("text", b"GET / HTTP/1.0".to_vec(), "found 47 45 54 20"),
        ("gzip", vec![0x1f, 0x8b, 8, 0], "found a file compressed by gzip"),
        ("zstd", vec![0x28, 0xb5, 0x2f, 0xfd], "found a file compressed by zstd"),
        ("netmon", b"GMBU\0\x02".to_vec(), "Network Monitor 2: convert it with `editcap -F pcapng`"),
        (
            "pcap",
            pcap(1, &[])[..11].to_vec(),
            "octet 11: the file ends in the file header, of which 13 octets",
        ),
        ("pcapng", section(27), "octet 27: the file ends in the section header, of which 1 octets"),
        ("one octet", vec![0xa1], "found a1"),
        (
            "order",
            [&[0x0a, 0x0d, 0x0d, 0x0a][..], &[0; 24]].concat(),
            "octet 8: expected the byte-order magic",
        ),
    ];
    for (name, bytes, wanted) in cases {
        let error = read(&bytes).unwrap_err().to_string();
        assert!(error.contains(wanted), "{name}: {error}");
    }
}

/// What comes before the damage counts, and where it is, is said.
#[test]
fn damage_is_told_with_its_place() {
    let echo = packet(A, B, 1, &ECHO);
    let one = pcap(101, &echo);
    let two = [&one[..], &one[24..]].concat();
    let at = one.len() as u64;
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = two.clone();
        change(&mut bytes);
        let found = read(&bytes).unwrap();
        assert_eq!((found.frames, found.verdict(), found.damaged_at), (1, Verdict::Clear, Some(at)));
        assert!(!found.is_whole());
        found.notes.join("; ")
    };
    let note = with(&|b| b.truncate(one.len() + 15));
    assert!(note.contains(&format!("octet {at}")) && note.contains("the header of a packet"), "{note}");
    let note = with(&|b| b.truncate(b.len() - 1));
    assert!(note.contains("a packet of 28 octets, of which 27 are there"), "{note}");
    let note = with(&|b| b[one.len() + 8] = 0x7f);
    assert!(note.contains("a packet of 2130706460 octets, of which 28 are there"), "{note}");
    // Blocks: the packet is the third, from octet 48 on.
    let block = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = section();
        change(&mut bytes);
        let found = read(&bytes).unwrap();
        assert_eq!((found.frames, found.damaged_at), (0, Some(48)));
        found.notes.join("; ")
    };
    assert!(block(&|b| b[55] = 8).contains("a block of 8 octets: at least 12"));
    assert!(block(&|b| b[55] += 1).contains("a multiple of 4"));
    assert!(block(&|b| b[52] = 1).contains("are there"));
    assert!(block(&|b| *b.last_mut().unwrap() ^= 4).contains("ends with another length"));
    assert!(block(&|b| b.truncate(53)).contains("the header of a block"));
    // A packet that is longer than its block harms nothing but itself.
    let mut bytes = section();
    bytes[71] = 200;
    let found = read(&bytes).unwrap();
    assert_eq!((found.frames, found.not_judged(), found.damaged_at), (1, 1, None));
    assert!(found.notes[0].contains("longer than their blocks"), "{:?}", found.notes);
    // Nor does one of an interface that nobody described.
    let mut bytes = section();
    bytes[59] = 7;
    let found = read(&bytes).unwrap();
    assert!(found.notes[0].contains("interface 7") && found.not_judged() == 1, "{:?}", found.notes);
}

/// Magic numbers of libpcap: both orders, microseconds and nanoseconds, and the longer records of the modified format.
#[test]
fn every_pcap_is_read() {
    let echo = packet(A, B, 1, &ECHO);
    for magic in [0xa1b2_c3d4u32, 0xa1b2_3c4d, 0xa1b2_cd34] {
        for big in [true, false] {
            let word = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
            let mut bytes: Vec<u8> =
                [magic, if big { 0x0002_0004 } else { 0x0004_0002 }, 0, 0, 96, 0xf000_0065]
                    .into_iter()
                    .flat_map(word)
                    .collect();
            for _ in 0..2 {
                // Longer on the wire, and in the file longer than the snapshot length says.
                bytes.extend([9, 9, echo.len() as u32, 1_500].into_iter().flat_map(word));
                bytes.extend(vec![0; if magic == 0xa1b2_cd34 { 8 } else { 0 }]);
                bytes.extend(&echo);
            }
            let found = read(&bytes).unwrap();
            assert_eq!(
                (found.frames, found.verdict(), found.is_whole()),
                (2, Verdict::Clear, true),
                "{magic:x}"
            );
        }
    }
}

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

/// Sections of both byte orders after one another, blocks that nobody knows, options that are not UTF-8, and the two other
/// kinds of packet blocks.
#[test]
fn pcapng_of_strangers_is_read() {
    let echo = packet(A, B, 1, &ECHO);
    let file = |big: bool| {
        let word = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
        let short = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
        let block = |kind: u32, body: &[u8]| {
            let body = [body, &vec![0; body.len().next_multiple_of(4) - body.len()]].concat();
            [&word(kind)[..], &word(12 + body.len() as u32), &body, &word(12 + body.len() as u32)].concat()
        };
        let n = echo.len() as u32;
        let interface = |link: u16, snapshot: u32| {
            let option = [&short(2)[..], &short(2), &[0xff, 0xfe, 0, 0], &short(0), &short(0)].concat();
            block(1, &[&short(link)[..], &[0, 0], &word(snapshot), &option].concat())
        };
        [
            block(0x0a0d_0d0a, &[&word(0x1a2b_3c4d)[..], &short(1), &short(0), &[0xff; 8]].concat()),
            interface(101, 28),
            interface(1, 0),
            block(0x0bad, b"what is this?"),
            // Enhanced: of the second interface, Ethernet.
            block(
                6,
                &[&word(1)[..], &[0; 8], &word(n + 14), &word(n + 14), &[0; 12], &[8, 0], &echo].concat(),
            ),
            // Simple: 1,500 octets on the wire, cut to 28.
            block(3, &[&word(1_500)[..], &echo].concat()),
            // The obsolete one: interface, drops, time, captured, on the wire.
            block(2, &[&short(0)[..], &short(3), &[0; 8], &word(n), &word(n), &echo].concat()),
        ]
        .concat()
    };
    for (bytes, frames) in [(file(true), 3), (file(false), 3), ([file(false), file(true)].concat(), 6)] {
        let found = read(&bytes).unwrap();
        assert_eq!((found.frames, found.not_judged(), found.not_ip), (frames, 0, 0), "{:?}", found.notes);
        assert_eq!((found.pairs[&(address(A), address(B))].clear, found.is_whole()), (frames, true));
    }
}

/// Interfaces are numbered anew in each section.
#[test]
fn interfaces_are_those_of_their_section() {
    let mut ethernet = section();
    ethernet[37] = 1;
    let found = read(&[section(), ethernet, section()].concat()).unwrap();
    assert_eq!((found.frames, found.not_ip, found.not_judged()), (3, 1, 0));
}
