//! The last drill of the channels: whom does each way reach, and whom nothing?

use crate::{
    guard::{Answer, Visit},
    markup::Html,
    shell::{Shell, page},
};
use askama::Template;
use tocsin_desk::delivery::{DeliveryState, DrillReport};

struct Row {
    name: String,
    login: String,
    channel: String,
    state: String,
    is_bad: bool,
    at: Option<Html>,
    detail: String,
}

#[derive(Template)]
#[template(path = "channel_drill.html")]
struct Drill {
    shell: Shell,
    at: Option<Html>,
    summary: String,
    unreached: String,
    unproven: String,
    rows: Vec<Row>,
}

/// `GET /channels/drill`.
pub(crate) async fn show(visit: Visit) -> Answer {
    let shell = Shell::new(&visit, "system");
    let report = visit.console.backend.last_drill().await?;
    let report = report.unwrap_or(DrillReport {
        at: shell.now,
        rows: Vec::new(),
    });
    let [arrived, taken, pages] = report.counts().map(|count| count.to_string());
    let blanks = [
        ("arrived", arrived.into()),
        ("taken", taken.into()),
        ("pages", pages.into()),
    ];
    page(&Drill {
        at: (!report.rows.is_empty()).then(|| shell.exact(report.at)),
        summary: shell.tell("drill-summary", &blanks),
        unreached: report.unreached().join(", "),
        unproven: report.unproven().join(", "),
        rows: report
            .rows
            .into_iter()
            .map(|row| Row {
                state: shell.word("delivery", row.state.as_str()),
                is_bad: matches!(row.state, DeliveryState::Failed | DeliveryState::Unknown),
                at: row.at.map(|at| shell.exact(at)),
                name: row.name,
                login: row.login,
                channel: row.channel,
                detail: row.detail,
            })
            .collect(),
        shell,
    })
}
