//! What a newcomer sees: the quickstart, from its first line to Ctrl-C and back.

use serde_json::Value;
use std::{path::Path, process::Command};
use tocsin_tests::{
    patience::until,
    program::{self, Running},
};

struct Look {
    running: Running,
    access: Value,
    http: reqwest::Client,
}

impl Look {
    async fn start(folder: &Path, more: &[&str]) -> Self {
        let data = folder.join("data");
        let _ = std::fs::remove_file(folder.join("look.log"));
        let before = access(&data);
        let mut command = Command::new(program::path("tocsin-quickstart"));
        command.arg("--data-dir").arg(&data).args(["--port", "0"]).args(more);
        let mut running = Running::start(&mut command, &folder.join("look.log"));
        let access = until("access.json of this start", async || {
            assert!(running.is_running(), "it ended: {}", running.printed());
            // It has greeted once the console's address of this start is printed and written.
            let now =
                access(&data).filter(|now| running.printed().contains(now["console_url"].as_str().unwrap_or("?")))?;
            (Some(&now) != before.as_ref() || running.printed().contains("sign in once")).then_some(now)
        })
        .await;
        let ca = std::fs::read(access["ca_file"].as_str().expect("a file")).expect("an authority");
        let ca = reqwest::Certificate::from_pem(&ca).expect("a certificate");
        let http = reqwest::Client::builder()
            .tls_certs_only([ca])
            .build()
            .expect("a client");
        Self { running, access, http }
    }

    async fn get(&self, path: &str) -> Value {
        let url = format!("{}/{path}", self.access["api_url"].as_str().expect("an address"));
        let answer = self
            .http
            .get(url)
            .bearer_auth(self.access["api_token"].as_str().expect("a token"))
            .send()
            .await;
        let answer = answer.expect("the API answers");
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.expect("JSON")
    }

    async fn host(&self) -> Value {
        until("this machine's first sample", async || {
            let hosts = self.get("hosts").await;
            let host = hosts["items"].as_array()?.first()?.clone();
            let series = self.get(&format!("hosts/{}/series", host["id"].as_str()?)).await;
            (series["items"].as_array()?.len() > 20).then_some(host)
        })
        .await
    }

    /// Ctrl-C.
    async fn end(&mut self) {
        self.running.signal("INT");
        let well = until("it to end after Ctrl-C", async || self.running.ended()).await;
        assert!(well, "{}", self.running.printed());
    }
}

fn access(data: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(data.join("access.json")).ok()?).ok()
}

#[tokio::test]
async fn a_newcomer_sees_this_machine_causes_a_fault_and_comes_back_to_it() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().expect("a folder");
    let mut look = Look::start(folder.path(), &[]).await;
    let host = look.host().await;
    for key in ["console_url", "api_url", "api_token", "login", "password", "ca_file"] {
        assert!(look.access[key].is_string(), "{key} is in access.json");
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(folder.path().join("data/access.json"))
            .expect("a file")
            .permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);

    let printed = look.running.printed();
    let pid = printed
        .split_once("kill ")
        .and_then(|(_, rest)| rest.split_whitespace().next())
        .expect("what to kill");
    until("the stand-in to be counted", async || {
        let series = look.get(&format!("hosts/{}/series", host["id"].as_str()?)).await;
        let group = series["items"]
            .as_array()?
            .iter()
            .find(|one| one["name"] == "tocsin.process.group.count")?
            .clone();
        (group["value"].as_f64()? >= 1.0).then_some(())
    })
    .await;
    assert!(Command::new("kill").arg(pid).status().expect("`kill` runs").success());
    let ticket = until("a ticket", async || {
        look.get("tickets?state=open").await["items"][0]["number"].as_u64()
    })
    .await;
    until("the ticket and its page to be told", async || {
        let printed = look.running.printed();
        (printed.contains(&format!("ticket #{ticket}")) && printed.contains("page to")).then_some(())
    })
    .await;
    look.end().await;

    let mut again = Look::start(folder.path(), &[]).await;
    assert_eq!(again.host().await["id"], host["id"], "the same host");
    assert_eq!(
        again.get(&format!("tickets/{ticket}")).await["number"],
        ticket,
        "the ticket is still there"
    );
    again.end().await;
}

#[tokio::test]
async fn a_drill_tells_each_step() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().expect("a folder");
    let mut look = Look::start(folder.path(), &["--drill"]).await;
    let steps = [
        "stand-in ended",
        "fault seen after",
        "opened after",
        "page sent to",
        "accepted after",
        "restored by itself",
    ];
    for step in steps {
        until(step, async || look.running.printed().contains(step).then_some(())).await;
    }
    let tickets = look.get("tickets?state=restored").await;
    assert_eq!(tickets["items"].as_array().map(Vec::len), Some(1));
    look.end().await;
}
