//! The help pages, one file a verb.

use super::{Example, Page};

mod bench;
mod capture;
mod chat;
mod completions;
mod dial;
mod doctor;
mod exec;
mod get;
mod key;
mod lab;
mod list;
mod man;
mod put;
mod root;
mod serve;
mod show;
mod watch;

/// Every page.
pub(crate) const PAGES: &[Page] = &[
    root::PAGE,
    serve::PAGE,
    dial::PAGE,
    exec::PAGE,
    put::PAGE,
    get::PAGE,
    key::PAGE,
    key::ALLOW,
    key::DENY,
    key::ALLOWED,
    key::PIN,
    key::FORGET,
    key::KNOWN,
    chat::PAGE,
    list::PAGE,
    capture::PAGE,
    watch::PAGE,
    lab::PAGE,
    lab::LIST,
    lab::RUN,
    show::PAGE,
    bench::PAGE,
    doctor::PAGE,
    completions::PAGE,
    man::PAGE,
];

/// The Chinese of the headings under which flags are grouped.
pub(super) const HEADINGS: &[(&str, &str)] = &[
    ("Arguments", "参数"),
    ("Options", "选项"),
    ("Everywhere", "通用选项"),
    ("Limits", "上限"),
    ("Commands", "命令"),
    ("Files", "文件"),
    ("Chat", "聊天"),
    ("Who you are", "你是谁"),
    ("For scripts", "用于脚本"),
    ("Which packets", "哪些包"),
    ("Who may", "谁可以"),
    ("Several hosts", "多台主机"),
    ("What ends when", "何时结束"),
    ("What to see", "显示"),
    ("Which sockets", "选择套接字"),
    ("What to write", "写成什么"),
    ("Which part", "哪一部分"),
    ("How it looks", "外观"),
    ("What to measure", "测量什么"),
    ("What to watch", "观察什么"),
    ("What to run", "运行什么"),
    ("What the wire does", "线路做什么"),
    ("Which run", "哪一次运行"),
];

/// The examples of a verb, or of the program itself.
pub(crate) fn examples_of(verb: &str) -> &'static [Example] {
    PAGES
        .iter()
        .find(|page| page.verb == verb)
        .map_or(&[], |page| page.examples)
}
