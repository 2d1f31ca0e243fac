//! Debian's own agents, each with a folder and a port of its own: what a user would compare with.

use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::{net::UnixStream, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tocsin_tests::program::Running;

/// An answer that takes longer is none.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
/// What zabbix-agent2 is asked for at each round: what Zabbix's own template for Linux asks, without discovery.
const ZABBIX_ITEMS: [&str; 46] = [
    "system.cpu.load[all,avg1]",
    "system.cpu.load[all,avg5]",
    "system.cpu.load[all,avg15]",
    "system.cpu.num",
    "system.cpu.intr",
    "system.cpu.switches",
    "system.cpu.util[,user]",
    "system.cpu.util[,nice]",
    "system.cpu.util[,system]",
    "system.cpu.util[,idle]",
    "system.cpu.util[,iowait]",
    "system.cpu.util[,interrupt]",
    "system.cpu.util[,softirq]",
    "system.cpu.util[,steal]",
    "system.cpu.util[,guest]",
    "system.cpu.util[,guest_nice]",
    "vm.memory.size[total]",
    "vm.memory.size[available]",
    "vm.memory.size[pavailable]",
    "vm.memory.size[buffers]",
    "vm.memory.size[cached]",
    "system.swap.size[,total]",
    "system.swap.size[,free]",
    "system.swap.size[,pfree]",
    "vfs.fs.size[/,total]",
    "vfs.fs.size[/,used]",
    "vfs.fs.size[/,pused]",
    "vfs.fs.inode[/,pfree]",
    "net.if.in[lo]",
    "net.if.in[lo,errors]",
    "net.if.in[lo,dropped]",
    "net.if.out[lo]",
    "net.if.out[lo,errors]",
    "net.if.out[lo,dropped]",
    "vfs.file.contents[/sys/class/net/lo/operstate]",
    "vfs.file.contents[/proc/diskstats]",
    "proc.num",
    "proc.num[,,run]",
    "kernel.maxproc",
    "kernel.maxfiles",
    "system.uptime",
    "system.boottime",
    "system.localtime",
    "system.hostname",
    "system.users.num",
    "agent.ping",
];

/// An agent that is compared with ours.
pub(super) struct Peer {
    pub(super) name: &'static str,
    running: Running,
    kind: Kind,
    folder: PathBuf,
    address: SocketAddr,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    NodeExporter,
    Collectd,
    Zabbix,
    Netdata,
}

impl Peer {
    /// Every peer that is installed, started with `interval` seconds between its rounds.
    pub(super) fn all(folder: &Path, interval: u64) -> Vec<Self> {
        let known = [
            ("node_exporter", "/usr/bin/prometheus-node-exporter", Kind::NodeExporter),
            ("collectd", "/usr/sbin/collectd", Kind::Collectd),
            ("zabbix-agent2", "/usr/sbin/zabbix_agent2", Kind::Zabbix),
            ("netdata", "/usr/sbin/netdata", Kind::Netdata),
        ];
        let mut peers = Vec::new();
        for (name, program, kind) in known {
            if Path::new(program).is_file() {
                peers.push(Self::start(name, program, kind, &folder.join(name), interval));
            } else {
                println!("{name} is not installed and left out");
            }
        }
        peers
    }

    fn start(name: &'static str, program: &str, kind: Kind, folder: &Path, interval: u64) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        // Zabbix takes no port above these, which is where the kernel's own choice begins.
        let first = 10_000 + 5_000 * kind as u16;
        let address = (first..first + 5_000)
            .find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok()?.local_addr().ok())
            .expect("a free port");
        let config = folder.join("config");
        let text = match kind {
            Kind::NodeExporter => String::new(),
            Kind::Collectd => collectd_config(folder, interval),
            Kind::Zabbix => zabbix_config(folder, address),
            Kind::Netdata => netdata_config(folder, address, interval),
        };
        std::fs::write(&config, text).expect("a configuration");
        let mut command = Command::new(program);
        match kind {
            Kind::NodeExporter => command.arg(format!("--web.listen-address={address}")),
            Kind::Collectd => command.arg("-f").arg("-C").arg(&config),
            Kind::Zabbix => command.arg("-f").arg("-c").arg(&config),
            Kind::Netdata => command.arg("-D").arg("-u").arg("root").arg("-c").arg(&config),
        };
        command.process_group(0);
        Self {
            name,
            running: Running::start(&mut command, &folder.join("log")),
            kind,
            folder: folder.to_owned(),
            address,
        }
    }

    /// Its first process; those it starts are in its group.
    pub(super) fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// What has to be asked at each round is asked.
    pub(super) fn round(&self) {
        match self.kind {
            Kind::NodeExporter => drop(self.http("/metrics")),
            Kind::Zabbix => drop(self.zabbix()),
            Kind::Collectd | Kind::Netdata => {}
        }
    }

    /// How many values a round has.
    pub(super) fn values(&self) -> io::Result<usize> {
        let exposed = |text: String| {
            text.lines()
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .count()
        };
        match self.kind {
            Kind::NodeExporter => Ok(exposed(self.http("/metrics")?)),
            Kind::Netdata => Ok(exposed(self.http("/api/v1/allmetrics?format=prometheus")?)),
            Kind::Zabbix => self.zabbix(),
            Kind::Collectd => self.collectd(),
        }
    }

    fn http(&self, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address, ANSWER_WAIT)?;
        stream.set_read_timeout(Some(ANSWER_WAIT))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        Ok(body.to_owned())
    }

    /// Zabbix' protocol: `ZBXD`, a flag, the length in 8 bytes, the item's key; the answer alike.
    fn zabbix(&self) -> io::Result<usize> {
        let mut supported = 0;
        for item in ZABBIX_ITEMS {
            let mut stream = TcpStream::connect_timeout(&self.address, ANSWER_WAIT)?;
            stream.set_read_timeout(Some(ANSWER_WAIT))?;
            let mut request = b"ZBXD\x01".to_vec();
            request.extend((item.len() as u64).to_le_bytes());
            request.extend(item.as_bytes());
            stream.write_all(&request)?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            supported += usize::from(answer.len() > 13 && !answer[13..].starts_with(b"ZBX_NOTSUPPORTED"));
        }
        Ok(supported)
    }

    /// Collectd's plain text protocol: the lists of values, and how many values each has.
    fn collectd(&self) -> io::Result<usize> {
        let ask = |question: String| -> io::Result<Vec<String>> {
            let mut stream = UnixStream::connect(self.folder.join("socket"))?;
            stream.set_read_timeout(Some(ANSWER_WAIT))?;
            writeln!(stream, "{question}")?;
            stream.shutdown(std::net::Shutdown::Write)?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer.lines().skip(1).map(str::to_owned).collect())
        };
        let mut values = 0;
        for list in ask("LISTVAL".to_owned())? {
            let (_, name) = list.split_once(' ').unwrap_or_default();
            values += ask(format!("GETVAL \"{name}\""))?.len();
        }
        Ok(values)
    }
}

