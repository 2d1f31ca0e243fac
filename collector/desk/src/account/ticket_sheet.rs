//! Tickets as a sheet: every one with its times and what became of its targets; and lists of what people reported, read in.

use crate::{
    clocks::Moment,
    model::{ClockKind, Ticket, TicketKind},
    register::{Row, sheet::Sheet},
    sheet::Intake,
};
use jiff::tz::TimeZone;
use tocsin_vocabulary::{Severity, Timestamp};

/// Most rows that are read at once: each opens a ticket and pages people.
const ROWS_MAX: usize = 200;
/// Longest title, in characters.
const TITLE_CHARS_MAX: usize = 300;

/// The columns of a sheet of reports: the word, the name that Chinese sheets bear, whether it must be there.
pub const REPORTED: &[(&str, &str, bool)] = &[
    ("customer", "客户", true),
    ("asset", "维保对象", true),
    ("title", "标题", true),
    ("kind", "类别", false),
    ("severity", "严重程度", false),
    ("occurred", "发生", false),
    ("caller", "报障人", false),
    ("unit", "单位", false),
    ("phone", "电话", false),
    ("channel", "渠道", false),
    ("symptom", "故障现象", false),
];

/// Tickets as a sheet: the words of its columns, and a row for each.
#[must_use]
pub fn cells(tickets: &[Ticket], customers: &[Row]) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let mut columns = vec![
        "number", "kind", "state", "level", "policy", "title", "customer", "asset", "assignee", "opened",
    ];
    columns.extend(Moment::ALL.iter().map(|moment| moment.as_str()));
    columns.push("ended");
    columns.extend([
        "respond_due",
        "arrive_due",
        "plan_due",
        "restore_due",
        "recover_due",
        "resolve_due",
        "missed",
    ]);
    (columns, tickets.iter().map(|ticket| row(ticket, customers)).collect())
}

fn row(ticket: &Ticket, customers: &[Row]) -> Vec<String> {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    let customer = ticket.customer.to_string();
    let customer = customers.iter().find(|row| row.id == customer);
    let moments = &ticket.reckoning.moments;
    let mut cells = vec![
        ticket.number.to_string(),
        ticket.kind.as_str().to_owned(),
        ticket.state.as_str().to_owned(),
        ticket.level.rank().to_string(),
        ticket.reckoning.policy.clone(),
        ticket.title.zh.clone(),
        customer.map(|row| row.get("name").to_owned()).unwrap_or_default(),
        ticket.asset_name.clone(),
        ticket.assignee_name.clone().unwrap_or_default(),
        ticket.opened_at.to_string(),
    ];
    cells.extend(Moment::ALL.iter().map(|moment| time(moments.get(*moment))));
    cells.push(time(moments.ended));
    let due = |kind: &ClockKind| time(ticket.clock(*kind).map(|clock| clock.due_at));
    cells.extend(ClockKind::ALL.iter().map(due));
    let missed = ticket.clocks.iter().filter(|clock| clock.breached_at.is_some());
    let missed: Vec<&str> = missed.map(|clock| clock.kind.as_str()).collect();
    cells.push(missed.join(" "));
    cells
}

/// A report that a sheet has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// The asset's row in the register.
    pub asset: Row,
    /// What kind of work.
    pub kind: TicketKind,
    /// What is wrong.
    pub title: String,
    /// How bad.
    pub severity: Severity,
    /// When it began, if known.
    pub occurred: Option<Timestamp>,
    /// Who called; none where the sheet names nobody.
    pub intake: Option<Intake>,
}

