//! ESP tests.
