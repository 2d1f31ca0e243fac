//! Where a ledger lives: addresses as people write them, paths, and the lock that keeps other processes out.

use crate::LedgerError;
use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

/// Resolves the path and takes the lock beside it.
pub(crate) fn lock_file(path: &Path) -> Result<(PathBuf, File), LedgerError> {
    let given = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    let unusable = |source| LedgerError::Folder {
        path: given.to_path_buf(),
        source,
    };
    let name = path.file_name().ok_or_else(|| LedgerError::Address {
        address: format!("sqlite:{}", path.display()),
    })?;
    let path = std::fs::canonicalize(given).map_err(unusable)?.join(name);
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(with_suffix(&path, ".lock"))
        .map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok((path, lock)),
        Err(TryLockError::WouldBlock) => Err(LedgerError::InUse { path }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

/// The path with something at its end.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The path as a URL in which every unusual byte is escaped, opened as `how` says.
pub(crate) fn sqlite_url(path: &Path, how: &str) -> String {
    use std::fmt::Write as _;
    let mut url = String::from("sqlite://");
    for &byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-') {
            url.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url.push('?');
    url.push_str(how);
    url
}

/// The address with what stands between user and host, and all parameters, left out.
pub(crate) fn without_password(address: &str) -> String {
    let address = address.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = address.split_once("://") else {
        return address.chars().take(200).collect();
    };
    match rest.rsplit_once('@') {
        Some((user, host)) => format!("{scheme}://{}@{host}", user.split(':').next().unwrap_or_default()),
        None => format!("{scheme}://{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(
            without_password("postgres://tocsin:a@b:c@db.local:5432/ledger?password=x"),
            "postgres://tocsin@db.local:5432/ledger"
        );
        assert_eq!(without_password("mysql://db/ledger"), "mysql://db/ledger");
    }

    #[test]
    fn odd_paths_survive_the_url() {
        assert_eq!(
            sqlite_url(Path::new("/a b/台账?#%.db"), "mode=rwc"),
            "sqlite:///a%20b/%E5%8F%B0%E8%B4%A6%3F%23%25.db?mode=rwc"
        );
    }
}
