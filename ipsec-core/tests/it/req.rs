//! What the RFCs demand on the wire, shown on a node by a peer that can lie: see `ipsec-core/requirements.toml`.

mod ah;
mod esp;
mod informational;
mod main_mode;
mod node;
mod offers;
mod policy;
mod probe;
mod quick_mode;
mod refusals;
