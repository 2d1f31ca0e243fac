//! Escalation chains: who is paged about a ticket that nobody takes, and when (R33).
//!
//! A [`Chain`] is a ladder of [`Rung`]s: on duty → specialist → team lead → manager. A rung is reached when its time has
//! come — so long after the ticket opened, or at a share of its response clock — and concerns only some levels, or only
//! hours in which the office of the contract is open or closed. Each round of pages goes to everybody on the rungs reached so far; a
//! ticket that was accepted and then stands still is told again ([`Chain::stalled_after`]).
//!
//! The chain of a ticket is frozen when it opens: [`Frozen`] keeps it. Posts are looked up in the [`Crew`] when a page
//! goes out, for shifts change while a ticket is open.

use crate::{
    clocks::Terms,
    input::OnDuty,
    model::{ClockKind, Ticket},
};
use jiff::{
    civil::{Time, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};
use tocsin_vocabulary::{CustomerId, Level, TicketId, Timestamp, time::HumanDuration};

/// Shorter would only pile up pages that nobody can read in time.
const STALLED_AFTER_MIN: Duration = Duration::from_secs(300);
/// Most rungs of a chain.
const RUNGS_MAX: usize = 16;

/// Who is meant by a rung.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Called {
    /// 主班; without a roster everybody who is marked as on duty.
    Main,
    /// 副班.
    Deputy,
    /// 备班.
    Standby,
    /// 带班领导.
    Leader,
    /// The chain's specialists.
    Specialist,
    /// Everybody with the role of a team lead.
    TeamLead,
    /// The chain's managers.
    Manager,
    /// The person with this login.
    Person(String),
}

impl From<Called> for String {
    fn from(called: Called) -> Self {
        match called {
            Called::Main => "main".to_owned(),
            Called::Deputy => "deputy".to_owned(),
            Called::Standby => "standby".to_owned(),
            Called::Leader => "leader".to_owned(),
            Called::Specialist => "specialist".to_owned(),
            Called::TeamLead => "team_lead".to_owned(),
            Called::Manager => "manager".to_owned(),
            Called::Person(login) => format!("person:{login}"),
        }
    }
}

impl TryFrom<String> for Called {
    type Error = String;
    fn try_from(word: String) -> Result<Self, String> {
        Ok(match word.as_str() {
            "main" => Self::Main,
            "deputy" => Self::Deputy,
            "standby" => Self::Standby,
            "leader" => Self::Leader,
            "specialist" => Self::Specialist,
            "team_lead" => Self::TeamLead,
            "manager" => Self::Manager,
            _ => match word.strip_prefix("person:") {
                Some(login) if !login.is_empty() => Self::Person(login.to_owned()),
                _ => {
                    return Err(format!(
                        "`{word}` is nobody: main, deputy, standby, leader, specialist, team_lead, manager or person:LOGIN"
                    ));
                }
            },
        })
    }
}

/// In which hours a rung holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hours {
    /// Always.
    #[default]
    Always,
    /// While the office is open.
    Open,
    /// While it is closed.
    Closed,
}

/// When the office is open, for a chain that has hours of its own: Monday to Friday.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Office {
    /// IANA zone.
    pub zone: String,
    /// From, on the wall clock.
    pub from: Time,
    /// To.
    pub to: Time,
}

impl Default for Office {
    fn default() -> Self {
        Self {
            zone: "Asia/Shanghai".to_owned(),
            from: jiff::civil::time(9, 0, 0, 0),
            to: jiff::civil::time(17, 0, 0, 0),
        }
    }
}

impl Office {
    /// Whether it is open; a zone that is not known is taken for UTC, of which [`Chain::mistakes`] tells.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        let zone = TimeZone::get(&self.zone).unwrap_or(TimeZone::UTC);
        let Ok(instant) = jiff::Timestamp::from_millisecond(now.as_millis()) else {
            return true;
        };
        let local = instant.to_zoned(zone);
        !matches!(local.weekday(), Weekday::Saturday | Weekday::Sunday) && (self.from..self.to).contains(&local.time())
    }
}

/// One step of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    /// Who is paged.
    pub to: Vec<Called>,
    /// So long after the ticket opened.
    #[serde(default)]
    pub after: HumanDuration,
    /// Or, sooner, when so many percent of the response clock have passed. Whenever so much of any other clock has passed,
    /// whoever stands on this rung hears of it too, beside the person who has the ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// The mildest level that it concerns; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// In which hours.
    #[serde(default)]
    pub hours: Hours,
}

impl Rung {
    /// When it is reached by a ticket that it concerns.
    fn reached_at(&self, ticket: &Ticket) -> Option<Timestamp> {
        if !self.concerns(ticket) {
            return None;
        }
        let after = ticket.opened_at.plus(self.after.0);
        let share = self.percent.and_then(|percent| {
            let respond = ticket.clock(ClockKind::Respond)?;
            let whole = respond.due_at.since(respond.started_at);
            Some(respond.started_at.plus(whole * u32::from(percent) / 100))
        });
        Some(share.map_or(after, |share| {
            // A rung with a share alone has no time of its own.
            if self.after.0.is_zero() {
                share
            } else {
                share.min(after)
            }
        }))
    }

