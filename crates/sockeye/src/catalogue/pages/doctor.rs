//! `sockeye doctor`.

use crate::catalogue::{Example, Page, Text};

pub(super) const PAGE: Page = Page {
    verb: "doctor",
    about: "说明本机允许什么，以及套接字所依赖的内核设置",
    args: &[
        (
            "names",
            "只看名称中含有它的：tcp_tw_reuse、keepalive、capture……",
        ),
        (
            "purposes",
            "另外说明怎样更适合接受连接（serve）、发起连接（dial）、远距离（far）、数据报（datagrams）；多种以逗号分隔",
        ),
        ("short", "每项一行，不作解释"),
        ("json", "输出 JSON Lines（docs/events.md）"),
        ("check", "有设置应当修改时以退出码 3 结束"),
        (
            "write",
            "把应当修改的设置写成 sysctl 文件，但不应用；`-` 为标准输出",
        ),
        ("force", "文件已存在也写"),
    ],
    examples: &[
        Example {
            line: "sockeye doctor --short",
            does: Text {
                en: "what works here, every setting and its value",
                zh: "这里能做什么，各项设置及其值",
            },
        },
        Example {
            line: "sockeye doctor tw_reuse fin_timeout tw_recycle",
            does: Text {
                en: "what these three do about TIME_WAIT, and what they do not",
                zh: "这三项与 TIME_WAIT 的关系：能做什么，不能做什么",
            },
        },
        Example {
            line: "sockeye doctor --for serve,datagrams --write sockets.conf",
            does: Text {
                en: "a file for sysctl with what differs, and why; nothing is applied",
                zh: "把不同之处连同原因写成 sysctl 文件；不作任何修改",
            },
        },
    ],
};
