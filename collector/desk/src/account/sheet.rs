//! Downtimes as a sheet: for the accounts of a year, and from the lists that were kept before.

use super::downtime::{Cause, Claim, Downtime, Standing, Turn, mistakes};
use crate::register::{Row, sheet::Sheet};
use jiff::{civil::DateTime, tz::TimeZone};
use tocsin_vocabulary::Timestamp;

/// The columns of the sheet, in its order: the word, and the name that Chinese sheets bear.
pub const COLUMNS: &[(&str, &str)] = &[
    ("id", "编号"),
    ("ticket", "工单"),
    ("customer", "客户"),
    ("contract", "合同"),
    ("asset", "维保对象"),
    ("from", "停运开始"),
    ("to", "停运结束"),
    ("minutes", "停运分钟"),
    ("cause", "责任"),
    ("standing", "状态"),
    ("agreed_by", "确认人"),
    ("words", "说明"),
];
/// Those that a sheet must have to be read.
const NEEDED: &[&str] = &["customer", "asset", "from", "to", "cause"];
/// Most rows that are read at once.
const ROWS_MAX: usize = 5_000;
/// Most mistakes that are told at once.
const MISTAKES_MAX: usize = 200;

/// A downtime that a sheet has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The asset's row in the register.
    pub asset: Row,
    /// The ticket's number, where one is named.
    pub ticket: Option<u64>,
    /// From when to when, and whose cause.
    pub claim: Claim,
}

impl Found {
    /// Whether it is on record already: the same asset, times and cause, as last claimed or as agreed.
    #[must_use]
    pub fn is_among(&self, downtimes: &[Downtime]) -> bool {
        let same =
            |claim: &Claim| (claim.from, claim.to, claim.cause) == (self.claim.from, self.claim.to, self.claim.cause);
        downtimes.iter().any(|one| {
            one.asset.to_string() == self.asset.id
                && one.standing() != Standing::Withdrawn
                && [one.claim(), one.counted()].into_iter().flatten().any(same)
        })
    }
}

/// Rows of the sheet that [`COLUMNS`] head. Times are RFC 3339.
#[must_use]
pub fn rows(downtimes: &[Downtime], customer_of: impl Fn(&Downtime) -> String) -> Vec<Vec<String>> {
    let row = |downtime: &Downtime| {
        let claim = downtime.counted().or_else(|| downtime.claim())?;
        let length = claim
            .to
            .map(|to| (to.since(claim.from).as_millis() / 60_000).to_string());
        let agreed = downtime.lines.iter().rev().find_map(|line| match &line.turn {
            Turn::Agree { who, .. } => Some(who.clone()),
            _ => None,
        });
        Some(vec![
            downtime.id.to_string(),
            downtime.ticket.map(|number| number.to_string()).unwrap_or_default(),
            customer_of(downtime),
            downtime.contract_name.clone(),
            downtime.asset_name.clone(),
            claim.from.to_string(),
            claim.to.map(|to| to.to_string()).unwrap_or_default(),
            length.unwrap_or_default(),
            claim.cause.as_str().to_owned(),
            downtime.standing().as_str().to_owned(),
            agreed
                .filter(|_| downtime.standing() == Standing::Agreed)
                .unwrap_or_default(),
            claim.words.clone(),
        ])
    };
    downtimes.iter().filter_map(row).collect()
}

