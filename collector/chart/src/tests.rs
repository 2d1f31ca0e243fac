//! What a reader of the drawing may rely on.

use crate::*;
use jiff::tz::{TimeZone, offset};
use proptest::prelude::*;
use tocsin_vocabulary::{Severity, Timestamp};

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1_000)
}

fn line(values: &[Option<f64>]) -> Line {
    let points = (0..).zip(values).map(|(second, value)| (at(second), *value)).collect();
    Line {
        label: "cpu".to_owned(),
        points,
        class: 0,
    }
}

fn chart(values: &[Option<f64>]) -> Chart {
    let to = at(values.len() as i64 - 1);
    Chart {
        lines: vec![line(values)],
        ..Chart::new(400, 200, at(0), to)
    }
}

/// The chart must be well-formed wherever it stands: every tag closed in order, every attribute quoted.
fn assert_well_formed(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = svg;
    while let Some(begin) = rest.find('<') {
        assert!(!rest[..begin].contains('>'), "stray > in {}", &rest[..begin]);
        let end = begin + rest[begin..].find('>').expect("a tag ends");
        let tag = &rest[begin + 1..end];
        assert!(
            !tag.contains('<') && tag.matches('"').count().is_multiple_of(2),
            "{tag}"
        );
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().unwrap_or(tag));
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty() && rest.is_empty(), "{open:?} {rest}");
    for bad in ["NaN", "inf\"", "inf,", "inf ", " style=", "<script", " id=", " on"] {
        assert!(!svg.contains(bad), "{bad} in {svg}");
    }
}

