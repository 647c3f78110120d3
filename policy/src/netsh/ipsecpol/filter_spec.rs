//! `A.B.C.D/mask:port=A.B.C.D/mask:port:protocol`.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};

use super::words::Word;
use super::{ErrorKind, Fault, bad};
use crate::filter::{Address, Filter, Port};
use crate::filter_action::Action;
use crate::netsh::command::value;
use crate::store::Guid;

const EXPECTED: &str = "a filter such as 0+10.1.0.0/255.255.0.0:80:TCP";

/// One filter of `-f`.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum FilterSpec {
    /// `DEFAULT`: what the default response rule is about.
    DefaultResponse,
    /// A filter, and its own action when it stands in brackets.
    Filter(Filter, Option<Action>),
}

pub(super) fn filter_spec(word: &Word) -> Result<FilterSpec, Fault> {
    let wrong = || bad("-f", word, EXPECTED);
    let text = word.text.as_str();
    if text.eq_ignore_ascii_case("default") {
        return Ok(FilterSpec::DefaultResponse);
    }
    let inside = |open, close| text.strip_prefix(open).and_then(|t: &str| t.strip_suffix(close));
    let (text, action) = match (inside('(', ')'), inside('[', ']')) {
        (Some(text), _) => (text, Some(Action::Permit)),
        (_, Some(text)) => (text, Some(Action::Block)),
        _ => (text, None),
    };
    let at = text.find(['=', '+']).ok_or_else(wrong)?;
    let mirrored = text.get(at..=at) == Some("+");
    let (from, to) = (text.get(..at).unwrap_or(""), text.get(at + 1..).unwrap_or(""));
    let (source, source_port, rest) = side(from).ok_or_else(wrong)?;
    let (destination, destination_port, protocol) = side(to).ok_or_else(wrong)?;
    let protocol = match protocol {
        None | Some("") => None,
        Some(name) => value::protocol(name).ok_or_else(wrong)?,
    };
    if rest.is_some() {
        return Err(wrong());
    }
    if !matches!(protocol, Some(6 | 17)) && (source_port, destination_port) != (Port::Any, Port::Any) {
        let expected = "no port, or TCP or UDP behind it".to_owned();
        let kind = ErrorKind::BadValue { tag: "-f", found: word.text.clone(), expected };
        return Err(Fault::new(word.span.clone(), kind));
    }
    let filter = Filter {
        id: Guid(0),
        description: String::new(),
        source,
        destination,
        protocol,
        source_port,
        destination_port,
        mirrored,
    };
    Ok(FilterSpec::Filter(filter, action))
}

/// Address with mask, port, and what stands behind one more colon.
fn side(text: &str) -> Option<(Address, Port, Option<&str>)> {
    let mut parts = text.splitn(3, ':');
    let address = address(parts.next()?)?;
    let port = match parts.next() {
        None | Some("" | "*") => Port::Any,
        Some(number) => Port::from(number.parse::<u16>().ok()?),
    };
    Some((address, port, parts.next()))
}

fn address(text: &str) -> Option<Address> {
    match text {
        "0" => return Some(Address::Me),
        "*" => return Some(Address::Any),
        _ => {}
    }
    if let Some((address, mask)) = text.split_once('/') {
        let (address, length) = (address.parse::<Ipv4Addr>().ok()?, value::mask(mask)?);
        if address.is_unspecified() || length == 0 {
            return Some(Address::Any);
        }
        return Some(Address::Subnet(IpNet::V4(Ipv4Net::new(address, length).ok()?)));
    }
    if text.ends_with(".*") {
        return wildcards(text);
    }
    // Words that mean something to netsh are names to the older tools, but for servers.
    value::address(text).filter(|a| matches!(a, Address::Subnet(_) | Address::Name(..) | Address::Server(_)))
}

/// `10.1.*.*`: as many octets as there are numbers in front.
fn wildcards(text: &str) -> Option<Address> {
    let parts: Vec<&str> = text.split('.').collect();
    let fixed = parts.iter().take_while(|p| **p != "*").count();
    if parts.len() != 4 || parts.iter().skip(fixed).any(|p| *p != "*") {
        return None;
    }
    let mut octets = [0; 4];
    for (octet, part) in octets.iter_mut().zip(parts.iter().take(fixed)) {
        *octet = part.parse().ok()?;
    }
    let length = u8::try_from(fixed * 8).ok().filter(|n| *n > 0)?;
    Some(Address::Subnet(IpNet::V4(Ipv4Net::new(octets.into(), length).ok()?)))
}
