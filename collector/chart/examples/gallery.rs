//! Prints a page with every kind of chart, to be looked at in both themes:
//! `cargo run -p tocsin-chart --example gallery > /tmp/gallery.html`.
#![allow(clippy::print_stdout)] // printing the page is its purpose

use jiff::tz::{TimeZone, offset};
use tocsin_chart::{
    CHART_CSS, CHART_JS, Chart, Line, Point, Span, SpanKind, Threshold, Unit, Y, sparkline, sparkline_within,
};
use tocsin_vocabulary::{Severity, Timestamp};

const MINUTE: i64 = 60_000;
/// 2026-11-22 09:00 in Shanghai.
const BEGIN: i64 = 1_795_309_200_000;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(BEGIN + minute * MINUTE)
}

/// A deterministic wobble.
fn wave(minutes: i64, seed: i64, base: f64, reach: f64) -> Vec<Point> {
    let mut state = seed;
    let mut drift = 0.0;
    (0..=minutes)
        .map(|minute| {
            state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
            drift = drift * 0.9 + (state as f64 / 2_147_483_648.0 - 0.5) * reach;
            (
                at(minute),
                Some((base + drift + reach * (minute as f64 / 70.0).sin()).max(0.0)),
            )
        })
        .collect()
}

fn line(label: &str, class: u8, points: Vec<Point>) -> Line {
    Line {
        label: label.to_owned(),
        points,
        class,
    }
}

fn span(from: i64, to: i64, kind: SpanKind, label: &str) -> Span {
    Span {
        from: at(from),
        to: at(to),
        kind,
        label: label.to_owned(),
    }
}

fn charts(width: u32) -> Vec<Chart> {
    let zone = TimeZone::fixed(offset(8));
    let base = |minutes, title: &str| Chart {
        zone: zone.clone(),
        title: title.to_owned(),
        empty: "这段时间没有观测数据".to_owned(),
        ..Chart::new(width, 240, at(0), at(minutes))
    };
    let mut cpu = wave(360, 7, 0.25, 0.12);
    for (minute, point) in cpu.iter_mut().enumerate() {
        if (200..240).contains(&minute) {
            point.1 = None;
        }
        if (300..330).contains(&minute) {
            point.1 = point.1.map(|v| v.mul_add(0.1, 0.92).min(1.0));
        }
    }
    let modes = [
        "user",
        "system",
        "iowait",
        "irq",
        "softirq",
        "steal",
        "nice <b>&\"",
        "一个很长很长的中文标签名称",
    ];
    vec![
        Chart {
            unit: Unit::Ratio,
            y: Y::Range(0.0, 1.0),
            area: true,
            lines: vec![line("CPU", 0, cpu)],
            thresholds: vec![Threshold {
                value: 0.9,
                label: "严重".to_owned(),
                severity: Severity::Critical,
            }],
            spans: vec![
                span(200, 240, SpanKind::NotObserved, "未观测"),
                span(300, 330, SpanKind::Fault, "故障 #1042"),
                span(60, 120, SpanKind::Maintenance, "维护窗口"),
            ],
            ..base(360, "CPU 使用率 · web-01")
        },
        Chart {
            unit: Unit::BytesPerSecond,
            lines: vec![
                line("接收 eth0", 0, wave(1_440, 3, 6.0e7, 3.0e7)),
                line("发送 eth0", 1, wave(1_440, 5, 2.0e7, 1.0e7)),
            ],
            ..base(1_440, "网络吞吐")
        },
        Chart {
            unit: Unit::Ratio,
            lines: (0..)
                .zip(modes)
                .map(|(i, mode)| line(mode, i, wave(60, 11 + i64::from(i), 0.05 * f64::from(i + 1), 0.03)))
                .collect(),
            ..base(60, "CPU by mode")
        },
        Chart {
            unit: Unit::Bytes,
            lines: vec![line("已用", 2, wave(10_080, 9, 1.2e10, 2.0e8))],
            thresholds: vec![Threshold {
                value: 1.26e10,
                label: "次要".to_owned(),
                severity: Severity::Minor,
            }],
            ..base(10_080, "内存")
        },
        Chart {
            spans: vec![span(0, 60, SpanKind::NotObserved, "未观测")],
            ..base(60, "静默主机")
        },
        Chart {
            unit: Unit::Bool,
            lines: vec![line(
                "eth1 up",
                1,
                (0..=60)
                    .map(|m| (at(m), Some(f64::from(u8::from(!(20..26).contains(&m))))))
                    .collect(),
            )],
            ..base(60, "链路")
        },
    ]
}

fn main() {
    println!("<!doctype html><meta charset=utf-8><title>Charts</title><style>{CHART_CSS}");
    println!(
        "body{{background:var(--chart-ground);color:var(--chart-ink);font:14px system-ui;margin:8px}}svg{{margin-bottom:14px}}</style>"
    );
    for width in [900, 344] {
        for chart in charts(width) {
            let svg = chart.svg();
            println!("<!-- {} bytes -->{svg}", svg.len());
        }
    }
    let points = wave(120, 21, 0.3, 0.2);
    println!(
        "<p>web-01 {} {} 32 %</p>",
        sparkline(&points, 96, 20),
        sparkline_within(&points, Y::Range(0.0, 1.0), 96, 20)
    );
    println!("<script>{CHART_JS}</script>");
}
