//! Stories of delivery against an outbox in memory and channels that behave as told; one against a real server.

use super::{
    lane::{RETRY_AFTER_MAX, backoff, next_try},
    *,
};
use crate::{
    channel::{Channel, Facts, Incoming, Receipt, SendError, SendErrorKind},
    config::{ChannelConfig, Common},
    route::Order,
    webhook::Webhook,
};
use async_trait::async_trait;
use axum::{Router, extract::State, http::StatusCode, routing::post};
use std::sync::{
    Mutex,
    atomic::{AtomicI64, AtomicU32, Ordering},
};
use tocsin_desk::model::{Page, PageReason, PageState, Person, Role};
use tocsin_vocabulary::{Language, Level, PersonId, Text};
use tokio::sync::watch;

/// A page to a person who reads Chinese; `n` makes it another one.
pub(crate) fn envelope(n: u16, destination: &str) -> Envelope {
    let mut id = [7; 16];
    id[..2].copy_from_slice(&n.to_be_bytes());
    Envelope {
        page: Page {
            id: PageId::from_bytes(id),
            key: format!("{n}-opened-1-someone-{destination}"),
            ticket: None,
            ticket_number: Some(n.into()),
            person: PersonId::from_bytes([2; 16]),
            destination: destination.to_owned(),
            reason: PageReason::Opened,
            title: Text::new("disk full on web-1", "web-1 磁盘已满"),
            body: Text::new("make room", "清理空间"),
            level: Level::new(2),
            drill: false,
            created_at: Timestamp::from_millis(0),
            state: PageState::Queued,
            attempts: 0,
            due_at: Timestamp::from_millis(0),
            sent_at: None,
            error: String::new(),
        },
        person: Person {
            id: PersonId::from_bytes([2; 16]),
            login: "zhang".to_owned(),
            name: "张三".to_owned(),
            role: Role::Operator,
            customer: None,
            language: Language::Chinese,
            email: "zhang@example.com".to_owned(),
            phone: String::new(),
            on_duty: true,
        },
        link: "https://tocsin.example.com/p/abc".to_owned(),
        facts: Facts::default(),
        also: Vec::new(),
    }
}

/// The ledger's part, in memory.
struct Memory {
    rows: watch::Sender<Vec<Envelope>>,
    /// So many of the next records fail.
    broken: AtomicU32,
    /// Over which channels pages went, in order.
    began: Mutex<Vec<String>>,
    came: watch::Sender<Vec<(String, Incoming)>>,
}

impl Memory {
    fn record(&self, page: PageId, change: impl FnOnce(&mut Envelope)) -> Result<(), OutboxError> {
        if self
            .broken
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            .is_ok()
        {
            return Err(OutboxError::new("disk full"));
        }
        self.rows.send_modify(|rows| {
            let row = rows
                .iter_mut()
                .find(|row| row.page.id == page)
                .expect("only known pages");
            row.page.attempts += 1;
            change(row);
        });
        Ok(())
    }
}

