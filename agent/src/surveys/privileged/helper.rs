//! The helper's side: one request, one answer, the end.

use super::errands;
use crate::surveys::{Host, tool::ToolError};
use std::io::{self, Read, Write};

/// A request is shorter.
const REQUEST_BYTES_MAX: u64 = 32;

/// What may be asked.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    List,
    Ask(usize),
}

fn parse(line: &[u8]) -> Option<Request> {
    let line = line.strip_suffix(b"\n")?;
    if line == b"list" {
        return Some(Request::List);
    }
    let number = line.strip_prefix(b"ask ")?;
    if number.is_empty() || number.len() > 6 || !number.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(number).ok()?.parse().ok().map(Request::Ask)
}

/// Reads one line up to its end, which is all that anybody may say.
fn request(from: &mut dyn Read) -> io::Result<Vec<u8>> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    let mut from = from.take(REQUEST_BYTES_MAX);
    while !line.ends_with(b"\n") && from.read(&mut byte)? == 1 {
        line.push(byte[0]);
    }
    Ok(line)
}

/// Answers one request about `host`; one that is not understood gets no answer.
///
/// # Errors
/// When whoever asked went away.
pub(crate) fn serve(host: &Host, from: &mut dyn Read, to: &mut dyn Write) -> io::Result<()> {
    let errands = errands(host);
    match parse(&request(from)?) {
        Some(Request::List) => {
            for errand in &errands {
                writeln!(to, "{}", errand.label)?;
            }
        }
        Some(Request::Ask(place)) => {
            if let Some(errand) = errands.get(place) {
                let arguments: Vec<&str> = errand.arguments.iter().map(String::as_str).collect();
                writeln!(to, "{}", errand.label)?;
                match host.tool(errand.tool, &arguments, errand.deadline) {
                    Some(Ok(output)) => {
                        writeln!(to, "{} {} {}", output.status, output.out.len(), output.err.len())?;
                        to.write_all(&output.out)?;
                        to.write_all(&output.err)?;
                    }
                    Some(Err(ToolError::Late(..) | ToolError::Hangs(_))) => writeln!(to, "late")?,
                    Some(Err(_)) => writeln!(to, "failed")?,
                    None => writeln!(to, "absent")?,
                }
            }
        }
        None => {}
    }
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;
    use crate::surveys::stand::Stand;

    fn answer(stand: &Stand, request: &[u8]) -> String {
        let mut out = Vec::new();
        serve(&stand.host(), &mut &*request, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_place_in_the_list_is_all_that_can_be_asked() {
        let stand = Stand::new(&[("sys/block/sda/size", "1")]);
        stand.prints("smartctl", 4, "text");
        assert_eq!(answer(&stand, b"list\n"), "smart sda\n");
        assert_eq!(answer(&stand, b"ask 0\n"), "smart sda\n4 4 0\ntext");
        stand.asked();
        for wrong in [
            &b"ask 1\n"[..],
            b"ask 0",
            b"ask 0 --set=standby,now\n",
            b"ask -1\n",
            b"ask 99999999999999999999999\n",
            b"smart sda\n",
            b"list\0\n",
            b"",
        ] {
            assert_eq!(answer(&stand, wrong), "", "{wrong:?}");
        }
        assert!(stand.asked().is_empty());
        stand.hangs("smartctl");
        assert_eq!(answer(&stand, b"ask 0\n"), "smart sda\nlate\n");
    }

    #[test]
    fn any_request_is_survived() {
        bolero::check!().for_each(timed(|bytes: &[u8]| {
            let parsed = request(&mut &*bytes).ok().and_then(|line| parse(&line));
            if let Some(Request::Ask(place)) = parsed {
                assert!(place < 1_000_000);
            }
        }));
    }
}
