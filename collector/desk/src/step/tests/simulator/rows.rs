//! What the ledger would hold after each step, and what must be true of it.

use super::*;

/// What the ledger would hold.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) alerts: BTreeMap<AlertId, Alert>,
    pub(super) faults: BTreeMap<FaultId, Fault>,
    pub(super) tickets: BTreeMap<TicketId, Ticket>,
    entries: BTreeMap<TicketId, u64>,
    pages: BTreeMap<tocsin_vocabulary::PageId, Page>,
    keys: BTreeSet<String>,
    planned: BTreeMap<PlannedId, Planned>,
    pub(super) withheld: BTreeMap<AlertId, Withheld>,
    storms: BTreeMap<FaultId, Storm>,
    budgets: BTreeMap<PersonId, Budget>,
    chains: BTreeMap<TicketId, Frozen>,
    fired: BTreeSet<(TicketId, ClockKind, u32, u8)>,
}

impl Rows {
    /// `corrected`: a time was entered late, so that clocks may be counted anew.
    pub(super) fn write(&mut self, effects: &Effects, now: Timestamp, corrected: bool) {
        for ticket in &effects.tickets {
            self.check_ticket(ticket, effects, now);
            if !corrected {
                self.check_clocks(ticket, effects);
            }
        }
        for (ticket, fired, at) in &effects.fired {
            assert_eq!(*at, now);
            let once = self.fired.insert((*ticket, fired.clock, fired.rung, fired.percent));
            assert!(once, "told twice of one share of one clock: {fired:?}");
        }
        for entry in &effects.entries {
            let last = self.entries.entry(entry.ticket).or_default();
            *last += 1;
            assert_eq!(entry.seq, *last, "the timeline has no holes");
            assert!(effects.tickets.iter().any(|ticket| ticket.id == entry.ticket));
        }
        self.alerts
            .extend(effects.alerts.iter().map(|alert| (alert.id, alert.clone())));
        self.faults
            .extend(effects.faults.iter().map(|fault| (fault.id, fault.clone())));
        self.tickets
            .extend(effects.tickets.iter().map(|ticket| (ticket.id, ticket.clone())));
        for ticket in &effects.tickets {
            assert_eq!(self.entries[&ticket.id], ticket.entry_count);
        }
        for page in &effects.pages {
            assert!(
                self.keys.insert(page.key.clone()),
                "the key {} was used before",
                page.key
            );
            self.pages.insert(page.id, page.clone());
        }
        for id in &effects.withdrawn {
            let page = self.pages.get_mut(id).expect("only what was written is withdrawn");
            page.state = PageState::Withdrawn;
        }
        self.chains
            .extend(effects.chains.iter().map(|chain| (chain.ticket, chain.clone())));
        let quiet = &effects.quiet;
        self.planned
            .extend(quiet.planned.iter().map(|row| (row.id, row.clone())));
        self.withheld
            .extend(quiet.withheld.iter().map(|row| (row.alert, row.clone())));
        self.storms
            .extend(quiet.storms.iter().map(|row| (row.fault, row.clone())));
        self.budgets
            .extend(quiet.budgets.iter().map(|row| (row.person, row.clone())));
        self.check_all();
        self.check_withheld();
    }

    /// No alert is lost: each that holds and asks for a ticket has one, or stands among those that are withheld.
    fn check_withheld(&self) {
        for withheld in self.withheld.values() {
            let alert = &self.alerts[&withheld.alert];
            assert_eq!(withheld.ended_at.is_some(), withheld.outcome.is_some());
            if withheld.ended_at.is_none() {
                assert_eq!(alert.state, AlertState::Raised, "what cleared is no longer withheld");
            }
        }
        for alert in self.alerts.values().filter(|alert| alert.state == AlertState::Raised) {
            let withheld = self
                .withheld
                .get(&alert.id)
                .is_some_and(|withheld| withheld.ended_at.is_none());
            if alert.response == Response::Ticket {
                assert!(alert.fault.is_some() || withheld, "lost: {alert:#?}");
            }
        }
    }

