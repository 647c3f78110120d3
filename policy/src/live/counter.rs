//! The counters of a running computer: one value each, whatever a release's tools call it.
//!
//! The names are those of the snap-in IP Security Monitor of Windows Server 2003 (TechNet cc737334; of the driver's names
//! only some are confirmed). Where a meaning is our own choice, the doc comment of the value in
//! [`IkeCounters`](ipsec_core::IkeCounters) says so.

use std::collections::BTreeMap;

use ipsec_core::Status;

/// One counter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Counter {
    /// Negotiations that packets wait for now.
    ActiveAcquire,
    /// IKE messages that wait to be handled: none, they are handled as they come.
    ActiveReceive,
    /// Negotiations that came to nothing.
    AcquireFailures,
    /// IKE messages that could not be taken.
    ReceiveFailures,
    /// IKE messages that could not be sent.
    SendFailures,
    /// Negotiations that wait for an ISAKMP SA.
    AcquireHeapSize,
    /// Parts of IKE messages that wait for the rest.
    ReceiveHeapSize,
    /// Identities, keys or methods that did not fit.
    AuthenticationFailures,
    /// Negotiations that ended without an SA.
    NegotiationFailures,
    /// Messages of no known ISAKMP SA.
    InvalidCookiesReceived,
    /// Negotiations asked for.
    TotalAcquire,
    /// SPIs asked for.
    TotalGetSpi,
    /// Outbound SAs given to the driver.
    KeyAdditions,
    /// Inbound SAs given to the driver.
    KeyUpdates,
    /// SPIs that could not be had: none, there are enough.
    GetSpiFailures,
    /// Outbound SAs that the driver refused.
    KeyAdditionFailures,
    /// Inbound SAs that the driver refused.
    KeyUpdateFailures,
    /// ISAKMP SAs that are held, established or not.
    IsadbListSize,
    /// Pairs of SAs that IKE holds.
    ConnectionListSize,
    /// ISAKMP SAs established.
    MainModes,
    /// Pairs of SAs established.
    QuickModes,
    /// Times that a peer was found to have no IPsec.
    SoftAssociations,
    /// Messages that do not decode or break a rule.
    InvalidPacketsReceived,
    /// Pairs of SAs there are now.
    ActiveAssociations,
    /// Of these, the ones that a network adapter works for.
    OffloadedAssociations,
    /// SPIs that wait for their SA.
    PendingKeyOperations,
    /// Pairs of SAs that are gone.
    KeyDeletions,
    /// Pairs that replaced another.
    Rekeys,
    /// Pairs of tunnel mode there are now.
    ActiveTunnels,
    /// Packets with an SPI that no SA has.
    BadSpiPackets,
    /// Packets that do not make sense once decrypted.
    PacketsNotDecrypted,
    /// Packets whose integrity check failed.
    PacketsNotAuthenticated,
    /// Packets seen before, or too late.
    PacketsWithReplayDetection,
    /// Octets sent on SAs that encrypt.
    ConfidentialBytesSent,
    /// Octets received on SAs that encrypt.
    ConfidentialBytesReceived,
    /// Octets sent on SAs that authenticate.
    AuthenticatedBytesSent,
    /// Octets received on SAs that authenticate.
    AuthenticatedBytesReceived,
    /// Octets sent in transport mode.
    TransportBytesSent,
    /// Octets received in transport mode.
    TransportBytesReceived,
    /// Octets sent in tunnel mode.
    BytesSentInTunnels,
    /// Octets received in tunnel mode.
    BytesReceivedInTunnels,
    /// Octets that a network adapter sealed.
    OffloadedBytesSent,
    /// Octets that a network adapter opened.
    OffloadedBytesReceived,
}

impl Counter {
    /// What IKE counts, in the order of the snap-in of Windows Server 2003.
    pub const IKE: [Self; 23] = [
        Self::ActiveAcquire,
        Self::ActiveReceive,
        Self::AcquireFailures,
        Self::ReceiveFailures,
        Self::SendFailures,
        Self::AcquireHeapSize,
        Self::ReceiveHeapSize,
        Self::AuthenticationFailures,
        Self::NegotiationFailures,
        Self::InvalidCookiesReceived,
        Self::TotalAcquire,
        Self::TotalGetSpi,
        Self::KeyAdditions,
        Self::KeyUpdates,
        Self::GetSpiFailures,
        Self::KeyAdditionFailures,
        Self::KeyUpdateFailures,
        Self::IsadbListSize,
        Self::ConnectionListSize,
        Self::MainModes,
        Self::QuickModes,
        Self::SoftAssociations,
        Self::InvalidPacketsReceived,
    ];