/// Downtimes of a sheet with at least the columns customer, asset, from, to and cause; one without an end lasts. Times
/// without an offset are of `zone`. What the sheet says of standing and agreement is passed over: the customer gives their word here.
///
/// # Errors
/// Every mistake, each with where it stands.
pub fn read(sheet: &Sheet, assets: &[Row], zone: &TimeZone, now: Timestamp) -> Result<Vec<Found>, Vec<String>> {
    let mut wrong = Vec::new();
    let place = |word: &str| {
        let (_, zh) = COLUMNS.iter().find(|(key, _)| *key == word)?;
        let named = |column: &String| column.eq_ignore_ascii_case(word) || column == zh;
        sheet.columns.iter().position(named)
    };
    for word in NEEDED {
        if place(word).is_none() {
            wrong.push(format!("{}: no column `{word}`", sheet.head_place()));
        }
    }
    if sheet.rows.len() > ROWS_MAX {
        wrong.push(format!("more than {ROWS_MAX} rows: import year by year"));
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let mut found = Vec::new();
    for (line, cells) in &sheet.rows {
        let cell = |word: &str| place(word).and_then(|at| cells.get(at)).map_or("", String::as_str);
        let mut tell = |word: &str, why: String| {
            let here = place(word).map_or_else(|| sheet.place(*line), |at| sheet.cell_place(*line, at));
            wrong.push(format!("{here}: {word} {why}"));
        };
        let fits = |row: &&Row| row.get("name") == cell("asset") && row.get("customer") == cell("customer");
        let asset = assets.iter().find(fits);
        if asset.is_none() {
            tell(
                "asset",
                format!("`{}` of `{}` is not in the register", cell("asset"), cell("customer")),
            );
        }
        let mut moment = |word: &str| {
            let at = instant(cell(word), zone);
            if at.is_none() {
                tell(word, format!("`{}` is no time such as 2026-03-02 10:05", cell(word)));
            }
            at
        };
        let from = moment("from");
        // Without an end it is still down.
        let to = if cell("to").is_empty() {
            Some(None)
        } else {
            moment("to").map(Some)
        };
        let cause = Cause::parse(cell("cause"));
        if cause.is_none() {
            let known: Vec<&str> = Cause::ALL.iter().map(|cause| cause.as_str()).collect();
            tell("cause", format!("`{}` is none of {}", cell("cause"), known.join(", ")));
        }
        let ticket = cell("ticket").trim_start_matches('#');
        let number = ticket.parse().ok();
        if number.is_none() && !ticket.is_empty() {
            tell("ticket", format!("`{ticket}` is no ticket's number"));
        }
        let (Some(asset), Some(from), Some(to), Some(cause)) = (asset, from, to, cause) else {
            continue;
        };
        let words = Some(cell("words"))
            .filter(|words| !words.is_empty())
            .unwrap_or("from a sheet");
        let claim = Claim {
            from,
            to,
            cause,
            words: words.to_owned(),
        };
        let amiss = mistakes(&Turn::Claim(claim.clone()), now);
        wrong.extend(amiss.into_iter().map(|why| format!("{}: {why}", sheet.place(*line))));
        found.push(Found {
            asset: asset.clone(),
            ticket: number,
            claim,
        });
    }
    if wrong.is_empty() {
        return Ok(found);
    }
    let more = wrong.len().saturating_sub(MISTAKES_MAX);
    wrong.truncate(MISTAKES_MAX);
    if more > 0 {
        wrong.push(format!("\u{2026} and {more} more"));
    }
    Err(wrong)
}

/// RFC 3339, or a local time of the zone such as `2026-03-02 10:05`, `2026/3/2 10:05` or `2026-03-02`.
#[must_use]
pub fn instant(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let (day, time) = text.split_once([' ', 'T']).unwrap_or((text, "00:00"));
    let mut parts = day.split(['-', '/']);
    let mut next = || parts.next()?.parse::<i16>().ok();
    let (year, month, date) = (next()?, next()?, next()?);
    let date = jiff::civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(date).ok()?).ok()?;
    let local = DateTime::from_parts(date, time.trim().parse().ok()?);
    let zoned = local.to_zoned(zone.clone()).ok()?;
    Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::sheet;

    fn zone() -> TimeZone {
        crate::calendar::zone("Asia/Shanghai").unwrap()
    }

    fn assets() -> Vec<Row> {
        let values = [("name", "web"), ("customer", "Bank")];
        vec![Row {
            id: "1".to_owned(),
            values: values.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            changed_at: None,
        }]
    }

    fn tried(text: &str) -> Result<Vec<Found>, Vec<String>> {
        let now = "2026-06-01T00:00:00Z".parse().unwrap();
        read(&sheet::read(text).unwrap(), &assets(), &zone(), now)
    }

    #[test]
    fn a_list_from_before_is_read_in_the_words_of_either_language() {
        let found =
            tried("客户,维保对象,停运开始,停运结束,责任,工单\nBank,web,2026/3/2 10:05,2026-03-02 11:05:30,第三方,#7\n")
                .unwrap();
        assert_eq!(found[0].claim.from.to_string(), "2026-03-02T02:05:00.000Z");
        assert_eq!((found[0].claim.cause, found[0].ticket), (Cause::ThirdParty, Some(7)));
        let english =
            tried("customer,asset,from,to,cause\nBank,web,2026-03-02T10:05:00+08:00,2026-03-02T03:05:30Z,ours\n");
        assert_eq!(english.unwrap()[0].claim.from, found[0].claim.from);
    }

    #[test]
    fn what_is_on_record_is_known_again_and_without_an_end_it_lasts() {
        let id = tocsin_vocabulary::AssetId::from_bytes([1; 16]);
        let mut found = tried("customer,asset,from,to,cause\nBank,web,2026-03-02,,ours\n")
            .unwrap()
            .remove(0);
        assert_eq!(found.claim.to, None);
        found.asset.id = id.to_string();
        let line = crate::account::downtime::Line {
            seq: 1,
            at: found.claim.from,
            by: String::new(),
            turn: Turn::Claim(Claim {
                words: "in other words".to_owned(),
                ..found.claim
            }),
        };
        let mut known = Downtime {
            id: 1,
            ticket: None,
            customer: tocsin_vocabulary::CustomerId::from_bytes([1; 16]),
            contract: tocsin_vocabulary::ContractId::from_bytes([1; 16]),
            contract_name: String::new(),
            asset: id,
            asset_name: String::new(),
            lines: vec![line],
        };
        assert!(found.is_among(std::slice::from_ref(&known)));
        let mut ended = found.clone();
        ended.claim.to = Some(found.claim.from);
        assert!(!ended.is_among(std::slice::from_ref(&known)));
        let withdrawn = Turn::Withdraw { words: "no".to_owned() };
        known.lines.push(crate::account::downtime::Line {
            seq: 2,
            turn: withdrawn,
            ..known.lines[0].clone()
        });
        assert!(!found.is_among(&[known]));
    }

    #[test]
    fn all_mistakes_are_told_with_where_they_stand() {
        let mut sheet = sheet::read("customer,asset,from,to,cause,ticket\nBank,db,x,2026-03-02,weather,seven\nBank,web,2026-03-03,2026-03-02,ours,\n").unwrap();
        sheet.name = "2026".to_owned();
        let now = "2026-06-01T00:00:00Z".parse().unwrap();
        let mistakes = read(&sheet, &assets(), &zone(), now).unwrap_err();
        assert_eq!(mistakes.len(), 5, "{mistakes:#?}");
        assert_eq!(
            mistakes[1],
            "sheet `2026` row 2 column C: from `x` is no time such as 2026-03-02 10:05"
        );
        assert_eq!(tried("name\nx").unwrap_err().len(), NEEDED.len());
    }
}
