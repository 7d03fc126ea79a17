//! `sockeye put`.

use crate::catalogue::{Example, Page, Text};

pub(super) const PAGE: Page = Page {
    verb: "put",
    about: "把文件和目录发送到文件服务器（`serve files`）；中断后可续传",
    args: &[
        ("words", "要发送的文件，`-` 为标准输入；最后是服务器"),
        ("to", "全部放入服务器上的这个目录"),
        ("name", "唯一的那个文件在服务器上的名称"),
        ("overwrite", "覆盖已有的文件"),
        ("archive", "保留权限和时间（从不设置 setuid、setgid）"),
        (
            "digest",
            "服务器用什么校验收到的内容：blake3、sha256、md5、none [默认：blake3；--plain 时 md5]",
        ),
        (
            "plain",
            "按教程的格式发给任意接收者：长度、{\"file_name\",\"file_size\",\"md5\"}、内容",
        ),
        ("timeout", "多久没有任何进展就放弃"),
        ("json", "输出 JSON Lines 而不是文字（docs/events.md）"),
        (
            "trace",
            "写一个供 `show` 读取的会话：每次读写，以及获准抓取的包",
        ),
        ("trace_bytes", "其中每次读写保留多少内容 [默认：256]"),
    ],
    examples: &[
        Example {
            line: "sockeye put film.mkv tls://nas:7017",
            does: Text {
                en: "send a file; after an interruption the same line goes on",
                zh: "发送一个文件；中断后再执行同一行即可续传",
            },
        },
        Example {
            line: "sockeye put --archive --to 2026 photos notes.txt tls://nas:7017",
            does: Text {
                en: "a folder and a file into the folder 2026, with permissions and times",
                zh: "把一个目录和一个文件放入 2026 目录，保留权限和时间",
            },
        },
        Example {
            line: "sockeye put - --name etc.tar unix:/run/files.sock",
            does: Text {
                en: "what another program writes: tar c /etc | sockeye put …",
                zh: "另一个程序的输出：tar c /etc | sockeye put …",
            },
        },
        Example {
            line: "sockeye put --plain photo.jpg 127.0.0.1:9000",
            does: Text {
                en: "to the receiver of a tutorial",
                zh: "发给教程里的接收程序",
            },
        },
    ],
};
