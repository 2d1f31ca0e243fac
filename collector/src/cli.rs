//! The command line beside a running daemon: asks over its socket, prints for people or as JSON.

mod plans;

pub use plans::{Again, Guard, Listing, Silence, Topology, When, Whom, Window};

use crate::{
    backups,
    channel_command::ChannelAsk,
    config::{self, Config},
    control::{self, Answer, Ask as Request, room::RoomAsk},
};
use clap::Subcommand;
use serde_json::Value;
use std::{
    io::{IsTerminal as _, Read as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};
use tocsin_desk::{duty::DutyAct, model::Role};
use tocsin_vocabulary::{Language, Timestamp, time::HumanDuration, time::parse_duration};

/// What can be asked of a running collector.
#[derive(Debug, Subcommand)]
pub enum Ask {
    /// Where the listeners are, and whether every part does its work
    Status,
    /// Enrolment tokens
    #[command(after_help = "\
Example:
  tocsin-collector token create --host-name db1 > db1.install")]
    #[command(subcommand)]
    Token(Token),
    /// Hosts
    #[command(subcommand)]
    Agent(Agent),
    /// People and API tokens
    #[command(after_help = "\
Examples:
  tocsin-collector user add wang --name 王芳 --role operator --email wang@example.org --phone 13800000001
  tocsin-collector user contact wang --phone 13800000001 --staff 07   lets wang accept by SMS: 1042 07
  tocsin-collector user duty wang on                                  pages go to wang, as long as there is no roster
  tocsin-collector user password wang < password.txt")]
    #[command(subcommand)]
    User(User),
    /// Silences: pages withheld for a time
    #[command(after_help = "\
Examples:
  tocsin-collector silence add --host db1 --rule 'disk-*' --for 2h --reason 'new controller'
  tocsin-collector silence list
  tocsin-collector silence end ID            what still holds pages at once")]
    #[command(subcommand)]
    Silence(Silence),
    /// Maintenance windows: planned work, once or again and again
    #[command(after_help = "\
Examples:
  tocsin-collector window add --host db1 --from 2026-12-05T22:00 --for 4h --owner wang --reason firmware
  tocsin-collector window add --tag db --every 'weekly sun' --at 02:00 --for 3h --owner wang --reason backups
  tocsin-collector window list --all")]
    #[command(subcommand)]
    Window(Window),
    /// Guarded periods: stricter rules, pages sooner
    #[command(after_help = "\
Examples:
  tocsin-collector guard add --host db1 --from 2026-12-20T00:00 --until 2026-12-27T00:00 --owner wang --reason congress
  tocsin-collector guard list")]
    #[command(subcommand)]
    Guard(Guard),
    /// What assets hang on: a host on its switch, a guest on its hypervisor
    #[command(after_help = "\
Examples:
  tocsin-collector topology parent db1 switch-a     both are assets: see topology list
  tocsin-collector topology parent db1 --none
  tocsin-collector topology import parents.csv      lines ASSET,PARENT; an empty parent means none
  tocsin-collector topology withheld                what is held back now, and why")]
    #[command(subcommand)]
    Topology(Topology),
    /// Backup jobs: the plan, its runs, what is missing
    #[command(after_help = "\
Examples:
  tocsin-collector job add --host db1 nightly --schedule '30 2 * * *' --grace 30m --rpo 26h
  tocsin-collector job list
  tocsin-collector job runs --host db1 nightly
  tocsin-collector job done --host db1 nightly --reason 'tape was full, run again by hand'
  tocsin-collector job coverage                   which hosts of each contract a job covers
  tocsin-collector job summary --period month     the last whole month in figures
  tocsin-collector job intake                     what appliances sent, and what was made of it")]
    #[command(subcommand)]
    Job(backups::JobCommand),
    /// Points of a metric as JSON
    Query {
        /// Host name or id
        host: String,
        /// Metric name, such as system.cpu.utilization
        metric: String,
        /// Only series with this attribute, KEY=VALUE; may be given several times
        #[arg(long = "where", value_name = "KEY=VALUE")]
        attributes: Vec<String>,
        /// From: RFC 3339, epoch milliseconds, or -1h for one hour ago
        #[arg(long, default_value = "-1h", allow_hyphen_values = true)]
        from: String,
        /// To: as --from; now without it
        #[arg(long, allow_hyphen_values = true)]
        to: Option<String>,
        /// One point per step, such as 1m
        #[arg(long)]
        step: Option<String>,
    },
}

/// Enrolment tokens.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a single-use token; prints the install string for `tocsin-agent enrol`
    Create {
        /// Name that the host will bear; its hostname without it
        #[arg(long, default_value = "")]
        host_name: String,
        /// How long it is good: at most 7d
        #[arg(long, default_value = "24h")]
        expires: String,
    },
}

