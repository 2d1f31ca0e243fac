//! A provider of a webhook that takes messages, refuses them, swallows them, or takes them and never says so, and keeps
//! count of what it was asked.

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use serde_json::Value;
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

/// What it does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Takes it and says so.
    Takes,
    /// Says no, with this HTTP status.
    Refuses(u16),
    /// Never answers, and the message is lost.
    Swallows,
    /// Never answers, but the message has arrived.
    TakesSilently,
    /// Takes it, and says so only after this many milliseconds.
    TakesAfter(u64),
    /// Says that it took it, and the message is lost.
    Lies,
    /// Says that it broke (500), but the message has arrived.
    TakesAndBreaks,
}

/// A message that it was given.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The document.
    pub page: Value,
    /// What it did with it.
    pub mood: Mood,
    /// When it came.
    pub at: SystemTime,
}

impl Asked {
    /// The page's key.
    #[must_use]
    pub fn key(&self) -> &str {
        self.page["key"].as_str().unwrap_or_default()
    }

    /// Whether it says that it may have arrived before.
    #[must_use]
    pub fn is_marked(&self) -> bool {
        // A message as text says it in words.
        let text = self.page["text"].as_str().unwrap_or_default();
        self.page["resent"] == true || text.contains("重发") || text.contains("resent")
    }

    /// Whether a person has it now.
    #[must_use]
    pub const fn arrived(&self) -> bool {
        matches!(
            self.mood,
            Mood::Takes | Mood::TakesSilently | Mood::TakesAfter(_) | Mood::TakesAndBreaks
        )
    }
}

#[derive(Debug, Default)]
struct Book {
    next: VecDeque<Mood>,
    otherwise: Option<Mood>,
    asked: Vec<Asked>,
}

/// The provider; it ends when dropped.
pub struct Provider {
    address: SocketAddr,
    book: Arc<Mutex<Book>>,
    task: tokio::task::JoinHandle<()>,
}

impl Provider {
    /// Starts one that takes everything, on a free port.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let book = Arc::<Mutex<Book>>::default();
        let router = Router::new().route("/page", post(page)).with_state(book.clone());
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self { address, book, task }
    }

    /// The table of a webhook to it in the collector's configuration.
    #[must_use]
    pub fn channel(&self, name: &str) -> String {
        format!(
            "[[channel]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"{}\"\n",
            self.url()
        )
    }

    /// Whereto messages are posted.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/page", self.address)
    }

    /// What it does with the next messages, before it does as ever.
    pub fn next(&self, moods: &[Mood]) {
        lock(&self.book).next.extend(moods);
    }

    /// What it does from now on.
    pub fn always(&self, mood: Mood) {
        lock(&self.book).otherwise = Some(mood);
    }

    /// Everything that it was asked, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.book).asked.clone()
    }

    /// Waits until it was asked so often.
    ///
    /// # Panics
    /// When it is not within a minute.
    pub async fn is_asked(&self, times: usize) -> Vec<Asked> {
        crate::patience::until("the provider to be asked", async || {
            let asked = self.asked();
            (asked.len() >= times).then_some(asked)
        })
        .await
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn page(State(book): State<Arc<Mutex<Book>>>, Json(page): Json<Value>) -> StatusCode {
    #[allow(clippy::disallowed_methods, reason = "a test's server measures when a page arrived")]
    let at = SystemTime::now();
    let mood = {
        let mut book = lock(&book);
        let mood = book.next.pop_front().or(book.otherwise).unwrap_or(Mood::Takes);
        book.asked.push(Asked { page, mood, at });
        mood
    };
    match mood {
        Mood::Takes | Mood::Lies => StatusCode::OK,
        Mood::TakesAndBreaks => StatusCode::INTERNAL_SERVER_ERROR,
        Mood::TakesAfter(millis) => {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            StatusCode::OK
        }
        Mood::Refuses(status) => StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        Mood::Swallows | Mood::TakesSilently => std::future::pending().await,
    }
}
