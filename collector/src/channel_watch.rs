//! The paths to people are watched themselves: heartbeats at set intervals, receipts that did not come, how each channel
//! does, the monthly drill, and whether a full cycle was proven.
//!
//! A channel that gets worse than its bounds (`signal_min`, `queue_max`, `delivery_min`, `balance_min`), whose line is down or
//! whose heartbeat nobody took, turns health red and is told once, and once more when it is well again: to the rules, as
//! events of the host that `own_host` names (see `ours`); without one, to everybody on duty over the other ways.

mod bounds;
mod ours;

use crate::{clock::Clock, config::Config, engine::EngineHandle};
use arc_swap::ArcSwap;
use bounds::{Told, standing, trouble};
use futures_util::future::join_all;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tocsin_channels::{Built, OWN_LEVEL, Orders};
use tocsin_console::{authority, backend::HealthPart};
use tocsin_desk::{
    delivery::{ChannelFigures, DeliveryState},
    effect::Effects,
    model::{Page, PageReason, PageState},
};
use tocsin_ledger::{Ledger, LedgerError};
use tocsin_vocabulary::{IdSource, Level, PageId, PersonId, Text, Timestamp};
use tokio::{sync::Notify, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// How often the watch looks.
const PERIOD: Duration = Duration::from_secs(15);
/// Over which time a channel's figures are counted.
pub const FIGURES_SPAN: Duration = Duration::from_secs(86_400);
/// A heartbeat that nobody took for so long after its time means that the channel does not work.
const GRACE: Duration = Duration::from_secs(120);
/// Pages of the worst level that wait for longer than this mean that people are not reached.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// A drill within this time is this month's.
const DRILL_ONCE: Duration = Duration::from_secs(20 * 86_400);
/// Without a setting, a cycle counts as proven for so long.
const CYCLE_WITHIN: Duration = Duration::from_secs(86_400);

/// How long channels may take together to say how they are.
const REFRESH_MAX: Duration = Duration::from_secs(12);
/// The level at which people are told of a channel.
const TROUBLE_LEVEL: Level = Level::new(2);

/// Watches the channels.
pub struct ChannelWatch {
    ledger: Arc<Ledger>,
    channels: Arc<HashMap<String, Built>>,
    clock: Clock,
    kick: Arc<Notify>,
    engine: EngineHandle,
    ids: Mutex<IdSource>,
    cycle_within: Duration,
    drill_on_day: Option<u8>,
    /// The host on which the collector runs, where channels are told to the rules.
    own_host: Option<String>,
    /// Over which ways people on duty are paged.
    destinations: Vec<String>,
    /// Which channels each destination stands for.
    orders: Orders,
    found: ArcSwap<Vec<HealthPart>>,
    told: Mutex<BTreeMap<String, Told>>,
}

/// Whether a full cycle was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle {
    /// It was, lately enough.
    pub proven: bool,
    /// When, and what is missing.
    pub detail: String,
}

impl ChannelWatch {
    /// A watch over these channels.
    ///
    /// # Errors
    /// When the operating system has no randomness.
    pub fn new(
        ledger: Arc<Ledger>,
        channels: Arc<HashMap<String, Built>>,
        clock: Clock,
        kick: Arc<Notify>,
        engine: EngineHandle,
        config: &Config,
    ) -> anyhow::Result<Self> {
        let shortest = channels
            .values()
            .filter_map(|built| built.config.common.heartbeat_every)
            .min();
        let within = shortest.map_or(CYCLE_WITHIN, |every| every.0 * 2 + GRACE);
        Ok(Self {
            ledger,
            channels,
            clock,
            kick,
            engine,
            ids: Mutex::new(crate::clock::ids()?),
            cycle_within: config.cycle_within.unwrap_or(within),
            drill_on_day: config.drill_on_day,
            own_host: config.own_host.clone(),
            destinations: config.destinations.clone(),
            orders: Orders::new(&config.orders),
            told: Mutex::default(),
            found: ArcSwap::default(),
        })
    }

