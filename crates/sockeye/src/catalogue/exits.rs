//! What exit codes mean.

use super::Text;

/// Each exit code with its meaning.
pub(crate) const EXITS: &[(&str, Text)] = &[
    (
        "0",
        Text {
            en: "done; also a listener that a first signal ended",
            zh: "完成；监听者收到第一次信号后正常结束也算",
        },
    ),
    (
        "1",
        Text {
            en: "the network failed: refused, reset, unreachable",
            zh: "网络失败：被拒绝、被复位、不可达",
        },
    ),
    (
        "2",
        Text {
            en: "the command line, the config or this machine is at fault",
            zh: "命令行、配置或本机有误",
        },
    ),
    (
        "3",
        Text {
            en: "a check failed: a bad frame, a wrong answer, a lab that is not as expected",
            zh: "检查不通过：坏帧、错误的回答、与预期不符的实验",
        },
    ),
    (
        "4",
        Text {
            en: "it took too long",
            zh: "超时",
        },
    ),
    (
        "5",
        Text {
            en: "the other end is not trusted",
            zh: "对端不受信任",
        },
    ),
    (
        "130, 143",
        Text {
            en: "a signal cut the work short: SIGINT, SIGTERM",
            zh: "被信号中断：SIGINT、SIGTERM",
        },
    ),
    (
        "255",
        Text {
            en: "of `exec`: any failure of its own; every other code of `exec` is the command's, 128 and a number stand for a signal",
            zh: "exec 自身的任何失败；exec 的其他退出码都来自所运行的命令，128 加编号表示信号",
        },
    ),
];
