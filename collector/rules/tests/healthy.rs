//! Nothing above *info* is said of what is healthy: a recording of a real host, and days of made ones whose values wander,
//! climb and fall as those of hosts do that nobody needs to look at.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken assumption is a failed test")]

use std::{collections::HashMap, sync::Arc, time::Duration};
use tocsin_rules::{
    RuleSet,
    replay::{Episode, Replay, Who},
};
use tocsin_vocabulary::{
    Dictionary, HostId, Section, Series, Severity, Timestamp,
    batch::{Cell, Tick},
    catalogue,
};

/// 2026-01-05T00:00:00Z, a Monday.
const START: i64 = 1_767_571_200_000;

/// A metric, its attributes, and its value at each tick.
type Column = (&'static str, Vec<(&'static str, String)>, Vec<Option<f64>>);

/// What the whole pack says of these columns.
fn said(columns: &[Column], times: &[i64]) -> Vec<Episode> {
    let series: Vec<Series> = columns
        .iter()
        .map(|(name, attributes, _)| {
            let pairs: Vec<(&str, &str)> = attributes.iter().map(|(key, value)| (*key, value.as_str())).collect();
            catalogue::metric(name)
                .unwrap_or_else(|| panic!("{name}"))
                .series(&pairs)
        })
        .collect();
    let decimals: Vec<u8> = series.iter().map(|one| one.decimals).collect();
    let dictionary = Dictionary::new(vec![Arc::new(Section::new(series))]);
    let who = Who {
        host: HostId::from_bytes([1; 16]),
        name: "db1".to_owned(),
        tags: Vec::new(),
        groups: Vec::new(),
        customer: String::new(),
    };
    let time = |at: usize| Timestamp::from_millis(times[at]);
    let interval = time(1).since(time(0));
    let mut replay = Replay::new(&RuleSet::builtin(), &who, Some(interval), time(0));
    let changed = vec![u64::MAX; columns.len().div_ceil(64)];
    for at in 0..times.len() {
        let cells = columns.iter().zip(&decimals).map(|((_, _, values), decimals)| {
            values[at].map_or(Cell::Absent, |value| Cell::from_f64(value, *decimals))
        });
        let tick = Tick {
            time: time(at),
            cells: cells.collect(),
        };
        replay.tick(&dictionary, &tick, &changed);
    }
    let (episodes, _) = replay.finish(time(0), time(times.len() - 1));
    episodes
        .into_iter()
        .filter(|episode| episode.severity > Severity::Info)
        .collect()
}

fn told(episodes: &[Episode]) -> Vec<(&str, &str)> {
    episodes
        .iter()
        .map(|episode| (episode.rule.as_str(), episode.title.en.as_str()))
        .collect()
}

/// One series as it was recorded.
struct Recorded {
    labels: HashMap<String, String>,
    values: Vec<Option<f64>>,
}

/// A recording by names of its metrics, and its times.
struct Recording {
    times: Vec<i64>,
    series: HashMap<String, Vec<Recorded>>,
}

impl Recording {
    fn read(text: &str) -> Self {
        let (mut times, mut series) = (Vec::new(), HashMap::<String, Vec<Recorded>>::new());
        for line in text.lines() {
            let mut fields = line.split('\t');
            let (name, _, values) = (fields.next().unwrap(), fields.next(), fields.next().unwrap_or_default());
            if name == "ts_ms" {
                times = values.split(',').map(|value| value.parse().unwrap()).collect();
                continue;
            }
            let (name, labels) = name.split_once('{').unwrap_or((name, ""));
            let labels = labels.trim_end_matches('}').split("\",").filter_map(|pair| {
                let (key, value) = pair.split_once("=\"")?;
                Some((key.to_owned(), value.trim_end_matches('"').to_owned()))
            });
            let values = values.split(',').map(|value| value.parse().ok());
            series.entry(name.to_owned()).or_default().push(Recorded {
                labels: labels.collect(),
                values: values.collect(),
            });
        }
        Self { times, series }
    }

    fn all(&self, name: &str) -> &[Recorded] {
        self.series.get(name).map_or(&[], Vec::as_slice)
    }

