//! Fragmentation tests.
