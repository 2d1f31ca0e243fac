//! `tocsin-agent probe`: every probe of the configuration, asked once and now.

use super::{Answer, PROBES_MAX, Probe, Question, asking::Asking, ping};
use crate::clock::SharedClock;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Asks all at the same time; answers come in the order of the probes.
pub(crate) async fn ask_all(probes: &[Probe], clock: SharedClock) -> Vec<(&Probe, Answer)> {
    debug_assert!(probes.len() <= PROBES_MAX);
    let asking = Asking::new(clock);
    let answers = futures_util::future::join_all(probes.iter().map(|probe| asking.ask(probe))).await;
    probes.iter().zip(answers).collect()
}

/// Why pings of this configuration can't be sent by this user; none when they can, or there are none.
pub(crate) fn pings_forbidden(probes: &[Probe]) -> Option<String> {
    let pings = probes
        .iter()
        .any(|probe| matches!(probe.question, Question::Ping { .. }));
    (pings && !ping::is_allowed()).then(ping::forbidden)
}

/// For people: a line for each.
pub(crate) fn lines(answers: &[(&Probe, Answer)]) -> String {
    let widest = |width: &dyn Fn(&Probe) -> usize| answers.iter().map(|(probe, _)| width(probe)).max().unwrap_or(0);
    let (name, target) = (
        widest(&|probe| probe.name.chars().count()),
        widest(&|probe| probe.question.target().chars().count()),
    );
    let mut text = String::new();
    for (probe, answer) in answers {
        let word = match answer.up {
            Some(true) => "ok  ",
            Some(false) => "FAIL",
            None => "????",
        };
        let kind = probe.question.kind();
        let _ = write!(
            text,
            "{word} {:name$}  {kind:11}  {:target$} ",
            probe.name,
            probe.question.target()
        );
        for (metric, value) in &answer.values {
            let _ = write!(text, " {}", figure(metric, *value));
        }
        let _ = writeln!(
            text,
            "{}{}",
            if answer.reason.is_empty() { "" } else { "  " },
            answer.reason
        );
    }
    text
}

fn figure(metric: &str, value: f64) -> String {
    const DAY_SECONDS: f64 = 86_400.0;
    let short = metric.rsplit('.').next().unwrap_or(metric);
    match short {
        "duration" => format!("{:.1}ms", value * 1_000.0),
        "loss" => format!("loss={:.0}%", value * 100.0),
        "time_left" => format!("left={:.1}d", value / DAY_SECONDS),
        _ => format!("{short}={value}"),
    }
}

/// For programs: `{"items": [...]}`; values by metric, in the unit of each.
pub(crate) fn json(answers: &[(&Probe, Answer)]) -> Value {
    let items: Vec<Value> = answers
        .iter()
        .map(|(probe, answer)| {
            let values: serde_json::Map<String, Value> = answer
                .values
                .iter()
                .map(|(name, value)| ((*name).to_owned(), json!(value)))
                .collect();
            json!({
                "name": probe.name,
                "type": probe.question.kind(),
                "target": probe.question.target(),
                "up": answer.up,
                "reason": answer.reason,
                "values": values,
            })
        })
        .collect();
    json!({ "items": items, "next": null })
}
