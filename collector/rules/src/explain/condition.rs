//! What a condition looks at, when it holds and when it is over, and what it costs.

use super::{
    held,
    phrases::{Unit, and, healthy, holds, or, patterns, plain, span, unit},
};
use crate::{
    glob::Patterns,
    rule::{
        Condition, DerivedCondition, Direction, EventCondition, EventPattern, Function, Logic, Measure,
        MetricCondition, Operand, Rule, Test,
    },
    template,
};
use std::time::Duration;
use tocsin_vocabulary::{Text, catalogue::Metric};

/// Which series or events, one sentence each.
pub(super) fn looks_at(condition: &Condition) -> Vec<Text> {
    match condition {
        Condition::Metric(condition) => vec![series(condition.metric, &condition.filters)],
        Condition::Derived(condition) => {
            let mut all: Vec<Text> = Vec::new();
            for operand in &condition.operands {
                let words = series(operand.metric, &operand.filters);
                if !all.contains(&words) {
                    all.push(words);
                }
            }
            all
        }
        Condition::Absent(condition) => vec![series(condition.metric, &condition.filters)],
        Condition::Event(condition) => vec![event(&condition.pattern)],
        Condition::NoData { .. } => vec![Text::new("any sign of life of the host", "主机的任何数据")],
    }
}

/// `system.filesystem.utilization — share of …; where …; an alert for each …`.
fn series(metric: &Metric, filters: &[(String, Patterns)]) -> Text {
    let mut text = Text::new(
        format!("{}: {}", metric.name, metric.description.trim_end_matches('.')),
        format!("{}：{}", metric.name, metric.description_zh.trim_end_matches('。')),
    );
    for (key, of) in filters {
        let words = of_attribute(of);
        text.en.push_str(&format!("; {key} {}", words.en));
        text.zh.push_str(&format!("；{key} {}", words.zh));
    }
    text
}

/// Patterns of an attribute; an empty one means that there is none.
fn of_attribute(of: &Patterns) -> Text {
    match (of.included(), of.excluded()) {
        ([only], []) if only.to_string().is_empty() => Text::new("is not there", "不存在"),
        _ => {
            let words = patterns(of);
            Text::new(format!("is {}", words.en), words.zh)
        }
    }
}

fn event(pattern: &EventPattern) -> Text {
    let names = patterns(&pattern.names);
    let mut text = Text::new(format!("events {}", names.en), format!("事件{}", names.zh));
    for (key, of) in &pattern.filters {
        let words = of_attribute(of);
        text.en.push_str(&format!("; {key} {}", words.en));
        text.zh.push_str(&format!("；{key} {}", words.zh));
    }
    if let Some(body) = &pattern.body {
        text.en.push_str(&format!("; whose words fit `{}`", body.as_str()));
        text.zh.push_str(&format!("；内容匹配 `{}`", body.as_str()));
    }
    text
}

/// When the alert is raised.
pub(super) fn raises(rule: &Rule) -> Text {
    let condition = match &rule.condition {
        Condition::Metric(condition) => plain_holds(condition),
        Condition::Derived(condition) => logic(condition, &condition.logic),
        Condition::Absent(condition) => {
            let name = condition.metric.name;
            let tail = if condition.expected {
                (", also if it never had one", "，包括从未出现的情况")
            } else {
                ("", "")
            };
            Text::new(
                format!("{name} has no value any more{}", tail.0),
                format!("{name} 不再有值{}", tail.1),
            )
        }
        Condition::Event(condition) => return counted(condition),
        Condition::NoData { after, answers } => {
            let after = span(*after);
            let (en, zh) = match answers {
                None => ("", ""),
                Some(true) => (", and its machine answers at its address", "，但其地址仍有应答"),
                Some(false) => (", and its machine does not answer at its address", "，且其地址无应答"),
            };
            return Text::new(
                format!("nothing was heard from the host for {}{en}", after.en),
                format!("{} 未收到主机的任何数据{zh}", after.zh),
            );
        }
    };
    let held = held(rule.hold);
    Text::new(condition.en + &held.en, condition.zh + &held.zh)
}

