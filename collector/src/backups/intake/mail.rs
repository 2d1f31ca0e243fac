//! Mails of a maildir as texts: what came is in `new`, and goes to `cur` once its runs are kept (maildir(5)). Whatever
//! delivers there — fetchmail, mbsync, a mail server — is not ours.

use mail_parser::{MessageParser, MimeHeaders as _};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use tocsin_vocabulary::Timestamp;

/// Mails of one look.
const MAILS_MAX: usize = 100;
/// A longer mail is cut.
const MAIL_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Parts of one mail whose text is read.
const PARTS_MAX: usize = 16;

/// A mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mail {
    /// Its file.
    pub(super) path: PathBuf,
    /// Who it says it is of.
    pub(super) from: String,
    /// Its number by whoever sent it, or its file's name.
    pub(super) id: String,
    /// When it was sent, as it says.
    pub(super) sent_at: Option<Timestamp>,
    /// Subject, text, and attachments that are texts.
    pub(super) text: String,
}

/// The mails that came, oldest first by name.
///
/// # Errors
/// When the folder can't be read.
pub(super) fn new(maildir: &Path) -> io::Result<Vec<Mail>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(maildir.join("new"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    paths.truncate(MAILS_MAX);
    let mails = paths.into_iter().map(|path| {
        let bytes = super::folder::read_bytes(&path, MAIL_BYTES_MAX)?;
        Ok(read(path, &bytes))
    });
    mails.collect()
}

/// Notes that a mail was read.
///
/// # Errors
/// When it can't be moved.
pub(super) fn done(maildir: &Path, mail: &Mail) -> io::Result<()> {
    let name = mail.path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.split(":2,").next().unwrap_or_default();
    let cur = maildir.join("cur");
    fs::create_dir_all(&cur)?;
    fs::rename(&mail.path, cur.join(format!("{name}:2,S")))
}

fn read(path: PathBuf, bytes: &[u8]) -> Mail {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Some(message) = MessageParser::default().parse(bytes) else {
        let text = String::from_utf8_lossy(bytes).into_owned();
        return Mail {
            path,
            from: String::new(),
            id: name,
            sent_at: None,
            text,
        };
    };
    let from = message
        .from()
        .and_then(|from| from.first()?.address())
        .unwrap_or_default();
    let mut text = format!("Subject: {}\n\n", message.subject().unwrap_or_default());
    let bodies = (0..message.text_body_count()).filter_map(|part| message.body_text(part));
    let attached = message
        .attachments()
        .filter(|part| part.content_type().is_none_or(|kind| kind.ctype() == "text"))
        .filter_map(|part| part.text_contents().map(Into::into));
    for part in bodies.chain(attached).take(PARTS_MAX) {
        text.push_str(&part);
        text.push('\n');
    }
    Mail {
        from: from.to_owned(),
        id: message.message_id().map_or(name, str::to_owned),
        sent_at: message
            .date()
            .map(|date| Timestamp::from_millis(date.to_timestamp().saturating_mul(1_000))),
        path,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mail as a Chinese appliance sends it: GB18030, base64, a report attached.
    const MAIL: &str = "From: =?gb18030?B?sbi33Q==?= <backup@nas.example>\r\nTo: duty@example\r\n\
        Subject: =?gb18030?B?sbi33c3qs8k=?=\r\nDate: Sat, 21 Nov 2026 02:10:00 +0800\r\nMessage-ID: <1@nas>\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
        Content-Type: text/plain; charset=gb18030\r\nContent-Transfer-Encoding: base64\r\n\r\nsbi33bPJuaY=\r\n--b\r\n\
        Content-Type: text/csv\r\nContent-Disposition: attachment; filename=r.csv\r\n\r\na,b\r\n--b--\r\n";

    #[test]
    fn a_mail_is_its_subject_its_text_and_its_attachments() {
        let mail = read(PathBuf::from("/m/new/1.host"), MAIL.as_bytes());
        assert_eq!((mail.from.as_str(), mail.id.as_str()), ("backup@nas.example", "1@nas"));
        assert_eq!(mail.sent_at, Some("2026-11-20T18:10:00Z".parse().unwrap()));
        for words in ["Subject: 备份完成", "备份成功", "a,b"] {
            assert!(mail.text.contains(words), "{words}: {}", mail.text);
        }
    }

    #[test]
    fn what_was_read_moves_and_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("new")).unwrap();
        fs::write(folder.path().join("new/2.host"), MAIL).unwrap();
        fs::write(folder.path().join("new/1.host"), "no mail at all").unwrap();
        let mails = new(folder.path()).unwrap();
        assert_eq!(mails.len(), 2);
        assert!(mails[0].path.ends_with("1.host"));
        done(folder.path(), &mails[0]).unwrap();
        assert_eq!(new(folder.path()).unwrap(), mails[1..]);
        assert!(folder.path().join("cur/1.host:2,S").is_file());
        assert!(new(&folder.path().join("nowhere")).is_err());
    }

    #[test]
    fn no_bytes_make_it_panic() {
        bolero::check!().for_each(|bytes| {
            let _ = read(PathBuf::from("x"), bytes);
        });
    }
}
