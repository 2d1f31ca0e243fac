//! Parts of a host with their verdicts, as its agent tells them in the document `parts`.

use crate::{backend::Failure, guard::Visit, host_view::Health};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tocsin_desk::record::DocumentRecord;
use tocsin_vocabulary::HostId;
use utoipa::ToSchema;

/// A piece of hardware, or of what is built from it, with a verdict. Its words come from the host: data, never markup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Part {
    /// `disk`, `array`, `fan`, `port`, …
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Unique among the host's parts of its type.
    pub(crate) id: String,
    /// `ok`, `degraded`, `failed`, or `unread`: it is there and could not be read.
    pub(crate) status: String,
    /// Why it is not well.
    #[serde(default)]
    pub(crate) reason: String,
    /// What else it says of itself.
    #[serde(default)]
    pub(crate) details: BTreeMap<String, String>,
}

impl Part {
    /// Whether it is well.
    pub(crate) fn is_well(&self) -> bool {
        self.status == "ok"
    }

    /// Its verdict. A word that we do not know is no verdict that it is well.
    pub(crate) fn health(&self) -> Health {
        match self.status.as_str() {
            "failed" => Health::Failed,
            "degraded" => Health::Degraded,
            "ok" => Health::Well,
            _ => Health::Unread,
        }
    }
}

/// Parts as a document has them, those that are not well first; none when it is not what an agent writes.
pub(crate) fn read(content: &[u8]) -> Vec<Part> {
    let mut parts: Vec<Part> = serde_json::from_slice(content).unwrap_or_default();
    parts.sort_by(|a, b| (a.health(), &a.kind, &a.id).cmp(&(b.health(), &b.kind, &b.id)));
    parts
}

/// The parts of a host, of which `documents` are the newest.
pub(crate) async fn of(visit: &Visit, host: HostId, documents: &[DocumentRecord]) -> Result<Vec<Part>, Failure> {
    let Some(document) = documents.iter().find(|document| document.kind == "parts") else {
        return Ok(Vec::new());
    };
    let found = visit.console.backend.document(host, document.id).await?;
    Ok(found.map(|(_, content)| read(&content)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worst_comes_first_and_what_is_no_list_of_parts_is_none() {
        let json = br#"[{"type":"fan","id":"1","status":"ok","reason":"","details":{}},
            {"type":"disk","id":"b","status":"unread"},{"type":"disk","id":"a","status":"failed","reason":"dead"}]"#;
        let parts = read(json);
        let order: Vec<&str> = parts.iter().map(|part| part.status.as_str()).collect();
        assert_eq!(order, ["failed", "unread", "ok"]);
        assert!(parts[2].is_well());
        assert!(read(b"{}").is_empty() && read(b"\xff").is_empty());
    }
}
