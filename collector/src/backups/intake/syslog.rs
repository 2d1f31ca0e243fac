//! Listeners of what appliances send: syslog over UDP and TCP (RFC 3164, RFC 5424, framed as RFC 6587 has it), SNMP traps over
//! UDP. Who is on no source's list is not listened to.

use super::{Intake, Way};
use std::{net::IpAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader},
    net::{TcpListener, UdpSocket},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// A datagram is no longer.
const DATAGRAM_BYTES_MAX: usize = 64 * 1024;
/// Longest message over TCP, in bytes.
const MESSAGE_BYTES_MAX: u64 = 64 * 1024;
/// Connections at the same time.
const CONNECTIONS_MAX: usize = 64;
/// A sender that was silent for so long has to connect again.
const SILENCE_MAX: Duration = Duration::from_secs(3_600);
/// After the system refused something, it is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// Listens for datagrams until cancelled.
pub(super) async fn datagrams(way: Way, socket: UdpSocket, intake: Arc<Intake>, cancel: CancellationToken) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let received = tokio::select! {
            () = cancel.cancelled() => return,
            received = socket.recv_from(&mut buffer) => received,
        };
        let Ok((bytes, sender)) = received else {
            tokio::time::sleep(RETRY).await;
            continue;
        };
        let answer = intake.heard(way, sender.ip(), &buffer[..bytes]);
        if let Some(answer) = answer {
            // Whoever gets none asks again.
            let _ = socket.try_send_to(&answer, sender);
        }
    }
}

/// Listens for connections until cancelled.
pub(super) async fn connections(listener: TcpListener, intake: Arc<Intake>, cancel: CancellationToken) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            () = cancel.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, sender)) = accepted else {
            tokio::time::sleep(RETRY).await;
            continue;
        };
        if !intake.knows(sender.ip()) {
            continue; // dropped, and so closed
        }
        let Ok(place) = room.clone().try_acquire_owned() else {
            tracing::warn!(%sender, "more than {CONNECTIONS_MAX} connections of syslog; this one is closed");
            continue;
        };
        let (intake, cancel) = (intake.clone(), cancel.clone());
        tokio::spawn(async move {
            let _place = place;
            tokio::select! {
                () = cancel.cancelled() => {}
                () = messages(stream, sender.ip(), &intake) => {}
            }
        });
    }
}

/// Reads messages until the sender has gone, is silent for too long, or sends what is none.
async fn messages(stream: impl AsyncRead + Unpin, sender: IpAddr, intake: &Intake) {
    let mut stream = BufReader::new(stream);
    loop {
        match timeout(SILENCE_MAX, message(&mut stream)).await {
            Ok(Ok(Some(bytes))) => {
                // A full queue holds the sender up, for here nothing need be lost.
                intake.room().await;
                let _ = intake.heard(Way::Syslog, sender, &bytes);
            }
            Ok(Ok(None) | Err(_)) | Err(_) => return,
        }
    }
}

/// One message: counted (`57 <14>1 …`) or up to a line feed; none at the end.
async fn message(stream: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let first = match stream.fill_buf().await?.first() {
        None => return Ok(None),
        Some(first) => *first,
    };
    if first.is_ascii_digit() {
        let counted = (&mut *stream).take(8).read_until(b' ', &mut bytes).await?;
        let length = str::from_utf8(&bytes[..counted]).ok();
        let length = length.and_then(|text| text.trim_end().parse::<u64>().ok());
        let Some(length) = length.filter(|length| *length <= MESSAGE_BYTES_MAX) else {
            return Err(std::io::ErrorKind::InvalidData.into());
        };
        bytes.clear();
        (&mut *stream).take(length).read_to_end(&mut bytes).await?;
        return Ok(Some(bytes));
    }
    (&mut *stream)
        .take(MESSAGE_BYTES_MAX)
        .read_until(b'\n', &mut bytes)
        .await?;
    Ok(Some(bytes))
}

/// A message without its priority (`<14>`, and the version of RFC 5424 behind it).
pub(super) fn without_priority(text: &str) -> &str {
    let Some((priority, rest)) = text.strip_prefix('<').and_then(|rest| rest.split_once('>')) else {
        return text;
    };
    if priority.len() > 3 || !priority.bytes().all(|byte| byte.is_ascii_digit()) {
        return text;
    }
    rest.strip_prefix("1 ").unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_are_framed_by_counts_and_by_lines() {
        let mut stream = BufReader::new(&b"<14>one\n9 <14>1 two11 three\nlines<3>four"[..]);
        let mut read = Vec::new();
        while let Some(bytes) = message(&mut stream).await.unwrap() {
            read.push(String::from_utf8(bytes).unwrap());
        }
        assert_eq!(read, ["<14>one\n", "<14>1 two", "three\nlines", "<3>four"]);
    }

    #[tokio::test]
    async fn a_count_that_is_none_ends_the_connection() {
        for bytes in [&b"99999999 x"[..], b"12x <14>", b"70000 x"] {
            assert!(message(&mut BufReader::new(bytes)).await.is_err());
        }
    }

    #[test]
    fn the_priority_is_no_part_of_what_is_judged() {
        assert_eq!(
            without_priority("<14>1 2026-11-21T02:00:00Z h a"),
            "2026-11-21T02:00:00Z h a"
        );
        assert_eq!(without_priority("<134>Nov 21 02:00:00 h a"), "Nov 21 02:00:00 h a");
        assert_eq!(without_priority("<b>x"), "<b>x");
        assert_eq!(without_priority("plain"), "plain");
    }

    #[test]
    fn no_bytes_make_it_panic_or_stand_still() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        bolero::check!().for_each(|bytes: &[u8]| {
            runtime.block_on(async {
                let mut stream = BufReader::new(bytes);
                while let Ok(Some(_)) = message(&mut stream).await {}
            });
            let _ = without_priority(&String::from_utf8_lossy(bytes));
        });
    }
}