    /// What the driver counts, likewise.
    pub const DRIVER: [Self; 21] = [
        Self::ActiveAssociations,
        Self::OffloadedAssociations,
        Self::PendingKeyOperations,
        Self::KeyAdditions,
        Self::KeyDeletions,
        Self::Rekeys,
        Self::ActiveTunnels,
        Self::BadSpiPackets,
        Self::PacketsNotDecrypted,
        Self::PacketsNotAuthenticated,
        Self::PacketsWithReplayDetection,
        Self::ConfidentialBytesSent,
        Self::ConfidentialBytesReceived,
        Self::AuthenticatedBytesSent,
        Self::AuthenticatedBytesReceived,
        Self::TransportBytesSent,
        Self::TransportBytesReceived,
        Self::BytesSentInTunnels,
        Self::BytesReceivedInTunnels,
        Self::OffloadedBytesSent,
        Self::OffloadedBytesReceived,
    ];

    /// Its name in the snap-in of Windows Server 2003.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ActiveAcquire => "Active Acquire",
            Self::ActiveReceive => "Active Receive",
            Self::AcquireFailures => "Acquire Failures",
            Self::ReceiveFailures => "Receive Failures",
            Self::SendFailures => "Send Failures",
            Self::AcquireHeapSize => "Acquire Heap Size",
            Self::ReceiveHeapSize => "Receive Heap Size",
            Self::AuthenticationFailures => "Authentication Failures",
            Self::NegotiationFailures => "Negotiation Failures",
            Self::InvalidCookiesReceived => "Invalid Cookies Received",
            Self::TotalAcquire => "Total Acquire",
            Self::TotalGetSpi => "Total Get SPI",
            Self::KeyAdditions => "Key Additions",
            Self::KeyUpdates => "Key Updates",
            Self::GetSpiFailures => "Get SPI Failures",
            Self::KeyAdditionFailures => "Key Addition Failures",
            Self::KeyUpdateFailures => "Key Update Failures",
            Self::IsadbListSize => "ISADB List Size",
            Self::ConnectionListSize => "Connection List Size",
            Self::MainModes => "IKE Main Mode",
            Self::QuickModes => "IKE Quick Mode",
            Self::SoftAssociations => "Soft Associations",
            Self::InvalidPacketsReceived => "Invalid Packets Received",
            Self::ActiveAssociations => "Active Security Associations",
            Self::OffloadedAssociations => "Offloaded Security Associations",
            Self::PendingKeyOperations => "Pending Key Operations",
            Self::KeyDeletions => "Key Deletions",
            Self::Rekeys => "Rekeys",
            Self::ActiveTunnels => "Active Tunnels",
            Self::BadSpiPackets => "Bad SPI Packets",
            Self::PacketsNotDecrypted => "Packets Not Decrypted",
            Self::PacketsNotAuthenticated => "Packets Not Authenticated",
            Self::PacketsWithReplayDetection => "Packets With Replay Detection",
            Self::ConfidentialBytesSent => "Confidential Bytes Sent",
            Self::ConfidentialBytesReceived => "Confidential Bytes Received",
            Self::AuthenticatedBytesSent => "Authenticated Bytes Sent",
            Self::AuthenticatedBytesReceived => "Authenticated Bytes Received",
            Self::TransportBytesSent => "Transport Bytes Sent",
            Self::TransportBytesReceived => "Transport Bytes Received",
            Self::BytesSentInTunnels => "Bytes Sent In Tunnels",
            Self::BytesReceivedInTunnels => "Bytes Received In Tunnels",
            Self::OffloadedBytesSent => "Offloaded Bytes Sent",
            Self::OffloadedBytesReceived => "Offloaded Bytes Received",
        }
    }

    /// Its label in `netsh ipsec dynamic show stats`, whose rows are of the type `Active Assoc : n`; other labels are not
    /// known from any source.
    #[must_use]
    pub const fn netsh_label(self) -> &'static str {
        match self {
            Self::ActiveAssociations => "Active Assoc",
            Self::OffloadedAssociations => "Offloaded Assoc",
            Self::PendingKeyOperations => "Pending Key",
            other => other.name(),
        }
    }
}

