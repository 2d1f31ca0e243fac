//! `tocsin-collector channel …`: what channels there are and how they do, whether one works, what it would say, and what
//! customers keep inside.
//!
//! With a running collector its own channels are asked over the socket, so that a connection that stands is not opened
//! twice; without one, `list`, `preview` and `test` work from the configuration alone. Exit status: 0 taken; 2 wrong input;
//! 3 no such channel or person; 5 refused for good, the configuration needs a change; 6 not reached, may work later.
//!
//! * `desk` — what a running collector answers,
//! * `plain` — what became of a test, in plain words,
//! * `drill` — the report of the last drill.

mod desk;
mod drill;
mod plain;

pub(crate) use desk::Desk;

use crate::{
    cli,
    clock::{self},
    config::Config,
    control::{self, Answer, Ask},
};
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{fmt::Write as _, process::ExitCode, time::Duration};
use tocsin_channels::{Built, ChannelConfig, Envelope, Facts, Secrecy, sms};
use tocsin_console::backend::{Failure, PreviewView};
use tocsin_desk::model::{Page, PageReason, PageState, Person, Role};
use tocsin_vocabulary::{Code, IdSource, Language, Level, PageId, PersonId, Text, Timestamp};

/// How long a test may take.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Channels: ways to people.
#[derive(Debug, Subcommand)]
pub enum Channel {
    /// List channels: kind, where they go, what they may send, how they did within a day
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Send one message now, and say in plain words what happened
    #[command(after_help = "\
Exit status: 0 taken; 2 wrong input; 3 no such channel or person; 5 refused for good; 6 not reached, may work later.

Examples:
  tocsin-collector channel test robot
  tocsin-collector channel test modem --phone 13800000001")]
    Test {
        /// Its name
        name: String,
        /// To this person: a login. Without it: somebody on duty
        #[arg(long)]
        to: Option<String>,
        /// To this phone, instead of the person's own
        #[arg(long)]
        phone: Option<String>,
        /// To this mail address, instead of the person's own
        #[arg(long)]
        email: Option<String>,
    },
    /// Show what a page would say, and how many parts an SMS would have; sends nothing
    Preview {
        /// Its name
        name: String,
        /// zh-CN or en
        #[arg(long, default_value = "zh-CN")]
        language: String,
        /// The customer's secrecy: full, code-only or none
        #[arg(long, default_value = "full")]
        secrecy: String,
        /// Level: 1 is the worst
        #[arg(long, default_value_t = 1)]
        level: u8,
        /// Title of the ticket
        #[arg(long)]
        title: Option<String>,
        /// As a drill
        #[arg(long)]
        drill: bool,
        /// As one that is sent again
        #[arg(long)]
        resent: bool,
    },
    /// Page everybody on duty over every channel, marked as a drill; `drill report` tells how the last one went
    #[command(after_help = "\
Examples:
  tocsin-collector channel drill
  tocsin-collector channel drill report          whom each channel reached, and whom nothing reached
  tocsin-collector channel drill report --json

Exit status of the report: 0 everybody was reached; 1 somebody was reached by no channel; 3 there was no drill.")]
    Drill {
        /// Instead of a drill
        #[command(subcommand)]
        command: Option<DrillCommand>,
    },
    /// Print the address under which a gateway reports deliveries and brings replies
    Address {
        /// The channel's name
        name: String,
    },
    /// Show or set how much of a customer's matters may leave the site
    #[command(after_help = "\
full: everything. code-only: a ticket's number and level, and to call the duty room. none: nothing at all.

Examples:
  tocsin-collector channel secrecy                            every customer's
  tocsin-collector channel secrecy 'First Bank' code-only")]
    Secrecy {
        /// The customer's name
        customer: Option<String>,
        /// full, code-only or none
        level: Option<String>,
    },
}