fn plain_holds(condition: &MetricCondition) -> Text {
    let (operand, name) = of_metric(condition);
    let bounds = holds(condition.bounds, Unit::Of(&operand));
    Text::new(
        format!("{} {}", name.en, bounds.en),
        format!("{} {}", name.zh, bounds.zh),
    )
}

fn of_metric(condition: &MetricCondition) -> (Operand, Text) {
    let operand = Operand {
        metric: condition.metric,
        filters: Vec::new(),
        per: condition.per,
    };
    let name = called(&operand);
    (operand, name)
}

/// The series' name, or its rate.
fn called(operand: &Operand) -> Text {
    let name = operand.metric.name;
    match operand.per {
        None => plain(name),
        Some(per) => {
            let per = span(per);
            Text::new(
                format!("the increase of {name} per {}", per.en),
                format!("{name} 每 {} 的增量", per.zh),
            )
        }
    }
}

fn counted(condition: &EventCondition) -> Text {
    let by = if condition.by.is_empty() {
        Text::default()
    } else {
        let by = condition.by.join(", ");
        Text::new(format!(", counted for each {by}"), format!("，按 {by} 分别计数"))
    };
    if condition.count <= 1 {
        return Text::new(
            format!("such an event comes{}", by.en),
            format!("出现此类事件即触发{}", by.zh),
        );
    }
    let within = span(condition.within);
    Text::new(
        format!("{} such events come within {}{}", condition.count, within.en, by.en),
        format!("{} 内出现 {} 次{}", within.zh, condition.count, by.zh),
    )
}

fn logic(condition: &DerivedCondition, logic: &Logic) -> Text {
    let each = |inner: &[Logic]| inner.iter().map(|one| nested(condition, one)).collect::<Vec<_>>();
    match logic {
        Logic::Test(at) => condition
            .tests
            .get(*at)
            .map(|test| compared(condition, test))
            .unwrap_or_default(),
        Logic::All(inner) => and(each(inner)).unwrap_or_default(),
        Logic::Any(inner) => or(each(inner)).unwrap_or_default(),
        Logic::Not(inner) => {
            let inner = self::logic(condition, inner);
            Text::new(format!("not ({})", inner.en), format!("并非（{}）", inner.zh))
        }
    }
}

/// In parentheses where it is several.
fn nested(condition: &DerivedCondition, inner: &Logic) -> Text {
    let words = logic(condition, inner);
    match inner {
        Logic::All(_) | Logic::Any(_) => Text::new(format!("({})", words.en), format!("（{}）", words.zh)),
        _ => words,
    }
}

/// One comparison.
fn compared(condition: &DerivedCondition, test: &Test) -> Text {
    let what = measured(condition, &test.measure);
    if let Measure::Changed { .. } = test.measure
        && test.bounds.threshold() == 0.0
    {
        return what;
    }
    let bounds = holds(test.bounds, unit(condition, test));
    Text::new(
        format!("{} {}", what.en, bounds.en),
        format!("{} {}", what.zh, bounds.zh),
    )
}

/// What is compared.
fn measured(condition: &DerivedCondition, measure: &Measure) -> Text {
    let of = |operand: usize| condition.operands.get(operand).map(called).unwrap_or_default();
    match measure {
        Measure::Value { operand } => of(*operand),
        Measure::Window {
            operand,
            function,
            span,
        } => window(&of(*operand), *function, &self::span(*span)),
        Measure::Changed {
            operand,
            direction,
            within,
        } => changed(&of(*operand), *direction, within.map(span)),
        Measure::Age { operand } => {
            let of = of(*operand);
            Text::new(
                format!("the time since the instant that {} names", of.en),
                format!("距 {} 所示时刻的时间", of.zh),
            )
        }
        Measure::Unchanged { operand } => {
            let of = of(*operand);
            Text::new(
                format!("the time for which {} has not changed", of.en),
                format!("{} 未变化的时间", of.zh),
            )
        }
        Measure::Expression(formula) => plain(formula.written(|operand| short(condition, operand))),
        Measure::Forecast { operand, limit, over } => {
            let (of, over) = (of(*operand), span(*over));
            let limit = condition.operands.get(*operand).map_or_else(
                || template::number(*limit),
                |one| template::figure(*limit, one.metric, one.per),
            );
            Text::new(
                format!(
                    "the time until {} reaches {limit}, judged by the trend of {},",
                    of.en, over.en
                ),
                format!("按 {} 趋势推算 {} 到达 {limit} 的时间", over.zh, of.zh),
            )
        }
        Measure::Baseline {
            operand,
            least,
            direction,
        } => {
            let of = of(*operand);
            let least = condition.operands.get(*operand).map_or_else(
                || template::number(*least),
                |one| template::figure(*least, one.metric, one.per),
            );
            let (en, zh) = match direction {
                Direction::Any => ("from", "偏离"),
                Direction::Increase => ("above", "高出"),
                Direction::Decrease => ("below", "低于"),
            };
            Text::new(
                format!(
                    "the distance of the last 30m of {} {en} what is usual at this hour of this weekday (at least {least})",
                    of.en
                ),
                format!("{} 最近 30 分钟{zh}本周同日同时段常值的幅度（至少 {least}）", of.zh),
            )
        }
    }
}

