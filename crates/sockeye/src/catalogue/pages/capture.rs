//! `sockeye capture`.

use crate::catalogue::{Example, Page, Text};

pub(super) const PAGE: Page = Page {
    verb: "capture",
    about: "以表格、分层或数据流的形式显示接口上的包；读写捕获文件",
    args: &[
        ("interface", "接口，如 lo [默认：所有接口]"),
        (
            "read",
            "改为从文件读取（pcapng、pcap 或会话文件），- 为标准输入",
        ),
        (
            "port",
            "端口或范围：5000、20-25、src:5000、dst:5000、not:22；写多个时任一即可",
        ),
        (
            "host",
            "地址或网段：10.0.0.1、fd00::/8、src:10.0.0.1、not:10.0.0.0/8；写多个时任一即可",
        ),
        (
            "protocol",
            "协议：tcp、udp、icmp、icmpv6、igmp、sctp、arp、ip、ip6、编号、not:udp；写多个时任一即可",
        ),
        ("count", "捕获这么多个包后结束"),
        ("duration", "经过这么长时间后结束"),
        ("flags", "标志的写法"),
        ("time", "时间列的含义"),
        ("fcs", "帧长计入补齐到 64 字节的填充和校验和；两者均为推算"),
        (
            "whole",
            "内核尚未切分的大段原样显示，不按它所代表的各段显示",
        ),
        ("layers", "显示每个包的各层及其字节数"),
        ("hex", "显示每个包的字节"),
        (
            "streams",
            "不看包，而是跟踪 TCP 连接和 UDP 套接字的对话内容",
        ),
        ("frame", "配合 --streams：字节流如何切成消息"),
        ("encoding", "数据流的字节按何种编码显示为文字"),
        ("json", "每行一个 JSON 对象（docs/events.md）"),
        ("write", "写捕获文件（pcapng），- 为标准输出"),
        ("session", "写会话文件，供 sockeye show 使用"),
        ("print", "写文件的同时也显示包"),
        ("snap", "每个包保留的字节数 [默认：全部；只看表格时 256]"),
        ("ring", "等待读取的包可占用的内存"),
        (
            "delay",
            "一个包最多等待多久 [默认：写文件时 200ms，否则 20ms]",
        ),
    ],
    examples: &[
        Example {
            line: "sockeye capture -i lo --port 5000",
            does: Text {
                en: "the packets of one port on the loopback device, as a table",
                zh: "以表格显示回环接口上某个端口的包",
            },
        },
        Example {
            line: "sockeye capture -i lo --port 5000 --streams --frame line",
            does: Text {
                en: "what the two ends say to each other, line by line",
                zh: "两端互相说了什么，逐行显示",
            },
        },
        Example {
            line: "sockeye capture -w trace.pcapng -s 128 -t 10s",
            does: Text {
                en: "ten seconds into a file for Wireshark, 128 bytes of each packet",
                zh: "捕获十秒存入供 Wireshark 使用的文件，每个包保留 128 字节",
            },
        },
        Example {
            line: "sockeye capture -r trace.pcapng --layers -c 1",
            does: Text {
                en: "the first packet of a file, layer by layer",
                zh: "文件中的第一个包，逐层显示",
            },
        },
    ],
};