#[async_trait]
impl Outbox for Memory {
    async fn recover(&self, _now: Timestamp) -> Result<(), OutboxError> {
        Ok(())
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Envelope>, OutboxError> {
        let rows = self.rows.borrow();
        let due = rows
            .iter()
            .filter(|row| row.page.state == PageState::Queued && row.page.due_at <= now);
        Ok(due.take(limit as usize).cloned().collect())
    }

    async fn begin(&self, pages: &[PageId], channel: &str, _now: Timestamp) -> Result<Vec<PageId>, OutboxError> {
        self.began.lock().unwrap().push(channel.to_owned());
        let rows = self.rows.borrow();
        let queued = |id: &&PageId| {
            rows.iter()
                .any(|row| row.page.id == **id && row.page.state == PageState::Queued)
        };
        Ok(pages.iter().filter(queued).copied().collect())
    }

    async fn sent(&self, page: PageId, _receipt: &Receipt, now: Timestamp) -> Result<(), OutboxError> {
        self.record(page, |row| {
            row.page.state = PageState::Sent;
            row.page.sent_at = Some(now);
        })
    }

    async fn failed(&self, page: PageId, failed: &Failed, _now: Timestamp) -> Result<(), OutboxError> {
        self.record(page, |row| {
            row.facts.unknown |= failed.unknown;
            row.page.error.clone_from(&failed.reason);
            match failed.next {
                Some(next) => row.page.due_at = next,
                None => row.page.state = PageState::Failed,
            }
        })
    }

    async fn postpone(&self, page: PageId, due: Timestamp) -> Result<(), OutboxError> {
        self.rows.send_modify(|rows| {
            let row = rows.iter_mut().find(|row| row.page.id == page).unwrap();
            row.page.due_at = due;
        });
        Ok(())
    }

    async fn came(&self, channel: &str, incoming: Incoming, _now: Timestamp) -> Result<(), OutboxError> {
        self.came.send_modify(|all| all.push((channel.to_owned(), incoming)));
        Ok(())
    }
}

/// A channel that sends one message after another, as many as it likes.
fn built(name: &str, channel: Arc<dyn Channel>) -> Built {
    let text = format!("name = \"{name}\"\nkind = \"mail\"\nhost = \"localhost\"\nfrom = \"a@b.example\"");
    let config: ChannelConfig = toml::from_str(&text).unwrap();
    Built { config, channel }
}

/// A worker that runs, its outbox, and its clock.
struct Delivery {
    memory: Arc<Memory>,
    millis: Arc<AtomicI64>,
    kick: Arc<Notify>,
    cancel: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Delivery {
    fn of(pages: Vec<Envelope>, channels: Vec<(&str, Arc<dyn Channel>)>) -> Self {
        let built = channels
            .into_iter()
            .map(|(name, channel)| built(name, channel))
            .collect();
        Self::in_order(pages, built, &[])
    }

    fn in_order(pages: Vec<Envelope>, channels: Vec<Built>, orders: &[Order]) -> Self {
        let memory = Arc::new(Memory {
            rows: watch::channel(pages).0,
            broken: AtomicU32::new(0),
            began: Mutex::default(),
            came: watch::channel(Vec::new()).0,
        });
        let millis = Arc::new(AtomicI64::new(1_000));
        let clock: Clock = {
            let millis = millis.clone();
            Arc::new(move || Timestamp::from_millis(millis.load(Ordering::SeqCst)))
        };
        let channels = channels
            .into_iter()
            .map(|built| (built.config.name().to_owned(), built))
            .collect();
        let (kick, cancel) = (Arc::new(Notify::new()), CancellationToken::new());
        let task = tokio::spawn(
            Worker::new(memory.clone(), channels, Orders::new(orders), clock).run(cancel.clone(), kick.clone()),
        );
        Self {
            memory,
            millis,
            kick,
            cancel,
            task,
        }
    }

    /// Moves the clock and rings.
    fn after(&self, time: Duration) {
        self.millis
            .fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
        self.kick.notify_one();
    }

    /// Waits until the page is as wanted, and shows it.
    async fn until(&self, n: u16, wanted: impl Fn(&Page) -> bool) -> Page {
        let id = envelope(n, "").page.id;
        let find = |rows: &Vec<Envelope>| rows.iter().find(|row| row.page.id == id).unwrap().page.clone();
        let rows = self
            .memory
            .rows
            .subscribe()
            .wait_for(|rows| wanted(&find(rows)))
            .await
            .unwrap()
            .clone();
        find(&rows)
    }

    async fn sent(&self, n: u16) -> Page {
        self.until(n, |page| page.state == PageState::Sent).await
    }

    async fn stop(self) {
        self.cancel.cancel();
        self.task.await.unwrap();
    }
}

/// Answers as told, one after another, then with success; remembers what it was given.
#[derive(Default)]
struct Told {
    answers: Mutex<Vec<SendError>>,
    given: Mutex<Vec<Envelope>>,
}

#[async_trait]
impl Channel for Told {
    async fn send(&self, envelope: &Envelope, _now: Timestamp) -> Result<Receipt, SendError> {
        self.given.lock().unwrap().push(envelope.clone());
        let answer = self.answers.lock().unwrap().pop();
        answer.map_or_else(|| Ok(Receipt::taken("ok")), Err)
    }

    fn render(&self, _envelope: &Envelope) -> Vec<String> {
        Vec::new()
    }
}

/// Never answers.
struct Dead;

#[async_trait]
impl Channel for Dead {
    async fn send(&self, _envelope: &Envelope, _now: Timestamp) -> Result<Receipt, SendError> {
        std::future::pending().await
    }

