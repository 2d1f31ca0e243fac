//! Golden vectors, properties, and a slow oracle that looks at every minute.

use super::*;
use jiff::civil::{Weekday, date};
use proptest::prelude::*;

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE_MILLIS: i64 = 60_000;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn calendar(name: &str) -> Arc<Calendar> {
    Calendars::built_in().get(name).unwrap().clone()
}

fn due(name: &str, base: TimeBase, start: &str, hours: u32) -> String {
    let calendar = calendar(name);
    calendar.show(calendar.due(base, at(start), HOUR * hours))
}

#[test]
fn targets_end_where_the_agreed_examples_say() {
    for (start, hours, end) in [
        ("2026-02-13T16:30:00+08:00", 8, "2026-02-14T16:30:00+08:00"),
        ("2026-02-28T10:00:00+08:00", 4, "2026-02-28T14:00:00+08:00"),
        ("2026-09-19T20:00:00+08:00", 4, "2026-09-20T13:00:00+08:00"),
        ("2026-09-30T16:00:00+08:00", 4, "2026-10-08T12:00:00+08:00"),
        // A target that fills the day ends with it, not with the next opening.
        ("2026-03-02T09:00:00+08:00", 8, "2026-03-02T17:00:00+08:00"),
        // The long spring festival lies between.
        ("2026-02-14T16:30:00+08:00", 1, "2026-02-24T09:30:00+08:00"),
    ] {
        assert_eq!(due("5x8", TimeBase::Business, start, hours), end, "{start} + {hours}h");
    }
}

#[test]
fn without_make_up_days_the_same_targets_end_later() {
    let spec = CalendarSpec {
        make_up_days: false,
        ..CalendarSpec::workdays()
    };
    let plain = Calendar::new("plain", spec, Arc::new(Holidays::built_in()));
    for (start, hours, end) in [
        ("2026-02-13T16:30:00+08:00", 8, "2026-02-24T16:30:00+08:00"),
        ("2026-02-28T10:00:00+08:00", 4, "2026-03-02T13:00:00+08:00"),
        ("2026-09-19T20:00:00+08:00", 4, "2026-09-21T13:00:00+08:00"),
        ("2026-09-30T16:00:00+08:00", 4, "2026-10-08T12:00:00+08:00"),
    ] {
        let end_found = plain.show(plain.due(TimeBase::Business, at(start), HOUR * hours));
        assert_eq!(end_found, end, "{start} + {hours}h");
    }
}

#[test]
fn natural_time_is_the_wall_clock_from_the_moment_the_calendar_is_open() {
    // Reported in the evening before a make-up Saturday: counted from its opening, then straight through.
    let start = "2026-02-13T20:00:00+08:00";
    assert_eq!(due("5x8", TimeBase::Natural, start, 72), "2026-02-17T09:00:00+08:00");
    assert_eq!(due("7x24", TimeBase::Natural, start, 72), "2026-02-16T20:00:00+08:00");
    assert_eq!(due("7x24", TimeBase::Business, start, 72), "2026-02-16T20:00:00+08:00");
    assert_eq!(due("7x8", TimeBase::Natural, start, 4), "2026-02-14T13:00:00+08:00");
}

#[test]
fn seven_by_eight_runs_on_holidays_unless_it_is_told_not_to() {
    let start = "2026-02-16T16:00:00+08:00";
    assert_eq!(due("7x8", TimeBase::Business, start, 2), "2026-02-17T10:00:00+08:00");
    let spec = CalendarSpec {
        on_holidays: OnHolidays::Closed,
        ..CalendarSpec::daily()
    };
    let closed = Calendar::new("7x8", spec, Arc::new(Holidays::built_in()));
    let end = closed.due(TimeBase::Business, at(start), HOUR * 2);
    assert_eq!(closed.show(end), "2026-02-24T11:00:00+08:00");
}