    /// The series of this name whose label is this.
    fn of(&self, name: &str, label: &str, value: &str) -> Vec<Option<f64>> {
        let found = self
            .all(name)
            .iter()
            .find(|one| one.labels.get(label).is_some_and(|is| is == value));
        found
            .map(|one| one.values.clone())
            .unwrap_or_else(|| vec![None; self.times.len()])
    }

    fn one(&self, name: &str) -> Vec<Option<f64>> {
        self.all(name)
            .first()
            .map(|one| one.values.clone())
            .unwrap_or_else(|| vec![None; self.times.len()])
    }
}

fn each(one: &[Option<f64>], other: &[Option<f64>], of: impl Fn(f64, f64) -> f64) -> Vec<Option<f64>> {
    one.iter()
        .zip(other)
        .map(|(one, other)| Some(of((*one)?, (*other)?)))
        .collect()
}

/// The share of time that the processors spent in some modes, from their counters.
fn share(recording: &Recording, wanted: impl Fn(&str) -> bool) -> Vec<Option<f64>> {
    let sum = |at: usize, wanted: &dyn Fn(&str) -> bool| -> f64 {
        let all = recording.all("node_cpu_seconds_total").iter();
        all.filter(|one| wanted(&one.labels["mode"]))
            .filter_map(|one| one.values[at])
            .sum()
    };
    (0..recording.times.len())
        .map(|at| {
            let before = at.checked_sub(1)?;
            let all = sum(at, &|_| true) - sum(before, &|_| true);
            (all > 0.0).then(|| (sum(at, &wanted) - sum(before, &wanted)) / all)
        })
        .collect()
}

