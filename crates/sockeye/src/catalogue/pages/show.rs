//! `sockeye show`.

use crate::catalogue::{Example, Page, Text};

pub(super) const PAGE: Page = Page {
    verb: "show",
    about: "画出记录下来的会话：写了什么、线路上传了什么、读到了什么",
    args: &[
        (
            "file",
            "watch、capture 或 --trace 写下的会话，或 pcap、pcapng 文件；`-` 为标准输入",
        ),
        ("other", "另一台机器对同一些会话的记录"),
        ("html", "写成一个网页，任何浏览器都能打开"),
        ("pcapng", "把包及其旁边的调用写成 pcapng，供 Wireshark 打开"),
        ("json", "写成 JSON Lines（docs/events.md）"),
        ("save", "把合并并排好序的会话写成文件，供 `show` 再次读取"),
        ("packets", "以表格写出各个包"),
        ("layers", "写出各个包及其各层：OSI 与 TCP/IP 对照"),
        ("findings", "只写结论，不画泳道"),
        ("flow", "只画这个编号的会话"),
        ("from", "只画开始之后这么久及更晚的部分：200ms、1.5s"),
        ("to", "只画开始之后这么久以前的部分"),
        ("limit", "每个会话最多画多少项；0 为全部"),
        ("flows", "最多画多少个会话；0 为全部"),
        (
            "frame",
            "字节流如何切分为消息：line、u32be 等（docs/framings.md）",
        ),
        ("bytes", "每段内容显示多少"),
        ("hex", "以十六进制显示内容"),
        ("width", "图的列数（默认：终端的宽度，否则 100）"),
        ("colour", "标准输出不是终端时也给消息上色"),
    ],
    examples: &[
        Example {
            line: "sockeye show session.sockeye",
            does: Text {
                en: "three lanes: the client's calls, the wire, the server's calls",
                zh: "三条泳道：客户端的调用、线路、服务器的调用",
            },
        },
        Example {
            line: "sockeye show session.sockeye --flow 1 --frame line --hex",
            does: Text {
                en: "one conversation, cut into lines, in hex",
                zh: "一个会话，按行切分，以十六进制显示",
            },
        },
        Example {
            line: "sockeye show session.sockeye --html session.html",
            does: Text {
                en: "a page to look at, to keep and to send",
                zh: "一个可以查看、保存、发送的网页",
            },
        },
        Example {
            line: "sockeye show client.sockeye server.sockeye",
            does: Text {
                en: "what two machines recorded of the same conversations, on one clock",
                zh: "两台机器对同一些会话的记录，放到同一个时钟上",
            },
        },
        Example {
            line: "sockeye show session.sockeye --json | jq 'select(.ev == \"finding\")'",
            does: Text {
                en: "what was found, for a program",
                zh: "供程序读取的结论",
            },
        },
    ],
};
