//! Registers, the way in, and the desk of the made-up duty room.

use super::*;

#[async_trait]
impl Records for Fake {
    async fn tickets(&self, filter: &TicketFilter) -> Result<List<Ticket>, Failure> {
        let work = lock(&self.desk);
        let fits = |ticket: &&Ticket| {
            (filter.states.is_empty() || filter.states.contains(&ticket.state))
                && filter.host.is_none_or(|host| ticket.host == Some(host))
                && filter.customer.is_none_or(|customer| ticket.customer == customer)
        };
        Ok(all(work.tickets.iter().filter(fits).cloned().collect()))
    }
    async fn ticket(&self, number: u64) -> Result<Option<Ticket>, Failure> {
        Ok(lock(&self.desk)
            .tickets
            .iter()
            .find(|ticket| ticket.number == number)
            .cloned())
    }
    async fn ticket_by_id(&self, id: TicketId) -> Result<Option<Ticket>, Failure> {
        Ok(lock(&self.desk).tickets.iter().find(|ticket| ticket.id == id).cloned())
    }
    async fn entries(&self, ticket: TicketId) -> Result<Vec<Entry>, Failure> {
        Ok(lock(&self.desk)
            .entries
            .iter()
            .filter(|entry| entry.ticket == ticket)
            .cloned()
            .collect())
    }
    async fn alerts(&self, filter: &AlertFilter) -> Result<List<Alert>, Failure> {
        let customer = |alert: &Alert| {
            self.hosts
                .iter()
                .find(|host| host.record.id == alert.host)
                .map(|host| host.record.customer)
        };
        let fits = |alert: &&Alert| {
            filter.state.is_none_or(|state| alert.state == state)
                && filter.host.is_none_or(|host| alert.host == host)
                && filter.arrival.is_none_or(|arrival| alert.ruling.arrival == arrival)
                && (filter.customer.is_none() || customer(alert) == filter.customer)
        };
        Ok(all(lock(&self.desk).alerts.iter().filter(fits).cloned().collect()))
    }
    async fn alerts_of_ticket(&self, ticket: TicketId) -> Result<Vec<Alert>, Failure> {
        let work = lock(&self.desk);
        let fault = work
            .tickets
            .iter()
            .find(|row| row.id == ticket)
            .and_then(|row| row.fault);
        Ok(work
            .alerts
            .iter()
            .filter(|alert| fault.is_some() && alert.fault == fault)
            .cloned()
            .collect())
    }
    async fn faults(&self, filter: &FaultFilter) -> Result<List<Fault>, Failure> {
        let work = lock(&self.desk);
        let of = |ticket: &Ticket| Fault {
            id: ticket.fault.unwrap_or(FaultId::from_bytes([0; 16])),
            asset: ticket.asset,
            customer: ticket.customer,
            severity: ticket.severity,
            level: ticket.level,
            title: ticket.title.clone(),
            occurred_at: ticket.opened_at,
            discovered_at: ticket.opened_at,
            reported_at: ticket.opened_at,
            accepted_at: None,
            cleared_at: None,
            ticket: Some(ticket.id),
        };
        let fits = |ticket: &&Ticket| filter.customer.is_none_or(|customer| ticket.customer == customer);
        Ok(all(work.tickets.iter().filter(fits).map(of).collect()))
    }
    async fn pages(&self, filter: &PageFilter) -> Result<List<PageRecord>, Failure> {
        let fits = |page: &&Page| {
            filter.person.is_none_or(|person| page.person == person)
                && filter.ticket.is_none_or(|ticket| page.ticket == Some(ticket))
        };
        let work = lock(&self.desk);
        let record = |page: &Page| PageRecord {
            page: page.clone(),
            person_name: "王工".to_owned(),
        };
        Ok(all(work.pages.iter().filter(fits).map(record).collect()))
    }
    async fn page(&self, id: PageId) -> Result<Option<PageRecord>, Failure> {
        let work = lock(&self.desk);
        let page = work.pages.iter().find(|page| page.id == id);
        Ok(page.map(|page| PageRecord {
            page: page.clone(),
            person_name: "王工".to_owned(),
        }))
    }
    async fn events(&self, _: HostId, from: Timestamp) -> Result<Vec<EventRecord>, Failure> {
        let event = |seq, name: &str, key: &str, about: &str, ago, severity| EventRecord {
            seq,
            at: self.now().minus(minutes(ago)),
            received_at: self.now().minus(minutes(ago)),
            name: name.to_owned(),
            severity,
            attributes: [(key.to_owned(), about.to_owned())].into(),
            body: format!("{name} {about}"),
        };
        let mut events = vec![
            event(
                4,
                "process.group.gone",
                "tocsin.process.group",
                "nginx",
                20,
                Severity::Major,
            ),
            event(
                3,
                "<b>new</b>.kind",
                "x",
                "<script>alert('event')</script>",
                60,
                Severity::Info,
            ),
            event(
                2,
                "network.link.down",
                "network.interface.name",
                "eth1",
                90,
                Severity::Major,
            ),
            event(1, "agent.started", "version", "0.1.0", 60 * 30, Severity::Info),
        ];
        events.retain(|event| event.at >= from);
        Ok(events)
    }
    async fn people(&self) -> Result<Vec<Person>, Failure> {
        Ok(self.people.clone())
    }
    async fn audit_lines(&self, _: &Slice) -> Result<List<AuditLine>, Failure> {
        Ok(all(lock(&self.doors).audit.iter().rev().cloned().collect()))
    }
}

