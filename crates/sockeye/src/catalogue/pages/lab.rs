//! `sockeye lab` and its own verbs.

use crate::catalogue::{Example, Page, Text};

pub(super) const PAGE: Page = Page {
    verb: "lab",
    about: "在本机内核上重现、展示并解释一个网络现象，而不触碰本机的网络",
    args: &[
        (
            "name",
            "实验的任一名称（`sockeye lab list`），或你自己的文件（docs/lab.md）",
        ),
        ("plain", "只运行展示现象的那一次"),
        ("cure", "只运行带对策的那一次"),
        (
            "fault",
            "线路对包做什么：drop:nth=3,to=server（见 docs/faults.md）；可多次给出，依次作用",
        ),
        ("delay", "每个包在两个方向上都要花这么久；20ms,jitter=5ms"),
        ("loss", "两个方向上每一百个包丢失这么多：1%"),
        ("rate", "每个方向每秒通过这么多字节：1MiB"),
        ("mtu", "主机发送的最大的包 [默认：1500]"),
        ("seed", "随机数的起点：同样的种子丢同样的包 [默认：1]"),
        ("fast", "保留分段卸载：更快，但线路上的一个包可能代表好几个"),
        ("brief", "只说应当看到的是否看到了"),
        ("json", "输出 JSON Lines（docs/events.md）"),
        ("limit", "每个会话最多画这么多；0 表示全部"),
        (
            "trace",
            "把这次运行保存到文件，供 `sockeye show` 使用：展示现象的那次，或 --cure 的那次",
        ),
        ("html", "同时把这次运行画成浏览器页面"),
        ("pcapng", "同时把这次运行的包写成 Wireshark 能读的文件"),
    ],
    examples: &[
        Example {
            line: "sockeye lab list",
            does: Text {
                en: "what there is to see",
                zh: "有哪些现象可看",
            },
        },
        Example {
            line: "sockeye lab sticky-nagle",
            does: Text {
                en: "why three messages arrive as two, and what helps",
                zh: "三条消息为何合成两段到达，怎么办",
            },
        },
        Example {
            line: "sockeye lab split-mss --plain --delay 20ms --pcapng run.pcapng",
            does: Text {
                en: "one run over a slower wire, with its packets for Wireshark",
                zh: "在更慢的线路上只运行一次，并把包留给 Wireshark",
            },
        },
        Example {
            line: "sockeye lab run --server 'python3 s.py' --client 'python3 c.py' --loss 5%",
            does: Text {
                en: "programs of your own, over a wire that loses packets",
                zh: "运行你自己的程序，线路会丢包",
            },
        },
    ],
};

pub(super) const RUN: Page = Page {
    verb: "lab run",
    about: "在两台主机上运行你自己的服务器和客户端，画出它们写了什么、线路传了什么、它们读了什么",
    args: &[
        (
            "server",
            "服务器的命令行，按 shell 的规则拆分但不经过 shell；它的主机是 10.0.0.2，名字是 server",
        ),
        (
            "client",
            "客户端的命令行；服务器开始监听后在 10.0.0.1（名字是 client）上启动",
        ),
        ("bytes", "每次调用和每个包保留的字节数"),
        ("frame", "程序如何把字节流切成消息"),
        (
            "fault",
            "线路对包做什么：drop:nth=3,to=server（见 docs/faults.md）；可多次给出，依次作用",
        ),
        ("delay", "每个包在两个方向上都要花这么久；20ms,jitter=5ms"),
        ("loss", "两个方向上每一百个包丢失这么多：1%"),
        ("rate", "每个方向每秒通过这么多字节：1MiB"),
        ("mtu", "主机发送的最大的包 [默认：1500]"),
        ("seed", "随机数的起点：同样的种子丢同样的包 [默认：1]"),
        ("fast", "保留分段卸载：更快，但线路上的一个包可能代表好几个"),
        ("timeout", "这么久之后结束程序（退出码 4）"),
        ("exit_status", "以客户端的状态退出"),
        ("text", "即使标准输出是终端，也在结束时输出文字"),
        ("follow", "文字，每个调用和包一发生就输出一行"),
        ("json", "结束时每行一个 JSON 对象"),
        ("flow", "只画这个编号的连接"),
        ("trace", "把会话保存到文件，供 `sockeye show` 使用"),
        ("html", "同时画一个浏览器页面"),
        ("pcapng", "同时把包写成 Wireshark 能读的文件"),
    ],
    examples: &[
        Example {
            line: "sockeye lab run --server 'python3 s.py' --client 'python3 c.py'",
            does: Text {
                en: "two programs on two hosts, with every packet between them",
                zh: "两个程序在两台主机上，看得见它们之间的每个包",
            },
        },
        Example {
            line: "sockeye lab run --server 'nc -l 9000' --client 'nc server 9000' --delay 50ms --loss 5%",
            does: Text {
                en: "the same over a slow path that loses packets",
                zh: "同上，但路径慢而且丢包",
            },
        },
        Example {
            line: "sockeye lab run --server ./s --client ./c --fault drop:nth=3,to=server --html lab.html",
            does: Text {
                en: "one packet that never arrives, as a page for browsers",
                zh: "有一个包永远到不了，结果写成浏览器页面",
            },
        },
    ],
};

pub(super) const LIST: Page = Page {
    verb: "lab list",
    about: "列出所有实验",
    args: &[("json", "输出 JSON Lines（docs/events.md）")],
    examples: &[Example {
        line: "sockeye lab list",
        does: Text {
            en: "names and titles, by what they are about",
            zh: "按主题列出名称和标题",
        },
    }],
};
