//! Rules read aloud and replayed, for the console.

use super::{Wired, trials::trials};
use crate::replaying::{self, Listener, Past, ReplayAsk};
use async_trait::async_trait;
use std::time::Duration;
use tocsin_console::backend::{
    Failure, ReplayAlert, ReplayAnswer, ReplayQuestion, ReplayTally, RuleReading, RuleState, Rulebook, System as _,
};
use tocsin_rules::{AlertState, Phase, RuleSet, explain::explain};
use tocsin_vocabulary::Code;
use tokio_util::sync::CancellationToken;

/// Where alerts stand, on one page.
const STATES_MAX: usize = 200;
/// Alerts of a replay, on one page.
const ALERTS_MAX: usize = 200;
/// A replay for a page takes no longer: pages end after twenty seconds.
const REPLAY_MAX: Duration = Duration::from_secs(15);

#[async_trait]
impl Rulebook for Wired {
    async fn rules_refused(&self) -> Vec<String> {
        self.rules.refused().to_vec()
    }

    async fn rule(&self, name: &str) -> Result<Option<RuleReading>, Failure> {
        let Some(view) = self.rules().await?.into_iter().find(|view| view.name == name) else {
            return Ok(None);
        };
        let Some((rule, mut states)) = self.engine.standing(name) else {
            return Ok(None);
        };
        let (folder, tested) = (self.rules.path.clone(), rule.clone());
        let tests = tokio::task::spawn_blocking(move || trials(folder.as_deref(), &tested)).await;
        // Wrong things first.
        states.sort_by_key(|state| {
            let rank = match state.state {
                Phase::Raised => 0,
                Phase::Clearing => 1,
                Phase::Pending => 2,
                Phase::Clear => 3,
            };
            (rank, state.since)
        });
        let further_clear = states.len().saturating_sub(STATES_MAX);
        states.truncate(STATES_MAX);
        Ok(Some(RuleReading {
            line: rule.line,
            remedy: rule.remedy.clone(),
            sentences: explain(&rule)
                .into_iter()
                .map(|one| (one.topic.title(), one.words))
                .collect(),
            states: states.into_iter().map(standing).collect(),
            further_clear,
            tests: tests.unwrap_or_default(),
            view,
        }))
    }

    async fn replay_rules(&self, question: ReplayQuestion) -> Result<ReplayAnswer, Failure> {
        let files = vec![("rules".to_owned(), question.text)];
        if let Err(mistakes) = RuleSet::parse(&files) {
            return Ok(ReplayAnswer::Mistakes(
                mistakes.iter().map(ToString::to_string).collect(),
            ));
        }
        let only = names(&files);
        if only.is_empty() {
            let mistake = "rules:1: no rule; begin it with [[rule]]".to_owned();
            return Ok(ReplayAnswer::Mistakes(vec![mistake]));
        }
        let ask = ReplayAsk {
            from: question.from,
            to: question.to.min((self.clock)()),
            files,
            // Only these: the others were not asked about.
            only,
            hosts: question.hosts,
        };
        let cancel = CancellationToken::new();
        // Also when the page is left: its handler is dropped then, and this with it.
        let _gone = cancel.clone().drop_guard();
        let listener = Listener::nobody().until(cancel);
        let replay = replaying::replay(&self.ledger, self.store.clone(), ask, listener);
        let replayed = tokio::time::timeout(REPLAY_MAX, replay).await.map_err(|_| {
            Failure::new(
                Code::ResourceExhausted,
                "this takes longer than a page may: take a shorter period or fewer hosts, or `tocsin-collector rules replay`",
            )
        })??;
        let mut alerts: Vec<ReplayAlert> = replayed
            .would
            .into_iter()
            .map(|past| (past, true))
            .chain(replayed.did_only.into_iter().map(|past| (past, false)))
            .map(|(past, would)| alert(past, would))
            .collect();
        alerts.sort_by_key(|alert| alert.raised_at);
        let further = replayed.further + alerts.len().saturating_sub(ALERTS_MAX);
        alerts.truncate(ALERTS_MAX);
        Ok(ReplayAnswer::Done {
            hosts: replayed.hosts,
            ticks: replayed.ticks,
            tallies: replayed
                .tallies
                .into_iter()
                .map(|one| ReplayTally {
                    rule: one.rule,
                    would: one.would,
                    did: one.did,
                    both: one.both,
                    hosts: one.hosts,
                    held_ms: one.held_ms,
                })
                .collect(),
            alerts,
            further,
            remarks: replayed.remarks,
        })
    }
}

fn names(files: &[(String, String)]) -> Vec<String> {
    RuleSet::parse(files)
        .map(|rules| rules.rules().map(|rule| rule.name.clone()).collect())
        .unwrap_or_default()
}

fn standing(state: AlertState) -> RuleState {
    RuleState {
        host: state.host,
        instance: state.instance,
        phase: state.state.as_str().to_owned(),
        since: state.since,
        value: state.value,
    }
}

fn alert(past: Past, would: bool) -> ReplayAlert {
    ReplayAlert {
        rule: past.rule,
        host: past.host,
        host_name: past.host_name,
        instance: past.instance,
        severity: past.severity,
        raised_at: past.raised_at,
        cleared_at: past.cleared_at,
        title: past.title,
        would,
        did: !would || past.both,
    }
}
