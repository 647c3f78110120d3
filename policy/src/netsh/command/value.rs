//! What each kind of value looks like (netsh help of Windows Server 2003 and 7; see the table in the parent).

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use winnow::{
    Parser, Result as Parse,
    ascii::{Caseless, dec_uint},
    combinator::{alt, eof, opt, preceded, separated, separated_pair, terminated},
    token::{one_of, take_while},
};

use super::Kind;
use super::bind::{Match, abbreviation};
use crate::auth_method::{AuthMethod, CertificateMethod, PresharedKey};
use crate::filter::{Address, Port, Server};
use crate::filter_action::Action;
use crate::rule::{ConnectionType, TunnelEndpoint};
use crate::security_method::{Cipher, DhGroup, Esp, Hash, Lifetime, MainModeMethod, SecurityMethod};
use crate::store::Guid;

/// A value that fits its tag.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::netsh) enum Value {
    Text(String),
    Flag(bool),
    Number(u32),
    /// And as it was written.
    Guid(Guid, String),
    Address(Address),
    /// Prefix length.
    Mask(u8),
    Port(Port),
    Protocol(Option<u8>),
    Action(Action),
    QmMethods(Vec<SecurityMethod>),
    MmMethods(Vec<MainModeMethod>),
    Tunnel(Option<TunnelEndpoint>),
    Connection(ConnectionType),
    Auth(AuthMethod),
    Word(&'static str),
}

/// What may stand there, for errors.
pub(in crate::netsh) const fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Name => "a name",
        Kind::Text => "text",
        Kind::Guid => "a GUID in braces",
        Kind::YesNo => "yes or no",
        Kind::Integer(range) if range.low == 0 => "a number",
        Kind::Integer(_) => "a number from 1 up",
        Kind::Address => "me, any, an IP address, a DNS name, WINS, DNS, DHCP or GATEWAY",
        Kind::Mask => "a subnet mask or a prefix length of 1 through 32",
        Kind::Port => "a port number, 0 for any",
        Kind::Protocol => "ANY, ICMP, TCP, UDP, RAW or a number of 0 through 255",
        Kind::Action => "permit, block or negotiate",
        Kind::QmMethods => {
            "security methods such as ESP[3DES,SHA1]:100000k/3600s, AH[MD5] or AH[SHA1]+ESP[DES,None], in quotation marks"
        }
        Kind::MmMethods => "main-mode methods such as 3DES-SHA1-2, in quotation marks",
        Kind::Tunnel => "the IP address or DNS name of a tunnel endpoint, or no",
        Kind::Connection => "lan, dialup or all",
        Kind::Psk => "a preshared key",
        Kind::RootCa => "the name of a certification authority",
        Kind::Word(_) => "one of the words of this tag",
    }
}

/// The same, with the words that a tag has.
pub(in crate::netsh) fn described(kind: Kind) -> String {
    match kind {
        Kind::Word(words) => super::bind::one_of(words),
        other => expected(other).to_owned(),
    }
}