/// What can be asked of a drill.
#[derive(Debug, Subcommand)]
pub enum DrillCommand {
    /// Tell how the last drill went, person by person and channel by channel
    Report {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// What the command line asks of a running collector about channels.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum ChannelAsk {
    /// How they do.
    List,
    /// Sends one message.
    Test {
        /// The channel.
        name: String,
        /// A login.
        to: Option<String>,
        /// A phone instead of the person's own.
        phone: Option<String>,
        /// An address instead of the person's own.
        email: Option<String>,
        /// In which language to say what happened.
        language: Language,
    },
    /// Pages everybody on duty over every channel.
    Drill,
    /// How the last drill went.
    DrillReport,
    /// The address for a gateway.
    Address {
        /// The channel.
        name: String,
    },
    /// Shows or sets a customer's secrecy.
    Secrecy {
        /// The customer's name.
        customer: Option<String>,
        /// The word.
        level: Option<String>,
    },
    /// Sets how a person is reached.
    Contact {
        /// Who.
        login: String,
        /// Phone number.
        phone: Option<String>,
        /// Mail address.
        email: Option<String>,
        /// Staff number.
        staff: Option<String>,
    },
}

/// Runs a command and prints what it says.
pub async fn run(config: &Config, command: Channel) -> ExitCode {
    let socket = cli::socket(config);
    let is_running = control::is_answered(&socket).await;
    let ask = match command {
        Channel::Preview { .. } => return finish(preview(config, &command)),
        Channel::List { json } if !is_running => return finish(list(config, &Value::Null, json)),
        Channel::Test { name, phone, email, .. } if !is_running => {
            return finish(test_alone(config, &name, phone, email).await);
        }
        Channel::List { json } => {
            let answer = match control::ask(&socket, &Ask::Channel(ChannelAsk::List)).await {
                Ok(Answer::Done(value)) => list(config, &value, json),
                Ok(Answer::Failed { code, reason }) => Err(Failure::new(code, reason)),
                Err(reason) => Err(Failure::new(Code::Unavailable, reason)),
            };
            return finish(answer);
        }
        Channel::Test { name, to, phone, email } => ChannelAsk::Test {
            name,
            to,
            phone,
            email,
            language: cli::language(),
        },
        Channel::Drill {
            command: Some(DrillCommand::Report { json }),
        } => return drill::report(&socket, json).await,
        Channel::Drill { command: None } => ChannelAsk::Drill,
        Channel::Address { name } => ChannelAsk::Address { name },
        Channel::Secrecy { customer, level } => ChannelAsk::Secrecy { customer, level },
    };
    finish(match control::ask(&socket, &Ask::Channel(ask)).await {
        Ok(Answer::Done(value)) => Ok(value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
        Ok(Answer::Failed { code, reason }) => Err(Failure::new(code, reason)),
        Err(reason) => Err(Failure::new(Code::Unavailable, reason)),
    })
}

fn finish(said: Result<String, Failure>) -> ExitCode {
    match said {
        Ok(text) => cli::print(&text),
        Err(Failure { code, reason }) => cli::fail(&reason, code.exit_status()),
    }
}

fn unknown(name: &str) -> Failure {
    Failure::new(
        Code::NotFound,
        format!("there is no channel `{name}`: see `tocsin-collector channel list`"),
    )
}

fn built(config: &Config, name: &str) -> Result<Built, Failure> {
    let found: Vec<ChannelConfig> = config
        .channels
        .iter()
        .filter(|channel| channel.name() == name)
        .cloned()
        .collect();
    if found.is_empty() {
        return Err(unknown(name));
    }
    let only = Config {
        channels: found,
        channel_lines: config.channel_lines.clone(),
        file: config.file.clone(),
        ..Config::default()
    };
    let channels = only.build_channels();
    let mut channels = channels.map_err(|error| Failure::new(Code::FailedPrecondition, error.to_string()))?;
    channels.remove(name).ok_or_else(|| unknown(name))
}

/// The table of channels; `figures` is what a running collector tells.
fn list(config: &Config, figures: &Value, as_json: bool) -> Result<String, Failure> {
    if as_json {
        let rows: Vec<Value> = config
            .channels
            .iter()
            .map(|channel| {
                json!({
                    "name": channel.name(), "kind": channel.kind.as_str(), "goes_to": channel.kind.goes_to(),
                    "per_minute": channel.per_minute(), "figures": figures.get(channel.name()),
                })
            })
            .collect();
        return Ok(Value::from(rows).to_string());
    }
    let mut out = format!(
        "{:<18}{:<12}{:<32}{:>8}{:>8}{:>9}{:>8}{:>8}{:>9}  LAST TAKEN",
        "NAME", "KIND", "GOES TO", "PER MIN", "TAKEN", "ARRIVED", "FAILED", "UNKNOWN", "WAITING"
    );
    for channel in &config.channels {
        let of = figures.get(channel.name());
        let number = |key: &str| match of.and_then(|of| of.get(key)) {
            Some(Value::Number(number)) => number.to_string(),
            _ if figures.is_null() => "-".to_owned(),
            _ => "0".to_owned(),
        };
        let last = of
            .and_then(|of| of.get("last_accepted_at")?.as_i64())
            .map_or_else(|| "-".to_owned(), |millis| Timestamp::from_millis(millis).to_string());
        let _ = write!(
            out,
            "\n{:<18}{:<12}{:<32}{:>8}{:>8}{:>9}{:>8}{:>8}{:>9}  {last}",
            channel.name(),
            channel.kind.as_str(),
            channel.kind.goes_to(),
            channel.per_minute(),
            number("accepted"),
            if channel.kind.tells_arrival() {
                number("delivered")
            } else {
                "-".to_owned()
            },
            number("failed"),
            number("unknown"),
            number("waiting"),
        );
        let notes = of.map(notes).unwrap_or_default();
        if !notes.is_empty() {
            let _ = write!(out, "  ({})", notes.join("; "));
        }
    }
    if config.channels.is_empty() {
        out.push_str("\nno [[channel]] in the configuration: pages stand in the console's inbox only");
    }
    Ok(out)
}

/// What a running collector tells of a channel besides its figures.
fn notes(of: &Value) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(trouble) = of["trouble"].as_str() {
        notes.push(format!("TROUBLE: {trouble}"));
    }
    if let Some(detail) = of["condition"].as_str().filter(|detail| of["trouble"] != **detail) {
        notes.push(detail.to_owned());
    }
    if let Some(percent) = of["signal_percent"].as_u64() {
        notes.push(format!("signal {percent} %"));
    }
    if let Some(balance) = of["balance"].as_f64() {
        notes.push(format!("balance {balance}"));
    }
    notes
}

/// A page as it might be.
fn sample(now: Timestamp, language: Language, level: u8, title: Option<String>) -> Envelope {
    let mut ids = IdSource::new(7);
    let person = Person {
        id: PersonId::next(&mut ids, now),
        login: "wang".to_owned(),
        name: "王工".to_owned(),
        role: Role::Operator,
        customer: None,
        language,
        email: "wang@example.com".to_owned(),
        phone: "13800000001".to_owned(),
        on_duty: true,
    };
    let title = title.map_or_else(
        || Text::new("db1: disk /data is full (97 %)", "db1: 磁盘 /data 已满 (97 %)"),
        Text::plain,
    );
    let page = Page {
        id: PageId::next(&mut ids, now),
        key: "1042-opened-1-sample".to_owned(),
        ticket: None,
        ticket_number: Some(1_042),
        person: person.id,
        destination: String::new(),
        reason: PageReason::Opened,
        title,
        body: Text::new(
            "Value 97 %, threshold 90 %. Make room.",
            "当前值 97 %, 阈值 90 %. 请清理空间.",
        ),
        level: Level::new(level),
        drill: false,
        created_at: now,
        state: PageState::Queued,
        attempts: 0,
        due_at: now,
        sent_at: None,
        error: String::new(),
    };
    Envelope {
        page,
        person,
        link: "https://tocsin.example.org:8443/p/0Jk3sample".to_owned(),
        facts: Facts {
            asset: "db1".to_owned(),
            customer: Text::new("First Bank", "第一银行").get(language).to_owned(),
            site: Text::new("Main room", "主机房").get(language).to_owned(),
            is_open: true,
            since: Some(now.minus(Duration::from_secs(120))),
            due_at: Some(now.plus(Duration::from_secs(58 * 60))),
            staff: "07".to_owned(),
            ..Facts::default()
        },
        also: Vec::new(),
    }
}

fn preview(config: &Config, command: &Channel) -> Result<String, Failure> {
    let Channel::Preview {
        name,
        language,
        secrecy,
        level,
        title,
        drill,
        resent,
    } = command
    else {
        return Err(Failure::new(Code::Internal, "not a preview"));
    };
    let wrong = |reason: String| Failure::new(Code::InvalidInput, reason);
    let language =
        Language::from_tag(language).ok_or_else(|| wrong(format!("`{language}` is neither zh-CN nor en")))?;
    let secrecy =
        Secrecy::parse(secrecy).ok_or_else(|| wrong(format!("`{secrecy}` is none of full, code-only, none")))?;
    let built = built(config, name)?;
    if secrecy == Secrecy::None {
        return Ok("nothing: this customer's pages stand in the console only".to_owned());
    }
    let mut envelope = sample((clock::system())(), language, *level, title.clone());
    envelope.facts.secrecy = secrecy;
    envelope.page.drill = *drill;
    envelope.page.attempts = u32::from(*resent);
    envelope.facts.unknown = *resent;
    let mut lines = built.channel.render(&envelope);
    if built.config.kind.is_sms() {
        let text = lines.join("\n");
        let (units, parts) = (sms::units(&text), sms::parts(&text).len());
        let limit = sms::SINGLE_UNITS;
        lines.push(format!("-- {units} characters of {limit}, {parts} part(s)"));
    }
    Ok(lines.join("\n"))
}

/// What a channel would say of a made-up page: in both languages, with full text and with codes only; for SMS with
/// characters and parts.
pub(crate) fn samples(built: &Built, now: Timestamp) -> Vec<PreviewView> {
    let mut all = Vec::new();
    for language in [Language::Chinese, Language::English] {
        for secrecy in [Secrecy::Full, Secrecy::CodeOnly] {
            let mut envelope = sample(now, language, 1, None);
            envelope.facts.secrecy = secrecy;
            let text = built.channel.render(&envelope).join("\n");
            let is_sms = built.config.kind.is_sms();
            all.push(PreviewView {
                language,
                secrecy: secrecy.as_str(),
                sms: is_sms.then(|| (sms::units(&text), sms::parts(&text).len())),
                text,
            });
        }
    }
    all
}

/// The text of a test.
fn test_envelope(now: Timestamp, person: Person, ids: &mut IdSource) -> Envelope {
    let mut envelope = sample(now, person.language, 9, None);
    envelope.page.id = PageId::next(ids, now);
    envelope.page.key = format!("test-{}", envelope.page.id);
    envelope.page.person = person.id;
    envelope.page.ticket_number = None;
    envelope.page.reason = PageReason::Notice;
    envelope.page.title = Text::new("test of this channel: nothing is wrong", "渠道测试：无故障");
    envelope.page.body = Text::default();
    envelope.page.drill = true;
    envelope.link.clear();
    envelope.facts = Facts::default();
    envelope.person = person;
    envelope
}

/// Sends it, and says what happened.
async fn try_out(built: &Built, envelope: &Envelope, language: Language, now: Timestamp) -> Result<String, Failure> {
    let tried = tokio::time::timeout(TEST_TIMEOUT, built.channel.send(envelope, now)).await;
    plain::outcome(built, tried.ok(), language)
}

/// Without a running collector: to what the command line says.
async fn test_alone(
    config: &Config,
    name: &str,
    phone: Option<String>,
    email: Option<String>,
) -> Result<String, Failure> {
    let built = built(config, name)?;
    let now = (clock::system())();
    let mut ids = clock::ids().map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
    let mut person = sample(now, Language::Chinese, 9, None).person;
    person.name = "Tocsin".to_owned();
    person.phone = phone.unwrap_or_default();
    person.email = email.unwrap_or_default();
    let language = cli::language();
    let said = try_out(&built, &test_envelope(now, person, &mut ids), language, now).await;
    said.map_err(|failure| {
        let reason = failure.reason;
        let is_missing = reason.contains("has no phone number") || reason.contains("has no mail address");
        let hint = match language {
            _ if !is_missing => "",
            Language::English => "\nno collector is running, so say whereto: --phone or --email",
            Language::Chinese => "\n采集中心未运行，请用--phone或--email指明发给谁",
        };
        Failure::new(failure.code, format!("{reason}{hint}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::parse(
            "collector.toml",
            "[[channel]]\nname = \"modem\"\nkind = \"gammu\"\nsignature = \"某某运维\"\n",
        )
        .unwrap()
    }

    fn previewed(secrecy: &str, language: &str) -> Result<String, Failure> {
        let command = Channel::Preview {
            name: "modem".to_owned(),
            language: language.to_owned(),
            secrecy: secrecy.to_owned(),
            level: 1,
            title: None,
            drill: false,
            resent: true,
        };
        preview(&config(), &command)
    }

    #[test]
    fn a_preview_counts_the_characters_of_an_sms() {
        let text = previewed("full", "zh-CN").unwrap();
        assert!(
            text.starts_with("【某某运维】\u{ff08}重发\u{ff09}#1042 一级 第一银行 db1"),
            "{text}"
        );
        assert!(text.contains("characters of 70, 1 part(s)"), "{text}");
        let coded = previewed("code-only", "zh-CN").unwrap();
        assert!(
            coded.contains("工单1042 一级 请回值班室") && !coded.contains("db1"),
            "{coded}"
        );
        assert!(previewed("none", "en").unwrap().starts_with("nothing"));
        assert_eq!(previewed("some", "en").unwrap_err().code, Code::InvalidInput);
    }

    #[test]
    fn a_list_without_a_collector_tells_what_is_configured() {
        let text = list(&config(), &Value::Null, false).unwrap();
        assert!(
            text.contains("modem") && text.contains("gammu") && text.contains("/var/spool/gammu/outbox"),
            "{text}"
        );
        assert_eq!(built(&config(), "fax").err().unwrap().code, Code::NotFound);
    }

    #[tokio::test]
    async fn a_test_without_a_collector_asks_whereto() {
        let failure = test_alone(&config(), "modem", None, None).await.unwrap_err();
        assert!(failure.reason.contains("--phone"), "{}", failure.reason);
        assert_eq!(failure.code, Code::FailedPrecondition);
    }
}
