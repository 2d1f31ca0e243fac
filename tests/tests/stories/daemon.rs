//! How the daemons behave towards systemd and towards mistakes of whoever starts them.

use std::{os::unix::net::UnixDatagram, process::Command};
use tocsin_tests::{host::Host, patience::until, program, site::{self, Site}};

#[tokio::test]
async fn both_daemons_tell_systemd_that_they_are_ready_and_alive() {
    let site = Site::start("").await;
    let host = Host::prepare(&site, "host", "");
    host.enrol(&site.install_string()).expect("enrols");
    for (name, mut command) in [("tocsin-agent", host.command_to_run()), ("tocsin-collector", second_collector(&site))] {
        let path = site.path(&format!("{name}.notify"));
        let socket = UnixDatagram::bind(&path).expect("a socket of our own");
        socket.set_nonblocking(true).expect("a socket");
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "400000").env_remove("WATCHDOG_PID");
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

fn second_collector(site: &Site) -> Command {
    let config = site.path("second.toml");
    let text = format!(
        "state_dir = {:?}\n[listen]\nagents = \"127.0.0.1:0\"\nenrolment = \"127.0.0.1:0\"\nconsole = \"127.0.0.1:0\"\n",
        site.path("second")
    );
    std::fs::write(&config, text).expect("a configuration");
    let mut command = Command::new(program::path("tocsin-collector"));
    command.arg("--config").arg(config).arg("run");
    command
}

#[tokio::test]
async fn a_port_in_use_is_named_with_the_remedy() {
    let site = Site::start("").await;
    let config = site.path("second.toml");
    let text = format!("state_dir = {:?}\n[listen]\nagents = \"{}\"\n", site.path("second"), site.address("agents"));
    std::fs::write(&config, text).expect("a configuration");
    let mut command = Command::new(program::path("tocsin-collector"));
    let error = site::run(command.arg("--config").arg(config).arg("run"), "").expect_err("the port is in use");
    assert!(error.contains(&site.address("agents")) && error.contains("in use"), "{error}");
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
    let error = site::run(command.arg("--config").arg(&agent).arg("check"), "").expect_err("two mistakes");
    assert!(error.contains("intervall") && error.contains("per_core"), "{error}");
}

#[tokio::test]
async fn a_second_collector_on_the_same_state_is_refused() {
    let site = Site::start("").await;
    let text = std::fs::read_to_string(site.path("collector.toml")).expect("the configuration");
    let free: Vec<&str> = text.split("[listen]").take(1).collect();
    let config = site.path("second.toml");
    let text = format!("{}[listen]\nagents = \"127.0.0.1:0\"\nenrolment = \"127.0.0.1:0\"\nconsole = \"127.0.0.1:0\"\n", free[0]);
    std::fs::write(&config, text).expect("a configuration");
    let mut command = Command::new(program::path("tocsin-collector"));
    let error = site::run(command.arg("--config").arg(config).arg("run"), "").expect_err("the state is in use");
    assert!(!error.is_empty());
    let _ = site.get("health").await;
}
