//! Downtimes, reports, shares of time and moves, as rows of pages.

use crate::shell::Shell;
use jiff::civil::Date;
use std::time::Duration;
use tocsin_desk::account::{
    availability::Availability,
    downtime::{Downtime, Standing},
    extension::Moved,
    report::ReportRow,
};

/// A share of time as the page shows it.
pub(super) struct Share {
    pub(super) ratio: String,
    pub(super) ratio_ours: String,
    pub(super) down: String,
    pub(super) unplanned: String,
    pub(super) times: usize,
    pub(super) bad: bool,
    /// Nothing is known of the whole period.
    pub(super) unseen: bool,
}

/// A downtime in a list.
pub(crate) struct DowntimeRow {
    pub(crate) url: String,
    pub(crate) words: String,
    pub(crate) under: String,
    pub(crate) cause: String,
    pub(crate) standing: String,
    pub(crate) waits: bool,
}

/// A report in a list.
pub(crate) struct OwedRow {
    pub(crate) url: String,
    pub(crate) name: String,
    pub(crate) words: String,
    pub(crate) due: String,
    pub(crate) late: bool,
    pub(crate) standing: String,
}

/// A move of the end of maintenance.
pub(super) struct MoveRow {
    pub(super) at: String,
    pub(super) by: String,
    pub(super) cause: String,
    pub(super) stopped: String,
    pub(super) days: String,
    pub(super) end: String,
    pub(super) rounding: String,
}

pub(super) fn shown(day: Option<Date>) -> String {
    day.map_or_else(|| "–".to_owned(), |day| day.to_string())
}

/// A share with so many decimals that a second of a month is seen.
fn percent(ratio: f64) -> String {
    let text = format!("{:.4}", ratio * 100.0);
    // What was down is never shown as whole.
    if ratio < 1.0 && text == "100.0000" {
        "99.9999 %".to_owned()
    } else {
        format!("{text} %")
    }
}

/// A share of time. Of what was not observed nobody knows whether it was up: the share is a span, or none at all.
pub(super) fn share(shell: &Shell, availability: &Availability) -> Share {
    let span = |duration: Duration| {
        if duration.is_zero() {
            "0".to_owned()
        } else {
            shell.lasted(duration)
        }
    };
    let unseen = availability.is_unobserved();
    let (mut ratio, mut ratio_ours) = (percent(availability.ratio()), percent(availability.ratio_ours()));
    if unseen {
        (ratio, ratio_ours) = (shell.t("chart-not-observed"), "\u{2013}".to_owned());
    } else if !availability.not_observed.is_zero() {
        let least = percent(availability.ratio_least());
        let unknown = shell.lasted(availability.not_observed);
        let words = shell.tell("account-not-observed", &[("span", unknown.into())]);
        ratio = format!("{least} \u{2013} {ratio} · {words}");
    }
    Share {
        ratio,
        ratio_ours,
        unseen,
        down: span(availability.down),
        unplanned: span(availability.unplanned),
        times: availability.times,
        bad: !availability.unplanned.is_zero(),
    }
}

pub(super) fn waits(downtime: &Downtime) -> bool {
    matches!(downtime.standing(), Standing::Proposed | Standing::Disputed)
}

/// A downtime as lists show it.
pub(crate) fn downtime_row(shell: &Shell, downtime: &Downtime) -> DowntimeRow {
    let claim = downtime.claim();
    let (when, cause) = claim.map_or_else(Default::default, |claim| {
        let to = claim.to.map_or_else(|| shell.t("downtime-lasts"), |to| shell.short(to));
        let lasted = claim.to.unwrap_or(shell.now).since(claim.from);
        let when = format!("{} – {to} · {}", shell.short(claim.from), shell.lasted(lasted));
        (when, shell.word("cause", claim.cause.as_str()))
    });
    let ticket = downtime
        .ticket
        .map(|number| format!("#{number} · "))
        .unwrap_or_default();
    DowntimeRow {
        url: format!("/downtimes/{}", downtime.id),
        words: format!("{} · {when}", downtime.asset_name),
        under: format!("{ticket}{}", downtime.contract_name),
        cause,
        standing: shell.word("standing", downtime.standing().as_str()),
        waits: waits(downtime),
    }
}

/// A report as lists show it.
pub(crate) fn owed_row(shell: &Shell, row: &ReportRow) -> OwedRow {
    OwedRow {
        url: format!("/t/{}/reports/{}", row.number, row.kind.as_str()),
        name: shell.word("owed", row.kind.as_str()),
        words: format!("#{} {}", row.number, shell.text(&row.title)),
        due: shell.short(row.due_at),
        late: !row.done && row.due_at < shell.now,
        standing: shell.word("standing", row.standing.as_str()),
    }
}

pub(super) fn move_row(shell: &Shell, moved: &Moved) -> MoveRow {
    let cause = moved
        .downtime
        .map(|id| shell.tell("downtime-number", &[("n", id.into())]));
    MoveRow {
        at: shell.short(moved.at),
        by: moved.by.clone(),
        cause: cause.unwrap_or_else(|| shell.t("account-contract-changed")),
        stopped: shell.lasted(Duration::from_millis(moved.after.stopped_ms)),
        days: format!("{} → {}", moved.before.days, moved.after.days),
        end: format!("{} → {}", shown(moved.before.ends_on), shown(moved.after.ends_on)),
        rounding: shell.word("choice", moved.rounding.as_str()),
    }
}
