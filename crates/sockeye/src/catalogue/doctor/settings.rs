//! What each setting of the kernel does, when to change it, and what it does not do.
//!
//! The facts are those of Documentation/networking/ip-sysctl.rst, of tcp(7), socket(7) and listen(2), and
//! of the code that is named; the sentences are ours.

use crate::catalogue::Text;

/// A setting in words.
#[derive(Debug)]
pub(crate) struct Words {
    /// Its whole name.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) does: Text,
    /// When to change it, and to what.
    pub(crate) when: Text,
    /// What it is believed to do and does not.
    pub(crate) not: Option<Text>,
}

const fn text(en: &'static str, zh: &'static str) -> Text {
    Text { en, zh }
}

/// In the order in which they are shown.
pub(crate) const SETTINGS: &[Words] = &[
    Words {
        name: "net.ipv4.tcp_syncookies",
        does: text(
            "What happens to a SYN when the queue of a listener is full. 1: it is answered with a number that holds all that the server would have had to keep (a cookie), so that a flood fills nothing; 0: it is dropped; 2: always a cookie, for tests.",
            "监听队列已满时如何处理 SYN。1：用一个序列号（cookie）回答，其中编码了服务器本应保存的全部信息，洪水攻击因此填不满任何东西；0：丢弃；2：总是用 cookie，供测试。",
        ),
        when: text(
            "Leave it at 1. If cookies are sent and nobody attacks, a backlog is too short: raise it in listen(), and net.core.somaxconn.",
            "保持 1。如果没有攻击却发出了 cookie，说明 backlog 太小：请加大 listen() 的参数和 net.core.somaxconn。",
        ),
        not: Some(text(
            "It makes no queue longer and helps no program that accepts too slowly. A cookie has no room for window scaling and SACK, unless both ends send timestamps.",
            "它不会让队列变长，也帮不了 accept 太慢的程序。若双方不发送时间戳，cookie 装不下窗口缩放和 SACK。",
        )),
    },
    Words {
        name: "net.core.somaxconn",
        does: text(
            "The most that the backlog of listen() may be; a larger one is cut to it, without a word. The backlog limits connections that are complete and not accepted yet.",
            "listen() 的 backlog 的上限；更大的值会被悄悄截断。backlog 限制的是已经完成握手、尚未被 accept 的连接数。",
        ),
        when: text(
            "4096 or more, when `sockeye list --listening` shows a SEND-Q (the backlog) equal to it and the listen overflows below grow. The program has to ask for as much in listen(), and to be started anew.",
            "如果 `sockeye list --listening` 的 SEND-Q（即 backlog）等于它，并且下面的监听溢出在增长，改为 4096 或更大。程序的 listen() 也要给出同样大的值，并重新启动。",
        ),
        not: Some(text(
            "It is no limit on clients, and lengthens no backlog that a program asked to be shorter.",
            "它不限制客户端的数量，也不会加长程序自己要求的较短的 backlog。",
        )),
    },
    Words {
        name: "net.ipv4.tcp_max_syn_backlog",
        does: text(
            "How many connections of one listener may be half open (SYN_RECV, the last packet of the handshake is missing) where SYN cookies are off.",
            "关闭 SYN cookie 时，一个监听套接字允许多少个半开连接（SYN_RECV，三次握手还差最后一个包）。",
        ),
        when: text(
            "4096 or more, on servers with cookies off and many clients far away.",
            "关闭了 cookie、又有许多远方客户端的服务器：4096 或更大。",
        ),
        not: Some(text(
            "With tcp_syncookies=1 nobody looks at it: then the backlog of the listener decides when cookies begin (tcp_conn_request, net/ipv4/tcp_input.c).",
            "tcp_syncookies=1 时不看这个值：何时开始使用 cookie 由监听的 backlog 决定（tcp_conn_request，net/ipv4/tcp_input.c）。",
        )),
    },
    Words {
        name: "net.ipv4.tcp_synack_retries",
        does: text(
            "How often the answer to a SYN is sent again while the client says nothing. 5: given up after about a minute (1 + 2 + 4 + 8 + 16 + 32 s).",
            "客户端没有回音时，SYN 的回答重发多少次。5：大约一分钟后放弃（1 + 2 + 4 + 8 + 16 + 32 秒）。",
        ),
        when: text(
            "2 or 3, if half-open connections fill queues and cookies cannot be used.",
            "半开连接占满队列而又不能用 cookie 时：2 或 3。",
        ),
        not: Some(text(
            "It does not concern connections that are established: tcp_retries2 does.",
            "它与已建立的连接无关：那由 tcp_retries2 决定。",
        )),
    },
    Words {
        name: "net.ipv4.tcp_abort_on_overflow",
        does: text(
            "What a client gets whose connection is complete and finds the queue of the listener full. 0: nothing, its last packet is ignored, and both kernels try again, so that a short burst costs a second; 1: a reset.",
            "连接已完成而监听队列已满时，客户端得到什么。0：没有回音，它的最后一个包被忽略，双方内核稍后重试，短暂的突发只多等一秒；1：被复位。",
        ),
        when: text(
            "1 only if your clients are served better by an error at once than by waiting.",
            "只有当立即出错比等待对客户端更好时才设为 1。",
        ),
        not: Some(text(
            "It shortens no queue: a program that accepts too slowly stays too slow.",
            "它不会缩短队列：accept 太慢的程序仍然太慢。",
        )),
    },
    Words {
        name: "net.ipv4.tcp_tw_reuse",
        does: text(
            "Whether connect() may take a port that an older connection to the same peer keeps in TIME_WAIT, once timestamps tell the packets of both apart. 0: never; 1: yes; 2: only over loopback (the kernel's own since 4.19).",
            "connect() 能否使用同一对端的旧连接留在 TIME_WAIT 中的端口（靠时间戳区分新旧两个连接的包）。0：不能；1：能；2：只限本机回环（4.19 起的默认值）。",
        ),
        when: text(
            "1, on machines that connect to the same address and port thousands of times a minute (a proxy to its backend) and get EADDRNOTAVAIL. Both ends need tcp_timestamps. Keeping connections open is better.",
            "每分钟要向同一地址和端口连接数千次、并且出现 EADDRNOTAVAIL 的机器（例如代理到后端）：设为 1。双方都需要 tcp_timestamps。保持长连接更好。",
        ),
        not: Some(text(
            "It is for outgoing connections only: a server's TIME_WAIT is as it was. A server that cannot bind its port again after a restart needs SO_REUSEADDR (`reuseaddr`, which sockeye sets).",
            "它只对主动发起的连接有效：服务器一侧的 TIME_WAIT 不受影响。重启后无法绑定端口的服务器需要的是 SO_REUSEADDR（`reuseaddr`，sockeye 已设置）。",
        )),
    },
    Words {
        name: "net.ipv4.tcp_fin_timeout",
        does: text(
            "How many seconds a connection that its program has closed waits in FIN_WAIT2 for the peer to close too.",
            "程序已经关闭的连接在 FIN_WAIT2 中等待对端也关闭的秒数。",
        ),
        when: text(
            "15 to 30, if `sockeye list --state fin-wait-2` shows thousands: their peers do not close.",
            "如果 `sockeye list --state fin-wait-2` 列出成千上万个（对端不关闭）：15 到 30。",
        ),
        not: Some(text(
            "It is not how long TIME_WAIT lasts: that is 60 s, compiled in (TCP_TIMEWAIT_LEN, include/net/tcp.h), and no setting changes it. It ends no FIN_WAIT2 whose program has only shut down its sending side.",
            "它不是 TIME_WAIT 的时长：那是编译进内核的 60 秒（TCP_TIMEWAIT_LEN，include/net/tcp.h），没有任何设置能改变。程序只是关闭了发送方向（shutdown）的 FIN_WAIT2 也不受它限制。",
        )),
    },
    Words {
        name: "net.ipv4.tcp_max_tw_buckets",
        does: text(
            "How many sockets may be in TIME_WAIT at once. What comes on top is closed at once and counted (TCPTimeWaitOverflow).",
            "同时处于 TIME_WAIT 的套接字的上限。超出的立即关闭并计数（TCPTimeWaitOverflow）。",
        ),
        when: text(
            "Twice as many, if that is counted below. One takes some hundred bytes.",
            "如果下面显示有此计数：加倍。每个只占几百字节。",
        ),
        not: Some(text(
            "A smaller number is no cure for many TIME_WAIT: what ends early is what keeps late packets out of the next connection (RFC 9293, 3.6.1). ip-sysctl.rst: it must not be lowered artificially.",
            "调小它并不能治理 TIME_WAIT 过多：提前结束的，正是用来把迟到的包挡在下一个连接之外的（RFC 9293 3.6.1）。ip-sysctl.rst 明确要求不得人为调低。",
        )),
    },
    Words {
        name: "net.ipv4.tcp_tw_recycle",
        does: text(
            "Gone: Linux 4.12 (2017) took it out. It ended TIME_WAIT early, and in return dropped every SYN whose timestamp was older than the last one from the same address.",
            "已不存在：Linux 4.12（2017 年）将其删除。它提前结束 TIME_WAIT，代价是：凡时间戳早于同一地址上次所见的 SYN 一律丢弃。",
        ),
        when: text(
            "Never. Take it out of files that name it: sysctl complains about it. On a kernel that has it, 0.",
            "永远不要用。请从还写着它的文件中删掉（sysctl 会报错）；在仍有它的旧内核上设为 0。",
        ),
        not: Some(text(
            "It could not work: behind one address (NAT) there are many machines with a clock each, and since 4.10 each connection's timestamps start anywhere. Connections failed without a word.",
            "它不可能正确工作：一个地址（NAT）后面有许多机器，各有各的时钟；4.10 起每个连接的时间戳还从随机值开始。于是连接毫无提示地失败。",
        )),
    },
    Words {
        name: "net.ipv4.ip_local_port_range",
        does: text(
            "The ports from which the kernel takes one for connect(), and for bind() to port 0.",
            "connect() 以及 bind() 到 0 号端口时，内核从这个范围取一个端口。",
        ),
        when: text(
            "`10240 65535`, on machines with more than some ten thousand connections to one address and port at a time. Ports of services that lie within belong into net.ipv4.ip_local_reserved_ports.",
            "对同一地址和端口同时有上万个连接的机器：`10240 65535`。落在其中的服务端口应写入 net.ipv4.ip_local_reserved_ports。",
        ),
        not: Some(text(
            "It does not limit clients of a server: all their connections share its one port. Nor is it a limit of the machine: each peer address and port has the whole range.",
            "它不限制服务器的客户端数量：所有连接共用服务器的一个端口。它也不是整机的上限：对每个对端地址和端口都有整个范围可用。",
        )),
    },
    Words {
        name: "net.ipv4.tcp_syn_retries",
        does: text(
            "How often a SYN that nobody answers is sent again before connect() fails with ETIMEDOUT. 6 takes about two minutes.",
            "无人回答的 SYN 重发多少次之后 connect() 才以 ETIMEDOUT 失败。6 次约需两分钟。",
        ),
        when: text(
            "Rather set a timeout in the program (sockeye: `connect-timeout=`), or TCP_SYNCNT of its socket.",
            "最好在程序里设置超时（sockeye：`connect-timeout=`），或设置套接字的 TCP_SYNCNT。",
        ),
        not: Some(text(
            "A refusal is not tried again: a reset answers at once.",
            "被拒绝时不会重试：复位会立即返回。",
        )),
    },
    Words {
        name: "net.core.rmem_default",
        does: text(
            "The receive buffer of UDP, raw and Unix sockets that ask for none, in bytes of the kernel's memory.",
            "没有自行要求的 UDP、原始和 Unix 套接字的接收缓冲区，按内核内存的字节数计。",
        ),
        when: text(
            "1048576, if UDP programs that do not set SO_RCVBUF lose datagrams (below).",
            "如果不设置 SO_RCVBUF 的 UDP 程序丢失数据报（见下）：1048576。",
        ),
        not: Some(text(
            "TCP does not use it: tcp_rmem is TCP's.",
            "TCP 不用它：TCP 用 tcp_rmem。",
        )),
    },
    Words {
        name: "net.core.rmem_max",
        does: text(
            "The most that a program may ask for with SO_RCVBUF; more is cut to it, without a word. The kernel doubles what was asked, for its own bookkeeping.",
            "程序用 SO_RCVBUF 最多能要求多少；更大的值会被悄悄截断。内核会把要求的值加倍，用于自身的管理开销。",
        ),
        when: text(
            "8388608 for QUIC and other busy UDP: what arrives in 60 ms at 1 Gbit/s.",
            "QUIC 等繁忙的 UDP：8388608，即 1 Gbit/s 下 60 毫秒内到达的数据量。",
        ),
        not: Some(text(
            "It gives nobody more who does not ask, and does not limit what TCP takes by itself (tcp_rmem).",
            "不主动要求的程序不会因此得到更多；它也不限制 TCP 自动调整的大小（tcp_rmem）。",
        )),
    },
    Words {
        name: "net.core.wmem_default",
        does: text(
            "The send buffer of UDP, raw and Unix sockets that ask for none.",
            "没有自行要求的 UDP、原始和 Unix 套接字的发送缓冲区。",
        ),
        when: text(
            "Hardly ever: a send waits for room, so that nothing is lost here.",
            "几乎不需要：发送会等待空间，数据不会在这里丢失。",
        ),
        not: Some(text(
            "TCP does not use it: tcp_wmem is TCP's.",
            "TCP 不用它：TCP 用 tcp_wmem。",
        )),
    },
    Words {
        name: "net.core.wmem_max",
        does: text(
            "The most that a program may ask for with SO_SNDBUF; doubled like SO_RCVBUF.",
            "程序用 SO_SNDBUF 最多能要求多少；与 SO_RCVBUF 一样会加倍。",
        ),
        when: text(
            "8388608 for QUIC and other UDP that sends in bursts.",
            "QUIC 等成批发送的 UDP：8388608。",
        ),
        not: Some(text(
            "It does not limit what TCP takes by itself (tcp_wmem).",
            "它不限制 TCP 自动调整的大小（tcp_wmem）。",
        )),
    },
    Words {
        name: "net.ipv4.tcp_rmem",
        does: text(
            "Least, first and largest receive buffer of a TCP socket, in bytes of memory; it grows by itself while the program keeps up with reading.",
            "TCP 套接字接收缓冲区的最小值、初始值和最大值（内存字节数）；程序读得够快时会自动增大。",
        ),
        when: text(
            "A third number of at least bandwidth × round trip, if one connection over a long way is slower than the line: 33554432 does for 1 Gbit/s over 250 ms.",
            "如果一条远距离连接达不到线路速度，第三个数至少取 带宽 × 往返时间：33554432 够 1 Gbit/s、250 毫秒之用。",
        ),
        not: Some(text(
            "It helps no reader that is slow, and nobody who sets SO_RCVBUF: that ends the growing.",
            "它帮不了读得慢的程序，也帮不了设置 SO_RCVBUF 的程序：设置后就不再自动增大。",
        )),
    },
    Words {
        name: "net.ipv4.tcp_wmem",
        does: text(
            "Least, first and largest send buffer of a TCP socket: what was written and is not acknowledged yet.",
            "TCP 套接字发送缓冲区的最小值、初始值和最大值：保存已写出而尚未被确认的数据。",
        ),
        when: text(
            "A third number of at least bandwidth × round trip, as with tcp_rmem, on the side that sends.",
            "发送的一方，第三个数至少取 带宽 × 往返时间，与 tcp_rmem 相同。",
        ),
        not: Some(text(
            "A send that returned is in this buffer; it says nothing about arrival, however large the buffer is.",
            "send 返回只表示数据进了这个缓冲区；缓冲区再大也不说明对方已经收到。",
        )),
    },
    Words {
        name: "net.ipv4.tcp_moderate_rcvbuf",
        does: text(
            "1: receive buffers of TCP grow by themselves, up to tcp_rmem's third number.",
            "1：TCP 的接收缓冲区自动增大，直到 tcp_rmem 的第三个数。",
        ),
        when: text("Leave it at 1.", "保持 1。"),
        not: None,
    },
    Words {
        name: "net.ipv4.tcp_keepalive_time",
        does: text(
            "After how many seconds without a word the kernel asks whether the peer is still there (SO_KEEPALIVE). 7200 is two hours.",
            "多少秒没有任何往来之后，内核探问对端是否还在（SO_KEEPALIVE）。7200 即两小时。",
        ),
        when: text(
            "600 or less on servers, and less than what NAT and firewalls on the way forget after (often 300 s). By socket: TCP_KEEPIDLE (`keepidle=`).",
            "服务器设为 600 或更小，并小于途中 NAT 和防火墙的遗忘时间（常为 300 秒）。单个套接字：TCP_KEEPIDLE（`keepidle=`）。",
        ),
        not: Some(text(
            "It does nothing for sockets that have not switched SO_KEEPALIVE on, which is off by itself; and a peer whose program hangs answers all the same, since its kernel does.",
            "没有打开 SO_KEEPALIVE 的套接字（默认关闭）不受影响；对端程序即使卡死也会有回答，因为回答的是它的内核。",
        )),
    },
    Words {
        name: "net.ipv4.tcp_keepalive_intvl",
        does: text(
            "How many seconds lie between two such questions without an answer.",
            "没有回答时，两次探问之间的秒数。",
        ),
        when: text(
            "10 to 30, together with tcp_keepalive_time. By socket: TCP_KEEPINTVL (`keepintvl=`).",
            "与 tcp_keepalive_time 一起改为 10 到 30。单个套接字：TCP_KEEPINTVL（`keepintvl=`）。",
        ),
        not: None,
    },
    Words {
        name: "net.ipv4.tcp_keepalive_probes",
        does: text(
            "How many questions in a row stay without an answer before the connection ends with ETIMEDOUT: 9 times 75 s are eleven minutes.",
            "连续多少次探问没有回答之后连接以 ETIMEDOUT 结束：9 次、每次 75 秒，共约十一分钟。",
        ),
        when: text(
            "3 to 5, together with the two above. By socket: TCP_KEEPCNT (`keepcnt=`).",
            "与上面两项一起改为 3 到 5。单个套接字：TCP_KEEPCNT（`keepcnt=`）。",
        ),
        not: Some(text(
            "While bytes wait for their acknowledgement nobody asks: then tcp_retries2 and TCP_USER_TIMEOUT (`user-timeout=`) decide.",
            "有数据等待确认时不探问：那时由 tcp_retries2 和 TCP_USER_TIMEOUT（`user-timeout=`）决定。",
        )),
    },
    Words {
        name: "net.ipv4.tcp_retries2",
        does: text(
            "How often bytes that nobody acknowledges are sent again before the connection is given up. 15 is a quarter of an hour (924.6 s) at least.",
            "无人确认的数据重发多少次之后放弃连接。15 次至少是一刻钟（924.6 秒）。",
        ),
        when: text(
            "8, the least that RFC 1122 (4.2.3.5) allows: 100 s. Rather by socket: TCP_USER_TIMEOUT (`user-timeout=`).",
            "8，即 RFC 1122（4.2.3.5）允许的最小值：100 秒。最好针对单个套接字：TCP_USER_TIMEOUT（`user-timeout=`）。",
        ),
        not: Some(text(
            "It does not notice a dead peer to whom nothing is sent: that is what keepalive is for.",
            "没有数据可发时，它发现不了已死的对端：那是 keepalive 的事。",
        )),
    },
    Words {
        name: "net.ipv4.tcp_congestion_control",
        does: text(
            "How new connections decide how much to send before the next acknowledgement. By socket: TCP_CONGESTION (`congestion=`); net.ipv4.tcp_available_congestion_control lists what there is.",
            "新连接怎样决定在下一个确认之前发送多少。单个套接字：TCP_CONGESTION（`congestion=`）；可选项见 net.ipv4.tcp_available_congestion_control。",
        ),
        when: text(
            "`cubic` does nearly everywhere; `bbr`, where packets are lost without anything being congested (radio, long ways).",
            "`cubic` 几乎处处适用；丢包并非由拥塞引起时（无线、远距离）可用 `bbr`。",
        ),
        not: Some(text(
            "It opens no window of the peer's: a receiver that does not read stops every one of them.",
            "它打不开对端的窗口：接收方不读，哪一种都会停下。",
        )),
    },
    Words {
        name: "net.ipv4.tcp_window_scaling",
        does: text(
            "1: windows may be larger than 65,535 bytes (RFC 7323).",
            "1：窗口可以大于 65535 字节（RFC 7323）。",
        ),
        when: text(
            "Leave it at 1. 0 limits each connection to 64 KiB a round trip: 5 Mbit/s over 100 ms.",
            "保持 1。设为 0 则每条连接每个往返最多 64 KiB：100 毫秒时只有 5 Mbit/s。",
        ),
        not: None,
    },
    Words {
        name: "net.ipv4.tcp_timestamps",
        does: text(
            "1: each segment carries the time in 12 bytes (RFC 7323), by which round trips are measured and old segments are known.",
            "1：每个段带 12 字节的时间（RFC 7323），用来测量往返时间、识别旧段。",
        ),
        when: text("Leave it at 1.", "保持 1。"),
        not: Some(text(
            "0 saves those 12 bytes (segments of 1460 in place of 1448) and takes away tcp_tw_reuse, and at gigabits the protection against sequence numbers that come round.",
            "设为 0 省下这 12 字节（每段 1460 而不是 1448），却失去 tcp_tw_reuse；在千兆速度下还失去对序列号回绕的保护。",
        )),
    },
    Words {
        name: "net.ipv4.tcp_sack",
        does: text(
            "1: a receiver says what has arrived behind a gap (RFC 2018), so that only what was lost is sent again.",
            "1：接收方说明缺口之后已收到什么（RFC 2018），于是只重发丢失的部分。",
        ),
        when: text("Leave it at 1.", "保持 1。"),
        not: None,
    },
    Words {
        name: "net.ipv4.tcp_mtu_probing",
        does: text(
            "Whether TCP tries out how large its segments may be. 0: no, it believes ICMP; 1: once large ones vanish without a word (a black hole); 2: always.",
            "TCP 是否自行试探段可以多大。0：不，只相信 ICMP；1：大段无声无息地消失时（黑洞）；2：总是。",
        ),
        when: text(
            "1, where a tunnel or a firewall swallows ICMP: connections are made, and the first large answer never arrives.",
            "途中隧道或防火墙吞掉 ICMP 时（连接能建立，第一个大的回答却永远不到）：1。",
        ),
        not: Some(text(
            "It does nothing for UDP, and changes no interface's MTU.",
            "它对 UDP 无效，也不改变网卡的 MTU。",
        )),
    },
    Words {
        name: "net.ipv4.tcp_slow_start_after_idle",
        does: text(
            "1: after a pause as long as the retransmission timeout a connection starts slowly again.",
            "1：停顿时间达到重传超时之后，连接重新慢启动。",
        ),
        when: text(
            "0 for connections that stay open over a long way and send in bursts.",
            "长期保持、远距离、成批发送的连接：0。",
        ),
        not: Some(text(
            "The first burst of a new connection starts slowly all the same.",
            "新连接的第一批数据仍然是慢启动。",
        )),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::check_text;

    #[test]
    fn every_setting_has_its_words_in_both_languages() {
        let names = SETTINGS.iter().map(|words| words.name);
        let known = sockeye_observe::settings::SETTINGS.iter().map(|it| it.name);
        assert!(names.eq(known), "the same settings in the same order");
        for words in SETTINGS {
            check_text(words.name, words.does);
            check_text(words.name, words.when);
            words
                .not
                .into_iter()
                .for_each(|not| check_text(words.name, not));
        }
    }
}