/// An operand in a formula: its name, with what `where` holds it to.
fn short(condition: &DerivedCondition, operand: usize) -> String {
    let Some(operand) = condition.operands.get(operand) else {
        return String::new();
    };
    let held: Vec<String> = operand
        .filters
        .iter()
        .filter(|(_, patterns)| patterns.is_single())
        .map(|(_, patterns)| patterns.included().iter().map(ToString::to_string).collect())
        .collect();
    match held.iter().any(|one| !one.is_empty()) {
        true => format!("{}[{}]", operand.metric.name, held.join(", ")),
        false => operand.metric.name.to_owned(),
    }
}

fn window(of: &Text, function: Function, span: &Text) -> Text {
    let (en, zh) = match function {
        Function::Avg => ("the mean of".to_owned(), "平均值".to_owned()),
        Function::Min => ("the least of".to_owned(), "最小值".to_owned()),
        Function::Max => ("the greatest of".to_owned(), "最大值".to_owned()),
        Function::Quantile(share) => {
            let share = template::number(share * 100.0);
            (format!("the {share} % quantile of"), format!("{share} % 分位值"))
        }
        Function::Delta => ("the change of".to_owned(), "变化量".to_owned()),
    };
    Text::new(
        format!("{en} {} over {}", of.en, span.en),
        format!("{} 最近 {} 的{zh}", of.zh, span.zh),
    )
}

fn changed(of: &Text, direction: Direction, within: Option<Text>) -> Text {
    let (en, zh) = match direction {
        Direction::Any => ("the change", "变化量"),
        Direction::Increase => ("the rise", "上升量"),
        Direction::Decrease => ("the fall", "下降量"),
    };
    let tail = within.map_or_else(
        || Text::new("until it is back", "直到恢复原值"),
        |within| {
            Text::new(
                format!("until it is back or was so for {}", within.en),
                format!("直到恢复原值或保持 {}", within.zh),
            )
        },
    );
    Text::new(
        format!("{en} of {} from what it was, {},", of.en, tail.en),
        format!("{} 相对原值的{zh}（{}）", of.zh, tail.zh),
    )
}

/// When the alert is cleared.
pub(super) fn clears(rule: &Rule) -> Text {
    let condition = match &rule.condition {
        Condition::Metric(condition) => {
            let (operand, name) = of_metric(condition);
            let bounds = healthy(condition.bounds, Unit::Of(&operand));
            Text::new(
                format!("{} {}", name.en, bounds.en),
                format!("{} {}", name.zh, bounds.zh),
            )
        }
        Condition::Derived(condition) => over(condition, &condition.logic),
        Condition::Absent(condition) => {
            let name = condition.metric.name;
            Text::new(format!("{name} has a value again"), format!("{name} 重新有值"))
        }
        Condition::Event(condition) => return ended(condition),
        Condition::NoData { .. } => return Text::new("the host is heard again", "重新收到主机的数据"),
    };
    if rule.clear_hold.is_zero() {
        return condition;
    }
    let hold = span(rule.clear_hold);
    Text::new(
        format!("{}, for {} without a break", condition.en, hold.en),
        format!("{}，且持续 {}", condition.zh, hold.zh),
    )
}

