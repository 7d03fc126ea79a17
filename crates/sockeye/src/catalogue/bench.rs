//! What `bench` tells.

use super::texts;

texts! {
    ROUND_TRIPS: "{connections} connections × {size} bytes there and back, depth {depth}, for {duration}",
        "{connections} 个连接 × {size} 字节往返，深度 {depth}，持续 {duration}";
    RECONNECTS: "{connections} at a time: connect, {size} bytes there and back, close, for {duration}",
        "同时 {connections} 个：连接、{size} 字节往返、关闭，持续 {duration}";
    UP: "{connections} connections, {size} bytes a write, one way to the server, for {duration}",
        "{connections} 个连接，每次写 {size} 字节，单向发往服务器，持续 {duration}";
    DOWN: "{connections} connections, one way from the server, for {duration}",
        "{connections} 个连接，单向来自服务器，持续 {duration}";
    FAN_OUT: "{connections} connections, one says {size} bytes a message and all the others hear it, depth {depth}, for {duration}",
        "{connections} 个连接，一个发言（每条 {size} 字节），其余全部收听，深度 {depth}，持续 {duration}";
    CHAT: "{connections} members of a room, one says lines of {size} bytes and all the others hear them, {batch} a write, depth {depth}, for {duration}",
        "一个房间的 {connections} 个成员，一个发言（每行 {size} 字节，每次写 {batch} 行），其余全部收听，深度 {depth}，持续 {duration}";
    STUCK: ", {stuck} more never read", "，另有 {stuck} 个成员从不读取";
    IDLE_MEMBERS: "{connections} members of rooms who say nothing and stay",
        "{connections} 个进入房间后保持空闲的成员";
    IDLE: "{connections} connections that say {size} bytes once and stay",
        "{connections} 个连接，各发一次 {size} 字节后保持空闲";
    AT_RATE: ", {rate} messages a second", "，每秒 {rate} 条消息";
    SERVER_UNKNOWN: "  (which process serves it is not known: --pid PID tells its processor time and memory)",
        "  （不知道是哪个进程在服务：用 --pid PID 显示其处理器时间与内存）";
    ROUND: "round {number}", "第 {number} 轮";
    THROUGHPUT: "throughput", "吞吐量";
    MESSAGES_AND_BYTES: "{rate}   {bytes} each way   ({messages} messages)", "{rate}   单向 {bytes}   （{messages} 条消息）";
    LATENCY: "latency", "延迟";
    LONGEST: "max", "最大";
    SERVER_NAME: "server", "服务器";
    SERVER: "{cpu} of processor time a message, {share} % of a core, {rss} resident, {fds} descriptors",
        "每条消息 {cpu} 处理器时间，占一个核的 {share} %，常驻内存 {rss}，{fds} 个描述符";
    SERVER_BULK: "{cpu} of processor time a mebibyte, {share} % of a core, {rss} resident, {fds} descriptors",
        "每 MiB {cpu} 处理器时间，占一个核的 {share} %，常驻内存 {rss}，{fds} 个描述符";
    KERNEL_NAME: "kernel", "内核";
    IDLE_SERVER: "{each} of its own a connection ({rss} resident, {fds} descriptors)",
        "每个连接自身占用 {each}（常驻内存 {rss}，{fds} 个描述符）";
    IDLE_KERNEL: "{each} for each end of a connection (half of what its small objects grew by)",
        "连接的每一端 {each}（内核小对象增量的一半）";
    IDLE_KERNEL_LOST: "not to be told: too much else happened on this machine, or there were too few connections",
        "无法得出：这台机器上同时有太多别的事，或连接太少";
    LOST: "{count} datagrams were not answered in time", "{count} 个数据报未按时得到回答";
    LATE: "{count} answers came twice or too late", "{count} 个回答重复或来得太迟";
    UNANSWERED: "{count} messages were not answered in time", "{count} 条消息未按时得到回答";
    UNSENT: "{count} messages were due and could not be sent: the server did not keep up",
        "{count} 条到期的消息未能发出：服务器跟不上";
    NO_PORT: "waited {count} times for a free local port (EADDRNOTAVAIL)", "等待空闲本地端口 {count} 次（EADDRNOTAVAIL）";
    BROKEN: "{count} connections broke, the first: {why}", "{count} 个连接中断，第一个的原因：{why}";
    STARVED: "the load waited {share} % of the time for a processor: other programs are in the figures",
        "产生负载的线程有 {share} % 的时间在等处理器：其他程序影响了结果";
    ROUND_COLUMN: "round", "轮次";
    RATE: "rate", "速率";
    CPU: "CPU/msg", "CPU/条";
    CPU_BULK: "CPU/MiB", "每 MiB CPU";
    MEDIAN: "median", "中位数";
    WARMING_UP: "{side}{number}/{rounds}  warming up  {elapsed} of {total} s  {rate}",
        "{side}{number}/{rounds}  预热  {elapsed} / {total} 秒  {rate}";
    RUNNING: "{side}{number}/{rounds}  {elapsed} of {total} s  {rate}", "{side}{number}/{rounds}  {elapsed} / {total} 秒  {rate}";
    OPENED: "{open} of {wanted} connections", "已建立 {open} / {wanted} 个连接";
}
