//! The rows.

use super::Kind as K;
use super::Piece::{Alone, Below, Beside, Fixed, Indented, Say, Tab};
use super::{Log, Message, Piece, Release, Severity, Writer};
use crate::audit::Category;

const ALL: &[Release] = &Release::ALL;
const W2K: &[Release] = &[Release::Windows2000];
const XP_ON: &[Release] = &[Release::WindowsXp, Release::Server2003];
const SERVER_2003: &[Release] = &[Release::Server2003];

/// Ends 4283 to 4288.
const GLITCH: Piece = Say(
    "Once is no reason to worry. If it goes on, restart the IPSec Policy Agent service of this computer.",
);

pub(super) const MESSAGES: &[Message] = &[
    logon(
        K::Established,
        541,
        true,
        ALL,
        &[
            Say("IKE security association established."),
            Below("Mode:", 1),
            Below("Peer Identity:", 2),
            Below("Filter:", 3),
            Below("Parameters:", 4),
        ],
    ),
    logon(
        K::QuickModeEnded,
        542,
        true,
        ALL,
        &[
            Say("IKE security association ended."),
            Fixed("Mode:", "Data Protection (Quick mode)"),
            Below("Filter:", 1),
            Below("Inbound SPI:", 2),
            Below("Outbound SPI:", 3),
        ],
    ),
    logon(
        K::MainModeEnded,
        543,
        true,
        ALL,
        &[
            Say("IKE security association ended."),
            Fixed("Mode:", "Key Exchange (Main mode)"),
            Below("Filter:", 1),
        ],
    ),
    logon(
        K::NoTrust,
        544,
        false,
        ALL,
        &[
            Say(
                "No IKE security association: there is no trust in the certificate that the peer authenticates with.",
            ),
            Below("Peer Identity:", 1),
            Below("Filter:", 2),
        ],
    ),
    logon(
        K::PeerNotAuthenticated,
        545,
        false,
        ALL,
        &[Say("IKE peer authentication failed."), Below("Peer Identity:", 1), Below("Filter:", 2)],
    ),
    logon(
        K::InvalidProposal,
        546,
        false,
        ALL,
        &[
            Say("No IKE security association: what the peer proposes does not fit."),
            Below("Mode:", 1),
            Below("Filter:", 2),
            Below("Attribute:", 3),
            Below("Expected value:", 4),
            Below("Received value:", 5),
        ],
    ),
    logon(
        K::NegotiationFailed,
        547,
        false,
        W2K,
        &[
            Say("IKE security association negotiation failed."),
            Below("Mode:", 1),
            Below("Filter:", 2),
            Below("Failure Point:", 3),
            Below("Failure Reason:", 4),
        ],
    ),
    logon(
        K::NegotiationFailed,
        547,
        false,
        XP_ON,
        &[
            Say("IKE security association negotiation failed."),
            Below("Mode:", 1),
            Below("Filter:", 2),
            Below("Peer Identity:", 3),
            Below("Failure Point:", 4),
            Below("Failure Reason:", 5),
            Below("Extra Status:", 6),
        ],
    ),
    service(
        K::ServiceStarted,
        613,
        true,
        W2K,
        &[Tab("IPSec policy agent started:", 1), Tab("Policy Source:", 2), Alone(3)],
    ),
    service(
        K::ServiceStarted,
        613,
        true,
        XP_ON,
        &[Tab("IPSec Services started:", 1), Tab("Policy Source:", 2), Alone(3)],
    ),
    service(K::ServiceDisabled, 614, true, W2K, &[Tab("IPSec policy agent disabled:", 1), Alone(2)]),
    service(K::ServiceDisabled, 614, true, XP_ON, &[Tab("IPSec Services disabled:", 1), Alone(2)]),
    service(K::ServiceSays, 615, true, W2K, &[Tab("IPSEC PolicyAgent Service:", 1)]),
    service(K::ServiceSays, 615, true, XP_ON, &[Tab("IPSec Services:", 1)]),
    service(
        K::ServiceFailed,
        616,
        false,
        W2K,
        &[Say("IPSec policy agent is in trouble that may be serious."), Alone(1)],
    ),
    service(
        K::ServiceFailed,
        616,
        false,
        XP_ON,
        &[Say("IPSec Services is in trouble that may be serious."), Alone(1)],
    ),
    check(
        K::IntegrityFailed,
        864,
        &[
            Say("IPSec: inbound packets failed the integrity check:"),
            Indented("Packet Source:", 1),
            Indented("Inbound SA:", 2),
            Indented("Number Of Packets:", 3),
            Say("If it goes on, the network is bad or somebody alters packets on their way."),
        ],
    ),
    check(
        K::Replayed,
        865,
        &[
            Say("IPSec: inbound packets failed the replay check:"),
            Indented("Packet Source:", 1),
            Indented("Inbound SA:", 2),
            Indented("Number of Packets:", 3),
            Say(
                "Their sequence numbers were those of packets seen before. If it goes on, somebody may replay them.",
            ),
        ],
    ),
    check(
        K::TooOld,
        866,
        &[
            Say(
                "IPSec: inbound packets failed the replay check, too old to tell whether they were seen before:",
            ),
            Indented("Packet Source:", 1),
            Indented("Inbound SA:", 2),
            Indented("Number of Packets:", 3),
        ],
    ),
    check(
        K::ClearText,
        867,
        &[
            Say("IPSec: inbound packets came in clear that should have been secured:"),
            Indented("Packet Source:", 1),
            Indented("Inbound SA:", 2),
            Indented("Number of Packets:", 3),
        ],
    ),
    driver(K::BadSpi, 4283, ALL, &[Say("Received %2 packet(s) with a bad SPI from %3."), GLITCH]),
    driver(
        K::InTheClear,
        4284,
        ALL,
        &[Say("Received %2 packet(s) from %3 in clear that should be secured."), GLITCH],
    ),
    driver(
        K::BadHash,
        4285,
        ALL,
        &[Say("The hash of %2 packet(s) received from %3 does not verify."), GLITCH],
    ),
    driver(K::BadSyntax, 4286, ALL, &[Say("Received %2 packet(s) from %3 with bad syntax."), GLITCH]),
    driver(
        K::BadProtocol,
        4287,
        ALL,
        &[Say("Received %2 packet(s) from %3 with an improper protocol."), GLITCH],
    ),
    driver(
        K::OtherReason,
        4288,
        ALL,
        &[Say("IPSec refused %2 packet(s) received from %3 for another reason."), GLITCH],
    ),
    driver(
        K::NoFilter,
        4289,
        ALL,
        &[
            Say(
                "The oakley negotiation with %2 failed in the IPSec driver: no filter protects packets to there.",
            ),
            Say("See whether a filter of this computer matches that destination."),
        ],
    ),
    inform(
        K::InboundDropped,
        4290,
        XP_ON,
        &[
            Say("The IPSec driver has dropped this inbound packet:"),
            Beside("Source IP Address:", 2),
            Beside("Destination IP Address:", 3),
            Beside("Protocol:", 4),
            Beside("Source Port:", 5),
            Beside("Destination Port:", 6),
            Fixed("Offset for IPSec status code:", "0x14"),
            Fixed("Offset for Offload status code:", "0x10"),
            Fixed("Offset for Offload flags(0=no offload):", "0x20"),
            Fixed("Offset for packet start:", "0x28"),
        ],
    ),
    inform(
        K::OutboundDropped,
        4291,
        XP_ON,
        &[
            Say("The IPSec driver has dropped this outbound packet:"),
            Beside("Source IP Address:", 2),
            Beside("Destination IP Address:", 3),
            Beside("Protocol:", 4),
            Beside("Source Port:", 5),
            Beside("Destination Port:", 6),
            Fixed("Offset for IPSec status code:", "0x14"),
            Fixed("Offset for Offload status code:", "0x10"),
            Fixed("Offset for Offload flags:", "0x20"),
            Fixed("Offset for packet start:", "0x28"),
        ],
    ),
    driver(
        K::EnteredBlock,
        4292,
        SERVER_2003,
        &[
            Say(
                "The IPSec driver is in Block mode now. It discards all TCP/IP packets but those of boot exemptions.",
            ),
            Say(
                "User Action: to have unsecured TCP/IP back, disable IPSec Services and restart the computer.",
            ),
        ],
    ),
    inform(
        K::EnteredBypass,
        4293,
        SERVER_2003,
        &[Say("The IPSec driver is in Bypass mode now. This computer has no protection by IPSec.")],
    ),
    inform(
        K::EnteredSecure,
        4294,
        SERVER_2003,
        &[Say("The IPSec driver is in Secure mode now. IPSec policies, where there are any, are in force.")],
    ),
    inform(
        K::StartsBypass,
        4295,
        SERVER_2003,
        &[Say(
            "The IPSec driver starts in Bypass mode. Until IPSec Services has started there is no protection.",
        )],
    ),
    inform(
        K::StartsBlock,
        4296,
        SERVER_2003,
        &[
            Say(
                "The IPSec driver starts in Block mode. While the computer starts, only boot exemptions pass.",
            ),
            Say("The bootexemptions command makes them: \"netsh ipsec dynamic set config /?\" tells how."),
        ],
    ),
    inform(
        K::StartsStateful,
        4297,
        SERVER_2003,
        &[
            Say(
                "The IPSec driver starts in Stateful mode. While the computer starts, only answers to what it began",
            ),
            Say(
                "itself and boot exemptions pass: \"netsh ipsec dynamic set config /?\" tells how to make them.",
            ),
        ],
    ),
    oakley(
        K::NoKerberos,
        507,
        W2K,
        &[Say("There are no Kerberos credentials for IKE. In a workgroup that is normal.")],
    ),
    oakley(
        K::DosBegins,
        654,
        XP_ON,
        &[
            Say(
                "Very many negotiations of IKE have begun and not gone on: denial of service prevention begins.",
            ),
            Say(
                "High load is one reason. If it is an attack, many failed negotiations with forged addresses are audited.",
            ),
        ],
    ),
    oakley(K::DosEnds, 655, XP_ON, &[Say("IKE has left denial of service prevention and works as always.")]),
];

