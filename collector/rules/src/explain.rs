//! A rule read aloud: what it looks at, when it raises and clears, how bad that is, what it costs, and what to do, as
//! sentences in both languages.

mod condition;
mod phrases;

use crate::rule::{Action, Condition, Level, Override, Rule};
use condition::{clears, cost, looks_at, raises};
use phrases::{and, bounds_of, span};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tocsin_vocabulary::{Severity, Text};

/// What a sentence is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Which metric, event or silence, and of which series.
    LooksAt,
    /// Which hosts.
    Hosts,
    /// When the alert is raised.
    Raises,
    /// When it is cleared.
    Clears,
    /// How bad it is, and what happens.
    Severity,
    /// When it is worse.
    Worse,
    /// Where other thresholds count.
    Elsewhere,
    /// When an alert that comes and goes stays.
    Flapping,
    /// What else it does.
    Manners,
    /// What it costs.
    Cost,
    /// What the alert says.
    Says,
    /// What to do.
    Remedy,
}

impl Topic {
    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LooksAt => "looks_at",
            Self::Hosts => "hosts",
            Self::Raises => "raises",
            Self::Clears => "clears",
            Self::Severity => "severity",
            Self::Worse => "worse",
            Self::Elsewhere => "elsewhere",
            Self::Flapping => "flapping",
            Self::Manners => "manners",
            Self::Cost => "cost",
            Self::Says => "says",
            Self::Remedy => "remedy",
        }
    }

    /// What people read for it.
    #[must_use]
    pub fn title(self) -> Text {
        let (en, zh) = match self {
            Self::LooksAt => ("Looks at", "观察对象"),
            Self::Hosts => ("Hosts", "适用主机"),
            Self::Raises => ("Raises", "触发条件"),
            Self::Clears => ("Clears", "恢复条件"),
            Self::Severity => ("Severity", "严重程度"),
            Self::Worse => ("Gets worse", "升级"),
            Self::Elsewhere => ("Elsewhere", "例外"),
            Self::Flapping => ("Comes and goes", "反复"),
            Self::Manners => ("Also", "其他"),
            Self::Cost => ("Costs", "开销"),
            Self::Says => ("Says", "告警内容"),
            Self::Remedy => ("Remedy", "处理步骤"),
        };
        Text::new(en, zh)
    }
}

/// One sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentence {
    /// What it is about.
    pub topic: Topic,
    /// The words.
    pub words: Text,
}

/// The rule read aloud.
#[must_use]
pub fn explain(rule: &Rule) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    let mut say = |topic, words| sentences.push(Sentence { topic, words });
    for words in looks_at(&rule.condition) {
        say(Topic::LooksAt, words);
    }
    if let Some(words) = hosts(rule) {
        say(Topic::Hosts, words);
    }
    say(Topic::Raises, raises(rule));
    say(Topic::Clears, clears(rule));
    say(Topic::Severity, severity(rule.severity, rule.action));
    for level in &rule.levels {
        say(Topic::Worse, worse(rule, level));
    }
    for one in &rule.overrides {
        say(Topic::Elsewhere, elsewhere(one));
    }
    if let Some(flapping) = rule.flapping {
        let (raises, within, calm) = (flapping.raises, span(flapping.within), span(flapping.calm));
        let words = Text::new(
            format!(
                "raised {raises} times within {}, it stays until it was healthy for {}",
                within.en, calm.en
            ),
            format!("{} 内触发 {raises} 次后保持，直到连续正常 {}", within.zh, calm.zh),
        );
        say(Topic::Flapping, words);
    }
    for words in manners(rule) {
        say(Topic::Manners, words);
    }
    say(Topic::Cost, cost(&rule.condition));
    say(Topic::Says, rule.title.clone());
    say(Topic::Remedy, rule.remedy.clone());
    sentences
}

/// Which hosts; nothing when it is all of them.
fn hosts(rule: &Rule) -> Option<Text> {
    let names = (!rule.hosts.is_empty()).then(|| {
        let patterns = phrases::patterns(&rule.hosts);
        Text::new(format!("named {}", patterns.en), format!("名称{}", patterns.zh))
    });
    let tags = (!rule.tags.is_empty()).then(|| {
        let patterns = phrases::patterns(&rule.tags);
        Text::new(format!("with a tag {}", patterns.en), format!("标签{}", patterns.zh))
    });
    and(names.into_iter().chain(tags))
}