    fn render(&self, _envelope: &Envelope) -> Vec<String> {
        Vec::new()
    }
}

fn told(answers: Vec<SendError>) -> Arc<Told> {
    Arc::new(Told {
        answers: Mutex::new(answers),
        given: Mutex::default(),
    })
}

#[tokio::test]
async fn an_answer_of_500_is_tried_again_with_the_same_key_and_marked_as_resent() {
    type Seen = Arc<Mutex<Vec<serde_json::Value>>>;
    async fn answer(State(seen): State<Seen>, body: String) -> StatusCode {
        let mut seen = seen.lock().unwrap();
        seen.push(serde_json::from_str(&body).unwrap());
        if seen.len() == 1 {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::OK
        }
    }
    let seen = Seen::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = Router::new().route("/", post(answer)).with_state(seen.clone());
    tokio::spawn(async { axum::serve(listener, server).await });
    let config = toml::from_str(&format!("url = \"{url}\"")).unwrap();
    let webhook = Arc::new(Webhook::new(&config, &Common::default()).unwrap());

    let delivery = Delivery::of(vec![envelope(1, "robot")], vec![("robot", webhook)]);
    let page = delivery.until(1, |page| page.attempts == 1).await;
    assert_eq!(
        (page.state, page.error.as_str()),
        (PageState::Queued, "the webhook answered 500 Internal Server Error")
    );
    let wait = page.due_at.as_millis() - 1_000;
    assert!((4_000..=6_000).contains(&wait), "{wait}");
    delivery.after(Duration::from_secs(6));
    assert_eq!(delivery.sent(1).await.attempts, 2);
    delivery.stop().await;

    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0]["key"], seen[1]["key"]);
    assert_eq!((&seen[0]["resent"], &seen[0]["attempt"]), (&false.into(), &1.into()));
    assert_eq!((&seen[1]["resent"], &seen[1]["attempt"]), (&true.into(), &2.into()));
}

#[tokio::test]
async fn a_dead_destination_never_delays_another_however_much_waits_for_it() {
    let mut pages: Vec<_> = (1..=600).map(|n| envelope(n, "dead")).collect();
    pages.push(envelope(601, "alive"));
    pages.push(envelope(602, "inbox"));
    let delivery = Delivery::of(pages, vec![("dead", Arc::new(Dead)), ("alive", told(vec![]))]);
    delivery.sent(601).await;
    delivery.sent(602).await;
    assert_eq!(delivery.until(1, |_| true).await.attempts, 0);
    // And so it stays for what comes later.
    delivery
        .memory
        .rows
        .send_modify(|rows| rows.extend((603..=650).map(|n| envelope(n, "alive"))));
    delivery.kick.notify_one();
    for n in 603..=650 {
        delivery.sent(n).await;
    }
    delivery.task.abort();
}

#[tokio::test]
async fn pages_of_one_destination_go_out_one_after_another_and_all_of_them() {
    let channel = told(vec![]);
    let delivery = Delivery::of(
        (1..=50).map(|n| envelope(n, "robot")).collect(),
        vec![("robot", channel.clone())],
    );
    for n in 1..=50 {
        delivery.sent(n).await;
    }
    delivery.stop().await;
    let numbers: Vec<_> = channel
        .given
        .lock()
        .unwrap()
        .iter()
        .map(|given| given.page.ticket_number.unwrap())
        .collect();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>(), "each once, in order");
}

#[tokio::test]
async fn what_can_never_arrive_is_given_up_at_once_with_the_reason() {
    let refused = SendError::new(SendErrorKind::Permanent, "no such mailbox");
    let pages = vec![envelope(1, "mail"), envelope(2, "fax")];
    let delivery = Delivery::of(pages, vec![("mail", told(vec![refused]))]);
    let page = delivery.until(1, |page| page.state == PageState::Failed).await;
    assert_eq!(page.error, "no such mailbox");
    let page = delivery.until(2, |page| page.state == PageState::Failed).await;
    assert_eq!(
        page.error,
        "no channel is called `fax`: add it to the configuration or change who uses it"
    );
    delivery.stop().await;
}

#[tokio::test]
async fn what_went_out_is_not_sent_again_only_because_the_ledger_was_slow() {
    let channel = told(vec![]);
    let delivery = Delivery::of(Vec::new(), vec![("robot", channel.clone())]);
    delivery.memory.broken.store(1, Ordering::SeqCst);
    delivery.memory.rows.send_modify(|rows| rows.push(envelope(1, "robot")));
    delivery.kick.notify_one();
    delivery.sent(1).await;
    delivery.stop().await;
    assert_eq!(channel.given.lock().unwrap().len(), 1);
}

