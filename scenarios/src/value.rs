//! Values that scenario files write as text: durations, addresses with prefixes, probabilities.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use ipsec_core::selector::Prefix;
use serde::{Deserialize, Deserializer, de};

/// A duration written as `20ms`: a whole number and one of `ns`, `us`, `ms`, `s`, `m`, `h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || {
            format!("`{text}` is no duration: write a whole number and ns, us, ms, s, m or h, as in `20ms`")
        };
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wanted)?;
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wanted())?;
        let nanos = match unit {
            "ns" => 1,
            "us" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(wanted()),
        };
        number.checked_mul(nanos).map(|n| Span(Duration::from_nanos(n))).ok_or_else(wanted)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        for (unit, size) in [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)] {
            if nanos.is_multiple_of(size) {
                return write!(f, "{}{unit}", nanos / size);
            }
        }
        write!(f, "{nanos}ns")
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

/// An address with a prefix length, as in `10.1.0.10/16`; the host part stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net(pub Prefix);

impl FromStr for Net {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("`{text}` is no address with a prefix length, as in `10.1.0.10/16`");
        let net: IpNet = text.parse().map_err(|_| wanted())?;
        Ok(Net(Prefix { address: net.addr(), len: net.prefix_len() }))
    }
}

impl<'de> Deserialize<'de> for Net {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

/// A probability in parts per million: `10%`, `0.5%` or `2500ppm`. No floating point: runs must not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ppm(pub u32);

impl FromStr for Ppm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted =
            || format!("`{text}` is no probability: write it as `10%`, `0.5%` or `2500ppm`, at most 100%");
        let ppm = if let Some(number) = text.strip_suffix("ppm") {
            number.parse().map_err(|_| wanted())?
        } else {
            let number = text.strip_suffix('%').unwrap_or(text);
            if text == number && text != "0" {
                return Err(wanted());
            }
            let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
            let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
            if !digits(whole) || !digits(fraction) || fraction.len() > 4 {
                return Err(wanted());
            }
            let whole: u32 = whole.parse().map_err(|_| wanted())?;
            let fraction: u32 = format!("{fraction:0<4}").parse().map_err(|_| wanted())?;
            whole.checked_mul(10_000).and_then(|w| w.checked_add(fraction)).ok_or_else(wanted)?
        };
        if ppm > 1_000_000 { Err(wanted()) } else { Ok(Ppm(ppm)) }
    }
}

impl fmt::Display for Ppm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / 10_000, self.0 % 10_000);
        if fraction == 0 {
            write!(f, "{whole}%")
        } else {
            write!(f, "{whole}.{}%", format!("{fraction:04}").trim_end_matches('0'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_their_unit() {
        assert_eq!("20ms".parse(), Ok(Span(Duration::from_millis(20))));
        assert_eq!("480m".parse(), Ok(Span(Duration::from_secs(28_800))));
        for wrong in ["", "20", "ms", "1.5s", "-1s", "99999999999999999999h", "18446744073709551615s"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
        assert_eq!(Span(Duration::from_micros(100)).to_string(), "100us");
        assert_eq!(Span(Duration::from_secs(2)).to_string(), "2s");
    }

    #[test]
    fn probabilities_are_exact() {
        for (text, ppm) in
            [("10%", 100_000), ("0.5%", 5_000), ("100%", 1_000_000), ("2500ppm", 2_500), ("0", 0)]
        {
            assert_eq!(text.parse(), Ok(Ppm(ppm)), "{text}");
        }
        for wrong in ["", "10", "%", "101%", "1000001ppm", "-1%", "0.00001%", "ten%", "0.%", "+5%"] {
            assert!(wrong.parse::<Ppm>().is_err(), "{wrong}");
        }
        assert_eq!(Ppm(100_000).to_string(), "10%");
        assert_eq!(Ppm(5_000).to_string(), "0.5%");
    }
}
