//! The attributes that distinguish the series of one metric.

use super::Attribute;

const fn attribute(
    name: &'static str,
    values: &'static str,
    description: &'static str,
    description_zh: &'static str,
) -> Attribute {
    Attribute {
        name,
        values,
        description,
        description_zh,
    }
}

/// Every attribute of every metric, sorted by name.
pub static ATTRIBUTES: &[Attribute] = &[
    attribute(
        "cpu.logical_number",
        "`0`, `1`, …",
        "one logical CPU; left out for the whole host",
        "单个逻辑 CPU 的编号；整机汇总时没有此属性",
    ),
    attribute(
        "cpu.mode",
        "`user` `nice` `system` `idle` `iowait` `interrupt` `steal`",
        "what the CPU did; `interrupt` includes soft interrupts",
        "CPU 所处的模式；`interrupt` 含软中断",
    ),
    attribute(
        "disk.io.direction",
        "`read` `write`",
        "the direction of a transfer",
        "读写方向",
    ),
    attribute(
        "error.type",
        "`corrected` `uncorrected` `crc` `link_failure` `loss_of_sync` …",
        "kind of an error",
        "错误类型",
    ),
    attribute(
        "hw.id",
        "a serial number, a slot, a device, …",
        "which part of its type",
        "同类部件中的哪一个",
    ),
    attribute(
        "hw.limit_type",
        "`low.critical` `low.degraded` `high.degraded` `high.critical`",
        "which limit: beyond the critical ones a part counts as failed",
        "界限的种类；越过 critical 即视为故障",
    ),
    attribute(
        "hw.name",
        "`CPU1 Temp`, …",
        "what the board calls a sensor; left out without a label",
        "传感器在主板上的名称；没有标签时无此属性",
    ),
    attribute(
        "hw.type",
        "`disk` `array` `controller` `battery` `fan` `power_supply` `temperature` `voltage` `memory` `ups` `path` `port` `bond` `clock` `probe` …",
        "what a part is",
        "部件类型",
    ),
    attribute(
        "network.connection.state",
        "`established` `time_wait` `close_wait` `listen` …",
        "the state of a connection",
        "连接状态",
    ),
    attribute(
        "network.interface.name",
        "`eth0`, …",
        "a network interface",
        "网络接口名称",
    ),
    attribute(
        "network.io.direction",
        "`receive` `transmit`",
        "the direction of a transfer",
        "收发方向",
    ),
    attribute(
        "network.transport",
        "`tcp` `udp` `raw`",
        "the transport protocol",
        "传输层协议",
    ),
    attribute("network.type", "`ipv4` `ipv6`", "the network protocol", "网络层协议"),
    attribute(
        "process.state",
        "`running` `sleeping` `blocked` `stopped` `defunct` `idle`",
        "what processes are doing; `blocked` waits for the disk and cannot be killed, `defunct` is a zombie",
        "进程状态；`blocked` 为不可中断等待，`defunct` 为僵尸进程",
    ),
    attribute(
        "system.device",
        "`/dev/sda1`, `sda`, …",
        "what a file system is mounted from, or a block device",
        "文件系统所在设备，或块设备名称",
    ),
    attribute(
        "system.filesystem.mountpoint",
        "`/var`, …",
        "where a file system is mounted",
        "文件系统挂载点",
    ),
    attribute(
        "system.filesystem.state",
        "`used` `free` `reserved`",
        "share of a file system; `reserved` is what only root may use",
        "文件系统空间的归属；`reserved` 仅 root 可用",
    ),
    attribute(
        "system.filesystem.type",
        "`ext4`, `xfs`, `nfs4`, …",
        "type of a file system",
        "文件系统类型",
    ),
    attribute(
        "system.memory.state",
        "`used` `free` `buffers` `cached`",
        "what memory is used for; `used` is total − available",
        "内存用途；`used` 为总量减去可用量",
    ),
    attribute(
        "system.paging.direction",
        "`in` `out`",
        "from or to the swap space",
        "换入或换出",
    ),
    attribute(
        "system.paging.fault.type",
        "`major` `minor`",
        "`major` had to read from a disk",
        "缺页类型；`major` 需读盘",
    ),
    attribute(
        "system.paging.state",
        "`used` `free`",
        "share of the swap space",
        "交换空间的归属",
    ),
    attribute(
        "tocsin.backup.check",
        "`process` `unit` `tcp` `repository`",
        "what is checked of a service that backups need",
        "对备份所需服务检查的内容",
    ),
    attribute(
        "tocsin.backup.service",
        "`bareos`, …",
        "a service that backups of the host need, as the agent's configuration calls it",
        "代理配置中备份所需服务的名称",
    ),
    attribute(
        "tocsin.network.gateway",
        "`192.0.2.1`, …",
        "the address of a gateway",
        "网关地址",
    ),
    attribute(
        "tocsin.pressure.resource",
        "`cpu` `memory` `io`",
        "what tasks had to wait for",
        "任务等待的资源",
    ),
    attribute(
        "tocsin.pressure.stall",
        "`some` `full`",
        "`some`: at least one task waited; `full`: all of them did",
        "`some` 为至少一个任务在等待，`full` 为全部任务都在等待",
    ),
    attribute(
        "tocsin.pressure.window",
        "`10s` `60s` `300s`",
        "time over which the kernel averages",
        "内核求平均的时间窗",
    ),
    attribute(
        "tocsin.probe",
        "as configured",
        "name of a probe that the agent's configuration asks",
        "代理配置中探测项的名称",
    ),
    attribute(
        "tocsin.probe.target",
        "`192.0.2.1`, `db.example:5432`, `https://intranet.example/`, …",
        "whom a probe asks",
        "探测的目标",
    ),
    attribute(
        "tocsin.probe.type",
        "`ping` `tcp` `http` `certificate`",
        "what a probe asks",
        "探测的类型",
    ),
    attribute(
        "tocsin.process.group",
        "as configured",
        "name of a set of processes that the agent's configuration watches",
        "代理配置中要求看护的一组进程的名称",
    ),
    attribute(
        "tocsin.survey",
        "`md`, `smart`, …",
        "what is looked at less often than on every tick",
        "周期查看项的名称",
    ),
    attribute(
        "tocsin.unit",
        "`nginx.service`, …",
        "a unit of systemd that the agent's configuration watches",
        "代理配置中要求看护的 systemd 单元",
    ),
];
