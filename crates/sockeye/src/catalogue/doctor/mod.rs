//! What `doctor` tells.

mod settings;

use super::texts;
pub(crate) use settings::{SETTINGS, Words};

texts! {
    MACHINE: "{host}: Linux {kernel}, {processors} processors, {user}", "{host}：Linux {kernel}，{processors} 个处理器，{user}";
    USER: "user {uid}", "用户 {uid}";
    PERMITS: "What this machine permits", "本机允许什么";
    FACTS: "What has happened here", "本机发生过什么";
    YES: "yes", "是";
    PARTLY: "partly", "部分";
    NO: "no", "否";
    // What one may want to do.
    WATCH: "watch programs that sockeye starts (watch, lab)", "观察由 sockeye 启动的程序（watch、lab）";
    ATTACH: "watch programs that run already (watch --pid)", "观察已在运行的程序（watch --pid）";
    ROOM: "networks and processes of their own (watch --isolate, lab)", "独立的网络与进程（watch --isolate、lab）";
    CAPTURE: "packets of this machine (capture)", "本机的包（capture）";
    RAW: "raw IP sockets (ip://)", "原始 IP 套接字（ip://）";
    LOW_PORTS: "ports below 1024", "1024 以下的端口";
    PROGRAMS: "programs of all sockets (list)", "所有套接字的程序（list）";
    FILES: "many connections at once", "大量并发连接";
    URING: "io_uring, in programs that use it", "io_uring（使用它的程序）";
    // Why.
    TRIED: "tried, it works", "试过，可以";
    FAILED: "tried: {errno}", "试过：{errno}";
    HAS: "by {capability}", "凭 {capability}";
    LACKS_NET_RAW: "it needs CAP_NET_RAW: root, or `setcap cap_net_raw+ep` on the program; in a network of its own anybody may (watch --isolate, lab)", "需要 CAP_NET_RAW：用 root，或对程序执行 `setcap cap_net_raw+ep`；在自己的网络里人人可用（watch --isolate、lab）";
    LACKS_SYS_PTRACE: "of your own programs; those of other users are seen by root only (CAP_SYS_PTRACE)", "只限自己的程序；其他用户的只有 root 可见（CAP_SYS_PTRACE）";
    LACKS: "it needs {capability}", "需要 {capability}";
    NO_YAMA: "of your own programs; there is no ptrace_scope here", "只限自己的程序；这里没有 ptrace_scope";
    SCOPE_0: "of your own programs; ptrace_scope is 0", "只限自己的程序；ptrace_scope 为 0";
    SCOPE_1: "ptrace_scope is 1: only what is started for it; root may, or may set kernel.yama.ptrace_scope=0 with sysctl", "ptrace_scope 为 1：只能观察为此启动的程序；root 可以，也可用 sysctl 设 kernel.yama.ptrace_scope=0";
    SCOPE_2: "ptrace_scope is 2: root only (CAP_SYS_PTRACE); root may set kernel.yama.ptrace_scope=1 with sysctl", "ptrace_scope 为 2：只有 root（CAP_SYS_PTRACE）；root 可用 sysctl 设 kernel.yama.ptrace_scope=1";
    SCOPE_3: "ptrace_scope is 3: nobody until the next boot; set kernel.yama.ptrace_scope to 1 where it is set at boot (/etc/sysctl.d)", "ptrace_scope 为 3：下次启动前谁也不能；请在启动设置（/etc/sysctl.d）中把 kernel.yama.ptrace_scope 改为 1";
    NO_ROOM: "barred: {why}", "被禁止：{why}";
    NO_PROCESSES: "networks, but no /proc and no processes of their own: {why}", "可有独立网络，但没有独立的 /proc 和进程：{why}";
    PORTS_FROM_0: "for everybody", "所有人可用";
    PORTS_FROM: "from port {port} on; below for root, with CAP_NET_BIND_SERVICE, or for all from net.ipv4.ip_unprivileged_port_start on, which root may set", "{port} 及以上；更小的端口限 root 或有 CAP_NET_BIND_SERVICE 者，root 也可用 net.ipv4.ip_unprivileged_port_start 向所有人开放";
    FILES_ENOUGH: "{soft} descriptors a process, up to {hard} if asked for", "每个进程 {soft} 个描述符，可提高到 {hard}";
    FILES_FEW: "{soft} descriptors a process, and each connection takes one; `ulimit -n {hard}` in the shell before allows that many", "每个进程 {soft} 个描述符，每个连接占一个；事先在 shell 中执行 `ulimit -n {hard}` 可提高到这么多";
    URING_1: "kernel.io_uring_disabled is 1: root, and the group kernel.io_uring_group; programs that would use it make ordinary calls, which sockeye sees as well", "kernel.io_uring_disabled 为 1：限 root 和 kernel.io_uring_group 组；程序改用普通调用，sockeye 同样看得到";
    URING_2: "kernel.io_uring_disabled is 2: nobody; programs that would use it make ordinary calls, which sockeye sees as well", "kernel.io_uring_disabled 为 2：谁也不能；程序改用普通调用，sockeye 同样看得到";
    ABSENT: "this kernel has none", "此内核没有";
    // Settings.
    ACCEPT_GROUP: "Taking connections", "接受连接";
    CLOSE_GROUP: "After closing", "关闭之后";
    CONNECT_GROUP: "Making connections", "发起连接";
    BUFFERS_GROUP: "Buffers", "缓冲区";
    SILENCE_GROUP: "Silent peers", "沉默的对端";
    WIRE_GROUP: "On the wire", "线路上";
    SETTING: "SETTING", "设置";
    HERE: "HERE", "本机";
    KERNELS: "KERNEL'S OWN", "内核默认";
    BETTER: "BETTER", "建议";
    NOT_HERE: "not here", "此处没有";
    GONE: "gone", "已删除";
    BY_MEMORY: "by memory", "按内存";
    OWN: "(kernel's own: {values})", "（内核默认：{values}）";
    DOES: "does", "作用";
    WHEN: "when", "何时改";
    NOT: "not", "它不是";
    SEE: "see", "出处";
    TO: "{to}: {why}", "{to}：{why}";
    SOUND: "so on every machine", "任何机器都应如此";
    FOR_SERVE: "for a machine that takes many connections (--for serve)", "适合接受大量连接的机器（--for serve）";
    FOR_DIAL: "for a machine that makes many connections (--for dial)", "适合发起大量连接的机器（--for dial）";
    FOR_FAR: "for large transfers over a long way (--for far)", "适合远距离大量传输（--for far）";
    FOR_DATAGRAMS: "for many datagrams (--for datagrams)", "适合大量数据报（--for datagrams）";
    QUEUES_FULL: "{overflows} connections found a queue full, and {listeners} listeners have a backlog of just this", "有 {overflows} 个连接遇到队列已满，且 {listeners} 个监听的 backlog 正好等于它";
    TIME_WAIT_FULL: "{n} sockets found no room in TIME_WAIT", "有 {n} 个套接字进不了 TIME_WAIT";
    PORTS_SHORT: "{taken} of {of} ports are taken by connections to one peer", "{of} 个端口中有 {taken} 个被连往同一对端的连接占用";
    DATAGRAMS_LOST: "{n} datagrams found no room in a receive buffer", "有 {n} 个数据报因接收缓冲区已满而丢失";
    NOTHING_BETTER: "No setting here needs another value. `--for serve`, `dial`, `far` or `datagrams` tells what is better for that.", "这里的设置都不需要改。`--for serve`、`dial`、`far`、`datagrams` 说明针对某种用途怎样更好。";
    ONE_BETTER: "One setting could be better (→). `--write FILE` writes it as a file for sysctl.", "有一项设置可以更好（→）。`--write 文件` 把它写成 sysctl 文件。";
    SOME_BETTER: "{n} settings could be better (→). `--write FILE` writes them as a file for sysctl.", "有 {n} 项设置可以更好（→）。`--write 文件` 把它们写成 sysctl 文件。";
    // Facts.
    TIME_WAIT: "sockets in TIME_WAIT: closed here first, gone after 60 s", "个套接字处于 TIME_WAIT：由本端先关闭，60 秒后消失";
    ORPHANS: "connections that no program has any more and that are not over yet", "个连接已不属于任何程序、尚未结束";
    LISTEN_OVERFLOWS: "connections found the queue of their listener full", "个连接遇到监听队列已满";
    LISTEN_DROPS: "SYNs or connections were dropped at a listener, these included", "个 SYN 或连接在监听处被丢弃（含上一项）";
    SYN_COOKIES: "SYN cookies were sent", "个 SYN cookie 已发出";
    TIME_WAIT_OVERFLOWS: "sockets found no room in TIME_WAIT", "个套接字进不了 TIME_WAIT";
    RETRANSMITTED: "segments were sent again, of {of}", "个段被重传，共发出 {of} 个";
    DATAGRAMS: "datagrams found no room in a receive buffer", "个数据报因接收缓冲区已满而丢失";
    PORTS: "ports of {of} are taken by TCP (ip_local_port_range)", "个端口被 TCP 占用，共 {of} 个（ip_local_port_range）";
    BUSIEST: "of them by connections to {peer}, {waiting} only in TIME_WAIT", "个被连往 {peer} 的连接占用，其中 {waiting} 个只是 TIME_WAIT";
    OPEN_FILES: "files are open on this machine, {of} may be", "个文件在本机打开，上限 {of}";
    SINCE: "Counted since this machine, or this network namespace, started; nothing where nothing was counted.", "自本机或本网络命名空间启动以来的计数；未计到的不列出。";
    // The file.
    FILE_HEAD: "Kernel settings for sockets, by `sockeye doctor` for {host} (Linux {kernel}).", "套接字相关的内核设置，由 `sockeye doctor` 为 {host}（Linux {kernel}）写成。";
    FILE_TRY: "Nothing has been applied. As root, until the next boot:  sysctl -p {path}", "尚未应用。以 root 试用到下次启动：  sysctl -p {path}";
    FILE_KEEP: "For good:  cp {path} /etc/sysctl.d/60-sockeye.conf && sysctl --system", "长期生效：  cp {path} /etc/sysctl.d/60-sockeye.conf && sysctl --system";
    FILE_BACK: "Above each is what it was here: `sysctl -w NAME=VALUE` takes it back.", "每项上方是本机原来的值：`sysctl -w 名称=值` 可恢复。";
    FILE_WAS: "{name} was {value}", "{name} 原为 {value}";
    FILE_WHY: "Why: {why}.", "原因：{why}。";
    WROTE: "{path}: {n} settings, nothing is applied. As root: sysctl -p {path}", "{path}：{n} 项设置，尚未应用。以 root 执行：sysctl -p {path}";
    NOTHING_TO_WRITE: "no setting needs another value: {path} is not written", "没有需要改的设置：不写 {path}";
}
