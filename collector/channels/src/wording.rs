//! What a page says in each language. Everything from outside is made one line here, so that a host's name can never
//! become a header or a second line.

use crate::channel::Envelope;
use tocsin_desk::model::PageReason;
use tocsin_vocabulary::{Language, Text};

/// Longest single line that is built from outside words, in characters.
const LINE_MAX: usize = 200;

/// `text` without line breaks and control characters, cut at [`LINE_MAX`].
pub(crate) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
                ' '
            } else {
                c
            }
        })
        .take(LINE_MAX)
        .collect()
}

fn reason(reason: PageReason, language: Language) -> &'static str {
    let (en, zh) = match reason {
        PageReason::Opened => ("new ticket", "新工单"),
        PageReason::Unaccepted => ("still not accepted", "仍无人接单"),
        PageReason::Breached => ("overdue", "时限逾期"),
        PageReason::Recurred => ("recurred", "故障复发"),
        PageReason::Restored => ("restored", "业务已恢复"),
        PageReason::Notice => ("notice", "告警提示"),
    };
    match language {
        Language::English => en,
        Language::Chinese => zh,
    }
}

/// One line for a subject: product, drill, resend, ticket number, reason, title.
pub(crate) fn subject(envelope: &Envelope) -> String {
    let (page, language) = (&envelope.page, envelope.person.language);
    let chinese = language == Language::Chinese;
    let number = page
        .ticket_number
        .map_or_else(String::new, |number| format!("#{number} "));
    let drill = if !page.drill {
        ""
    } else if chinese {
        "【演练】"
    } else {
        "[DRILL] "
    };
    let resent = if !envelope.is_resent() {
        ""
    } else if chinese {
        "（重发）"
    } else {
        "(resent) "
    };
    let (product, colon) = if chinese {
        ("[警钟] ", "：")
    } else {
        ("[Tocsin] ", ": ")
    };
    let title = page.title.get(language);
    one_line(&format!(
        "{product}{drill}{resent}{number}{}{colon}{title}",
        reason(page.reason, language)
    ))
}

/// The plain text under the subject.
pub(crate) fn body(envelope: &Envelope) -> String {
    let (page, language) = (&envelope.page, envelope.person.language);
    let mut lines = vec![subject(envelope), String::new()];
    let label = |en: &str, zh: &str| Text::new(format!("{en}: "), format!("{zh}：")).get(language).to_owned();
    if !page.body.get(language).is_empty() {
        lines.push(
            page.body
                .get(language)
                .lines()
                .map(one_line)
                .collect::<Vec<_>>()
                .join("\n"),
        );
    }
    if page.ticket_number.is_some() {
        lines.push(format!("{}{}", label("Level", "级别"), page.level));
    }
    lines.push(format!("{}{}", label("Time", "时间"), page.created_at));
    if !envelope.link.is_empty() {
        lines.push(format!("{}{}", label("Open the ticket", "查看并接单"), envelope.link));
    }
    lines.push(format!("{}{}", label("Key", "编号"), one_line(&page.key)));
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::tests::envelope;

    #[test]
    fn a_subject_is_one_line_whatever_the_host_is_called() {
        let mut envelope = envelope(1, "mail");
        envelope.page.title = Text::plain("web\r\nBcc: everybody@example.org\u{2028}x");
        envelope.page.drill = true;
        envelope.page.attempts = 1;
        assert_eq!(
            subject(&envelope),
            "[警钟] 【演练】（重发）#1 新工单：web  Bcc: everybody@example.org x"
        );
        envelope.person.language = Language::English;
        assert!(subject(&envelope).starts_with("[Tocsin] [DRILL] (resent) #1 new ticket: web"));
        assert!(body(&envelope).lines().all(|line| !line.starts_with("Bcc")));
    }
}
