//! A site whose collector is killed at one named step after another between an alert and its page, and what must be true
//! afterwards.
//!
//! An agent spoken by hand shows one fault after another; each clears when the next one comes, so that one commit holds
//! both a new ticket and a restored one. After every death the collector is started again and the agent, as a real one
//! would, says what holds now. See [`tocsin_ledger::steps`] for how the collector dies.

use crate::{
    patience::until,
    provider::{Asked, Provider},
    site::{Plan, Site, rules_dir},
    wire::{self, Talk},
};
use sqlx::{Connection as _, Row as _, SqliteConnection};
use std::collections::{BTreeMap, BTreeSet};
use tempfile::TempDir;
use tocsin_agent::identity::Identity;
use tocsin_ledger::steps::Step;
use tocsin_vocabulary::{
    batch::{Cell, Tick},
    series::Dictionary,
};

const RULE: &str = "[[rule]]\nname = \"over\"\nmetric = \"system.cpu.utilization\"\nabove = 1.5\nseverity = \"critical\"\n\
    action = \"ticket\"\ntitle = { en = \"over\", zh = \"over\" }\nremedy = { en = \"look\", zh = \"look\" }\n";
const PAGING: &str = "[paging]\ndestinations = [\"robot\"]\nrepage_after = \"4h\"\npages_per_minute = 1000\n";

/// The site and what happened there so far.
pub struct Scene {
    /// The collector.
    pub site: Site,
    provider: Provider,
    identity: Identity,
    dictionary: Dictionary,
    talk: Option<Talk>,
    said: u64,
    faults: usize,
    deaths: usize,
    folder: TempDir,
}

impl Scene {
    /// A site with one host that can show so many faults; `pages_apart` breaks the collector's promise, see
    /// [`tocsin_ledger::steps`].
    ///
    /// # Panics
    /// When it does not start.
    pub async fn set(faults_max: usize, pages_apart: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let provider = Provider::start().await;
        let rules = rules_dir(folder.path(), RULE);
        let at = folder.path().join("kill-at").display().to_string();
        let mut environment = vec![("TOCSIN_KILL_AT".to_owned(), at)];
        if pages_apart {
            environment.push(("TOCSIN_PAGES_APART".to_owned(), "1".to_owned()));
        }
        let site = Site::start_as(Plan {
            more: format!("{rules}{PAGING}{}", provider.channel("robot")),
            environment,
            ..Plan::default()
        })
        .await;
        let identity = wire::newcomer(&site).await;
        let mut scene = Self {
            site,
            provider,
            identity,
            dictionary: wire::dictionary("fault", 1, faults_max),
            talk: None,
            said: 0,
            faults: 0,
            deaths: 0,
            folder,
        };
        scene.connect().await;
        scene
    }

    /// A fault at which the collector dies at `step`, when it was passed `passes` times before, and, with `again`, once more
    /// at that step while it comes back. Returns when all is told that will be.
    ///
    /// # Panics
    /// When the collector does not die, or does not come back.
    pub async fn dies_at(&mut self, step: Step, passes: u32, again: Option<Step>) {
        self.arm(step, passes);
        self.faults += 1;
        self.tick().await;
        self.is_dead(step).await;
        if let Some(again) = again {
            self.arm(again, 0);
            self.site.launch();
            self.is_dead(again).await;
        }
        std::fs::remove_file(self.folder.path().join("kill-at")).expect("the step is taken away");
        self.site.run().await;
        self.connect().await;
        self.tick().await;
        self.is_settled().await;
    }

    fn arm(&self, step: Step, passes: u32) {
        let text = format!("{} {passes}", step.as_str());
        std::fs::write(self.folder.path().join("kill-at"), text).expect("a file");
    }

    async fn is_dead(&mut self, step: Step) {
        let site = &mut self.site;
        until(&format!("the collector to die at {}", step.as_str()), async || {
            (!site.collector().is_running()).then_some(())
        })
        .await;
        self.talk = None;
        self.deaths += 1;
    }

    async fn connect(&mut self) {
        let (site, identity, said) = (&self.site, &self.identity, self.said);
        let mut talk = until("a stream", async || {
            let channel = wire::connect(site, identity, identity).await.ok()?;
            Talk::open_with(channel, said).await.ok()
        })
        .await;
        talk.define(&self.dictionary).await.expect("a dictionary");
        self.talk = Some(talk);
    }

    /// What holds now: the newest fault.
    async fn tick(&mut self) {
        let cell = |at: usize| Cell::Scaled(if at + 1 == self.faults { 2_000 } else { 0 });
        let tick = Tick {
            time: wire::now(),
            cells: (0..self.dictionary.len()).map(cell).collect(),
        };
        let talk = self.talk.as_mut().expect("a stream");
        talk.tick_of(&self.dictionary, &tick).await;
        self.said = talk.said();
    }

    async fn ledger(&self) -> SqliteConnection {
        let url = format!("sqlite:{}?mode=ro", self.site.state("ledger.db").display());
        SqliteConnection::connect(&url).await.expect("the ledger can be read")
    }

