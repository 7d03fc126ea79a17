//! `sockeye exec`.

use crate::catalogue::{Example, Page, Text};

pub(super) const PAGE: Page = Page {
    verb: "exec",
    about: "在另一台机器上运行命令，也可同时在多台上",
    args: &[
        (
            "words",
            "命令在哪里运行：tls://HOST:PORT、quic://HOST:PORT、unix:PATH",
        ),
        ("command", "命令及其参数，原样送达"),
        ("shell", "CMD 是交给那里的 shell 的一整行"),
        ("cwd", "在那里的这个目录中启动"),
        ("env", "设置它的一个环境变量；只写 NAME 则取本机此变量的值"),
        ("timeout", "运行这么久之后将其终止"),
        ("no_stdin", "给它空的输入，不动我们的输入"),
        ("tty", "把我们的终端给它：用于需要人操作的程序"),
        (
            "encoding",
            "它的文本的编码，用于我们这端是终端时：utf-8、gbk、big5 等",
        ),
        (
            "option",
            "设置套接字选项，写法同端点中的参数：-o connect-timeout=2s",
        ),
        (
            "host",
            "也在这台主机上运行；每台写一次。没有输入；每行输出之前写明主机",
        ),
        ("parallel", "同时最多在多少台主机上运行 [默认：16]"),
        ("ansi", "输出中的控制字符原样送到终端"),
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
            line: "sockeye exec tls://web1:7022 -- uptime",
            does: Text {
                en: "run a command there; its output and its exit status are ours",
                zh: "在那里运行命令；输出与退出码与在本机运行一样",
            },
        },
        Example {
            line: "sockeye exec --shell tls://web1:7022 -- 'df -h | sort -k5'",
            does: Text {
                en: "a line for the shell there",
                zh: "交给那里 shell 的一整行",
            },
        },
        Example {
            line: "sockeye exec unix:/run/exec.sock -- sha256sum < big.iso",
            does: Text {
                en: "our input is the command's",
                zh: "我们的输入就是命令的输入",
            },
        },
        Example {
            line: "sockeye exec -t tls://web1:7022 -- htop",
            does: Text {
                en: "a program that needs a terminal",
                zh: "需要终端的程序",
            },
        },
        Example {
            line: "sockeye exec --host tls://web1:7022 --host tls://web2:7022 --timeout 10s -- systemctl is-active nginx",
            does: Text {
                en: "on two hosts at once, with a table of how it went",
                zh: "同时在两台主机上运行，最后列表给出结果",
            },
        },
    ],
};