/// Hosts.
#[derive(Debug, Subcommand)]
pub enum Agent {
    /// List hosts and how they are doing
    List,
    /// Set a host's tags, in place of those that it bears: rules, windows, guarded periods and retention classes name them
    #[command(after_help = "\
A tag group:NAME puts the host into the group NAME, which overrides of thresholds name.

Examples:
  tocsin-collector agent tag db1 db production group:databases
  tocsin-collector agent tag db1 --none")]
    Tag {
        /// Host name or id
        host: String,
        /// What it bears from now on
        #[arg(value_name = "TAG", required_unless_present = "none", conflicts_with = "none")]
        tags: Vec<String>,
        /// It bears none
        #[arg(long)]
        none: bool,
    },
    /// Shut a host out: its stream ends at once, its certificate is no longer accepted
    Revoke {
        /// Host name or id
        host: String,
    },
}

/// People.
#[derive(Debug, Subcommand)]
pub enum User {
    /// Add a person; prints a one-time sign-in link unless a password comes on standard input
    Add {
        /// What they sign in with
        login: String,
        /// What others call them; the login without it
        #[arg(long)]
        name: Option<String>,
        /// administrator, operator, team_lead, supervisor, auditor, customer or kiosk
        #[arg(long, default_value = "operator")]
        role: String,
        /// Mail address for pages
        #[arg(long, default_value = "")]
        email: String,
        /// Phone number for pages
        #[arg(long, default_value = "")]
        phone: String,
        /// For the role customer: name of the customer whose things they see
        #[arg(long)]
        customer: Option<String>,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// List people
    List,
    /// Put a person on or off duty: who is on duty is paged
    Duty {
        /// Login
        login: String,
        /// on or off
        state: String,
    },
    /// Set how a person is reached, and the staff number by which they answer by SMS; empty takes it away
    #[command(after_help = "\
Example; from this phone `1042 07` then accepts ticket 1042:
  tocsin-collector user contact wang --phone 13800000001 --staff 07")]
    Contact {
        /// Login
        login: String,
        /// Phone number, with + and country code if needed
        #[arg(long)]
        phone: Option<String>,
        /// Mail address
        #[arg(long)]
        email: Option<String>,
        /// Staff number: at most 16 letters and digits
        #[arg(long)]
        staff: Option<String>,
    },
    /// Set the PIN that a person signs handovers with, read from standard input: 4 to 12 digits
    Pin {
        /// Login
        login: String,
    },
    /// Set a password, read from standard input
    Password {
        /// Login
        login: String,
    },
    /// Print a new one-time sign-in link
    SignInLink {
        /// Login
        login: String,
    },
    /// Make an API token; it is shown this once
    ApiToken {
        /// Login of the person who answers for it
        login: String,
        /// What it is for
        #[arg(long, default_value = "api")]
        name: String,
        /// administrator, operator, team_lead, supervisor, auditor or kiosk
        #[arg(long, default_value = "supervisor")]
        role: String,
    },
}

/// Asks the collector that `config` describes and prints what it says.
pub async fn ask(config: &Config, ask: Ask) -> ExitCode {
    let (request, json) = match request(ask) {
        Ok(request) => request,
        Err(message) => return fail(&message, 2),
    };
    match control::ask(&socket(config), &request).await {
        Ok(Answer::Done(value)) if json => print(&value.to_string()),
        Ok(Answer::Done(value)) => print(&render(&request, &value)),
        Ok(Answer::Failed { code, reason }) => fail(&reason, code.exit_status()),
        Err(message) => fail(&message, 6),
    }
}

/// The configured socket, or the installed one when the state folder is the installed one.
pub(crate) fn socket(config: &Config) -> PathBuf {
    let installed = PathBuf::from(config::DEFAULT_SOCKET);
    if config.socket.is_none() && installed.exists() && !config.socket_path().exists() {
        return installed;
    }
    config.socket_path()
}

/// The request, and whether JSON is wanted in place of words.
fn request(ask: Ask) -> Result<(Request, bool), String> {
    let request = match ask {
        Ask::Silence(ask) => return plans::silence(ask),
        Ask::Window(ask) => return plans::window(ask),
        Ask::Guard(ask) => return plans::guard(ask),
        Ask::Topology(ask) => return plans::topology(ask),
        Ask::Status => Request::Status,
        Ask::Job(job) => Request::Job(job.ask()?),
        Ask::Token(Token::Create { host_name, expires }) => Request::CreateToken {
            host_name,
            expires: duration(&expires)?,
        },
        Ask::Agent(Agent::List) => Request::ListAgents,
        Ask::Agent(Agent::Tag { host, tags, none: _ }) => Request::TagHost { host, tags },
        Ask::Agent(Agent::Revoke { host }) => Request::RevokeAgent { host },
        Ask::User(User::Add {
            login,
            name,
            role,
            email,
            phone,
            customer,
            password_stdin,
        }) => Request::AddUser {
            phone,
            customer,
            name: name.unwrap_or_else(|| login.clone()),
            login,
            role: parse_role(&role)?,
            email,
            password: if password_stdin { Some(read_password()?) } else { None },
        },
        Ask::User(User::List) => Request::ListUsers,
        Ask::User(User::Duty { login, state }) => Request::SetDuty {
            login,
            on_duty: match state.as_str() {
                "on" => true,
                "off" => false,
                other => return Err(format!("`{other}` is neither on nor off")),
            },
        },
        Ask::User(User::Contact {
            login,
            phone,
            email,
            staff,
        }) => Request::Channel(ChannelAsk::Contact {
            login,
            phone,
            email,
            staff,
        }),
        Ask::User(User::Password { login }) => Request::SetPassword {
            login,
            password: read_password()?,
        },
        Ask::User(User::Pin { login }) => Request::Room {
            ask: RoomAsk::Act {
                act: DutyAct::SetPin {
                    login,
                    pin: read_password()?,
                },
            },
        },
        Ask::User(User::SignInLink { login }) => Request::SignInLink { login },
        Ask::User(User::ApiToken { login, name, role }) => Request::CreateApiToken {
            login,
            name,
            role: parse_role(&role)?,
        },
        Ask::Query {
            host,
            metric,
            attributes,
            from,
            to,
            step,
        } => Request::Query {
            host,
            metric,
            attributes: attributes
                .iter()
                .map(|pair| attribute(pair))
                .collect::<Result<_, _>>()?,
            from: instant(&from)?,
            to: instant(to.as_deref().unwrap_or("-0s"))?,
            step: step.as_deref().map(duration).transpose()?,
        },
    };
    Ok((request, false))
}

fn duration(text: &str) -> Result<HumanDuration, String> {
    parse_duration(text)
        .map(HumanDuration)
        .map_err(|error| error.to_string())
}

pub(crate) fn instant(text: &str) -> Result<Timestamp, String> {
    match text.strip_prefix('-') {
        Some(ago) => {
            let ago = parse_duration(ago).map_err(|error| error.to_string())?;
            Ok((crate::clock::system())().minus(ago))
        }
        None => text
            .parse()
            .map_err(|error: tocsin_vocabulary::time::ParseTimestampError| error.to_string()),
    }
}

fn attribute(pair: &str) -> Result<(String, String), String> {
    pair.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("`{pair}` is not KEY=VALUE"))
}

