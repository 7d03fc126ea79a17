//! The index of the pages.

use std::fmt::Write as _;

use sockeye_observe::lab::{Group, builtin};
use sockeye_trace::Lang;

use crate::page;

pub(crate) fn file_name(lang: Lang) -> String {
    page::file_name("README", lang)
}

pub(crate) fn write(lang: Lang) -> String {
    let mut text = String::new();
    text.push_str(lang.pick(
        "# Labs\n\nEvery phenomenon on a page of its own, with a run on a real kernel. [docs/lab.md](../lab.md) says how to run them, \
         and how to write one.\n\n[中文](README.zh-CN.md)\n",
        "# 实验\n\n每个现象一页，附在真实内核上的运行。如何运行、如何自己编写，见 [docs/lab.md](../lab.md)。\n\n[English](README.md)\n",
    ));
    for group in Group::ALL {
        let mut rows = builtin::all()
            .iter()
            .filter(|one| one.group == group)
            .peekable();
        if rows.peek().is_none() {
            continue;
        }
        let _ = write!(text, "\n## {}\n\n", name_of(group, lang));
        let _ = writeln!(
            text,
            "{}",
            lang.pick("| lab | shows |\n|---|---|", "| 实验 | 展示 |\n|---|---|")
        );
        for scenario in rows {
            let file = page::file_name(&scenario.name, lang);
            let title = scenario.title.get(lang);
            let _ = writeln!(text, "| [{}]({file}) | {title} |", scenario.name);
        }
    }
    text
}

fn name_of(group: Group, lang: Lang) -> &'static str {
    match group {
        Group::Connecting => lang.pick("Connections begin", "建立连接"),
        Group::Messages => lang.pick("Where messages end", "消息的边界"),
        Group::Calls => lang.pick("What calls return", "调用的返回"),
        Group::Buffers => lang.pick("Buffers and windows", "缓冲区与窗口"),
        Group::Datagrams => lang.pick("Datagrams", "数据报"),
        Group::Closing => lang.pick("Connections end", "关闭连接"),
        Group::Network => lang.pick("What the network does", "网络的行为"),
    }
}
