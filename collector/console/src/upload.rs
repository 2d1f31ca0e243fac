//! Sheets that people send and fetch: CSV and XLSX.

use crate::{
    backend::Failure,
    guard::{Answer, Refusal, Visit},
};
use axum::{
    Form,
    extract::{FromRequest as _, Multipart, Request},
    response::{IntoResponse as _, Response},
};
use http::{StatusCode, header};
use std::collections::HashMap;
use tocsin_desk::register::sheet::Sheet;
use tocsin_sheets::{FILE_BYTES_MAX, Form as FileForm};
use tocsin_vocabulary::Code;

/// A form with a sheet in it, as it was sent.
pub(crate) struct Sent {
    file: Vec<u8>,
    /// The other fields, `csv` with pasted words among them.
    pub(crate) fields: HashMap<String, String>,
}

impl Sent {
    /// Takes a form of either kind that browsers send.
    pub(crate) async fn of(request: Request) -> Result<Self, Failure> {
        let media = request.headers().get(header::CONTENT_TYPE);
        if media.is_some_and(|media| media.as_bytes().starts_with(b"multipart/")) {
            let form = Multipart::from_request(request, &()).await;
            return parts(form.map_err(|error| wrong(error.body_text()))?).await;
        }
        let form = Form::<HashMap<String, String>>::from_request(request, &()).await;
        let Form(fields) = form.map_err(|error| wrong(error.body_text()))?;
        Ok(Self {
            file: Vec::new(),
            fields,
        })
    }

    /// What was pasted.
    pub(crate) fn pasted(&self) -> String {
        self.fields.get("csv").cloned().unwrap_or_default()
    }

    /// The sheet, from the file or from what was pasted.
    pub(crate) fn sheet(&self) -> Result<Sheet, Failure> {
        let pasted = self.fields.get("csv").map_or(&[][..], String::as_bytes);
        let bytes = if self.file.is_empty() { pasted } else { &self.file };
        if bytes.is_empty() {
            return Err(wrong("choose a file, or paste CSV".to_owned()));
        }
        tocsin_sheets::read(bytes).map_err(|error| wrong(error.to_string()))
    }
}

fn wrong(reason: String) -> Failure {
    Failure::new(Code::InvalidInput, reason)
}

async fn parts(mut form: Multipart) -> Result<Sent, Failure> {
    let (mut file, mut fields) = (Vec::new(), HashMap::new());
    while let Some(field) = form.next_field().await.map_err(|error| wrong(error.body_text()))? {
        let name = field.name().unwrap_or_default().to_owned();
        let content = field.bytes().await.map_err(|error| wrong(error.body_text()))?;
        if content.len() > FILE_BYTES_MAX {
            return Err(wrong(tocsin_sheets::ReadError::TooLarge.to_string()));
        }
        if name == "file" {
            file = content.to_vec();
        } else {
            fields.insert(name, String::from_utf8_lossy(&content).into_owned());
        }
    }
    Ok(Sent { file, fields })
}

/// The page again, with every mistake on it; what only an administrator can mend is a page of its own.
pub(crate) async fn refused(failure: Failure, again: impl AsyncFnOnce(Vec<String>) -> Answer) -> Answer {
    if matches!(failure.code, Code::Internal | Code::Forbidden) {
        return Err(failure.into());
    }
    let lines = failure.reason.lines().map(str::to_owned).collect();
    let mut response = again(lines).await?;
    *response.status_mut() = StatusCode::from_u16(failure.code.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
    Ok(response)
}

/// Columns and rows as a file to keep.
pub(crate) fn download(
    visit: &Visit,
    form: FileForm,
    name: &str,
    columns: &[&str],
    rows: Vec<Vec<String>>,
) -> Result<Response, Refusal> {
    let bytes = tocsin_sheets::write(form, name, columns, rows, visit.now);
    let bytes = bytes.map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
    Ok(attachment(form.media(), &format!("{name}.{}", form.as_str()), bytes))
}

/// Bytes as a file to keep. `name` is ours, never somebody's.
pub(crate) fn attachment(media: &str, name: &str, bytes: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    (headers, bytes).into_response()
}
