//! Wireshark as an independent judge.
