//! Handovers: opening them with what is in hand, and signing them.

use super::{Room, done, failed, wrong};
use crate::clock;
use std::time::Duration;
use tocsin_console::{backend::Failure, password};
use tocsin_desk::{
    backup::Job,
    duty::{Doer, Done, DutyAct},
    handover::{BadJob, Carried, Handover, HandoverError, Quiet, Register, Side},
    model::{AlertState, Person, TicketState},
    planned::Names,
    record::{AlertFilter, PlannedFilter, Slice, TicketFilter},
    roster,
};
use tocsin_vocabulary::{Code, HostId, Level, Timestamp};

/// Most tickets and alerts that a handover lists.
const ROWS_MAX: u32 = 200;
/// Planned work is told so long before it begins: as long as the longest shift.
const SOON: Duration = Duration::from_secs(24 * 3_600);
/// Metrics and rules of backups begin so.
const BACKUPS: [&str; 2] = ["backup", "tocsin.backup"];

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn refused(error: HandoverError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

impl Room {
    pub(super) async fn of_handover(&self, by: &Doer, act: DutyAct) -> Result<Done, Failure> {
        let action = act.as_str();
        match act {
            DutyAct::OpenHandover { roster, coming } => self.open_now(by, action, &roster, coming).await,
            DutyAct::WriteHandover {
                id,
                room,
                notes,
                things,
            } => {
                let line = self.line(by, action, &id.to_string(), "");
                let write = |one: &mut Handover| one.write(room.trim(), notes.trim(), things);
                let changed = self.ledger.change_handover(id, &[], &[line], write).await;
                changed.map_err(failed)?.map_err(refused)?;
                Ok(done(format!("handover {id} is written")))
            }
            DutyAct::SignHandover { id, side, login, pin } => self.sign(by, action, id, side, &login, pin).await,
            DutyAct::GiveWord { id, reason } => {
                let (now, login) = (self.now(), by.login.clone());
                let line = self.line(by, action, &id.to_string(), reason.trim());
                let word = |one: &mut Handover| one.give_word(&login, &reason, now);
                let changed = self.ledger.change_handover(id, &[], &[line], word).await;
                changed.map_err(failed)?.map_err(refused)?;
                Ok(done(format!("handover {id} may be signed")))
            }
            DutyAct::SetPin { login, pin } => {
                let person = self.person(&login).await?;
                let mut salt = [0; 16];
                clock::random(&mut salt).map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
                let hash = tokio::task::spawn_blocking(move || password::hash_pin(&pin, &salt))
                    .await
                    .map_err(|error| Failure::new(Code::Internal, error.to_string()))??;
                let line = self.line(by, action, &login, "");
                self.ledger
                    .set_pin(person.id, &hash, self.now(), &[line])
                    .await
                    .map_err(failed)?;
                Ok(done(format!("the PIN of `{login}` is set")))
            }
            _ => Err(wrong("this is no matter of handovers")),
        }
    }

    async fn open_now(&self, by: &Doer, action: &str, name: &str, coming: Vec<String>) -> Result<Done, Failure> {
        let plan = self.roster(name).await?;
        let now = self.now();
        let exchanges = self.ledger.exchanges(now).await.map_err(failed)?;
        let hands = |at: Timestamp| shift_of(&roster::now(&plan, &exchanges, at));
        let leaving = hands(now);
        let coming = if coming.is_empty() {
            let next = roster::next_change(&plan, &exchanges, now);
            next.map(hands).unwrap_or_default()
        } else {
            coming
        };
        if leaving.is_empty() || coming.is_empty() {
            return Err(wrong("the roster names nobody who leaves, or nobody who comes"));
        }
        match self.open_handover(by, action, name, now, leaving, coming).await? {
            Some(id) => Ok(Done {
                id: Some(id),
                said: vec![format!("handover {id} is open")],
            }),
            None => Err(Failure::new(
                Code::Conflict,
                "this change of shifts has a handover already",
            )),
        }
    }

    /// Opens a handover with what is in hand; none when this change of shifts has one.
    pub(super) async fn open_handover(
        &self,
        by: &Doer,
        action: &str,
        roster: &str,
        at: Timestamp,
        leaving: Vec<String>,
        coming: Vec<String>,
    ) -> Result<Option<u64>, Failure> {
        let handover = Handover {
            id: 0,
            roster: roster.to_owned(),
            at,
            register: self.in_hand(roster).await?,
            leaving,
            coming,
            left: None,
            came: None,
            word: None,
            nags: 0,
        };
        let line = self.line(by, action, roster, &at.to_string());
        self.ledger.open_handover(&handover, &[line]).await.map_err(failed)
    }

    /// What the leaving shift has in hand. Things are those of the handover before.
    async fn in_hand(&self, roster: &str) -> Result<Register, Failure> {
        let slice = Slice {
            after: None,
            limit: ROWS_MAX,
        };
        let filter = TicketFilter {
            states: TicketState::ALL.into_iter().filter(|state| state.is_live()).collect(),
            slice: slice.clone(),
            ..TicketFilter::default()
        };
        let tickets = self.ledger.tickets(&filter).await.map_err(failed)?.items;
        let filter = AlertFilter {
            state: Some(AlertState::Raised),
            slice,
            ..AlertFilter::default()
        };
        let alerts = self.ledger.alerts(&filter).await.map_err(failed)?.items;
        let is_backup = |text: &str| BACKUPS.iter().any(|start| text.starts_with(start));
        let told = |alert: &tocsin_desk::model::Alert| alert.title.clone();
        let now = self.now();
        let bad = self.bad_jobs(now).await?;
        let before = self.ledger.handovers(20).await.map_err(failed)?;
        let mut things = before
            .into_iter()
            .find(|one| one.roster == roster)
            .map(|one| one.register.things)
            .unwrap_or_default();
        for thing in &mut things {
            thing.there = false;
        }
        Ok(Register {
            tickets: tickets
                .into_iter()
                .map(|ticket| Carried {
                    due_at: ticket.next_due().map(|clock| clock.due_at),
                    number: ticket.number,
                    title: ticket.title,
                    level: ticket.level,
                    policy: ticket.reckoning.policy,
                    state: ticket.state,
                    assignee: ticket.assignee_name,
                })
                .collect(),
            silences: self.quiet(now).await?,
            backups: alerts
                .iter()
                .filter(|alert| is_backup(&alert.metric) || is_backup(&alert.rule))
                .filter(|alert| bad.iter().all(|(host, _)| *host != alert.host))
                .map(told)
                .collect(),
            jobs: bad.into_iter().map(|(_, job)| job).collect(),
            silent: alerts
                .iter()
                .filter(|alert| alert.metric.is_empty())
                .map(told)
                .collect(),
            things,
            room: String::new(),
            notes: String::new(),
        })
    }

    /// What withholds pages or asks for more care now, or within the coming shift.
    async fn quiet(&self, now: Timestamp) -> Result<Vec<Quiet>, Failure> {
        let filter = PlannedFilter {
            open_only: true,
            slice: Slice {
                after: None,
                limit: ROWS_MAX,
            },
            ..PlannedFilter::default()
        };
        let planned = self.ledger.planned(&filter).await.map_err(failed)?.items;
        let names = if planned.is_empty() {
            Names::default()
        } else {
            let places = self.ledger.places().await.map_err(failed)?;
            let hosts = self.ledger.hosts().await.map_err(failed)?;
            let customers = hosts.into_iter().map(|host| (host.customer, host.customer_name));
            Names::new(places, customers)
        };
        let soon = now.plus(SOON);
        let lines = planned.into_iter().filter_map(|one| {
            let times = one.times(now).filter(|times| times.from <= soon)?;
            Some(Quiet {
                kind: one.kind,
                what: names.scope(&one.scope).join(", "),
                until: times.to,
                reason: one.reason,
            })
        });
        Ok(lines.collect())
    }

    /// Backup jobs whose newest run brought no copy, or whose copy is older than promised, with their hosts.
    async fn bad_jobs(&self, now: Timestamp) -> Result<Vec<(HostId, BadJob)>, Failure> {
        let jobs = self.ledger.jobs().await.map_err(failed)?;
        let bad = |job: &Job| {
            let failed = job.stand.last_result.is_some_and(|result| !result.is_good());
            !job.paused && (failed || job.breaks_rpo(now))
        };
        let jobs: Vec<Job> = jobs.into_iter().filter(bad).take(ROWS_MAX as usize).collect();
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let hosts = self.ledger.hosts().await.map_err(failed)?;
        let bad = jobs.into_iter().map(|job| {
            let host = hosts.iter().find(|host| host.id == job.host);
            let bad = BadJob {
                host: host.map_or_else(|| job.host.to_string(), |host| host.name.clone()),
                name: job.name,
                result: job.stand.last_result,
                good_at: job.stand.good_at,
            };
            (job.host, bad)
        });
        Ok(bad.collect())
    }

    async fn sign(
        &self,
        by: &Doer,
        action: &str,
        id: u64,
        side: Side,
        login: &str,
        pin: String,
    ) -> Result<Done, Failure> {
        self.check_pin(by, "handover.wrong_pin", &id.to_string(), login, pin)
            .await?;
        let now = self.now();
        let worst = self.worst_open().await?;
        let signer = Doer {
            login: login.to_owned(),
            ..by.clone()
        };
        let line = self.line(&signer, action, &id.to_string(), side.as_str());
        let sign = |one: &mut Handover| one.sign(side, login, worst, now);
        let changed = self.ledger.change_handover(id, &[], &[line], sign).await;
        let handover = changed.map_err(failed)?.map_err(refused)?;
        Ok(done(if handover.is_closed() {
            format!("handover {id} is signed by both")
        } else {
            format!("handover {id} is signed for the {} shift", side.as_str())
        }))
    }

    /// The person of this login, if the PIN is theirs. A wrong one is counted and audited as `action` on `subject`.
    pub(super) async fn check_pin(
        &self,
        by: &Doer,
        action: &str,
        subject: &str,
        login: &str,
        pin: String,
    ) -> Result<Person, Failure> {
        let person = self.person(login).await?;
        let now = self.now();
        let kept = self.ledger.pin(person.id).await.map_err(failed)?;
        let Some(kept) = kept else {
            let reason = format!("`{login}` has no PIN yet: set one first");
            return Err(Failure::new(Code::FailedPrecondition, reason));
        };
        if kept.locked_until.is_some_and(|until| until > now) {
            let reason = "too many wrong PINs: try again in 15 minutes";
            return Err(Failure::new(Code::ResourceExhausted, reason));
        }
        if !password::check(pin, Some(kept.hash)).await? {
            self.ledger.pin_failed(person.id, now).await.map_err(failed)?;
            let line = self.line(by, action, subject, login);
            self.ledger.audit(line).await.map_err(failed)?;
            return Err(Failure::new(Code::Forbidden, "the PIN is wrong"));
        }
        self.ledger.pin_good(person.id).await.map_err(failed)?;
        Ok(person)
    }

    /// An open ticket of the worst level that is not restored.
    async fn worst_open(&self) -> Result<Option<u64>, Failure> {
        let filter = TicketFilter {
            states: vec![
                TicketState::Open,
                TicketState::Accepted,
                TicketState::OnSite,
                TicketState::Waiting,
            ],
            slice: Slice { after: None, limit: 1 },
            ..TicketFilter::default()
        };
        let tickets = self.ledger.tickets(&filter).await.map_err(failed)?.items;
        let worst = tickets.first().filter(|ticket| ticket.level == Level::WORST);
        Ok(worst.map(|ticket| ticket.number))
    }
}

/// Those of a moment who hand over: main and deputy.
pub(super) fn shift_of(spans: &[roster::Span]) -> Vec<String> {
    let mut people: Vec<String> = Vec::new();
    for login in spans
        .iter()
        .flat_map(|span| span.staff.main.iter().chain(&span.staff.deputy))
    {
        if !people.contains(login) {
            people.push(login.clone());
        }
    }
    people
}