/// Reports of a sheet with at least customer, asset and title. Times without an offset are of `zone`.
///
/// # Errors
/// Every mistake, each with where it stands.
pub fn read(sheet: &Sheet, assets: &[Row], zone: &TimeZone, now: Timestamp) -> Result<Vec<Reported>, Vec<String>> {
    let mut wrong = Vec::new();
    for (word, _, needed) in REPORTED {
        if *needed && place(sheet, word).is_none() {
            wrong.push(format!("{}: no column `{word}`", sheet.head_place()));
        }
    }
    if sheet.rows.len() > ROWS_MAX {
        wrong.push(format!(
            "more than {ROWS_MAX} rows: each opens a ticket and pages people"
        ));
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let mut found = Vec::new();
    for (line, cells) in &sheet.rows {
        let cell = |word: &str| {
            place(sheet, word)
                .and_then(|at| cells.get(at))
                .map_or("", String::as_str)
        };
        let (one, mistakes) = reported(&cell, assets, zone, now);
        wrong.extend(mistakes.into_iter().map(|(word, why)| {
            let here = place(sheet, word).map_or_else(|| sheet.place(*line), |at| sheet.cell_place(*line, at));
            format!("{here}: {word} {why}")
        }));
        found.extend(one);
    }
    if wrong.is_empty() { Ok(found) } else { Err(wrong) }
}

fn place(sheet: &Sheet, word: &str) -> Option<usize> {
    let (_, zh, _) = REPORTED.iter().find(|(key, ..)| *key == word)?;
    let named = |column: &String| column.eq_ignore_ascii_case(word) || column == zh;
    sheet.columns.iter().position(named)
}

/// One row, and what is wrong with it, by column.
fn reported<'a>(
    cell: &dyn Fn(&str) -> &'a str,
    assets: &[Row],
    zone: &TimeZone,
    now: Timestamp,
) -> (Option<Reported>, Vec<(&'static str, String)>) {
    let mut wrong = Vec::new();
    let fits = |row: &&Row| row.get("name") == cell("asset") && row.get("customer") == cell("customer");
    let asset = assets.iter().find(fits);
    if asset.is_none() {
        let (asset, customer) = (cell("asset"), cell("customer"));
        wrong.push(("asset", format!("`{asset}` of `{customer}` is not in the register")));
    }
    let title = cell("title");
    if title.is_empty() || title.chars().count() > TITLE_CHARS_MAX {
        wrong.push(("title", format!("is empty or longer than {TITLE_CHARS_MAX} characters")));
    }
    let kind = or(cell("kind"), TicketKind::Fault, |word| {
        TicketKind::REPORTED.into_iter().find(|kind| kind.as_str() == word)
    });
    if kind.is_none() {
        let known: Vec<&str> = TicketKind::REPORTED.iter().map(|kind| kind.as_str()).collect();
        wrong.push(("kind", format!("`{}` is none of {}", cell("kind"), known.join(", "))));
    }
    let severity = or(cell("severity"), Severity::Major, |word| {
        Severity::ALL.iter().copied().find(|severity| severity.as_str() == word)
    });
    if severity.is_none() {
        let known: Vec<&str> = Severity::ALL.iter().map(|severity| severity.as_str()).collect();
        wrong.push((
            "severity",
            format!("`{}` is none of {}", cell("severity"), known.join(", ")),
        ));
    }
    let occurred = super::sheet::instant(cell("occurred"), zone).filter(|at| *at <= now);
    if !cell("occurred").is_empty() && occurred.is_none() {
        wrong.push(("occurred", format!("`{}` is no time that has come", cell("occurred"))));
    }
    let intake = intake(cell);
    let mistakes = intake.iter().flat_map(Intake::mistakes);
    wrong.extend(mistakes.map(|why| ("caller", why)));
    let (Some(asset), Some(kind), Some(severity)) = (asset, kind, severity) else {
        return (None, wrong);
    };
    let found = Reported {
        asset: asset.clone(),
        kind,
        title: title.to_owned(),
        severity,
        occurred,
        intake,
    };
    (Some(found), wrong)
}

fn intake<'a>(cell: &dyn Fn(&str) -> &'a str) -> Option<Intake> {
    let channel = Some(cell("channel")).filter(|word| !word.is_empty());
    let intake = Intake {
        caller: cell("caller").to_owned(),
        unit: cell("unit").to_owned(),
        phone: cell("phone").to_owned(),
        channel: channel.unwrap_or("phone").to_owned(),
        symptom: cell("symptom").to_owned(),
    };
    Some(intake).filter(|intake| !intake.caller.is_empty())
}

/// What a word means; `otherwise` for an empty one, none for one that means nothing.
fn or<T>(word: &str, otherwise: T, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
    if word.is_empty() { Some(otherwise) } else { parse(word) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::sheet;

    fn assets() -> Vec<Row> {
        let values = [("name", "web"), ("customer", "Bank")];
        vec![Row {
            id: "1".to_owned(),
            values: values.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            changed_at: None,
        }]
    }

    fn tried(text: &str) -> Result<Vec<Reported>, Vec<String>> {
        let now = "2026-06-01T00:00:00Z".parse().unwrap();
        read(&sheet::read(text).unwrap(), &assets(), &TimeZone::UTC, now)
    }

    #[test]
    fn a_hotline_list_is_read_in_either_language() {
        let found = tried("客户,维保对象,标题,报障人,发生\nBank,web,打不开,李工,2026-05-01 08:00\n").unwrap();
        assert_eq!((found[0].kind, found[0].severity), (TicketKind::Fault, Severity::Major));
        let intake = found[0].intake.as_ref().unwrap();
        assert_eq!((intake.caller.as_str(), intake.channel.as_str()), ("李工", "phone"));
        assert_eq!(found[0].occurred.unwrap().to_string(), "2026-05-01T08:00:00.000Z");
        let plain = tried("customer,asset,title\nBank,web,down\n").unwrap();
        assert_eq!((plain[0].intake.as_ref(), plain[0].occurred), (None, None));
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let text =
            "customer,asset,title,kind,severity,occurred,caller,channel\nBank,db,,party,awful,2099-01-01,Li,pigeon\n";
        let mistakes = tried(text).unwrap_err();
        assert_eq!(mistakes.len(), 6, "{mistakes:#?}");
        assert_eq!(tried("colour\nred").unwrap_err().len(), 3);
    }
}
