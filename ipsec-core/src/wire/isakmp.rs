//! The Internet Security Association and Key Management Protocol (RFC 2408).
