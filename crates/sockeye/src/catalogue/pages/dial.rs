//! `sockeye dial`.

use crate::catalogue::{Example, Page, Text};

pub(super) const PAGE: Page = Page {
    verb: "dial",
    about: "与一个对端交谈：在终端上逐行输入，否则作为管道",
    args: &[
        (
            "words",
            "拨号的对象，其后是要说的话：每条 MESSAGE 发出后等待其回答",
        ),
        ("ask", "发一条消息，等一条回答，打印成一行，再发下一条"),
        ("lines", "输入的每一行是一条消息"),
        ("whole", "全部输入是一条消息"),
        ("no_stdin", "什么也不发，也不宣告发送结束"),
        ("hex", "以十六进制读写字节，每条消息一行"),
        (
            "frame",
            "字节流如何切分为消息：raw、line、u32be 等（docs/framings.md）",
        ),
        ("encoding", "输入与显示的文本的编码：utf-8、gbk、big5 等"),
        ("read_size", "每次最多读多少：512、64KiB"),
        ("timeout", "等待一条回答的时间"),
        ("wait_reply", "最后一个数据报收发之后再等待多久"),
        (
            "on_eof",
            "输入结束时怎样：half-close（半关闭）、close（关闭）、wait=2s（等待）",
        ),
        ("exit_on", "输入这段文字时不发送，直接结束"),
        ("until", "收到这条回答后结束"),
        ("pause", "消息之间的停顿：200ms，或随机的 0..1s"),
        ("listen", "不拨号，而是等待一个对端连进来"),
        (
            "check",
            "只连接，报告结果；ENDPOINT 可为端口范围：host:20-25",
        ),
        (
            "option",
            "设置套接字选项，写法同端点中的参数：-o nodelay=0；`-o help` 列出全部",
        ),
        ("show", "在标准错误上显示每次读写：时间、对端、字节数、内容"),
        ("ansi", "对端文本中的控制字符原样送到终端"),
        ("show_socket", "列出套接字的选项：所求与内核所给"),
        (
            "events",
            "把事件写入文件，或写入已打开的描述符 fd:N（docs/events.md）",
        ),
        (
            "trace",
            "写一个供 `show` 读取的会话：每次读写，以及获准抓取的包",
        ),
        ("trace_bytes", "其中每次读写保留多少内容 [默认：256]"),
    ],
    examples: &[
        Example {
            line: "sockeye dial 127.0.0.1:7007",
            does: Text {
                en: "talk by hand, a line at a time; Ctrl-D ends",
                zh: "逐行手动交谈；Ctrl-D 结束",
            },
        },
        Example {
            line: "sockeye dial 127.0.0.1:7012 hello world",
            does: Text {
                en: "two messages, each answer on a line",
                zh: "发两条消息，每条回答打印一行",
            },
        },
        Example {
            line: "sockeye dial example.com:80 < request",
            does: Text {
                en: "send a file, print all of the answer",
                zh: "发送一个文件，打印完整回答",
            },
        },
        Example {
            line: "sockeye dial --ask --exit-on exit 127.0.0.1:50000",
            does: Text {
                en: "a prompt client: one line, one answer, until `exit` is typed",
                zh: "提示符客户端：一行一答，输入 exit 结束",
            },
        },
        Example {
            line: "sockeye dial --lines --encoding gbk 'udp://127.0.0.1:8888?bind=:8889'",
            does: Text {
                en: "each line is one datagram, in GBK, from port 8889",
                zh: "每一行作为一个 GBK 编码的数据报，从端口 8889 发出",
            },
        },
        Example {
            line: "sockeye dial --check 127.0.0.1:20-25",
            does: Text {
                en: "which of these ports take connections, with the errno of those that don't",
                zh: "哪些端口能连接；不能的给出 errno",
            },
        },
    ],
};
