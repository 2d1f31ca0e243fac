//! Rules read aloud and replayed, of the fake.

use super::Fake;
use async_trait::async_trait;
use std::time::Duration;
use tocsin_console::backend::{
    Failure, ReplayAlert, ReplayAnswer, ReplayQuestion, ReplayTally, RuleReading, RuleState, RuleTrial, Rulebook,
    System as _,
};
use tocsin_vocabulary::{Severity, Text};

#[async_trait]
impl Rulebook for Fake {
    async fn rules_refused(&self) -> Vec<String> {
        vec!["hosts.toml:9: unknown key `abvoe` of a rule; did you mean `above`?".to_owned()]
    }

    async fn rule(&self, name: &str) -> Result<Option<RuleReading>, Failure> {
        let Some(view) = self.rules().await?.into_iter().find(|view| view.name == name) else {
            return Ok(None);
        };
        let host = self.hosts[0].record.id;
        let state = |instance: &str, phase: &str, value| RuleState {
            host,
            instance: instance.to_owned(),
            phase: phase.to_owned(),
            since: (phase != "clear").then(|| self.now().minus(Duration::from_secs(600))),
            value,
        };
        Ok(Some(RuleReading {
            line: 3,
            remedy: Text::new("Clean up.", "清理。"),
            sentences: vec![
                (
                    Text::new("Raises", "触发条件"),
                    Text::new("it is above 95 %, for 1m", "高于 95 %，且持续 1 分钟"),
                ),
                (
                    Text::new("Clears", "恢复条件"),
                    Text::new("it is at most 95 %", "不高于 95 %"),
                ),
            ],
            states: vec![
                state("system.filesystem.mountpoint=/data", "raised", Some(0.97)),
                state("system.filesystem.mountpoint=/", "clear", None),
            ],
            further_clear: 2,
            tests: vec![
                RuleTrial {
                    name: "nearly full for a minute".to_owned(),
                    place: "tests/hosts.toml:1".to_owned(),
                    failure: None,
                },
                RuleTrial {
                    name: "half full".to_owned(),
                    place: "tests/hosts.toml:19".to_owned(),
                    failure: Some("  - expected at 3m: raised\n  + found    none".to_owned()),
                },
            ],
            view,
        }))
    }

    async fn replay_rules(&self, question: ReplayQuestion) -> Result<ReplayAnswer, Failure> {
        if !question.text.contains("[[rule]]") {
            return Ok(ReplayAnswer::Mistakes(vec![
                "rules:1: no rule; begin it with [[rule]]".to_owned(),
            ]));
        }
        let record = &self.hosts[0].record;
        let alert = ReplayAlert {
            rule: "filesystem-full".to_owned(),
            host: record.id,
            host_name: record.name.clone(),
            instance: String::new(),
            severity: Severity::Critical,
            raised_at: question.from,
            cleared_at: Some(question.to),
            title: Text::new("A file system is nearly full", "文件系统将满"),
            would: true,
            did: false,
        };
        Ok(ReplayAnswer::Done {
            hosts: 1,
            ticks: 8_640,
            tallies: vec![ReplayTally {
                rule: "filesystem-full".to_owned(),
                would: 1,
                did: 0,
                both: 0,
                hosts: 1,
                held_ms: 3_600_000,
            }],
            alerts: vec![alert],
            further: 3,
            remarks: vec!["only the first events were replayed".to_owned()],
        })
    }
}
