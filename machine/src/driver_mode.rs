//! What the IPsec driver does before the Policy Agent has given it a policy: permit, block, stateful.
