//! Which files are watched: the usual ones, and those that an administrator names.

use super::Pattern;

/// What is watched unless the configuration says otherwise: who may come in, what is mounted and started, how names and
/// addresses are found, how the kernel is set. Without files that hold nothing but secrets.
const DEFAULT_FILES: [&str; 34] = [
    "/etc/apt/sources.list",
    "/etc/apt/sources.list.d/*",
    "/etc/chrony.conf",
    "/etc/chrony/chrony.conf",
    "/etc/cron.d/*",
    "/etc/crontab",
    "/etc/default/grub",
    "/etc/environment",
    "/etc/exports",
    "/etc/fstab",
    "/etc/group",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/hosts.allow",
    "/etc/hosts.deny",
    "/etc/ld.so.conf",
    "/etc/login.defs",
    "/etc/logrotate.conf",
    "/etc/mdadm.conf",
    "/etc/mdadm/mdadm.conf",
    "/etc/modprobe.d/*.conf",
    "/etc/multipath.conf",
    "/etc/netplan/*.yaml",
    "/etc/network/interfaces",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/resolv.conf",
    "/etc/security/limits.conf",
    "/etc/ssh/sshd_config",
    "/etc/ssh/sshd_config.d/*.conf",
    "/etc/sysconfig/network-scripts/ifcfg-*",
    "/etc/sysctl.conf",
    "/etc/sysctl.d/*.conf",
    "/etc/systemd/system/*.service",
];

/// Which files are watched, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesConfig {
    /// Whether the default set is watched too.
    pub default: bool,
    /// Patterns of absolute paths.
    pub paths: Vec<String>,
    /// Largest file whose content is kept, in bytes.
    pub bytes_max: usize,
    /// Further words: a key that holds one has a secret value.
    pub mask: Vec<String>,
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self {
            default: true,
            paths: Vec::new(),
            bytes_max: 256 << 10,
            mask: Vec::new(),
        }
    }
}

impl FilesConfig {
    pub(super) fn patterns(&self) -> Vec<Pattern> {
        let default = DEFAULT_FILES.iter().filter(|_| self.default).copied();
        let paths = default.chain(self.paths.iter().map(String::as_str));
        // What is no pattern was refused when the configuration was read.
        paths.filter_map(|path| Pattern::new(path).ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_files_are_sorted_patterns() {
        assert!(DEFAULT_FILES.is_sorted());
        assert_eq!(FilesConfig::default().patterns().len(), DEFAULT_FILES.len());
    }
}