fn as_ours(recording: &Recording) -> Vec<Column> {
    let none = Vec::new();
    let state = |key: &'static str, value: &str| vec![(key, value.to_owned())];
    let total = recording.one("node_memory_MemTotal_bytes");
    let cpus = recording
        .all("node_cpu_seconds_total")
        .iter()
        .filter(|one| one.labels["mode"] == "idle")
        .count();
    let mut columns: Vec<Column> = vec![
        (
            "system.cpu.utilization",
            none.clone(),
            share(recording, |mode| !matches!(mode, "idle" | "iowait")),
        ),
        (
            "system.cpu.utilization",
            state("cpu.mode", "iowait"),
            share(recording, |mode| mode == "iowait"),
        ),
        (
            "system.cpu.utilization",
            state("cpu.mode", "steal"),
            share(recording, |mode| mode == "steal"),
        ),
        (
            "tocsin.cpu.load_per_cpu",
            none.clone(),
            recording
                .one("node_load15")
                .iter()
                .map(|load| Some((*load)? / cpus as f64))
                .collect(),
        ),
        (
            "system.memory.utilization",
            state("system.memory.state", "used"),
            each(&recording.one("node_memory_MemAvailable_bytes"), &total, |free, all| {
                1.0 - free / all
            }),
        ),
        (
            "system.paging.faults",
            state("system.paging.fault.type", "major"),
            recording.one("node_vmstat_pgmajfault"),
        ),
        (
            "tocsin.memory.oom_kills",
            none.clone(),
            recording.one("node_vmstat_oom_kill"),
        ),
        (
            "system.uptime",
            none.clone(),
            each(
                &recording.one("node_time_seconds"),
                &recording.one("node_boot_time_seconds"),
                |now, boot| now - boot,
            ),
        ),
        (
            "tocsin.network.conntrack.utilization",
            none.clone(),
            each(
                &recording.one("node_nf_conntrack_entries"),
                &recording.one("node_nf_conntrack_entries_limit"),
                |used, all| used / all,
            ),
        ),
        ("tocsin.clock.offset", none, recording.one("node_timex_offset_seconds")),
    ];
    for mount in recording.all("node_filesystem_size_bytes") {
        let point = &mount.labels["mountpoint"];
        let of = |name: &str| recording.of(name, "mountpoint", point);
        let used = each(&mount.values, &of("node_filesystem_free_bytes"), |size, free| {
            size - free
        });
        let avail = of("node_filesystem_avail_bytes");
        let keys = |state: Option<&str>| {
            let mut keys = vec![
                ("system.device", mount.labels["device"].clone()),
                ("system.filesystem.mountpoint", point.clone()),
                ("system.filesystem.type", mount.labels["fstype"].clone()),
            ];
            keys.extend(state.map(|state| ("system.filesystem.state", state.to_owned())));
            keys
        };
        columns.extend([
            (
                "system.filesystem.utilization",
                keys(Some("used")),
                each(&used, &avail, |used, avail| used / (used + avail)),
            ),
            ("system.filesystem.usage", keys(Some("free")), avail.clone()),
            (
                "tocsin.filesystem.inodes.utilization",
                keys(None),
                each(
                    &of("node_filesystem_files_free"),
                    &of("node_filesystem_files"),
                    |free, all| 1.0 - free / all,
                ),
            ),
            (
                "tocsin.filesystem.read_only",
                keys(None),
                of("node_filesystem_readonly"),
            ),
        ]);
    }
    for disk in recording.all("node_disk_reads_completed_total") {
        let device = &disk.labels["device"];
        let of = |name: &str| recording.of(name, "device", device);
        let keys = |direction: Option<&str>| {
            let mut keys = vec![("system.device", device.clone())];
            keys.extend(direction.map(|direction| ("disk.io.direction", direction.to_owned())));
            keys
        };
        columns.extend([
            ("system.disk.operations", keys(Some("read")), disk.values.clone()),
            (
                "system.disk.operations",
                keys(Some("write")),
                of("node_disk_writes_completed_total"),
            ),
            (
                "system.disk.operation_time",
                keys(Some("read")),
                of("node_disk_read_time_seconds_total"),
            ),
            (
                "system.disk.operation_time",
                keys(Some("write")),
                of("node_disk_write_time_seconds_total"),
            ),
            (
                "system.disk.weighted_io_time",
                keys(None),
                of("node_disk_io_time_weighted_seconds_total"),
            ),
        ]);
    }
    for nic in recording.all("node_network_up") {
        let device = &nic.labels["device"];
        let of = |name: &str| recording.of(name, "device", device);
        let keys = |direction: &str| {
            vec![
                ("network.interface.name", device.clone()),
                ("network.io.direction", direction.to_owned()),
            ]
        };
        columns.extend([
            (
                "tocsin.network.up",
                vec![("network.interface.name", device.clone())],
                nic.values.clone(),
            ),
            (
                "system.network.io",
                keys("receive"),
                of("node_network_receive_bytes_total"),
            ),
            (
                "system.network.io",
                keys("transmit"),
                of("node_network_transmit_bytes_total"),
            ),
            (
                "system.network.errors",
                keys("receive"),
                of("node_network_receive_errs_total"),
            ),
            (
                "system.network.packet.count",
                keys("receive"),
                of("node_network_receive_packets_total"),
            ),
            (
                "system.network.packet.dropped",
                keys("receive"),
                of("node_network_receive_drop_total"),
            ),
        ]);
    }
    columns
}

/// A span of the recording, in ticks from its beginning, and what is so in it.
struct Span {
    ticks: std::ops::Range<usize>,
    is: &'static str,
    /// Rules that may speak, for what they say is true; none of a healthy host.
    true_of_it: &'static [&'static str],
    /// Whether it is also held ten times as slow. A busy minute is ten then, and no longer healthy.
    slowed_too: bool,
}

/// What was seen on the recorded host, by its figures, when the recording was looked at; the test holds that it is so.
const SPANS: [Span; 2] = [
    Span {
        ticks: 0..240,
        is: "healthy, under light load",
        true_of_it: &[],
        slowed_too: false,
    },
    Span {
        ticks: 0..1_942,
        is: "healthy but for this: both processors fully busy for half an hour, and a program that used up its memory",
        true_of_it: &["cpu-busy", "cpu-saturated", "load-high", "memory-oom-kill"],
        slowed_too: true,
    },
];

