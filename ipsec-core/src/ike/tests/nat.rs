//! IKE across NATs: nodes in places, and boxes that translate between them.

mod contact;
mod found;
mod keepalive;
mod moved;
mod world;
