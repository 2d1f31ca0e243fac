//! A standing connection to a message centre, for SMPP and CMPP alike: both begin each unit with its length in four bytes,
//! sign in first, number their requests, keep the line alive, and are told of deliveries and replies over the same line.
//!
//! One task owns the connection. It connects when there is something to do, signs in, keeps at most `WINDOW` requests
//! unanswered, and after a loss connects again with growing pauses; what was unanswered then has an unknown outcome. A part
//! of a long message that is refused makes the whole message refused.
//!
//! A report or reply is answered only when whoever took it asks for the next one, and has so dealt with it: what a crash
//! loses before that the message centre brings again.

mod wire;

pub(crate) use wire::{Cursor, unit};

use crate::{
    advice::Advice,
    channel::{Channel, Condition, Envelope, Incoming, Receipt, SendError},
    config::Common,
    guard::Guard,
    sms,
    wording::Style,
};
use async_trait::async_trait;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering},
    },
    time::Duration,
};
use tocsin_desk::model::Person;
use tocsin_vocabulary::Timestamp;
use tokio::{
    io::AsyncWriteExt as _,
    net::tcp::OwnedWriteHalf,
    sync::{Notify, mpsc, oneshot},
    task::JoinHandle,
};

/// Requests that are unanswered at once (CMPP's customary window).
const WINDOW: usize = 16;
/// Messages that wait for the connection.
const WAITING_MAX: usize = 64;
/// Reports and replies that wait for the collector.
const INCOMING_MAX: usize = 1_024;
/// How long signing in may take.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a message may take from here to its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// A line on which nothing is said for so long is asked whether it lives; three times without an answer it is given up.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Pauses between two tries to connect.
const RECONNECT_MIN: Duration = Duration::from_secs(1);
const RECONNECT_MAX: Duration = Duration::from_secs(30);

/// One part of a message, ready to be encoded.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) number: String,
    /// UTF-16 units.
    pub(crate) text: Vec<u16>,
    /// Ties the parts of one message together.
    pub(crate) reference: u8,
    pub(crate) total: usize,
    /// From 1.
    pub(crate) index: usize,
}

impl Part {
    /// The user data: header, where there is one, and text.
    pub(crate) fn user_data(&self) -> Vec<u8> {
        let mut bytes = sms::header(self.reference, self.total, self.index);
        bytes.extend(sms::utf16_be(&self.text));
        bytes
    }
}

/// What a unit from the message centre means.
#[derive(Debug, PartialEq)]
pub(crate) enum Unit {
    /// Signing in worked.
    Welcome,
    /// It did not.
    Unwelcome(SendError),
    /// The answer to a submitted part: the centre's name for it.
    Submitted {
        seq: u32,
        answer: Result<String, SendError>,
    },
    /// Something arrived; it is answered first.
    Arrived { reply: Vec<u8>, incoming: Option<Incoming> },
    /// Must be answered.
    Ping { reply: Vec<u8> },
    /// The centre hangs up.
    Bye { reply: Vec<u8> },
    /// Nothing to do.
    Nothing,
}

/// How a protocol is written and read.
pub(crate) trait Dialect: Send + Sync + 'static {
    /// The unit that signs in.
    fn hello(&self, seq: u32, now: Timestamp) -> Vec<u8>;
    /// The unit that asks whether the line lives.
    fn keepalive(&self, seq: u32) -> Vec<u8>;
    /// The unit that submits a part.
    fn submit(&self, seq: u32, part: &Part) -> Vec<u8>;
    /// Reads a whole unit, its length included.
    fn read(&self, unit: &[u8]) -> Result<Unit, String>;
}

/// A message on its way.
struct Order {
    parts: Vec<Part>,
    answer: oneshot::Sender<Result<Receipt, SendError>>,
}

/// What the channel and its task share.
struct Shared {
    dialect: Box<dyn Dialect>,
    host: String,
    port: u16,
    guard: Guard,
    /// Signed in.
    up: AtomicBool,
    /// The last time that was told, in milliseconds: signing in bears it.
    now: AtomicI64,
    /// Somebody waits for what comes in.
    wanted: Notify,
}

