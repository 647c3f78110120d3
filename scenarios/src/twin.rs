//! `twin.toml`: a scenario as what differs from its parent; `twins.toml`: what each twin must show.

use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use crate::error::{Doc, LoadError};
use crate::source::Files;
use crate::steps::{Inject, Names, Steps};
use crate::topology::Topology;
use crate::value::Span;

/// What differs from the parent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TwinFile {
    /// Name of the parent scenario. Its files count, unless the twin's directory has one of the same name.
    pub(crate) parent: String,
    /// One line for `ipseclab list`.
    pub(crate) title: String,
    /// Changes of the files.
    #[serde(default, rename = "patch")]
    patches: Vec<Patch>,
}

/// One change of a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    file: Spanned<String>,
    /// The only line that begins so, blanks aside. Without it, `with` is added at the end.
    line: Option<Spanned<String>>,
    /// The part of that line to replace; without it the whole line.
    text: Option<Spanned<String>>,
    /// What to put there; without it nothing.
    #[serde(default)]
    with: String,
}

impl TwinFile {
    /// Applies the patches.
    pub(crate) fn apply(&self, doc: Doc<'_>, files: &mut Files) -> Result<(), LoadError> {
        for patch in &self.patches {
            let text = files.text(patch.file.get_ref())?.to_string();
            files.insert(patch.file.get_ref(), patch.apply(doc, &text)?);
        }
        Ok(())
    }
}

impl Patch {
    fn apply(&self, doc: Doc<'_>, text: &str) -> Result<String, LoadError> {
        let Some(start) = &self.line else { return Ok(format!("{text}\n{}\n", self.with.trim_end())) };
        let begins = |l: &&str| l.trim_start().starts_with(start.get_ref().as_str());
        let found = text.lines().filter(begins).count();
        if found != 1 {
            let message = format!("{found} lines of {} begin so; exactly one is wanted", self.file.get_ref());
            return Err(doc.error(start.span(), "patch.line", message));
        }
        let mut patched = String::with_capacity(text.len());
        for line in text.lines() {
            if !begins(&line) {
                patched += line;
            } else if let Some(part) = &self.text {
                if line.matches(part.get_ref().as_str()).count() != 1 {
                    return Err(doc.error(
                        part.span(),
                        "patch.text",
                        "the line does not have it exactly once",
                    ));
                }
                patched += &line.replace(part.get_ref().as_str(), &self.with);
            } else {
                patched += &self.with;
            }
            patched.push('\n');
        }
        Ok(patched)
    }
}

/// `twins.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TwinsFile {
    #[serde(rename = "twin")]
    pub(crate) twins: Vec<Twin>,
}

/// What one twin must show.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Twin {
    /// The twin's name.
    pub name: Spanned<String>,
    /// The article: `KB 816514`.
    pub seed: String,
    /// The sentence of the article it tests.
    pub sentence: String,
    /// One run each: a fresh network with one direction of traffic, because SAs of the first would serve the second.
    #[serde(rename = "direction")]
    pub directions: Vec<Direction>,
}

/// What one direction of a twin must show.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Direction {
    /// The flow of the parent's steps that is started; it names the direction.
    pub flow: Spanned<String>,
    /// How long the run lasts.
    pub end: Span,
    /// Forged packets.
    #[serde(default)]
    pub inject: Vec<InjectAt>,
    /// What the people at both ends see.
    pub outcome: Outcome,
    /// The unprotected links on which a packet of the flow can be read.
    #[serde(default)]
    pub clear_on: Vec<Spanned<String>>,
    /// Whether ping says `Negotiating IP Security.` first.
    #[serde(default)]
    pub negotiating: bool,
    /// The nodes where IPsec SAs come up.
    #[serde(default)]
    pub sas: Vec<Spanned<String>>,
    /// Forged packets that reach the stack of this node.
    #[serde(default)]
    pub delivered: Vec<Delivered>,
    /// Every drop of the run, by node, packet and reason, and no others.
    #[serde(default)]
    pub drops: Vec<Drop>,
    /// Every failed negotiation of the run, by node, phase and reason, and no others.
    #[serde(default)]
    pub failures: Vec<Failure>,
}

/// A forged packet and its time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InjectAt {
    /// When.
    pub at: Span,
    /// What.
    pub packet: Inject,
}

/// What the people at both ends see.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Answers come, and only ESP or AH crosses the unprotected links.
    Protected,
    /// Answers come, and the flow can be read on an unprotected link.
    Clear,
    /// Answers come, in clear, after an end has found the other one silent: a soft association.
    Soft,
    /// Answers come, all of them protected, and so is everything after the pair of SAs came up; before, what the one who began
    /// sent went in clear (inpass).
    FirstClear,
    /// What was sent arrives at the application, but no answer comes back.
    OneWay,
    /// Nothing arrives, because no SA came up.
    NoSa,
    /// Nothing arrives, because a node refuses it.
    Refused,
    /// Nothing arrives, because a router has no route.
    Unreachable,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Outcome::Protected => "protected",
            Outcome::Clear => "clear",
            Outcome::Soft => "soft",
            Outcome::FirstClear => "first-clear",
            Outcome::OneWay => "one-way",
            Outcome::NoSa => "no-sa",
            Outcome::Refused => "refused",
            Outcome::Unreachable => "unreachable",
        })
    }
}

/// A packet that reached a node's stack.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivered {
    /// The node.
    pub node: Spanned<String>,
    /// Which packet; ports do not count.
    pub packet: PacketPattern,
}

/// A dropped packet.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drop {
    /// The node that dropped it.
    pub node: Spanned<String>,
    /// Which packet.
    pub packet: PacketPattern,
    /// The name of the drop reason: `clear-text-refused`.
    pub reason: String,
}

