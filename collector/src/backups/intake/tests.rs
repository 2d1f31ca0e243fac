//! What appliances send, over real sockets and folders, until the rules hear of it.

use super::{
    super::tests::{World, at},
    folder::Folder,
    looking::{files, mails},
    *,
};
use crate::engine::Command;
use std::{fs, path::Path};
use tocsin_desk::record::EventRecord;
use tocsin_vocabulary::RunResult;
use tokio::io::AsyncWriteExt as _;

fn source(name: &str) -> SourceConfig {
    SourceConfig {
        name: name.to_owned(),
        host: "db1".to_owned(),
        zone: Some("UTC".to_owned()),
        ..SourceConfig::default()
    }
}

fn from_loopback(name: &str) -> SourceConfig {
    SourceConfig {
        from: vec!["127.0.0.0/8".to_owned()],
        ..source(name)
    }
}

/// Begins with these sources and listeners on free ports; answers their addresses: UDP, TCP, traps.
fn begun(world: &World, sources: Vec<SourceConfig>) -> (Vec<SocketAddr>, CancellationToken) {
    let free = Some("127.0.0.1:0".parse().unwrap());
    let config = IntakeConfig {
        syslog_udp: free,
        syslog_tcp: free,
        snmp_trap: free,
        sources,
    };
    let cancel = CancellationToken::new();
    tokio::spawn(begin(ready(&config).unwrap(), &world.backups, &cancel).unwrap());
    let shown = world.backups.intake.shown();
    let listeners = shown["listeners"].as_array().unwrap();
    let address = |at: usize| listeners[at]["address"].as_str().unwrap().parse().unwrap();
    (vec![address(0), address(2), address(1)], cancel)
}

/// What the rules hear next.
async fn next(world: &mut World) -> EventRecord {
    loop {
        if let Some(Command::Events(_, _, mut events)) = world.commands.recv().await {
            return events.remove(0).0;
        }
    }
}

async fn send(to: SocketAddr, bytes: &[u8]) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(bytes, to).await.unwrap();
}

#[tokio::test]
async fn veeam_tells_by_syslog_and_its_tasks_tell_the_bytes() {
    let mut world = World::new().await;
    world.set("22T03:00:00");
    let veeam = SourceConfig {
        adapter: Some("veeam".to_owned()),
        ..from_loopback("veeam")
    };
    let (addresses, _cancel) = begun(&world, vec![veeam]);
    let line = |instance: u32, rest: &str| {
        format!(
            "<14>1 2026-11-22T02:30:00Z b1 Veeam_MP - - [origin instanceId={instance} JobSessionID=\"s1\" {rest}] x"
        )
    };
    for text in [
        line(150, "TransferredGb=\"1.5\" Status=\"2\""),
        line(190, "JobName=\"VMs\" JobResult=\"2\" WillBeRetried=\"True\""),
        line(
            190,
            "JobName=\"VMs\" JobResult=\"2\" WillBeRetried=\"False\" Reason=\"no space\"",
        ),
    ] {
        send(addresses[0], text.as_bytes()).await;
    }
    let event = next(&mut world).await;
    assert_eq!(
        (
            event.name.as_str(),
            event.attributes["job"].as_str(),
            event.body.as_str()
        ),
        ("backup.run.failed", "VMs", "no space")
    );
    let job = world.ledger.job_named(world.host, "VMs").await.unwrap().unwrap();
    let runs = world.runs(&job).await;
    assert_eq!(runs.len(), 1, "what will be retried is no run yet: {runs:?}");
    assert_eq!(
        (runs[0].ended_at, runs[0].late, runs[0].bytes_added),
        (Some(at("22T02:30:00")), true, Some(1_610_612_736))
    );
}

