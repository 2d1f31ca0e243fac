//! Every cell of every shipped policy, in the contract's words; then what policies must hold to in general.

use super::*;
use crate::{
    calendar::{Calendar, Calendars},
    clocks::Book,
};
use std::collections::BTreeSet;
use tocsin_vocabulary::Timestamp;

fn policy(name: &str) -> Policy {
    let found = Policy::shipped().into_iter().find(|policy| policy.name == name);
    found.unwrap_or_else(|| panic!("the policy {name} ships"))
}

/// What a row asks for: policy, grade, levels by name, conditions, clock, start, within and base; and the contract's words.
/// Conditions are `mail`, `phone`, `after` (warranty), `key` (importance), `closed` (hours), or empty.
#[rustfmt::skip]
#[allow(clippy::type_complexity, reason = "rows of a table")]
const TABLE: &[(&str, &str, &str, &str, &str, &str, &str, &str)] = &[
    ("basic", "", "特大 重大 较大 普通", "", "respond", "reported natural", "1h", "1小时内响应"),
    ("basic", "", "特大 重大 较大 普通", "", "arrive", "accepted natural", "2h", "2小时内到达现场"),
    ("basic", "", "特大 重大 较大 普通", "", "resolve", "accepted natural", "4h", "一般故障4小时内解决"),

    ("duty", "", "特大 重大 较大", "key", "respond", "reported natural", "15m", "主要设备故障15分钟内响应"),
    ("duty", "", "普通", "key", "respond", "reported natural", "15m", "主要设备故障15分钟内响应"),
    ("duty", "", "普通", "", "respond", "reported business", "1wd", "普通故障在工作时间内答复"),
    ("duty", "", "特大 重大 较大 普通", "", "arrive", "given_up natural", "1h", "值班工程师无法排除时，专业工程师1小时内到场"),
    ("duty", "", "特大 重大 较大 普通", "closed", "arrive", "accepted natural", "1h", "非工作时间1小时内到达现场"),
    ("duty", "", "特大", "", "resolve", "accepted natural", "24h", "特大故障24小时内解决"),
    ("duty", "", "重大", "", "resolve", "accepted natural", "4h", "重大故障4小时内解决"),
    ("duty", "", "较大", "", "resolve", "accepted natural", "2h", "较大故障2小时内解决"),
    ("duty", "", "普通", "", "resolve", "accepted natural", "1h", "普通故障1小时内解决"),
    ("duty", "", "特大", "closed", "resolve", "accepted natural", "24h", "非工作时间特大故障24小时内解决"),
    ("duty", "", "普通", "closed", "resolve", "accepted natural", "1h", "非工作时间普通故障1小时内解决"),

    ("graded", "A", "一级 二级 三级", "", "arrive", "accepted natural", "2h", "A级：2小时内到达现场"),
    ("graded", "B", "一级 二级 三级", "", "arrive", "accepted natural", "4h", "B级：4小时内到达现场"),
    ("graded", "C", "一级 二级 三级", "", "arrive", "accepted natural", "next_day", "C级：第二天到达现场"),
    ("graded", "A", "一级", "", "resolve", "accepted natural", "2h", "A级：一级故障2小时内解决"),
    ("graded", "B", "一级", "", "resolve", "accepted natural", "4h", "B级：一级故障4小时内解决"),
    ("graded", "C", "一级", "", "resolve", "accepted natural", "8h", "C级：一级故障8小时内解决"),
    ("graded", "A", "二级", "", "resolve", "accepted natural", "24h", "A级：二级故障24小时内解决"),
    ("graded", "B", "二级", "", "resolve", "accepted natural", "24h", "B级：二级故障24小时内解决"),
    ("graded", "C", "二级", "", "resolve", "accepted natural", "72h", "C级：二级故障72小时内解决"),
    ("graded", "A", "三级", "", "resolve", "accepted natural", "48h", "A级：三级故障48小时内解决"),
    ("graded", "B", "三级", "", "resolve", "accepted natural", "48h", "B级：三级故障48小时内解决"),
    ("graded", "C", "三级", "", "resolve", "accepted natural", "72h", "C级：三级故障72小时内解决"),

    ("impact", "", "系统瘫痪", "", "respond", "reported natural", "5m", "系统瘫痪：立即响应，落实到人"),
    ("impact", "", "系统瘫痪", "", "arrive", "accepted natural", "1h", "系统瘫痪：1小时内到达现场"),
    ("impact", "", "系统瘫痪", "", "restore", "on_site natural", "2h", "系统瘫痪：到达现场后2小时内恢复服务"),
    ("impact", "", "系统瘫痪", "", "recover", "on_site natural", "6h", "系统瘫痪：到达现场后6小时内指标全部恢复正常"),
    ("impact", "", "严重/部分重要服务不正常", "", "arrive", "accepted natural", "2h", "部分重要服务不正常：2小时内到达现场"),
    ("impact", "", "严重/部分重要服务不正常", "", "restore", "on_site natural", "4h", "部分重要服务不正常：4小时内恢复服务"),
    ("impact", "", "严重/部分重要服务不正常", "", "recover", "on_site natural", "24h", "部分重要服务不正常：1天内指标全部恢复正常"),
    ("impact", "", "个别服务不正常/终端故障", "", "plan", "accepted natural", "6h", "个别服务不正常：6小时内提出修复方案"),
    ("impact", "", "个别服务不正常/终端故障", "", "resolve", "accepted business", "2wd", "个别服务不正常：2个工作日内修复"),

    ("four-level", "", "一级 二级 三级 四级", "", "respond", "reported natural", "1h", "1小时内响应"),
    ("four-level", "", "一级 二级 三级 四级", "phone", "respond", "reported natural", "1h", "1小时内响应"),
    ("four-level", "", "一级 二级 三级 四级", "mail", "respond", "reported natural", "2h", "邮件报障2小时内响应"),
    ("four-level", "", "一级 二级 三级 四级", "phone after", "respond", "reported natural", "2h", "保修期外电话报障2小时内响应"),
    ("four-level", "", "一级 二级", "", "restore", "accepted natural", "12h", "一级、二级故障12小时内恢复"),
    ("four-level", "", "三级 四级", "", "restore", "accepted natural", "24h", "三级、四级故障24小时内恢复"),
    ("four-level", "", "一级 二级 三级 四级", "", "arrive", "accepted natural", "1h", "1小时内到达现场"),
    ("four-level", "", "一级", "", "resolve", "accepted natural", "4h", "重大故障4小时内修复"),
];

