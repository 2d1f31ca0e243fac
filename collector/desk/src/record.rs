//! What the registers tell: filters, lists, hosts, tokens, audit lines. Plain data between ledger and pages.

use crate::{
    model::{AlertState, Arrival, Page, Person, Role, TicketState},
    planned::PlannedKind,
};
use serde::{Deserialize, Serialize};
use tocsin_vocabulary::{
    AssetId, ContractId, CustomerId, DiagnosisId, DocumentId, HostId, Importance, PersonId, Severity, SiteId, TicketId,
    Timestamp, TokenId,
};

/// A slice of a long list; `next` asks for the following one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct List<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Opaque cursor, none at the end.
    pub next: Option<String>,
}

/// How many rows, after which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Cursor from the list before.
    pub after: Option<String>,
    /// At most this many rows, 1–500.
    pub limit: u32,
}

impl Default for Slice {
    fn default() -> Self {
        Self {
            after: None,
            limit: 100,
        }
    }
}

/// Which tickets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TicketFilter {
    /// In one of these states; empty: any.
    pub states: Vec<TicketState>,
    /// Of this host.
    pub host: Option<HostId>,
    /// Of this customer; always set for a customer's own people.
    pub customer: Option<CustomerId>,
    /// Assigned to.
    pub assignee: Option<PersonId>,
    /// Rows.
    pub slice: Slice,
}

/// Which alerts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlertFilter {
    /// Raised or cleared; none: both.
    pub state: Option<AlertState>,
    /// Of this host.
    pub host: Option<HostId>,
    /// Of this customer.
    pub customer: Option<CustomerId>,
    /// Holding at some time in this span.
    pub from: Option<Timestamp>,
    /// End of the span.
    pub to: Option<Timestamp>,
    /// How what raised it reached the collector; none: however.
    pub arrival: Option<Arrival>,
    /// Rows.
    pub slice: Slice,
}

/// Which silences, windows and guarded periods.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlannedFilter {
    /// Of this kind; none: all three.
    pub kind: Option<PlannedKind>,
    /// Only those that have not ended.
    pub open_only: bool,
    /// Rows, newest first.
    pub slice: Slice,
}

/// Which faults.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FaultFilter {
    /// Of this host's asset.
    pub asset: Option<AssetId>,
    /// Of this customer.
    pub customer: Option<CustomerId>,
    /// Only those that have not cleared.
    pub open_only: bool,
    /// Rows.
    pub slice: Slice,
}

/// What a host said of itself. Data from a monitored host: shown escaped, used as nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HostFacts {
    /// As `uname -n`.
    pub hostname: String,
    /// Such as `Debian GNU/Linux 12 (bookworm)`.
    pub os: String,
    /// Kernel release.
    pub kernel: String,
    /// Such as `x86_64`.
    pub architecture: String,
    /// Processor model.
    pub cpu_model: String,
    /// Logical processors.
    pub cpu_count: u32,
    /// Physical memory.
    pub memory_bytes: u64,
    /// SHA-256 of the machine id.
    pub machine_id: String,
    /// When it booted.
    pub boot_time: Timestamp,
    /// Version of its agent.
    pub agent_version: String,
    /// IP addresses.
    pub addresses: Vec<String>,
}

/// A host in the register.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostRecord {
    /// Its identity.
    pub id: HostId,
    /// The asset that it is.
    pub asset: AssetId,
    /// What people call it; the hostname at first.
    pub name: String,
    /// Whose it is.
    pub customer: CustomerId,
    /// The customer's name.
    pub customer_name: String,
    /// What covers it.
    pub contract: ContractId,
    /// Where it stands.
    pub site: SiteId,
    /// The site's name.
    pub site_name: String,
    /// How much it matters.
    pub importance: Importance,
    /// What it said of itself.
    pub facts: HostFacts,
    /// Free words for rules and filters.
    pub tags: Vec<String>,
    /// When it was enrolled.
    pub enrolled_at: Timestamp,
    /// When its newest certificate ends.
    pub certificate_until: Timestamp,
    /// Number of certificates given.
    pub generation: u64,
    /// When it was shut out; none while it is welcome.
    pub revoked_at: Option<Timestamp>,
    /// Its tick interval in milliseconds as it last said; 0 before the first stream.
    pub interval_ms: u64,
    /// When it was last heard, as last written.
    pub last_seen_at: Option<Timestamp>,
}

