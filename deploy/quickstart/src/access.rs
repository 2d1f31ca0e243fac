//! Who may sign in: an administrator with a random password, an API token, and `access.json` that tells programs.

use crate::place::Place;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tocsin_collector::{
    app::Collector,
    clock,
    control::{Answer, Ask},
    files,
};
use tocsin_desk::model::Role;

/// The login of the first look.
const LOGIN: &str = "admin";

/// What `access.json` says. Readable by its owner only.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Access {
    /// Console.
    pub(crate) console_url: String,
    /// API root.
    pub(crate) api_url: String,
    /// Bearer token.
    pub(crate) api_token: String,
    /// Login.
    pub(crate) login: String,
    /// Password.
    pub(crate) password: String,
    /// PEM of the authority behind the console's certificate.
    pub(crate) ca_file: PathBuf,
    /// A one-time sign-in link, printed and not written.
    #[serde(skip)]
    pub(crate) sign_in: String,
}

/// Makes the administrator the first time; afterwards reads what was made.
pub(crate) async fn prepare(place: &Place, collector: &Collector) -> anyhow::Result<Access> {
    let path = place.dir.join("access.json");
    let console_url = format!("https://localhost:{}", collector.addresses.console.port());
    let known: Option<Access> = match files::read_optional(&path)? {
        Some(text) => Some(serde_json::from_str(&text).with_context(|| {
            format!(
                "{} is damaged: delete {} to begin anew",
                path.display(),
                place.dir.display()
            )
        })?),
        None => None,
    };
    let (password, api_token) = match known {
        Some(known) => (known.password, known.api_token),
        None => (administrator(collector).await?, String::new()),
    };
    let api_token = if api_token.is_empty() {
        collector
            .control
            .create_api_token(LOGIN, "quickstart", Role::Administrator)
            .await?
    } else {
        api_token
    };
    let ca_file = place.dir.join("console-ca.pem");
    files::write_private(&ca_file, collector.console_ca.as_deref().unwrap_or_default().as_bytes())?;
    let access = Access {
        api_url: format!("{console_url}/api/v1"),
        console_url,
        api_token,
        login: LOGIN.to_owned(),
        password,
        ca_file,
        sign_in: collector.control.sign_in_link(LOGIN).await?,
    };
    files::write_private(&path, serde_json::to_string_pretty(&access)?.as_bytes())?;
    Ok(access)
}

/// Adds the administrator, on duty so that pages have somebody to reach; answers the password.
async fn administrator(collector: &Collector) -> anyhow::Result<String> {
    let password = clock::secret()?;
    let add = Ask::AddUser {
        login: LOGIN.to_owned(),
        name: "值班员 Duty".to_owned(),
        role: Role::Administrator,
        email: String::new(),
        phone: String::new(),
        customer: None,
        password: Some(password.clone()),
    };
    let set = Ask::SetPassword {
        login: LOGIN.to_owned(),
        password: password.clone(),
    };
    if let Answer::Failed { reason, .. } = collector.control.answer(add).await {
        // The person is there when an earlier start was cut off before access.json was written.
        done(collector.control.answer(set).await).context(reason)?;
    }
    done(
        collector
            .control
            .answer(Ask::SetDuty {
                login: LOGIN.to_owned(),
                on_duty: true,
            })
            .await,
    )?;
    Ok(password)
}

fn done(answer: Answer) -> anyhow::Result<()> {
    match answer {
        Answer::Done(_) => Ok(()),
        Answer::Failed { reason, .. } => anyhow::bail!(reason),
    }
}
