//! A page in one paragraph, for SMS, robots, push and voice: who, what, where, since when, level, remaining time, link. The
//! first part of an SMS, 70 UTF-16 units with the operator's signature, holds all of it; the title gives way where there is
//! no room.

use super::{code_only, drill_mark, level, marks, one_line, reason, resent_mark, what};
use crate::{
    channel::{Envelope, Facts, OWN_LEVEL, Secrecy},
    config::Common,
    sms, template,
};
use std::time::Duration;
use tocsin_desk::model::Page;
use tocsin_vocabulary::{Language, Timestamp};

/// What is left of a title at least, in UTF-16 units, before a reply's hint is left out.
const TITLE_UNITS_MIN: usize = 12;
/// Tickets that a digest names; the rest is counted.
const DIGEST_NAMED_MAX: usize = 5;
/// A ticket older than this is told with its date.
const TODAY: Duration = Duration::from_secs(20 * 3_600);

/// How a channel's texts look.
#[derive(Debug, Clone)]
pub(crate) struct Style {
    common: Common,
    /// Signature, 70 units, links only when asked for.
    sms: bool,
    /// Whether people can answer over this channel.
    replies: bool,
}

impl Style {
    /// For robots, push and voice.
    pub(crate) fn long(common: &Common) -> Self {
        Self {
            common: common.clone(),
            sms: false,
            replies: false,
        }
    }

    /// For SMS.
    pub(crate) fn sms(common: &Common, replies: bool) -> Self {
        Self {
            common: common.clone(),
            sms: true,
            replies,
        }
    }

