//! Files in and out. They come as a form's part of a bounded size and leave as downloads that no browser runs.

use super::{answer, find, send};
use crate::{
    backend::Failure,
    guard::{Answer, Visit, nothing},
    markup::percent,
};
use axum::{
    extract::{Multipart, Path},
    response::IntoResponse as _,
};
use http::header;
use tocsin_desk::paper::{
    act::{PaperAct, PaperDone},
    attachment::{BYTES_MAX, Purpose},
};
use tocsin_vocabulary::Code;
use tokio::sync::Semaphore;

/// Files that are taken at once: each is held in memory until it is whole.
static TURNS: Semaphore = Semaphore::const_new(4);

/// A file is shown, if at all, as what it is, and may do nothing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";

/// `POST /t/{number}/attachments`: fields `file` and `purpose`.
pub(crate) async fn upload(visit: Visit, Path(id): Path<String>, form: Multipart) -> Answer {
    let ticket = find(&visit, &id).await?;
    visit.require(crate::authority::Action::ReportFault)?;
    let done = take(&visit, ticket.number, form).await;
    answer(&visit, &ticket, done).await
}

async fn take(visit: &Visit, ticket: u64, mut form: Multipart) -> Result<PaperDone, Failure> {
    let wrong = |reason: String| Failure::new(Code::InvalidInput, reason);
    let _turn = TURNS.try_acquire().map_err(|_| {
        Failure::new(
            Code::ResourceExhausted,
            "others are sending files: try again in a moment",
        )
    })?;
    let (mut sent, mut purpose) = (None, Purpose::Evidence);
    let broken = |error: axum::extract::multipart::MultipartError| {
        let most = BYTES_MAX >> 20;
        wrong(format!(
            "the file did not come whole, or is larger than {most} MiB: {}",
            error.body_text()
        ))
    };
    while let Some(part) = form.next_field().await.map_err(broken)? {
        match part.name() {
            Some("file") => {
                let name = part.file_name().unwrap_or_default().to_owned();
                let bytes = part.bytes().await.map_err(broken)?;
                sent = Some((name, bytes.to_vec()));
            }
            Some("purpose") => {
                let word = part.text().await.map_err(broken)?;
                purpose = Purpose::parse(&word).ok_or_else(|| wrong("field `purpose` is unknown".to_owned()))?;
            }
            _ => {}
        }
    }
    let (name, bytes) = sent
        .filter(|(_, bytes)| !bytes.is_empty())
        .ok_or_else(|| wrong("no file was chosen, or it is empty".to_owned()))?;
    let act = PaperAct::Attach {
        ticket,
        name,
        bytes,
        purpose,
    };
    send(visit, act).await
}

/// `GET /t/{number}/attachments/{file}`.
pub(crate) async fn download(visit: Visit, Path((id, file)): Path<(String, String)>) -> Answer {
    let ticket = find(&visit, &id).await?;
    let file: u64 = file.parse().map_err(|_| nothing())?;
    let papers = super::views::readable(&visit, &ticket).await?;
    let attachment = papers.attachment(file).ok_or_else(nothing)?;
    let content = visit.console.backend.content(attachment).await?;
    // RFC 6266: the plain name for old browsers, the real one beside it.
    let plain: String = attachment
        .name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ') {
                c
            } else {
                '_'
            }
        })
        .collect();
    let disposition = format!(
        "attachment; filename=\"{plain}\"; filename*=UTF-8''{}",
        percent(&attachment.name)
    );
    let headers = [
        (header::CONTENT_TYPE, attachment.media.content_type().to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY.to_owned()),
        (header::CACHE_CONTROL, "private, no-store".to_owned()),
    ];
    Ok((headers, content).into_response())
}
