//! A page as a letter, for mail: the administrator's own words or the page's, then everything that is known, a line each.

use super::{brief::left, level, one_line, subject, what};
use crate::{
    channel::{Envelope, Secrecy},
    wording::Style,
};
use tocsin_vocabulary::{Language, Timestamp};

impl Style {
    /// The plain text under the subject.
    pub(crate) fn letter(&self, envelope: &Envelope, now: Timestamp) -> String {
        let mut lines = vec![subject(envelope), String::new()];
        if envelope.secrecy() == Secrecy::Full {
            lines.extend(self.templated(envelope, now));
            lines.extend(self.known(envelope, now));
        }
        let key = Label(envelope.person.language, "Key", "编号");
        lines.push(key.line(&envelope.page.key));
        lines.push(String::new());
        lines.join("\n")
    }

    /// What is known, a line each.
    fn known(&self, envelope: &Envelope, now: Timestamp) -> Vec<String> {
        let (page, facts, language) = (&envelope.page, &envelope.facts, envelope.person.language);
        let label = |en, zh| Label(language, en, zh);
        let mut lines: Vec<String> = page.body.get(language).lines().map(one_line).collect();
        for (label, text) in [
            (label("Customer", "客户"), &facts.customer),
            (label("Site", "站点"), &facts.site),
            (label("Asset", "维保对象"), &facts.asset),
        ] {
            lines.extend((!text.is_empty()).then(|| label.line(text)));
        }
        if page.ticket_number.is_some() {
            lines.push(label("Level", "级别").line(&level(page.level, language)));
        }
        if let Some(since) = facts.since {
            lines.push(label("Since", "开始于").line(&self.moment(since)));
        }
        if let Some(due) = facts.due_at {
            let told = format!("{}{}", self.moment(due), left(envelope, now));
            lines.push(label("Due", "下一时限").line(&told));
        }
        lines.push(label("Sent", "时间").line(&self.moment(page.created_at)));
        let link = self.link(envelope);
        if !link.is_empty() {
            lines.push(format!("{}{link}", label("Open the ticket", "查看并接单")));
        }
        for (other, facts) in &envelope.also {
            let number = other
                .ticket_number
                .map_or_else(String::new, |number| format!("#{number} "));
            let told = format!(
                "{number}{} {}",
                level(other.level, language),
                what(other, facts, language)
            );
            lines.push(one_line(&told));
        }
        lines
    }
}

/// What stands before a value.
struct Label(Language, &'static str, &'static str);

impl Label {
    fn line(&self, value: &str) -> String {
        format!("{self}{}", one_line(value))
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Language::English => write!(f, "{}: ", self.1),
            Language::Chinese => write!(f, "{}\u{ff1a}", self.2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{channel::Facts, config::Common, worker::tests::envelope};
    use tocsin_vocabulary::Text;

    #[test]
    fn a_letter_tells_whose_where_since_when_and_how_long_in_local_time() {
        let mut envelope = envelope(1042, "mail");
        envelope.facts = Facts {
            asset: "web-1".to_owned(),
            customer: "第一银行".to_owned(),
            since: Some("2026-11-22T03:04:00Z".parse().unwrap()),
            due_at: Some("2026-11-22T04:04:00Z".parse().unwrap()),
            ..Facts::default()
        };
        let now = "2026-11-22T03:06:00Z".parse().unwrap();
        let text = Style::long(&Common::default()).letter(&envelope, now);
        for line in [
            "清理空间",
            "客户\u{ff1a}第一银行",
            "维保对象\u{ff1a}web-1",
            "级别\u{ff1a}二级",
            "开始于\u{ff1a}2026-11-22 11:04:00 +08:00",
            "下一时限\u{ff1a}2026-11-22 12:04:00 +08:00 剩58分",
            "查看并接单\u{ff1a}https://tocsin.example.com/p/abc",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        let common = Common {
            template_zh: Some("{number}号 {title}".to_owned()),
            ..Common::default()
        };
        let text = Style::long(&common).letter(&envelope, now);
        assert_eq!(text.lines().nth(2), Some("1042号 web-1 磁盘已满"));
    }

    #[test]
    fn no_word_from_outside_begins_a_line() {
        let mut envelope = envelope(1, "mail");
        envelope.page.title = Text::plain("web\r\nBcc: everybody@example.org\u{2028}x");
        envelope.facts.asset = "x\nBcc: y".to_owned();
        let text = Style::long(&Common::default()).letter(&envelope, Timestamp::from_millis(0));
        assert!(text.lines().all(|line| !line.starts_with("Bcc")), "{text}");
    }
}