const fn audit(success: bool) -> Severity {
    if success { Severity::SuccessAudit } else { Severity::FailureAudit }
}

/// An event of IKE.
const fn logon(
    kind: K,
    id: u32,
    success: bool,
    releases: &'static [Release],
    pieces: &'static [Piece],
) -> Message {
    let category = Some(Category::LogonEvents);
    Message {
        kind,
        releases,
        id,
        log: Log::Security,
        writer: Writer::Security,
        severity: audit(success),
        category,
        pieces,
    }
}

/// An event of the service.
const fn service(
    kind: K,
    id: u32,
    success: bool,
    releases: &'static [Release],
    pieces: &'static [Piece],
) -> Message {
    Message { category: Some(Category::PolicyChange), ..logon(kind, id, success, releases, pieces) }
}

/// A late check of the driver.
const fn check(kind: K, id: u32, pieces: &'static [Piece]) -> Message {
    Message { category: Some(Category::SystemEvents), ..logon(kind, id, false, SERVER_2003, pieces) }
}

/// An error of the driver.
const fn driver(kind: K, id: u32, releases: &'static [Release], pieces: &'static [Piece]) -> Message {
    let (log, writer, severity) = (Log::System, Writer::Driver, Severity::Error);
    Message { kind, releases, id, log, writer, severity, category: None, pieces }
}

/// Something the driver tells.
const fn inform(kind: K, id: u32, releases: &'static [Release], pieces: &'static [Piece]) -> Message {
    Message { severity: Severity::Information, ..driver(kind, id, releases, pieces) }
}

/// Something IKE tells.
const fn oakley(kind: K, id: u32, releases: &'static [Release], pieces: &'static [Piece]) -> Message {
    Message { writer: Writer::Oakley, ..inform(kind, id, releases, pieces) }
}