/// Reads a value; the error says what was expected.
pub(in crate::netsh) fn parse(kind: Kind, text: &str) -> Result<Value, String> {
    let wrong = || described(kind);
    let value = match kind {
        Kind::Name | Kind::Text => Some(Value::Text(text.to_owned())),
        Kind::Guid => guid(text).map(|id| Value::Guid(id, text.to_owned())),
        Kind::YesNo => word(text, &["yes", "no"]).map(|w| Value::Flag(w == "yes")),
        Kind::Integer(range) => {
            text.parse().ok().filter(|n| (range.low..=range.high).contains(n)).map(Value::Number)
        }
        Kind::Address => address(text).map(Value::Address),
        Kind::Mask => mask(text).map(Value::Mask),
        Kind::Port if text.eq_ignore_ascii_case("any") => Some(Value::Port(Port::Any)),
        Kind::Port => text.parse::<u16>().ok().map(|n| Value::Port(Port::from(n))),
        Kind::Protocol => protocol(text).map(Value::Protocol),
        Kind::Action => word(text, &["permit", "block", "negotiate"]).map(|w| {
            Value::Action(match w {
                "permit" => Action::Permit,
                "block" => Action::Block,
                _ => Action::Negotiate,
            })
        }),
        Kind::QmMethods => return qm_methods(text).map(Value::QmMethods),
        Kind::MmMethods => mm_methods(text).map(Value::MmMethods),
        Kind::Tunnel => {
            // "IP address or subnet" says one guide, one address the other and every tool.
            if let Some(Address::Subnet(net)) = address(text)
                && net.prefix_len() < net.max_prefix_len()
            {
                return Err(format!("{}: a subnet is no tunnel endpoint", expected(kind)));
            }
            match tunnel(text) {
                None if address(text).is_some() => {
                    return Err(format!("{}: both ends of a tunnel have static addresses", expected(kind)));
                }
                endpoint => endpoint.map(Value::Tunnel),
            }
        }
        Kind::Connection => word(text, &["lan", "dialup", "all"]).map(|w| {
            Value::Connection(match w {
                "lan" => ConnectionType::Lan,
                "dialup" => ConnectionType::Dialup,
                _ => ConnectionType::All,
            })
        }),
        Kind::Psk => Some(Value::Auth(AuthMethod::PresharedKey(PresharedKey::new(text)))),
        Kind::RootCa => root_ca(text).map(|c| Value::Auth(AuthMethod::Certificate(c))),
        Kind::Word(words) => word(text, words).map(Value::Word),
    };
    value.ok_or_else(wrong)
}

