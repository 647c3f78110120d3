//! IKE across NATs: nodes in places, and boxes that translate between them.

mod found;
mod world;
