//! `sockeye bench`.

use crate::catalogue::{Example, Page, Text};

pub(super) const PAGE: Page = Page {
    verb: "bench",
    about: "给服务器加负载并测量延迟；返回的每个字节都会检查",
    args: &[
        (
            "endpoint",
            "服务器：tcp://主机:端口、udp://主机:端口、unix:路径、unix-dgram:路径、unix-seqpacket:路径",
        ),
        ("connections", "同时打开的连接数"),
        ("size", "每条消息的字节数 [默认：64；--one-way 时 256KiB]"),
        (
            "depth",
            "每个连接上可以同时等待回答的消息数 [默认：1；--chat 时 64]",
        ),
        (
            "rate",
            "所有连接合计每秒的消息数，间隔相等；延迟从消息应当发出的时刻算起（不写则收到回答就发下一条）",
        ),
        ("duration", "测量多久"),
        ("warmup", "测量之前先跑多久"),
        (
            "timeout",
            "一个回答最多等多久 [默认：2s；数据报 200ms，超时即算丢失]",
        ),
        ("threads", "产生负载的线程数"),
        ("frame", "字节流如何切成消息 [默认：raw，或端点的 frame=]"),
        ("no_verify", "只计数，不检查返回的内容"),
        ("gso", "多个数据报合成一个大的发出，由内核切开（UDP）"),
        ("connect", "每条消息单独建一个连接：连接、消息、回答、关闭"),
        (
            "one_way",
            "单向传送：up 发往只收不答的服务器，down 来自不停发送的服务器",
        ),
        ("fan_out", "第一个连接发言，其余连接全部收听：用于 hub"),
        (
            "chat",
            "房间里一个成员发言，其余全部收听：用于 IRC，或所写的另一种",
        ),
        ("against_chat", "另一个服务器用哪一种 [默认：与第一个相同]"),
        (
            "also",
            "每隔一个成员连接到这里：与第一个服务器共享房间的另一个服务器",
        ),
        ("batch", "发言者一次写多少行 [默认：16]"),
        ("stuck", "另有多少从不读取的成员：他们让别人付出多少"),
        (
            "idle",
            "各发一条消息（有 --chat 时进入房间）后保持空闲的连接：占多少内存",
        ),
        ("against", "与第一个服务器轮流测量，逐对比较"),
        ("rounds", "测几轮 [默认：1；有 --against 时 5]"),
        (
            "pid",
            "服务器的进程，用来显示其处理器时间和内存 [默认：占用该端口的进程]",
        ),
        ("against_pid", "另一个服务器的进程"),
        ("json", "每行一个 JSON 对象，而不是文字"),
    ],
    examples: &[
        Example {
            line: "sockeye bench :7007",
            does: Text {
                en: "64 connections, one message of 64 bytes at a time on each",
                zh: "64 个连接，每个连接每次一条 64 字节的消息",
            },
        },
        Example {
            line: "sockeye bench :7007 --rate 20000 -t 10s",
            does: Text {
                en: "latency at 20,000 messages a second, stalls of the server included",
                zh: "每秒 20,000 条消息时的延迟，服务器的停顿也计入",
            },
        },
        Example {
            line: "sockeye bench :7007 --against :8007 -d 16",
            does: Text {
                en: "which of two servers is faster, in turns",
                zh: "两个服务器轮流测，看谁更快",
            },
        },
        Example {
            line: "sockeye bench :6667 --chat -c 901",
            does: Text {
                en: "a room of IRC with 900 who hear what one says",
                zh: "IRC 房间：一人发言，900 人收听",
            },
        },
        Example {
            line: "sockeye bench udp://127.0.0.1:7007 -c 1 -s 1400 -d 64 --gso",
            does: Text {
                en: "a window of 64 datagrams, joined on the way out",
                zh: "64 个数据报的窗口，发送时合并",
            },
        },
    ],
};
