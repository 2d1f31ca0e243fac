//! The Unix socket: one line of JSON in, one line out. What takes long tells before that line how far it is.

use super::{Answer, Ask, Control};
use crate::backup::Listener;
use rustix::fs::Mode;
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tocsin_vocabulary::Code;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream, unix::OwnedWriteHalf},
    sync::{Semaphore, mpsc},
};
use tokio_util::sync::CancellationToken;

/// Longest request, in bytes: a replay brings the files of its rules, an attachment its content in hexadecimal.
const ASK_BYTES_MAX: u64 = 20 * 1024 * 1024;
/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A request that is not whole by then is dropped.
const ASK_DEADLINE: Duration = Duration::from_secs(10);
/// Requests that are answered at once.
const CONVERSATIONS_MAX: usize = 32;
/// Pause after an accept failure such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Lines about progress that wait for the command line; more are dropped.
const TOLD_MAX: usize = 16;

/// A line before the answer.
#[derive(Serialize, Deserialize)]
struct Told {
    progress: String,
}

/// A line from the collector.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Told(Told),
    Answer(Answer),
}

/// The socket, open to its owner only.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

/// Makes the socket. A socket file that nobody listens on any more is replaced.
///
/// # Errors
/// When the socket can't be made, or another collector answers on it.
pub async fn bind(path: &Path) -> Result<Socket, String> {
    if UnixStream::connect(path).await.is_ok() {
        return Err(format!(
            "another collector answers on {}: stop it first",
            path.display()
        ));
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if !std::os::unix::fs::FileTypeExt::is_socket(&found.file_type()) => {
            return Err(format!(
                "{} is there and is no socket: choose another `socket` in the configuration",
                path.display()
            ));
        }
        Ok(_) => std::fs::remove_file(path)
            .map_err(|error| format!("cannot replace the socket {}: {error}", path.display()))?,
        Err(_) => {}
    }
    // From its first moment on nobody else may open it. Files that other threads make meanwhile are private too.
    let before = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    let listener = bound.map_err(|error| {
        format!(
            "cannot make the socket {}: {error}; see that its folder is there and belongs to the collector's user, or \
             choose another `socket` in the configuration",
            path.display()
        )
    })?;
    Ok(Socket {
        listener,
        path: path.to_owned(),
    })
}

impl Socket {
    /// Answers until cancelled, then removes the socket file.
    pub async fn serve(self, control: Arc<Control>, cancel: CancellationToken) {
        let conversations = Arc::new(Semaphore::new(CONVERSATIONS_MAX));
        loop {
            let next = async {
                let permit = conversations.clone().acquire_owned().await.ok()?;
                Some((permit, self.listener.accept().await))
            };
            let next = tokio::select! {
                () = cancel.cancelled() => break,
                next = next => next,
            };
            match next {
                None => break,
                Some((_, Err(error))) => {
                    tracing::warn!(%error, "cannot accept on the control socket");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                Some((permit, Ok((stream, _)))) => {
                    let control = control.clone();
                    tokio::spawn(async move {
                        let _permit = permit;
                        if let Err(error) = converse(stream, &control).await {
                            tracing::debug!(%error, "control connection");
                        }
                    });
                }
            }
        }
        let _ = std::fs::remove_file(self.path);
    }
}

async fn converse(stream: UnixStream, control: &Control) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(ASK_BYTES_MAX));
    tokio::time::timeout(ASK_DEADLINE, reader.read_line(&mut line))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let answer = match serde_json::from_str::<Ask>(&line) {
        Ok(ask) => answer_telling(ask, control, &mut writer).await?,
        // What was wrong is not said in serde's words: they quote, and it may be a password.
        Err(error) => Answer::Failed {
            code: Code::InvalidInput,
            reason: format!(
                "not a request this collector knows (at column {}): use the command line of the same version",
                error.column()
            ),
        },
    };
    let mut text = serde_json::to_string(&answer)?;
    text.push('\n');
    writer.write_all(text.as_bytes()).await
}

/// Passes on what is told until the answer is there. Who asked and went away ends the work by that.
async fn answer_telling(ask: Ask, control: &Control, writer: &mut OwnedWriteHalf) -> io::Result<Answer> {
    let (sender, mut told) = mpsc::channel(TOLD_MAX);
    let answering = control.answer_telling(ask, Listener::over(sender));
    tokio::pin!(answering);
    loop {
        tokio::select! {
            biased;
            Some(progress) = told.recv() => {
                let mut text = serde_json::to_string(&Told { progress })?;
                text.push('\n');
                writer.write_all(text.as_bytes()).await?;
            }
            answer = &mut answering => return Ok(answer),
        }
    }
}

/// Whether a collector seems to listen on `path`; one that may not be asked counts.
pub async fn is_answered(path: &Path) -> bool {
    match UnixStream::connect(path).await {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

/// Asks a running collector.
///
/// # Errors
/// When none answers on `path`, with the remedy.
pub async fn ask(path: &Path, ask: &Ask) -> Result<Answer, String> {
    ask_telling(path, ask, |_| {}).await
}

/// As [`ask`]; `tell` hears how far it is.
///
/// # Errors
/// As for [`ask`].
pub async fn ask_telling(path: &Path, ask: &Ask, mut tell: impl FnMut(&str)) -> Result<Answer, String> {
    let talk = async {
        let mut stream = UnixStream::connect(path).await?;
        let mut text = serde_json::to_string(ask)?;
        text.push('\n');
        stream.write_all(text.as_bytes()).await?;
        let mut lines = BufReader::new(stream.take(ANSWER_BYTES_MAX));
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match serde_json::from_str(&line)? {
                Line::Told(Told { progress }) => tell(&progress),
                Line::Answer(answer) => return Ok::<_, io::Error>(answer),
            }
        }
    };
    talk.await.map_err(|error| {
        format!(
            "no collector answers on {}: is it running, and may you open the socket? ({error})",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[tokio::test]
    async fn the_socket_is_its_owners_and_a_stale_one_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("collector.sock");
        drop(bind(&path).await.unwrap());
        let socket = bind(&path).await.unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
        let error = bind(&path).await.unwrap_err();
        assert!(error.contains("another collector"), "{error}");
        drop(socket);
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("precious");
        std::fs::write(&path, "data").unwrap();
        let error = bind(&path).await.unwrap_err();
        assert!(error.contains("no socket"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");
    }

    #[test]
    fn a_password_is_in_no_log() {
        let ask = Ask::SetPassword {
            login: "wang".to_owned(),
            password: "correct horse".to_owned(),
        };
        assert_eq!(format!("{ask:?}"), "SetPassword");
    }
}
