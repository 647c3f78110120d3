//! The Oakley log: what IKE writes for people who look for a fault.
