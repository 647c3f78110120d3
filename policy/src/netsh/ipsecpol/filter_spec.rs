//! `A.B.C.D/mask:port=A.B.C.D/mask:port:protocol`.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};

use super::words::Word;
use super::{Fault, bad};
use crate::filter::{Address, Filter, Port};
use crate::filter_action::Action;
use crate::netsh::command::value;
use crate::store::Guid;

const EXPECTED: &str =
    "a filter such as 0+10.1.0.0/255.255.0.0:80:TCP, with + (both ways) or = between its sides";
const ADDRESS: &str = "0 for this computer, * for any, 10.0.0.1, 10.1.0.0/255.255.0.0, 10.1.*.*, a DNS name, DNS, WINS, DHCP or GATEWAY";
const PORT: &str = "one port from 0 to 65535, or * or nothing for any";
const PROTOCOL: &str = "TCP, UDP, ICMP, RAW, a number, or nothing for any";

/// One filter of `-f`.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum FilterSpec {
    /// `DEFAULT`: what the default response rule is about.
    DefaultResponse,
    /// A filter, and its own action when it stands in brackets.
    Filter(Filter, Option<Action>),
}

pub(super) fn filter_spec(word: &Word) -> Result<FilterSpec, Fault> {
    let whole = word.text.as_str();
    if whole.eq_ignore_ascii_case("default") {
        return Ok(FilterSpec::DefaultResponse);
    }
    let (inside, action) = without_brackets(word)?;
    let text = inside.text.as_str();
    let at = text.find(['=', '+']).ok_or_else(|| bad("-f", word, EXPECTED))?;
    let mirrored = text.get(at..=at) == Some("+");
    let from = side(&inside.part(0..at))?;
    let to = side(&inside.part(at + 1..text.len()))?;
    if let Some(more) = from.rest {
        return Err(bad("-f", &more, "no protocol before the destination: it is the last of a filter"));
    }
    let protocol = match &to.rest {
        Some(name) if !name.text.is_empty() => {
            value::protocol(&name.text).ok_or_else(|| bad("-f", name, PROTOCOL))?
        }
        _ => None,
    };
    if !matches!(protocol, Some(6 | 17)) && (from.port, to.port) != (Port::Any, Port::Any) {
        return Err(bad("-f", word, "no port, or TCP or UDP behind it"));
    }
    let filter = Filter {
        id: Guid(0),
        description: String::new(),
        source: from.address,
        destination: to.address,
        protocol,
        source_port: from.port,
        destination_port: to.port,
        mirrored,
    };
    Ok(FilterSpec::Filter(filter, action))
}

/// `(filter)` permits, `[filter]` blocks.
fn without_brackets(word: &Word) -> Result<(Word, Option<Action>), Fault> {
    for (open, close, action) in [('(', ')', Action::Permit), ('[', ']', Action::Block)] {
        match (word.text.starts_with(open), word.text.ends_with(close)) {
            (false, false) => {}
            (true, true) => return Ok((word.part(1..word.text.len() - 1), Some(action))),
            _ => return Err(bad("-f", word, &format!("`{open}` and `{close}` around the whole filter"))),
        }
    }
    Ok((word.clone(), None))
}

/// One side of a filter.
struct Side {
    address: Address,
    port: Port,
    /// What stands behind one more colon.
    rest: Option<Word>,
}

/// Address with mask, port, and what stands behind one more colon.
fn side(word: &Word) -> Result<Side, Fault> {
    let text = word.text.as_str();
    let colon = |from: usize| text.get(from..).and_then(|t| t.find(':')).map(|at| from + at);
    let (first, end) = (colon(0), text.len());
    let second = first.and_then(|at| colon(at + 1));
    let name = word.part(0..first.unwrap_or(end));
    if text.matches(':').count() > 2 || name.text.is_empty() {
        return Err(bad("-f", word, "address:port:protocol, each but the address optional, and no IPv6"));
    }
    let address = address(&name.text).ok_or_else(|| bad("-f", &name, ADDRESS))?;
    let port = match first.map(|at| word.part(at + 1..second.unwrap_or(end))) {
        None => Port::Any,
        Some(port) if matches!(port.text.as_str(), "" | "*") => Port::Any,
        Some(port)
            if second.is_none()
                && value::protocol(&port.text).is_some()
                && port.text.parse::<u32>().is_err() =>
        {
            let expected = format!("a port, and `:{}` behind it: a filter ends in :port:protocol", port.text);
            return Err(bad("-f", &port, &expected));
        }
        Some(port) => {
            let number = port.text.parse::<u16>().map_err(|_| bad("-f", &port, PORT))?;
            Port::from(number)
        }
    };
    Ok(Side { address, port, rest: second.map(|at| word.part(at + 1..end)) })
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