fn parse_role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| {
        let known: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
        format!("`{text}` is not a role: expected {}", known.join(", "))
    })
}

/// A password from standard input, so that it is in no argument list and no shell history.
pub(crate) fn read_password() -> Result<String, String> {
    let mut input = std::io::stdin();
    if input.is_terminal() {
        let _ = write!(
            std::io::stderr(),
            "password (shown while you type; better pipe it in): "
        );
    }
    let mut text = String::new();
    let read = if input.is_terminal() {
        input.read_line(&mut text)
    } else {
        input.read_to_string(&mut text)
    };
    read.map_err(|error| format!("cannot read the password: {error}"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// What people read for an answer.
fn render(request: &Request, value: &Value) -> String {
    let text = |value: &Value, path: &str| -> String {
        match value.pointer(path) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => "-".to_owned(),
            Some(other) => other.to_string(),
        }
    };
    match request {
        Request::CreateToken { .. } => text(value, "/install"),
        Request::SignInLink { .. } => text(value, "/url"),
        Request::CreateApiToken { .. } => text(value, "/token"),
        Request::AddUser { .. } => match value.get("sign_in") {
            Some(Value::String(url)) => format!("added; first sign-in, once, within an hour: {url}"),
            _ => "added".to_owned(),
        },
        Request::Job(ask) => backups::render(ask, value),
        Request::ListAgents => {
            let rows = value.as_array().into_iter().flatten();
            let mut lines = vec![format!("{:<38}{:<24}{:<10}LAST SEEN", "ID", "NAME", "STATE")];
            lines.extend(rows.map(|host| {
                let seen = host
                    .get("last_seen_at")
                    .and_then(Value::as_i64)
                    .map_or_else(|| "-".to_owned(), |millis| Timestamp::from_millis(millis).to_string());
                let name = printable(&text(host, "/record/name"));
                format!(
                    "{:<38}{name:<24}{:<10}{seen}",
                    text(host, "/record/id"),
                    text(host, "/state")
                )
            }));
            lines.join("\n")
        }
        Request::ListUsers => {
            let rows = value.as_array().into_iter().flatten();
            let mut lines = vec![format!("{:<20}{:<24}{:<16}ON DUTY", "LOGIN", "NAME", "ROLE")];
            lines.extend(rows.map(|person| {
                let duty = if person.get("on_duty").and_then(Value::as_bool) == Some(true) {
                    "yes"
                } else {
                    "no"
                };
                format!(
                    "{:<20}{:<24}{:<16}{duty}",
                    printable(&text(person, "/login")),
                    printable(&text(person, "/name")),
                    text(person, "/role")
                )
            }));
            lines.join("\n")
        }
        Request::Plan(ask) => plans::render(ask, value),
        Request::Status
        | Request::Query { .. }
        | Request::Clocks { .. }
        | Request::Amend { .. }
        | Request::Backup { .. }
        | Request::Verify
        | Request::ReplayRules(_) => value.to_string(),
        Request::Channel(_)
        | Request::RevokeAgent { .. }
        | Request::TagHost { .. }
        | Request::SetDuty { .. }
        | Request::SetPassword { .. }
        | Request::Paper { .. }
        | Request::Account { .. }
        | Request::Room { .. } => "done".to_owned(),
    }
}

/// The language of the environment.
pub(crate) fn language() -> Language {
    let set = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(|name| {
        let value = std::env::var(name).ok()?;
        (!value.is_empty()).then_some(value)
    });
    set.and_then(|tag| Language::from_tag(&tag))
        .unwrap_or(Language::English)
}

/// A name from a monitored host on a terminal: control characters can't move the cursor.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{FFFD}' } else { c })
        .collect()
}

/// Prints on standard output; a closed pipe is no error.
pub fn print(text: &str) -> ExitCode {
    let _ = writeln!(std::io::stdout(), "{text}");
    ExitCode::SUCCESS
}

/// Says on standard error why it is not done, and with which status to end.
pub(crate) fn fail(message: &str, status: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "tocsin-collector: {message}");
    ExitCode::from(status)
}