    fn concerns(&self, ticket: &Ticket) -> bool {
        self.level.is_none_or(|mildest| ticket.level <= mildest)
    }

    fn holds(&self, is_open: bool) -> bool {
        match self.hours {
            Hours::Always => true,
            Hours::Open => is_open,
            Hours::Closed => !is_open,
        }
    }
}

/// Who is paged about a ticket that nobody takes, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// What people call it.
    pub name: String,
    /// After so long without a word from the person who accepted it, a ticket is told again; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stalled_after: Option<HumanDuration>,
    /// When the office is open; none: as the ticket's contract says ([`Terms::is_office_open`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub office: Option<Office>,
    /// Logins of specialists.
    #[serde(default)]
    pub specialists: Vec<String>,
    /// Logins of managers.
    #[serde(default)]
    pub managers: Vec<String>,
    /// The steps, in order.
    pub rungs: Vec<Rung>,
}

impl Chain {
    /// The shipped chain: on duty at once; deputy and leader after 15 minutes, specialists after half an hour, team leads
    /// and managers after an hour — the worst level in a third of that. Posts that nobody has page nobody, so without a
    /// roster it is those who are marked as on duty, and team leads.
    #[must_use]
    pub fn shipped() -> Self {
        let minutes = |minutes: u64| HumanDuration(Duration::from_secs(minutes * 60));
        let rung = |to: &[Called], after: u64, level: Option<Level>| Rung {
            to: to.to_vec(),
            after: minutes(after),
            percent: None,
            level,
            hours: Hours::Always,
        };
        let worst = Some(Level::WORST);
        Self {
            name: "default".to_owned(),
            stalled_after: Some(minutes(60)),
            office: None,
            specialists: Vec::new(),
            managers: Vec::new(),
            rungs: vec![
                rung(&[Called::Main], 0, None),
                rung(&[Called::Deputy, Called::Leader], 5, worst),
                rung(&[Called::Specialist], 10, worst),
                rung(&[Called::Deputy, Called::Leader], 15, None),
                rung(&[Called::TeamLead, Called::Manager], 20, worst),
                rung(&[Called::Specialist], 30, None),
                rung(&[Called::TeamLead, Called::Manager], 60, None),
            ],
        }
    }

    /// Everything that is wrong with it, as sentences; `known` tells whether a login is in the register of people.
    #[must_use]
    pub fn mistakes(&self, known: impl Fn(&str) -> bool) -> Vec<String> {
        let mut mistakes = Vec::new();
        if self.rungs.is_empty() || self.rungs.len() > RUNGS_MAX {
            mistakes.push(format!("rungs: needs 1 to {RUNGS_MAX}"));
        }
        let first = |rung: &Rung| rung.after.0.is_zero() && rung.percent.is_none() && rung.level.is_none();
        if !self
            .rungs
            .iter()
            .any(|rung| first(rung) && rung.hours == Hours::Always && !rung.to.is_empty())
        {
            mistakes.push(
                "rungs: none holds at once, for every level and at every hour: a ticket would page nobody".to_owned(),
            );
        }
        for (number, rung) in (1..).zip(&self.rungs) {
            if rung.to.is_empty() {
                mistakes.push(format!("rung {number}: `to` is empty"));
            }
            if rung.percent.is_some_and(|percent| percent > 100) {
                mistakes.push(format!("rung {number}: `percent` is over 100"));
            }
            for called in &rung.to {
                if let Called::Person(login) = called
                    && !known(login)
                {
                    mistakes.push(format!("rung {number}: `{login}` is not in the register of people"));
                }
            }
        }
        for login in self
            .specialists
            .iter()
            .chain(&self.managers)
            .filter(|login| !known(login))
        {
            mistakes.push(format!("`{login}` is not in the register of people"));
        }
        if self.stalled_after.is_some_and(|after| after.0 < STALLED_AFTER_MIN) {
            mistakes.push("stalled_after: is under 5m".to_owned());
        }
        if let Some(office) = &self.office
            && TimeZone::get(&office.zone).is_err()
        {
            mistakes.push(format!(
                "office: `{}` is no time zone such as Asia/Shanghai",
                office.zone
            ));
        }
        mistakes
    }