/// When a condition of several is healthy.
fn over(condition: &DerivedCondition, logic: &Logic) -> Text {
    let each = |inner: &[Logic]| inner.iter().map(|one| over(condition, one)).collect::<Vec<_>>();
    match logic {
        Logic::Test(at) => {
            let Some(test) = condition.tests.get(*at) else {
                return Text::default();
            };
            let what = measured(condition, &test.measure);
            let bounds = healthy(test.bounds, unit(condition, test));
            Text::new(
                format!("{} {}", what.en, bounds.en),
                format!("{} {}", what.zh, bounds.zh),
            )
        }
        Logic::All(inner) => {
            let inner = or(each(inner)).unwrap_or_default();
            Text::new(
                format!("as soon as one of these is so: {}", inner.en),
                format!("满足其一即恢复：{}", inner.zh),
            )
        }
        Logic::Any(inner) => {
            let inner = and(each(inner)).unwrap_or_default();
            Text::new(
                format!("when all of these are so: {}", inner.en),
                format!("须同时满足：{}", inner.zh),
            )
        }
        Logic::Not(inner) => self::logic(condition, inner),
    }
}

fn ended(condition: &EventCondition) -> Text {
    let event = condition.cleared_by.as_ref().map(|pattern| {
        let event = event(pattern);
        Text::new(format!("one of {} comes", event.en), format!("出现{}", event.zh))
    });
    let quiet = condition.clear_after.map(|after| {
        let after = span(after);
        Text::new(
            format!("none came for {}", after.en),
            format!("{} 内没有再次出现", after.zh),
        )
    });
    or(event.into_iter().chain(quiet)).unwrap_or_default()
}

/// What looking costs.
pub(super) fn cost(condition: &Condition) -> Text {
    let Condition::Derived(derived) = condition else {
        return match condition {
            Condition::Event(_) => Text::new(
                "looked at when an event comes; the times of the counted events are kept",
                "收到事件时判断，保留已计数事件的时间",
            ),
            Condition::NoData { .. } => Text::new("one deadline for each host", "每台主机一个到期时间"),
            Condition::Absent(_) => Text::new("looked at on each tick, without memory", "每个采样轮次判断，不占内存"),
            _ => Text::new(
                "looked at only when a value has changed; some bytes for each series",
                "仅在数值变化时判断，每个序列占用数字节",
            ),
        };
    };
    let slots: usize = derived
        .tests
        .iter()
        .map(|test| match test.measure {
            Measure::Window { .. } => 60,
            Measure::Forecast { .. } => 48,
            Measure::Baseline { .. } => 24 * 56,
            _ => 0,
        })
        .sum();
    let when = if derived.is_restless() {
        Text::new("looked at on each tick", "每个采样轮次判断")
    } else {
        Text::new("looked at only when a value has changed", "仅在数值变化时判断")
    };
    if slots == 0 {
        return Text::new(
            format!("{}; some bytes for each series", when.en),
            format!("{}，每个序列占用数字节", when.zh),
        );
    }
    let back = span(derived.looks_back());
    let pace = pace(derived);
    Text::new(
        format!(
            "{}; remembers {} in at most {slots} slots for each series{}",
            when.en, back.en, pace.en
        ),
        format!("{}，每个序列以最多 {slots} 个时段记忆 {}{}", when.zh, back.zh, pace.zh),
    )
}

/// How often a short forecast must be fed: a slower host has too few values for a trend, and it stays silent.
fn pace(condition: &DerivedCondition) -> Text {
    let paces = condition.tests.iter().filter_map(|test| match test.measure {
        Measure::Forecast { over, .. } => Some(Duration::from_secs(over.as_secs() / 24)),
        _ => None,
    });
    // Every agent samples at least once a minute.
    match paces.min().filter(|pace| *pace < Duration::from_secs(60)) {
        None => Text::default(),
        Some(pace) => {
            let pace = span(pace);
            Text::new(
                format!("; silent on hosts that are sampled less often than every {}", pace.en),
                format!("；采样间隔超过 {} 的主机上不作判断", pace.zh),
            )
        }
    }
}