#[test]
fn a_recorded_host_raises_only_what_its_record_shows() {
    let Some(folder) = std::env::var_os("TOCSIN_FIELD_DATA") else {
        println!("skipped: TOCSIN_FIELD_DATA is not set");
        return;
    };
    let path = std::path::Path::new(&folder).join("metrics/host1s.tsv.zst");
    let packed = std::fs::read(&path).unwrap_or_else(|error| panic!("can't read {}: {error}", path.display()));
    let text = String::from_utf8(zstd::decode_all(&packed[..]).unwrap()).unwrap();
    let recording = Recording::read(&text);
    let columns = as_ours(&recording);
    assert!(
        columns.len() >= 30 && recording.times.len() == SPANS[1].ticks.end,
        "{}",
        columns.len()
    );
    let measured = columns
        .iter()
        .filter(|(_, _, values)| values.iter().any(Option::is_some))
        .count();
    assert!(measured >= 25, "{measured}");
    let busy = columns[0].2.iter().flatten().filter(|share| **share > 0.95).count();
    assert!(busy > 1_200, "{busy}");
    let killed = recording.one("node_vmstat_oom_kill");
    assert!(killed.last().copied().flatten() > killed[0]);
    assert_eq!(
        killed[0], killed[SPANS[0].ticks.end],
        "nothing was killed while it was healthy"
    );
    for span in SPANS {
        let Span {
            ticks,
            is,
            true_of_it,
            slowed_too,
        } = span;
        let part: Vec<Column> = columns
            .iter()
            .map(|(name, keys, values)| (*name, keys.clone(), values[ticks.clone()].to_vec()))
            .collect();
        // As recorded, a tick a second; and as an agent with the usual interval would have sent it, for hours on end.
        let slower: Vec<i64> = ticks.clone().map(|at| START + at as i64 * 10_000).collect();
        let slowed: Vec<Column> = part
            .iter()
            .filter(|(name, ..)| *name != "system.uptime")
            .cloned()
            .collect();
        let mut said_of_it = vec![said(&part, &recording.times[ticks.clone()])];
        if slowed_too {
            said_of_it.push(said(&slowed, &slower));
        }
        for episodes in said_of_it {
            let is_wrong = |one: &Episode| !true_of_it.contains(&one.rule.as_str());
            let wrong: Vec<Episode> = episodes.into_iter().filter(is_wrong).collect();
            assert_eq!(told(&wrong), [], "{is}");
        }
    }
}