impl Shared {
    fn tell(&self, now: Timestamp) {
        self.now.store(now.as_millis(), Ordering::Relaxed);
    }

    fn peer(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// The channel over a session.
pub struct Session {
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
    heard: tokio::sync::Mutex<Heard>,
    /// Answers to what was dealt with.
    answers: mpsc::Sender<Reply>,
    /// The reference of the next long message.
    next: AtomicU8,
    style: Style,
    task: Mutex<Task>,
}

/// What came in, with the answer that it gets.
struct Heard {
    queue: mpsc::Receiver<(Incoming, Reply)>,
    /// The answer to the one that was handed on last.
    handed: Option<Reply>,
}

/// An answer for the connection that it belongs to: on another one it would mean nothing.
struct Reply {
    connection: u64,
    unit: Vec<u8>,
}

/// A configuration that is only checked starts no task.
enum Task {
    Ready(Line),
    Running(JoinHandle<()>),
    Started,
}

impl Session {
    pub(crate) fn new(dialect: Box<dyn Dialect>, host: &str, port: u16, common: &Common) -> Self {
        let (orders, taken) = mpsc::channel(WAITING_MAX);
        let (told, queue) = mpsc::channel(INCOMING_MAX);
        let (answers, answered) = mpsc::channel(INCOMING_MAX);
        let shared = Arc::new(Shared {
            dialect,
            host: host.to_owned(),
            port,
            guard: common.guard(host),
            up: AtomicBool::new(false),
            now: AtomicI64::new(0),
            wanted: Notify::new(),
        });
        let line = Line {
            shared: shared.clone(),
            orders: taken,
            told,
            answered,
            connection: 0,
        };
        Self {
            shared,
            orders,
            heard: tokio::sync::Mutex::new(Heard { queue, handed: None }),
            answers,
            next: AtomicU8::new(1),
            style: Style::sms(common, true),
            task: Mutex::new(Task::Ready(line)),
        }
    }

    /// Starts the task, once.
    fn start(&self) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        *task = match std::mem::replace(&mut *task, Task::Started) {
            Task::Ready(line) => Task::Running(tokio::spawn(line.run())),
            other => other,
        };
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Task::Running(task) = &*self.task.lock().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }
}

#[async_trait]
impl Channel for Session {
    async fn send(&self, envelope: &Envelope, now: Timestamp) -> Result<Receipt, SendError> {
        let number = sms::number(&envelope.person).map_err(SendError::no_contact)?;
        self.shared.tell(now);
        self.start();
        let reference = self.next.fetch_add(1, Ordering::Relaxed);
        let texts = sms::parts(&self.style.message(envelope, now));
        let total = texts.len();
        let parts = texts.into_iter().zip(1..).map(|(text, index)| Part {
            number: number.clone(),
            text,
            reference,
            total,
            index,
        });
        let (answer, answered) = oneshot::channel();
        let order = Order {
            parts: parts.collect(),
            answer,
        };
        let peer = self.shared.peer();
        if self.orders.try_send(order).is_err() {
            let reason = format!("{WAITING_MAX} messages wait for {peer} already");
            return Err(SendError::temporary(reason));
        }
        match tokio::time::timeout(ANSWER_TIMEOUT, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(SendError::unknown(format!(
                "the connection to {peer} was lost before it answered"
            ))),
            Err(_) => {
                let seconds = ANSWER_TIMEOUT.as_secs();
                let reason = format!("{peer} did not answer within {seconds} s");
                Err(SendError::unknown(reason).meaning(Advice::Silent))
            }
        }
    }

    fn address(&self, person: &Person) -> Option<String> {
        sms::number(person).ok()
    }

    async fn incoming(&self, now: Timestamp) -> Incoming {
        // Reports and replies come over the line, so it is open even when there is nothing to send.
        self.shared.tell(now);
        self.start();
        self.shared.wanted.notify_one();
        let mut heard = self.heard.lock().await;
        if let Some(answer) = heard.handed.take() {
            // Without room for it the message centre brings it again.
            let _ = self.answers.try_send(answer);
        }
        match heard.queue.recv().await {
            Some((incoming, answer)) => {
                heard.handed = Some(answer);
                incoming
            }
            None => std::future::pending().await,
        }
    }

