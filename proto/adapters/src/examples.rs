//! Definitions for appliances that only mail, log, trap or export: worked examples, to be used by name as they are or to be
//! copied and changed. Their layouts are ours: vendors let administrators choose columns and words, so each has to be held
//! against what one's own appliance sends, with `tocsin-agent backup judge --definition NAME`.

/// A definition, and a text that it understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    /// By which it is called.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// The definition, TOML.
    pub toml: &'static str,
    /// A text that it understands.
    pub sample: &'static str,
}

/// All of them.
pub const EXAMPLES: [Example; 5] = [
    Example {
        name: "anybackup",
        about: "AnyBackup (爱数), CSV",
        toml: include_str!("examples/anybackup.toml"),
        sample: include_str!("examples/anybackup.sample"),
    },
    Example {
        name: "dbackup",
        about: "Scutech DBackup (鼎甲), syslog",
        toml: include_str!("examples/dbackup.toml"),
        sample: include_str!("examples/dbackup.sample"),
    },
    Example {
        name: "commvault",
        about: "Commvault, mail",
        toml: include_str!("examples/commvault.toml"),
        sample: include_str!("examples/commvault.sample"),
    },
    Example {
        name: "datadomain",
        about: "Data Domain, SNMP traps",
        toml: include_str!("examples/datadomain.toml"),
        sample: include_str!("examples/datadomain.sample"),
    },
    Example {
        name: "veeam-trap",
        about: "Veeam, SNMP traps",
        toml: include_str!("examples/veeam-trap.toml"),
        sample: include_str!("examples/veeam-trap.sample"),
    },
];

/// The one of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Example> {
    EXAMPLES.iter().find(|example| example.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Definition, Judge, Output, Reading};
    use jiff::tz::TimeZone;
    use std::sync::Arc;
    use tocsin_vocabulary::{
        RunResult::{Failed, Ok, Warning},
        Timestamp,
    };

    /// What an example says of its own sample.
    fn runs(name: &str) -> Vec<Reading> {
        let example = named(name).unwrap();
        let judge = Judge::Defined(Arc::new(Definition::parse(example.toml).unwrap()));
        assert!(judge.finds_runs() && judge.name() == name);
        judge.runs(&Output {
            exit_code: None,
            stdout: Some(example.sample),
            stderr: "",
            zone: &TimeZone::get("Asia/Shanghai").unwrap(),
            now: Timestamp::default(),
        })
    }

    #[test]
    fn an_export_of_anybackup_is_read_row_by_row() {
        let runs = runs("anybackup");
        let told: Vec<_> = runs
            .iter()
            .map(|run| (run.job.as_str(), run.result, run.running))
            .collect();
        assert_eq!(
            told,
            [
                ("OA数据库", Ok, false),
                ("OA数据库", Warning, false),
                ("财务文件", Failed, false),
                ("财务文件", Ok, true)
            ]
        );
        assert_eq!(runs[0].bytes, Some(200_252_850_176));
        assert_eq!(runs[0].started_at, Some("2026-11-19T17:00:03Z".parse().unwrap()));
        assert_eq!(runs[1].error, "2 个文件被占用,已跳过");
        assert_eq!(runs[2].error, "无法连接客户端 fin-nas");
    }

    #[test]
    fn traps_of_veeam_tell_of_jobs_and_those_of_single_machines_are_none() {
        let runs = runs("veeam-trap");
        let told: Vec<_> = runs
            .iter()
            .map(|run| (run.job.as_str(), run.result, run.error.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("Nightly VMs", Ok, ""),
                ("Nightly VMs", Warning, "Changed block tracking is off for erp01"),
                ("SQL", Failed, "No space left on repository R1")
            ]
        );
    }

    #[test]
    fn messages_of_dbackup_are_told_from_others() {
        let runs = runs("dbackup");
        assert_eq!(runs.len(), 2);
        assert_eq!((runs[0].result, runs[0].bytes), (Ok, Some(48_318_382_080)));
        assert_eq!(
            (runs[1].result, runs[1].error.as_str()),
            (Failed, "ORA-19809: limit exceeded for recovery files")
        );
    }

    #[test]
    fn a_mail_of_commvault_is_read_over_its_lines() {
        let runs = runs("commvault");
        assert_eq!(runs.len(), 1);
        assert_eq!(
            (runs[0].result, runs[0].job.as_str(), runs[0].artefact.as_str()),
            (Warning, "sql-prod", "482913")
        );
        assert_eq!((runs[0].files, runs[0].bytes), (Some(1_204), Some(335_436_945_818)));
        assert_eq!(runs[0].ended_at, Some("2026-11-21T14:41:37Z".parse().unwrap()));
        assert_eq!(runs[0].error, "3 objects could not be read");
    }

    #[test]
    fn traps_of_a_data_domain_are_read() {
        let runs = runs("datadomain");
        assert_eq!(
            (runs[0].result, runs[0].job.as_str()),
            (Ok, "mtree://dd02/data/col1/oracle")
        );
        assert_eq!(
            (runs[1].result, runs[1].error.as_str()),
            (Failed, "destination is full")
        );
    }
}
