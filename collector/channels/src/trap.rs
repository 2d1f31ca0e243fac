//! Pages for the customer's own console: syslog messages (RFC 5424 over UDP, RFC 5426, or TCP with octet counting, RFC 6587)
//! and SNMP v2c traps (RFC 3416). Both are sent into the dark: over UDP nobody answers, so "taken" only means "sent".
//!
//! A trap's objects hang below `oid`: `.1` key, `.2` ticket number, `.3` level, `.4` text, `.5` reason, `.6` asset; the trap
//! itself is `oid.0.1`, a restored ticket `oid.0.2`.

mod snmp;

pub use snmp::{SnmpTrap, SnmpTrapConfig};

use crate::{
    channel::{Channel, Envelope, Receipt, Secrecy, SendError},
    config::{Common, host_mistakes},
    guard::Guard,
    wording::{self, Style},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use tocsin_desk::model::Person;
use tocsin_vocabulary::Timestamp;
use tokio::{io::AsyncWriteExt as _, net::UdpSocket};

/// How a syslog message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// One datagram.
    #[default]
    Udp,
    /// A connection of its own.
    Tcp,
}

/// `kind = "syslog"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyslogConfig {
    /// The syslog server.
    pub host: String,
    /// Its port.
    #[serde(default = "port")]
    pub port: u16,
    /// `udp` or `tcp`.
    #[serde(default)]
    pub transport: Transport,
    /// Facility number (RFC 5424, 6.2.1): 16 is local0.
    #[serde(default = "local0")]
    pub facility: u8,
}

const fn port() -> u16 {
    514
}
const fn local0() -> u8 {
    16
}

impl SyslogConfig {
    pub(crate) fn mistakes(&self, mistakes: &mut Vec<String>) {
        host_mistakes("host", &self.host, mistakes);
        if self.facility > 23 {
            mistakes.push("`facility` is 0 to 23; local0 is 16".to_owned());
        }
    }
}

/// Writes to a syslog server.
pub struct Syslog {
    config: SyslogConfig,
    guard: Guard,
    style: Style,
}

impl Syslog {
    /// From a configuration without mistakes.
    #[must_use]
    pub fn new(config: &SyslogConfig, common: &Common) -> Self {
        Self {
            config: config.clone(),
            guard: common.guard(&config.host),
            style: Style::long(common),
        }
    }

    fn message(&self, envelope: &Envelope, now: Timestamp) -> String {
        // Critical (2), error (3), warning (4), notice (5) by level.
        let severity = envelope.page.level.rank().saturating_add(1).min(5);
        let priority = u32::from(self.config.facility) * 8 + u32::from(severity);
        let page = &envelope.page;
        let key = structured(&page.key);
        let number = page
            .ticket_number
            .map_or_else(|| "-".to_owned(), |number| number.to_string());
        let text = wording::one_line(&self.style.message(envelope, now));
        format!(
            "<{priority}>1 {now} - tocsin - page [tocsin@32473 key=\"{key}\" ticket=\"{number}\" level=\"{}\" reason=\"{}\"] \u{feff}{text}",
            page.level,
            page.reason.as_str()
        )
    }
}

/// A value of structured data: quotes, brackets and backslashes are escaped (RFC 5424, 6.3.3).
fn structured(text: &str) -> String {
    wording::one_line(text)
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace(']', "\\]")
}

/// Sends one datagram.
async fn datagram(guard: &Guard, host: &str, port: u16, bytes: &[u8]) -> Result<Receipt, SendError> {
    let addresses = guard.resolve(host, port).await?;
    let address = addresses[0];
    let any: SocketAddr = if address.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0_u16; 8], 0).into()
    };
    let sent = async {
        let socket = UdpSocket::bind(any).await?;
        socket.send_to(bytes, address).await
    };
    sent.await
        .map_err(|error| SendError::temporary(format!("cannot send to {host}:{port}: {error}")))?;
    Ok(Receipt::taken("sent; nobody answers over UDP"))
}

#[async_trait]
impl Channel for Syslog {
    async fn send(&self, envelope: &Envelope, now: Timestamp) -> Result<Receipt, SendError> {
        let message = self.message(envelope, now);
        let (host, port) = (&self.config.host, self.config.port);
        if self.config.transport == Transport::Udp {
            return datagram(&self.guard, host, port, message.as_bytes()).await;
        }
        let mut stream = self.guard.connect(host, port).await?;
        let framed = format!("{} {message}", message.len());
        let written = async {
            stream.write_all(framed.as_bytes()).await?;
            stream.shutdown().await
        };
        written
            .await
            .map_err(|error| SendError::unknown(format!("{host}:{port} hung up: {error}")))?;
        Ok(Receipt::taken("sent over TCP"))
    }

    fn address(&self, _person: &Person) -> Option<String> {
        Some(String::new())
    }

    fn render(&self, envelope: &Envelope) -> Vec<String> {
        vec![self.message(envelope, envelope.page.created_at)]
    }
}

/// The asset's name, where the customer lets it out.
fn asset(envelope: &Envelope) -> &str {
    if envelope.secrecy() == Secrecy::Full {
        &envelope.facts.asset
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::tests::envelope;
    use tocsin_vocabulary::Text;

    #[tokio::test]
    async fn a_page_is_one_line_of_syslog_whatever_the_host_is_called() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let config = SyslogConfig {
            host: "127.0.0.1".to_owned(),
            port: server.local_addr().unwrap().port(),
            transport: Transport::Udp,
            facility: 16,
        };
        let syslog = Syslog::new(&config, &Common::default());
        let mut envelope = envelope(1042, "console");
        envelope.page.title = Text::plain("web\n<0>1 forged");
        envelope.page.key = "a]\"b".to_owned();
        let now: Timestamp = "2026-11-22T03:04:05.678Z".parse().unwrap();
        syslog.send(&envelope, now).await.unwrap();
        let mut buffer = [0; 2_000];
        let (bytes, _) = server.recv_from(&mut buffer).await.unwrap();
        let text = String::from_utf8_lossy(&buffer[..bytes]);
        let head = "<131>1 2026-11-22T03:04:05.678Z - tocsin - page [tocsin@32473 key=\"a\\]\\\"b\" ticket=\"1042\" level=\"2\"";
        assert!(text.starts_with(head), "{text}");
        assert!(!text.contains('\n'));
    }
}