impl Drop for Peer {
    /// With all that it started. By the system call: procps' `kill -KILL -1234` takes the first digit for the group, and
    /// `-1` is everybody.
    fn drop(&mut self) {
        let group = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        let _ = group.map(|group| kill_process_group(group, Signal::KILL));
    }
}

fn collectd_config(folder: &Path, interval: u64) -> String {
    let folder = folder.display();
    let plugins = [
        "contextswitch",
        "cpu",
        "df",
        "disk",
        "interface",
        "load",
        "memory",
        "processes",
        "swap",
        "unixsock",
        "uptime",
        "vmem",
    ];
    let plugins: String = plugins.iter().map(|plugin| format!("LoadPlugin {plugin}\n")).collect();
    format!(
        "Hostname \"bench\"\nBaseDir \"{folder}\"\nPIDFile \"{folder}/pid\"\nPluginDir \"/usr/lib/collectd\"\n\
         TypesDB \"/usr/share/collectd/types.db\"\nInterval {interval}\n{plugins}\
         <Plugin unixsock>\nSocketFile \"{folder}/socket\"\nDeleteSocket true\n</Plugin>\n"
    )
}

fn zabbix_config(folder: &Path, address: SocketAddr) -> String {
    let (folder, port) = (folder.display(), address.port());
    format!(
        "LogType=console\nPidFile={folder}/pid\nServer=127.0.0.1\nListenIP=127.0.0.1\nListenPort={port}\n\
         Hostname=bench\nControlSocket={folder}/socket\nPluginSocket={folder}/plugins\n"
    )
}

fn netdata_config(folder: &Path, address: SocketAddr, interval: u64) -> String {
    let folder = folder.display();
    format!(
        "[global]\nrun as user = root\n[db]\nmode = ram\nupdate every = {interval}\n\
         [directories]\ncache = {folder}\nlib = {folder}\nlog = {folder}\nhome = {folder}\n\
         [web]\nbind to = {address}\n[ml]\nenabled = no\n[health]\nenabled = no\n[statsd]\nenabled = no\n"
    )
}
