//! How the daemons behave towards systemd and towards mistakes of whoever starts them.

use std::{os::unix::net::UnixDatagram, path::Path, process::Command};
use tocsin_tests::{
    host::Host,
    patience::until,
    program,
    site::{self, LISTEN, Site},
};

#[tokio::test]
async fn both_daemons_tell_systemd_that_they_are_ready_and_alive() {
    let site = Site::start("").await;
    let host = Host::prepare(&site, "host", "");
    host.enrol(&site.install_string()).expect("enrols");
    for (name, mut command) in [
        ("tocsin-agent", host.command_to_run()),
        ("tocsin-collector", second_collector(&site)),
    ] {
        let path = site.path(&format!("{name}.notify"));
        let socket = UnixDatagram::bind(&path).expect("a socket of our own");
        socket.set_nonblocking(true).expect("a socket");
        command
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "400000")
            .env_remove("WATCHDOG_PID");
        let mut running = program::Running::start(&mut command, &site.path(&format!("{name}.log")));
        let mut heard = String::new();
        for word in ["READY=1", "WATCHDOG=1"] {
            until("systemd to be told", async || {
                let mut buffer = [0; 1024];
                while let Ok(length) = socket.recv(&mut buffer) {
                    heard.push_str(&String::from_utf8_lossy(&buffer[..length]));
                    heard.push('\n');
                }
                heard.contains(word).then_some(())
            })
            .await;
        }
        assert!(running.stop().await, "{name} ends well after SIGTERM");
    }
}

/// A second collector of this site with a state of its own; the command to run it.
fn second_collector(site: &Site) -> Command {
    second(
        &site.path("second.toml"),
        &format!("state_dir = {:?}\n{LISTEN}", site.path("second")),
    )
}

fn second(config: &Path, text: &str) -> Command {
    std::fs::write(config, text).expect("a configuration");
    let mut command = Command::new(program::path("tocsin-collector"));
    command.arg("--config").arg(config).arg("run");
    command
}

#[tokio::test]
async fn a_port_in_use_is_named_with_the_remedy() {
    let site = Site::start("").await;
    let text = format!(
        "state_dir = {:?}\n[listen]\nagents = \"{}\"\n",
        site.path("second"),
        site.address("agents")
    );
    let error = site::run(&mut second(&site.path("second.toml"), &text), "").expect_err("the port is in use");
    assert!(
        error.contains(&site.address("agents")) && error.contains("the port is in use"),
        "{error}"
    );
    assert!(!error.contains("panicked"), "{error}");
}

#[test]
fn all_mistakes_of_a_configuration_are_told_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("collector.toml");
    std::fs::write(&config, "stat_dir = \"x\"\n[listen]\nconsole = \"nowhere\"\n").expect("a configuration");
    let mut command = Command::new(program::path("tocsin-collector"));
    let error = site::run(command.arg("--config").arg(&config).arg("check"), "").expect_err("two mistakes");
    assert!(error.contains(":1:") && error.contains(":3:"), "{error}");
    let agent = folder.path().join("agent.toml");
    std::fs::write(&agent, "intervall = \"1s\"\nper_core = 5\n").expect("a configuration");
    let mut command = Command::new(program::path("tocsin-agent"));
    let error = site::run(command.arg("run").arg("--config").arg(&agent), "").expect_err("two mistakes");
    assert!(error.contains("intervall") && error.contains("per_core"), "{error}");
}

#[tokio::test]
async fn a_second_collector_on_the_same_state_is_refused() {
    let site = Site::start("").await;
    let text = format!("state_dir = {:?}\n{LISTEN}", site.state(""));
    let error = site::run(&mut second(&site.path("second.toml"), &text), "").expect_err("the state is in use");
    assert!(error.contains("in use"), "{error}");
    let _ = site.get("health").await;
}

#[tokio::test]
async fn a_second_agent_on_the_same_state_is_refused() {
    let site = Site::start("").await;
    let host = Host::start(&site, "host", "");
    host.is_live(&site).await;
    let error = site::run(&mut host.command_to_run(), "").expect_err("the state is in use");
    assert!(error.contains("another agent uses"), "{error}");
    host.goes_on(&site).await;
}

#[test]
fn a_state_folder_that_can_not_be_made_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").expect("a file");
    let text = format!("state_dir = {:?}\n{LISTEN}", file.join("state"));
    let error = site::run(&mut second(&folder.path().join("collector.toml"), &text), "").expect_err("no folder there");
    assert!(error.contains(&file.display().to_string()), "{error}");
    let mut agent = Command::new(program::path("tocsin-agent"));
    agent
        .arg("run")
        .arg("--config")
        .arg(folder.path().join("none.toml"))
        .arg("--state-dir")
        .arg(file.join("state"));
    let error = site::run(&mut agent, "").expect_err("no folder there");
    assert!(error.contains(&file.display().to_string()), "{error}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let agent = ["run", "--print-config"];
    let collector = ["--help"];
    for (name, arguments) in [("tocsin-agent", &agent[..]), ("tocsin-collector", &collector[..])] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = Command::new(program::path(name))
            .args(arguments)
            .stdout(writer)
            .output()
            .expect("the program runs");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!complaint.contains("panicked"), "{name}: {complaint}");
        assert_ne!(output.status.code(), Some(101), "{name}");
    }
}
