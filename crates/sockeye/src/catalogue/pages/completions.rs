//! `sockeye completions`.

use crate::catalogue::{Example, Page, Text};

pub(super) const PAGE: Page = Page {
    verb: "completions",
    about: "输出 shell 的补全脚本",
    args: &[("shell", "哪一种 shell")],
    examples: &[
        Example {
            line: "sockeye completions bash > ~/.local/share/bash-completion/completions/sockeye",
            does: Text {
                en: "for bash, from the next login on",
                zh: "用于 bash，下次登录生效",
            },
        },
        Example {
            line: "sockeye completions zsh > ~/.zfunc/_sockeye",
            does: Text {
                en: "for zsh",
                zh: "用于 zsh",
            },
        },
        Example {
            line: "sockeye completions fish > ~/.config/fish/completions/sockeye.fish",
            does: Text {
                en: "for fish",
                zh: "用于 fish",
            },
        },
    ],
};
