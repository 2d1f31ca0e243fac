//! Sources that lie in files: a maildir or a folder is looked at again and again, and what it has is judged.

use super::{super::Backups, Source, folder, folder::Folder, mail, taking};
use anyhow::Context as _;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// How often folders are looked at: a file is taken at its second look.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Looks at a source's folder or maildir again and again.
pub(super) async fn look_again(backups: Arc<Backups>, source: Arc<Source>, cancel: CancellationToken) {
    let mut folder = Folder::default();
    loop {
        let looked = if let Some(maildir) = source.config.maildir.clone() {
            mails(&backups, &source, maildir).await
        } else {
            files(&backups, &source, &mut folder).await
        };
        if let Err(error) = looked {
            backups
                .intake
                .failed(&source.config.name, &format!("{error:#}"), (backups.clock)());
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

pub(super) async fn mails(backups: &Arc<Backups>, source: &Arc<Source>, maildir: PathBuf) -> anyhow::Result<()> {
    let place = maildir.clone();
    let mails = tokio::task::spawn_blocking(move || mail::new(&place)).await?;
    let mails = mails.with_context(|| format!("cannot read maildir {}", maildir.display()))?;
    for mail in mails {
        let wanted = &source.config.mail_from;
        if !wanted.is_empty() && !wanted.iter().any(|from| from.eq_ignore_ascii_case(&mail.from)) {
            continue; // another source's
        }
        let now = (backups.clock)();
        backups.intake.came(&source.config.name, &mail.text, now);
        let told = taking::Told {
            text: &mail.text,
            at: mail.sent_at.unwrap_or(now),
            id: &mail.id,
        };
        backups.take_in(source, &told).await?;
        let place = maildir.clone();
        let moved = tokio::task::spawn_blocking(move || mail::done(&place, &mail)).await?;
        moved.with_context(|| format!("cannot move a mail in {}", maildir.display()))?;
    }
    Ok(())
}

pub(super) async fn files(backups: &Arc<Backups>, source: &Arc<Source>, folder: &mut Folder) -> anyhow::Result<()> {
    let place = source.config.folder.clone().unwrap_or_default();
    let glob = source.files.clone();
    let (looked, known) = {
        let (place, mut known) = (place.clone(), std::mem::take(folder));
        tokio::task::spawn_blocking(move || (known.look(&place, &glob), known)).await?
    };
    *folder = known;
    for changed in looked.with_context(|| format!("cannot read folder {}", place.display()))? {
        let path = changed.path.clone();
        let bytes = tokio::task::spawn_blocking(move || folder::read_bytes(&path, folder::FILE_BYTES_MAX)).await?;
        let bytes = bytes.with_context(|| format!("cannot read {}", changed.path.display()))?;
        let text = source.decode(&bytes);
        let newest = text.lines().next_back().unwrap_or_default();
        backups.intake.came(&source.config.name, newest, (backups.clock)());
        let told = taking::Told {
            text: &text,
            at: changed.modified_at,
            id: &changed.path.to_string_lossy(),
        };
        backups.take_in(source, &told).await?;
        folder.taken(&changed.path);
    }
    Ok(())
}
