//! IKE across NATs: nodes in places, and boxes that translate between them.

mod aggressive;
mod contact;
mod found;
mod keepalive;
mod moved;
mod pretend;
mod quick_mode;
mod refused;
mod wire;
mod world;
