//! Mail: a page as plain text in the person's language, handed to one SMTP server.
//!
//! The `Message-ID` is made from the page's key, so that resends are the same message to the mail server and reader.
//! Nothing from outside reaches a header except through one line without control characters, encoded as RFC 2047 says.

use crate::{
    advice::{self, Advice},
    channel::{Channel, Envelope, Receipt, SendError, SendErrorKind, chain},
    config::{Common, MailConfig, Security},
    guard::Guard,
    secret::{Secret, need_system_authorities, read_certificates},
    wording::{self, Style},
};
use async_trait::async_trait;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        Error,
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use tocsin_desk::model::Person;
use tocsin_vocabulary::Timestamp;

/// How long one try may take, from connecting to the last answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long the server may take for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Hands pages to one SMTP server.
pub struct Mail {
    config: MailConfig,
    tls: Tls,
    credentials: Option<Credentials>,
    from: Mailbox,
    guard: Guard,
    style: Style,
    /// The way that was taken last, and to which address: connections are kept open.
    way: Mutex<Option<(SocketAddr, Transport)>>,
}

type Transport = AsyncSmtpTransport<Tokio1Executor>;

impl Mail {
    /// From a configuration without mistakes.
    ///
    /// # Errors
    /// A sentence that names the channel's file or setting that cannot be used.
    pub fn new(config: &MailConfig, common: &Common) -> Result<Self, String> {
        let tls = match config.security {
            Security::None => Tls::None,
            Security::Starttls => Tls::Required(tls_of(config)?),
            Security::Tls => Tls::Wrapper(tls_of(config)?),
        };
        let credentials = match (&config.username, &config.password_file) {
            (Some(user), Some(file)) => {
                let password = Secret::read_text(file)?;
                Some(Credentials::new(user.clone(), password.as_str().to_owned()))
            }
            _ => None,
        };
        Ok(Self {
            tls,
            credentials,
            from: config
                .from
                .parse()
                .map_err(|error| format!("`from` is not a mail address: {error}"))?,
            guard: common.guard(&config.host),
            style: Style::long(common),
            way: Mutex::default(),
            config: config.clone(),
        })
    }

    /// The way to an address that was looked at: a name would be resolved anew, and might lead elsewhere.
    fn way(&self, address: SocketAddr) -> Transport {
        let mut way = self.way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, transport)) = way.as_ref()
            && *known == address
        {
            return transport.clone();
        }
        let mut transport = Transport::builder_dangerous(address.ip().to_string())
            .port(address.port())
            .tls(self.tls.clone())
            .timeout(Some(ANSWER_TIMEOUT));
        if let Some(credentials) = &self.credentials {
            transport = transport.credentials(credentials.clone());
        }
        let transport = transport.build();
        *way = Some((address, transport.clone()));
        transport
    }

    fn peer(&self) -> String {
        format!("{}:{}", self.config.host, self.config.port())
    }

    /// Hands a mail to one address of the server.
    async fn hand(&self, address: SocketAddr, message: Message) -> Result<Receipt, SendError> {
        match tokio::time::timeout(TIMEOUT, self.way(address).send(message)).await {
            Ok(Ok(answer)) => {
                let line = answer.first_line().unwrap_or_default();
                Ok(Receipt::taken(wording::one_line(&format!("{} {line}", answer.code()))))
            }
            Ok(Err(error)) => Err(failed(&error, &self.peer())),
            Err(_) => {
                let reason = format!("{} did not take the mail within {} s", self.peer(), TIMEOUT.as_secs());
                Err(SendError::unknown(reason).meaning(Advice::Silent))
            }
        }
    }

    /// The message as it goes out.
    fn message(&self, envelope: &Envelope, now: Timestamp) -> Result<Message, String> {
        let person = &envelope.person;
        if person.email.is_empty() {
            return Err(format!(
                "{} has no mail address: add one",
                wording::one_line(&person.name)
            ));
        }
        let address: Address = person
            .email
            .parse()
            .map_err(|error| format!("`{}` is not a mail address: {error}", wording::one_line(&person.email)))?;
        let millis = u64::try_from(envelope.page.created_at.as_millis()).unwrap_or(0);
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(Some(wording::one_line(&person.name)), address))
            .message_id(Some(message_id(&envelope.page.key, self.from.email.domain())))
            .date(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
            .subject(wording::subject(envelope))
            .header(ContentType::TEXT_PLAIN)
            .body(self.style.letter(envelope, now))
            .map_err(|error| format!("cannot write the mail: {}", chain(&error)))
    }
}

