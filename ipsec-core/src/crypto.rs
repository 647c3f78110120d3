//! Ciphers, MACs, PRFs and Diffie-Hellman.
