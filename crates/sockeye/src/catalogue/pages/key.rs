//! `sockeye key` and what it can do.

use crate::catalogue::{Example, Page, Text};

const JSON: (&str, &str) = ("json", "输出 JSON Lines（docs/events.md）");
const PLACE: (&str, &str) = ("place", "对端，写法与拨号时相同");

pub(super) const PAGE: Page = Page {
    verb: "key",
    about: "本用户的密钥、已知对端的公钥、可使用本机服务的公钥",
    args: &[JSON],
    examples: &[
        Example {
            line: "sockeye key",
            does: Text {
                en: "show this user's key, made on first need, and where the files lie",
                zh: "显示本用户的公钥（首次使用时生成）及文件位置",
            },
        },
        Example {
            line: "sockeye key allow SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU alice exec,files",
            does: Text {
                en: "let alice's key run commands and move files here",
                zh: "允许 alice 的公钥在本机执行命令、传输文件",
            },
        },
        Example {
            line: "sockeye key pin example.com:7022 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
            does: Text {
                en: "dial example.com:7022 only if it has this key",
                zh: "仅当 example.com:7022 持有此公钥时才连接",
            },
        },
        Example {
            line: "sockeye key deny alice",
            does: Text {
                en: "let alice in no more; sessions of that key end",
                zh: "不再允许 alice；其会话随即结束",
            },
        },
    ],
};

pub(super) const ALLOW: Page = Page {
    verb: "key allow",
    about: "允许一个公钥使用本机的服务；此前的授权被替换",
    args: &[
        ("key", "公钥，即对方 `sockeye key` 所显示的"),
        ("name", "公钥属于谁，用于日志与聊天室"),
        (
            "rights",
            "允许做什么：exec、files、chat、chat-admin；多项以逗号分隔",
        ),
        JSON,
    ],
    examples: &[Example {
        line: "sockeye key allow SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU alice files",
        does: Text {
            en: "alice may move files, and nothing else",
            zh: "alice 只能传输文件",
        },
    }],
};

pub(super) const DENY: Page = Page {
    verb: "key deny",
    about: "不再允许一个公钥，或某人的全部公钥；其会话随即结束",
    args: &[("who", "公钥，或其所有者的名字"), JSON],
    examples: &[Example {
        line: "sockeye key deny alice",
        does: Text {
            en: "every key of alice",
            zh: "alice 的全部公钥",
        },
    }],
};

pub(super) const ALLOWED: Page = Page {
    verb: "key allowed",
    about: "列出已授权的公钥",
    args: &[JSON],
    examples: &[Example {
        line: "sockeye key allowed",
        does: Text {
            en: "name, rights, key",
            zh: "名字、权限、公钥",
        },
    }],
};

pub(super) const PIN: Page = Page {
    verb: "key pin",
    about: "今后只认对端的这个公钥",
    args: &[
        PLACE,
        ("key", "对端的公钥，即那里 `sockeye key` 所显示的"),
        JSON,
    ],
    examples: &[Example {
        line: "sockeye key pin example.com:7022 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
        does: Text {
            en: "before the first dial, so that nothing is left to chance",
            zh: "在首次连接之前记下，不留侥幸",
        },
    }],
};

pub(super) const FORGET: Page = Page {
    verb: "key forget",
    about: "忘记对端的公钥：下次见到的再行询问",
    args: &[PLACE, JSON],
    examples: &[Example {
        line: "sockeye key forget example.com:7022",
        does: Text {
            en: "after the key there was changed on purpose",
            zh: "那里的密钥有意更换之后",
        },
    }],
};

pub(super) const KNOWN: Page = Page {
    verb: "key known",
    about: "列出已知的对端",
    args: &[JSON],
    examples: &[Example {
        line: "sockeye key known",
        does: Text {
            en: "HOST:PORT, key",
            zh: "HOST:PORT、公钥",
        },
    }],
};