fn tls_of(config: &MailConfig) -> Result<TlsParameters, String> {
    let mut tls = TlsParameters::builder(config.host.clone());
    if let Some(path) = &config.ca_file {
        let certificate = Certificate::from_pem(&read_certificates(path)?)
            .map_err(|error| format!("cannot use the certificates in {}: {}", path.display(), chain(&error)))?;
        tls = tls.add_root_certificate(certificate);
    } else {
        need_system_authorities()?;
    }
    tls.build_rustls()
        .map_err(|error| format!("cannot set up TLS: {}", chain(&error)))
}

/// `<key@domain>`, of the characters that RFC 5322 allows in an atom.
fn message_id(key: &str, domain: &str) -> String {
    let key: String = key
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    format!("<{key}@{domain}>")
}

#[async_trait]
impl Channel for Mail {
    async fn send(&self, envelope: &Envelope, now: Timestamp) -> Result<Receipt, SendError> {
        let message = self.message(envelope, now).map_err(SendError::no_contact)?;
        let mut last = None;
        for address in self.guard.resolve(&self.config.host, self.config.port()).await? {
            match self.hand(address, message.clone()).await {
                // Nothing was said to it, so another address of the server may be tried.
                Err(error) if matches!(error.advice, Some(Advice::Closed | Advice::NoWay)) => last = Some(error),
                other => return other,
            }
        }
        Err(last.unwrap_or_else(|| SendError::temporary(format!("{} has no address", self.peer()))))
    }

    fn address(&self, person: &Person) -> Option<String> {
        (!person.email.is_empty()).then(|| person.email.clone())
    }

    fn render(&self, envelope: &Envelope) -> Vec<String> {
        let now = envelope.page.created_at;
        vec![wording::subject(envelope), self.style.letter(envelope, now)]
    }
}

/// What an SMTP error means: 5yz is final, 4yz is not (RFC 5321, 4.2.1); a connection that never came about has taken
/// nothing, and one that was lost may have lost only the answer.
fn failed(error: &Error, peer: &str) -> SendError {
    let kind = if error.is_permanent() || error.is_client() {
        SendErrorKind::Permanent
    } else if error.is_transient() || error.is_tls() || is_unconnected(error) {
        SendErrorKind::Temporary
    } else {
        SendErrorKind::Unknown
    };
    SendError::new(
        kind,
        wording::one_line(&format!("{peer} did not take the mail: {}", chain(error))),
    )
    .meaning(meaning(error))
}

/// Whether it failed before a word of the mail was said: in the TCP connection, or in TLS. The library has a kind for that
/// and tells it in words only.
fn is_unconnected(error: &Error) -> bool {
    error.to_string().starts_with("Connection error")
}

/// What it means: by the reply's code (RFC 5321, 4.2.3; RFC 4954, 6), or by what became of the connection.
fn meaning(error: &Error) -> Option<Advice> {
    match error.status().map(u16::from) {
        Some(530 | 534 | 535 | 538) => Some(Advice::Secret),
        Some(550 | 551 | 553) => Some(Advice::Receiver),
        Some(552 | 523) => Some(Advice::TooLong),
        Some(400..=499) => Some(Advice::Trouble),
        Some(_) => None,
        // The library's own refusal: the server offers no encryption.
        None if error.is_client() && chain(error).contains("STARTTLS") => Some(Advice::NoTls),
        None => advice::of_error(error).or(error.is_tls().then_some(Advice::Tls)),
    }
}

#[cfg(test)]
mod tests;