    fn check_ticket(&self, ticket: &Ticket, effects: &Effects, now: Timestamp) {
        let before = self.tickets.get(&ticket.id);
        assert_eq!(
            ticket.revision,
            before.map_or(0, |before| before.revision) + 1,
            "one step, one revision"
        );
        assert_eq!(ticket.updated_at, now);
        let mut state = before.map(|before| (before.state, before.prior_state));
        let mut waited_from = before.and_then(|before| before.reckoning.waited_from);
        for entry in effects.entries.iter().filter(|entry| entry.ticket == ticket.id) {
            match (state, ActionKind::parse(&entry.action)) {
                (None, _) => {
                    assert_eq!((entry.action.as_str(), entry.to), ("open", Some(TicketState::Open)));
                    state = Some((TicketState::Open, None));
                }
                (Some((from, prior)), Some(kind)) => {
                    let (to, kept) = life::next(from, prior, kind).expect("by the table");
                    let kept = match (from, to) {
                        (TicketState::Restored, TicketState::Waiting) => waited_from.take(),
                        _ => kept,
                    };
                    if from == TicketState::Waiting && to == TicketState::Restored {
                        waited_from = prior;
                    }
                    state = Some((to, kept));
                }
                (Some((from, _)), None) if entry.action == "auto_close" => {
                    assert_eq!((from, entry.to), (TicketState::Restored, Some(TicketState::Closed)));
                    state = Some((TicketState::Closed, None));
                }
                (Some(_), None) => assert_eq!(entry.to, None),
            }
        }
        assert_eq!(
            state,
            Some((ticket.state, ticket.prior_state)),
            "only what the timeline says has happened"
        );
    }

    /// Clocks do not vanish, breaches stay, targets that were met or missed stand still, and a raise never gives more time.
    /// Only other holidays move what runs.
    fn check_clocks(&self, ticket: &Ticket, effects: &Effects) {
        let mut entries = effects.entries.iter().filter(|entry| entry.ticket == ticket.id);
        let recounted = entries.any(|entry| entry.action == "calendar");
        let Some(before) = self.tickets.get(&ticket.id) else {
            return;
        };
        let places = |ticket: &Ticket| -> Vec<_> {
            let timings = ticket.reckoning.timings.iter();
            timings.map(|timing| (timing.rung, timing.clock)).collect()
        };
        for (number, place) in places(before).into_iter().enumerate() {
            let (clock, timing) = (&before.clocks[number], &before.reckoning.timings[number]);
            // What starts on site waits for an arrival that may stand still itself.
            let mut arrivals = before.reckoning.timings.iter().zip(&before.clocks);
            let waits = arrivals.any(|(other, arrive)| {
                (other.clock, other.rung, arrive.due_at) == (ClockKind::Arrive, timing.rung, clock.started_at)
                    && other.paused
            });
            if clock.started_at >= ticket.updated_at || waits {
                // It has not begun: what it waits for may come sooner, or never.
                continue;
            }
            let found = places(ticket).into_iter().position(|other| other == place);
            let found = found.expect("clocks do not vanish");
            let after = &ticket.clocks[found];
            if after.started_at != clock.started_at {
                // What starts on site was expected to start when the arrival is due.
                assert!(ticket.reckoning.moments.on_site.is_some() && after.started_at < clock.started_at);
                continue;
            }
            assert!(
                clock.breached_at.is_none() || after.breached_at == clock.breached_at,
                "a breach stays: {clock:?} became {after:?} of {ticket:?}, before {before:?}"
            );
            let still = clock.stopped_at.is_some() && after.stopped_at == clock.stopped_at;
            let runs = clock.stopped_at.is_none() && !timing.paused && !ticket.reckoning.timings[found].paused;
            if recounted && !still {
                continue;
            }
            if still || runs {
                assert_eq!(after.due_at, clock.due_at, "{place:?} is due when it was");
            } else {
                assert!(after.due_at >= clock.due_at, "a pause takes no time away");
            }
            let next = places(ticket)
                .into_iter()
                .position(|other| other == (place.0 + 1, place.1));
            let fresh = next.filter(|_| !places(before).contains(&(place.0 + 1, place.1)));
            if let Some(fresh) = fresh.filter(|_| runs && after.breached_at.is_none()) {
                assert!(
                    ticket.clocks[fresh].due_at <= clock.due_at,
                    "a raise gives no more time"
                );
            }
        }
    }

