//! Files of a ticket. What a file is, its first bytes say; its name is for people alone.

use serde::{Deserialize, Serialize};
use tocsin_vocabulary::{TicketId, Timestamp};

/// Largest file, in bytes: a photo of a phone at full size, or a scanned form of some pages.
pub const BYTES_MAX: usize = 8 * 1024 * 1024;
/// Files of one ticket.
pub const FILES_MAX: usize = 50;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Media {
    /// A photo.
    Jpeg,
    /// A picture of a screen.
    Png,
    /// A photo.
    Webp,
    /// A document, or a scanned one.
    Pdf,
    /// Words in UTF-8.
    Text,
    /// A signature that we drew ourselves from its strokes; never one that somebody sends.
    Ink,
}

impl Media {
    const ALL: [Self; 6] = [Self::Jpeg, Self::Png, Self::Webp, Self::Pdf, Self::Text, Self::Ink];

    /// What people may send, as a browser's field of a form wants it.
    pub const ACCEPT: &'static str = "image/jpeg,image/png,image/webp,application/pdf,text/plain";

    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Pdf => "pdf",
            Self::Text => "text",
            Self::Ink => "ink",
        }
    }

    /// What a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|media| media.as_str() == word)
    }

    /// As HTTP calls it.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Pdf => "application/pdf",
            Self::Text => "text/plain; charset=utf-8",
            Self::Ink => "image/svg+xml",
        }
    }

    /// Whether a browser shows it as a picture.
    #[must_use]
    pub const fn is_picture(self) -> bool {
        matches!(self, Self::Jpeg | Self::Png | Self::Webp | Self::Ink)
    }

    /// Names that such a file may end with; the first is put behind any other.
    const fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Jpeg => &["jpg", "jpeg"],
            Self::Png => &["png"],
            Self::Webp => &["webp"],
            Self::Pdf => &["pdf"],
            Self::Text => &["txt", "log", "csv", "md"],
            Self::Ink => &["svg"],
        }
    }

    /// What these bytes are; none for what is not taken. PNG: RFC 2083; JPEG: ITU T.81; WebP: RFC 9649; PDF: ISO 32000-1
    /// §7.5.2; text: UTF-8 without control characters but tab, line feed, form feed and carriage return.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
            return Some(Self::Jpeg);
        }
        if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            return Some(Self::Png);
        }
        if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            return Some(Self::Webp);
        }
        if bytes.starts_with(b"%PDF-") {
            return Some(Self::Pdf);
        }
        let text = std::str::from_utf8(bytes).ok()?;
        let fits = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\u{c}');
        (!text.is_empty() && text.chars().all(fits)).then_some(Self::Text)
    }
}

/// How a file is called from now on: without folders, marks that turn the direction of writing or break a header, and
/// with an ending that says what it is.
#[must_use]
pub fn name_of(given: &str, media: Media) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let fits = |c: &char| {
        !c.is_control()
            && !matches!(c, '"' | '<' | '>' | '|' | ':' | '*' | '?' | ';' | '%')
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let kept: String = last.chars().filter(fits).collect();
    let kept = kept.trim_matches(|c: char| c == '.' || c.is_whitespace());
    let mut name: String = if kept.is_empty() { "file" } else { kept }.to_owned();
    let ends = |name: &str| {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase());
        ending.is_some_and(|ending| media.endings().contains(&ending.as_str()))
    };
    let excess = name.chars().count().saturating_sub(super::NAME_MAX - 5);
    if excess > 0 {
        let end: String = name.chars().skip(excess).collect();
        name = end
            .trim_start_matches(|c: char| c == '.' || c.is_whitespace())
            .to_owned();
    }
    if !ends(&name) {
        name.push('.');
        name.push_str(media.endings()[0]);
    }
    name
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// A photo, a log, a report.
    Evidence,
    /// A form that the customer signed, scanned or photographed.
    Confirmation,
    /// A signature drawn by hand.
    Signature,
}

impl Purpose {
    /// The word in API and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Confirmation => "confirmation",
            Self::Signature => "signature",
        }
    }

    /// What a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Evidence, Self::Confirmation, Self::Signature]
            .into_iter()
            .find(|purpose| purpose.as_str() == word)
    }
}

/// Somebody did something at some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Name of who did it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A file of a ticket. Its content lies under its digest and never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its number.
    pub id: u64,
    /// The ticket.
    pub ticket: TicketId,
    /// SHA-256 of the content, hex.
    pub digest: String,
    /// How it is called.
    pub name: String,
    /// What it is.
    pub media: Media,
    /// Its size.
    pub bytes: u64,
    /// What it is for.
    pub purpose: Purpose,
    /// Who added it.
    pub added: Done,
    /// Who let the customer see it; none: internal.
    pub published: Option<Done>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_file_is_what_its_content_says() {
        let cases: [(&[u8], Option<Media>); 9] = [
            (b"\xFF\xD8\xFF\xE0rest", Some(Media::Jpeg)),
            (b"\x89PNG\r\n\x1a\nrest", Some(Media::Png)),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Some(Media::Webp)),
            (b"%PDF-1.7\n", Some(Media::Pdf)),
            ("磁盘\tsda\r\n".as_bytes(), Some(Media::Text)),
            (b"\x7fELF\x02\x01", None),
            (b"MZ\x90\0", None),
            (b"PK\x03\x04", None),
            (b"", None),
        ];
        for (bytes, media) in cases {
            assert_eq!(Media::of(bytes), media, "{bytes:?}");
        }
        assert_eq!(
            Media::of(b"<svg onload='x'/>"),
            Some(Media::Text),
            "never a picture that acts"
        );
    }

    #[test]
    fn a_name_says_what_it_is_and_nothing_else() {
        for (given, media, name) in [
            ("IMG_1.JPG", Media::Jpeg, "IMG_1.JPG"),
            ("payload.exe", Media::Jpeg, "payload.exe.jpg"),
            ("page.html", Media::Text, "page.html.txt"),
            ("../../etc/passwd", Media::Text, "passwd.txt"),
            ("C:\\scan\\单 1.pdf", Media::Pdf, "单 1.pdf"),
            ("a\r\nSet-Cookie: x\".log", Media::Text, "aSet-Cookie x.log"),
            ("\u{202e}gpj.exe", Media::Png, "gpj.exe.png"),
            ("..", Media::Pdf, "file.pdf"),
        ] {
            assert_eq!(name_of(given, media), name, "{given}");
        }
    }

    proptest! {
        #[test]
        fn any_name_becomes_short_and_harmless(given in ".{0,400}") {
            let name = name_of(&given, Media::Pdf);
            prop_assert!(name.ends_with(".pdf") || name.to_lowercase().ends_with(".pdf"));
            prop_assert!(name.chars().count() <= super::super::NAME_MAX);
            prop_assert!(!name.contains(['/', '\\', '"', '\r', '\n']) && !name.starts_with('.'));
        }
    }

    #[test]
    fn any_bytes_are_something_or_nothing() {
        bolero::check!().for_each(|bytes: &[u8]| {
            if Media::of(bytes) == Some(Media::Text) {
                assert!(std::str::from_utf8(bytes).is_ok());
            }
        });
    }
}
