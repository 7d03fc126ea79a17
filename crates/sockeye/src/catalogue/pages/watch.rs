//! `sockeye watch`.

use crate::catalogue::{Example, Page, Text};

pub(super) const PAGE: Page = Page {
    verb: "watch",
    about: "在同一时钟上画出程序写了什么、线路传了什么、程序读了什么",
    args: &[
        (
            "server",
            "服务器的命令行，按 shell 的规则拆分但不经过 shell；先启动",
        ),
        (
            "client",
            "客户端的命令行；服务器开始监听后启动，它结束后服务器也被结束",
        ),
        ("pid", "已在运行的程序；可多次给出，或写成 1,2,3"),
        (
            "isolate",
            "放进独立的网络，观察结束时一并消失：无需特权即可看到线路，所有端口空闲，包与以太网上一样小",
        ),
        ("interface", "在哪个网络接口上看线路 [默认：全部]"),
        (
            "no_uring",
            "不让程序使用 io_uring：经由它的操作只能看到一部分",
        ),
        ("bytes", "每次调用和每个包保留的字节数"),
        ("frame", "程序如何把字节流切成消息"),
        ("timeout", "这么久之后结束程序（退出码 4）"),
        ("exit_status", "以客户端（或该命令）的状态退出"),
        ("text", "即使标准输出是终端，也在结束时输出文字"),
        ("follow", "文字，每个调用和包一发生就输出一行"),
        ("json", "结束时每行一个 JSON 对象"),
        ("flow", "只画这个编号的连接"),
        ("trace", "把会话保存到文件，供 `sockeye show` 使用"),
        ("html", "同时画一个浏览器页面"),
        ("pcapng", "同时把包写成 Wireshark 能读的文件"),
        ("command", "一个程序及其参数，代替 --server 和 --client"),
    ],
    examples: &[
        Example {
            line: "sockeye watch --isolate --server 'python3 s.py' --client 'python3 c.py'",
            does: Text {
                en: "two programs in a network of their own, with every packet",
                zh: "两个程序放进独立的网络，每个包都看得见",
            },
        },
        Example {
            line: "sockeye watch -- curl http://127.0.0.1:8000/",
            does: Text {
                en: "one program: what it writes and reads, and what is known of the wire",
                zh: "一个程序：它写什么、读什么，以及线路上可知的部分",
            },
        },
        Example {
            line: "sockeye watch -p 1234 --text --trace session.sockeye",
            does: Text {
                en: "a program that runs already, kept for later",
                zh: "已在运行的程序，并保存下来",
            },
        },
    ],
};
