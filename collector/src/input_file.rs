//! Files that commands read; `-` is standard input.

use std::{
    io::{self, Read as _},
    path::Path,
};

/// What messages call it.
pub(crate) fn name(file: &Path) -> String {
    if file == Path::new("-") {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}

/// All of it.
///
/// # Errors
/// When it can't be read, or is longer than `most` bytes.
pub(crate) fn bytes(file: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let one_more = most.saturating_add(1);
    if file == Path::new("-") {
        io::stdin().take(one_more).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(file)?.take(one_more).read_to_end(&mut bytes)?;
    }
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(io::Error::other(format!("it is longer than {} KiB", most / 1024)));
    }
    Ok(bytes)
}

/// All of it as text.
///
/// # Errors
/// As [`bytes`], and when it is no UTF-8.
pub(crate) fn text(file: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(bytes(file, most)?).map_err(|_| io::Error::other("it is no UTF-8: save it as UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit_and_as_text_only_when_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, [0xff, b'a']).unwrap();
        assert_eq!(bytes(&path, 2).unwrap(), [0xff, b'a']);
        assert!(bytes(&path, 1).unwrap_err().to_string().contains("longer"));
        assert!(text(&path, 2).unwrap_err().to_string().contains("UTF-8"));
        assert_eq!(name(Path::new("-")), "standard input");
    }
}
