//! `[backup_intake]` of `collector.toml`: where appliances send their results, which senders are listened to, and who judges.

use super::usm::UserConfig;
use crate::toml_table::{Reader, Table};
use encoding_rs::Encoding;
use ipnet::IpNet;
use serde::Deserialize;
use std::{
    net::{IpAddr, SocketAddr},
    ops::Range,
    path::PathBuf,
};
use tocsin_adapters::Adapter;

/// Most sources.
const SOURCES_MAX: usize = 200;

/// Where results come in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IntakeConfig {
    /// Syslog over UDP.
    pub syslog_udp: Option<SocketAddr>,
    /// Syslog over TCP (RFC 6587).
    pub syslog_tcp: Option<SocketAddr>,
    /// SNMP traps.
    pub snmp_trap: Option<SocketAddr>,
    /// Who sends what.
    pub sources: Vec<SourceConfig>,
}

/// One appliance, or one folder of what appliances write.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceConfig {
    /// By which it is called; part of what makes a run the same run.
    pub name: String,
    /// The host whose jobs these are: its name or id.
    pub host: String,
    /// The job where nothing names one; the source's name without it.
    pub job: String,
    /// Addresses and networks that may send syslog and traps.
    pub from: Vec<String>,
    /// Traps must bear this community; empty: any.
    pub community: String,
    /// Traps must be of SNMP version 3 and of this user.
    pub snmp_v3: Option<UserConfig>,
    /// A maildir.
    pub maildir: Option<PathBuf>,
    /// Mails of these senders only; empty: all.
    pub mail_from: Vec<String>,
    /// A folder of exports, logs or status files.
    pub folder: Option<PathBuf>,
    /// Which files of the folder; `*` stands for any characters.
    pub files: String,
    /// A built-in adapter.
    pub adapter: Option<String>,
    /// A definition: the name of a built-in one, or a file.
    pub definition: Option<String>,
    /// The zone of times that have none; the collector's own without it.
    pub zone: Option<String>,
    /// How texts that are not UTF-8 are encoded, such as `gb18030`.
    pub encoding: Option<String>,
}

/// An address, or a network.
pub(super) fn network(text: &str) -> Option<IpNet> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(address)
}

impl SourceConfig {
    /// The networks that may send; those that are none are left out, and were told as mistakes.
    pub(super) fn networks(&self) -> Vec<IpNet> {
        self.from.iter().filter_map(|text| network(text)).collect()
    }

    /// What is wrong with it.
    fn mistakes(&self, listens: bool) -> Vec<String> {
        let mut mistakes = Vec::new();
        if self.snmp_v3.is_some() && (self.from.is_empty() || !self.community.is_empty()) {
            mistakes.push("has `snmp_v3`: it goes with `from`, and not with `community`".to_owned());
        }
        if self.name.trim().is_empty() || self.host.trim().is_empty() {
            mistakes.push("needs `name` and `host`".to_owned());
        }
        let ways = [!self.from.is_empty(), self.maildir.is_some(), self.folder.is_some()];
        if ways.iter().filter(|way| **way).count() != 1 {
            mistakes.push("needs one of `from`, `maildir` and `folder`".to_owned());
        }
        if self.adapter.is_some() == self.definition.is_some() {
            mistakes.push("needs either `adapter` or `definition`".to_owned());
        }
        if !self.from.is_empty() && !listens {
            mistakes.push("has `from`: give `syslog_udp`, `syslog_tcp` or `snmp_trap`, too".to_owned());
        }
        for text in self.from.iter().filter(|text| network(text).is_none()) {
            mistakes.push(format!(
                "from `{text}` is no address and no network such as 10.0.0.0/24"
            ));
        }
        if let Some(name) = &self.adapter {
            match <Adapter as clap::ValueEnum>::from_str(name, true) {
                Err(_) => mistakes.push(format!("there is no adapter `{name}`")),
                Ok(adapter) if !self.from.is_empty() && adapter != Adapter::Veeam => {
                    mistakes.push(format!(
                        "adapter `{name}` can't judge single messages: give a definition"
                    ));
                }
                Ok(_) => {}
            }
        }
        if let Some(zone) = &self.zone
            && jiff::tz::TimeZone::get(zone).is_err()
        {
            mistakes.push(format!(
                "`{zone}` is not a time zone: expected a name such as Asia/Shanghai"
            ));
        }
        if let Some(label) = &self.encoding
            && Encoding::for_label(label.as_bytes()).is_none()
        {
            mistakes.push(format!("`{label}` is not an encoding: expected a name such as gb18030"));
        }
        mistakes
    }
}

