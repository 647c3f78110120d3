//! The committed corpus, replayed on stable Rust.

mod corpus;