/// The `x,y` of every stroke of the lines, piece by piece.
fn strokes(svg: &str) -> Vec<Vec<(f64, f64)>> {
    let number = |text: &str| text.parse::<f64>().expect("a coordinate is a number");
    svg.split(r#"<polyline class="tc-stroke" points=""#)
        .skip(1)
        .map(|rest| {
            let points = rest.split('"').next().unwrap_or("");
            points
                .split(' ')
                .filter_map(|p| p.split_once(','))
                .map(|(x, y)| (number(x), number(y)))
                .collect()
        })
        .collect()
}

#[test]
fn a_gap_makes_two_strokes_and_never_touches_zero() {
    let mut chart = chart(&[Some(8.0), Some(9.0), None, None, Some(9.0), Some(8.0)]);
    chart.y = Y::Range(0.0, 10.0);
    let strokes = strokes(&chart.svg());
    assert_eq!(strokes.len(), 2);
    let bottom = 178.0;
    assert!(strokes.iter().flatten().all(|(_, y)| *y < bottom - 50.0), "{strokes:?}");
}

#[test]
fn text_from_outside_is_data() {
    let mut chart = chart(&[Some(1.0), Some(2.0)]);
    let hostile = "</svg><script>alert(1)</script>\" 'x' &amp; \u{0}\u{1b}";
    chart.title = hostile.to_owned();
    chart.empty = hostile.to_owned();
    chart.lines[0].label = hostile.to_owned();
    chart.lines.push(Line {
        label: hostile.to_owned(),
        points: vec![],
        class: 255,
    });
    chart.thresholds.push(Threshold {
        value: 1.5,
        label: hostile.to_owned(),
        severity: Severity::Major,
    });
    for kind in [SpanKind::Fault, SpanKind::Maintenance, SpanKind::NotObserved] {
        chart.spans.push(Span {
            from: at(0),
            to: at(1),
            kind,
            label: hostile.to_owned(),
        });
    }
    chart.unit = Unit::Other(hostile.to_owned());
    let svg = chart.svg();
    assert_well_formed(&svg);
    assert!(svg.contains("&lt;script&gt;") && svg.contains("&amp;amp;") && !svg.contains('\u{0}'));
}

#[test]
fn the_spike_among_a_hundred_thousand_points_is_drawn() {
    let mut values = vec![Some(1.0); 100_000];
    values[70_001] = Some(100.0);
    let svg = chart(&values).svg();
    let highest = strokes(&svg)
        .iter()
        .flatten()
        .map(|(_, y)| *y)
        .fold(f64::INFINITY, f64::min);
    assert!(highest < 30.0, "{highest}");
    assert!(svg.len() < 20_000, "{} bytes", svg.len());
}

#[test]
fn a_value_outside_the_given_range_widens_it() {
    let mut chart = chart(&[Some(0.5), Some(1.4)]);
    chart.unit = Unit::Ratio;
    chart.y = Y::Range(0.0, 1.0);
    assert!(chart.svg().contains(">150 %<"));
}

#[test]
fn a_far_threshold_is_named_at_the_edge_without_pressing_the_line_flat() {
    let mut chart = chart(&[Some(10.0), Some(11.0), Some(12.0)]);
    chart.thresholds = vec![
        Threshold {
            value: 1_000.0,
            label: "far".to_owned(),
            severity: Severity::Critical,
        },
        Threshold {
            value: 13.0,
            label: "near".to_owned(),
            severity: Severity::Warning,
        },
    ];
    let svg = chart.svg();
    assert!(svg.contains("↑ far 1000") && svg.contains(">near 13<"));
    assert_eq!(svg.matches(r#"</title><path d="M"#).count(), 1);
}

/// Left, right, top and bottom of each threshold's name.
fn names(svg: &str) -> Vec<[f64; 4]> {
    let number = |text: &str, before: &str| {
        let from = text.find(before).expect("an attribute") + before.len();
        let digits = text[from..].split('"').next().unwrap_or("");
        digits.parse::<f64>().expect("a number")
    };
    svg.split(r#"<g class="tc-threshold"#)
        .skip(1)
        .map(|group| {
            let text = &group[group.find("<text").expect("a name")..];
            let (x, y) = (number(text, " x=\""), number(text, " y=\""));
            let written = text.split(['>', '<']).nth(2).unwrap_or("");
            let width = crate::markup::text_width(written, 11.0);
            let (left, right) = if text.starts_with(r#"<text class="tc-start""#) {
                (x, x + width)
            } else {
                (x - width, x)
            };
            [left, right, y - 8.0, y + 2.0]
        })
        .collect()
}

#[test]
fn names_of_close_thresholds_do_not_cover_each_other() {
    for values in [
        &[0.90, 0.95][..],
        &[0.90, 0.98],
        &[0.95, 0.85, 0.40, 0.10],
        &[0.5, 0.52, 0.54],
        &[0.9, 0.9],
    ] {
        let mut chart = chart(&[Some(0.2), Some(0.3)]);
        (chart.width, chart.height) = (352, 180);
        (chart.unit, chart.y) = (Unit::Ratio, Y::Range(0.0, 1.0));
        chart.title = "Memory".to_owned();
        for value in values {
            chart.thresholds.push(Threshold {
                value: *value,
                label: "memory-low".to_owned(),
                severity: Severity::Warning,
            });
        }
        chart.spans.push(Span {
            from: at(0),
            to: at(1),
            kind: SpanKind::NotObserved,
            label: "not observed".to_owned(),
        });
        let names = names(&chart.svg());
        assert_eq!(names.len(), values.len());
        for (index, a) in names.iter().enumerate() {
            for b in &names[index + 1..] {
                let apart = a[1] <= b[0] || b[1] <= a[0] || a[3] <= b[2] || b[3] <= a[2];
                assert!(apart, "{values:?}: {a:?} and {b:?}");
            }
        }
    }
}

#[test]
fn times_are_labelled_in_the_given_zone() {
    // 2026-11-22 22:00 to 02:00 in a zone 8 hours ahead; midnight shows the date.
    let from = Timestamp::from_millis(1_795_356_000_000);
    let to = from.plus(std::time::Duration::from_secs(4 * 3_600));
    let zone = TimeZone::fixed(offset(8));
    let svg = Chart {
        title: "t".into(),
        zone,
        ..Chart::new(900, 200, from, to)
    }
    .svg();
    for label in [
        ">22:30<",
        ">11-23<",
        ">02:00<",
        ">2026-11-22 22:00 – 11-23 02:00 +08:00<",
    ] {
        assert!(svg.contains(label), "{label} in {svg}");
    }
}

#[test]
fn time_ticks_are_in_order_and_never_crowded() {
    for seconds in [
        1,
        45,
        600,
        3_600,
        86_400,
        604_800,
        31_536_000,
        400_000_000,
        30_000_000_000_i64,
    ] {
        let ticks = crate::axis::time_ticks(
            1_700_000_000_000,
            1_700_000_000_000 + seconds * 1_000,
            &TimeZone::UTC,
            12.0,
        );
        assert!((1..=13).contains(&ticks.len()), "{seconds} s: {ticks:?}");
        assert!(ticks.is_sorted_by(|a, b| a.0 < b.0));
    }
}

#[test]
fn nothing_at_all_says_so() {
    let mut chart = chart(&[None, None]);
    chart.empty = "no data".to_owned();
    let svg = chart.svg();
    assert!(svg.contains(">no data<") && strokes(&svg).is_empty());
}

#[test]
fn a_single_value_is_visible() {
    assert_eq!(strokes(&chart(&[None, Some(3.0), None]).svg())[0].len(), 2);
}

#[test]
fn values_too_small_to_divide_are_zero() {
    assert_well_formed(&chart(&[None, Some(5e-324)]).svg());
}

#[test]
fn a_state_is_drawn_in_steps() {
    let mut chart = chart(&[Some(1.0), Some(1.0), Some(0.0), Some(0.0)]);
    chart.unit = Unit::Bool;
    let stroke = &strokes(&chart.svg())[0];
    assert!(
        stroke
            .windows(2)
            .all(|pair| pair[0].0 == pair[1].0 || pair[0].1 == pair[1].1),
        "{stroke:?}"
    );
}

#[test]
fn every_point_has_its_value_for_hover() {
    let svg = chart(&[Some(1.0), Some(2.5), Some(2.0)]).svg();
    assert!(svg.contains(r#"data-v="1 2.5 2""#), "{svg}");
}

#[test]
fn the_style_sheet_names_every_class_in_both_themes() {
    let dark = CHART_CSS
        .split("prefers-color-scheme: dark")
        .nth(1)
        .expect("there is a dark theme");
    for class in 0..8 {
        assert_eq!(CHART_CSS.matches(&format!("--chart-{class}:")).count(), 2);
        assert!(dark.contains(&format!("--chart-{class}:")));
    }
    for severity in Severity::ALL {
        assert!(CHART_CSS.contains(&format!("--chart-{}:", severity.as_str())));
    }
    assert!(!CHART_CSS.contains("url(") && !CHART_CSS.contains("@import"));
}

fn value() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        3 => any::<f64>().prop_map(Some),
        3 => (-100.0..100.0).prop_map(Some),
        1 => Just(None),
        1 => prop_oneof![
            Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(f64::MAX), Just(f64::MIN),
            Just(5e-324), Just(-0.0)
        ].prop_map(Some),
    ]
}

fn instant() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        (0..100_000_i64).prop_map(Timestamp::from_millis),
        any::<i64>().prop_map(Timestamp::from_millis),
        Just(Timestamp::from_millis(i64::MIN)),
        Just(Timestamp::from_millis(i64::MAX)),
    ]
}

fn unit() -> impl Strategy<Value = Unit> {
    prop::sample::select(vec![
        Unit::Bytes,
        Unit::BytesPerSecond,
        Unit::Ratio,
        Unit::Seconds,
        Unit::Count,
        Unit::PerSecond,
        Unit::Bool,
        Unit::Other("°C".into()),
    ])
}

proptest! {
    #[test]
    fn any_values_make_a_well_formed_drawing_within_its_bounds(
        points in prop::collection::vec((instant(), value()), 0..40),
        (from, to) in (instant(), instant()),
        (width, height) in (any::<u32>(), any::<u32>()),
        unit in unit(),
        range in prop::option::of((any::<f64>(), any::<f64>())),
        threshold in any::<f64>(),
        (begin, end) in (instant(), instant()),
        area in any::<bool>(),
    ) {
        let kinds = [SpanKind::Fault, SpanKind::Maintenance, SpanKind::NotObserved];
        let chart = Chart {
            unit,
            area,
            y: range.map_or(Y::Auto, |(a, b)| Y::Range(a, b)),
            lines: vec![
                Line { label: "a".into(), points: points.clone(), class: 3 },
                Line { label: "b".into(), points: points.clone(), class: 9 },
            ],
            thresholds: vec![
                Threshold { value: threshold, label: "t".into(), severity: Severity::Info },
                Threshold { value: threshold, label: "u".into(), severity: Severity::Critical },
            ],
            spans: kinds.into_iter().map(|kind| Span { from: begin, to: end, kind, label: "s".into() }).collect(),
            ..Chart::new(width, height, from, to)
        };
        let svg = chart.svg();
        assert_well_formed(&svg);
        for (x, y) in strokes(&svg).into_iter().flatten() {
            prop_assert!((0.0..=4_000.0).contains(&x) && (0.0..=2_000.0).contains(&y), "{x},{y}");
        }
        assert_well_formed(&sparkline(&points, width, height));
    }

    #[test]
    fn any_value_is_written_briefly(unit in unit(), value in any::<f64>()) {
        let text = unit.format(value);
        prop_assert!(text.chars().count() <= 16 && !text.contains("inf") && !text.contains("NaN"), "{text}");
    }
}
