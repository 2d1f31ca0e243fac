//! What the command line asks of a running collector, over its Unix socket: one JSON request, one JSON answer.
//!
//! The socket lies in a folder that only the collector's own user may enter; who may open it may do everything here.

mod accounts;
mod asks;
pub mod papers;
mod plans;
pub mod room;
mod socket;

pub use accounts::AccountAsk;
pub use asks::{Answer, Ask};
pub use plans::PlanAsk;
pub use socket::{Socket, ask, ask_telling, bind, is_answered};

use crate::{
    backup::{Keeper, Listener},
    backups::Backups,
    channel_command::{self},
    channel_watch::ChannelWatch,
    clock::{self, Clock},
    duty::Room,
    engine::{Command, EngineHandle},
    live::Live,
    replaying::{self},
    ticket_clocks,
};
use serde::Serialize;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tocsin_console::{
    QueryAnswer,
    backend::{Backend, Failure, MetricQuery},
};
use tocsin_desk::{
    input::{Amend, Amendment},
    model::{Actor, Person, Role, Via},
    record::{AuditLine, NewEnrolToken},
    register::Book,
};
use tocsin_ledger::{Ledger, LedgerError};
use tocsin_proto::install::InstallString;
use tocsin_vocabulary::{Code, CustomerId, Hash, HostId, IdSource, Language, PersonId, Timestamp, TokenId};

/// An enrolment token may live this long at most.
const TOKEN_LIFE_MAX: Duration = Duration::from_secs(7 * 86_400);
/// A one-time sign-in link lives this long.
const SIGN_IN_LINK_LIFE: Duration = Duration::from_secs(3_600);
/// Shortest password, in characters.
const PASSWORD_CHARS_MIN: usize = 10;
/// Longest tag of a host.
const TAG_BYTES_MAX: usize = 64;

/// Answers requests; also used directly by a program that runs the collector in its own process.
pub struct Control {
    /// Registers.
    pub ledger: Arc<Ledger>,
    /// Desk.
    pub engine: EngineHandle,
    /// Open streams.
    pub live: Arc<Live>,
    /// Reads.
    pub backend: Arc<dyn Backend>,
    /// The shell's clock.
    pub clock: Clock,
    /// Names of new things.
    pub ids: Mutex<IdSource>,
    /// `host:port` of enrolment for install strings.
    pub enrolment: Vec<String>,
    /// The agents' authority.
    pub ca_pin: Hash,
    /// Where people reach the console.
    pub console_url: String,
    /// Where the listeners are.
    pub addresses: Addresses,
    /// Backup jobs.
    pub backups: Arc<Backups>,
    /// What people do in the duty room.
    pub room: Arc<Room>,
    /// Backups and checks.
    pub keeper: Keeper,
    /// Ways to people.
    pub channels: Arc<ChannelWatch>,
    /// Signs links and the addresses for gateways.
    pub link_key: [u8; 32],
}