fn word(text: &str, words: &[&'static str]) -> Option<&'static str> {
    match abbreviation(text, words, |w| w) {
        Match::One(word) => Some(word),
        Match::Several(_) | Match::None => None,
    }
}

fn guid(text: &str) -> Option<Guid> {
    let inner = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'))?;
    let groups: Vec<&str> = inner.split('-').collect();
    let sizes: Vec<usize> = groups.iter().map(|g| g.len()).collect();
    let hex = groups.iter().all(|g| g.bytes().all(|b| b.is_ascii_hexdigit()));
    if sizes != [8, 4, 4, 4, 12] || !hex {
        return None;
    }
    // Ours use only the low 64 bits; any other GUID is well-formed and names nothing.
    let digits = u128::from_str_radix(&inner.replace('-', ""), 16).ok()?;
    Some(u64::try_from(digits).map_or(Guid(0), Guid))
}

pub(in crate::netsh) fn address(text: &str) -> Option<Address> {
    let keyword = match text.to_ascii_lowercase().as_str() {
        "me" => Some(Address::Me),
        "any" => Some(Address::Any),
        "dns" => Some(Address::Server(Server::Dns)),
        "wins" => Some(Address::Server(Server::Wins)),
        "dhcp" => Some(Address::Server(Server::Dhcp)),
        "gateway" => Some(Address::Server(Server::Gateway)),
        _ => None,
    };
    if keyword.is_some() {
        return keyword;
    }
    if let Ok(host) = text.parse::<IpAddr>() {
        return Some(Address::host(host));
    }
    if let Ok(net) = text.parse::<IpNet>() {
        return Some(Address::Subnet(net));
    }
    if let Some((first, last)) = text.split_once('-')
        && let (Ok(first), Ok(last)) = (first.trim().parse::<IpAddr>(), last.trim().parse::<IpAddr>())
    {
        let ordered = first.is_ipv4() == last.is_ipv4() && first <= last;
        return ordered.then_some(Address::Range(first, last));
    }
    is_host_name(text).then(|| Address::Name(text.to_owned(), Vec::new()))
}

/// Letters, digits, hyphens and underscores between dots; the last label is no number, so `10.0.0.256` is no name.
fn is_host_name(text: &str) -> bool {
    let labels: Vec<&str> = text.trim_end_matches('.').split('.').collect();
    let label = |l: &&str| {
        let inside = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        !l.is_empty() && l.len() <= 63 && l.chars().all(inside) && !l.starts_with('-') && !l.ends_with('-')
    };
    let last_is_word = labels.last().is_some_and(|l| l.chars().any(|c| !c.is_ascii_digit()));
    let has_letter = text.chars().any(char::is_alphabetic);
    text.len() <= 255 && last_is_word && has_letter && labels.iter().all(label)
}

/// `24`, `255.255.255.0`, and `0.0.0.0`, the mask that dumps print for any. Masks with gaps do not exist.
pub(in crate::netsh) fn mask(text: &str) -> Option<u8> {
    if let Ok(dotted) = text.parse::<Ipv4Addr>() {
        let bits = dotted.to_bits();
        let ones = bits.leading_ones();
        return (bits.checked_shl(ones).unwrap_or(0) == 0).then_some(u8::try_from(ones).ok()?);
    }
    text.trim_start_matches('/').parse::<u8>().ok().filter(|n| (1..=128).contains(n))
}

pub(in crate::netsh) fn protocol(text: &str) -> Option<Option<u8>> {
    match text.to_ascii_lowercase().as_str() {
        "any" => Some(None),
        "icmp" => Some(Some(1)),
        "tcp" => Some(Some(6)),
        "udp" => Some(Some(17)),
        "raw" => Some(Some(255)),
        _ => text.parse::<u8>().ok().map(|n| (n != 0).then_some(n)),
    }
}

/// Both ends of a tunnel have static addresses: `me`, `any` and server keywords are refused.
pub(in crate::netsh) fn tunnel(text: &str) -> Option<Option<TunnelEndpoint>> {
    if matches!(text.to_ascii_lowercase().as_str(), "no" | "none" | "0.0.0.0") {
        return Some(None);
    }
    match address(text)? {
        Address::Subnet(net) if net.prefix_len() == net.max_prefix_len() => {
            Some(Some(TunnelEndpoint::Address(net.addr())))
        }
        Address::Name(name, _) => Some(Some(TunnelEndpoint::Name(name))),
        _ => None,
    }
}

/// `<CA name> certmap:yes excludecaname:no`; `\'` stands for a quotation mark.
fn root_ca(text: &str) -> Option<CertificateMethod> {
    let (mut map, mut exclude, mut name) = (false, false, text.trim());
    loop {
        let (front, last) = name.rsplit_once(char::is_whitespace).unwrap_or(("", name));
        let lower = last.to_ascii_lowercase();
        let Some((option, value)) = lower.split_once(':') else { break };
        let target = match option {
            "certmap" => &mut map,
            "excludecaname" => &mut exclude,
            _ => break,
        };
        *target = word(value, &["yes", "no"])? == "yes";
        name = front.trim_end();
    }
    let authority = name.replace("\\'", "\"");
    let certificate = CertificateMethod { authority, map_to_account: map, exclude_authority_name: exclude };
    (!name.is_empty()).then_some(certificate)
}

fn blanks<'a>(input: &mut &'a str) -> Parse<&'a str> {
    take_while(1.., |c: char| c.is_whitespace() || matches!(c, ',' | ';')).parse_next(input)
}

fn cipher(input: &mut &str) -> Parse<Cipher> {
    alt((Caseless("3DES").value(Cipher::TripleDes), Caseless("DES").value(Cipher::Des))).parse_next(input)
}

fn hash(input: &mut &str) -> Parse<Hash> {
    let sha = (Caseless("SHA"), opt(preceded(opt('-'), '1')));
    alt((Caseless("MD5").value(Hash::Md5), sha.value(Hash::Sha1))).parse_next(input)
}

