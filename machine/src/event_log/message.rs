//! The message table: every kind of event with id, source, severity, labels and their order, by release.
//!
//! Sources: the message tables of msaudite.dll, ws03res.dll, netevent.dll and oakley.dll of each release. Ids, severities,
//! labels, their order and the numbers of their places are those; sentences are ours. Marks where no table says something:
//! the category of 613 to 616 and 864 to 867 is that of their successors (inferred); that IKE's own three messages go to the
//! System log is our choice.

use ipsec_policy::Profile;

use crate::audit::Category;

/// A release, as far as its events differ.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Release {
    /// Windows 2000.
    Windows2000,
    /// Windows XP.
    WindowsXp,
    /// Windows Server 2003 with Service Pack 1, whose message tables are known.
    Server2003,
}

impl Release {
    /// All of them, oldest first.
    pub const ALL: [Release; 3] = [Release::Windows2000, Release::WindowsXp, Release::Server2003];

    /// The release of a profile. One that is no Windows writes the events of Windows Server 2003.
    #[must_use]
    pub fn of(profile: &Profile) -> Self {
        match profile.name {
            name if name.starts_with("windows-2000") => Release::Windows2000,
            name if name.starts_with("windows-xp") => Release::WindowsXp,
            _ => Release::Server2003,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Release::Windows2000 => "Windows 2000",
            Release::WindowsXp => "Windows XP",
            Release::Server2003 => "Windows Server 2003",
        }
    }
}

/// A log of the event viewer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Log {
    /// Audits.
    Security,
    /// What drivers and services say.
    System,
}

impl Log {
    /// As the event viewer names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Log::Security => "Security",
            Log::System => "System",
        }
    }
}

/// How serious an event is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// All is well.
    Information,
    /// Something failed.
    Error,
    /// Something audited succeeded.
    SuccessAudit,
    /// Something audited failed.
    FailureAudit,
}

impl Severity {
    /// As the event viewer names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Severity::Information => "Information",
            Severity::Error => "Error",
            Severity::SuccessAudit => "Success Audit",
            Severity::FailureAudit => "Failure Audit",
        }
    }
}

/// What an event is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// 541: a main-mode SA or a pair of quick-mode SAs is established.
    Established,
    /// 542: a pair of quick-mode SAs is gone.
    QuickModeEnded,
    /// 543: a main-mode SA is gone.
    MainModeEnded,
    /// 544: no trust in the peer's certificate.
    NoTrust,
    /// 545: the peer did not prove who it is.
    PeerNotAuthenticated,
    /// 546: the peer's proposal does not fit.
    InvalidProposal,
    /// 547: a negotiation failed.
    NegotiationFailed,
    /// 613: the service started.
    ServiceStarted,
    /// 614: the service is stopped or disabled.
    ServiceDisabled,
    /// 615: the service says something.
    ServiceSays,
    /// 616: the service is in trouble.
    ServiceFailed,
    /// 864: an ICV does not verify.
    IntegrityFailed,
    /// 865: seen before.
    Replayed,
    /// 866: too old to know whether it was seen before.
    TooOld,
    /// 867: clear text that should have been secured.
    ClearText,
    /// 4283: an unknown SPI.
    BadSpi,
    /// 4284: clear text that should have been secured.
    InTheClear,
    /// 4285: an ICV does not verify.
    BadHash,
    /// 4286: bad syntax.
    BadSyntax,
    /// 4287: other protocols than agreed.
    BadProtocol,
    /// 4288: other reasons.
    OtherReason,
    /// 4289: nothing to negotiate for.
    NoFilter,
    /// 4290: an inbound packet was dropped.
    InboundDropped,
    /// 4291: an outbound packet was dropped.
    OutboundDropped,
    /// 4292: the driver blocks.
    EnteredBlock,
    /// 4293: the driver does nothing.
    EnteredBypass,
    /// 4294: the driver applies policy.
    EnteredSecure,
    /// 4295: the driver starts and does nothing.
    StartsBypass,
    /// 4296: the driver starts and blocks.
    StartsBlock,
    /// 4297: the driver starts with stateful filtering.
    StartsStateful,
    /// 507: no credentials for Kerberos.
    NoKerberos,
    /// 654: IKE begins to ask for cookies.
    DosBegins,
    /// 655: IKE asks for cookies no longer.
    DosEnds,
}

/// Who writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writer {
    /// The security subsystem.
    Security,
    /// The IPsec driver.
    Driver,
    /// IKE.
    Oakley,
}

impl Writer {
    /// The event's source.
    #[must_use]
    pub fn source(self, release: Release) -> &'static str {
        match (self, release) {
            (Writer::Security, _) => "Security",
            (Writer::Driver, Release::Windows2000) => "IPSEC",
            (Writer::Driver, _) => "IPSec",
            (Writer::Oakley, _) => "Oakley",
        }
    }
}

/// A part of a message. Places count from 1, as `%1` does in message files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece {
    /// A sentence, with `%n` for its places.
    Say(&'static str),
    /// A label whose value is part of the message.
    Fixed(&'static str, &'static str),
    /// A label, its value on the next line.
    Below(&'static str, usize),
    /// A label, a tab, its value.
    Tab(&'static str, usize),
    /// The same behind a tab.
    Indented(&'static str, usize),
    /// A label, a blank, its value.
    Beside(&'static str, usize),
    /// A value alone on its line.
    Alone(usize),
}

/// One row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message {
    /// What it is about.
    pub kind: Kind,
    /// The releases whose message this is.
    pub releases: &'static [Release],
    /// Its event ID.
    pub id: u32,
    /// The log.
    pub log: Log,
    /// Who writes it.
    pub writer: Writer,
    /// Its severity.
    pub severity: Severity,
    /// The category that is audited; `None` outside the Security log.
    pub category: Option<Category>,
    /// Its parts.
    pub pieces: &'static [Piece],
}

/// The message of this kind, if the release has one.
#[must_use]
pub fn of(kind: Kind, release: Release) -> Option<&'static Message> {
    MESSAGES.iter().find(|m| m.kind == kind && m.releases.contains(&release))
}

/// All messages of a release.
pub fn all(release: Release) -> impl Iterator<Item = &'static Message> {
    MESSAGES.iter().filter(move |m| m.releases.contains(&release))
}

mod table;
use table::MESSAGES;