#[async_trait]
impl Access for Fake {
    async fn credentials(&self, login: &str) -> Result<Option<Credentials>, Failure> {
        let person = self.people.iter().find(|person| person.login == login).cloned();
        let doors = lock(&self.doors);
        Ok(person.map(|person| {
            let locked = doors.wrong.get(&person.id).is_some_and(|wrong| *wrong >= 5);
            let locked_until = locked.then(|| self.now().plus(minutes(15)));
            Credentials {
                person,
                password_hash: self.password_hash.clone(),
                locked_until,
            }
        }))
    }
    async fn sign_in_failed(&self, person: PersonId, _: Timestamp) -> Result<bool, Failure> {
        let mut doors = lock(&self.doors);
        let wrong = doors.wrong.entry(person).or_default();
        *wrong += 1;
        Ok(*wrong >= 5)
    }
    async fn begin_session(&self, secret_hash: &str, person: PersonId, _: Timestamp) -> Result<(), Failure> {
        self.begin(secret_hash, person);
        Ok(())
    }
    async fn session(&self, secret_hash: &str, now: Timestamp) -> Result<Option<Speaker>, Failure> {
        let mut doors = lock(&self.doors);
        let session = doors.sessions.get_mut(secret_hash);
        let session = session.filter(|session| now.since(session.seen_at) < minutes(15));
        Ok(session.and_then(|session| {
            session.seen_at = now;
            self.speaker(session.person)
        }))
    }
    async fn peek_session(&self, secret_hash: &str, now: Timestamp) -> Result<Option<Speaker>, Failure> {
        let doors = lock(&self.doors);
        let session = doors.sessions.get(secret_hash);
        let session = session.filter(|session| now.since(session.begun_at) < minutes(12 * 60));
        Ok(session.and_then(|session| self.speaker(session.person)))
    }
    async fn end_session(&self, secret_hash: &str) -> Result<(), Failure> {
        lock(&self.doors).sessions.remove(secret_hash);
        Ok(())
    }
    async fn api_token(&self, secret_hash: &str, _: Timestamp) -> Result<Option<Speaker>, Failure> {
        Ok(lock(&self.doors).tokens.get(secret_hash).cloned())
    }
    async fn redeem_sign_in_link(&self, secret_hash: &str, _: Timestamp) -> Result<Option<Person>, Failure> {
        let person = lock(&self.doors).links.remove(secret_hash);
        Ok(person
            .and_then(|person| self.speaker(person))
            .map(|speaker| speaker.person))
    }
    async fn audit(&self, line: AuditLine) -> Result<(), Failure> {
        lock(&self.doors).audit.push(line);
        Ok(())
    }
    fn link_key(&self) -> [u8; 32] {
        [9; 32]
    }
}

#[async_trait]
impl Desk for Fake {
    async fn act(&self, act: Act) -> Result<Ticket, Failure> {
        let now = self.now();
        let mut work = lock(&self.desk);
        let missing = || Failure::new(Code::NotFound, "no such ticket");
        let ticket = work
            .tickets
            .iter_mut()
            .find(|ticket| ticket.id == act.ticket)
            .ok_or_else(missing)?;
        if act.revision.is_some_and(|revision| revision != ticket.revision) {
            return Err(Failure::new(
                Code::Conflict,
                "the ticket has moved on: look at it again",
            ));
        }
        let from = ticket.state;
        let (to, prior) = life::next(from, ticket.prior_state, act.action.kind())
            .map_err(|illegal| Failure::new(Code::Conflict, illegal.to_string()))?;
        (ticket.state, ticket.prior_state) = (to, prior);
        ticket.revision += 1;
        if let (Action::Accept, Actor::Person(id, name)) = (&act.action, &act.actor) {
            ticket.assignee = Some(*id);
            ticket.assignee_name = Some(name.clone());
            ticket.clocks[0].stopped_at = Some(now);
        }
        let note = match &act.action {
            Action::Note { text } => text.clone(),
            Action::Wait { reason, .. } | Action::Cancel { reason } | Action::Reopen { reason } => reason.clone(),
            Action::Resolve { cause, solution } => format!("{cause} / {solution}"),
            _ => String::new(),
        };
        let ticket = ticket.clone();
        work.entries.push(Entry {
            ticket: ticket.id,
            seq: ticket.revision,
            at: now,
            actor: act.actor,
            via: act.via,
            action: act.action.kind().as_str().to_owned(),
            from: Some(from),
            to: Some(to),
            note: Text::plain(note),
        });
        let _ = self.changes.send(Change::Desk);
        Ok(ticket)
    }
    async fn report(&self, report: Report) -> Result<Ticket, Failure> {
        let missing = || Failure::new(Code::NotFound, "no such host");
        let host = self
            .hosts
            .iter()
            .find(|host| host.record.asset == report.asset.asset)
            .ok_or_else(missing)?;
        let number = 2000;
        let title = Text::plain(report.title);
        self.open(Opening {
            number,
            host,
            title,
            level: 3,
            severity: report.severity,
            metric: "",
            instance: "",
            value: None,
            threshold: None,
            ago: Duration::ZERO,
            respond: minutes(60),
        });
        self.ticket(number).await?.ok_or_else(missing)
    }
}
