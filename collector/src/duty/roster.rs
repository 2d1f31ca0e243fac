//! Rosters, exchanges and chains: entering them.

use super::{Room, done, failed, mistaken, reaches, wrong};
use tocsin_console::backend::Failure;
use tocsin_desk::{
    duty::{Doer, Done, DutyAct},
    escalation::Chain,
    register::sheet::Sheet,
    roster::{self, Consent, Exchange, Move, Roster},
};
use tocsin_vocabulary::Code;

/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 500;

impl Room {
    pub(super) async fn of_roster(&self, by: &Doer, act: DutyAct) -> Result<Done, Failure> {
        let action = act.as_str();
        match act {
            DutyAct::PutRoster { roster } => self.put_roster(by, action, &roster).await,
            DutyAct::ImportRoster { name, sheet } => self.import_roster(by, action, &name, &sheet).await,
            DutyAct::Override { roster, moves, reason } => self.exchange(by, action, roster, moves, reason, None).await,
            DutyAct::Swap {
                roster,
                moves,
                reason,
                asked_by,
            } => self.exchange(by, action, roster, moves, reason, Some(asked_by)).await,
            DutyAct::Answer { id, agree, login } => self.answer(by, action, id, agree, &login).await,
            DutyAct::SetChain { chain } => self.set_chain(by, action, &chain).await,
            _ => Err(wrong("this is no matter of rosters")),
        }
    }

    /// The roster of this name.
    ///
    /// # Errors
    /// When there is none, or the ledger can't be read.
    pub(crate) async fn roster(&self, name: &str) -> Result<Roster, Failure> {
        let rosters = self.ledger.rosters().await.map_err(failed)?;
        let known: Vec<String> = rosters.iter().map(|roster| roster.name.clone()).collect();
        let found = rosters.into_iter().find(|roster| roster.name == name);
        found.ok_or_else(|| {
            let reason = format!("there is no roster `{name}`; there are: {}", known.join(", "));
            Failure::new(Code::NotFound, reason)
        })
    }

    /// What people should be warned of in a roster.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub(crate) async fn roster_warnings(&self, roster: &Roster) -> Result<Vec<String>, Failure> {
        let people = self.people().await?;
        let exchanges = self.ledger.exchanges(self.now()).await.map_err(failed)?;
        Ok(roster::warnings(roster, &exchanges, &reaches(&people), self.now()))
    }

    async fn put_roster(&self, by: &Doer, action: &str, roster: &Roster) -> Result<Done, Failure> {
        let people = self.people().await?;
        let mistakes = roster::mistakes(roster, &reaches(&people));
        if !mistakes.is_empty() {
            return Err(mistaken(&mistakes));
        }
        let line = self.line(by, action, &roster.name, "");
        self.ledger
            .put_roster(roster, &by.login, self.now(), &[line])
            .await
            .map_err(failed)?;
        self.tell_desk().await;
        let mut said = vec![format!("roster `{}` is saved", roster.name)];
        let warnings = self.roster_warnings(roster).await?;
        said.extend(warnings.into_iter().map(|warning| format!("warning: {warning}")));
        Ok(Done { id: None, said })
    }

    async fn import_roster(&self, by: &Doer, action: &str, name: &str, sheet: &Sheet) -> Result<Done, Failure> {
        let mut roster = self.roster(name).await?;
        let people = self.people().await?;
        let login = |word: &str| {
            let fits = |person: &&tocsin_desk::model::Person| person.login == word || person.name == word;
            people.iter().find(fits).map(|person| person.login.clone())
        };
        let days = roster::import::read(sheet, &roster, login).map_err(|mistakes| mistaken(&mistakes))?;
        let count = days.len();
        roster::import::put(&mut roster, days);
        let mut done = self.put_roster(by, action, &roster).await?;
        done.said
            .insert(0, format!("{count} shifts are staffed from the sheet"));
        Ok(done)
    }

    async fn exchange(
        &self,
        by: &Doer,
        action: &str,
        roster: String,
        moves: Vec<Move>,
        reason: String,
        asked_by: Option<String>,
    ) -> Result<Done, Failure> {
        self.roster(&roster).await?;
        let reason = reason.trim().to_owned();
        let mut mistakes = Vec::new();
        if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
            mistakes.push(format!("reason: is empty or longer than {REASON_CHARS_MAX} characters"));
        }
        if moves.is_empty() {
            mistakes.push("nobody is replaced".to_owned());
        }
        let known = reaches(&self.people().await?);
        for one in &moves {
            if one.from >= one.to {
                mistakes.push(format!("{} is not before {}", one.from, one.to));
            }
            if one.out == one.into {
                mistakes.push(format!("`{}` cannot stand in for themselves", one.out));
            }
            for login in [&one.out, &one.into] {
                if known.iter().all(|person| person.login != *login) {
                    mistakes.push(format!("`{login}` is nobody who can be on duty"));
                }
            }
        }
        // A swap is asked by whoever gives the first shift away; it needs the word of whoever takes it.
        if let (Some(asker), Some(first)) = (&asked_by, moves.first())
            && first.out != *asker
        {
            mistakes.push(format!(
                "`{asker}` can only give away their own shift, not that of `{}`",
                first.out
            ));
        }
        if !mistakes.is_empty() {
            return Err(mistaken(&mistakes));
        }
        let needs = asked_by
            .as_ref()
            .and_then(|_| moves.first())
            .map(|first| first.into.clone());
        let now = self.now();
        let exchange = Exchange {
            id: 0,
            roster: roster.clone(),
            consent: if needs.is_some() {
                Consent::Asked
            } else {
                Consent::Agreed
            },
            answered_at: needs.is_none().then_some(now),
            asked_by: asked_by.unwrap_or_else(|| by.login.clone()),
            asked_at: now,
            moves,
            reason,
            needs,
        };
        let line = self.line(by, action, &roster, &exchange.reason);
        let id = self.ledger.enter_exchange(&exchange, &[line]).await.map_err(failed)?;
        self.tell_desk().await;
        let said = match &exchange.needs {
            Some(login) => format!("swap {id} waits for `{login}`"),
            None => format!("override {id} holds"),
        };
        Ok(Done {
            id: Some(id),
            said: vec![said],
        })
    }

    async fn answer(&self, by: &Doer, action: &str, id: u64, agree: bool, login: &str) -> Result<Done, Failure> {
        let consent = if agree { Consent::Agreed } else { Consent::Refused };
        let line = self.line(by, action, &id.to_string(), consent.as_str());
        self.ledger
            .answer_exchange(id, consent, login, self.now(), &[line])
            .await
            .map_err(failed)?;
        self.tell_desk().await;
        Ok(done(format!("swap {id} is {}", consent.as_str())))
    }

    async fn set_chain(&self, by: &Doer, action: &str, chain: &Chain) -> Result<Done, Failure> {
        let known = reaches(&self.people().await?);
        let mistakes = chain.mistakes(|login| known.iter().any(|person| person.login == login));
        if !mistakes.is_empty() {
            return Err(mistaken(&mistakes));
        }
        let line = self.line(by, action, &chain.name, "");
        self.ledger
            .set_escalation_chain(chain, &by.login, self.now(), &[line])
            .await
            .map_err(failed)?;
        self.tell_desk().await;
        Ok(done(format!(
            "chain `{}` is saved; tickets that are open keep the one that they have",
            chain.name
        )))
    }
}
