//! One probe, asked once: everything within its deadline.

use super::{
    Answer, DURATION, Probe, Question, Trouble, Values,
    certificate::{self, SystemRoots},
    http, ping,
    url::split_port,
};
use crate::clock::SharedClock;
use tocsin_vocabulary::time::format_duration;
use tokio::net::TcpStream;

/// What all askings share.
pub(super) struct Asking {
    pub(super) clock: SharedClock,
    pub(super) system_roots: SystemRoots,
}

impl Asking {
    pub(super) fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            system_roots: SystemRoots::default(),
        }
    }

    /// Asks `probe` once.
    pub(super) async fn ask(&self, probe: &Probe) -> Answer {
        let began = self.clock.mono();
        let mut values = Vec::new();
        let asked = tokio::time::timeout(probe.timeout, self.put(probe, &mut values)).await;
        let took = self.clock.mono().saturating_sub(began);
        let asked = asked.unwrap_or_else(|_| {
            Err(Trouble::Failed(format!(
                "no answer within {}",
                format_duration(probe.timeout)
            )))
        });
        match asked {
            Ok(()) => {
                // A ping measures by itself; of all others it is the whole of it.
                if !matches!(probe.question, Question::Ping { .. }) {
                    values.push((DURATION, took.as_secs_f64()));
                }
                Answer {
                    up: Some(true),
                    reason: String::new(),
                    values,
                }
            }
            Err(Trouble::Failed(reason)) => Answer {
                up: Some(false),
                reason,
                values,
            },
            Err(Trouble::Unable(reason)) => Answer {
                up: None,
                reason,
                values,
            },
        }
    }

    async fn put(&self, probe: &Probe, values: &mut Values) -> Result<(), Trouble> {
        match &probe.question {
            Question::Ping { target, requests } => {
                ping::ping(target, *requests, probe.timeout, &self.clock, values).await
            }
            Question::Tcp { target } => {
                let (host, port) = address(target)?;
                connect(host, port).await.map(drop)
            }
            Question::Http(question) => http::fetch(question, &self.system_roots, values).await,
            Question::Certificate {
                target,
                server_name,
                ca,
            } => {
                let (host, port) = address(target)?;
                let name = server_name.as_deref().unwrap_or(host);
                let roots = certificate::roots(ca.as_deref(), &self.system_roots).await?;
                let (_, shown) = certificate::shake_hands(connect(host, port).await?, name, roots).await?;
                shown.tell(values);
                shown.verdict(name)
            }
        }
    }
}

/// `host:port` as the configuration was checked to hold.
fn address(target: &str) -> Result<(&str, u16), Trouble> {
    split_port(target)
        .and_then(|(host, port)| Some((host, port?)))
        .ok_or_else(|| Trouble::Unable(format!("`{target}` is not host:port")))
}

/// A connection to the first address that takes it.
pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream, Trouble> {
    TcpStream::connect((host, port))
        .await
        .map_err(|error| Trouble::Failed(format!("no connection to {host} port {port}: {error}")))
}