fn mm_method(input: &mut &str) -> Parse<MainModeMethod> {
    let group = alt(('1'.value(DhGroup::Low), '2'.value(DhGroup::Medium), '3'.value(DhGroup::High)));
    let (cipher, _, hash, _, group) = (cipher, '-', hash, '-', group).parse_next(input)?;
    Ok(MainModeMethod { cipher, hash, group })
}

pub(in crate::netsh) fn mm_methods(text: &str) -> Option<Vec<MainModeMethod>> {
    let mut list = terminated(separated(1.., mm_method, blanks), eof);
    let parsed: Parse<Vec<MainModeMethod>> = list.parse_next(&mut text.trim());
    parsed.ok()
}

fn or_none<'a, T: Clone>(
    inner: impl Parser<&'a str, T, winnow::error::ContextError>,
) -> impl Parser<&'a str, Option<T>, winnow::error::ContextError> {
    alt((Caseless("None").value(None), inner.map(Some)))
}

fn comma<'a>(input: &mut &'a str) -> Parse<&'a str> {
    let around = |i: &mut &'a str| take_while(0.., char::is_whitespace).parse_next(i);
    (around, ',', around).take().parse_next(input)
}

fn esp(input: &mut &str) -> Parse<Esp> {
    let pair = separated_pair(or_none(cipher), comma, or_none(hash));
    let (_, (confidentiality, integrity), _) = ((Caseless("ESP"), '['), pair, ']').parse_next(input)?;
    Ok(Esp { confidentiality, integrity })
}

fn ah(input: &mut &str) -> Parse<Hash> {
    let (_, hash, _) = ((Caseless("AH"), '['), hash, ']').parse_next(input)?;
    Ok(hash)
}

/// `100000k/3600s`, either half alone.
fn lifetime(input: &mut &str) -> Parse<Lifetime> {
    let kilobytes = |i: &mut &str| terminated(dec_uint::<_, u32, _>, one_of(['k', 'K'])).parse_next(i);
    let seconds = |i: &mut &str| terminated(dec_uint::<_, u32, _>, one_of(['s', 'S'])).parse_next(i);
    alt((
        separated_pair(kilobytes, '/', seconds).map(|(kilobytes, seconds)| Lifetime { kilobytes, seconds }),
        separated_pair(seconds, '/', kilobytes).map(|(seconds, kilobytes)| Lifetime { kilobytes, seconds }),
        kilobytes.map(|kilobytes| Lifetime { kilobytes, seconds: 0 }),
        seconds.map(|seconds| Lifetime { kilobytes: 0, seconds }),
    ))
    .parse_next(input)
}

fn qm_method(input: &mut &str) -> Parse<SecurityMethod> {
    let (ah, esp) = alt((
        separated_pair(ah, '+', esp).map(|(ah, esp)| (Some(ah), Some(esp))),
        separated_pair(esp, '+', ah).map(|(esp, ah)| (Some(ah), Some(esp))),
        esp.map(|esp| (None, Some(esp))),
        ah.map(|ah| (Some(ah), None)),
    ))
    .parse_next(input)?;
    let lifetime = opt(preceded(':', lifetime)).parse_next(input)?.unwrap_or_default();
    Ok(SecurityMethod { ah, esp, lifetime })
}

pub(in crate::netsh) fn qm_methods(text: &str) -> Result<Vec<SecurityMethod>, String> {
    let mut rest = text.trim();
    let list: Parse<Vec<SecurityMethod>> = separated(1.., qm_method, blanks).parse_next(&mut rest);
    let wrong = || expected(Kind::QmMethods).to_owned();
    let methods = list.map_err(|_| wrong())?;
    if !rest.is_empty() {
        return Err(wrong());
    }
    match methods.iter().find(|m| !m.is_legal()) {
        Some(_) => {
            Err("an ESP method with at least one algorithm (ESP[None,None] protects nothing)".to_owned())
        }
        None => Ok(methods),
    }
}
