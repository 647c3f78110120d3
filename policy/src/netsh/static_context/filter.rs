//! `add filter` and `delete filter`.

use ipnet::IpNet;

use super::{Reply, at};
use crate::defaults;
use crate::filter::{Address, Filter, Port};
use crate::netsh::NoteKind;
use crate::netsh::command::Mode;
use crate::netsh::command::bind::Bound;
use crate::netsh::command::value::Value;
use crate::netsh::error::{ErrorKind, Fault};
use crate::store::{Guid, ObjectKind, Store, not_found};

pub(super) fn add(store: &mut Store, bound: &Bound, reply: &mut Reply) -> Result<(), Fault> {
    let list = bound.text("filterlist").unwrap_or_default();
    let filter = Filter { id: store.new_guid(), ..read(store, bound, reply)? };
    store.add_filter(list, filter);
    Ok(())
}

/// The filter that a command's tags describe, without an id of its own.
pub(in crate::netsh) fn read(store: &Store, bound: &Bound, reply: &mut Reply) -> Result<Filter, Fault> {
    let mut source = address(bound, "srcaddr", "srcmask", reply)?;
    let mut destination = address(bound, "dstaddr", "dstmask", reply)?;
    let protocol = protocol(bound);
    let (source_port, destination_port) =
        (port(bound, "srcport", protocol)?, port(bound, "dstport", protocol)?);
    check_servers(bound, &source, &destination)?;
    for (side, tag) in [(&mut source, "srcaddr"), (&mut destination, "dstaddr")] {
        note_prefix(store, bound, tag, reply);
        check_release(store, bound, side, tag, reply)?;
        look_up(store, bound, side, tag, reply);
    }
    Ok(Filter {
        id: Guid(0),
        description: bound.text("description").unwrap_or_default().to_owned(),
        source,
        destination,
        protocol,
        source_port,
        destination_port,
        mirrored: bound.flag("mirrored").unwrap_or(defaults::MIRRORED.value),
    })
}

/// With only the list and the addresses, every filter between them goes; each further tag narrows the choice.
pub(super) fn delete(store: &mut Store, bound: &Bound) -> Result<(), Fault> {
    let list = bound.text("filterlist").unwrap_or_default();
    let source = address(bound, "srcaddr", "srcmask", &mut Reply::default())?;
    let destination = address(bound, "dstaddr", "dstmask", &mut Reply::default())?;
    let given = |tag: &str| bound.get(tag).is_some();
    let protocol = protocol(bound);
    let (from, to) = (port(bound, "srcport", protocol)?, port(bound, "dstport", protocol)?);
    let matches = |f: &Filter| {
        same(&f.source, &source)
            && same(&f.destination, &destination)
            && (!given("protocol") || f.protocol == protocol)
            && bound.flag("mirrored").is_none_or(|m| m == f.mirrored)
            && (!given("srcport") || f.source_port == from)
            && (!given("dstport") || f.destination_port == to)
    };
    match at(bound, "filterlist", store.remove_filters(list, matches))? {
        0 => {
            let name = format!("{source} -> {destination} in {list}");
            let list = store.filter_list(list).map(|l| l.filters.as_slice()).unwrap_or_default();
            let there: Vec<String> =
                list.iter().map(|f| format!("{} -> {}", f.source, f.destination)).collect();
            at(bound, "srcaddr", Err(not_found(ObjectKind::Filter, &name, there.iter())))
        }
        _ => Ok(()),
    }
}

/// Names are the same whatever their addresses were; subnets whatever their host bits are.
fn same(a: &Address, b: &Address) -> bool {
    match (a, b) {
        (Address::Name(a, _), Address::Name(b, _)) => crate::store::same_name(a, b),
        (Address::Subnet(a), Address::Subnet(b)) => a.trunc() == b.trunc(),
        _ => a == b,
    }
}

fn protocol(bound: &Bound) -> Option<u8> {
    match bound.get("protocol") {
        Some(Value::Protocol(protocol)) => *protocol,
        _ => None,
    }
}

/// A port other than 0 needs TCP or UDP (netsh help of `protocol`).
fn port(bound: &Bound, tag: &'static str, protocol: Option<u8>) -> Result<Port, Fault> {
    let port = match bound.get(tag) {
        Some(Value::Port(port)) => *port,
        _ => Port::Any,
    };
    if port != Port::Any && !matches!(protocol, Some(6 | 17)) {
        let expected = "0, or protocol=TCP or protocol=UDP beside it".to_owned();
        let kind = ErrorKind::BadValue { tag, found: port.to_string(), expected };
        return Err(Fault::new(bound.span_of(tag), kind));
    }
    Ok(port)
}

