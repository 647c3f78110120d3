//! The properties of `netsh ipsec dynamic set config`.

use crate::defaults::{self, Defaulted, Mark};
use crate::exempt::ExemptLevel;

/// What a property may hold.
#[derive(Clone, Copy, Debug)]
pub enum PropertyKind {
    /// A number with its limits and its default.
    Number(u32, u32, &'static Defaulted<u32>),
    /// One of these words.
    Word(&'static [&'static str], &'static Defaulted<&'static str>),
    /// `none`, or `protocol:source port:destination port:direction` items between blanks.
    Exemptions(&'static Defaulted<&'static str>),
}

/// One property.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// Its name.
    pub name: &'static str,
    /// What it may hold.
    pub kind: PropertyKind,
    /// Acts only from the next start of the computer on.
    pub at_restart: bool,
    /// How sure we are of the values.
    pub mark: Mark,
    /// What it is for.
    pub meaning: &'static str,
}

/// The names, for the table of commands.
pub const PROPERTY_WORDS: &[&str] = &[
    "ipsecdiagnostics",
    "ikelogging",
    "strongcrlcheck",
    "ipsecloginterval",
    "ipsecexempt",
    "bootmode",
    "bootexemptions",
];

/// All of them, in the same order.
pub const PROPERTIES: &[Property] = &[
    Property {
        name: "ipsecdiagnostics",
        kind: PropertyKind::Number(0, 7, &defaults::DIAGNOSTICS),
        at_restart: false,
        mark: Mark::unconfirmed("7 is read in published guides; the range is common knowledge"),
        meaning: "what the driver logs; 7 is every packet it drops",
    },
    Property {
        name: "ikelogging",
        kind: PropertyKind::Number(0, 1, &defaults::IKE_LOGGING),
        at_restart: false,
        mark: Mark::confirmed("a published guide: at once, and 0 releases the file"),
        meaning: "whether IKE writes its log",
    },
    Property {
        name: "strongcrlcheck",
        kind: PropertyKind::Number(0, 2, &defaults::STRONG_CRL_CHECK),
        at_restart: false,
        mark: Mark::confirmed("later help: 0 off, 1 fail when revoked, 2 fail on any error"),
        meaning: "how certificate revocation is checked",
    },
    Property {
        name: "ipsecloginterval",
        kind: PropertyKind::Number(60, 86_400, &defaults::LOG_INTERVAL),
        at_restart: false,
        mark: Mark::unconfirmed("range from memory"),
        meaning: "seconds between entries in the event log",
    },
    Property {
        name: "ipsecexempt",
        kind: PropertyKind::Number(0, 3, &defaults::EXEMPT),
        at_restart: true,
        mark: Mark::confirmed("TechNet cc756041"),
        meaning: "which traffic no filter touches",
    },
    Property {
        name: "bootmode",
        kind: PropertyKind::Word(&["stateful", "block", "permit"], &defaults::BOOT_MODE),
        at_restart: true,
        mark: Mark::confirmed("TechNet cc783039"),
        meaning: "what the driver does until the service has started",
    },
    Property {
        name: "bootexemptions",
        kind: PropertyKind::Exemptions(&defaults::BOOT_EXEMPTIONS),
        at_restart: true,
        mark: Mark::unconfirmed("form from memory"),
        meaning: "what passes until then",
    },
];

/// The values in force after the next start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// What the driver logs, 0 to 7.
    pub diagnostics: u32,
    /// Whether IKE writes its log.
    pub ike_logging: u32,
    /// 0 off, 1 fail when revoked, 2 fail on any error.
    pub strong_crl_check: u32,
    /// Seconds.
    pub log_interval: u32,
    /// Default exemptions.
    pub exempt: ExemptLevel,
    /// Whether multicast and broadcast that come in are exempt whatever that says: no property, but TechNet cc756041's reading
    /// of Windows Server 2003.
    pub inbound_groups: bool,
    /// `stateful`, `block` or `permit`; `None` is what the computer has by itself.
    pub boot_mode: Option<&'static str>,
    /// What passes at boot; `None` is what the computer has by itself.
    pub boot_exemptions: Option<Vec<BootExemption>>,
}