/// The value of every counter at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counts(BTreeMap<Counter, u64>);

impl Counts {
    /// One value.
    #[must_use]
    pub fn of(&self, counter: Counter) -> u64 {
        self.0.get(&counter).copied().unwrap_or(0)
    }

    /// All of them as they are now.
    #[must_use]
    pub fn new(status: &Status<'_>) -> Self {
        let mut all = BTreeMap::new();
        all.extend(ike(status));
        all.extend(driver(status));
        Self(all)
    }
}

fn number(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn ike(status: &Status<'_>) -> [(Counter, u64); 23] {
    let (count, sizes) = (status.ike_counters(), status.ike());
    [
        (Counter::ActiveAcquire, number(status.pending().count())),
        (Counter::ActiveReceive, 0),
        (Counter::AcquireFailures, count.acquire_failures),
        (Counter::ReceiveFailures, count.receive_failures),
        (Counter::SendFailures, count.send_failures),
        (Counter::AcquireHeapSize, number(sizes.waiting)),
        (Counter::ReceiveHeapSize, number(sizes.fragments)),
        (Counter::AuthenticationFailures, count.authentication_failures),
        (Counter::NegotiationFailures, count.negotiation_failures),
        (Counter::InvalidCookiesReceived, count.invalid_cookies),
        (Counter::TotalAcquire, count.acquires),
        (Counter::TotalGetSpi, count.spis),
        (Counter::KeyAdditions, count.key_additions),
        (Counter::KeyUpdates, count.key_updates),
        (Counter::GetSpiFailures, 0),
        (Counter::KeyAdditionFailures, count.key_addition_failures),
        (Counter::KeyUpdateFailures, count.key_update_failures),
        (Counter::IsadbListSize, number(sizes.isakmp_sas)),
        (Counter::ConnectionListSize, number(sizes.pairs)),
        (Counter::MainModes, count.main_modes),
        (Counter::QuickModes, count.quick_modes),
        (Counter::SoftAssociations, count.soft_associations),
        (Counter::InvalidPacketsReceived, count.invalid_packets),
    ]
}

fn driver(status: &Status<'_>) -> [(Counter, u64); 20] {
    let (count, traffic) = (status.ike_counters(), status.traffic());
    let dropped =
        |names: &[&str]| status.drops().filter(|(name, _)| names.contains(name)).map(|(_, n)| n).sum();
    let tunnels = status.pairs().filter(|pair| !pair.is_transport()).count();
    [
        (Counter::ActiveAssociations, number(status.pairs().count())),
        (
            Counter::OffloadedAssociations,
            number(status.pairs().filter(|pair| pair.offload.is_some()).count()),
        ),
        (Counter::PendingKeyOperations, number(status.reserved_spis())),
        (Counter::KeyDeletions, count.key_deletions),
        (Counter::Rekeys, count.rekeys),
        (Counter::ActiveTunnels, number(tunnels)),
        (Counter::BadSpiPackets, dropped(&["unknown-spi"])),
        (Counter::PacketsNotDecrypted, dropped(&["bad-padding", "bad-length"])),
        (Counter::PacketsNotAuthenticated, dropped(&["integrity-failed"])),
        (Counter::PacketsWithReplayDetection, dropped(&["replayed", "too-old"])),
        (Counter::ConfidentialBytesSent, traffic.sent.confidential),
        (Counter::ConfidentialBytesReceived, traffic.received.confidential),
        (Counter::AuthenticatedBytesSent, traffic.sent.authenticated),
        (Counter::AuthenticatedBytesReceived, traffic.received.authenticated),
        (Counter::TransportBytesSent, traffic.sent.transport),
        (Counter::TransportBytesReceived, traffic.received.transport),
        (Counter::BytesSentInTunnels, traffic.sent.tunnel),
        (Counter::BytesReceivedInTunnels, traffic.received.tunnel),
        (Counter::OffloadedBytesSent, status.processed().hardware_sent),
        (Counter::OffloadedBytesReceived, status.processed().hardware_received),
    ]
}