fn address(
    bound: &Bound,
    tag: &'static str,
    mask_tag: &'static str,
    reply: &mut Reply,
) -> Result<Address, Fault> {
    let Some(Value::Address(address)) = bound.get(tag) else { return Ok(Address::Any) };
    let mask = match bound.get(mask_tag) {
        Some(Value::Mask(mask)) => Some(*mask),
        _ => None,
    };
    let Address::Subnet(net) = address else {
        if let (Some(_), Address::Range(..)) = (mask, address) {
            reply.remarks.push((
                bound.span_of(mask_tag),
                NoteKind::Remark,
                format!("{mask_tag} is not used: {address} is a range"),
            ));
        }
        return Ok(address.clone());
    };
    // Windows keeps 0.0.0.0 for any, whatever the mask (MS-GPIPSEC 2.2.1.3).
    if net.addr().is_unspecified() {
        return Ok(Address::Any);
    }
    let host = net.prefix_len() == net.max_prefix_len();
    let length = match mask {
        None => net.prefix_len(),
        Some(mask) if host || mask == net.prefix_len() => mask,
        Some(_) => {
            let expected = format!("the prefix length given with the address, {}", net.prefix_len());
            let found = mask.unwrap_or_default().to_string();
            let kind = ErrorKind::BadValue { tag: mask_tag, found, expected };
            return Err(Fault::new(bound.span_of(mask_tag), kind));
        }
    };
    let subnet = IpNet::new(net.addr(), length).map_err(|_| {
        let expected = "a mask that fits the address".to_owned();
        Fault::new(
            bound.span_of(mask_tag),
            ErrorKind::BadValue { tag: mask_tag, found: length.to_string(), expected },
        )
    })?;
    if subnet.prefix_len() == 0 {
        return Ok(Address::Any);
    }
    if subnet.addr() != subnet.trunc().addr() {
        let text =
            format!("host bits under the mask are not used: {} means {}", subnet.addr(), subnet.trunc());
        reply.remarks.push((bound.span_of(tag), NoteKind::Remark, text));
    }
    Ok(Address::Subnet(subnet))
}

/// "If one side is a server type, the other must be me" (netsh help of `add filter`). The help of the dynamic `set rule` has
/// an example with `srca=WINS dsta=0.0.0.0`, which is any, and says nothing of the kind.
fn check_servers(bound: &Bound, source: &Address, destination: &Address) -> Result<(), Fault> {
    let any_too = bound.command.mode == Mode::Dynamic;
    for (server, other, tag) in [(source, destination, "dstaddr"), (destination, source, "srcaddr")] {
        let goes = *other == Address::Me || (any_too && *other == Address::Any);
        if let (Address::Server(server), false) = (server, goes) {
            let expected = format!("me, because the other side is {}", server.keyword());
            let kind = ErrorKind::BadValue { tag, found: other.to_string(), expected };
            return Err(Fault::new(bound.span_of(tag), kind));
        }
    }
    Ok(())
}

/// The stores of Windows before Vista hold subnets of IPv4 and no ranges (MS-GPIPSEC 2.2.1.3, notes 23 to 29). On such a
/// release a range is refused; when the release is not known, or for IPv6, it is said.
fn check_release(
    store: &Store,
    bound: &Bound,
    side: &Address,
    tag: &'static str,
    reply: &mut Reply,
) -> Result<(), Fault> {
    let windows = store.release().map(crate::tools::is_windows);
    let remark = match (side, windows) {
        (_, Some(false)) => return Ok(()),
        (Address::Range(..), Some(true)) => {
            let expected =
                "one address or a subnet: this release has no ranges in filters, Windows Vista and later have".to_owned();
            let kind = ErrorKind::BadValue { tag, found: side.to_string(), expected };
            return Err(Fault::new(bound.span_of(tag), kind));
        }
        (Address::Range(..), None) => "Windows Server 2003 has no address ranges in filters",
        (Address::Subnet(net), Some(true)) if net.addr().is_ipv6() => {
            let expected =
                "an address of IPv4: this release has no IPv6 in filters, Windows Vista and later have"
                    .to_owned();
            let kind = ErrorKind::BadValue { tag, found: net.addr().to_string(), expected };
            return Err(Fault::new(bound.span_of(tag), kind));
        }
        (Address::Subnet(net), _) if net.addr().is_ipv6() => {
            "Windows Server 2003 has no IPv6 addresses in filters"
        }
        _ => return Ok(()),
    };
    reply.remarks.push((bound.span_of(tag), NoteKind::Remark, remark.to_owned()));
    Ok(())
}

/// `10.0.0.0/8`: the help of `add filter` names masks and no prefixes behind addresses.
fn note_prefix(store: &Store, bound: &Bound, tag: &'static str, reply: &mut Reply) {
    if let (Some(Value::Address(Address::Subnet(net))), true) =
        (bound.get(tag), store.release().is_some_and(crate::tools::is_windows))
        && net.prefix_len() < net.max_prefix_len()
    {
        let mask = if tag == "srcaddr" { "srcmask" } else { "dstmask" };
        let text =
            format!("taken as {mask}={}: this release's help has no prefix in an address", net.prefix_len());
        reply.remarks.push((bound.span_of(tag), NoteKind::Remark, text));
    }
}

/// A name gets the addresses it has now, as Windows resolves it when the filter is made.
fn look_up(store: &Store, bound: &Bound, side: &mut Address, tag: &str, reply: &mut Reply) {
    let remark = match side {
        Address::Name(name, addresses) => {
            *addresses = store.resolve(name).to_vec();
            addresses.is_empty().then(|| format!("the name {name} is kept; nobody was asked for its address"))
        }
        _ => None,
    };
    reply.remarks.extend(remark.map(|text| (bound.span_of(tag), NoteKind::Remark, text)));
}