    fn render(&self, envelope: &Envelope) -> Vec<String> {
        vec![self.style.message(envelope, envelope.page.created_at)]
    }

    fn condition(&self) -> Option<Condition> {
        let up = self.shared.up.load(Ordering::Relaxed);
        let word = if up { "signed in at" } else { "not connected to" };
        Some(Condition::new(up, format!("{word} {}", self.shared.peer())))
    }
}

/// The task's own.
struct Line {
    shared: Arc<Shared>,
    orders: mpsc::Receiver<Order>,
    told: mpsc::Sender<(Incoming, Reply)>,
    answered: mpsc::Receiver<Reply>,
    /// Counts connections.
    connection: u64,
}

/// A message whose parts are under way.
struct Pending {
    answer: oneshot::Sender<Result<Receipt, SendError>>,
    left: usize,
}

/// A connection that is signed in.
struct Open {
    units: mpsc::Receiver<Result<Vec<u8>, String>>,
    writer: OwnedWriteHalf,
    reader: JoinHandle<()>,
    seq: u32,
    /// Which message a sequence number belongs to.
    parts: HashMap<u32, u64>,
    messages: HashMap<u64, Pending>,
    next_message: u64,
    /// Keepalives without an answer.
    silent: u32,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Open {
    fn next_seq(&mut self) -> u32 {
        self.seq = self.seq.wrapping_add(1).max(1) & 0x7FFF_FFFF;
        self.seq
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.writer.write_all(bytes).await.map_err(|error| error.to_string())
    }
}

impl Line {
    async fn run(mut self) {
        let mut pause = RECONNECT_MIN;
        loop {
            let mut order = None;
            let shared = self.shared.clone();
            tokio::select! {
                taken = self.orders.recv() => match taken {
                    Some(taken) => order = Some(taken),
                    None => return,
                },
                () = shared.wanted.notified() => {}
            }
            match self.open().await {
                Ok(open) => {
                    self.connection += 1;
                    pause = RECONNECT_MIN;
                    shared.up.store(true, Ordering::Relaxed);
                    let reason = self.serve(open, order).await;
                    shared.up.store(false, Ordering::Relaxed);
                    tracing::info!(
                        peer = shared.peer(),
                        reason,
                        "the connection to the message centre ended"
                    );
                    // It may have brought reports, and more may wait there.
                    shared.wanted.notify_one();
                }
                Err(error) => {
                    let mut refuse = |order: Order| drop(order.answer.send(Err(error.clone())));
                    // Whoever waits behind would only find the same, and may have another channel.
                    order.into_iter().for_each(&mut refuse);
                    while let Ok(order) = self.orders.try_recv() {
                        refuse(order);
                    }
                    shared.wanted.notify_one();
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RECONNECT_MAX);
        }
    }

    /// Connects and signs in.
    async fn open(&self) -> Result<Open, SendError> {
        let shared = &self.shared;
        let peer = shared.peer();
        let stream = shared.guard.connect(&shared.host, shared.port).await?;
        let _ = stream.set_nodelay(true);
        let (read, writer) = stream.into_split();
        let (sender, units) = mpsc::channel(WAITING_MAX);
        let mut open = Open {
            units,
            writer,
            reader: tokio::spawn(wire::read_units(read, sender)),
            seq: 1,
            parts: HashMap::new(),
            messages: HashMap::new(),
            next_message: 0,
            silent: 0,
        };
        match tokio::time::timeout(HELLO_TIMEOUT, self.sign_in(&mut open)).await {
            Ok(signed_in) => signed_in.map(|()| open),
            Err(_) => {
                let reason = format!("{peer} did not answer to signing in");
                Err(SendError::temporary(reason).meaning(Advice::Silent))
            }
        }
    }

    async fn sign_in(&self, open: &mut Open) -> Result<(), SendError> {
        let peer = self.shared.peer();
        let lost = |error: String| SendError::temporary(format!("{peer}: {error}"));
        let now = Timestamp::from_millis(self.shared.now.load(Ordering::Relaxed));
        let hello = self.shared.dialect.hello(1, now);
        open.write(&hello).await.map_err(lost)?;
        loop {
            let unit = open
                .units
                .recv()
                .await
                .unwrap_or_else(|| Err("it hung up while we signed in".to_owned()))
                .map_err(lost)?;
            match self.shared.dialect.read(&unit).map_err(lost)? {
                Unit::Welcome => return Ok(()),
                Unit::Unwelcome(error) => return Err(error),
                _ => {}
            }
        }
    }

    /// Works until the connection ends; answers why.
    async fn serve(&mut self, mut open: Open, first: Option<Order>) -> String {
        if let Some(order) = first
            && let Err(error) = self.submit(&mut open, order).await
        {
            return error;
        }
        loop {
            let room = open.parts.len() < WINDOW;
            let done = tokio::select! {
                unit = open.units.recv() => match unit {
                    Some(Ok(unit)) => {
                        open.silent = 0;
                        self.hear(&mut open, &unit).await
                    }
                    Some(Err(error)) => Err(error),
                    None => Err("it hung up".to_owned()),
                },
                order = self.orders.recv(), if room => match order {
                    Some(order) => self.submit(&mut open, order).await,
                    None => Err("the channel was closed".to_owned()),
                },
                answer = self.answered.recv() => match answer {
                    Some(answer) if answer.connection == self.connection => open.write(&answer.unit).await,
                    Some(_) => Ok(()),
                    None => Err("the channel was closed".to_owned()),
                },
                () = tokio::time::sleep(KEEPALIVE) => {
                    open.silent += 1;
                    if open.silent > 3 {
                        Err("it no longer answers".to_owned())
                    } else {
                        let seq = open.next_seq();
                        let unit = self.shared.dialect.keepalive(seq);
                        open.write(&unit).await
                    }
                }
            };
            if let Err(error) = done {
                return error;
            }
        }
    }

    async fn submit(&self, open: &mut Open, order: Order) -> Result<(), String> {
        // Whoever asked has given up waiting: nobody would hear of it.
        if order.answer.is_closed() {
            return Ok(());
        }
        let message = open.next_message;
        open.next_message += 1;
        let pending = Pending {
            answer: order.answer,
            left: order.parts.len(),
        };
        open.messages.insert(message, pending);
        for part in &order.parts {
            let seq = open.next_seq();
            open.parts.insert(seq, message);
            let unit = self.shared.dialect.submit(seq, part);
            open.write(&unit).await?;
        }
        Ok(())
    }

    async fn hear(&self, open: &mut Open, unit: &[u8]) -> Result<(), String> {
        match self.shared.dialect.read(unit)? {
            Unit::Submitted { seq, answer } => answered(open, seq, answer),
            Unit::Arrived { reply, incoming: None } => open.write(&reply).await?,
            Unit::Arrived {
                reply,
                incoming: Some(incoming),
            } => {
                let answer = Reply {
                    connection: self.connection,
                    unit: reply,
                };
                // What finds no room is not answered, so the centre brings it again.
                let _ = self.told.try_send((incoming, answer));
            }
            Unit::Ping { reply } => open.write(&reply).await?,
            Unit::Bye { reply } => {
                let _ = open.write(&reply).await;
                return Err("it said goodbye".to_owned());
            }
            Unit::Welcome | Unit::Unwelcome(_) | Unit::Nothing => {}
        }
        Ok(())
    }
}

/// A part was answered. The message is so when all are, or one was refused; its reference is the last part's.
fn answered(open: &mut Open, seq: u32, answer: Result<String, SendError>) {
    let Some(message) = open.parts.remove(&seq) else {
        return;
    };
    let Some(mut pending) = open.messages.remove(&message) else {
        return;
    };
    match answer {
        Err(error) => drop(pending.answer.send(Err(error))),
        Ok(reference) => {
            pending.left -= 1;
            if pending.left == 0 {
                let receipt = Receipt {
                    reference: reference.clone(),
                    ..Receipt::taken(format!("taken as {reference}"))
                };
                // Nobody may wait any more.
                let _ = pending.answer.send(Ok(receipt));
            } else {
                open.messages.insert(message, pending);
            }
        }
    }
}
