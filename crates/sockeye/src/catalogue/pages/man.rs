//! `sockeye man`.

use crate::catalogue::{Example, Page, Text};

pub(super) const PAGE: Page = Page {
    verb: "man",
    about: "输出手册页（roff 格式）",
    args: &[("verb", "哪个命令；不写则为 sockeye 本身")],
    examples: &[
        Example {
            line: "sockeye man serve | man -l -",
            does: Text {
                en: "read a verb's page",
                zh: "阅读某个命令的手册",
            },
        },
        Example {
            line: "sockeye man > ~/.local/share/man/man1/sockeye.1",
            does: Text {
                en: "install the page",
                zh: "安装手册页",
            },
        },
        Example {
            line: "sockeye --lang zh man serve | man -l -",
            does: Text {
                en: "the same in Chinese",
                zh: "中文手册",
            },
        },
    ],
};
