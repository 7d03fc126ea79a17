//! `sockeye list`.

use crate::catalogue::{Example, Page, Text};

pub(super) const PAGE: Page = Page {
    verb: "list",
    about: "列出套接字：状态、队列、地址、程序",
    args: &[
        ("tcp", "TCP，含 MPTCP（五种都不写则为全部）"),
        ("udp", "UDP"),
        ("unix", "Unix：stream、dgram、seqpacket"),
        ("raw", "原始 IP"),
        ("packet", "链路层套接字，例如 tcpdump 所用"),
        ("listening", "只列出等待连接的"),
        ("port", "任一端使用这个端口；可重复，或以逗号分隔"),
        (
            "state",
            "处于这个状态：listen、established、time-wait……，ss(8)、netstat(8)、RFC 9293 的写法均可",
        ),
        ("program", "程序名以此开头"),
        ("pid", "属于这个进程"),
        ("user", "属于这个用户：用户名或编号"),
        ("host", "任一端的地址在这个网段内：10.0.0.0/8、::1"),
        ("pairs", "两端都在本机的连接，两端写在同一行"),
        (
            "details",
            "在每个套接字下面显示：缓冲区填充、定时器、TCP 所知的连接情况",
        ),
        ("summary", "只按类型和状态计数"),
        ("no_program", "不查找程序（查找占用大部分时间）"),
        (
            "sort",
            "排序：local、remote、port、state、recv-q、send-q、memory、rtt、cwnd、retransmits、sent、received、timer、user、program、pid；加 :desc 则从大到小",
        ),
        ("live", "反复查看；在终端上为全屏，可排序、筛选、跟踪"),
        ("json", "输出 JSON Lines（docs/events.md）"),
        ("check", "没有匹配的套接字时以退出码 3 结束"),
    ],
    examples: &[
        Example {
            line: "sockeye list --port 50000",
            does: Text {
                en: "the listener and both ends of each connection, with state and program",
                zh: "监听套接字以及每个连接的两端，连同状态和程序",
            },
        },
        Example {
            line: "sockeye list --state time-wait --summary",
            does: Text {
                en: "how many wait after closing",
                zh: "关闭后仍在等待的有多少",
            },
        },
        Example {
            line: "sockeye list --tcp --program python3 --details",
            does: Text {
                en: "how full the buffers of a program are, and how its connections fare",
                zh: "一个程序的缓冲区填充多少，各连接状况如何",
            },
        },
        Example {
            line: "sockeye list --tcp --live",
            does: Text {
                en: "as a screen: sort, filter, follow a connection",
                zh: "全屏显示：排序、筛选、跟踪一个连接",
            },
        },
    ],
};
