//! The computer: its release, its stores, its services, its network, its logs.
