//! Curves, health and rules of the made-up duty room.

use super::{rich, *};

/// Attributes that a fake host has for a metric: one list per series.
fn shapes(metric: &str) -> Vec<Vec<(&'static str, &'static str)>> {
    match metric {
        "system.cpu.utilization" => vec![vec![], vec![("cpu.mode", "iowait")], vec![("cpu.mode", "system")]],
        "system.memory.utilization" => vec![vec![("system.memory.state", "used")]],
        "system.cpu.load_average.1m" | "system.cpu.load_average.5m" => vec![vec![]],
        "tocsin.pressure.share" => ["cpu", "memory", "io"]
            .map(|resource| {
                vec![
                    ("tocsin.pressure.resource", resource),
                    ("tocsin.pressure.stall", "some"),
                    ("tocsin.pressure.window", "10s"),
                ]
            })
            .to_vec(),
        "system.filesystem.utilization" => ["/", "/var", "/<script>alert('mount')</script>"]
            .map(|mount| {
                vec![
                    ("system.filesystem.mountpoint", mount),
                    ("system.filesystem.state", "used"),
                ]
            })
            .to_vec(),
        "system.disk.io" => ["read", "write"]
            .map(|way| vec![("disk.io.direction", way), ("system.device", "sda")])
            .to_vec(),
        "system.disk.io_time" => vec![vec![("system.device", "sda")]],
        "system.network.io" => ["receive", "transmit"]
            .map(|way| vec![("network.interface.name", "eth0"), ("network.io.direction", way)])
            .to_vec(),
        "tocsin.process.group.count" => vec![vec![("tocsin.process.group", "nginx")]],
        _ => Vec::new(),
    }
}

/// A plausible value: a daily swing, a ripple, and trouble near the end for what has trouble.
fn value(metric: &str, line: usize, host: HostId, at: Timestamp, now: Timestamp) -> f64 {
    let seed = f64::from(host.as_bytes()[0]) + line as f64 * 1.7;
    let hours = at.as_millis() as f64 / 3_600_000.0;
    let noise = ((hours * 977.0 + seed * 31.0).sin() * 43_758.545_3).fract().abs();
    let swing = 0.5 + 0.35 * (hours * TAU / 6.0 + seed).sin() + 0.15 * noise;
    let late = (20.0 * 60_000.0 - (now.as_millis() - at.as_millis()) as f64).max(0.0) / (20.0 * 60_000.0);
    match metric {
        "system.cpu.utilization" => [0.18 + 0.25 * swing + 0.4 * late, 0.02 * swing, 0.06 * swing][line.min(2)],
        "system.memory.utilization" => 0.61 + 0.04 * swing,
        "system.filesystem.utilization" => [0.42, 0.9 + 0.07 * late.sqrt(), 0.18][line.min(2)],
        "system.disk.io" => 4e6 * swing * (1.0 + line as f64 + 4.0 * late),
        "system.network.io" => 2e6 * swing * (1.0 + line as f64),
        "tocsin.pressure.share" => 0.03 * swing * (1.0 + line as f64 + 6.0 * late),
        "tocsin.process.group.count" => {
            if late > 0.1 {
                0.0
            } else {
                4.0
            }
        }
        "system.disk.io_time" => 0.2 * swing + 0.6 * late,
        _ => 1.0 + 2.0 * swing + 6.0 * late,
    }
}

fn series(metric: &str, attributes: &[(&str, &str)]) -> Series {
    match catalogue::metric(metric) {
        Some(metric) => metric.series(attributes),
        None => Series {
            name: metric.into(),
            attributes: Vec::new(),
            kind: Kind::Gauge,
            unit: "1".into(),
            decimals: 2,
        },
    }
}

