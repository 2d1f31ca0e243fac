//! What surrounds every page, and the small words and marks that all pages share.

use crate::{
    assets,
    authority::{self, Action},
    backend::Failure,
    clocks::ClockView,
    guard::{Refusal, Visit},
    markup::{Html, escape},
    moments,
    report_view::Speech,
    state::ConsoleOptions,
    words,
};
use askama::Template;
use axum::response::{Html as HtmlBody, IntoResponse as _, Response};
use fluent_bundle::FluentValue;
use jiff::tz::TimeZone;
use std::sync::{Arc, LazyLock};
use tocsin_desk::{
    model::{Clock, Role, Ticket},
    policy::Policy,
};
use tocsin_vocabulary::{Code, Language, Level, Severity, Text, Timestamp};

/// Names of levels where no ticket says by which policy.
static LADDER: LazyLock<Policy> = LazyLock::new(Policy::basic);

/// One entry of the menu.
pub(crate) struct Entry {
    /// The place that lights it.
    pub(crate) place: &'static str,
    /// Where it leads.
    pub(crate) url: &'static str,
    /// Key of its name.
    pub(crate) name: &'static str,
    /// On a phone it unfolds under "more".
    pub(crate) rest: bool,
}

/// The menu: place, address, whether it is under "more" on a phone.
const MENU: [(&str, &str, bool); 13] = [
    ("board", "/", false),
    ("tickets", "/tickets", false),
    ("alerts", "/alerts", false),
    ("hosts", "/hosts", false),
    ("backups", "/backups", true),
    ("duty", "/roster", true),
    ("planned", "/planned", true),
    ("registers", "/registers/assets", true),
    ("accounts", "/accounts", true),
    ("inbox", "/inbox", true),
    ("rules", "/rules", true),
    ("system", "/system", true),
    ("help", "/help", true),
];

/// Frame of a page: language, who is signed in, which entry of the menu is lit.
#[derive(Debug, Clone)]
pub(crate) struct Shell {
    /// Of the page.
    pub(crate) language: Language,
    /// The entry of the menu that is lit, such as `board`.
    pub(crate) place: &'static str,
    /// Name of whoever is signed in.
    pub(crate) person: Option<String>,
    role: Option<Role>,
    /// Path and query, to come back to after a change of language.
    pub(crate) here: String,
    /// Only the inner part is wanted, by the script.
    pub(crate) part: bool,
    /// The host whose ticks refresh this page; `all` for any; empty for none.
    pub(crate) ticks: String,
    /// When the page was made.
    pub(crate) now: Timestamp,
    zone: TimeZone,
    options: Arc<ConsoleOptions>,
}

impl Shell {
    /// For this visit, with this entry lit.
    pub(crate) fn new(visit: &Visit, place: &'static str) -> Self {
        let query: Vec<String> = visit
            .parameters()
            .into_iter()
            .filter(|(key, _)| key != "part")
            .map(|(key, value)| format!("{}={}", crate::markup::percent(&key), crate::markup::percent(&value)))
            .collect();
        let here = if query.is_empty() {
            visit.path.clone()
        } else {
            format!("{}?{}", visit.path, query.join("&"))
        };
        Self {
            language: visit.language,
            place,
            person: visit.speaker.as_ref().map(|speaker| speaker.person.name.clone()),
            role: visit.speaker.as_ref().map(|speaker| speaker.role),
            here,
            part: visit.parameter("part").is_some(),
            ticks: String::new(),
            now: visit.now,
            zone: visit.console.options.zone.clone(),
            options: visit.console.options.clone(),
        }
    }

    /// The page is refreshed by ticks of this host, or of `all`.
    #[must_use]
    pub(crate) fn with_ticks(mut self, of: impl Into<String>) -> Self {
        self.ticks = of.into();
        self
    }

    /// After a change of language, people come back here.
    #[must_use]
    pub(crate) fn with_here(mut self, here: &str) -> Self {
        here.clone_into(&mut self.here);
        self
    }

