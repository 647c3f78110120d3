//! Placeholder crate docs, replaced by the first real module.