#[test]
fn closing_time_is_closed_and_the_next_day_ends_with_the_next_open_day() {
    let workdays = calendar("5x8");
    let closing = at("2026-02-13T17:00:00+08:00");
    assert!(!workdays.is_open(closing) && workdays.is_open(closing.minus(Duration::from_millis(1))));
    assert_eq!(workdays.show(workdays.opens_at(closing)), "2026-02-14T09:00:00+08:00");
    let next_day = |start: &str| workdays.show(workdays.next_day_ends(at(start)));
    assert_eq!(next_day("2026-02-13T10:00:00+08:00"), "2026-02-14T17:00:00+08:00");
    // Too late for Friday, so it is accepted on Saturday, and the next working day comes after the festival.
    assert_eq!(next_day("2026-02-13T18:00:00+08:00"), "2026-02-24T17:00:00+08:00");
    assert_eq!(calendar("7x24").working_day(), HOUR * 24);
}

#[test]
fn a_missing_notice_is_told_of_when_it_matters_and_from_december_on_in_advance() {
    let calendars = Calendars::built_in();
    assert_eq!(
        calendars.missing_notices(at("2026-11-30T12:00:00+08:00")),
        Vec::<i16>::new()
    );
    assert_eq!(calendars.missing_notices(at("2026-12-01T12:00:00+08:00")), [2027]);
    assert_eq!(calendars.missing_notices(at("2027-03-01T12:00:00+08:00")), [2027]);
    let (from, to) = (at("2026-12-30T00:00:00+08:00"), at("2028-01-05T00:00:00+08:00"));
    assert_eq!(calendar("5x8").unknown_years(from, to), [2027, 2028]);
    assert_eq!(calendar("7x24").unknown_years(from, to), Vec::<i16>::new());
    assert_eq!(calendar("7x8").unknown_years(from, to), Vec::<i16>::new());
}

