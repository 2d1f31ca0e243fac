//! Hosts behind a link that is cut, and a host whose clock jumps: what is said of them is what is so.

use serde_json::Value;
use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};
use tocsin_tests::{
    fault::{group, rule, stand_in},
    host::Host,
    patience::until,
    program,
    site::{Site, rules_dir},
};

const SILENT: &str = "[[rule]]\nname = \"silent\"\nno_data = \"4s\"\nseverity = \"critical\"\naction = \"ticket\"\n\
    title.en = \"{host} is silent\"\ntitle.zh = \"{host}\"\nremedy.en = \"look\"\nremedy.zh = \"look\"\n";

async fn alerts(site: &Site, filter: &str) -> Vec<Value> {
    let list = site.get(&format!("alerts?limit=500&{filter}")).await;
    list["items"].as_array().cloned().unwrap_or_default()
}

/// Runs a line of words; whether it went well.
fn ip(line: &str) -> bool {
    let status = Command::new("ip").args(line.split(' ')).status();
    status.is_ok_and(|status| status.success())
}

/// A network namespace with one link to this one.
struct Namespace {
    name: String,
    /// The link's end within.
    inner: String,
    /// The address of the end outside.
    gateway: String,
}

impl Namespace {
    /// None where this can't be made.
    fn new() -> Option<Self> {
        let pid = std::process::id();
        let net = format!("10.213.{}", pid % 250);
        let own = Self {
            name: format!("tocsin-{pid}"),
            inner: format!("tvi{pid}"),
            gateway: format!("{net}.1"),
        };
        let (name, inner, outer) = (&own.name, &own.inner, format!("tvo{pid}"));
        let made = [
            format!("netns add {name}"),
            format!("link add {outer} type veth peer name {inner} netns {name}"),
            format!("address add {net}.1/24 dev {outer}"),
            format!("link set {outer} up"),
            format!("-n {name} address add {net}.2/24 dev {inner}"),
            format!("-n {name} link set lo up"),
            format!("-n {name} link set {inner} up"),
        ]
        .iter()
        .all(|line| ip(line));
        made.then_some(own)
    }

    fn link(&self, state: &str) {
        let line = format!("-n {} link set {} {state}", self.name, self.inner);
        assert!(ip(&line), "cannot set the link {state}");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // With it goes its link.
        let _ = ip(&format!("netns delete {}", self.name));
    }
}

/// A program that becomes the agent after `before`, where the agent shall run; other commands run here.
fn wrapped(folder: &Path, before: &str) -> PathBuf {
    let agent = program::path("tocsin-agent");
    let agent = agent.display();
    let script =
        format!("#!/bin/sh\ncase \"$1\" in\nrun) exec {before} {agent} \"$@\" ;;\n*) exec {agent} \"$@\" ;;\nesac\n");
    let path = folder.join("agent");
    std::fs::write(&path, script).expect("a script");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a program");
    path
}

#[tokio::test]
async fn a_site_that_is_cut_off_is_unreachable_and_one_that_is_not_stays_well() {
    const STORY: &str = "a_site_that_is_cut_off_is_unreachable_and_one_that_is_not_stays_well";
    if !program::is_root() {
        return program::skipped(STORY, "only root may make network namespaces");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let Some(namespace) = Namespace::new() else {
        return program::skipped(STORY, "a network namespace can't be made");
    };
    let mut site = Site::start(&rules_dir(folder.path(), SILENT)).await;
    // The far site comes in by its own address of the link.
    let agents = site.address("agents");
    let port = agents.rsplit(':').next().expect("a port").to_owned();
    site.change_config(
        &format!("agents = \"{agents}\""),
        &format!("agents = \"0.0.0.0:{port}\""),
    );
    site.collector().kill();
    site.run().await;
    let program = wrapped(folder.path(), &format!("ip netns exec {}", namespace.name));
    let near = Host::start(&site, "near", &format!("collectors = [\"127.0.0.1:{port}\"]\n"));
    let mut far = Vec::new();
    for name in ["far-1", "far-2", "far-3"] {
        let collectors = format!("collectors = [\"{}:{port}\"]\n", namespace.gateway);
        let mut host = Host::prepare(&site, name, &collectors).with_program(program.clone());
        host.enrol(&site.install_string()).expect("a fresh token enrols");
        host.run();
        far.push(host);
    }
    for host in far.iter().chain([&near]) {
        host.is_live(&site).await;
    }

    namespace.link("down");
    let raised = until("all of the far site to be told as unreachable", async || {
        let raised = alerts(&site, "state=raised").await;
        let unreachable = raised.iter().filter(|alert| alert["silence"] == "host_unreachable");
        (unreachable.count() == far.len()).then_some(raised)
    })
    .await;
    let silent: Vec<&Value> = raised.iter().map(|alert| &alert["host"]).collect();
    assert_eq!(raised.len(), far.len(), "{raised:?}");
    assert!(!silent.contains(&&Value::from(near.id())), "{raised:?}");

    namespace.link("up");
    until("all to be heard again", async || {
        alerts(&site, "state=raised").await.is_empty().then_some(())
    })
    .await;
    assert_eq!(alerts(&site, "").await.len(), far.len(), "each was raised once");
}

#[tokio::test]
async fn a_clock_that_jumps_by_eight_hours_mutes_nothing_and_alarms_nobody() {
    const STORY: &str = "a_clock_that_jumps_by_eight_hours_mutes_nothing_and_alarms_nobody";
    let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
    let other = "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1";
    let Some(library) = [library, other].into_iter().find(|path| Path::new(path).exists()) else {
        return program::skipped(STORY, "there is no libfaketime: install the package faketime");
    };
    let folder = tempfile::tempdir().expect("a folder");
    let name = format!("jump-{}", std::process::id());
    let site = Site::start(&rules_dir(
        folder.path(),
        &format!("{}{}", rule(&name), SILENT.replace("4s", "30s")),
    ))
    .await;
    let offset = folder.path().join("offset");
    let jump = |by: &str| {
        let new = folder.path().join("new");
        std::fs::write(&new, by).expect("a file");
        std::fs::rename(new, &offset).expect("a file");
    };
    jump("+0");
    let before = format!(
        "env LD_PRELOAD={library} DONT_FAKE_MONOTONIC=1 FAKETIME_NO_CACHE=1 FAKETIME_TIMESTAMP_FILE={}",
        offset.display()
    );
    let mut process = stand_in(folder.path(), &name);
    let mut host = Host::prepare(&site, "host", &group(&name)).with_program(wrapped(folder.path(), &before));
    host.enrol(&site.install_string()).expect("a fresh token enrols");
    host.run();
    host.is_live(&site).await;
    let down = async |state: &str, wanted: usize| {
        until(&format!("{wanted} alerts {state}"), async || {
            (alerts(&site, &format!("state={state}")).await.len() == wanted).then_some(())
        })
        .await;
    };
    for (round, by) in (1_usize..).zip(["+8h", "-8h"]) {
        jump(by);
        until("the jump to be told", async || {
            let events = site.get(&format!("hosts/{}/events?from=0", host.id())).await;
            let jumps = events["items"]
                .as_array()?
                .iter()
                .filter(|event| event["name"] == "clock.jumped");
            (jumps.count() >= round).then_some(())
        })
        .await;
        process.kill();
        down("raised", 1).await;
        // Nor does it matter for coming back.
        host.agent().kill();
        host.run();
        process = stand_in(folder.path(), &name);
        down("raised", 0).await;
    }
    let all = alerts(&site, "").await;
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(all.iter().all(|alert| alert["rule"] == "down"), "no silence: {all:?}");
}
