//! Secrets and certificates from files. A file name without a folder is looked for among systemd's credentials
//! (`LoadCredential=`), in `$CREDENTIALS_DIRECTORY`.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Largest file of a secret or of certificates, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A secret from a file, without the line break at its end. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Reads it.
    ///
    /// # Errors
    /// A sentence that names the file and what to do.
    pub fn read(path: &Path) -> Result<Self, String> {
        let path = place(path, std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from));
        let bytes = read(&path)?;
        let end = bytes
            .iter()
            .rposition(|byte| !matches!(byte, b'\r' | b'\n'))
            .map_or(0, |last| last + 1);
        if end == 0 {
            return Err(format!("{} is empty: write the secret into it", path.display()));
        }
        Ok(Self(bytes[..end].to_vec()))
    }

    /// Reads one that must be text.
    ///
    /// # Errors
    /// As [`Secret::read`], or when it is not UTF-8.
    pub(crate) fn read_text(path: &Path) -> Result<SecretText, String> {
        let secret = Self::read(path)?;
        String::from_utf8(secret.0)
            .map(SecretText)
            .map_err(|_| format!("the secret in {} is not text", path.display()))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A secret that is text. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretText(String);

impl SecretText {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// A text without the secret in it, for words of others that may repeat it.
    pub(crate) fn hide(&self, text: &str) -> String {
        text.replace(&self.0, "…")
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A bare name is a credential where systemd handed some over.
fn place(path: &Path, credentials: Option<PathBuf>) -> PathBuf {
    match credentials {
        Some(folder) if path.components().count() == 1 && !path.is_absolute() => folder.join(path),
        _ => path.to_owned(),
    }
}

/// A PEM file of certificates.
pub(crate) fn read_certificates(path: &Path) -> Result<Vec<u8>, String> {
    let pem = read(path)?;
    if pem.windows(27).any(|window| window == b"-----BEGIN CERTIFICATE-----") {
        Ok(pem)
    } else {
        Err(format!("{} has no certificate in PEM form", path.display()))
    }
}

/// Whether this machine has certificate authorities to trust. Without any, every handshake would fail only later.
pub(crate) fn need_system_authorities() -> Result<(), String> {
    authorities(rustls_native_certs::load_native_certs().certs.len())
}

fn authorities(found: usize) -> Result<(), String> {
    if found > 0 {
        return Ok(());
    }
    Err("this machine trusts no certificate authority: install ca-certificates, or set `ca_file`".to_owned())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let length = std::fs::metadata(path)
        .map_err(|error| {
            // What is no path may be the secret itself, which no message shows.
            if path.components().count() < 2 {
                return "it names no file: give a full path, or the name of one of systemd's credentials".to_owned();
            }
            format!("cannot read {}: {error}", path.display())
        })?
        .len();
    if length > FILE_BYTES_MAX {
        return Err(format!(
            "{} is larger than {FILE_BYTES_MAX} bytes: is it the right file?",
            path.display()
        ));
    }
    std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_authorities_is_told_what_to_do() {
        assert_eq!(authorities(1), Ok(()));
        let mistake = authorities(0).unwrap_err();
        assert!(
            mistake.contains("ca-certificates") && mistake.contains("`ca_file`"),
            "{mistake}"
        );
    }

    #[test]
    fn a_secret_is_read_without_its_line_break_and_never_printed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "hush\r\n").unwrap();
        let secret = Secret::read(&path).unwrap();
        assert_eq!(secret.bytes(), b"hush");
        assert!(!format!("{secret:?}").contains("hush"));
        assert!(!format!("{:?}", Secret::read_text(&path).unwrap()).contains("hush"));
        std::fs::write(&path, "\n").unwrap();
        assert!(Secret::read(&path).unwrap_err().contains("is empty"));
    }

    #[test]
    fn a_secret_that_stands_where_a_file_should_is_not_shown() {
        let told = Secret::read(Path::new("SEChush")).unwrap_err();
        assert!(told.contains("names no file") && !told.contains("hush"), "{told}");
    }

    #[test]
    fn a_bare_name_is_a_credential_and_a_path_is_a_path() {
        let folder = || Some(PathBuf::from("/run/credentials/tocsin"));
        assert_eq!(
            place(Path::new("robot"), folder()),
            Path::new("/run/credentials/tocsin/robot")
        );
        assert_eq!(place(Path::new("/etc/robot"), folder()), Path::new("/etc/robot"));
        assert_eq!(place(Path::new("./robot"), folder()), Path::new("./robot"));
        assert_eq!(place(Path::new("robot"), None), Path::new("robot"));
    }
}
