//! Promises beside tickets' clocks are warned of and missed ones told: steps of complaints, and whatever else says that it
//! has an open [`Term`]. Told once for each share, across restarts.

use super::{Room, failed};
use std::time::Duration;
use tocsin_console::backend::{Change, Failure};
use tocsin_desk::{
    model::{Page, PageReason, PageState, Person, Role},
    term::{self, MISSED, Term},
};
use tocsin_vocabulary::{Level, PageId, Text, Timestamp};

/// Complaints that opened longer ago have been told of in full.
const COMPLAINTS_FOR: Duration = Duration::from_secs(60 * 86_400);
/// The level that pages about terms bear: they are no fault.
const LEVEL: u8 = 3;

/// What people are told beside tickets' own pages, once.
pub(crate) struct Word<'a> {
    /// What is remembered of it; no other word has it.
    pub(crate) name: &'a str,
    /// Of its time that has run; 100 for what has no time.
    pub(crate) percent: u8,
    /// Why.
    pub(crate) reason: PageReason,
    /// In plain words.
    pub(crate) title: Text,
    /// What to know.
    pub(crate) body: Text,
}

/// Tells of every term whose time has come.
pub(super) async fn look(room: &Room, now: Timestamp) -> Result<(), Failure> {
    let complaints = room
        .ledger
        .complaints(now.minus(COMPLAINTS_FOR))
        .await
        .map_err(failed)?;
    let terms = complaints
        .iter()
        .flat_map(|(ticket, signed)| term::of_steps(ticket, signed));
    for term in terms {
        room.tell_term(&term, now).await?;
    }
    Ok(())
}

impl Room {
    /// Tells a term's owner, or those on duty, of the share of it that has run, unless they were told. A missed term is
    /// told to the team leads as well.
    pub(crate) async fn tell_term(&self, term: &Term, now: Timestamp) -> Result<(), Failure> {
        let Some(percent) = term.share(now) else {
            return Ok(());
        };
        if self.ledger.told_of(&term.name).await.map_err(failed)? >= Some(percent) {
            return Ok(());
        }
        let people = self.people().await?;
        let owner = people.iter().find(|person| Some(person.id) == term.owner);
        let mut to: Vec<&Person> = match owner {
            Some(owner) => vec![owner],
            None => people.iter().filter(|person| person.on_duty).collect(),
        };
        let missed = percent >= MISSED;
        if missed || to.is_empty() {
            let told: Vec<_> = to.iter().map(|person| person.id).collect();
            to.extend(leads(&people).filter(|lead| !told.contains(&lead.id)));
        }
        let word = Word {
            name: &term.name,
            percent,
            reason: if missed {
                PageReason::Breached
            } else {
                PageReason::Warned
            },
            title: term.title.clone(),
            body: term.words(percent),
        };
        let mut pages = self.term_pages(&word, &to, now);
        for page in &mut pages {
            (page.ticket, page.ticket_number) = (Some(term.ticket.0), Some(term.ticket.1));
        }
        self.say(&word, &pages, now).await
    }

    /// Tells the team leads something, unless it was told.
    pub(crate) async fn tell_leads(&self, word: &Word<'_>, now: Timestamp) -> Result<(), Failure> {
        if self.ledger.told_of(word.name).await.map_err(failed)? >= Some(word.percent) {
            return Ok(());
        }
        let people = self.people().await?;
        let pages = self.term_pages(word, &leads(&people).collect::<Vec<_>>(), now);
        if pages.is_empty() {
            return Ok(()); // somebody may become one
        }
        self.say(word, &pages, now).await
    }

    async fn say(&self, word: &Word<'_>, pages: &[Page], now: Timestamp) -> Result<(), Failure> {
        let said = self
            .ledger
            .tell_term(word.name, word.percent, pages, now)
            .await
            .map_err(failed)?;
        if said && !pages.is_empty() {
            self.live.ring(Change::Pages);
            self.outbox.notify_one();
        }
        Ok(())
    }

    fn term_pages(&self, word: &Word<'_>, to: &[&Person], now: Timestamp) -> Vec<Page> {
        let mut ids = self.new_ids();
        let ways = to
            .iter()
            .flat_map(|person| self.destinations.iter().map(move |destination| (person, destination)));
        ways.map(|(person, destination)| Page {
            id: PageId::next(&mut ids, now),
            key: format!("term-{}-{}-{}-{destination}", word.name, word.percent, person.id),
            ticket: None,
            ticket_number: None,
            person: person.id,
            destination: destination.clone(),
            reason: word.reason,
            title: word.title.clone(),
            body: word.body.clone(),
            level: Level::new(LEVEL),
            drill: false,
            created_at: now,
            state: PageState::Queued,
            attempts: 0,
            due_at: now,
            sent_at: None,
            error: String::new(),
        })
        .collect()
    }
}

/// Team leads; administrators where there are none.
fn leads(people: &[Person]) -> impl Iterator<Item = &Person> {
    let any = people.iter().any(|person| person.role == Role::TeamLead);
    let role = if any { Role::TeamLead } else { Role::Administrator };
    people.iter().filter(move |person| person.role == role)
}