/// A failed negotiation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The node that noticed.
    pub node: Spanned<String>,
    /// `main-mode` or `quick-mode`.
    pub phase: String,
    /// The name of the reason: `no-response`.
    pub reason: String,
}

/// Addresses, protocol and ports of a packet: `icmp 10.1.0.10 > 10.2.0.10`, `tcp 10.1.0.10:* > 10.2.0.10:80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PacketPattern {
    /// IP protocol.
    pub protocol: u8,
    /// Source.
    pub from: IpAddr,
    /// Source port; `None` is any.
    pub from_port: Option<u16>,
    /// Destination.
    pub to: IpAddr,
    /// Destination port; `None` is any.
    pub to_port: Option<u16>,
}

impl PacketPattern {
    /// Whether `packet` is one of those meant.
    pub fn matches(&self, packet: &PacketPattern) -> bool {
        let port = |want: Option<u16>, have: Option<u16>| want.is_none() || want == have;
        (self.protocol, self.from, self.to) == (packet.protocol, packet.from, packet.to)
            && port(self.from_port, packet.from_port)
            && port(self.to_port, packet.to_port)
    }
}

impl std::fmt::Display for PacketPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let end = |address: IpAddr, port: Option<u16>| match port {
            Some(port) => format!("{address}:{port}"),
            None => address.to_string(),
        };
        match self.protocol {
            1 => f.write_str("icmp")?,
            6 => f.write_str("tcp")?,
            17 => f.write_str("udp")?,
            50 => f.write_str("esp")?,
            51 => f.write_str("ah")?,
            n => write!(f, "{n}")?,
        }
        write!(f, " {} > {}", end(self.from, self.from_port), end(self.to, self.to_port))
    }
}

impl FromStr for PacketPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted =
            || format!("`{text}` is no packet: write `icmp 10.1.0.10 > 10.2.0.10` or `tcp a:* > b:80`");
        let mut words = text.split_whitespace();
        let (Some(protocol), Some(from), Some(">"), Some(to), None) =
            (words.next(), words.next(), words.next(), words.next(), words.next())
        else {
            return Err(wanted());
        };
        let protocol = match protocol {
            "icmp" => 1,
            "tcp" => 6,
            "udp" => 17,
            "esp" => 50,
            "ah" => 51,
            number => number.parse().map_err(|_| wanted())?,
        };
        let end = |text: &str| -> Result<(IpAddr, Option<u16>), String> {
            let (address, port) = text.rsplit_once(':').unwrap_or((text, "*"));
            let port = if port == "*" { None } else { Some(port.parse().map_err(|_| wanted())?) };
            Ok((address.parse().map_err(|_| wanted())?, port))
        };
        let ((from, from_port), (to, to_port)) = (end(from)?, end(to)?);
        Ok(PacketPattern { protocol, from, from_port, to, to_port })
    }
}

impl<'de> Deserialize<'de> for PacketPattern {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

impl Twin {
    /// Checks names and references.
    pub(crate) fn validate(&self, doc: Doc<'_>, topology: &Topology, steps: &Steps) -> Result<(), LoadError> {
        let names = Names { doc, topology, steps };
        if self.directions.is_empty() {
            return Err(doc.error(self.name.span(), "twin.direction", "a twin has at least one direction"));
        }
        for direction in &self.directions {
            names.flow(&direction.flow, "direction.flow")?;
            direction.clear_on.iter().try_for_each(|l| names.link(l, "direction.clear_on"))?;
            direction.sas.iter().try_for_each(|n| names.node(n, "direction.sas"))?;
            direction.delivered.iter().try_for_each(|d| names.node(&d.node, "delivered.node"))?;
            direction.drops.iter().try_for_each(|d| names.node(&d.node, "drops.node"))?;
            direction.failures.iter().try_for_each(|f| names.node(&f.node, "failures.node"))?;
            direction.inject.iter().try_for_each(|i| names.inject(&i.packet))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_written_as_tcpdump_does() {
        let any: PacketPattern = "tcp 10.1.0.10:* > 10.2.0.10:80".parse().unwrap();
        let one: PacketPattern = "tcp 10.1.0.10:1025 > 10.2.0.10:80".parse().unwrap();
        assert!(any.matches(&one) && !one.matches(&any));
        assert_eq!(one.to_string(), "tcp 10.1.0.10:1025 > 10.2.0.10:80");
        for wrong in
            ["", "icmp 10.1.0.10", "icmp a > b", "gre 10.0.0.1 > 10.0.0.2", "icmp 10.0.0.1 > 10.0.0.2 x"]
        {
            assert!(wrong.parse::<PacketPattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn patches_must_fit() {
        let patched = |toml: &str| {
            let mut files = Files::new("t");
            files.insert("f", "one a\n  two b\ntwo c".to_string());
            let doc = Doc { file: "twin.toml", text: toml };
            doc.parse::<TwinFile>()?.apply(doc, &mut files)?;
            files.text("f").map(str::to_string)
        };
        let head = "parent = 'p'\ntitle = 't'\n[[patch]]\nfile = 'f'\n";
        assert_eq!(patched(&format!("{head}line = 'one'")).unwrap(), "\n  two b\ntwo c\n");
        assert_eq!(
            patched(&format!("{head}line='two b'\ntext='b'\nwith='x'")).unwrap(),
            "one a\n  two x\ntwo c\n"
        );
        let twice = patched(&format!("{head}line = 'two'")).unwrap_err();
        assert_eq!(
            twice.to_string(),
            "twin.toml:5:8: patch.line: 2 lines of f begin so; exactly one is wanted"
        );
    }
}
