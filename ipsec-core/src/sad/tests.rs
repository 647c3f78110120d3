//! SAD tests.