    /// Tickets by the fault that they are about: number and state.
    async fn tickets(&self) -> BTreeMap<String, BTreeSet<(i64, String)>> {
        let rows = sqlx::query(
            "SELECT alert.instance AS fault, ticket.number AS number, ticket.state AS state
             FROM alert JOIN fault ON fault.id = alert.fault JOIN ticket ON ticket.id = fault.ticket",
        )
        .fetch_all(&mut self.ledger().await)
        .await
        .expect("tickets");
        let mut tickets = BTreeMap::<_, BTreeSet<_>>::new();
        for row in rows {
            let ticket = (row.get("number"), row.get("state"));
            tickets.entry(row.get("fault")).or_default().insert(ticket);
        }
        tickets
    }

    async fn count(&self, sql: &'static str) -> i64 {
        let row = sqlx::query(sql).fetch_one(&mut self.ledger().await).await.expect(sql);
        row.get(0)
    }

    /// Waits until the newest fault has its ticket, that of the one before is restored, and no page is on its way.
    async fn is_settled(&self) {
        until("the newest fault to have a ticket and no page to wait", async || {
            let tickets = self.tickets().await;
            let newest = tickets.contains_key(&name(self.faults - 1));
            let restored = self.faults < 2
                || tickets
                    .get(&name(self.faults - 2))
                    .is_some_and(|tickets| tickets.iter().all(|(_, state)| state == "restored"));
            let waiting = self.count("SELECT COUNT(*) FROM page WHERE state = 'queued'").await;
            (newest && restored && waiting == 0).then_some(())
        })
        .await;
    }

    /// Everything that is not as it must be, in words; empty when all is well.
    pub async fn violations(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let tickets = self.tickets().await;
        for fault in (0..self.faults).map(name) {
            let found = tickets.get(&fault).map_or(0, BTreeSet::len);
            if found != 1 {
                wrong.push(format!("{fault} has {found} tickets"));
            }
        }
        let told = "SELECT COUNT(*) FROM ticket WHERE NOT EXISTS (SELECT 1 FROM page
                    WHERE page.ticket = ticket.id AND reason = 'opened' AND page.state = 'sent')";
        let untold = self.count(told).await;
        if untold > 0 {
            wrong.push(format!("nobody was told of {untold} tickets"));
        }
        let failed = self.count("SELECT COUNT(*) FROM page WHERE state = 'failed'").await;
        if failed > 0 {
            wrong.push(format!("{failed} pages were given up"));
        }
        wrong.extend(self.timelines().await);
        wrong.extend(self.copies().await);
        wrong
    }

    /// Timelines with holes, and tickets that are in another state than their timelines say.
    async fn timelines(&self) -> Vec<String> {
        let rows = sqlx::query(
            "SELECT number, state, entry_count, seq, from_state, to_state FROM ticket
             JOIN ticket_entry ON ticket_entry.ticket = ticket.id ORDER BY number, seq",
        )
        .fetch_all(&mut self.ledger().await)
        .await
        .expect("timelines");
        let mut wrong = Vec::new();
        let mut at: (i64, i64, Option<String>) = (0, 0, None);
        for row in rows {
            let (number, seq, count): (i64, i64, i64) = (row.get("number"), row.get("seq"), row.get("entry_count"));
            if number != at.0 {
                at = (number, 0, None);
            }
            let (from, to): (Option<String>, Option<String>) = (row.get("from_state"), row.get("to_state"));
            let follows = seq == at.1 + 1 && (to.is_none() || from == at.2);
            at = (number, seq, to.or(at.2));
            let state: String = row.get("state");
            if !follows || (seq == count && at.2.as_ref() != Some(&state)) || seq > count {
                wrong.push(format!(
                    "#{number}: its timeline does not lead to {state} at line {seq}"
                ));
            }
        }
        wrong
    }

    /// Pages that never arrived, arrived again without their mark, or oftener than the collector died.
    async fn copies(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut arrived: BTreeMap<String, Vec<Asked>> = BTreeMap::new();
        for asked in self.provider.asked().into_iter().filter(Asked::arrived) {
            arrived.entry(asked.key().to_owned()).or_default().push(asked);
        }
        let rows = sqlx::query("SELECT page_key FROM page WHERE state = 'sent'")
            .fetch_all(&mut self.ledger().await)
            .await
            .expect("pages");
        for row in rows {
            let key: String = row.get("page_key");
            if !arrived.contains_key(&key) {
                wrong.push(format!("{key} never arrived"));
            }
        }
        let copies: Vec<&Asked> = arrived.values().flat_map(|copies| &copies[1..]).collect();
        if copies.len() > self.deaths {
            wrong.push(format!("{} copies for {} deaths", copies.len(), self.deaths));
        }
        let unmarked = copies.iter().filter(|copy| !copy.is_marked());
        wrong.extend(unmarked.map(|copy| format!("{} came again without a mark", copy.key())));
        wrong
    }
}

/// What the rules call a fault of the dictionary.
fn name(fault: usize) -> String {
    format!("x=fault-0-{fault}")
}