/// Traffic that passes before the service has started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BootExemption {
    /// IP protocol number.
    pub protocol: u8,
    /// 0 is any.
    pub source_port: u16,
    /// 0 is any.
    pub destination_port: u16,
    /// Whether it is about packets that come in.
    pub inbound: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            diagnostics: defaults::DIAGNOSTICS.value,
            ike_logging: defaults::IKE_LOGGING.value,
            strong_crl_check: defaults::STRONG_CRL_CHECK.value,
            log_interval: defaults::LOG_INTERVAL.value,
            exempt: ExemptLevel::IsakmpOnly,
            inbound_groups: false,
            boot_mode: None,
            boot_exemptions: None,
        }
    }
}

impl Property {
    /// What it may hold, for people.
    #[must_use]
    pub fn values(&self) -> String {
        match self.kind {
            PropertyKind::Number(low, high, _) => format!("{low}..{high}"),
            PropertyKind::Word(words, _) => words.join("|"),
            PropertyKind::Exemptions(_) => {
                "none, or protocol:source port:destination port:inbound|outbound ..., ports 0 but for TCP and UDP"
                    .to_owned()
            }
        }
    }

    /// Its default in netsh's notation.
    #[must_use]
    pub fn default_text(&self) -> String {
        match self.kind {
            PropertyKind::Number(_, _, default) => default.value.to_string(),
            PropertyKind::Word(_, default) | PropertyKind::Exemptions(default) => default.value.to_owned(),
        }
    }

    /// How sure we are of the default.
    #[must_use]
    pub fn default_mark(&self) -> Mark {
        match self.kind {
            PropertyKind::Number(_, _, default) => default.mark(),
            PropertyKind::Word(_, default) | PropertyKind::Exemptions(default) => default.mark(),
        }
    }
}

impl Config {
    /// What passes at boot, whether it was set or not.
    #[must_use]
    pub fn boot_exemptions(&self) -> Vec<BootExemption> {
        let by_default = || BootExemption::parse(defaults::BOOT_EXEMPTIONS.value).into_iter().collect();
        self.boot_exemptions.clone().unwrap_or_else(by_default)
    }

    /// The property with this name, as it is set.
    #[must_use]
    pub fn get(&self, name: &str) -> String {
        let default =
            || PROPERTIES.iter().find(|p| p.name == name).map_or_else(String::new, Property::default_text);
        match name {
            "ipsecdiagnostics" => self.diagnostics.to_string(),
            "ikelogging" => self.ike_logging.to_string(),
            "strongcrlcheck" => self.strong_crl_check.to_string(),
            "ipsecloginterval" => self.log_interval.to_string(),
            "ipsecexempt" => self.exempt.number().to_string(),
            "bootmode" => self.boot_mode.map_or_else(default, str::to_owned),
            _ => match &self.boot_exemptions {
                None => default(),
                Some(list) if list.is_empty() => "none".to_owned(),
                Some(list) => list.iter().map(BootExemption::to_string).collect::<Vec<_>>().join(" "),
            },
        }
    }

    /// Sets a property; the error says what it may hold.
    pub fn set(&mut self, property: &Property, text: &str) -> Result<(), String> {
        let wrong = || property.values();
        match property.kind {
            PropertyKind::Number(low, high, _) => {
                let number = text.parse().ok().filter(|n| (low..=high).contains(n)).ok_or_else(wrong)?;
                match property.name {
                    "ipsecdiagnostics" => self.diagnostics = number,
                    "ikelogging" => self.ike_logging = number,
                    "strongcrlcheck" => self.strong_crl_check = number,
                    "ipsecloginterval" => self.log_interval = number,
                    _ => {
                        let level = u8::try_from(number).ok().and_then(ExemptLevel::from_number);
                        self.exempt = level.ok_or_else(wrong)?;
                    }
                }
            }
            PropertyKind::Word(words, _) => {
                self.boot_mode = Some(one_of(words, text).ok_or_else(wrong)?);
            }
            PropertyKind::Exemptions(_) if text.eq_ignore_ascii_case("none") => {
                self.boot_exemptions = Some(Vec::new());
            }
            PropertyKind::Exemptions(_) => {
                let items: Option<Vec<_>> = text.split_whitespace().map(BootExemption::parse).collect();
                self.boot_exemptions = Some(items.filter(|i| !i.is_empty()).ok_or_else(wrong)?);
            }
        }
        Ok(())
    }
}

