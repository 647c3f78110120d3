//! Which events a computer writes to its security log: the audit policy.