    /// The link of this page where this channel shows links.
    pub(crate) fn link<'a>(&self, envelope: &'a Envelope) -> &'a str {
        if sms::has_link(&self.common, self.sms) && envelope.secrecy() == Secrecy::Full {
            &envelope.link
        } else {
            ""
        }
    }

    /// The message.
    pub(crate) fn message(&self, envelope: &Envelope, now: Timestamp) -> String {
        let sign = if self.sms { self.common.sign() } else { String::new() };
        if envelope.secrecy() != Secrecy::Full {
            return format!("{sign}{}", code_only(envelope));
        }
        let room = if self.sms {
            sms::SINGLE_UNITS - sms::units(&sign)
        } else {
            usize::MAX
        };
        let text = if envelope.also.is_empty() {
            self.templated(envelope, now)
                .unwrap_or_else(|| self.one(envelope, now, room))
        } else {
            self.digest(envelope, room)
        };
        let link = self.link(envelope);
        let link = if link.is_empty() {
            String::new()
        } else {
            format!(" {link}")
        };
        format!("{sign}{text}{link}")
    }

    /// `#1042 一级 TITLE 11:04起 剩58分 回1042 07接单`.
    fn one(&self, envelope: &Envelope, now: Timestamp, room: usize) -> String {
        let (page, language) = (&envelope.page, envelope.person.language);
        let number = page
            .ticket_number
            .map_or_else(String::new, |number| format!("#{number} "));
        // A word of our own about no ticket has no level to speak of.
        let is_own = page.ticket_number.is_none() && page.level == OWN_LEVEL;
        let level = if is_own {
            String::new()
        } else {
            format!("{} ", level(page.level, language))
        };
        let head = format!("{}{number}{level}", marks(envelope));
        let why = match page.reason {
            tocsin_desk::model::PageReason::Opened | tocsin_desk::model::PageReason::Notice => String::new(),
            other => format!("{} ", reason(other, language)),
        };
        let head = format!("{head}{why}");
        let tail = format!("{}{}", self.since(envelope, now), left(envelope, now));
        let title = what(page, &envelope.facts, language);
        let taken = sms::units(&head) + sms::units(&tail);
        let hint = self.hint(envelope);
        let spare = room.saturating_sub(taken + sms::units(&title).min(TITLE_UNITS_MIN.max(room / 3)));
        let hint = if sms::units(&hint) <= spare {
            hint
        } else {
            String::new()
        };
        let room = room.saturating_sub(taken + sms::units(&hint));
        // Whose it is, where it costs nothing else.
        let whose = place(envelope, self.sms);
        let whose = if sms::units(&whose) + sms::units(&title) <= room {
            whose
        } else {
            String::new()
        };
        let title = sms::cut(&title, room.saturating_sub(sms::units(&whose)));
        format!("{head}{whose}{title}{tail}{hint}")
    }

    /// How to accept by answering.
    fn hint(&self, envelope: &Envelope) -> String {
        let may = self.replies && envelope.facts.is_open;
        let (Some(number), true) = (envelope.page.ticket_number, may) else {
            return String::new();
        };
        let staff = &envelope.facts.staff;
        match (envelope.person.language, staff.is_empty()) {
            (_, true) => String::new(),
            (Language::Chinese, false) => format!(" 回{number} {staff}接单"),
            (Language::English, false) => format!(" reply {number} {staff}"),
        }
    }

    /// ` 11:04起`.
    fn since(&self, envelope: &Envelope, now: Timestamp) -> String {
        let Some(since) = envelope.facts.since else {
            return String::new();
        };
        let clock = self.local(since, now);
        match envelope.person.language {
            Language::Chinese => format!(" {clock}起"),
            Language::English => format!(" since {clock}"),
        }
    }

    /// `11:04`, or `11-22 11:04` for what was not today.
    fn local(&self, time: Timestamp, now: Timestamp) -> String {
        let shown = self.shifted(time);
        let clock = shown.get(11..16).unwrap_or_default();
        if now.since(time) > TODAY {
            format!("{} {clock}", shown.get(5..10).unwrap_or_default())
        } else {
            clock.to_owned()
        }
    }

    /// `2026-11-22 11:04:05 +08:00`, for where there is room.
    pub(super) fn moment(&self, time: Timestamp) -> String {
        let offset = self.common.utc_offset_minutes();
        let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.abs());
        let shown = self.shifted(time);
        let (date, clock) = (
            shown.get(..10).unwrap_or_default(),
            shown.get(11..19).unwrap_or_default(),
        );
        format!("{date} {clock} {sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }

    /// Local time in the form `2026-11-22T03:04:05.678Z`.
    fn shifted(&self, time: Timestamp) -> String {
        let offset = i64::from(self.common.utc_offset_minutes()) * 60_000;
        Timestamp::from_millis(time.as_millis() + offset).to_string()
    }

    /// `3件告警: #1042一级 TITLE; …`.
    fn digest(&self, envelope: &Envelope, room: usize) -> String {
        let language = envelope.person.language;
        let all: Vec<(&Page, &Facts)> = std::iter::once((&envelope.page, &envelope.facts))
            .chain(envelope.also.iter().map(|(page, facts)| (page, facts)))
            .collect();
        let count = all.len();
        let head = match language {
            Language::Chinese => format!("{}汇总{count}件: ", marks(envelope)),
            Language::English => format!("{}{count} pages: ", marks(envelope)),
        };
        let named: Vec<String> = all
            .iter()
            .take(DIGEST_NAMED_MAX)
            .map(|(page, facts)| {
                let number = page
                    .ticket_number
                    .map_or_else(String::new, |number| format!("#{number} "));
                format!(
                    "{number}{} {}",
                    level(page.level, language),
                    what(page, facts, language)
                )
            })
            .collect();
        let more = match (count.saturating_sub(DIGEST_NAMED_MAX), language) {
            (0, _) => String::new(),
            (_, Language::Chinese) => "; 其余见值班台".to_owned(),
            (others, Language::English) => format!("; {others} more in the console"),
        };
        let room = room.saturating_sub(sms::units(&head) + sms::units(&more));
        format!("{head}{}{more}", sms::cut(&named.join("; "), room))
    }

    /// The administrator's own words, where there are any. That it is a drill, or may have arrived before, is said
    /// whether the words have a place for it or not.
    pub(super) fn templated(&self, envelope: &Envelope, now: Timestamp) -> Option<String> {
        let template = match envelope.person.language {
            Language::Chinese => self.common.template_zh.as_deref()?,
            Language::English => self.common.template_en.as_deref()?,
        };
        let text = template::fill(template, &mut |name| self.value(envelope, now, name))?;
        let unless_named = |name, mark| if template::names(template, name) { "" } else { mark };
        let drill = unless_named("drill", drill_mark(envelope));
        let resent = unless_named("resent", resent_mark(envelope));
        Some(format!("{drill}{resent}{text}"))
    }

    /// What one of [`template::NAMES`] says.
    pub(crate) fn value(&self, envelope: &Envelope, now: Timestamp, name: &str) -> String {
        let (page, language) = (&envelope.page, envelope.person.language);
        let Facts {
            asset,
            customer,
            site,
            since,
            staff,
            ..
        } = &envelope.facts;
        let text = match name {
            "number" => page.ticket_number.map_or_else(String::new, |number| number.to_string()),
            "level" => level(page.level, language),
            "customer_call" => code_only(envelope),
            // What follows is the customer's own.
            _ if envelope.secrecy() != Secrecy::Full => String::new(),
            "title" => page.title.get(language).to_owned(),
            "asset" => asset.clone(),
            "customer" => customer.clone(),
            "site" => site.clone(),
            "reason" => reason(page.reason, language).to_owned(),
            "body" => page.body.get(language).to_owned(),
            "since" => since.map_or_else(String::new, |since| self.local(since, now)),
            "left" => left(envelope, now).trim().to_owned(),
            "link" => self.link(envelope).to_owned(),
            "staff" => staff.clone(),
            "person" => envelope.person.name.clone(),
            "drill" if page.drill => match language {
                Language::Chinese => "演练".to_owned(),
                Language::English => "drill".to_owned(),
            },
            "resent" if envelope.is_resent() => match language {
                Language::Chinese => "重发".to_owned(),
                Language::English => "resent".to_owned(),
            },
            _ => String::new(),
        };
        one_line(&text)
    }
}

