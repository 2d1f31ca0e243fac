//! Going on an errand: by oneself, or by the helper.

use super::{ERRANDS_MAX, Errand, SOCKET, errands::errands_about};
use crate::surveys::{
    Host,
    tool::{OUTPUT_BYTES_MAX, Output},
};
use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long the helper may take beyond the tool's own deadline.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest line of an answer.
const LINE_BYTES_MAX: u64 = 512;

/// How this process gets what only root may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is root.
    Direct,
    /// By the helper at this socket.
    Helper(PathBuf),
}

/// What came of an errand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// What the tool printed.
    Said(Output),
    /// It told nothing, and why.
    Nothing(String),
}

impl Way {
    /// Of this process, now.
    pub(crate) fn now() -> Self {
        if rustix::process::geteuid().is_root() {
            Self::Direct
        } else {
            Self::Helper(PathBuf::from(SOCKET))
        }
    }

    /// The errands whose label begins with the word `about`, each with its place in the helper's list; and why they can't
    /// be gone on, when the agent is not root and the helper does not answer.
    pub(crate) fn list(&self, host: &Host, about: &str) -> (Vec<(usize, Errand)>, Result<(), String>) {
        let mut own: Vec<_> = errands_about(host, about).into_iter().enumerate().collect();
        let Self::Helper(socket) = self else {
            return (own, Ok(()));
        };
        if own.is_empty() {
            return (own, Ok(()));
        }
        match labels(socket) {
            Ok(labels) => {
                let place = |label: &str| labels.iter().position(|known| known == label);
                own = own
                    .into_iter()
                    .filter_map(|(_, errand)| Some((place(&errand.label)?, errand)))
                    .collect();
                (own, Ok(()))
            }
            Err(error) => (own, Err(refusal(&error))),
        }
    }

    /// Goes on one errand of the list.
    pub(crate) fn ask(&self, host: &Host, (place, errand): &(usize, Errand)) -> Answer {
        match self {
            Self::Direct => direct(host, errand),
            Self::Helper(socket) => by_helper(socket, *place, errand)
                .unwrap_or_else(|error| Answer::Nothing(format!("the helper does not answer: {error}"))),
        }
    }
}

fn refusal(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            "only root may ask: enable tocsin-errand.socket".to_owned()
        }
        _ => format!("the helper does not answer: {error}"),
    }
}

fn direct(host: &Host, errand: &Errand) -> Answer {
    let arguments: Vec<&str> = errand.arguments.iter().map(String::as_str).collect();
    match host.tool(errand.tool, &arguments, errand.deadline) {
        Some(Ok(output)) => Answer::Said(output),
        Some(Err(error)) => Answer::Nothing(error.to_string()),
        None => Answer::Nothing(format!("`{}` is not installed", errand.tool)),
    }
}

fn connect(socket: &Path, deadline: Duration, request: &str) -> io::Result<BufReader<UnixStream>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(deadline + PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    Ok(BufReader::new(stream))
}

fn line(from: &mut BufReader<UnixStream>) -> io::Result<Option<String>> {
    let mut line = String::new();
    from.by_ref().take(LINE_BYTES_MAX).read_line(&mut line)?;
    Ok(line.strip_suffix('\n').map(str::to_owned))
}

fn labels(socket: &Path) -> io::Result<Vec<String>> {
    let mut from = connect(socket, Duration::from_secs(10), "list\n")?;
    let mut labels = Vec::new();
    while labels.len() < ERRANDS_MAX
        && let Some(label) = line(&mut from)?
    {
        labels.push(label);
    }
    Ok(labels)
}

fn by_helper(socket: &Path, place: usize, errand: &Errand) -> io::Result<Answer> {
    let mut from = connect(socket, errand.deadline, &format!("ask {place}\n"))?;
    if line(&mut from)?.as_deref() != Some(&errand.label) {
        return Ok(Answer::Nothing("its place in the helper's list changed".to_owned()));
    }
    let head = line(&mut from)?.unwrap_or_default();
    let mut numbers = head.split(' ').map(str::parse::<u64>);
    let (Some(Ok(status)), Some(Ok(out)), Some(Ok(err))) = (numbers.next(), numbers.next(), numbers.next()) else {
        let tool = errand.tool;
        return Ok(Answer::Nothing(match head.as_str() {
            "late" => format!("`{tool}` did not end within {:?}", errand.deadline),
            "absent" => format!("`{tool}` is not installed"),
            _ => format!("the helper can't run `{tool}`"),
        }));
    };
    Ok(Answer::Said(Output {
        status: i32::try_from(status).unwrap_or(i32::MAX),
        out: bytes(&mut from, out)?,
        err: bytes(&mut from, err)?,
    }))
}

fn bytes(from: &mut BufReader<UnixStream>, count: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let taken = from
        .by_ref()
        .take(count.min(OUTPUT_BYTES_MAX as u64))
        .read_to_end(&mut bytes)?;
    if taken as u64 == count {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surveys::{privileged::serve, stand::Stand};
    use std::{os::unix::net::UnixListener, thread};

    fn stand() -> Stand {
        let stand = Stand::new(&[("sys/block/sda/size", "1"), ("sys/block/sdb/size", "1")]);
        stand.prints("smartctl", 64, "{}\n");
        stand
    }

    #[test]
    fn root_asks_by_itself() {
        let stand = stand();
        let (errands, allowed) = Way::Direct.list(&stand.host(), "smart");
        assert_eq!((errands.len(), allowed), (2, Ok(())));
        let Answer::Said(output) = Way::Direct.ask(&stand.host(), &errands[1]) else {
            panic!("no answer");
        };
        assert_eq!((output.status, output.out.as_slice()), (64, &b"{}\n"[..]));
        assert!(stand.asked()[0].ends_with("--nocheck=standby /dev/sdb"));
        stand.hangs("smartctl");
        let answer = Way::Direct.ask(&stand.host(), &errands[0]);
        assert_eq!(answer, Answer::Nothing("`smartctl` did not end within 30s".to_owned()));
    }

    #[test]
    fn others_ask_the_helper_for_a_place_in_its_list() {
        let stand = stand();
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("helper.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let host = stand.host();
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..3 {
                    let (mut stream, _) = listener.accept().unwrap();
                    let mut request = stream.try_clone().unwrap();
                    // Who asks for the wrong place goes away before the answer's end.
                    let _ = serve(&host, &mut request, &mut stream);
                }
            });
            let way = Way::Helper(socket.clone());
            let (errands, allowed) = way.list(&host, "smart");
            assert_eq!((errands.len(), allowed), (2, Ok(())));
            let Answer::Said(output) = way.ask(&host, &errands[0]) else {
                panic!("no answer");
            };
            assert_eq!((output.status, output.out.as_slice()), (64, &b"{}\n"[..]));
            let wrong = (1, errands[0].1.clone());
            let changed = "its place in the helper's list changed";
            assert_eq!(way.ask(&host, &wrong), Answer::Nothing(changed.to_owned()));
        });
    }

    #[test]
    fn without_a_helper_it_is_said_what_to_do() {
        let (errands, allowed) = Way::Helper("/no/such.sock".into()).list(&stand().host(), "smart");
        assert_eq!(errands.len(), 2);
        assert_eq!(
            allowed,
            Err("only root may ask: enable tocsin-errand.socket".to_owned())
        );
    }
}
