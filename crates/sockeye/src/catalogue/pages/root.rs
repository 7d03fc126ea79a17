//! `sockeye` itself.

use crate::catalogue::{Example, Page, Text};

pub(super) const PAGE: Page = Page {
    verb: "",
    about: "看得见的套接字：在各种套接字上监听、连接与测量",
    args: &[
        ("lang", "界面语言（默认取自 LC_ALL、LC_MESSAGES、LANG）"),
        ("ipv4", "只用 IPv4"),
        ("ipv6", "只用 IPv6"),
        ("verbose", "多说一些"),
        ("quiet", "不输出日志"),
        (
            "trust_on_first_use",
            "首次连接时直接记下对端的公钥，不询问也不失败",
        ),
        ("help", "显示帮助"),
        ("version", "显示版本"),
    ],
    examples: &[
        Example {
            line: "sockeye serve",
            does: Text {
                en: "start the exchange: echo and upper on loopback",
                zh: "启动示例服务：本机上的 echo 与 upper",
            },
        },
        Example {
            line: "sockeye serve echo :7007",
            does: Text {
                en: "answer what is sent, on TCP",
                zh: "在 TCP 上原样回答",
            },
        },
        Example {
            line: "sockeye --lang zh serve --help",
            does: Text {
                en: "help in Chinese",
                zh: "中文帮助",
            },
        },
    ],
};
