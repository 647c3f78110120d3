//! What the RFCs demand on the wire, shown on a node by a peer that can lie: see `ipsec-core/requirements.toml`.

mod ah;
mod esp;
mod node;
mod policy;
mod probe;
