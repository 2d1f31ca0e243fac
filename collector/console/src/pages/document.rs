//! One version of a document: what changed, what it says, and the versions before.

use super::documents::{name_of, url};
use super::host::part_words;
use crate::{
    api::fleet::find,
    backend::Failure,
    guard::{Answer, Visit, nothing},
    markup::Html,
    parts::Part,
    shell::{Shell, page},
    texts::{self, DIFF_LINES_MAX, DiffLine, Table},
};
use askama::Template;
use axum::extract::Path;
use tocsin_desk::record::DocumentRecord;
use tocsin_vocabulary::{DocumentId, HostId};

/// Longest text that a page shows; the API gives the rest.
const TEXT_BYTES_MAX: usize = 256 << 10;

struct Fact {
    name: String,
    value: String,
}

struct VersionRow {
    at: Html,
    received: Html,
    url: String,
    owner: String,
    current: bool,
    compared: bool,
}

#[derive(Template)]
#[template(path = "document.html")]
struct DocumentPage {
    shell: Shell,
    host: String,
    host_url: String,
    documents_url: String,
    name: String,
    facts: Vec<Fact>,
    versions: Vec<VersionRow>,
    /// When the version was made with which this one is compared; none for the first.
    compared: Option<Html>,
    lines: Vec<DiffLine>,
    lines_cut: bool,
    tables: Vec<Table>,
    text: String,
    text_cut: bool,
    api_url: String,
    gone: bool,
}

/// `GET /hosts/{id}/documents/{document}?with=`.
pub(crate) async fn show(visit: Visit, Path((id, document)): Path<(String, String)>) -> Answer {
    let host = find(&visit, &id).await?;
    let host_id = host.record.id;
    let (record, content) = read(&visit, host_id, &document).await?;
    let backend = &visit.console.backend;
    let versions = backend.document_versions(host_id, &record.kind, &record.name).await?;
    let with = visit.parameter("with").filter(|with| !with.is_empty());
    let other = match with {
        Some(with) => Some(read(&visit, host_id, &with).await?),
        None => match versions.iter().find(|version| version.id < record.id) {
            Some(before) => backend.document(host_id, before.id).await?,
            None => None,
        },
    };
    let shell = Shell::new(&visit, "hosts");
    let text = texts::readable(&record, &content);
    let (compared, lines) = match &other {
        Some((before, old)) => {
            let old = texts::readable(before, old);
            (Some(shell.exact(before.at)), texts::difference(&old, &text))
        }
        None => (None, Vec::new()),
    };
    let json = record.media == "application/json";
    let compared_id = other.map(|(before, _)| before.id);
    page(&DocumentPage {
        host: host.record.name.clone(),
        host_url: format!("/hosts/{host_id}"),
        documents_url: format!("/hosts/{host_id}/documents"),
        name: name_of(&shell, &record),
        facts: facts(&shell, &record),
        versions: versions
            .iter()
            .map(|version| version_row(&shell, version, record.id, compared_id))
            .collect(),
        compared,
        lines_cut: lines.len() >= DIFF_LINES_MAX,
        lines,
        tables: if record.kind == "parts" {
            vec![parts(&shell, &content)]
        } else {
            json.then(|| texts::tables(&content)).flatten().unwrap_or_default()
        },
        text_cut: text.len() > TEXT_BYTES_MAX,
        text: text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned(),
        api_url: format!("/api/v1/hosts/{host_id}/documents/{}", record.id),
        gone: record.attributes.contains_key("gone"),
        shell,
    })
}

/// One version of a document of a host that whoever asks may see.
pub(crate) async fn read(visit: &Visit, host: HostId, id: &str) -> Result<(DocumentRecord, Vec<u8>), Failure> {
    let id: DocumentId = id.parse().map_err(|_| nothing())?;
    visit.console.backend.document(host, id).await?.ok_or_else(nothing)
}

/// All parts with their verdicts in the reader's words, the worst first.
fn parts(shell: &Shell, content: &[u8]) -> Table {
    let row = |part: &Part| {
        vec![
            part_words::status(shell, part),
            format!("{} {}", part_words::kind(shell, &part.kind), part.id),
            part_words::reason(shell, &part.reason),
            part_words::details(shell, part, &[]),
        ]
    };
    Table {
        title: String::new(),
        columns: [
            shell.t("state"),
            shell.t("part"),
            shell.t("part-reason"),
            shell.t("detail"),
        ]
        .into(),
        rows: crate::parts::read(content).iter().map(row).collect(),
    }
}

fn version_row(
    shell: &Shell,
    version: &DocumentRecord,
    current: DocumentId,
    compared: Option<DocumentId>,
) -> VersionRow {
    VersionRow {
        at: shell.exact(version.at),
        received: shell.exact(version.received_at),
        url: url(version.host, &version.id),
        owner: version.attributes.get("owner").cloned().unwrap_or_default(),
        current: version.id == current,
        compared: compared == Some(version.id),
    }
}

fn facts(shell: &Shell, record: &DocumentRecord) -> Vec<Fact> {
    let attribute = |name: &str| record.attributes.get(name).cloned().unwrap_or_default();
    let masked = attribute("masked");
    let masked = if masked.is_empty() {
        masked
    } else {
        shell.tell("document-masked", &[("n", masked.into())])
    };
    [
        ("made", crate::moments::absolute(record.at, shell.zone())),
        ("received", crate::moments::absolute(record.received_at, shell.zone())),
        ("modified", attribute("modified")),
        ("owner", attribute("owner")),
        ("mode", attribute("mode")),
        ("secrets", masked),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(key, value)| Fact {
        name: shell.word("document-fact", key),
        value,
    })
    .collect()
}
