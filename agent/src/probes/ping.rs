//! Echo requests, some in a row: how many are answered, and how fast.

use super::{DURATION, LOSS, Trouble, Values};
use crate::{
    clock::SharedClock,
    echo::{ANSWER_BYTES_MAX, Echo, EchoKind, allowed_groups},
};
use rustix::io::Errno;
use std::{io, net::IpAddr, time::Duration};
use tokio::net::UdpSocket;

/// Time between two requests, so that one burst of noise does not take all of them.
const SPACING: Duration = Duration::from_millis(100);

/// Asks `requests` times and tells the share that was lost and the mean time of the answers. All of it takes less than
/// `timeout`: each request has its share.
pub(super) async fn ping(
    target: &str,
    requests: u16,
    timeout: Duration,
    clock: &SharedClock,
    values: &mut Values,
) -> Result<(), Trouble> {
    let address = look_up(target).await?;
    let Echo { socket, kind } = Echo::open(address, 0).map_err(|error| unable(error, target))?;
    // To send and to receive, a ping socket is as one of UDP.
    let socket = UdpSocket::from_std(socket.into())
        .map_err(|error| Trouble::Unable(format!("cannot wait for answers: {error}")))?;
    // What is left of the deadline after the name was looked up is watched by the caller.
    let patience = (timeout / u32::from(requests)).saturating_sub(SPACING);
    let mut answers: Vec<Duration> = Vec::new();
    let mut refused = None;
    for number in 1..=requests {
        let began = clock.mono();
        match socket.send(&kind.request(number)).await {
            Ok(_) => match tokio::time::timeout(patience, answer(&socket, kind, number)).await {
                Ok(Ok(())) => answers.push(clock.mono().saturating_sub(began)),
                Ok(Err(error)) => refused = Some(error),
                Err(_) => {}
            },
            Err(error) => refused = Some(error),
        }
        if number < requests {
            tokio::time::sleep(SPACING).await;
        }
    }
    let answered = u16::try_from(answers.len()).unwrap_or(requests);
    values.push((LOSS, f64::from(requests - answered) / f64::from(requests)));
    if answered == 0 {
        let why = refused.map_or_else(String::new, |error: io::Error| format!(": {error}"));
        return Err(Trouble::Failed(format!("none of {requests} pings was answered{why}")));
    }
    let mean = answers.iter().sum::<Duration>() / u32::from(answered);
    values.push((DURATION, mean.as_secs_f64()));
    Ok(())
}

/// Waits for the answer to a request; those to earlier ones come too late.
async fn answer(socket: &UdpSocket, kind: EchoKind, number: u16) -> io::Result<()> {
    loop {
        let mut bytes = [0; ANSWER_BYTES_MAX];
        let length = socket.recv(&mut bytes).await?;
        if kind.answered(&bytes[..length]) == Some(number) {
            return Ok(());
        }
    }
}

async fn look_up(target: &str) -> Result<IpAddr, Trouble> {
    let unknown = |why: String| Trouble::Failed(format!("cannot find the address of {target}: {why}"));
    let mut found = tokio::net::lookup_host((target, 0))
        .await
        .map_err(|error| unknown(error.to_string()))?;
    found
        .next()
        .map(|address| address.ip())
        .ok_or_else(|| unknown("it has none".to_owned()))
}

fn unable(error: Errno, target: &str) -> Trouble {
    match error {
        Errno::ACCESS | Errno::PERM => Trouble::Unable(forbidden()),
        // Without a route the question was put, and the way there is the trouble.
        Errno::NETUNREACH | Errno::HOSTUNREACH => Trouble::Failed(format!("there is no way to {target}: {error}")),
        error => Trouble::Unable(format!("cannot open a ping socket: {error}")),
    }
}

/// Why this process may not ping, and what helps.
pub(super) fn forbidden() -> String {
    format!(
        "the kernel does not let this user ping: net.ipv4.ping_group_range is `{}`; widen it with \
         `sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"`, and in /etc/sysctl.d to keep it",
        allowed_groups()
    )
}

/// Whether this process may ping at all.
pub(super) fn is_allowed() -> bool {
    !matches!(
        Echo::open(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0),
        Err(Errno::ACCESS | Errno::PERM)
    )
}
