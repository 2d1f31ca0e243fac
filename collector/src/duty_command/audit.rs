//! `audit verify` and `audit export`.

use super::{AuditCommand, Told, ask, wrong};
use crate::{
    config::Config,
    control::room::{AUDIT_LINES, RoomAsk},
};
use serde_json::Value;
use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};
use tocsin_ledger::{AuditLink, follows};

/// Exit status of a broken chain.
const BROKEN: u8 = 5;

pub(super) async fn run(config: &Config, command: AuditCommand) -> Told {
    match command {
        AuditCommand::Verify { file: None } => {
            let value = ask(config, RoomAsk::AuditVerify).await?;
            match value.get("broken_at").and_then(Value::as_u64) {
                None => Ok(whole(value.get("lines").and_then(Value::as_u64).unwrap_or(0))),
                Some(at) => Err(broken(at)),
            }
        }
        AuditCommand::Verify { file: Some(file) } => verify(&file),
        AuditCommand::Export { after, out } => export(config, after, out.as_deref()).await,
    }
}

fn whole(lines: u64) -> String {
    format!("the audit trail is unbroken: {lines} lines")
}

fn broken(at: u64) -> (String, u8) {
    let message = format!("the audit trail is broken: line {at} is not as it was written, or is missing");
    (message, BROKEN)
}

/// Follows the chain of an export.
fn verify(path: &Path) -> Told {
    let unreadable = |error: std::io::Error| wrong(format!("cannot read {}: {error}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    let (mut before, mut seq, mut lines): (String, Option<u64>, u64) = (String::new(), None, 0);
    for text in BufReader::new(file).lines() {
        let text = text.map_err(unreadable)?;
        if text.trim().is_empty() {
            continue;
        }
        let expected = seq.map_or(1, |seq| seq + 1);
        let Ok(link) = serde_json::from_str::<AuditLink>(&text) else {
            return Err(broken(expected));
        };
        if seq.is_some_and(|seq| link.seq != seq + 1) || !follows(&before, &link) {
            return Err(broken(seq.map_or(link.seq, |seq| seq + 1)));
        }
        before = link.hash;
        seq = Some(link.seq);
        lines += 1;
    }
    if lines == 0 {
        return Err(wrong(format!("{} holds no line of an audit trail", path.display())));
    }
    Ok(whole(lines))
}

async fn export(config: &Config, mut after: u64, out: Option<&Path>) -> Told {
    let mut sink: Box<dyn Write> = match out {
        Some(path) => {
            let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let file = opened.map_err(|error| wrong(format!("cannot write {}: {error}", path.display())))?;
            Box::new(BufWriter::new(file))
        }
        None => Box::new(BufWriter::new(std::io::stdout())),
    };
    let mut lines = 0;
    loop {
        let value = ask(config, RoomAsk::AuditExport { after }).await?;
        let links = value.as_array().cloned().unwrap_or_default();
        let count = links.len();
        for link in links {
            after = link.get("seq").and_then(Value::as_u64).unwrap_or(after);
            writeln!(sink, "{link}").map_err(|error| (format!("cannot write the export: {error}"), 6))?;
            lines += 1;
        }
        if count < usize::try_from(AUDIT_LINES).unwrap_or(usize::MAX) {
            break;
        }
    }
    sink.flush()
        .map_err(|error| (format!("cannot write the export: {error}"), 6))?;
    Ok(match out {
        Some(path) => format!("{lines} lines in {}", path.display()),
        None => String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_chain_is_broken_and_what_is_not_there_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        std::fs::write(&path, "{\"seq\":1}\n").unwrap();
        assert_eq!(verify(&path).unwrap_err().1, BROKEN);
        std::fs::write(&path, "").unwrap();
        assert_eq!(verify(&path).unwrap_err().1, 2);
        assert_eq!(verify(&folder.path().join("none")).unwrap_err().1, 2);
    }
}
