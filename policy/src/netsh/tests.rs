//! Tests of the netsh reader.