#[tokio::test]
async fn a_definition_judges_what_comes_over_tcp_and_strangers_are_not_heard() {
    let mut world = World::new().await;
    world.set("22T03:00:00");
    let dbackup = SourceConfig {
        definition: Some("dbackup".to_owned()),
        encoding: Some("gb18030".to_owned()),
        ..from_loopback("dbackup")
    };
    let stranger = SourceConfig {
        from: vec!["192.0.2.1".to_owned()],
        definition: Some("dbackup".to_owned()),
        ..source("elsewhere")
    };
    let (addresses, _cancel) = begun(&world, vec![dbackup, stranger]);
    let line = "<14>Nov 22 02:59:00 d dbackup[1]: job=\"mysql\" agent=\"a\" type=\"full\" status=\"成功\" \
                start=\"2026-11-22 02:00:00\" end=\"2026-11-22 02:58:00\" size=\"10\"\n";
    let (bytes, _, _) = encoding_rs::GB18030.encode(line);
    let mut stream = tokio::net::TcpStream::connect(addresses[1]).await.unwrap();
    stream
        .write_all(b"<14>Nov 22 02:00:00 d sshd[1]: nothing\n")
        .await
        .unwrap();
    stream.write_all(&bytes).await.unwrap();
    assert_eq!(next(&mut world).await.name, "backup.run.ok");
    let job = world.ledger.job_named(world.host, "mysql").await.unwrap().unwrap();
    let runs = world.runs(&job).await;
    assert_eq!((runs[0].bytes, runs[0].duration_ms), (Some(10), Some(3_480_000)));
    let shown = world.backups.intake.shown();
    assert_eq!(
        (&shown["items"][0]["came"], &shown["items"][0]["runs"]),
        (&2.into(), &1.into())
    );
    assert_eq!(shown["items"][1]["came"], 0);
}

#[tokio::test]
async fn a_trap_with_the_right_community_is_a_run() {
    let mut world = World::new().await;
    let definition = tempfile::NamedTempFile::new().unwrap();
    fs::write(
        definition.path(),
        "name = \"t\"\nrecord = '^trap \\S+ \\S+=\"(?<job>\\w+) (?<result>\\w+)\"'\nok = [\"good\"]\n",
    )
    .unwrap();
    let traps = SourceConfig {
        definition: Some(definition.path().display().to_string()),
        community: "public".to_owned(),
        ..from_loopback("traps")
    };
    let other = SourceConfig {
        community: "secret".to_owned(),
        name: "other".to_owned(),
        ..traps.clone()
    };
    let (addresses, _cancel) = begun(&world, vec![traps, other]);
    send(addresses[2], b"no trap").await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let inform = trap::tests::of_second_version(0xA6, b"nightly broken");
    socket.send_to(&inform, addresses[2]).await.unwrap();
    let mut answer = [0; 500];
    let bytes = socket.recv(&mut answer).await.unwrap();
    assert_eq!(bytes, inform.len());
    let event = next(&mut world).await;
    assert_eq!(
        (event.name.as_str(), event.body.as_str()),
        ("backup.run.failed", "broken")
    );
    let shown = world.backups.intake.shown();
    assert_eq!(shown["turned_away"], 2, "no trap, and another community: {shown}");
}

#[tokio::test]
async fn a_trap_that_proves_who_sent_it_is_a_run_and_others_of_that_sender_are_none() {
    let mut world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name)
    };
    let veeam = SourceConfig {
        definition: Some("veeam-trap".to_owned()),
        snmp_v3: Some(UserConfig {
            user: "tocsin".to_owned(),
            auth: usm::Proof::Sha256,
            auth_password_file: file("auth", "maple syrup\n"),
            privacy_password_file: Some(file("privacy", "pancakes!\n")),
        }),
        ..from_loopback("veeam")
    };
    let short = SourceConfig {
        snmp_v3: Some(UserConfig {
            auth_password_file: file("short", "1234567\n"),
            ..veeam.snmp_v3.clone().unwrap()
        }),
        ..veeam.clone()
    };
    assert!(Source::new(short).is_err());
    let (addresses, _cancel) = begun(&world, vec![veeam]);
    send(addresses[2], &trap::tests::of_second_version(0xA7, b"nightly")).await;
    let recorded = include_str!("usm.recorded").lines();
    for line in recorded.filter(|line| line.starts_with("SHA-256")) {
        let hexadecimal = line.split(' ').nth(2).unwrap();
        let byte = |at: usize| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap();
        let message: Vec<u8> = (0..hexadecimal.len()).step_by(2).map(byte).collect();
        send(addresses[2], &message).await;
    }
    let event = next(&mut world).await;
    assert_eq!(event.name, "backup.run.failed");
    assert_eq!(event.attributes["job"], "nightly");
}

/// A source of a folder, looked at twice.
async fn looked(world: &World, folder: &Path, state: &mut Folder) -> anyhow::Result<()> {
    let config = SourceConfig {
        folder: Some(folder.to_owned()),
        files: "*.csv".to_owned(),
        definition: Some("anybackup".to_owned()),
        ..source("exports")
    };
    let source = Arc::new(Source::new(config)?);
    for _ in 0..2 {
        files(&world.backups, &source, state).await?;
    }
    Ok(())
}