    /// Words without blanks.
    pub(crate) fn t(&self, key: &str) -> String {
        words::say(self.language, key, &[])
    }

    /// Words with blanks.
    pub(crate) fn tell(&self, key: &str, blanks: &[(&str, FluentValue<'_>)]) -> String {
        words::say(self.language, key, blanks)
    }

    /// The word for a member of a closed list; the member itself when it is new to us.
    pub(crate) fn word(&self, list: &str, member: &str) -> String {
        words::member(self.language, list, member)
    }

    /// A sentence that the desk keeps in both languages.
    pub(crate) fn text<'a>(&self, text: &'a Text) -> &'a str {
        text.get(self.language)
    }

    /// The language tag of the page.
    pub(crate) fn tag(&self) -> &'static str {
        self.language.tag()
    }

    /// Where an asset is found.
    pub(crate) fn asset(&self, name: &str) -> String {
        assets::url(name)
    }

    /// Whether an entry of the menu is lit.
    pub(crate) fn lit(&self, place: &str) -> bool {
        self.place == place
    }

    /// Whether whoever is signed in may do this.
    pub(crate) fn may(&self, action: Action) -> bool {
        self.role.is_some_and(|role| authority::allows(role, action))
    }

    /// Whether whoever is here may report a fault.
    pub(crate) fn may_report(&self) -> bool {
        self.may(Action::ReportFault)
    }

    /// Whether whoever is here may ask a host for a diagnostic snapshot.
    pub(crate) fn may_diagnose(&self) -> bool {
        self.may(Action::Diagnose)
    }

    /// Whether whoever is here works on tickets.
    pub(crate) fn may_work(&self) -> bool {
        self.may(Action::WorkTicket)
    }

    /// Whether whoever is here may look at the system.
    pub(crate) fn may_system(&self) -> bool {
        self.may(Action::ReadSystem)
    }

    /// Who works on a ticket. A customer's people learn that somebody does, not who.
    pub(crate) fn assignee(&self, ticket: &Ticket) -> Option<String> {
        let name = ticket.assignee_name.clone();
        name.map(|name| {
            if self.role == Some(Role::Customer) {
                self.t("service-desk")
            } else {
                name
            }
        })
    }

    /// The entries of the menu that whoever is here may open.
    pub(crate) fn menu(&self) -> Vec<Entry> {
        let shown = |place: &str| match place {
            "duty" => self.may(Action::ReadDuty),
            "registers" => self.may(Action::ReadRegisters),
            "planned" => self.may(Action::ReadPlanned),
            "rules" => self.may(Action::ReadRules),
            "system" => self.may(Action::ReadSystem),
            _ => true,
        };
        MENU.into_iter()
            .filter(|(place, ..)| shown(place))
            .map(|(place, url, rest)| Entry {
                place,
                url,
                name: place,
                rest,
            })
            .collect()
    }

    /// Name of the lit entry, if it is one of those under "more".
    pub(crate) fn lit_in_rest(&self) -> Option<&'static str> {
        let found = MENU.into_iter().find(|(place, _, rest)| *rest && self.lit(place));
        found.map(|(place, ..)| place)
    }

    /// `14:05:09`, the whole time on hover.
    pub(crate) fn exact(&self, at: Timestamp) -> Html {
        moments::element(at, &moments::exact(at, self.now, &self.zone), &self.zone)
    }

    /// `14:05` today, with the date else; words alone.
    pub(crate) fn short(&self, at: Timestamp) -> String {
        moments::short(at, self.now, &self.zone)
    }

    /// What an event is called: our words for a name that we know, else the name as the agent sent it.
    pub(crate) fn event(&self, name: &str) -> String {
        let member = name.replace('.', "-");
        let word = self.word("event", &member);
        if word == member { name.to_owned() } else { word }
    }

    /// `3 分钟前`, the whole time on hover.
    pub(crate) fn ago(&self, at: Timestamp) -> Html {
        moments::element(at, &moments::ago(at, self.now, self.language), &self.zone)
    }

    /// `3 分钟前`, words alone.
    pub(crate) fn ago_words(&self, at: Timestamp) -> String {
        moments::ago(at, self.now, self.language)
    }

    /// How long it is since then.
    pub(crate) fn since(&self, at: Timestamp) -> String {
        moments::span(self.now.since(at), self.language)
    }

    /// `3 小时 20 分钟`.
    pub(crate) fn span(&self, span: std::time::Duration) -> String {
        moments::span(span, self.language)
    }

    /// `33 小时 20 分钟`: never rounded to a day.
    pub(crate) fn lasted(&self, span: std::time::Duration) -> String {
        moments::lasted(span, self.language)
    }

    /// One clock.
    pub(crate) fn clock(&self, clock: &Clock) -> ClockView {
        ClockView::new(clock, self.now, self.language, &self.zone)
    }

    /// The clocks of a ticket; those that stand still say so.
    pub(crate) fn clocks(&self, ticket: &Ticket) -> Vec<ClockView> {
        let places = ticket.clocks.iter().enumerate();
        places
            .map(|(place, clock)| {
                let view = if let Some(raised) = ticket.reckoning.superseded(place, clock) {
                    ClockView::superseded(clock, raised, self.now, self.language, &self.zone)
                } else if ticket.reckoning.is_paused(place) {
                    ClockView::paused(clock, self.now, self.language, &self.zone)
                } else {
                    self.clock(clock)
                };
                let timing = ticket.reckoning.timings.get(place);
                ClockView {
                    clause: timing.map(|timing| timing.wording.clone()).unwrap_or_default(),
                    ..view
                }
            })
            .collect()
    }

    /// In which words a report is told on this page.
    pub(crate) fn speech(&self) -> Speech<'_> {
        Speech {
            language: self.language,
            zone: &self.zone,
            policies: &self.options.policies,
        }
    }

    /// The site's zone.
    pub(crate) const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The level of a ticket, as its own policy calls it.
    pub(crate) fn level_of(&self, ticket: &Ticket) -> Html {
        self.level(ticket.level, &ticket.reckoning.policy)
    }

    /// A level: shape and word, never colour alone. What a policy that is not known calls it is what the basic one does.
    pub(crate) fn level(&self, level: Level, policy: &str) -> Html {
        let rank = level.rank().min(4);
        let shape = ["●", "◆", "▲", "■"][usize::from(rank.saturating_sub(1))];
        let own = self.options.policies.iter().find(|known| known.name == policy);
        let name = own.unwrap_or(&LADDER).level_name(level);
        let word = escape(name.get(self.language));
        Html(format!(
            r#"<span class="level level-{rank}"><i aria-hidden="true">{shape}</i>{word}</span>"#
        ))
    }

    /// A policy by its title; one that is not known by its name.
    pub(crate) fn policy(&self, name: &str) -> String {
        let known = self.options.policies.iter().find(|known| known.name == name);
        known.map_or_else(|| name.to_owned(), |policy| self.text(&policy.title).to_owned())
    }

    /// A severity: the word.
    pub(crate) fn severity(&self, severity: Severity) -> String {
        self.word("severity", severity.as_str())
    }

    /// Names of the languages that one can switch to: tag and name.
    pub(crate) fn other_language(&self) -> (&'static str, &'static str) {
        match self.language {
            Language::English => ("zh-CN", "中文"),
            Language::Chinese => ("en", "English"),
        }
    }
}

/// A template as a response.
pub(crate) fn page(template: &impl Template) -> Result<Response, Refusal> {
    template
        .render()
        .map(|text| HtmlBody(text).into_response())
        .map_err(|error| Refusal(Failure::new(Code::Internal, format!("render page: {error}"))))
}
