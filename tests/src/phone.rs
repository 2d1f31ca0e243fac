//! A web server that receives pages as a phone's gateway would, and checks their signatures.

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::sync::mpsc;

const SECRET: &str = "a secret of this test only";

/// A page that arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its JSON.
    pub page: Value,
    /// When it arrived.
    pub at: SystemTime,
}

/// The server.
pub struct Phone {
    address: std::net::SocketAddr,
    secret_file: PathBuf,
    received: mpsc::UnboundedReceiver<Received>,
    answers: Arc<Mutex<Vec<u16>>>,
    refused: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Clone)]
struct Desk {
    sender: mpsc::UnboundedSender<Received>,
    answers: Arc<Mutex<Vec<u16>>>,
    refused: Arc<Mutex<Vec<String>>>,
}

impl Phone {
    /// Starts a server on a free port; its secret goes into `folder`.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(folder: &Path) -> Self {
        let secret_file = folder.join("phone.secret");
        std::fs::write(&secret_file, SECRET).expect("the secret can be written");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (sender, received) = mpsc::unbounded_channel();
        let (answers, refused) = (Arc::<Mutex<Vec<u16>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let desk = Desk {
            sender,
            answers: answers.clone(),
            refused: refused.clone(),
        };
        let router = Router::new().route("/page", post(page)).with_state(desk);
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self {
            address,
            secret_file,
            received,
            answers,
            refused,
            task,
        }
    }

    /// The channel's table in the collector's configuration.
    #[must_use]
    pub fn channel(&self) -> String {
        format!(
            "[[channel]]\nname = \"phone\"\nkind = \"webhook\"\nurl = \"http://{}/page\"\nsecret_file = {:?}\n",
            self.address, self.secret_file
        )
    }

    /// The next answers: HTTP statuses, before it goes on with 200.
    pub fn answer_next(&self, statuses: &[u16]) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.extend(statuses.iter().rev());
    }

    /// Keys of the pages that were answered with something else than 200.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the next page.
    ///
    /// # Panics
    /// When none arrives within a minute.
    pub async fn rings(&mut self) -> Received {
        tokio::time::timeout(Duration::from_secs(60), self.received.recv())
            .await
            .expect("a page arrives within a minute")
            .expect("the server runs")
    }

    /// The pages that have arrived and were not looked at yet.
    pub fn rang(&mut self) -> Vec<Received> {
        std::iter::from_fn(|| self.received.try_recv().ok()).collect()
    }

    /// Waits for the next page for this reason.
    ///
    /// # Panics
    /// When none arrives within a minute.
    pub async fn rings_for(&mut self, reason: &str) -> Received {
        loop {
            let received = self.rings().await;
            if received.page["reason"] == reason {
                return received;
            }
        }
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn page(State(desk): State<Desk>, headers: HeaderMap, body: Bytes) -> StatusCode {
    #[allow(clippy::disallowed_methods, reason = "a test's server measures when a page arrived")]
    let at = SystemTime::now();
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()) else {
        return StatusCode::INTERNAL_SERVER_ERROR;
    };
    mac.update(format!("{}.", header("x-tocsin-timestamp")).as_bytes());
    mac.update(&body);
    let expected: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if header("x-tocsin-signature") != format!("v1={expected}") {
        return StatusCode::UNAUTHORIZED;
    }
    let answer = desk.answers.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let page: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    if let Some(status) = answer {
        let key = page["key"].as_str().unwrap_or_default().to_owned();
        desk.refused.lock().unwrap_or_else(PoisonError::into_inner).push(key);
        return StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let _ = desk.sender.send(Received { page, at });
    StatusCode::OK
}