    /// Everybody to page about this ticket now, each once, those of the first rungs first. `terms` are its contract's.
    #[must_use]
    pub fn called(&self, ticket: &Ticket, terms: &Terms, crew: &Crew, duty: &[OnDuty], now: Timestamp) -> Vec<OnDuty> {
        let is_open = self.is_open(terms, now);
        let mut people: Vec<OnDuty> = Vec::new();
        for rung in &self.rungs {
            let reached = rung.reached_at(ticket).is_some_and(|at| at <= now);
            if !reached || !rung.holds(is_open) {
                continue;
            }
            let on_site = crew
                .on_site
                .get(&ticket.customer)
                .filter(|_| rung.to.contains(&Called::Main));
            let called = rung.to.iter().flat_map(|called| crew.of(called, self, duty));
            for person in called.chain(on_site.into_iter().flatten().cloned()) {
                if people.iter().all(|known| known.person != person.person) {
                    people.push(person);
                }
            }
        }
        if people.is_empty() {
            // The plan leaves nobody: whoever is on duty at all, else the one who stands in for everybody.
            people = if duty.is_empty() {
                crew.fallback.clone()
            } else {
                duty.to_vec()
            };
        }
        people
    }

    /// Who hears, beside whoever has the ticket, that so many percent of one of its clocks have run: those on rungs with a
    /// share that has come. Where no rung has a share it is 带班领导 from 80 % on, and team leads at a breach.
    #[must_use]
    pub fn called_at_share(
        &self,
        ticket: &Ticket,
        terms: &Terms,
        crew: &Crew,
        duty: &[OnDuty],
        (percent, now): (u8, Timestamp),
    ) -> Vec<OnDuty> {
        let mut shares = self.rungs.iter().filter(|rung| rung.percent.is_some()).peekable();
        if shares.peek().is_none() {
            let by_default = [(80, Called::Leader), (100, Called::TeamLead)];
            let reached = by_default.iter().filter(|(share, _)| *share <= percent);
            return reached.flat_map(|(_, called)| crew.of(called, self, duty)).collect();
        }
        let is_open = self.is_open(terms, now);
        let reached = shares.filter(|rung| {
            rung.percent.is_some_and(|share| share <= percent) && rung.concerns(ticket) && rung.holds(is_open)
        });
        reached
            .flat_map(|rung| &rung.to)
            .flat_map(|called| crew.of(called, self, duty))
            .collect()
    }

    fn is_open(&self, terms: &Terms, now: Timestamp) -> bool {
        match &self.office {
            Some(office) => office.is_open(now),
            None => terms.is_office_open(now),
        }
    }

    /// When the next rung that pages anybody new is reached after `now`.
    #[must_use]
    pub fn next_rung(
        &self,
        ticket: &Ticket,
        terms: &Terms,
        crew: &Crew,
        duty: &[OnDuty],
        now: Timestamp,
    ) -> Option<Timestamp> {
        let before = self.called(ticket, terms, crew, duty, now);
        let times = self.rungs.iter().filter_map(|rung| rung.reached_at(ticket));
        let mut later: Vec<Timestamp> = times.filter(|at| *at > now).collect();
        later.sort_unstable();
        later
            .into_iter()
            .find(|at| self.called(ticket, terms, crew, duty, *at).len() > before.len())
    }
}

/// Who has which post now, with the ways to reach them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Crew {
    /// People by who is meant; `Main` is missing where no roster says.
    pub people: BTreeMap<Called, Vec<OnDuty>>,
    /// People on site at a customer: they are paged with the main post about that customer's tickets.
    pub on_site: BTreeMap<CustomerId, Vec<OnDuty>>,
    /// Everybody by login, for chains that name people.
    pub by_login: BTreeMap<String, OnDuty>,
    /// Who is paged where nobody else is left.
    pub fallback: Vec<OnDuty>,
}

impl Crew {
    fn of(&self, called: &Called, chain: &Chain, duty: &[OnDuty]) -> Vec<OnDuty> {
        let named = |logins: &[String]| -> Vec<OnDuty> {
            logins
                .iter()
                .filter_map(|login| self.by_login.get(login))
                .cloned()
                .collect()
        };
        match called {
            Called::Main => match self.people.get(called) {
                Some(people) => people.clone(),
                None => duty.to_vec(),
            },
            Called::Specialist => named(&chain.specialists),
            Called::Manager => named(&chain.managers),
            Called::Person(login) => named(std::slice::from_ref(login)),
            _ => self.people.get(called).cloned().unwrap_or_default(),
        }
    }
}

/// The chain of one ticket, as it was when the ticket opened, and how the ticket goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// Which ticket.
    pub ticket: TicketId,
    /// The chain then.
    pub chain: Chain,
    /// When a person last did something about it.
    pub acted_at: Timestamp,
    /// How often it was told since that it stands still.
    pub nudges: u32,
}

impl Frozen {
    /// When it is next told that the ticket stands still.
    #[must_use]
    pub fn stalled_at(&self) -> Option<Timestamp> {
        let after = self.chain.stalled_after?.0;
        Some(self.acted_at.plus(after * (self.nudges + 1)))
    }

    /// How many of the times at which that is told have come by `now`.
    #[must_use]
    pub fn missed(&self, now: Timestamp) -> u32 {
        let after = self.chain.stalled_after.map_or(0, |after| after.0.as_millis());
        let times = now.since(self.acted_at).as_millis().checked_div(after);
        times.map_or(0, |times| u32::try_from(times).unwrap_or(u32::MAX))
    }
}
