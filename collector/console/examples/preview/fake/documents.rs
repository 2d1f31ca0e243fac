//! Documents of the first host: parts, inventory, a file with two versions, and snapshots.

use super::{rich, *};
use tocsin_console::backend::Documents;
use tocsin_desk::record::{DiagnosisRecord, DocumentRecord};
use tocsin_vocabulary::{DiagnosisId, DocumentId};

const PARTS: &str = r#"[
    {"type":"disk","id":"sda","status":"ok","reason":"","details":{"model":"ST4000NM","device":"sda"}},
    {"type":"disk","id":"<b>sdb</b>","status":"failed","reason":"it says that it <i>fails</i>","details":{}},
    {"type":"fan","id":"FAN1","status":"unread","reason":"permission denied","details":{}}]"#;
const HARDWARE: &str =
    r#"{"model":"R740","cores":32,"disks":[{"name":"sda","serial":"<S1>"},{"name":"sdb","size":4}]}"#;
const OLD_HOSTS: &str = "127.0.0.1 localhost\n10.0.0.1 db\n";
const NEW_HOSTS: &str = "127.0.0.1 localhost\n10.0.0.2 db <script>\n";

/// The parts of the rich host.
const RICH_PARTS: u8 = 9;
/// Contents by id: the n-th document of the first host.
const DOCUMENTS: [(u8, &str, &str, &str); 5] = [
    (1, "file", "/etc/hosts", NEW_HOSTS),
    (2, "parts", "", PARTS),
    (3, "inventory", "hardware", HARDWARE),
    (
        4,
        "diagnosis",
        "01010101-0101-0101-0101-010101010101",
        "== memory ==\nMemTotal: 1\n",
    ),
    (0, "file", "/etc/hosts", OLD_HOSTS),
];

fn first_host() -> HostId {
    HostId::from_bytes([1; 16])
}

fn record(fake: &Fake, (n, kind, name, content): (u8, &str, &str, &str)) -> DocumentRecord {
    let at = fake.now().minus(minutes(60 - u64::from(n)));
    let json = matches!(kind, "parts" | "inventory");
    DocumentRecord {
        id: DocumentId::from_bytes([n; 16]),
        host: first_host(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        at,
        received_at: at,
        hash: tocsin_vocabulary::Hash::of(content.as_bytes()).to_string(),
        size: content.len() as u64,
        media: if json { "application/json" } else { "text/plain" }.to_owned(),
        attributes: [("owner".to_owned(), "root".to_owned())].into(),
    }
}

fn all_of(fake: &Fake) -> Vec<DocumentRecord> {
    DOCUMENTS.iter().map(|document| record(fake, *document)).collect()
}

fn snapshot(fake: &Fake) -> DiagnosisRecord {
    DiagnosisRecord {
        id: DiagnosisId::from_bytes([1; 16]),
        host: first_host(),
        ticket: lock(&fake.desk)
            .tickets
            .iter()
            .find(|ticket| ticket.number == 1042)
            .map(|ticket| ticket.id),
        asked_by: "system".to_owned(),
        asked_at: fake.now().minus(minutes(56)),
        document: Some(DocumentId::from_bytes([4; 16])),
        received_at: Some(fake.now().minus(minutes(55))),
        refused: false,
    }
}

#[async_trait]
impl Documents for Fake {
    async fn documents(&self, host: HostId) -> Result<Vec<DocumentRecord>, Failure> {
        let mut records = all_of(self);
        records.retain(|record| record.host == host && record.kind != "diagnosis");
        records.retain(|record| record.id != DocumentId::from_bytes([0; 16]));
        if rich::is(host) {
            let mut parts = record(self, (RICH_PARTS, "parts", "", rich::PARTS));
            parts.host = host;
            records.push(parts);
        }
        Ok(records)
    }
    async fn document_versions(&self, host: HostId, kind: &str, name: &str) -> Result<Vec<DocumentRecord>, Failure> {
        let mut records = all_of(self);
        records.retain(|record| record.host == host && record.kind == kind && record.name == name);
        Ok(records)
    }
    async fn document(&self, host: HostId, id: DocumentId) -> Result<Option<(DocumentRecord, Vec<u8>)>, Failure> {
        if rich::is(host) && id == DocumentId::from_bytes([RICH_PARTS; 16]) {
            let mut parts = record(self, (RICH_PARTS, "parts", "", rich::PARTS));
            parts.host = host;
            return Ok(Some((parts, rich::PARTS.as_bytes().to_vec())));
        }
        let found = DOCUMENTS
            .iter()
            .find(|(n, ..)| DocumentId::from_bytes([*n; 16]) == id && host == first_host());
        let content = |text: &str| {
            if self.mended.load(Ordering::Relaxed) {
                text.replace(r#""status":"failed""#, r#""status":"ok""#)
            } else {
                text.to_owned()
            }
        };
        Ok(found.map(|document| (record(self, *document), content(document.3).into_bytes())))
    }
    async fn diagnoses(&self, host: HostId) -> Result<Vec<DiagnosisRecord>, Failure> {
        Ok(Some(snapshot(self))
            .into_iter()
            .filter(|record| record.host == host)
            .collect())
    }
    async fn diagnoses_of_ticket(&self, ticket: TicketId) -> Result<Vec<DiagnosisRecord>, Failure> {
        let snapshots = Some(snapshot(self)).into_iter();
        Ok(snapshots.filter(|record| record.ticket == Some(ticket)).collect())
    }
    async fn ask_diagnosis(
        &self,
        host: HostId,
        ticket: Option<TicketId>,
        person: &Person,
        via: &'static str,
    ) -> Result<DiagnosisId, Failure> {
        let live = |known: &Host| known.record.id == host && known.state == HostState::Live;
        if !self.hosts.iter().any(live) {
            return Err(Failure::new(Code::Unavailable, "the host is not connected"));
        }
        lock(&self.doors).audit.push(AuditLine {
            at: self.now(),
            actor: person.login.clone(),
            via: via.to_owned(),
            action: "host.diagnose".to_owned(),
            subject: host.to_string(),
            detail: ticket.map(|ticket| ticket.to_string()).unwrap_or_default(),
        });
        Ok(DiagnosisId::from_bytes([2; 16]))
    }
}