fn situation<'a>(grade: &'a str, conditions: &str) -> Situation<'a> {
    let has = |word: &str| conditions.split(' ').any(|condition| condition == word);
    Situation {
        grade,
        intake: match (has("phone"), has("mail")) {
            (true, _) => Intake::Phone,
            (_, true) => Intake::Mail,
            _ => Intake::Alert,
        },
        phase: if has("after") { Phase::After } else { Phase::Within },
        importance: if has("key") {
            Importance::Key
        } else {
            Importance::Normal
        },
        hours: if has("closed") { HoursOf::Closed } else { HoursOf::Open },
    }
}

#[test]
fn every_cell_promises_what_the_contract_says() {
    let mut asserted = BTreeSet::new();
    for (name, grade, levels, conditions, clock, counting, within, wording) in TABLE {
        let policy = policy(name);
        let clock = ClockKind::parse(clock).unwrap();
        for level in levels.split(' ') {
            let step = policy.ladder.iter().find(|step| step.name.zh == level).unwrap();
            let found = policy.target(step.level, clock, &situation(grade, conditions));
            let target = found.unwrap_or_else(|| panic!("{name} {grade} {level} {conditions}: no {clock:?}"));
            let start = serde_json::to_value(target.start).unwrap();
            assert_eq!(
                (
                    format!("{} {}", start.as_str().unwrap(), target.time_base.as_str()).as_str(),
                    target.within,
                    target.wording.as_str()
                ),
                (*counting, within.parse().unwrap(), *wording),
                "{name} {grade} {level} {conditions} {clock:?}"
            );
            let cell = policy.targets.iter().position(|other| other == target).unwrap();
            asserted.insert((*name, cell, step.level));
        }
    }
    for policy in Policy::shipped() {
        for (cell, target) in policy.targets.iter().enumerate() {
            for level in &target.levels {
                let place = (policy.name.as_str(), cell, *level);
                assert!(asserted.contains(&place), "nothing asserts {}: {target:?}", policy.name);
            }
        }
    }
}

#[test]
fn what_is_not_promised_has_no_clock() {
    for (name, level, clock) in [
        ("graded", 1, ClockKind::Respond),
        ("impact", 2, ClockKind::Respond),
        ("impact", 3, ClockKind::Arrive),
        ("four-level", 2, ClockKind::Resolve),
        ("symptom", 1, ClockKind::Respond),
        ("duty", 1, ClockKind::Respond),
    ] {
        let found = policy(name)
            .target(Level::new(level), clock, &situation("A", ""))
            .cloned();
        assert_eq!(found, None, "{name} {level} {clock:?}");
    }
}

