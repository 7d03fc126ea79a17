//! `sockeye serve`.

use crate::catalogue::{Example, Page, Text};

pub(super) const PAGE: Page = Page {
    verb: "serve",
    about: "提供一项服务；不写服务名则启动示例服务：本机上所有安全的服务",
    args: &[
        ("service", "如何回答；不写则提供配置中的全部服务"),
        (
            "endpoints",
            "在哪里监听：tcp://主机:端口、udp://…、unix:路径、主机:端口、:端口 等（端口 0：任选空闲端口）",
        ),
    ],
    examples: &[
        Example {
            line: "sockeye serve",
            does: Text {
                en: "the exchange: echo and upper on loopback",
                zh: "示例服务：本机上的 echo 与 upper",
            },
        },
        Example {
            line: "sockeye serve upper 0.0.0.0:50000 udp://0.0.0.0:50000",
            does: Text {
                en: "upper-case whatever comes, on all interfaces, TCP and UDP",
                zh: "在所有网卡上把收到的内容转成大写，TCP 与 UDP",
            },
        },
        Example {
            line: "sockeye serve echo :7007",
            does: Text {
                en: "answer each line with itself",
                zh: "每一行原样返回",
            },
        },
    ],
};