#[async_trait]
impl Measurements for Fake {
    async fn hosts(&self) -> Result<Vec<Host>, Failure> {
        Ok(self.hosts.clone())
    }
    async fn host(&self, id: HostId) -> Result<Option<Host>, Failure> {
        Ok(self.hosts.iter().find(|host| host.record.id == id).cloned())
    }
    async fn query(&self, query: &MetricQuery) -> Result<MetricAnswer, Failure> {
        let now = self.now();
        let step = query
            .step
            .unwrap_or(Duration::from_secs(10))
            .max(Duration::from_secs(1));
        let span = query.to.since(query.from);
        // A quarter-way in, the host was not heard for a while.
        let gap = (query.from.plus(span / 4), query.from.plus(span / 4 + span / 16));
        let mut answer = MetricAnswer {
            series: Vec::new(),
            not_observed: vec![gap],
        };
        let own = rich::LINES
            .iter()
            .filter(|_| rich::is(query.host) && shapes(&query.metric).is_empty());
        for (metric, attributes, value) in own.filter(|(metric, ..)| *metric == query.metric) {
            let series = series(metric, attributes);
            answer.series.push(AnswerSeries {
                unit: format!("{}/s", series.unit),
                points: vec![(query.from, Some(*value))],
                series,
            });
        }
        for (line, attributes) in shapes(&query.metric).into_iter().enumerate() {
            let series = series(&query.metric, &attributes);
            if !query
                .attributes
                .iter()
                .all(|(key, wanted)| series.attribute(key) == Some(wanted))
            {
                continue;
            }
            let mut points = Vec::new();
            let mut at = query.from;
            while at < query.to {
                let known = at < gap.0 || at >= gap.1;
                points.push((at, known.then(|| value(&query.metric, line, query.host, at, now))));
                at = at.plus(step);
            }
            let unit = if series.kind == Kind::Counter {
                format!("{}/s", series.unit)
            } else {
                series.unit.to_string()
            };
            answer.series.push(AnswerSeries { series, unit, points });
        }
        Ok(answer)
    }
    async fn fleet_query(&self, query: &FleetQuery) -> Result<FleetAnswer, Failure> {
        let (mut series, mut not_observed) = (Vec::new(), Vec::new());
        for metric in &query.metrics {
            for &host in &query.hosts {
                let single = MetricQuery {
                    host,
                    metric: metric.clone(),
                    attributes: query.attributes.clone(),
                    from: query.from,
                    to: query.to,
                    step: query.step,
                    aggregate: query.aggregate,
                };
                let found = self.query(&single).await?;
                not_observed = found.not_observed;
                series.extend(found.series.into_iter().map(|line| FleetSeries {
                    host: query.group_by.is_none().then_some(host),
                    min: line.points.iter().map(|(_, value)| *value).collect(),
                    max: line.points.iter().map(|(_, value)| *value).collect(),
                    line,
                }));
            }
        }
        if query.group_by.is_some() {
            series.truncate(1);
        }
        if let Some(top) = query.top {
            series.truncate(top.k);
        }
        let (sender, receiver) = mpsc::channel(series.len() + 1);
        let parts = series.into_iter().map(FleetPart::Series);
        for part in parts.chain([FleetPart::End { not_observed }]) {
            sender
                .try_send(part)
                .map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
        }
        Ok(receiver)
    }
    async fn latest(&self, host: HostId) -> Result<Option<LatestTick>, Failure> {
        let now = self.now();
        let metrics = [
            "system.cpu.utilization",
            "system.memory.utilization",
            "system.filesystem.utilization",
            "system.cpu.load_average.1m",
        ];
        let values = metrics.iter().flat_map(|metric| {
            shapes(metric)
                .into_iter()
                .enumerate()
                .map(move |(line, attributes)| LatestValue {
                    series: series(metric, &attributes),
                    value: Some(value(metric, line, host, now, now)),
                })
        });
        let own = rich::LINES.iter().filter(|_| rich::is(host));
        let own = own.map(|(metric, attributes, value)| LatestValue {
            series: series(metric, attributes),
            value: Some(*value),
        });
        let counters = ["system.disk.io_time", "system.network.io"].iter().flat_map(|metric| {
            let lines = shapes(metric).into_iter().filter(|_| rich::is(host));
            lines.map(move |attributes| LatestValue {
                series: series(metric, &attributes),
                value: Some(0.0),
            })
        });
        Ok(Some(LatestTick {
            time: now,
            values: values.chain(own).chain(counters).collect(),
        }))
    }
    async fn processes(&self, _: HostId) -> Result<Option<Processes>, Failure> {
        let process = |pid: u32, name: &str, user: &str, cpu_ratio: f64, memory: u64, command: &str| Process {
            pid,
            name: name.to_owned(),
            user: user.to_owned(),
            cpu_ratio,
            memory_bytes: memory << 20,
            state: "S".to_owned(),
            command: command.to_owned(),
            zombies: 0,
        };
        Ok(Some(Processes {
            time: self.now(),
            total: 214,
            processes: vec![
                process(
                    1823,
                    "postgres",
                    "postgres",
                    1.42,
                    8_420,
                    "/usr/lib/postgresql/17/bin/postgres -D /var/lib/postgresql/17/main",
                ),
                process(
                    2210,
                    "<script>alert('process')</script>",
                    "root",
                    0.31,
                    64,
                    "<img src=x onerror=alert(1)>",
                ),
                process(911, "rsyslogd", "root", 0.04, 12, "/usr/sbin/rsyslogd -n -iNONE"),
                process(1, "systemd", "root", 0.001, 14, "/sbin/init"),
            ],
        }))
    }
}

#[async_trait]
impl System for Fake {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::Relaxed))
    }
    fn random(&self, bytes: &mut [u8]) {
        let n = self
            .random
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_add(self.now().as_millis().unsigned_abs());
        for (byte, from) in bytes.iter_mut().zip(n.to_le_bytes().into_iter().cycle()) {
            *byte = from;
        }
    }
    async fn rules(&self) -> Result<Vec<RuleView>, Failure> {
        let rule = |name: &str, metric: &str, threshold: f64, severity, title: Text, raised| RuleView {
            name: name.to_owned(),
            file: "hosts.toml".to_owned(),
            text: format!("[[rule]]\nname = \"{name}\"\nmetric = \"{metric}\"\nabove = {threshold}\nfor = \"1m\"\n"),
            severity,
            action: "ticket".to_owned(),
            title,
            metric: metric.to_owned(),
            threshold: Some(threshold),
            raised,
            pending: 0,
        };
        Ok(vec![
            rule(
                "filesystem-full",
                "system.filesystem.utilization",
                0.95,
                Severity::Critical,
                Text::new("A file system is nearly full", "文件系统将满"),
                1,
            ),
            rule(
                "cpu-busy",
                "system.cpu.utilization",
                0.9,
                Severity::Warning,
                Text::new("CPU is busy for long", "CPU 持续繁忙"),
                1,
            ),
            rule(
                "memory-full",
                "system.memory.utilization",
                0.95,
                Severity::Major,
                Text::new("Memory is nearly used up", "内存将耗尽"),
                1,
            ),
        ])
    }
    async fn health(&self) -> Vec<HealthPart> {
        ["journal", "ledger", "desk", "channels", "ingest"]
            .map(|name| HealthPart {
                name: name.to_owned(),
                healthy: true,
                detail: "ok".to_owned(),
            })
            .to_vec()
    }
    async fn prometheus(&self) -> String {
        "# TYPE tocsin_ticks_total counter\ntocsin_ticks_total 42\n".to_owned()
    }
    fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }
    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}