    /// Watches until cancelled.
    pub async fn run(self: Arc<Self>, cancel: CancellationToken) {
        let mut period = tokio::time::interval(PERIOD);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = period.tick() => {}
                () = cancel.cancelled() => return,
            }
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "cannot watch the channels");
            }
        }
    }

    /// How the channels do, for health.
    #[must_use]
    pub fn health(&self) -> Vec<HealthPart> {
        self.found.load().as_ref().clone()
    }

    /// The channels.
    #[must_use]
    pub fn channels(&self) -> &HashMap<String, Built> {
        &self.channels
    }

    async fn look(&self) -> Result<(), LedgerError> {
        let now = (self.clock)();
        let mut names: Vec<&String> = self.channels.keys().collect();
        names.sort();
        let refreshed = self.channels.values().map(|built| built.channel.refresh(now));
        if tokio::time::timeout(REFRESH_MAX, join_all(refreshed)).await.is_err() {
            tracing::warn!("a channel does not say how it is within {} s", REFRESH_MAX.as_secs());
        }
        let figures = self.figures().await?;
        let mut parts = Vec::new();
        for name in names {
            let Some(built) = self.channels.get(name) else { continue };
            if let Some(within) = built.config.common.receipt_within {
                let missed = self.ledger.miss_receipts(name, now.minus(within.0), now).await?;
                if missed > 0 {
                    tracing::warn!(channel = name.as_str(), missed, "no receipt of delivery came in time");
                    self.kick.notify_one();
                }
            }
            let of = figures.iter().find(|figures| figures.channel == *name);
            let line = built.channel.condition();
            let mut trouble = trouble(&built.config.common, line.as_ref(), of, now);
            if let Some(every) = built.config.common.heartbeat_every {
                trouble = trouble.or(self.heartbeat(name, built, every.0, now).await?);
            }
            self.tell(name, trouble.as_ref(), now).await?;
            parts.push(HealthPart {
                name: format!("channel {name}"),
                healthy: trouble.is_none(),
                detail: trouble.map_or_else(|| standing(line.as_ref(), of), |trouble| trouble.en),
            });
        }
        self.monthly_drill(now).await?;
        let waiting = self.ledger.worst_waiting_since().await?;
        if let Some(since) = waiting.filter(|since| now.since(*since) > WAIT_MAX) {
            parts.push(HealthPart {
                name: "queue".to_owned(),
                healthy: false,
                detail: format!("a page of the worst level waits since {since}: see `tocsin-collector channel list`"),
            });
        }
        self.found.store(Arc::new(parts));
        Ok(())
    }

    /// What is wrong with a channel, as the last look found.
    #[must_use]
    pub fn trouble(&self, channel: &str) -> Option<String> {
        let name = format!("channel {channel}");
        let found = self.found.load();
        let part = found.iter().find(|part| part.name == name && !part.healthy)?;
        Some(part.detail.clone())
    }

    /// Tells that a channel is in trouble, or well again.
    async fn tell(&self, channel: &str, trouble: Option<&Text>, now: Timestamp) -> Result<(), LedgerError> {
        let (is_first, is_news) = {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            let told = told.entry(channel.to_owned()).or_default();
            (told.is_first(), told.look(trouble.is_some()))
        };
        // Rules remember what they were told before a start: what was mended meanwhile is over.
        if (is_news || is_first && trouble.is_none()) && self.tell_rules(channel, trouble, is_news, now).await? {
            return Ok(());
        }
        if is_news {
            self.tell_people(channel, trouble, now).await?;
        }
        Ok(())
    }

    /// Tells everybody on duty over the other ways.
    async fn tell_people(&self, channel: &str, trouble: Option<&Text>, now: Timestamp) -> Result<(), LedgerError> {
        let title = match trouble {
            Some(detail) => Text::new(
                format!("channel {channel} is in trouble: {}", detail.en),
                format!("渠道{channel}异常\u{ff1a}{}", detail.zh),
            ),
            None => Text::new(
                format!("channel {channel} is well again"),
                format!("渠道{channel}已恢复"),
            ),
        };
        let is_other = |destination: &&String| {
            let mut over = self.orders.channels(destination, TROUBLE_LEVEL, "").into_iter();
            over.any(|name| name != channel)
        };
        let mut pages = Vec::new();
        for person in self.ledger.on_duty().await? {
            for destination in self.destinations.iter().filter(is_other) {
                let mut page = self.page("channel", destination, person.id, title.clone(), now);
                page.level = TROUBLE_LEVEL;
                pages.push(page);
            }
        }
        let trouble = trouble.map(|trouble| trouble.en.as_str());
        tracing::warn!(channel, trouble, "what became of a channel is told");
        self.commit(pages).await
    }

    /// On its day, from ten in the morning on and once, every channel is drilled to everybody who works on tickets.
    async fn monthly_drill(&self, now: Timestamp) -> Result<(), LedgerError> {
        let Some(day) = self.drill_on_day else { return Ok(()) };
        let offset = self
            .channels
            .values()
            .next()
            .map_or(0, |built| built.config.common.utc_offset_minutes());
        // `2026-11-22T03:04:05.678Z`
        let local = Timestamp::from_millis(now.as_millis() + i64::from(offset) * 60_000).to_string();
        let is_time = local.get(8..10) == Some(format!("{day:02}").as_str()) && local.get(11..13) >= Some("10");
        if !is_time {
            return Ok(());
        }
        for name in self.channels.keys() {
            let last = self.ledger.last_own_page("drill-", name).await?;
            if last.is_some_and(|(at, _)| now.since(at) < DRILL_ONCE) {
                return Ok(());
            }
        }
        let people = self.ledger.people().await?;
        let people: Vec<PersonId> = people
            .iter()
            .filter(|person| authority::allows(person.role, authority::Action::WorkTicket))
            .map(|person| person.id)
            .collect();
        let pages = self.drill(&people).await?;
        tracing::info!(pages, "the monthly drill of the channels begins");
        Ok(())
    }

    /// Sends a heartbeat when it is time; answers what is wrong with the last one.
    async fn heartbeat(
        &self,
        name: &str,
        built: &Built,
        every: Duration,
        now: Timestamp,
    ) -> Result<Option<Text>, LedgerError> {
        let login = built.config.common.heartbeat_to.as_deref().unwrap_or_default();
        let Some(person) = self.ledger.lookup_person(login).await? else {
            return Ok(Some(Text::new(
                format!("`heartbeat_to` names `{login}`, who is not in the register"),
                format!("`heartbeat_to`所写的`{login}`不在人员名册中"),
            )));
        };
        let last = self.ledger.last_own_page("heartbeat-", name).await?;
        // In quiet hours it would only wait, and seem late.
        let is_quiet = built.config.common.quiet_until(OWN_LEVEL, now).is_some();
        if !is_quiet && last.is_none_or(|(at, _)| now.since(at) >= every) {
            let title = Text::new(
                format!("heartbeat of channel {name}: this way works"),
                format!("渠道{name}心跳：通路正常"),
            );
            self.put("heartbeat", name, person.id, title, now).await?;
        }
        let Some((at, state)) = last else { return Ok(None) };
        let late = now.since(at) > GRACE.max(built.config.common.receipt_within.unwrap_or_default().0);
        Ok(match state {
            DeliveryState::Accepted | DeliveryState::Delivered | DeliveryState::Read => None,
            DeliveryState::Failed => Some(Text::new(
                format!("the heartbeat of {at} failed"),
                format!("{at}的心跳发送失败"),
            )),
            _ if late => Some(Text::new(
                format!("nobody took the heartbeat of {at}"),
                format!("{at}的心跳无人接收"),
            )),
            _ => None,
        })
    }

    /// A drill: a page over every channel to each of these people, marked as a drill. Answers how many.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub async fn drill(&self, people: &[PersonId]) -> Result<usize, LedgerError> {
        let now = (self.clock)();
        let mut pages = Vec::new();
        let mut names: Vec<&String> = self.channels.keys().collect();
        names.sort();
        for name in names {
            for person in people {
                let title = Text::new(
                    format!("channel drill over {name}: nothing is wrong"),
                    format!("渠道{name}演练：无故障"),
                );
                pages.push(self.page("drill", name, *person, title, now));
            }
        }
        let count = pages.len();
        self.commit(pages).await?;
        Ok(count)
    }

    async fn put(
        &self,
        kind: &str,
        channel: &str,
        person: PersonId,
        title: Text,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let page = self.page(kind, channel, person, title, now);
        self.commit(vec![page]).await
    }

    async fn commit(&self, pages: Vec<Page>) -> Result<(), LedgerError> {
        let effects = Effects {
            pages,
            ..Effects::default()
        };
        self.ledger.commit(&effects, &[]).await?;
        self.kick.notify_one();
        Ok(())
    }

    fn page(&self, kind: &str, channel: &str, person: PersonId, title: Text, now: Timestamp) -> Page {
        let id = PageId::next(&mut self.ids.lock().unwrap_or_else(PoisonError::into_inner), now);
        Page {
            key: format!("{kind}-{channel}-{id}"),
            id,
            ticket: None,
            ticket_number: None,
            person,
            destination: channel.to_owned(),
            reason: PageReason::Notice,
            title,
            body: Text::default(),
            level: OWN_LEVEL,
            drill: kind == "drill",
            created_at: now,
            state: PageState::Queued,
            attempts: 0,
            due_at: now,
            sent_at: None,
            error: String::new(),
        }
    }

    /// How each channel did within the last day.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn figures(&self) -> Result<Vec<ChannelFigures>, LedgerError> {
        self.ledger.channel_figures((self.clock)().minus(FIGURES_SPAN)).await
    }

    /// Whether the whole way was gone lately: the desk's engine answers, the ledger can be read, and within the set time a
    /// page left the site over a channel that took it and is not in trouble. A modem's spool takes pages also while nothing
    /// sends them, so a channel whose line is down proves nothing.
    pub async fn cycle(&self) -> Cycle {
        let now = (self.clock)();
        if !self.engine.answers().await {
            return Cycle {
                proven: false,
                detail: "the desk does not answer".to_owned(),
            };
        }
        let from = now.minus(self.cycle_within);
        match self.ledger.channel_figures(from).await {
            Err(error) => Cycle {
                proven: false,
                detail: error.to_string(),
            },
            Ok(figures) => {
                let is_way = |figures: &&ChannelFigures| {
                    self.channels.contains_key(&figures.channel) && self.trouble(&figures.channel).is_none()
                };
                let last = figures
                    .iter()
                    .filter(is_way)
                    .filter_map(|figures| figures.last_accepted_at)
                    .max();
                Cycle {
                    proven: last.is_some(),
                    detail: last.map_or_else(
                        || format!("no page left the site since {from} over a channel that is well"),
                        |last| format!("a page left the site at {last}"),
                    ),
                }
            }
        }
    }
}