#[test]
fn what_a_fault_does_makes_its_level_as_it_lasts() {
    use Impact::{BusinessDown, Danger, DataLost, Function, Minor, Outage, Partial};
    for (name, impact, minutes, level) in [
        ("graded", Outage, 0, "一级"),
        ("graded", BusinessDown, 9, "二级"),
        ("graded", BusinessDown, 10, "一级"),
        ("graded", DataLost, 0, "一级"),
        ("graded", Partial, 0, "二级"),
        ("graded", Danger, 0, "二级"),
        ("graded", Function, 600, "三级"),
        ("four-level", Outage, 59, "二级"),
        ("four-level", Outage, 60, "一级"),
        ("four-level", DataLost, 0, "一级"),
        ("four-level", Danger, 0, "一级"),
        ("four-level", Function, 0, "二级"),
        ("four-level", Minor, 0, "三级"),
        ("four-level", Impact::None, 0, "四级"),
        ("impact", Outage, 0, "系统瘫痪"),
        ("impact", Partial, 0, "严重/部分重要服务不正常"),
        ("impact", Minor, 0, "个别服务不正常/终端故障"),
        ("symptom", Outage, 0, "紧急"),
        ("symptom", Partial, 0, "严重"),
        ("symptom", Minor, 0, "较严重"),
        ("symptom", Impact::None, 0, "普通"),
    ] {
        let policy = policy(name);
        let lasted = Duration::from_secs(minutes * 60);
        let found = policy.level_of(Severity::Info, Importance::Low, Some(impact), lasted);
        assert_eq!(policy.level_name(found).zh, level, "{name} {impact:?} {minutes} min");
    }
    let graded = policy("graded");
    assert_eq!(
        graded.worsens_after(BusinessDown, Level::new(2)),
        Some(Duration::from_secs(600))
    );
    assert_eq!(graded.worsens_after(BusinessDown, Level::WORST), None);
}

#[test]
fn the_shipped_policies_are_usable_and_name_calendars_that_there_are() {
    let shipped = Policy::shipped();
    let names: Vec<_> = shipped.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, ["basic", "duty", "four-level", "graded", "impact", "symptom"]);
    let book = Book::new(
        Policy::basic(),
        shipped,
        Calendars::built_in(),
        std::collections::BTreeMap::new(),
    );
    assert_eq!(book.mistakes(), Vec::<String>::new());
    let grades: Vec<_> = policy("graded")
        .grades
        .into_iter()
        .map(|grade| format!("{} {}", grade.name, grade.calendar))
        .collect();
    assert_eq!(grades, ["A 7x24", "B 7x8", "C 5x8"]);
}

#[test]
fn a_worse_severity_or_a_weightier_asset_never_has_a_milder_level() {
    for policy in Policy::shipped() {
        for pair in Severity::ALL.windows(2) {
            for &importance in Importance::ALL {
                assert!(policy.level(pair[1], importance) <= policy.level(pair[0], importance));
            }
        }
        for pair in Importance::ALL.windows(2) {
            for &severity in Severity::ALL {
                assert!(policy.level(severity, pair[1]) <= policy.level(severity, pair[0]));
            }
        }
    }
}

#[test]
fn all_mistakes_are_told_together() {
    let mut policy = Policy::basic();
    policy.matrix.pop();
    policy.targets.push(policy.targets[0].clone());
    policy.targets[1].levels = vec![Level::new(9)];
    policy.paging.rounds_max = 0;
    let mistakes = policy.mistakes();
    assert_eq!(mistakes.len(), 4, "{mistakes:#?}");
}

#[test]
fn working_days_and_the_next_day_come_to_open_hours_of_the_calendar() {
    let calendars = Calendars::built_in();
    let workdays: &Calendar = calendars.get("5x8").unwrap();
    let friday: Timestamp = "2026-02-13T16:30:00+08:00".parse().unwrap();
    let (base, target) = Within::WorkingDays(2).resolve(TimeBase::Natural, workdays, friday);
    let end = workdays.show(workdays.due(base, friday, target));
    assert_eq!(end, "2026-02-24T16:30:00+08:00");
    let (base, target) = Within::NextDay.resolve(TimeBase::Natural, workdays, friday);
    assert_eq!(
        workdays.show(workdays.due(base, friday, target)),
        "2026-02-14T17:00:00+08:00"
    );
    for text in ["2h", "2wd", "next_day"] {
        assert_eq!(String::from(text.parse::<Within>().unwrap()), text);
    }
    assert!("2 working days".parse::<Within>().is_err());
}

#[test]
fn a_reason_is_read_from_how_a_sentence_begins() {
    for (sentence, reason) in [
        ("parts: a fan is ordered", Some(WaitReason::Parts)),
        ("Vendor", Some(WaitReason::Vendor)),
        ("客户要求周末处理", Some(WaitReason::Customer)),
        ("窗口：周六凌晨", Some(WaitReason::Window)),
        ("partswap", None),
        ("because", None),
    ] {
        assert_eq!(WaitReason::of(sentence), reason, "{sentence}");
    }
}

#[test]
fn no_text_makes_the_reader_of_policies_stumble() {
    bolero::check!().with_type::<Vec<u8>>().for_each(|bytes| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            let _ = Policy::parse(text);
        }
    });
}