/// Where a collector's listeners are.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Addresses {
    /// Agents.
    pub agents: SocketAddr,
    /// Enrolment.
    pub enrolment: SocketAddr,
    /// Console and API.
    pub console: SocketAddr,
}

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn failure(error: LedgerError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

fn internal(error: impl std::fmt::Display) -> Failure {
    Failure::new(Code::Internal, error.to_string())
}

impl Control {
    /// Answers one request.
    pub async fn answer(&self, ask: Ask) -> Answer {
        self.answer_telling(ask, Listener::nobody()).await
    }

    /// Answers one request; what takes long tells the listener how far it is, and ends when that one goes away.
    pub async fn answer_telling(&self, ask: Ask, listener: Listener) -> Answer {
        match self.try_answer(ask, listener).await {
            Ok(value) => Answer::Done(value),
            Err(Failure { code, reason }) => Answer::Failed { code, reason },
        }
    }

    async fn try_answer(&self, ask: Ask, listener: Listener) -> Result<serde_json::Value, Failure> {
        match ask {
            Ask::Backup { dir } => {
                // Before it begins, so that the backup's own ledger tells that the site's keys were copied, and whereto.
                let line = self.line("backup.write", &dir.display().to_string(), "");
                self.ledger.audit(line).await.map_err(failure)?;
                let written = self.keeper.back_up(dir, listener).await?;
                serde_json::to_value(written).map_err(internal)
            }
            Ask::Plan(ask) => self.answer_plan(ask).await,
            Ask::Room { ask } => self.answer_room(ask).await,
            Ask::Paper { ask } => self.answer_paper(ask).await,
            Ask::Account { ask } => self.answer_account(ask).await,
            Ask::Verify => serde_json::to_value(self.keeper.check(listener).await?).map_err(internal),
            Ask::ReplayRules(ask) => {
                let store = self.keeper.store.clone();
                let listener = listener.until(self.keeper.cancel.clone());
                let replayed = replaying::replay(&self.ledger, store, *ask, listener).await?;
                serde_json::to_value(replayed).map_err(internal)
            }
            Ask::Clocks { ticket } => ticket_clocks::of(&self.ledger, ticket, (self.clock)()).await,
            Ask::Amend {
                ticket,
                login,
                amendment,
            } => self.amend(ticket, &login, amendment).await,
            Ask::Channel(ask) => {
                let desk = channel_command::Desk {
                    ledger: &self.ledger,
                    watch: &self.channels,
                    clock: &self.clock,
                    console_url: &self.console_url,
                    link_key: &self.link_key,
                };
                desk.answer(ask).await
            }
            Ask::Job(ask) => self.jobs(ask).await,
            Ask::Status => {
                Ok(serde_json::json!({ "addresses": self.addresses, "health": self.backend.health().await }))
            }
            Ask::CreateToken { host_name, expires } => {
                Ok(serde_json::json!({ "install": self.create_token(host_name, expires.0).await?.to_string() }))
            }
            Ask::ListAgents => Ok(serde_json::to_value(self.backend.hosts().await?).map_err(internal)?),
            Ask::RevokeAgent { host } => self.revoke(&host).await,
            Ask::TagHost { host, tags } => self.tag(&host, tags).await,
            Ask::AddUser {
                login,
                name,
                role,
                email,
                phone,
                customer,
                password,
            } => {
                let customer = self.customer(customer).await?;
                let person = Person {
                    id: self.next_id(PersonId::next),
                    login,
                    name,
                    role,
                    customer,
                    language: Language::default(),
                    email,
                    phone,
                    on_duty: false,
                };
                self.add_user(person, password).await
            }
            Ask::ListUsers => Ok(serde_json::to_value(self.backend.people().await?).map_err(internal)?),
            Ask::SetDuty { login, on_duty } => {
                let person = self.person(&login).await?;
                let line = self.line("person.duty", &login, if on_duty { "on" } else { "off" });
                self.ledger
                    .set_duty(person.id, on_duty, &[line])
                    .await
                    .map_err(failure)?;
                self.engine.send(Command::Duty).await;
                Ok(serde_json::json!({ "login": login, "on_duty": on_duty }))
            }
            Ask::SetPassword { login, password } => {
                let person = self.person(&login).await?;
                let hash = hash_password(password).await?;
                let line = self.line("person.password", &login, "");
                self.ledger
                    .set_password(person.id, &hash, &[line])
                    .await
                    .map_err(failure)?;
                Ok(serde_json::json!({ "login": login }))
            }
            Ask::SignInLink { login } => Ok(serde_json::json!({ "url": self.sign_in_link(&login).await? })),
            Ask::CreateApiToken { login, name, role } => {
                Ok(serde_json::json!({ "token": self.create_api_token(&login, &name, role).await? }))
            }
            Ask::Query {
                host,
                metric,
                attributes,
                from,
                to,
                step,
            } => {
                let host = self.host(&host).await?;
                let query = MetricQuery {
                    host,
                    metric,
                    attributes,
                    from,
                    to,
                    step: step.map(|step| step.0),
                    aggregate: None,
                };
                let answer = self.backend.query(&query).await?;
                serde_json::to_value(QueryAnswer::from(answer)).map_err(internal)
            }
        }
    }

    fn next_id<T>(&self, make: impl FnOnce(&mut IdSource, Timestamp) -> T) -> T {
        let now = (self.clock)();
        make(&mut self.ids.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    /// Makes a single-use enrolment token.
    ///
    /// # Errors
    /// When it would live too long or the ledger refuses.
    pub async fn create_token(&self, host_name: String, expires: Duration) -> Result<InstallString, Failure> {
        if expires > TOKEN_LIFE_MAX || expires.is_zero() {
            return Err(Failure::new(
                Code::InvalidInput,
                "a token lives for at least 1s and at most 7d",
            ));
        }
        let token = clock::secret().map_err(internal)?;
        let now = (self.clock)();
        let new = NewEnrolToken {
            id: self.next_id(TokenId::next),
            secret_hash: clock::secret_hash(&token),
            host_name: host_name.clone(),
            customer: None,
            made_by: "cli".to_owned(),
            made_at: now,
            expires_at: now.plus(expires),
        };
        let line = self.line("token.create", &new.id.to_string(), &host_name);
        self.ledger.create_enrol_token(&new, &[line]).await.map_err(failure)?;
        Ok(InstallString {
            addresses: self.enrolment.clone(),
            ca_pin: self.ca_pin,
            token,
        })
    }

    pub(crate) async fn host(&self, text: &str) -> Result<HostId, Failure> {
        let hosts = self.ledger.hosts().await.map_err(failure)?;
        let id = text.parse().ok();
        let mut found = hosts.iter().filter(|host| Some(host.id) == id || host.name == text);
        match (found.next(), found.next()) {
            (Some(host), None) => Ok(host.id),
            (Some(_), Some(_)) => Err(Failure::new(
                Code::InvalidInput,
                format!("several hosts are called `{text}`: use the id"),
            )),
            (None, _) => Err(Failure::new(
                Code::NotFound,
                format!("there is no host `{text}`: see `tocsin-collector agent list`"),
            )),
        }
    }

    async fn revoke(&self, host: &str) -> Result<serde_json::Value, Failure> {
        let host = self.host(host).await?;
        let line = self.line("host.revoke", &host.to_string(), "");
        self.ledger
            .revoke_host(host, (self.clock)(), "cli", &[line])
            .await
            .map_err(failure)?;
        self.live.shut_out(host);
        self.engine.send(Command::HostGone(host)).await;
        Ok(serde_json::json!({ "host": host }))
    }

    /// From now on rules, windows and retention classes that name tags see these.
    async fn tag(&self, host: &str, tags: Vec<String>) -> Result<serde_json::Value, Failure> {
        let host = self.host(host).await?;
        let fits = |tag: &String| {
            !tag.is_empty()
                && tag.len() <= TAG_BYTES_MAX
                && !tag.contains(|c: char| c.is_whitespace() || c.is_control())
        };
        if let Some(wrong) = tags.iter().find(|tag| !fits(tag)) {
            let reason = format!("`{wrong}` is no tag: 1 to {TAG_BYTES_MAX} bytes without spaces");
            return Err(Failure::new(Code::InvalidInput, reason));
        }
        let line = self.line("host.tags", &host.to_string(), &tags.join(" "));
        self.ledger.set_host_tags(host, &tags, &[line]).await.map_err(failure)?;
        if let Some(record) = self.ledger.host(host).await.map_err(failure)? {
            self.engine.host_changed(record).await;
        }
        Ok(serde_json::json!({ "host": host, "tags": tags }))
    }

    async fn amend(&self, number: u64, login: &str, amendment: Amendment) -> Result<serde_json::Value, Failure> {
        let person = self.person(login).await?;
        if !matches!(person.role, Role::Administrator | Role::Operator | Role::TeamLead) {
            let reason = format!("`{login}` may look at tickets, not change them");
            return Err(Failure::new(Code::Forbidden, reason));
        }
        let ticket = self.ledger.ticket(number).await.map_err(failure)?;
        let ticket = ticket.ok_or_else(|| ticket_clocks::unknown(number))?;
        let amend = Amend {
            ticket: ticket.id,
            actor: Actor::Person(person.id, person.name),
            via: Via::Api,
            amendment,
            revision: None,
        };
        let changed = self.engine.amend(amend).await?;
        ticket_clocks::of(&self.ledger, changed.number, (self.clock)()).await
    }

    async fn person(&self, login: &str) -> Result<Person, Failure> {
        let found = self.ledger.lookup_person(login).await.map_err(failure)?;
        found.ok_or_else(|| {
            Failure::new(
                Code::NotFound,
                format!("there is no person `{login}`: see `tocsin-collector user list`"),
            )
        })
    }

    /// The customer of this name.
    async fn customer(&self, name: Option<String>) -> Result<Option<CustomerId>, Failure> {
        let Some(name) = name else { return Ok(None) };
        let known = self.ledger.register(Book::Customers).await.map_err(failure)?;
        let found = known.iter().find(|row| row.get("name") == name);
        let id = found.and_then(|row| row.id.parse().ok());
        let reason = format!("there is no customer `{name}`: see `tocsin-collector register export customers`");
        id.map(Some).ok_or_else(|| Failure::new(Code::NotFound, reason))
    }

    async fn add_user(&self, person: Person, password: Option<String>) -> Result<serde_json::Value, Failure> {
        let hash = match password {
            Some(password) => hash_password(password).await?,
            None => String::new(),
        };
        let without_password = hash.is_empty();
        let login = person.login.clone();
        let line = self.line("person.create", &login, person.role.as_str());
        self.ledger
            .create_person(&person, &hash, &[line])
            .await
            .map_err(failure)?;
        let link = if without_password {
            Some(self.sign_in_link(&login).await?)
        } else {
            None
        };
        Ok(serde_json::json!({ "login": login, "sign_in": link }))
    }

    /// Makes a one-time sign-in link for a person.
    ///
    /// # Errors
    /// When there is no such person or the ledger refuses.
    pub async fn sign_in_link(&self, login: &str) -> Result<String, Failure> {
        let person = self.person(login).await?;
        let secret = clock::secret().map_err(internal)?;
        let until = (self.clock)().plus(SIGN_IN_LINK_LIFE);
        let line = self.line("person.sign_in_link", login, "");
        self.ledger
            .create_sign_in_link(&clock::secret_hash(&secret), person.id, until, &[line])
            .await
            .map_err(failure)?;
        Ok(format!("{}/sign-in/once/{secret}", self.console_url))
    }

    /// Makes an API token; the secret is shown this once.
    ///
    /// # Errors
    /// When there is no such person or the ledger refuses.
    pub async fn create_api_token(&self, login: &str, name: &str, role: Role) -> Result<String, Failure> {
        let person = self.person(login).await?;
        let secret = clock::secret().map_err(internal)?;
        let id = self.next_id(TokenId::next);
        let line = self.line("api_token.create", name, role.as_str());
        self.ledger
            .create_api_token(
                id,
                name,
                role,
                person.id,
                &clock::secret_hash(&secret),
                (self.clock)(),
                &[line],
            )
            .await
            .map_err(failure)?;
        Ok(secret)
    }

    /// What the audit trail says of something that the command line did.
    fn line(&self, action: &str, subject: &str, detail: &str) -> AuditLine {
        AuditLine {
            at: (self.clock)(),
            actor: "system".to_owned(),
            via: "cli".to_owned(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            detail: detail.to_owned(),
        }
    }
}

/// Hashes a password off the runtime's threads.
///
/// # Errors
/// When it is too short, or hashing fails.
pub async fn hash_password(password: String) -> Result<String, Failure> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(Failure::new(
            Code::InvalidInput,
            format!("a password has at least {PASSWORD_CHARS_MIN} characters"),
        ));
    }
    let mut salt = [0; 16];
    clock::random(&mut salt).map_err(internal)?;
    tokio::task::spawn_blocking(move || tocsin_console::password::hash_password(&password, &salt))
        .await
        .map_err(internal)?
        .map_err(internal)
}