/// A new enrolment token: only the hash of its secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEnrolToken {
    /// Its id.
    pub id: TokenId,
    /// SHA-256 of the secret, hex.
    pub secret_hash: String,
    /// Name that the host will bear; empty: its hostname.
    pub host_name: String,
    /// Customer, or none for the default one.
    pub customer: Option<CustomerId>,
    /// Who made it.
    pub made_by: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it is no longer good.
    pub expires_at: Timestamp,
}

/// What the desk knows about a token that was shown, after it was used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redeemed {
    /// It was good, and is now used.
    Good {
        /// Name that the host will bear; empty: its hostname.
        host_name: String,
        /// Customer, or none for the default one.
        customer: Option<CustomerId>,
    },
    /// Nobody made it.
    Unknown,
    /// It was used before.
    Used {
        /// When.
        at: Timestamp,
    },
    /// It is too old.
    Expired {
        /// Since when.
        at: Timestamp,
    },
}

/// A person with what is needed to check their password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who.
    pub person: Person,
    /// Argon2id, PHC string; empty: cannot sign in by password.
    pub password_hash: String,
    /// No try counts before this time.
    pub locked_until: Option<Timestamp>,
}

/// Who a session or token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// The person, or for an API token the person who made it.
    pub person: Person,
    /// What this session or token may do; never more than the person may.
    pub role: Role,
}

/// One line of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    /// When.
    pub at: Timestamp,
    /// Login of the person, or `system`.
    pub actor: String,
    /// `console`, `api`, `link`, `cli`, `agent`, `system`.
    pub via: String,
    /// Such as `token.create`, `ticket.accept`, `session.begin`.
    pub action: String,
    /// What it was done to.
    pub subject: String,
    /// More, never a secret.
    pub detail: String,
}

/// A page with the name of whom it went to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PageRecord {
    /// The page.
    pub page: Page,
    /// To whom.
    pub person_name: String,
}

/// Which pages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageFilter {
    /// To this person.
    pub person: Option<PersonId>,
    /// About this ticket.
    pub ticket: Option<TicketId>,
    /// Over this destination.
    pub destination: Option<String>,
    /// Rows, newest first.
    pub slice: Slice,
}

/// A discrete happening on a host: a process group that went, a clock that jumped, an agent that started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// 1, 2, 3 … per spool of the host.
    pub seq: u64,
    /// When, by the host's clock.
    pub at: Timestamp,
    /// When it arrived here.
    pub received_at: Timestamp,
    /// Such as `process.group.gone`.
    pub name: String,
    /// How bad.
    pub severity: Severity,
    /// What it concerns.
    pub attributes: std::collections::BTreeMap<String, String>,
    /// More, in words.
    pub body: String,
}

/// One version of a document of a host. All its words come from a monitored host: shown escaped, used as nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentRecord {
    /// Its id; ids rise with arrival.
    pub id: DocumentId,
    /// Whose.
    pub host: HostId,
    /// `parts`, `inventory`, `file`, `diagnosis`.
    pub kind: String,
    /// Which one of its kind, such as a path; empty when there is one only.
    pub name: String,
    /// When it came to be, by the host's clock.
    pub at: Timestamp,
    /// When it arrived here.
    pub received_at: Timestamp,
    /// SHA-256 of the content, hex.
    pub hash: String,
    /// Of the content, in bytes.
    pub size: u64,
    /// `application/json` or `text/plain`.
    pub media: String,
    /// What is known beside it, such as a file's owner.
    pub attributes: std::collections::BTreeMap<String, String>,
}

/// A diagnostic snapshot that was asked for, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiagnosisRecord {
    /// Its id, which the host's agent gives back.
    pub id: DiagnosisId,
    /// Of which host.
    pub host: HostId,
    /// For which ticket; none when somebody merely wanted to look.
    pub ticket: Option<TicketId>,
    /// Login of whoever asked, or `system`.
    pub asked_by: String,
    /// When.
    pub asked_at: Timestamp,
    /// The snapshot, once it came.
    pub document: Option<DocumentId>,
    /// When it came.
    pub received_at: Option<Timestamp>,
    /// The host's administrator does not allow it.
    pub refused: bool,
}
