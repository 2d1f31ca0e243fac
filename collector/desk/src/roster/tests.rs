//! Rosters in virtual time: who serves, across nights, swaps, holidays and the days on which clocks are set.

use super::*;
use jiff::civil::{date, time};
use std::time::Duration;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn staff(main: &str, deputy: &str) -> Staff {
    Staff {
        main: vec![main.to_owned()],
        deputy: if deputy.is_empty() {
            Vec::new()
        } else {
            vec![deputy.to_owned()]
        },
        ..Staff::default()
    }
}

/// 24 on 48 off from 2026-11-01: wang, li, zhao.
fn day_on_two_off() -> Roster {
    Roster {
        name: "room".to_owned(),
        zone: "Asia/Shanghai".to_owned(),
        customer: None,
        minimum: 2,
        fallback: "chen".to_owned(),
        shifts: vec![shift("day", 8, 8)],
        rotation: Some(Rotation {
            pattern: Pattern::DayOnTwoOff,
            starts_on: date(2026, 11, 1),
            teams: vec![staff("wang", "sun"), staff("li", "qian"), staff("zhao", "wu")],
            cycle: Vec::new(),
        }),
        holidays: Vec::new(),
        special: Vec::new(),
    }
}

fn shift(name: &str, from: i8, to: i8) -> Shift {
    Shift {
        name: name.to_owned(),
        from: time(from, 0, 0, 0),
        to: time(to, 0, 0, 0),
        days: Vec::new(),
    }
}

fn three_shifts(teams: usize) -> Roster {
    let names = ["a", "b", "c", "d"];
    Roster {
        shifts: vec![shift("early", 6, 14), shift("late", 14, 22), shift("night", 22, 6)],
        minimum: 1,
        rotation: Some(Rotation {
            pattern: Pattern::ThreeShifts,
            teams: names[..teams].iter().map(|name| staff(name, "")).collect(),
            ..day_on_two_off().rotation.unwrap()
        }),
        ..day_on_two_off()
    }
}

fn main_at(roster: &Roster, exchanges: &[Exchange], text: &str) -> String {
    let spans = now(roster, exchanges, at(text));
    spans
        .iter()
        .flat_map(|span| span.staff.main.clone())
        .collect::<Vec<_>>()
        .join("+")
}

fn exchange(moves: &[(&str, &str, &str, &str)], consent: Consent) -> Exchange {
    Exchange {
        id: 1,
        roster: "room".to_owned(),
        moves: moves
            .iter()
            .map(|(from, to, out, into)| Move {
                from: at(from),
                to: at(to),
                out: (*out).to_owned(),
                into: (*into).to_owned(),
            })
            .collect(),
        reason: "exam".to_owned(),
        asked_by: "wang".to_owned(),
        asked_at: at("2026-11-01T00:00:00Z"),
        needs: Some("li".to_owned()),
        consent,
        answered_at: None,
    }
}

#[test]
fn twenty_four_on_forty_eight_off() {
    let roster = day_on_two_off();
    for (when, who) in [
        ("2026-11-01T07:59:59+08:00", ""),
        ("2026-11-01T08:00:00+08:00", "wang"),
        ("2026-11-02T07:59:59+08:00", "wang"),
        ("2026-11-02T08:00:00+08:00", "li"),
        ("2026-11-03T12:00:00+08:00", "zhao"),
        ("2026-11-04T12:00:00+08:00", "wang"),
        ("2027-02-28T12:00:00+08:00", "zhao"),
    ] {
        assert_eq!(main_at(&roster, &[], when), who, "{when}");
    }
    let next = next_change(&roster, &[], at("2026-11-03T12:00:00+08:00"));
    assert_eq!(next, Some(at("2026-11-04T08:00:00+08:00")));
}