impl IntakeConfig {
    /// Takes the table `[backup_intake]`; mistakes are noted.
    pub(crate) fn take<'a>(top: &mut Table<'a>, reader: &mut Reader<'a>) -> Self {
        let mut table = top.table("backup_intake", reader);
        let mut config = Self {
            syslog_udp: table.take("syslog_udp", reader),
            syslog_tcp: table.take("syslog_tcp", reader),
            snmp_trap: table.take("snmp_trap", reader),
            sources: Vec::new(),
        };
        let listens = config.listens();
        let sources: Vec<(SourceConfig, Range<usize>)> = table.list("source", reader);
        for (at, (source, span)) in sources.iter().enumerate() {
            for mistake in source.mistakes(listens) {
                reader.mistake(
                    span.clone(),
                    format!("backup_intake.source `{}` {mistake}", source.name),
                );
            }
            let twice = sources[..at].iter().any(|(other, _)| other.name == source.name);
            if twice || at == SOURCES_MAX {
                let problem = format!("is there twice, or one of more than {SOURCES_MAX}");
                reader.mistake(
                    span.clone(),
                    format!("backup_intake.source `{}` {problem}", source.name),
                );
            }
        }
        config.sources = sources.into_iter().map(|(source, _)| source).collect();
        table.finish(reader);
        config
    }

    const fn listens(&self) -> bool {
        self.syslog_udp.is_some() || self.syslog_tcp.is_some() || self.snmp_trap.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<IntakeConfig, Vec<String>> {
        let (mut reader, mut top) = Reader::parse(text);
        let config = IntakeConfig::take(&mut top, &mut reader);
        top.finish(&mut reader);
        let told =
            |mistakes: crate::toml_table::Mistakes| mistakes.mistakes.into_iter().map(|one| one.message).collect();
        reader.finish("c.toml", config).map_err(told)
    }

    #[test]
    fn sources_say_how_results_come_and_who_judges() {
        let config = read(
            "[backup_intake]\nsyslog_udp = \"0.0.0.0:5514\"\n[[backup_intake.source]]\nname = \"veeam\"\nhost = \"b1\"\n\
             from = [\"10.0.0.5\", \"10.1.0.0/16\"]\nadapter = \"veeam\"\n[[backup_intake.source]]\nname = \"oa\"\nhost = \"b1\"\n\
             folder = \"/srv/x\"\ndefinition = \"anybackup\"\nencoding = \"gb18030\"\nzone = \"Asia/Shanghai\"\n",
        )
        .unwrap();
        assert_eq!(config.sources.len(), 2);
        let networks = config.sources[0].networks();
        assert!(networks[1].contains(&"10.1.2.3".parse::<IpAddr>().unwrap()));
        assert!(!networks[0].contains(&"10.0.0.6".parse::<IpAddr>().unwrap()));
        assert_eq!(read("").unwrap(), IntakeConfig::default());
    }

    #[test]
    fn mistakes_are_told_all_at_once() {
        let mistakes = read(
            "[[backup_intake.source]]\nname = \"x\"\nhost = \"h\"\ncommunity = \"c\"\n\
             snmp_v3 = { user = \"u\", auth = \"SHA-256\", auth_password_file = \"/x\" }\nfrom = [\"nowhere\"]\nfolder = \"/x\"\nadapter = \"restic\"\n\
             zone = \"Mars\"\nencoding = \"x\"\n[[backup_intake.source]]\nname = \"x\"\n",
        )
        .unwrap_err();
        for words in [
            "one of `from`",
            "give `syslog_udp`",
            "`nowhere` is no address",
            "not with `community`",
            "`restic` can't judge single messages",
            "`Mars` is not a time zone",
            "`x` is not an encoding",
            "either `adapter` or `definition`",
            "is there twice",
            "needs `name` and `host`",
        ] {
            assert!(
                mistakes.iter().any(|mistake| mistake.contains(words)),
                "{words}: {mistakes:#?}"
            );
        }
    }
}
