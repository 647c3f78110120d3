//! IP Security Monitor and ipsecmon: what they show at one moment, without keys.