#[test]
fn four_teams_on_three_shifts_are_never_idle_and_never_double() {
    let roster = three_shifts(4);
    let (from, to) = (at("2026-11-01T06:00:00+08:00"), at("2026-12-11T06:00:00+08:00"));
    let spans = duties(&roster, &[], from, to);
    assert_eq!(spans.len(), 120);
    assert_eq!(gaps(&spans, from, to), []);
    for team in ["a", "b", "c", "d"] {
        let mine: Vec<&Span> = spans.iter().filter(|span| span.staff.main == [team]).collect();
        assert_eq!(mine.len(), 30, "{team} works as much as the others");
        for pair in mine.windows(2) {
            assert!(
                pair[1].from.since(pair[0].to) >= Duration::from_secs(8 * 3_600),
                "{team} rests between shifts"
            );
        }
    }
}

#[test]
fn three_teams_change_their_shift_by_the_week() {
    let roster = three_shifts(3);
    assert_eq!(main_at(&roster, &[], "2026-11-03T09:00:00+08:00"), "a");
    assert_eq!(main_at(&roster, &[], "2026-11-09T09:00:00+08:00"), "b");
    assert_eq!(main_at(&roster, &[], "2026-11-09T17:00:00+08:00"), "c");
}

#[test]
fn on_the_days_when_clocks_are_set_shifts_join_without_gap_or_overlap() {
    let mut roster = three_shifts(4);
    roster.zone = "Europe/Berlin".to_owned();
    roster.shifts = vec![shift("night", 2, 10), shift("day", 10, 18), shift("late", 18, 2)];
    if let Some(rotation) = &mut roster.rotation {
        rotation.starts_on = date(2026, 3, 1);
    }
    // 02:00 is skipped on 2026-03-29, and comes twice on 2026-10-25.
    for (from, to) in [
        ("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z"),
        ("2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z"),
    ] {
        let spans = duties(&roster, &[], at(from), at(to));
        assert_eq!(gaps(&spans, at(from), at(to)), []);
        assert!(spans.windows(2).all(|pair| pair[0].to == pair[1].from), "{spans:#?}");
    }
    let hours = |text: &str| {
        let spans = now(&day_on_two_off_in("Europe/Berlin"), &[], at(text));
        spans[0].to.since(spans[0].from).as_secs() / 3_600
    };
    assert_eq!(hours("2026-10-25T00:30:00Z"), 25);
    assert_eq!(hours("2027-03-28T02:30:00Z"), 23);
}

fn day_on_two_off_in(zone: &str) -> Roster {
    Roster {
        zone: zone.to_owned(),
        shifts: vec![shift("day", 0, 0)],
        rotation: Some(Rotation {
            starts_on: date(2026, 1, 1),
            ..day_on_two_off().rotation.unwrap()
        }),
        ..day_on_two_off()
    }
}