#[tokio::test]
async fn every_row_of_an_export_is_a_run_once_and_only_the_newest_of_a_job_wakes_somebody() {
    let mut world = World::new().await;
    world.set("22T00:00:00");
    let folder = tempfile::tempdir().unwrap();
    let row =
        |day: u8, result: &str| format!("OA,h,full,2026-11-{day} 01:00:00,2026-11-{day} 01:10:00,{result},1 GB,\n");
    let mut text = row(18, "失败") + &row(19, "成功") + &row(20, "失败") + &row(21, "成功");
    let path = folder.path().join("runs.csv");
    fs::write(&path, &text).unwrap();
    let mut state = Folder::default();
    looked(&world, folder.path(), &mut state).await.unwrap();
    assert_eq!(
        world.names(),
        ["backup.run.ok"],
        "old failures are on record and wake nobody"
    );
    let job = world.ledger.job_named(world.host, "OA").await.unwrap().unwrap();
    assert_eq!(world.runs(&job).await.len(), 4);
    // The next export has the old rows, too; so has a collector that starts again.
    world.set("22T02:00:00");
    text += &row(22, "失败");
    fs::write(&path, &text).unwrap();
    looked(&world, folder.path(), &mut Folder::default()).await.unwrap();
    assert_eq!(world.names(), ["backup.run.failed"]);
    let runs = world.runs(&job).await;
    assert_eq!(
        (runs.len(), runs[0].result, runs[0].late),
        (5, Some(RunResult::Failed), true)
    );
}

#[tokio::test]
async fn a_file_waits_for_its_host_and_a_mail_for_its_runs() {
    let mut world = World::new().await;
    let maildir = tempfile::tempdir().unwrap();
    fs::create_dir(maildir.path().join("new")).unwrap();
    let sample = examples::named("commvault").unwrap().sample;
    let mail = format!("From: cv@example.com\r\nMessage-ID: <7@cv>\r\nSubject: Job\r\n\r\n{sample}");
    fs::write(maildir.path().join("new/1.h"), mail).unwrap();
    let config = |host: &str, from: &str| SourceConfig {
        host: host.to_owned(),
        maildir: Some(maildir.path().to_owned()),
        mail_from: vec![from.to_owned()],
        definition: Some("commvault".to_owned()),
        ..source("cv")
    };
    let look = async |config: SourceConfig| {
        let source = Arc::new(Source::new(config).unwrap());
        mails(&world.backups, &source, maildir.path().to_owned()).await
    };
    look(config("db1", "other@example.com")).await.unwrap();
    let error = look(config("nowhere", "cv@example.com")).await.unwrap_err();
    assert!(error.to_string().contains("no host `nowhere`"), "{error}");
    assert!(maildir.path().join("new/1.h").is_file(), "it waits");
    look(config("db1", "CV@example.com")).await.unwrap();
    assert!(maildir.path().join("cur/1.h:2,S").is_file());
    assert_eq!(world.names(), ["backup.run.warning"]);
    let job = world.ledger.job_named(world.host, "sql-prod").await.unwrap().unwrap();
    let run = &world.runs(&job).await[0];
    assert_eq!((run.artefact.as_str(), run.files), ("482913", Some(1_204)));
    assert!(run.tail.contains("Failure Reason"), "{run:?}");
}

#[test]
fn a_definition_that_finds_no_runs_can_not_judge_single_messages() {
    let definition = tempfile::NamedTempFile::new().unwrap();
    fs::write(definition.path(), "failed_line = ['ERROR']\n").unwrap();
    let config = SourceConfig {
        definition: Some(definition.path().display().to_string()),
        ..from_loopback("x")
    };
    assert!(Source::new(config.clone()).is_err());
    let of_folder = SourceConfig {
        from: Vec::new(),
        folder: Some("/srv".into()),
        ..config.clone()
    };
    assert!(Source::new(of_folder).is_ok());
    let nowhere = SourceConfig {
        definition: Some("nowhere.toml".to_owned()),
        ..config
    };
    assert!(format!("{:#}", Source::new(nowhere).err().unwrap()).contains("cannot read definition nowhere.toml"));
}