/// The word that `text` is, or the only one it is short for.
fn one_of(words: &[&'static str], text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    let mut fits = words.iter().filter(|w| !text.is_empty() && w.starts_with(&text));
    fits.next().filter(|_| fits.next().is_none()).copied()
}

impl BootExemption {
    /// Ports belong to TCP and UDP, as in filters.
    fn parse(text: &str) -> Option<Self> {
        let [protocol, source, destination, direction] =
            text.split(':').collect::<Vec<_>>().try_into().ok()?;
        let protocol = match protocol.to_ascii_lowercase().as_str() {
            "tcp" => 6,
            "udp" => 17,
            "icmp" => 1,
            "raw" => 255,
            number => number.parse().ok().filter(|n| *n > 0)?,
        };
        let inbound = one_of(&["inbound", "outbound"], direction)? == "inbound";
        let (source_port, destination_port) = (source.parse().ok()?, destination.parse().ok()?);
        if !matches!(protocol, 6 | 17) && (source_port, destination_port) != (0, 0) {
            return None;
        }
        Some(Self { protocol, source_port, destination_port, inbound })
    }
}

impl core::fmt::Display for BootExemption {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let protocol = crate::filter::protocol_name(Some(self.protocol));
        let direction = if self.inbound { "inbound" } else { "outbound" };
        write!(f, "{protocol}:{}:{}:{direction}", self.source_port, self.destination_port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_agree_with_the_table() {
        let names: Vec<&str> = PROPERTIES.iter().map(|p| p.name).collect();
        assert_eq!(names, PROPERTY_WORDS);
    }

    /// Setting each property to its default changes nothing that can be read back.
    #[test]
    fn defaults_can_be_set() {
        for property in PROPERTIES {
            let mut config = Config::default();
            assert_eq!(config.get(property.name), property.default_text());
            config.set(property, &property.default_text()).unwrap();
            assert_eq!(config.get(property.name), property.default_text());
            assert!(config.set(property, "nonsense").is_err(), "{}", property.name);
        }
    }

    #[test]
    fn boot_exemptions_are_read_as_filters_are() {
        let read = |text| BootExemption::parse(text).map(|e| e.to_string());
        for (text, shown) in [
            ("TCP:0:3389:inbound", Some("TCP:0:3389:inbound")),
            ("raw:0:0:OUT", Some("RAW:0:0:outbound")),
            ("50:0:0:in", Some("50:0:0:inbound")),
            ("ICMP:0:9:inbound", None),
            ("udp:0:99999:inbound", None),
            ("udp:0:68", None),
            ("udp:0:68:inbound:x", None),
            ("0:0:0:inbound", None),
        ] {
            assert_eq!(read(text).as_deref(), shown, "{text}");
        }
        let mut config = Config::default();
        let boot_mode = PROPERTIES.iter().find(|p| p.name == "bootmode").unwrap();
        config.set(boot_mode, "state").unwrap();
        assert_eq!(config.boot_mode, Some("stateful"));
        assert!(config.set(boot_mode, "").is_err());
    }

    #[test]
    fn ranges_end_where_they_end() {
        let mut config = Config::default();
        for property in PROPERTIES {
            let PropertyKind::Number(low, high, _) = property.kind else { continue };
            assert!(
                config.set(property, &low.to_string()).is_ok()
                    && config.set(property, &high.to_string()).is_ok()
            );
            assert!(config.set(property, &(high + 1).to_string()).is_err(), "{}", property.name);
            assert!(low == 0 || config.set(property, &(low - 1).to_string()).is_err(), "{}", property.name);
        }
    }
}
