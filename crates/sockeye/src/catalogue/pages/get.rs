//! `sockeye get`.

use crate::catalogue::{Example, Page, Text};

pub(super) const PAGE: Page = Page {
    verb: "get",
    about: "从文件服务器（`serve files`）取文件和目录，或列出其中的内容",
    args: &[
        ("endpoint", "服务器"),
        ("names", "要取的文件和目录；`.` 表示全部"),
        ("output", "唯一的那个文件写到哪里，`-` 为标准输出"),
        ("into", "全部放入这个目录 [默认：当前目录]"),
        ("overwrite", "覆盖本地已有的文件"),
        ("archive", "保留权限和时间（从不设置 setuid、setgid）"),
        ("digest", "用什么校验收到的内容：blake3、sha256、md5、none"),
        ("list", "不取文件，只列出 NAME 中的内容（默认：全部）"),
        ("recursive", "也列出各级子目录的内容"),
        ("json", "以 JSON Lines 列出（docs/events.md）"),
        ("timeout", "多久没有任何进展就放弃"),
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
            line: "sockeye get tls://nas:7017 film.mkv",
            does: Text {
                en: "fetch a file; after an interruption the same line goes on",
                zh: "取一个文件；中断后再执行同一行即可续传",
            },
        },
        Example {
            line: "sockeye get tls://nas:7017 --list --recursive",
            does: Text {
                en: "what is there",
                zh: "列出服务器上的内容",
            },
        },
        Example {
            line: "sockeye get tls://nas:7017 etc.tar -o -",
            does: Text {
                en: "into a pipe: … | tar x",
                zh: "送入管道：… | tar x",
            },
        },
        Example {
            line: "sockeye get tls://nas:7017 photos --into backup --archive",
            does: Text {
                en: "a folder with all that is in it, with permissions and times",
                zh: "取整个目录，保留权限和时间",
            },
        },
    ],
};