#[test]
fn waits_grow_to_five_minutes_and_are_spread() {
    let (one, other) = (envelope(1, "x").page.id, PageId::from_bytes([9; 16]));
    assert_ne!(backoff(one, 3), backoff(other, 3));
    for attempts in 0..100 {
        let middle = 5_000_u128.saturating_mul(1 << attempts.min(20)).min(300_000);
        let wait = backoff(one, attempts).as_millis();
        assert!(
            (middle * 8 / 10..=middle * 12 / 10).contains(&wait),
            "{attempts}: {wait}"
        );
    }
}

#[test]
fn a_page_is_given_up_after_a_day_and_the_other_side_may_ask_for_patience() {
    let mut error = SendError::new(SendErrorKind::Temporary, "busy");
    let page = envelope(1, "x").page;
    let almost = Timestamp::from_millis(24 * 3_600_000 - 1);
    assert!(next_try(&page, 1, &error, almost).is_some());
    assert_eq!(next_try(&page, 1, &error, almost.plus(Duration::from_millis(1))), None);
    let now = Timestamp::from_millis(1_000);
    error.retry_after = Some(Duration::from_secs(120));
    assert_eq!(
        next_try(&page, 1, &error, now),
        Some(now.plus(Duration::from_secs(120)))
    );
    error.retry_after = Some(Duration::from_secs(1_000_000));
    assert_eq!(next_try(&page, 1, &error, now), Some(now.plus(RETRY_AFTER_MAX)));
    error.kind = SendErrorKind::Unknown;
    assert!(
        next_try(&page, 1, &error, now).is_some(),
        "an unknown outcome is tried again"
    );
    error.kind = SendErrorKind::Permanent;
    assert_eq!(next_try(&page, 1, &error, now), None);
}

fn phone_order() -> Vec<Order> {
    vec![toml::from_str("name = \"phone\"\nchannels = [\"sms\", \"voice\"]").unwrap()]
}

#[tokio::test]
async fn a_channel_that_fails_gives_way_to_the_next_in_the_order_at_once() {
    let refused = || SendError::temporary("connection refused");
    let (sms, voice) = (told(vec![refused(), refused()]), told(vec![]));
    let channels = vec![built("sms", sms.clone()), built("voice", voice.clone())];
    let delivery = Delivery::in_order(vec![envelope(1, "phone")], channels, &phone_order());
    // Nobody moves the clock: no wait is between the two.
    assert_eq!(delivery.sent(1).await.attempts, 2);
    // While it is out of order, what comes next does not try it.
    delivery.memory.rows.send_modify(|rows| rows.push(envelope(2, "phone")));
    delivery.kick.notify_one();
    assert_eq!(delivery.sent(2).await.attempts, 1);
    assert_eq!(*delivery.memory.began.lock().unwrap(), ["sms", "voice", "voice"]);
    // A minute later one page looks whether it is back, and goes on when it is not.
    delivery.after(Duration::from_secs(61));
    delivery.memory.rows.send_modify(|rows| rows.push(envelope(3, "phone")));
    delivery.kick.notify_one();
    assert_eq!(delivery.sent(3).await.attempts, 2);
    delivery.stop().await;
    assert_eq!(
        (sms.given.lock().unwrap().len(), voice.given.lock().unwrap().len()),
        (2, 3)
    );
}

/// Swallows what it is given until it is let go, and then does not know what became of it.
#[derive(Default)]
struct BlackHole {
    let_go: Notify,
    given: AtomicU32,
}

#[async_trait]
impl Channel for BlackHole {
    async fn send(&self, _envelope: &Envelope, _now: Timestamp) -> Result<Receipt, SendError> {
        self.given.fetch_add(1, Ordering::SeqCst);
        self.let_go.notified().await;
        Err(SendError::unknown("no answer in time"))
    }

    fn render(&self, _envelope: &Envelope) -> Vec<String> {
        Vec::new()
    }
}

#[tokio::test]
async fn a_black_hole_swallows_one_page_and_the_others_go_around_it() {
    let (hole, voice) = (Arc::new(BlackHole::default()), told(vec![]));
    let channels = vec![built("sms", hole.clone()), built("voice", voice.clone())];
    let pages = (1..=50).map(|n| envelope(n, "phone")).collect();
    let delivery = Delivery::in_order(pages, channels, &phone_order());
    hole.let_go.notify_one();
    for n in 1..=50 {
        delivery.sent(n).await;
    }
    assert_eq!(hole.given.load(Ordering::SeqCst), 1);
    let given = voice.given.lock().unwrap().clone();
    assert_eq!(given.len(), 50);
    let resent: Vec<_> = given.iter().filter(|envelope| envelope.is_resent()).collect();
    assert_eq!(resent.len(), 1, "what may have arrived is marked, and nothing else");
    delivery.stop().await;
}

