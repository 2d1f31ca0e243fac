//! From the start of the quickstart to the first sample, and from Ctrl-C to its end.

use super::now;
use serde_json::Value;
use std::{path::Path, process::Command};
use tocsin_tests::{
    figures::Figures,
    patience::until,
    program::{self, Running},
};

pub(super) async fn measure(tries: usize) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (mut starts, mut ends) = (Figures::default(), Figures::default());
    for _ in 0..tries {
        let folder = tempfile::tempdir().expect("a folder");
        let began = now();
        let mut command = Command::new(program::path("tocsin-quickstart"));
        command
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .args(["--port", "0"]);
        let mut look = Running::start(&mut command, &folder.path().join("look.log"));
        first_sample(&folder.path().join("data")).await;
        starts.add(began.elapsed());
        let asked = now();
        look.signal("INT");
        until("the quickstart to end", async || look.ended()).await;
        ends.add(asked.elapsed());
    }
    println!("{tries} tries, an empty folder each; milliseconds, read every 20 ms");
    println!("{:<24}{}", "", Figures::HEAD);
    println!("{:<24}{starts}", "start → first sample");
    println!("{:<24}{ends}", "Ctrl-C → ended");
}

/// Waits until the API shows values of this host.
async fn first_sample(data: &Path) {
    let access: Value = until("access.json", async || {
        serde_json::from_slice(&std::fs::read(data.join("access.json")).ok()?).ok()
    })
    .await;
    let ca = std::fs::read(access["ca_file"].as_str().expect("a file")).expect("an authority");
    let ca = reqwest::Certificate::from_pem(&ca).expect("a certificate");
    let http = reqwest::Client::builder()
        .tls_certs_only([ca])
        .build()
        .expect("a client");
    let get = async |path: String| -> Option<Value> {
        let url = format!("{}/{path}", access["api_url"].as_str()?);
        http.get(url)
            .bearer_auth(access["api_token"].as_str()?)
            .send()
            .await
            .ok()?
            .json()
            .await
            .ok()
    };
    until("the first sample", async || {
        let hosts = get("hosts".to_owned()).await?;
        let series = get(format!("hosts/{}/series", hosts["items"][0]["id"].as_str()?)).await?;
        series["items"]
            .as_array()?
            .iter()
            .any(|one| one["value"].is_number())
            .then_some(())
    })
    .await;
}