#[test]
fn a_swap_holds_once_both_agree_and_cuts_the_shift() {
    let roster = day_on_two_off();
    let moves = [
        ("2026-11-04T20:00:00+08:00", "2026-11-05T08:00:00+08:00", "wang", "li"),
        ("2026-11-05T08:00:00+08:00", "2026-11-05T20:00:00+08:00", "li", "wang"),
    ];
    let asked = [exchange(&moves, Consent::Asked)];
    assert_eq!(main_at(&roster, &asked, "2026-11-04T21:00:00+08:00"), "wang");
    let agreed = [exchange(&moves, Consent::Agreed)];
    for (when, who) in [
        ("2026-11-04T19:00:00+08:00", "wang"),
        ("2026-11-04T21:00:00+08:00", "li"),
        ("2026-11-05T09:00:00+08:00", "wang"),
        ("2026-11-05T21:00:00+08:00", "li"),
    ] {
        assert_eq!(main_at(&roster, &agreed, when), who, "{when}");
    }
    let spans = duties(
        &roster,
        &agreed,
        at("2026-11-04T08:00:00+08:00"),
        at("2026-11-05T08:00:00+08:00"),
    );
    assert_eq!(spans.iter().map(|span| span.changed).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn a_holiday_is_staffed_apart_or_warned_of() {
    let mut roster = day_on_two_off();
    roster.holidays = vec![date(2026, 11, 4)];
    assert_eq!(main_at(&roster, &[], "2026-11-04T12:00:00+08:00"), "");
    let people: Vec<Reach> = ["wang", "sun", "li", "qian", "zhao", "wu", "chen"]
        .map(|login| Reach {
            login: login.to_owned(),
            reachable: login != "zhao",
        })
        .to_vec();
    assert_eq!(mistakes(&roster, &people), Vec::<String>::new());
    let said = warnings(&roster, &[], &people, at("2026-11-03T12:00:00+08:00"));
    let expected = [
        "zhao: has neither a phone number nor a mail address, so pages reach only the inbox",
        "nobody has the main post from 2026-11-04 08:00 to 2026-11-05 08:00: chen is paged",
        "2026-11-04 08:00 day: 0 on duty, the minimum is 2",
        "2026-11-04 is a holiday and day is not staffed for it",
    ];
    assert_eq!(said, expected);
    roster.special.push(Special {
        date: date(2026, 11, 4),
        shift: "day".to_owned(),
        staff: staff("wu", "sun"),
    });
    assert_eq!(main_at(&roster, &[], "2026-11-04T12:00:00+08:00"), "wu");
    assert_eq!(
        warnings(&roster, &[], &people, at("2026-11-03T12:00:00+08:00")).len(),
        1
    );
}

#[test]
fn a_roster_without_a_fallback_or_with_strangers_is_refused_with_all_mistakes() {
    let mut roster = day_on_two_off();
    roster.fallback = String::new();
    roster.zone = "Mars/Base".to_owned();
    roster.shifts.push(shift("night", 20, 8));
    let known = [Reach {
        login: "wang".to_owned(),
        reachable: true,
    }];
    let said = mistakes(&roster, &known);
    assert!(
        said.iter().any(|line| line.starts_with("fallback: nobody is named")),
        "{said:?}"
    );
    assert!(said.iter().any(|line| line.contains("Mars/Base")), "{said:?}");
    assert!(
        said.iter()
            .any(|line| line.contains("24-48 needs one shift and three teams")),
        "{said:?}"
    );
    assert!(
        said.iter()
            .any(|line| line == "people: `li` is not in the register of people"),
        "{said:?}"
    );
}

#[test]
fn a_sheet_becomes_days_that_are_staffed_apart() {
    let mut roster = three_shifts(4);
    let login = |word: &str| ["wang", "li"].contains(&word).then(|| word.to_owned());
    let text = "日期,班次,主班,副班,带班领导\n2026/11/4,early,wang,li、wang,li\n2026-11-04,late,li,,\n";
    let sheet = crate::register::sheet::read(text).unwrap();
    let days = import::read(&sheet, &roster, login).unwrap();
    import::put(&mut roster, days.clone());
    import::put(&mut roster, days);
    assert_eq!(roster.special.len(), 2);
    assert_eq!(main_at(&roster, &[], "2026-11-04T12:00:00+08:00"), "wang");
    let text = "日期,班次,主班\n2026-13-01,early,wang\n2026-11-04,noon,nobody\n";
    let said = import::read(&crate::register::sheet::read(text).unwrap(), &roster, login).unwrap_err();
    assert_eq!(
        said,
        [
            "line 2: `2026-13-01` is no date such as 2026-10-01",
            "line 3: the roster has no shift `noon`",
            "line 3: nobody is called `nobody`"
        ]
    );
}

#[test]
fn a_calendar_has_short_lines_and_the_persons_shifts_only() {
    let roster = day_on_two_off();
    let (from, to) = (at("2026-11-01T08:00:00+08:00"), at("2026-11-07T08:00:00+08:00"));
    let spans = duties(&roster, &[], from, to);
    let name = |login: &str| format!("{login}, engineer of the duty room with a long name; 王工");
    let text = ical::calendar("room", &spans, Some("wang"), from, Language::Chinese, name);
    assert!(text.starts_with("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n") && text.ends_with("END:VCALENDAR\r\n"));
    assert_eq!(text.matches("BEGIN:VEVENT").count(), 2);
    assert!(
        text.contains("DTSTART:20261101T000000Z\r\nDTEND:20261102T000000Z\r\n"),
        "{text}"
    );
    assert!(text.split("\r\n").all(|line| line.len() <= 75), "{text}");
    assert!(text.contains("wang\\, engineer"), "{text}");
}

use tocsin_vocabulary::Language;

#[test]
fn a_plan_is_read_as_people_write_it() {
    let text = r#"{"name": "room", "fallback": "chen", "shifts": [{"name": "day", "from": "08:00", "to": "20:00",
        "days": ["mon", "sat"]}], "rotation": {"pattern": "24-48", "starts_on": "2026-11-01",
        "teams": [{"main": ["wang"]}]}}"#;
    let roster: Roster = serde_json::from_str(text).unwrap();
    assert_eq!(
        (roster.zone.as_str(), roster.minimum, roster.shifts[0].days.len()),
        ("Asia/Shanghai", 1, 2)
    );
    let again: Roster = serde_json::from_str(&serde_json::to_string(&roster).unwrap()).unwrap();
    assert_eq!(again, roster);
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the zone and the moment, three shifts of a day cover it once, and what is said of a moment is what is
        /// said of the month around it.
        #[test]
        fn somebody_serves_at_every_moment_and_only_one(
            seconds in 1_767_225_600_i64..1_893_456_000,
            zone in prop::sample::select(vec!["Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"]),
            teams in 3_usize..=4,
        ) {
            let mut roster = three_shifts(teams);
            roster.zone = zone.to_owned();
            if let Some(rotation) = &mut roster.rotation {
                rotation.starts_on = date(2025, 12, 1);
            }
            let at = Timestamp::from_millis(seconds * 1_000);
            let current = now(&roster, &[], at);
            prop_assert_eq!(current.len(), 1);
            let (from, to) = (at.minus(Duration::from_secs(15 * 86_400)), at.plus(Duration::from_secs(15 * 86_400)));
            let month = duties(&roster, &[], from, to);
            prop_assert_eq!(gaps(&month, from, to), []);
            prop_assert!(month.windows(2).all(|pair| pair[0].to == pair[1].from));
            prop_assert!(month.contains(&current[0]));
        }

        /// An exchange moves people about, and neither makes nor loses time.
        #[test]
        fn an_exchange_changes_people_and_no_time(begin in 0_u64..2_000_000, length in 1_u64..400_000) {
            let roster = day_on_two_off();
            let start = at("2026-11-02T08:00:00+08:00");
            let from = start.plus(Duration::from_secs(begin));
            let one = Move {
                from,
                to: from.plus(Duration::from_secs(length)),
                out: "li".to_owned(),
                into: "chen".to_owned(),
            };
            let exchanges = [Exchange { moves: vec![one.clone()], ..exchange(&[], Consent::Agreed) }];
            let end = start.plus(Duration::from_secs(30 * 86_400));
            let (plain, changed) = (duties(&roster, &[], start, end), duties(&roster, &exchanges, start, end));
            let total = |spans: &[Span]| spans.iter().map(|span| span.to.since(span.from)).sum::<Duration>();
            prop_assert_eq!(total(&plain), total(&changed));
            for span in &changed {
                let inside = one.from <= span.from && span.to <= one.to;
                prop_assert!(!(inside && span.staff.main == ["li"]), "{:?}", span);
                prop_assert!(inside || span.staff.main != ["chen"], "{:?}", span);
            }
        }
    }
}