/// Whose it is, and outside of SMS where it stands: `第一银行 主机房 `; empty where nobody entered it.
fn place(envelope: &Envelope, is_sms: bool) -> String {
    let Facts { customer, site, .. } = &envelope.facts;
    let words = [customer.as_str(), if is_sms { "" } else { site.as_str() }];
    let said = words.iter().filter(|word| !word.is_empty());
    said.map(|word| format!("{} ", one_line(word))).collect()
}

/// ` 剩58分`, ` 逾期12分`.
pub(super) fn left(envelope: &Envelope, now: Timestamp) -> String {
    let Some(due) = envelope.facts.due_at else {
        return String::new();
    };
    let language = envelope.person.language;
    if due >= now {
        let left = span(due.since(now), language);
        match language {
            Language::Chinese => format!(" 剩{left}"),
            Language::English => format!(" {left} left"),
        }
    } else {
        let over = span(now.since(due), language);
        match language {
            Language::Chinese => format!(" 逾期{over}"),
            Language::English => format!(" overdue {over}"),
        }
    }
}

/// A span in its largest whole unit.
fn span(span: Duration, language: Language) -> String {
    let minutes = span.as_secs() / 60;
    let (number, zh, en) = match minutes {
        0..=119 => (minutes, "分", "min"),
        120..=2_879 => (minutes / 60, "小时", "h"),
        _ => (minutes / 1_440, "天", "d"),
    };
    match language {
        Language::Chinese => format!("{number}{zh}"),
        Language::English => format!("{number} {en}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::tests::envelope;
    use proptest::prelude::*;
    use tocsin_vocabulary::{Level, Text};

    const HOUR: i64 = 3_600_000;

    fn told() -> Envelope {
        let mut envelope = envelope(1042, "sms");
        envelope.page.level = Level::new(1);
        envelope.page.title = Text::new("disk full on web-1", "web-1 磁盘已满");
        envelope.facts = Facts {
            // 03:04 UTC
            since: Some("2026-11-22T03:04:00Z".parse().unwrap()),
            due_at: Some("2026-11-22T04:04:00Z".parse().unwrap()),
            staff: "07".to_owned(),
            is_open: true,
            ..Facts::default()
        };
        envelope
    }

    fn now() -> Timestamp {
        "2026-11-22T03:06:00Z".parse().unwrap()
    }

    fn signed() -> Common {
        Common {
            signature: Some("某某运维".to_owned()),
            ..Common::default()
        }
    }

    #[test]
    fn an_sms_tells_what_where_since_when_and_how_long_with_its_signature() {
        let mut envelope = told();
        let text = Style::sms(&signed(), true).message(&envelope, now());
        assert_eq!(
            text,
            "【某某运维】#1042 一级 web-1 磁盘已满 11:04起 剩58分 回1042 07接单"
        );
        assert!(sms::units(&text) <= 70);
        envelope.page.drill = true;
        envelope.facts.unknown = true;
        let text = Style::sms(&signed(), false).message(&envelope, now());
        assert!(
            text.starts_with("【某某运维】【演练】\u{ff08}重发\u{ff09}#1042"),
            "{text}"
        );
    }

    #[test]
    fn whose_it_is_is_said_where_there_is_room_and_how_to_accept_while_nobody_has() {
        let mut envelope = told();
        envelope.facts.customer = "第一银行".to_owned();
        envelope.facts.site = "主机房".to_owned();
        let text = Style::sms(&signed(), true).message(&envelope, now());
        let wanted = "【某某运维】#1042 一级 第一银行 web-1 磁盘已满 11:04起 剩58分 回1042 07接单";
        assert_eq!(text, wanted);
        let text = Style::long(&signed()).message(&envelope, now());
        assert!(text.starts_with("#1042 一级 第一银行 主机房 web-1 磁盘已满"), "{text}");
        envelope.facts.is_open = false;
        envelope.facts.customer = "银行".repeat(30);
        let text = Style::sms(&signed(), true).message(&envelope, now());
        assert_eq!(text, "【某某运维】#1042 一级 web-1 磁盘已满 11:04起 剩58分");
    }

    #[test]
    fn a_customer_who_asks_for_codes_only_is_named_nowhere() {
        let mut envelope = told();
        envelope.facts.secrecy = Secrecy::CodeOnly;
        envelope.page.body = Text::plain("secret of web-1");
        let linked = Common {
            link: Some(true),
            template_zh: Some("{title} {body} {link}".to_owned()),
            ..signed()
        };
        assert_eq!(
            Style::sms(&linked, true).message(&envelope, now()),
            "【某某运维】工单1042 一级 请回值班室"
        );
        let letter = Style::long(&linked).letter(&envelope, now());
        for text in [super::super::subject(&envelope), letter] {
            assert!(!text.contains("web-1") && !text.contains("https"), "{text}");
        }
    }

    #[test]
    fn what_was_too_much_is_told_together() {
        let mut envelope = told();
        for number in 1043..1053 {
            let mut other = told();
            other.page.ticket_number = Some(number);
            envelope.also.push((other.page, other.facts));
        }
        let text = Style::sms(&signed(), true).message(&envelope, now());
        assert!(text.starts_with("【某某运维】汇总11件: #1042 一级"), "{text}");
        assert!(text.ends_with("其余见值班台") && sms::units(&text) <= 70, "{text}");
    }

    #[test]
    fn an_administrators_own_words_are_used() {
        let common = Common {
            template_zh: Some("{number}号 {level} {title} {left}".to_owned()),
            ..Common::default()
        };
        let text = Style::sms(&common, false).message(&told(), now());
        assert_eq!(text, "1042号 一级 web-1 磁盘已满 剩58分");
        // A drill and a copy are told as such whatever the words are.
        let mut envelope = told();
        envelope.page.drill = true;
        envelope.facts.unknown = true;
        let text = Style::sms(&common, false).message(&envelope, now());
        assert!(text.starts_with("【演练】\u{ff08}重发\u{ff09}1042号"), "{text}");
    }

    proptest! {
        #[test]
        fn the_first_part_has_room_for_everything_whatever_the_title(
            title in "\\PC{0,200}", number in 1u64..1_000_000_000, over in 0i64..400, resent: bool, drill: bool
        ) {
            let mut envelope = told();
            envelope.page.title = Text::plain(title);
            envelope.page.ticket_number = Some(number);
            envelope.facts.unknown = resent;
            envelope.page.drill = drill;
            let later = Timestamp::from_millis(now().as_millis() + over * HOUR);
            let text = Style::sms(&signed(), true).message(&envelope, later);
            prop_assert!(sms::units(&text) <= 70, "{}", text);
            let numbered = text.contains(&format!("#{number} "));
            prop_assert!(numbered);
        }
    }
}