fn severity(severity: Severity, action: Action) -> Text {
    let does = does(action);
    Text::new(
        format!("{severity}: {}", does.en),
        format!("{}：{}", severity_zh(severity), does.zh),
    )
}

fn does(action: Action) -> Text {
    match action {
        Action::Record => Text::new(
            "kept for inspections and reports, nobody is told",
            "仅记录，供巡检与报告使用",
        ),
        Action::Notify => Text::new("people are told, no ticket", "通知人员，不建工单"),
        Action::Ticket => Text::new("a ticket is opened and its clocks start", "建立工单并开始计时"),
    }
}

/// As the console says it.
const fn severity_zh(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "致命",
        Severity::Major => "严重",
        Severity::Minor => "一般",
        Severity::Warning => "预警",
        Severity::Info => "提示",
    }
}

fn worse(rule: &Rule, level: &Level) -> Text {
    let value = level.bounds.map(|bounds| {
        let bounds = bounds_of(rule, bounds);
        if level.hold.is_zero() {
            return bounds;
        }
        let hold = span(level.hold);
        Text::new(
            format!("{} for {}", bounds.en, hold.en),
            format!("{}，持续 {}", bounds.zh, hold.zh),
        )
    });
    let time = level.after.map(|after| {
        let after = span(after);
        Text::new(format!("after {}", after.en), format!("持续 {} 后", after.zh))
    });
    let when = match (value, time) {
        (Some(value), Some(time)) => Text::new(
            format!("{}, or {}", value.en, time.en),
            format!("{}，或{}", value.zh, time.zh),
        ),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => Text::default(),
    };
    let action = level.action.map(does);
    let tail = |action: Option<&String>, sign: &str| action.map(|words| format!("{sign}{words}")).unwrap_or_default();
    Text::new(
        format!(
            "{} when {}{}",
            level.severity,
            when.en,
            tail(action.as_ref().map(|one| &one.en), "; ")
        ),
        format!(
            "{}：{}{}",
            severity_zh(level.severity),
            when.zh,
            tail(action.as_ref().map(|one| &one.zh), "；")
        ),
    )
}

fn elsewhere(one: &Override) -> Text {
    let whom = [
        (&one.hosts, "hosts", "主机"),
        (&one.tags, "tags", "标签"),
        (&one.groups, "groups", "分组"),
        (&one.customers, "customers", "客户"),
    ];
    let whom = whom.into_iter().filter(|(patterns, ..)| !patterns.is_empty());
    let whom = whom.map(|(patterns, en, zh)| {
        let patterns = phrases::patterns(patterns);
        Text::new(format!("{en} {}", patterns.en), format!("{zh}{}", patterns.zh))
    });
    let whom = and(whom).unwrap_or_default();
    let what = match &one.rule {
        None => Text::new("off", "不适用"),
        Some(rule) => {
            let (raises, severity) = (raises(rule), severity(rule.severity, rule.action));
            Text::new(
                format!("{}; {}", raises.en, severity.en),
                format!("{}；{}", raises.zh, severity.zh),
            )
        }
    };
    Text::new(format!("{}: {}", whom.en, what.en), format!("{}：{}", whom.zh, what.zh))
}

fn manners(rule: &Rule) -> Vec<Text> {
    let mut all = Vec::new();
    let from_healthy = match &rule.condition {
        Condition::Metric(condition) => condition.from_healthy,
        Condition::Derived(condition) => condition.from_healthy,
        _ => false,
    };
    if from_healthy {
        all.push(Text::new(
            "only what was seen healthy before is raised",
            "仅当此前曾正常时才触发",
        ));
    }
    if rule.auto_close {
        all.push(Text::new(
            "its ticket closes by itself when the alert has cleared",
            "告警恢复后自动关闭其工单",
        ));
    }
    if rule.drill {
        all.push(Text::new("its alerts are a drill", "其告警为演练"));
    }
    if let Some(link) = &rule.knowledge {
        all.push(Text::new(format!("read more at {link}"), format!("参考 {link}")));
    }
    all
}

