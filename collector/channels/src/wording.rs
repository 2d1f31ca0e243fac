//! What a page says in each language, and how much of it: a customer's secrecy is kept here, where words are made, and nowhere
//! else. Everything from outside is made one line here, so that a host's name can never
//! become a header or a second line.

mod brief;
mod letter;

pub(crate) use brief::Style;

use crate::channel::{Envelope, Facts, Secrecy};
use tocsin_desk::model::{Page, PageReason};
use tocsin_vocabulary::{Language, Level};

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
        PageReason::Warned => ("time is running out", "时限预警"),
        PageReason::Breached => ("overdue", "时限逾期"),
        PageReason::Recurred => ("recurred", "故障复发"),
        PageReason::Restored => ("restored", "业务已恢复"),
        PageReason::Notice => ("notice", "告警提示"),
        PageReason::Stalled => ("nobody works on it", "无人处理"),
        PageReason::Handover => ("handover", "交接班"),
        PageReason::Approval => ("approval", "审批"),
    };
    match language {
        Language::English => en,
        Language::Chinese => zh,
    }
}

/// A level as people say it: 一级, level 1.
pub(crate) fn level(level: Level, language: Language) -> String {
    const RANKS: [&str; 9] = ["一", "二", "三", "四", "五", "六", "七", "八", "九"];
    match language {
        Language::English => format!("level {level}"),
        Language::Chinese => RANKS
            .get(usize::from(level.rank().saturating_sub(1)))
            .map_or_else(|| format!("{level}级"), |rank| format!("{rank}级")),
    }
}

/// What may be said of a ticket outside when its customer allows no more: its number, its level, and where to go.
pub(crate) fn code_only(envelope: &Envelope) -> String {
    let (page, language) = (&envelope.page, envelope.person.language);
    let mut codes = Vec::new();
    for page in std::iter::once(page).chain(envelope.also.iter().map(|(page, _)| page)) {
        let said = level(page.level, language);
        codes.push(match (page.ticket_number, language) {
            (Some(number), Language::Chinese) => format!("工单{number} {said}"),
            (None, Language::Chinese) => format!("告警 {said}"),
            (Some(number), Language::English) => format!("Ticket {number}, {said}"),
            (None, Language::English) => format!("Alert, {said}"),
        });
    }
    let marks = marks(envelope);
    match language {
        Language::Chinese => format!("{marks}{} 请回值班室", codes.join(" ")),
        Language::English => format!("{marks}{}: call the duty room", codes.join("; ")),
    }
}

/// Drill and resend, as they stand before everything else.
pub(crate) fn marks(envelope: &Envelope) -> String {
    format!("{}{}", drill_mark(envelope), resent_mark(envelope))
}

/// Says that it is a drill, where it is one.
pub(crate) fn drill_mark(envelope: &Envelope) -> &'static str {
    match (envelope.page.drill, envelope.person.language) {
        (false, _) => "",
        (true, Language::Chinese) => "【演练】",
        (true, Language::English) => "[DRILL] ",
    }
}

/// Says that it may have arrived before, where it may.
pub(crate) fn resent_mark(envelope: &Envelope) -> &'static str {
    match (envelope.is_resent(), envelope.person.language) {
        (false, _) => "",
        (true, Language::Chinese) => "\u{ff08}重发\u{ff09}",
        (true, Language::English) => "(resent) ",
    }
}

/// What is wrong and where: a page's title, behind the asset's name where the title does not say it. One line.
pub(crate) fn what(page: &Page, facts: &Facts, language: Language) -> String {
    let (title, asset) = (page.title.get(language), &facts.asset);
    let is_said = asset.is_empty() || title.to_lowercase().contains(&asset.to_lowercase());
    one_line(&match (is_said, language) {
        (true, _) => title.to_owned(),
        (false, Language::Chinese) => format!("{asset}\u{ff1a}{title}"),
        (false, Language::English) => format!("{asset}: {title}"),
    })
}

/// One line for a subject: product, drill, resend, ticket number, reason, title.
pub(crate) fn subject(envelope: &Envelope) -> String {
    let (page, language) = (&envelope.page, envelope.person.language);
    let (product, colon) = match language {
        Language::Chinese => ("[警钟] ", "\u{ff1a}"),
        Language::English => ("[Tocsin] ", ": "),
    };
    if envelope.secrecy() != Secrecy::Full {
        return one_line(&format!("{product}{}", code_only(envelope)));
    }
    let number = page
        .ticket_number
        .map_or_else(String::new, |number| format!("#{number} "));
    let more = match (envelope.also.len(), language) {
        (0, _) => String::new(),
        (others, Language::Chinese) => format!(" 等{}件", others + 1),
        (others, Language::English) => format!(" and {others} more"),
    };
    let title = what(page, &envelope.facts, language);
    one_line(&format!(
        "{product}{}{number}{}{colon}{title}{more}",
        marks(envelope),
        reason(page.reason, language)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::tests::envelope;
    use tocsin_vocabulary::Text;

    #[test]
    fn a_subject_is_one_line_whatever_the_host_is_called() {
        let mut envelope = envelope(1, "mail");
        envelope.page.title = Text::plain("web\r\nBcc: everybody@example.org\u{2028}x");
        envelope.page.drill = true;
        envelope.facts.unknown = true;
        assert_eq!(
            subject(&envelope),
            "[警钟] 【演练】（重发）#1 新工单：web  Bcc: everybody@example.org x"
        );
        envelope.person.language = Language::English;
        assert!(subject(&envelope).starts_with("[Tocsin] [DRILL] (resent) #1 new ticket: web"));
    }

    #[test]
    fn where_it_is_wrong_is_said_once() {
        let mut envelope = envelope(1, "mail");
        envelope.facts.asset = "web-1".to_owned();
        let said = |envelope: &Envelope| what(&envelope.page, &envelope.facts, Language::Chinese);
        assert_eq!(said(&envelope), "web-1 磁盘已满");
        envelope.page.title = Text::plain("uplink down");
        assert_eq!(said(&envelope), "web-1\u{ff1a}uplink down");
    }
}
