//! What a running collector answers about its channels.

use super::{ChannelAsk, test_envelope, try_out, unknown};
use crate::{
    channel_watch::ChannelWatch,
    clock::{self, Clock},
    inbound,
};
use serde_json::{Value, json};
use tocsin_channels::Secrecy;
use tocsin_console::backend::Failure;
use tocsin_desk::{model::Person, record::AuditLine};
use tocsin_ledger::{Ledger, LedgerError};
use tocsin_vocabulary::{Code, Language, PersonId};

/// What a running collector answers with.
pub(crate) struct Desk<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) watch: &'a ChannelWatch,
    pub(crate) clock: &'a Clock,
    pub(crate) console_url: &'a str,
    pub(crate) link_key: &'a [u8; 32],
}

fn failed(error: &LedgerError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

impl Desk<'_> {
    /// Answers one request.
    pub(crate) async fn answer(&self, ask: ChannelAsk) -> Result<Value, Failure> {
        match ask {
            ChannelAsk::List => self.list().await,
            ChannelAsk::Test {
                name,
                to,
                phone,
                email,
                language,
            } => self.test(&name, to, phone, email, language).await,
            ChannelAsk::Drill => {
                let on_duty = self.ledger.on_duty().await.map_err(|error| failed(&error))?;
                let people: Vec<PersonId> = on_duty.iter().map(|person| person.id).collect();
                if people.is_empty() {
                    let reason = "nobody is on duty: see `tocsin-collector user duty`";
                    return Err(Failure::new(Code::FailedPrecondition, reason));
                }
                self.audit("channel.drill", "", "").await?;
                let pages = self.watch.drill(&people).await.map_err(|error| failed(&error))?;
                Ok(format!(
                    "{pages} pages to {} people: see `tocsin-collector channel drill report`",
                    people.len()
                )
                .into())
            }
            ChannelAsk::DrillReport => {
                let report = self.ledger.last_drill().await.map_err(|error| failed(&error))?;
                serde_json::to_value(report).map_err(|error| Failure::new(Code::Internal, error.to_string()))
            }
            ChannelAsk::Address { name } => {
                if !self.watch.channels().contains_key(&name) {
                    return Err(unknown(&name));
                }
                let token = inbound::callback_token(self.link_key, &name);
                Ok(format!("{}/in/{name}/{token}", self.console_url).into())
            }
            ChannelAsk::Secrecy { customer, level } => self.secrecy(customer, level).await,
            ChannelAsk::Contact {
                login,
                phone,
                email,
                staff,
            } => self.contact(&login, phone, email, staff).await,
        }
    }

    async fn audit(&self, action: &str, subject: &str, detail: &str) -> Result<(), Failure> {
        self.ledger
            .audit(self.line(action, subject, detail))
            .await
            .map_err(|error| failed(&error))
    }

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

    async fn list(&self) -> Result<Value, Failure> {
        let figures = self.watch.figures().await.map_err(|error| failed(&error))?;
        let mut all = serde_json::Map::new();
        for (name, built) in self.watch.channels() {
            let of = figures.iter().find(|figures| figures.channel == *name);
            let mut value = of.map_or_else(|| json!({}), |of| serde_json::to_value(of).unwrap_or_default());
            if let Some(condition) = built.channel.condition() {
                value["condition"] = condition.detail.into();
                value["signal_percent"] = condition.signal_percent.into();
                value["spool_oldest_seconds"] = condition.oldest.map(|age| age.as_secs()).into();
                value["balance"] = condition.balance.into();
            }
            value["trouble"] = self.watch.trouble(name).into();
            all.insert(name.clone(), value);
        }
        Ok(all.into())
    }

    async fn person(&self, login: &str) -> Result<Person, Failure> {
        let found = self.ledger.lookup_person(login).await.map_err(|error| failed(&error))?;
        found.ok_or_else(|| {
            Failure::new(
                Code::NotFound,
                format!("there is no person `{login}`: see `tocsin-collector user list`"),
            )
        })
    }

    async fn test(
        &self,
        name: &str,
        to: Option<String>,
        phone: Option<String>,
        email: Option<String>,
        language: Language,
    ) -> Result<Value, Failure> {
        let built = self.watch.channels().get(name).ok_or_else(|| unknown(name))?;
        let mut person = match to {
            Some(login) => self.person(&login).await?,
            None => {
                let on_duty = self.ledger.on_duty().await.map_err(|error| failed(&error))?;
                on_duty
                    .into_iter()
                    .next()
                    .ok_or_else(|| Failure::new(Code::InvalidInput, "nobody is on duty: say to whom with --to LOGIN"))?
            }
        };
        person.phone = phone.unwrap_or(person.phone);
        person.email = email.unwrap_or(person.email);
        // Before it is sent: what left the site is on record whatever becomes of it.
        self.audit("channel.test", name, &person.login).await?;
        let now = (self.clock)();
        let mut ids = clock::ids().map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
        let envelope = test_envelope(now, person, &mut ids);
        try_out(built, &envelope, language, now).await.map(Value::from)
    }

    async fn secrecy(&self, customer: Option<String>, level: Option<String>) -> Result<Value, Failure> {
        let all = self.ledger.secrecies().await.map_err(|error| failed(&error))?;
        let Some(name) = customer else {
            let rows: Vec<String> = all
                .iter()
                .map(|(_, name, secrecy)| format!("{secrecy:<12}{name}"))
                .collect();
            return Ok(rows.join("\n").into());
        };
        let named: Vec<_> = all
            .iter()
            .filter(|(id, known, _)| *known == name || id.to_string() == name)
            .collect();
        let [(id, known, now)] = named[..] else {
            let reason = match named.len() {
                0 => format!("there is no customer `{name}`: see `tocsin-collector channel secrecy`"),
                _ => format!("several customers are called `{name}`: use the id"),
            };
            let code = if named.is_empty() {
                Code::NotFound
            } else {
                Code::InvalidInput
            };
            return Err(Failure::new(code, reason));
        };
        let Some(level) = level else {
            return Ok(now.clone().into());
        };
        let Some(secrecy) = Secrecy::parse(&level) else {
            let reason = format!("`{level}` is none of full, code-only, none");
            return Err(Failure::new(Code::InvalidInput, reason));
        };
        let line = self.line("customer.secrecy", known, secrecy.as_str());
        self.ledger
            .set_secrecy(*id, secrecy.as_str(), &[line])
            .await
            .map_err(|error| failed(&error))?;
        Ok(format!("{known}: {}", secrecy.as_str()).into())
    }

    async fn contact(
        &self,
        login: &str,
        phone: Option<String>,
        email: Option<String>,
        staff: Option<String>,
    ) -> Result<Value, Failure> {
        let person = self.person(login).await?;
        if let Some(staff) = &staff
            && (staff.len() > 16 || !staff.chars().all(|c| c.is_ascii_alphanumeric()))
        {
            let reason = "a staff number has at most 16 letters and digits: people type it on a phone";
            return Err(Failure::new(Code::InvalidInput, reason));
        }
        if let Some(phone) = &phone
            && !phone.chars().all(|c| c.is_ascii_digit() || "+-() ".contains(c))
        {
            let reason = format!("`{phone}` is no phone number: use digits, with + and country code if needed");
            return Err(Failure::new(Code::InvalidInput, reason));
        }
        let line = self.line("person.contact", login, "");
        self.ledger
            .set_contact(person.id, phone.as_deref(), email.as_deref(), staff.as_deref(), &[line])
            .await
            .map_err(|error| failed(&error))?;
        Ok(json!({ "login": login }))
    }
}
