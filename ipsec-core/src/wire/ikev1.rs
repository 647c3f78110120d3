//! Payloads of IKE version 1 (RFC 2408, 2407, 2409).