#[tokio::test]
async fn what_a_customer_keeps_inside_is_not_sent_and_says_so() {
    let channel = told(vec![]);
    let mut secret = envelope(1, "robot");
    secret.facts.secrecy = Secrecy::None;
    let mut inside = envelope(2, "inbox");
    inside.facts.secrecy = Secrecy::None;
    let delivery = Delivery::of(vec![secret, inside], vec![("robot", channel.clone())]);
    let page = delivery.until(1, |page| page.state == PageState::Failed).await;
    assert!(page.error.contains("nothing leave the site"), "{}", page.error);
    delivery.sent(2).await;
    delivery.stop().await;
    assert!(channel.given.lock().unwrap().is_empty());
}

#[tokio::test]
async fn quiet_hours_postpone_all_but_the_worst_level() {
    let channel = told(vec![]);
    let mut quiet = built("robot", channel.clone());
    // 08:00 in Beijing is the beginning of time here.
    quiet.config.common.quiet = Some("07:00-09:00".parse().unwrap());
    let mut worst = envelope(2, "robot");
    worst.page.level = Level::WORST;
    let delivery = Delivery::in_order(vec![envelope(1, "robot"), worst], vec![quiet], &[]);
    delivery.sent(2).await;
    let page = delivery.until(1, |page| page.due_at.as_millis() > 0).await;
    assert_eq!(page.due_at.as_millis(), 3_600_000);
    delivery.after(Duration::from_secs(3_600));
    delivery.sent(1).await;
    delivery.stop().await;
}

#[tokio::test]
async fn what_a_budget_holds_back_is_told_in_one_message() {
    struct Chat(Arc<Told>);
    #[async_trait]
    impl Channel for Chat {
        async fn send(&self, envelope: &Envelope, now: Timestamp) -> Result<Receipt, SendError> {
            self.0.send(envelope, now).await
        }
        fn address(&self, _person: &Person) -> Option<String> {
            Some(String::new())
        }
        fn render(&self, _envelope: &Envelope) -> Vec<String> {
            Vec::new()
        }
    }
    let channel = told(vec![]);
    let mut narrow = built("robot", Arc::new(Chat(channel.clone())));
    (narrow.config.common.per_minute, narrow.config.common.reserve) = (Some(3), Some(2));
    let mut pages: Vec<_> = (1..=20).map(|n| envelope(n, "robot")).collect();
    let mut worst = envelope(21, "robot");
    worst.page.level = Level::WORST;
    pages.push(worst);
    let delivery = Delivery::in_order(pages, vec![narrow], &[]);
    // The worst level does not wait for the others' room.
    delivery.sent(21).await;
    delivery.after(Duration::from_secs(61));
    delivery
        .memory
        .rows
        .send_modify(|rows| rows.push(envelope(22, "robot")));
    delivery.kick.notify_one();
    for n in 1..=22 {
        delivery.sent(n).await;
    }
    delivery.stop().await;
    let given = channel.given.lock().unwrap();
    assert!(given.len() <= 3, "{} messages", given.len());
    assert!(
        given
            .iter()
            .any(|message| message.page.level == Level::WORST && message.also.is_empty())
    );
    assert_eq!(given.iter().map(|message| 1 + message.also.len()).sum::<usize>(), 22);
}

#[tokio::test]
async fn what_was_withdrawn_while_it_waited_does_not_go_out() {
    let channel = told(vec![SendError::temporary("busy")]);
    let delivery = Delivery::of(vec![envelope(1, "robot")], vec![("robot", channel.clone())]);
    delivery.until(1, |page| page.attempts == 1).await;
    delivery
        .memory
        .rows
        .send_modify(|rows| rows[0].page.state = PageState::Withdrawn);
    delivery.after(Duration::from_secs(60));
    delivery.memory.rows.send_modify(|rows| rows.push(envelope(2, "robot")));
    delivery.kick.notify_one();
    delivery.sent(2).await;
    delivery.stop().await;
    assert_eq!(channel.given.lock().unwrap().len(), 2);
}
