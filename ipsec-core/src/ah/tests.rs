//! AH tests.