/// A number between 0 and 1 that has nothing to do with its neighbours'.
fn noise(seed: i64) -> f64 {
    let mut mixed = seed.cast_unsigned().wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

const MINUTE: i64 = 60_000;
const MINUTES_A_DAY: i64 = 1_440;

/// Values for each minute of some days.
fn minutes(days: i64, of: impl Fn(i64) -> f64) -> Vec<Option<f64>> {
    (0..days * MINUTES_A_DAY).map(|minute| Some(of(minute))).collect()
}

fn used(point: &str) -> Vec<(&'static str, String)> {
    vec![
        ("system.filesystem.mountpoint", point.to_owned()),
        ("system.filesystem.state", "used".to_owned()),
        ("system.filesystem.type", "ext4".to_owned()),
    ]
}

fn times(days: i64) -> Vec<i64> {
    (0..days * MINUTES_A_DAY)
        .map(|minute| START + minute * MINUTE)
        .collect()
}

#[test]
fn three_weeks_of_office_hours_with_nightly_backups_raise_nothing() {
    const DAYS: i64 = 21;
    let hour = |minute: i64| minute % MINUTES_A_DAY / 60;
    let office = |minute: i64| (8..18).contains(&hour(minute)) && minute / MINUTES_A_DAY % 7 < 5;
    let night = |minute: i64| minute % MINUTES_A_DAY < 40;
    let busy = |minute: i64| {
        let base = if office(minute) { 0.45 } else { 0.08 };
        // Peaks of some minutes, and the backup's.
        let peak = if minute % 97 < 5 { 0.45 } else { 0.0 };
        let backup = if night(minute) { 0.5 } else { 0.0 };
        f64::min(1.0, base + peak + backup + 0.1 * noise(minute))
    };
    let columns: Vec<Column> = vec![
        ("system.cpu.utilization", Vec::new(), minutes(DAYS, busy)),
        (
            "tocsin.cpu.load_per_cpu",
            Vec::new(),
            minutes(DAYS, |minute| 1.5 * busy(minute)),
        ),
        (
            "system.memory.utilization",
            vec![("system.memory.state", "used".to_owned())],
            minutes(DAYS, |minute| {
                0.62 + if office(minute) { 0.12 } else { 0.0 } + 0.02 * noise(minute * 3)
            }),
        ),
        // Logs that grow and are rotated each week.
        (
            "system.filesystem.utilization",
            used("/var/log"),
            minutes(DAYS, |minute| {
                0.30 + 0.35 * (minute % (7 * MINUTES_A_DAY)) as f64 / (7 * MINUTES_A_DAY) as f64
            }),
        ),
        // Dumps that are written each night and removed in the morning.
        (
            "system.filesystem.utilization",
            used("/backup"),
            minutes(DAYS, |minute| {
                0.55 + if (0..6).contains(&hour(minute)) { 0.2 } else { 0.0 }
            }),
        ),
        // Data that grows slowly.
        (
            "system.filesystem.utilization",
            used("/data"),
            minutes(DAYS, |minute| {
                0.40 + 0.02 * minute as f64 / (DAYS * MINUTES_A_DAY) as f64
            }),
        ),
        (
            "tocsin.clock.offset",
            Vec::new(),
            minutes(DAYS, |minute| 0.002 * (noise(minute * 7) - 0.5)),
        ),
        ("tocsin.clock.synchronized", Vec::new(), minutes(DAYS, |_| 1.0)),
        (
            "system.uptime",
            Vec::new(),
            minutes(DAYS, |minute| 1e6 + minute as f64 * 60.0),
        ),
        (
            "hw.temperature",
            vec![("hw.id", "sda".to_owned()), ("hw.type", "disk".to_owned())],
            minutes(DAYS, |minute| 38.0 + 12.0 * busy(minute)),
        ),
    ];
    assert_eq!(told(&said(&columns, &times(DAYS))), []);
}

#[test]
fn forecasts_are_silent_on_a_sawtooth_a_step_and_a_copy_that_runs_once() {
    const DAYS: i64 = 14;
    let shapes: [(&str, &dyn Fn(i64) -> f64); 4] = [
        ("teeth of two hours", &|minute| {
            0.62 + 0.16 * (minute % 120) as f64 / 120.0
        }),
        ("teeth of a day", &|minute| {
            0.52 + 0.25 * (minute % MINUTES_A_DAY) as f64 / MINUTES_A_DAY as f64
        }),
        ("a step", &|minute| if minute < 6 * MINUTES_A_DAY { 0.55 } else { 0.78 }),
        ("a copy", &|minute| {
            let begin = 6 * MINUTES_A_DAY;
            0.55 + 0.22 * ((minute - begin) as f64 / 45.0).clamp(0.0, 1.0)
        }),
    ];
    for (what, shape) in shapes {
        let columns = [("system.filesystem.utilization", used("/data"), minutes(DAYS, shape))];
        let episodes = said(&columns, &times(DAYS));
        // That the first tooth of a day is one, nobody can know before it falls.
        let known = Timestamp::from_millis(START + MINUTES_A_DAY * MINUTE);
        let later: Vec<Episode> = episodes
            .into_iter()
            .filter(|one| what != "teeth of a day" || one.raised_at > known)
            .collect();
        assert_eq!(told(&later), [], "{what}");
    }
}

#[test]
fn a_real_trend_is_told_before_the_threshold() {
    let hours = 30;
    let columns = [(
        "system.filesystem.utilization",
        used("/data"),
        (0..hours * 60)
            .map(|minute| Some(0.61 + 0.33 * f64::from(minute) / f64::from(hours * 60)))
            .collect(),
    )];
    let times: Vec<i64> = (0..i64::from(hours) * 60)
        .map(|minute| START + minute * MINUTE)
        .collect();
    let episodes = said(&columns, &times);
    let first = episodes
        .iter()
        .find(|episode| episode.rule == "filesystem-forecast")
        .expect("a warning");
    let share =
        0.61 + 0.33 * first.raised_at.since(Timestamp::from_millis(START)).as_secs_f64() / (hours as f64 * 3_600.0);
    assert!(share < 0.80, "{share}");
    assert!(first.raised_at.since(Timestamp::from_millis(START)) < Duration::from_secs(20 * 3_600));
}