    fn check_all(&self) {
        let mut live = BTreeSet::new();
        for ticket in self.tickets.values() {
            let fault = &self.faults[&ticket.fault.unwrap()];
            self.check_fault(ticket, fault);
            // Not every policy promises a response on each of its levels.
            let rung = ticket.reckoning.rungs.len() - 1;
            let timings = ticket.clocks.iter().zip(&ticket.reckoning.timings);
            let mut now = timings
                .filter(|(clock, timing)| clock.kind == ClockKind::Respond && usize::try_from(timing.rung) == Ok(rung));
            let answered = now.next().map(|(respond, _)| respond.stopped_at.is_some());
            match ticket.state {
                TicketState::Open => {
                    assert!(answered != Some(true) && fault.accepted_at.is_none());
                }
                TicketState::Accepted | TicketState::OnSite | TicketState::Waiting => {
                    assert!(answered != Some(false) && fault.accepted_at.is_some());
                    assert!(ticket.assignee.is_some());
                }
                TicketState::Restored | TicketState::Resolved => {
                    assert!(answered != Some(false));
                }
                _ => assert!(ticket.clocks.iter().all(|clock| clock.stopped_at.is_some())),
            }
            let shown = self.alerts.values().find(|alert| alert.fault == ticket.fault);
            if let Some(alert) = shown.filter(|_| ticket.state.is_live()) {
                let key = (
                    alert.host,
                    &alert.rule,
                    &alert.instance,
                    ticket.kind == TicketKind::Drill,
                );
                assert!(live.insert(key), "two live tickets for one thing");
            }
        }
        for page in self.pages.values().filter(|page| page.state == PageState::Queued) {
            let Some(ticket) = page.ticket.map(|id| &self.tickets[&id]) else {
                continue;
            };
            // That a ticket closed by itself was restored is still told.
            let told = ticket.state.is_live() || page.reason == PageReason::Restored;
            assert!(told, "no page waits for a ticket that is done with");
            if matches!(page.reason, PageReason::Unaccepted) {
                assert_eq!(
                    ticket.state,
                    TicketState::Open,
                    "nobody is asked to accept what is accepted"
                );
            }
        }
    }

    /// While alerts of a live ticket hold, its fault holds and nothing has recovered; when none does, both have.
    fn check_fault(&self, ticket: &Ticket, fault: &Fault) {
        let mut alerts = self
            .alerts
            .values()
            .filter(|alert| alert.fault == Some(fault.id))
            .peekable();
        if alerts.peek().is_none() || !ticket.state.is_live() {
            return;
        }
        let holds = alerts.any(|alert| alert.state == AlertState::Raised);
        // What a person reported holds until people say otherwise, also when it took over an alert that had cleared.
        let reported =
            ticket.title.en == REPORTED && !matches!(ticket.state, TicketState::Restored | TicketState::Resolved);
        if holds || !reported {
            assert_eq!(fault.cleared_at.is_none(), holds, "{ticket:#?}");
        }
        assert_eq!(
            ticket.reckoning.moments.recovered.is_none(),
            fault.cleared_at.is_none(),
            "{ticket:#?}"
        );
    }

    /// As a ledger would load it.
    pub(super) fn open_work(&self) -> OpenWork {
        let live = |fault: &Fault| fault.ticket.is_some_and(|ticket| self.tickets[&ticket].state.is_live());
        let held = |alert: &&Alert| {
            alert.state == AlertState::Raised || alert.fault.is_some_and(|fault| live(&self.faults[&fault]))
        };
        OpenWork {
            alerts: self.alerts.values().filter(held).cloned().collect(),
            faults: self
                .faults
                .values()
                .filter(|fault| fault.cleared_at.is_none() || live(fault))
                .cloned()
                .collect(),
            tickets: self
                .tickets
                .values()
                .filter(|ticket| ticket.state.is_live())
                .cloned()
                .collect(),
            pages: self
                .pages
                .values()
                .filter(|page| page.state == PageState::Queued)
                .cloned()
                .collect(),
            chains: self
                .chains
                .values()
                .filter(|chain| self.tickets[&chain.ticket].state.is_live())
                .cloned()
                .collect(),
            last_number: self.tickets.values().map(|ticket| ticket.number).max().unwrap_or(0),
            quiet: QuietRows {
                planned: self
                    .planned
                    .values()
                    .filter(|row| row.ended_at.is_none())
                    .cloned()
                    .collect(),
                withheld: self
                    .withheld
                    .values()
                    .filter(|row| row.ended_at.is_none())
                    .cloned()
                    .collect(),
                storms: self
                    .storms
                    .values()
                    .filter(|storm| live(&self.faults[&storm.fault]))
                    .cloned()
                    .collect(),
                budgets: self.budgets.values().cloned().collect(),
            },
        }
    }
}