/// `for` as words behind a condition.
pub(crate) fn held(hold: Duration) -> Text {
    if hold.is_zero() {
        return Text::new(", at once", "，立即触发");
    }
    let hold = span(hold);
    Text::new(
        format!(", for {} without a break", hold.en),
        format!("，且持续 {}", hold.zh),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::RuleSet;

    #[test]
    fn every_default_rule_can_be_read_aloud_in_both_languages() {
        for rule in RuleSet::builtin().rules() {
            let sentences = explain(rule);
            for topic in [
                Topic::LooksAt,
                Topic::Raises,
                Topic::Clears,
                Topic::Severity,
                Topic::Cost,
                Topic::Remedy,
            ] {
                assert!(
                    sentences.iter().any(|one| one.topic == topic),
                    "{}: {topic:?}",
                    rule.name
                );
            }
            for Sentence { topic, words } in &sentences {
                assert!(!words.en.is_empty() && !words.zh.is_empty(), "{} {topic:?}", rule.name);
                let foreign = words.zh.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
                assert!(foreign, "{} {topic:?}: {}", rule.name, words.zh);
            }
        }
    }

    fn sentence(text: &str, topic: Topic) -> Text {
        let rules = RuleSet::parse(&[("r.toml", text)]).unwrap_or_else(|errors| panic!("{errors:#?}"));
        let rule = rules.rules().next().unwrap();
        explain(rule).into_iter().find(|one| one.topic == topic).unwrap().words
    }

    const WORDS: &str = "severity = \"warning\"\naction = \"notify\"\ntitle = { en = \"t\", zh = \"t\" }\nremedy = { en = \"r\", zh = \"r\" }\n";

    #[test]
    fn thresholds_and_times_are_said_as_people_say_them() {
        let rule = format!(
            "[[rule]]\nname = \"a\"\nmetric = \"system.filesystem.utilization\"\nwhere = {{ \"system.filesystem.state\" = \"used\" }}\nabove = 0.9\nclear_below = 0.88\nfor = \"5m\"\nclear_for = \"1m\"\n{WORDS}"
        );
        let raises = sentence(&rule, Topic::Raises);
        assert_eq!(
            raises.en,
            "system.filesystem.utilization is above 90 %, for 5m without a break"
        );
        assert_eq!(raises.zh, "system.filesystem.utilization 高于 90 %，且持续 5 分钟");
        let clears = sentence(&rule, Topic::Clears);
        assert_eq!(
            clears.en,
            "system.filesystem.utilization is below 88 %, for 1m without a break"
        );
    }

    #[test]
    fn a_threshold_is_said_as_it_counts_and_a_short_forecast_says_what_it_needs() {
        let rule = format!(
            "[[rule]]\nname = \"a\"\nmetric = \"tocsin.probe.duration\"\nabove = 0.02\nclear_below = 0.015\n{WORDS}"
        );
        assert_eq!(
            sentence(&rule, Topic::Clears).en,
            "tocsin.probe.duration is below 15 ms"
        );
        let rule = format!(
            "[[rule]]\nname = \"a\"\nmetric = \"system.filesystem.utilization\"\nforecast = 1\nbelow = \"5m\"\nover = \"2m\"\n{WORDS}"
        );
        let cost = sentence(&rule, Topic::Cost);
        assert!(cost.en.contains("less often than every 5s"), "{}", cost.en);
        assert!(cost.zh.contains("超过 5 秒"), "{}", cost.zh);
    }

    #[test]
    fn several_conditions_are_said_together() {
        let rule = format!(
            "[[rule]]\nname = \"a\"\nall = [{{ metric = \"system.uptime\", below = 600 }}, {{ not = {{ metric = \"tocsin.cpu.load_per_cpu\", avg = \"10m\", above = 2 }} }}]\n{WORDS}"
        );
        let raises = sentence(&rule, Topic::Raises).en;
        assert_eq!(
            raises,
            "system.uptime is below 10m and not (the mean of tocsin.cpu.load_per_cpu over 10m is above 2), at once"
        );
        let clears = sentence(&rule, Topic::Clears).en;
        assert!(clears.contains("one of these"), "{clears}");
    }
}
