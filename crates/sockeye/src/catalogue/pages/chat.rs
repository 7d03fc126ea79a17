//! `sockeye chat`.

use crate::catalogue::{Example, Page, Text};

pub(super) const PAGE: Page = Page {
    verb: "chat",
    about: "聊天：IRC 服务器上的房间与人，以及普通的 UDP 或 TCP 对端",
    args: &[
        (
            "endpoint",
            "服务器、联系人文件中的服务器名，或普通对端（udp://…、tcp://…?frame=raw）[默认：联系人文件中的服务器，否则 tcp://127.0.0.1:6667]",
        ),
        (
            "contacts",
            "谁在哪里：名字、服务器、账号 [默认：~/.config/sockeye/contacts.toml]",
        ),
        ("rooms", "要进入的房间，如 '#lobby'；可多次给出"),
        ("to", "一开始就与其交谈：联系人、房间或昵称"),
        ("encoding", "普通对端文本的编码：utf-8、gbk、big5 等"),
        ("nick", "自己的昵称 [默认：用户名]"),
        ("user", "nick!user@host 中的用户名 [默认：昵称]"),
        ("account", "要登录的账号：用密码，或在 TLS 上用自己的密钥"),
        ("password_file", "首行为密码的文件；`-` 表示在终端上询问"),
        ("lines", "在终端上也逐行输入、逐行输出"),
        (
            "no_stdin",
            "不读输入，只打印别人所说，直到信号或 --until 结束",
        ),
        ("wait", "输入结束后再听多久 [默认：普通对端 1s，否则不等]"),
        ("until", "有人说出这段文字后结束"),
        ("timeout", "服务器这么久没有相关回应则放弃"),
        (
            "export",
            "把本机服务器保存的全部内容写入文件后结束：JSON Lines，文件名以 .txt 结尾则为文本；`-` 为标准输出",
        ),
        (
            "store",
            "服务器的文件夹，同 `serve chat --store` [默认：~/.local/share/sockeye/chat]",
        ),
        (
            "events",
            "把事件写入文件，或写入已打开的描述符 fd:N（docs/events.md）",
        ),
    ],
    examples: &[
        Example {
            line: "sockeye chat",
            does: Text {
                en: "the servers of your contacts, else the chat of this machine's exchange",
                zh: "连接联系人文件中的服务器，否则连接本机 exchange 的聊天",
            },
        },
        Example {
            line: "sockeye chat tls://irc.example.net:6697 --nick tom --room '#lobby'",
            does: Text {
                en: "a server of IRC over TLS, in one room",
                zh: "经 TLS 连接 IRC 服务器并进入一个房间",
            },
        },
        Example {
            line: "sockeye chat --contacts friends.toml --to TOM",
            does: Text {
                en: "talk with a contact: a nick on a server, or a plain UDP or TCP peer",
                zh: "与联系人交谈：服务器上的昵称，或普通的 UDP、TCP 对端",
            },
        },
        Example {
            line: "sockeye chat --encoding gbk 'udp://127.0.0.1:9999?bind=:62851'",
            does: Text {
                en: "each line is one datagram in GBK, from port 62851",
                zh: "每一行作为一个 GBK 编码的数据报，从端口 62851 发出",
            },
        },
        Example {
            line: "echo 'backup done' | sockeye chat 127.0.0.1:6667 --nick backup --room '#ops'",
            does: Text {
                en: "say one thing from a script; 0 once it has arrived",
                zh: "在脚本中说一句话；送达后退出码为 0",
            },
        },
    ],
};