#[test]
fn the_version_changes_with_what_is_counted_and_with_nothing_else() {
    let before = calendar("5x8");
    let mut holidays = Holidays::built_in();
    holidays
        .add(YearFile::parse(r#"{"year":2027,"days":[{"name":"x","date":"2027-01-04","isOffDay":true}]}"#).unwrap());
    let after = Calendars::new(&BTreeMap::new(), holidays);
    assert_ne!(before.version(), after.get("5x8").unwrap().version());
    assert_eq!(calendar("7x24").version(), after.get("7x24").unwrap().version());
    assert_eq!(before.version(), calendar("5x8").version());
}

#[test]
fn summer_time_moves_the_hours_with_the_people() {
    let spec = CalendarSpec {
        zone: "Europe/Berlin".to_owned(),
        holidays: HolidayList::None,
        ..CalendarSpec::daily()
    };
    let berlin = Calendar::new("berlin", spec, Arc::default());
    // The night between these days is an hour short; opening stays at nine for those who live there.
    let end = berlin.due(TimeBase::Business, at("2026-03-28T16:00:00+01:00"), HOUR * 2);
    assert_eq!(berlin.show(end), "2026-03-29T10:00:00+02:00");
    let end = berlin.due(TimeBase::Business, at("2026-10-24T16:00:00+02:00"), HOUR * 2);
    assert_eq!(berlin.show(end), "2026-10-25T10:00:00+01:00");
    // A span within the hour that is skipped has no time in it, and the one that comes twice is counted as it is lived.
    let night = CalendarSpec {
        zone: "Europe/Berlin".to_owned(),
        hours: vec![Hours { from: 120, to: 180 }],
        holidays: HolidayList::None,
        ..CalendarSpec::daily()
    };
    let night = Calendar::new("night", night, Arc::default());
    let counted = |from: &str, to: &str| night.elapsed(TimeBase::Business, at(from), at(to));
    assert_eq!(
        counted("2026-03-29T00:00:00+01:00", "2026-03-29T12:00:00+02:00"),
        Duration::ZERO
    );
    assert_eq!(
        counted("2026-10-25T00:00:00+02:00", "2026-10-25T12:00:00+01:00"),
        HOUR * 2
    );
}

/// Instants of 2025 and 2026 in Asia/Shanghai, to the millisecond.
fn instants() -> impl Strategy<Value = Timestamp> {
    let from = at("2025-01-01T00:00:00+08:00").as_millis();
    let to = at("2026-12-31T00:00:00+08:00").as_millis();
    (from..to).prop_map(Timestamp::from_millis)
}

fn any_calendar() -> impl Strategy<Value = Arc<Calendar>> {
    prop_oneof![Just(calendar("5x8")), Just(calendar("7x8")), Just(calendar("7x24"))]
}

fn any_base() -> impl Strategy<Value = TimeBase> {
    prop_oneof![Just(TimeBase::Natural), Just(TimeBase::Business)]
}

proptest! {
    #[test]
    fn elapsed_undoes_due(calendar in any_calendar(), base in any_base(), start in instants(), millis in 0_u64..40_000_000_000) {
        let target = Duration::from_millis(millis);
        let end = calendar.due(base, start, target);
        prop_assert_eq!(calendar.elapsed(base, start, end), target);
        if millis > 0 {
            // It is the first such instant.
            let before = end.minus(Duration::from_millis(1));
            prop_assert!(calendar.elapsed(base, start, before) < target);
        }
    }

    #[test]
    fn time_adds_up_and_never_runs_backwards(
        calendar in any_calendar(), base in any_base(), mut points in proptest::array::uniform3(instants())
    ) {
        points.sort();
        let [a, b, c] = points;
        let whole = calendar.elapsed(base, a, c);
        prop_assert!(calendar.elapsed(base, a, b) <= whole);
        if base == TimeBase::Business {
            prop_assert_eq!(calendar.elapsed(base, a, b) + calendar.elapsed(base, b, c), whole);
        }
        let spans = calendar.spans(base, a, c);
        prop_assert_eq!(spans.iter().map(|span| span.length()).sum::<Duration>(), whole);
        prop_assert!(spans.windows(2).all(|pair| pair[0].to < pair[1].from));
    }

    #[test]
    fn no_instant_and_no_target_overflows(start in any::<i64>(), millis in any::<u64>(), end in any::<i64>(), base in any_base()) {
        let (start, end) = (Timestamp::from_millis(start), Timestamp::from_millis(end));
        for name in ["5x8", "7x24"] {
            let calendar = calendar(name);
            let due = calendar.due(base, start, Duration::from_millis(millis));
            prop_assert!(due >= start || due.as_millis() >= 1 << 59);
            let _ = (calendar.elapsed(base, start, end), calendar.next_day_ends(start));
            let _ = (calendar.unknown_years(start, start), calendar.show(start));
        }
    }
}

/// Every minute from 2025 to 2026 in Asia/Shanghai: open (true) or not, decided from a list of days that is not ours.
struct MinuteOracle {
    first: i64,
    /// Open minutes before each minute.
    before: Vec<u32>,
    /// The first open minute from each minute on; none behind the last.
    opens: Vec<Option<usize>>,
}

impl MinuteOracle {
    fn new(works: &BTreeMap<Date, bool>, open_on: impl Fn(Date, bool) -> bool) -> Self {
        let first = at("2025-01-01T00:00:00+08:00").as_millis();
        let mut before = vec![0];
        let mut open = 0;
        for (&day, &works) in works {
            for minute in 0..1440 {
                open += u32::from(open_on(day, works) && (540..1020).contains(&minute));
                before.push(open);
            }
        }
        let mut opens = vec![None; before.len()];
        for minute in (0..before.len() - 1).rev() {
            let is_open = before[minute + 1] > before[minute];
            opens[minute] = if is_open { Some(minute) } else { opens[minute + 1] };
        }
        Self { first, before, opens }
    }

    fn minutes(&self) -> usize {
        self.before.len() - 1
    }

    fn instant(&self, minute: usize) -> Timestamp {
        Timestamp::from_millis(self.first + i64::try_from(minute).unwrap() * MINUTE_MILLIS)
    }

    /// The first minute by which `target` more minutes were open than at `start`.
    fn due(&self, start: usize, target: u32) -> Option<usize> {
        let wanted = self.before[start] + target;
        let found = self.before.partition_point(|&open| open < wanted);
        (found < self.before.len()).then_some(found.max(start))
    }
}

/// The days of an independent package (`chinesecalendar` of Python), as that package answers them; none where it is not
/// installed.
fn independent_days() -> Option<BTreeMap<Date, bool>> {
    let program = "import chinese_calendar as c, datetime as d\n\
                   x = d.date(2025, 1, 1)\n\
                   while x.year < 2027:\n    print(x, int(c.is_workday(x)))\n    x += d.timedelta(1)\n";
    let python = std::env::var("TOCSIN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let output = std::process::Command::new(python).args(["-c", program]).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let days: BTreeMap<Date, bool> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(day, works)| (day.parse().unwrap(), works == "1"))
        .collect();
    assert_eq!(days.len(), 730);
    Some(days)
}

/// The same days by the plain lists of the notices, for where the package is not at hand.
fn days_of_the_notices() -> BTreeMap<Date, bool> {
    let holidays = Holidays::built_in();
    let mut days = BTreeMap::new();
    let mut day = date(2025, 1, 1);
    while day.year() < 2027 {
        let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        days.insert(day, holidays.day(day).map_or(!weekend, |off| !off));
        day = day.tomorrow().unwrap();
    }
    days
}

/// A million random starts and targets against the oracle that looks at every minute.
#[test]
fn a_million_random_targets_end_where_a_count_of_minutes_says() {
    let independent = independent_days();
    match &independent {
        Some(days) => assert_eq!(
            *days,
            days_of_the_notices(),
            "the notices differ from the independent package"
        ),
        None if std::env::var_os("TOCSIN_REQUIRE_CHINESECALENDAR").is_some() => {
            panic!("TOCSIN_REQUIRE_CHINESECALENDAR is set, but python3 has no package chinesecalendar")
        }
        None => eprintln!(
            "skipped: holidays of an independent package, for python3 has no package chinesecalendar; \
             the built-in notices are used instead"
        ),
    }
    let days = independent.unwrap_or_else(days_of_the_notices);
    let oracles = [
        (calendar("5x8"), MinuteOracle::new(&days, |_, works| works)),
        (calendar("7x8"), MinuteOracle::new(&days, |_, _| true)),
    ];
    // SplitMix64 with a fixed seed: the same million each time.
    let mut state = 0x00C0_FFEE_u64;
    let mut random = move |below: u64| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below
    };
    let mut compared = 0;
    while compared < 1_000_000 {
        let (calendar, oracle) = &oracles[usize::from(random(4) == 0)];
        let start = usize::try_from(random(oracle.minutes() as u64)).unwrap();
        let longest = [1_000, 60_000][usize::from(random(2) == 0)];
        let target = u32::try_from(1 + random(longest)).unwrap();
        let Some(end) = oracle.due(start, target) else { continue };
        let length = Duration::from_secs(u64::from(target) * 60);
        let (from, to) = (oracle.instant(start), oracle.instant(end));
        assert_eq!(
            calendar.due(TimeBase::Business, from, length),
            to,
            "{} {from} + {target} min",
            calendar.name()
        );
        let until = usize::try_from(random(oracle.minutes() as u64)).unwrap();
        let counted = oracle.before[until].saturating_sub(oracle.before[start]);
        let elapsed = calendar.elapsed(TimeBase::Business, from, oracle.instant(until));
        assert_eq!(
            elapsed,
            Duration::from_secs(u64::from(counted) * 60),
            "{} {from} to {until}",
            calendar.name()
        );
        if let Some(opens) = oracle.opens[start] {
            let natural = calendar.due(TimeBase::Natural, from, length);
            assert_eq!(
                natural,
                oracle.instant(opens).plus(length),
                "{} {from}",
                calendar.name()
            );
        }
        compared += 1;
    }
}
