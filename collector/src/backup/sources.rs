//! Where the small files of a backup lie: attachments, authorities, configuration, rules.

use super::{ATTACHMENTS, CONFIG, PKI};
use crate::config::Config;
use std::{
    io,
    path::{Path, PathBuf},
};
use tocsin_metrics::{
    Disk,
    backup::{BackupError, Entry, copy_into},
};

/// Where everything lies that is neither ledger nor metric store.
#[derive(Debug, Clone)]
pub struct Sources {
    /// All state.
    pub state_dir: PathBuf,
    /// The configuration's file; none: the defaults hold.
    pub config_file: Option<PathBuf>,
    /// Folder of rule files; none: the built-in rules.
    pub rules_dir: Option<PathBuf>,
    /// The administrator's own certificate and key for the console.
    pub console_certificate: Option<(PathBuf, PathBuf)>,
}

impl Sources {
    /// As a configuration says.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            state_dir: config.state_dir.clone(),
            config_file: config.file.clone(),
            rules_dir: config.rules_dir.clone(),
            console_certificate: config.console_certificate.clone(),
        }
    }

    /// Copies all of it below `dir`; answers what the manifest says of it.
    pub(super) fn copy(&self, disk: &dyn Disk, dir: &Path) -> Result<Vec<Entry>, BackupError> {
        let mut files: Vec<(PathBuf, String)> = Vec::new();
        for name in names(disk, &self.state_dir.join(PKI))? {
            files.push((self.state_dir.join(PKI).join(&name), format!("{PKI}/{name}")));
        }
        let kept = self.state_dir.join(ATTACHMENTS);
        for name in below(disk, &kept)? {
            files.push((kept.join(&name), format!("{ATTACHMENTS}/{name}")));
        }
        if let Some(file) = &self.config_file {
            files.push((file.clone(), format!("{CONFIG}/collector.toml")));
        }
        if let Some(folder) = &self.rules_dir {
            for name in names(disk, folder)? {
                files.push((folder.join(&name), format!("{CONFIG}/rules.d/{name}")));
            }
        }
        if let Some((certificate, key)) = &self.console_certificate {
            files.push((certificate.clone(), format!("{CONFIG}/console/certificate.pem")));
            files.push((key.clone(), format!("{CONFIG}/console/key.pem")));
        }
        files
            .into_iter()
            .map(|(from, path)| copy_into(disk, &from, dir, &path))
            .collect()
    }
}

/// The files of a folder without those below it.
fn names(disk: &dyn Disk, folder: &Path) -> Result<Vec<String>, BackupError> {
    let mut names = below(disk, folder)?;
    names.retain(|name| !name.contains('/'));
    Ok(names)
}

/// All files below a folder without unfinished ones; none when it is missing.
fn below(disk: &dyn Disk, folder: &Path) -> Result<Vec<String>, BackupError> {
    match disk.files_below(folder) {
        Ok(mut names) => {
            names.retain(|name| !name.ends_with(".new"));
            Ok(names)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(BackupError::Io {
            operation: "list",
            path: folder.to_owned(),
            source,
        }),
    }
}
