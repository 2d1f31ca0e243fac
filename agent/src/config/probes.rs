//! `[probes]`: what this host asks of others over the network.

use super::{Mistakes, Table, read_filled};
use crate::probes::{
    EVERY_MAX, EVERY_MIN, HttpQuestion, PROBES_MAX, Probe, Question, REDIRECTS_MAX, REQUESTS_MAX, StatusPattern,
    TIMEOUT_MAX, TIMEOUT_MIN, Url, split_port,
};
use std::{ops::Range, path::PathBuf, time::Duration};
use tocsin_vocabulary::time::{format_duration, parse_duration};

/// Without `every`.
const EVERY: Duration = Duration::from_secs(30);
/// The same of certificates, which last.
const EVERY_CERTIFICATE: Duration = Duration::from_secs(3_600);
/// Without `timeout`.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Echo requests without `requests`.
const REQUESTS: u16 = 3;
/// Redirects that are followed without `redirects`.
const REDIRECTS: u16 = 5;
/// Least share of the deadline for one echo request.
const REQUEST_LEAST: Duration = Duration::from_millis(200);

pub(super) fn read_probes(table: &mut Table<'_, '_, '_>) -> Vec<Probe> {
    table.table("probes", |probes| {
        let mut found = Vec::new();
        found.extend(probes.tables("ping", |probe| read(probe, EVERY, read_ping)));
        found.extend(probes.tables("tcp", |probe| read(probe, EVERY, read_tcp)));
        found.extend(probes.tables("http", |probe| read(probe, EVERY, read_http)));
        found.extend(probes.tables("certificate", |probe| read(probe, EVERY_CERTIFICATE, read_certificate)));
        check_all(&found, probes.mistakes);
        found.into_iter().map(|(_, probe)| probe).collect()
    })
}

/// Names are unique over all kinds, for a name is what people know a probe by.
fn check_all(found: &[(Range<usize>, Probe)], mistakes: &mut Mistakes<'_>) {
    for (at, (span, probe)) in found.iter().enumerate() {
        if found[..at].iter().any(|(_, other)| other.name == probe.name) {
            let problem = format!("there are two probes named `{}`", probe.name);
            mistakes.add(span, problem, "give each its own name");
        }
        if at == PROBES_MAX {
            mistakes.add(span, format!("there are more than {PROBES_MAX} probes"), "remove some");
        }
    }
}

/// What all kinds have, and the question of one. With a mistake there is none.
fn read(
    probe: &mut Table<'_, '_, '_>,
    every: Duration,
    question: impl FnOnce(&mut Table<'_, '_, '_>) -> Option<Question>,
) -> Option<(Range<usize>, Probe)> {
    let span = probe.span.clone();
    let name = required(probe, "name", "such as \"intranet\"", filled);
    let every = duration(probe, "every", EVERY_MIN, EVERY_MAX).unwrap_or(every);
    let given = duration(probe, "timeout", TIMEOUT_MIN, TIMEOUT_MAX);
    let timeout = given.unwrap_or_else(|| TIMEOUT.min(every));
    let question = question(probe);
    if timeout > every {
        let problem = format!("`timeout` {} is longer than `every`", format_duration(timeout));
        probe
            .mistakes
            .add(&span, problem, "a probe must end before it is asked again");
    }
    if let Some(Question::Ping { requests, .. }) = question
        && timeout < REQUEST_LEAST * u32::from(requests)
    {
        let least = format_duration(REQUEST_LEAST * u32::from(requests));
        let problem = format!(
            "`timeout` {} is too short for {requests} requests",
            format_duration(timeout)
        );
        probe
            .mistakes
            .add(&span, problem, format!("at least {least}, or fewer `requests`"));
    }
    let probe = Probe {
        name: name?,
        every,
        timeout,
        question: question?,
    };
    Some((span, probe))
}

fn read_ping(probe: &mut Table<'_, '_, '_>) -> Option<Question> {
    let target = required(probe, "target", "an address or a name, such as \"192.0.2.1\"", filled);
    let requests = probe.integer("requests", 1..=REQUESTS_MAX).unwrap_or(REQUESTS);
    Some(Question::Ping {
        target: target?,
        requests,
    })
}

fn read_tcp(probe: &mut Table<'_, '_, '_>) -> Option<Question> {
    let target = required(probe, "target", "such as \"db.example:5432\"", host_and_port)?;
    Some(Question::Tcp { target })
}

fn read_http(probe: &mut Table<'_, '_, '_>) -> Option<Question> {
    let url = required(probe, "url", "such as \"https://intranet.example/health\"", |text| {
        Url::parse(text).map_err(str::to_owned)
    });
    let status = probe.texts("status", |text| match StatusPattern::parse(text) {
        Some(_) => Ok(()),
        None => Err((
            format!("`{text}` is no status"),
            "such as \"200\" or \"2xx\"".to_owned(),
        )),
    });
    let status = status.map_or_else(
        || vec![StatusPattern::Class(2)],
        |texts| texts.iter().filter_map(|text| StatusPattern::parse(text)).collect(),
    );
    let text = probe.parsed("text", "a part of the page", read_filled);
    let redirects = probe.integer("redirects", 0..=REDIRECTS_MAX).unwrap_or(REDIRECTS);
    let ca = read_ca(probe);
    let verify = probe.boolean("verify", true);
    Some(Question::Http(HttpQuestion {
        url: url?,
        status,
        text,
        redirects,
        ca,
        verify,
    }))
}

fn read_certificate(probe: &mut Table<'_, '_, '_>) -> Option<Question> {
    let target = required(probe, "target", "such as \"shop.example:443\"", host_and_port);
    let server_name = probe.parsed("server_name", "such as \"shop.example\"", |text| {
        rustls_pki_types::ServerName::try_from(text.to_owned())
            .map(|_| text.to_owned())
            .map_err(|_| format!("`{text}` is no name of a server"))
    });
    let ca = read_ca(probe);
    Some(Question::Certificate {
        target: target?,
        server_name,
        ca,
    })
}

fn read_ca(probe: &mut Table<'_, '_, '_>) -> Option<PathBuf> {
    probe.parsed("ca", "such as \"/etc/ssl/own-ca.pem\"", |text| {
        let path = PathBuf::from(text);
        if path.is_absolute() {
            Ok(path)
        } else {
            Err(format!("`{text}` does not begin with a slash"))
        }
    })
}

/// What must be there.
fn required<T>(
    probe: &mut Table<'_, '_, '_>,
    key: &'static str,
    hint: &str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let (span, before) = (probe.span.clone(), probe.mistakes.list.len());
    let found = probe.parsed(key, hint, read);
    if found.is_none() && probe.mistakes.list.len() == before {
        probe.mistakes.add(&span, format!("a probe has no `{key}`"), hint);
    }
    found
}

fn filled(text: &str) -> Result<String, String> {
    read_filled(text).map_err(str::to_owned)
}

fn host_and_port(text: &str) -> Result<String, String> {
    match split_port(text) {
        Some((_, Some(_))) => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is not host:port")),
    }
}

fn duration(probe: &mut Table<'_, '_, '_>, key: &'static str, least: Duration, most: Duration) -> Option<Duration> {
    let hint = format!("from {} to {}", format_duration(least), format_duration(most));
    probe.parsed(key, &hint, |text| {
        let duration = parse_duration(text).map_err(|error| error.to_string())?;
        if (least..=most).contains(&duration) {
            Ok(duration)
        } else {
            Err(format!("`{text}` is out of bounds"))
        }
    })
}
