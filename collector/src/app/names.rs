//! Under which names hosts and browsers reach this collector.

use crate::config::Config;
use std::net::SocketAddr;

/// Where people reach the console.
pub(super) fn console_url(config: &Config, console: SocketAddr, names: &[String]) -> String {
    config.public_url.clone().unwrap_or_else(|| {
        let name = if console.ip().is_loopback() {
            "localhost"
        } else {
            names.first().map_or("localhost", String::as_str)
        };
        format!("https://{name}:{}", console.port())
    })
}

/// `host:port` list for install strings.
pub(super) fn enrolment_addresses(enrolment: SocketAddr, names: Vec<String>) -> Vec<String> {
    let names = if enrolment.ip().is_loopback() {
        vec!["127.0.0.1".to_owned()]
    } else {
        names
    };
    names
        .iter()
        .map(|name| format!("{name}:{}", enrolment.port()))
        .collect()
}

/// Names under which hosts and browsers may reach this machine: configured ones first.
pub(super) fn reachable_names(config: &Config) -> Vec<String> {
    let mut names = config.console_names.clone();
    if let Some(host) = config
        .public_url
        .as_deref()
        .and_then(|url| url.strip_prefix("https://"))
    {
        names.push(host.split([':', '/']).next().unwrap_or(host).to_owned());
    }
    if let Ok(hostname) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
        names.push(hostname.trim().to_owned());
    }
    names.retain(|name| !name.is_empty());
    names.dedup();
    names
}
