//! The Chinese of what the crates below say to people: why a connection ended, what to try.
//!
//! They speak English, where a text is made; here it is looked up by its words. What is not known
//! stays English, and nothing is lost.

use super::Lang;
use super::errors::ERRORS;

/// English and Chinese; `{}` stands for anything.
const KNOWN: &[(&str, &str)] = &[
    // Why a connection ended.
    ("closed by the service", "服务已关闭连接"),
    ("the answer cannot be framed: {}", "回答无法成帧：{}"),
    ("idle for {}", "空闲超过 {}"),
    ("a frame was not complete within {}", "一帧在 {} 内未收完"),
    ("the server ends", "服务器正在结束"),
    (
        "the server ended before all was sent",
        "服务器结束时还有数据未发完",
    ),
    ("reset by the peer", "被对端复位"),
    ("denied: {}", "无权访问：{}"),
    (
        "this is an HTTP request, which no program of ours makes: `{}`",
        "这是 HTTP 请求，并非本程序的对端所发：`{}`",
    ),
    ("the request makes no sense", "请求无意义"),
    // Why a command was not run, and why a peer is not let in.
    (
        "this command is not on the server's list",
        "该命令不在服务器的允许列表中",
    ),
    (
        "this server runs no command lines of a shell",
        "本服务器不运行 shell 命令行",
    ),
    (
        "this server's commands run in a folder of its choice",
        "本服务器的命令在其指定的目录中运行",
    ),
    (
        "the environment's {} is not on the server's list",
        "环境变量 {} 不在服务器的允许列表中",
    ),
    (
        "a command runs on this connection already",
        "此连接上已有命令在运行",
    ),
    ("cannot start {}", "无法启动 {}"),
    ("cannot enter {}", "无法进入 {}"),
    (
        "nobody is let in here without a key: show one",
        "必须出示公钥才能进入",
    ),
    (
        "nobody is let in here without a key, and plain sockets show none{}",
        "必须出示公钥才能进入，明文套接字无从出示{}",
    ),
    (
        "more stdin came than there was credit for",
        "发来的 stdin 超过了额度",
    ),
    (
        "the client asks and takes no answers",
        "对端只发请求，不取回答",
    ),
    (
        "the peer closed while it was being answered",
        "对端在应答途中关闭了连接",
    ),
    (
        "the connection ended without the closing handshake of WebSocket",
        "连接在 WebSocket 关闭握手之前断开",
    ),
    (
        "a WebSocket text message is not UTF-8",
        "WebSocket 文本消息不是 UTF-8",
    ),
    (
        "the peer does not keep to the WebSocket protocol: {}",
        "对端违反 WebSocket 协议：{}",
    ),
    ("a frame did not go on for {}", "一帧在 {} 内没有进展"),
    (
        "the peer took nothing for {}",
        "对端在 {} 内没有读取任何数据",
    ),
    ("a request that makes no sense", "请求没有意义"),
    // Which limit.
    (
        "its address is not in --allow-from",
        "地址不在 --allow-from 之内",
    ),
    ("{} connections are open", "已有 {} 个连接"),
    // Why there is no room of its own.
    ("cannot make namespaces", "无法创建命名空间"),
    (
        "cannot map users into a namespace",
        "无法把用户映射到命名空间",
    ),
    ("cannot make mounts private", "无法使挂载私有"),
    ("cannot mount /proc", "无法挂载 /proc"),
    ("cannot bring the loopback device up", "无法启用回环设备"),
    ("cannot start a process", "无法启动进程"),
    (
        "this system allows none: root may set user.max_user_namespaces (and max_net_, max_pid_, max_mnt_namespaces) with sysctl",
        "本系统一个也不允许：root 可用 sysctl 设置 user.max_user_namespaces（以及 max_net_、max_pid_、max_mnt_namespaces）",
    ),
    (
        "all that the system allows are in use",
        "系统允许的数量已用完",
    ),
    (
        "this kernel has no user namespaces",
        "此内核没有用户命名空间",
    ),
    (
        "AppArmor keeps them from unprivileged programs: run it as root, or let root set kernel.apparmor_restrict_unprivileged_userns=0 with sysctl",
        "AppArmor 不许无特权的程序使用：请以 root 运行，或由 root 用 sysctl 设 kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    (
        "they are for root only: run it as root, or let root set kernel.unprivileged_userns_clone=1 with sysctl",
        "只限 root 使用：请以 root 运行，或由 root 用 sysctl 设 kernel.unprivileged_userns_clone=1",
    ),
    (
        "a seccomp filter is in force, as in containers: Docker permits them with --security-opt seccomp=unconfined, or with --cap-add SYS_ADMIN for root",
        "有 seccomp 过滤器在起作用，容器中常见：Docker 用 --security-opt seccomp=unconfined 放开，root 也可用 --cap-add SYS_ADMIN",
    ),
    // What to try.
    (
        "raw sockets need the privilege CAP_NET_RAW",
        "原始套接字需要 CAP_NET_RAW 权限",
    ),
    (
        "ports below 1024 need a privilege: choose a higher one",
        "1024 以下的端口需要特权：请选更大的端口",
    ),
    (
        "no interface of this machine has that address",
        "本机没有这个地址",
    ),
    (
        "the directory of the socket file does not exist",
        "套接字文件所在的目录不存在",
    ),
    (
        "this machine has no such address family",
        "本机不支持这种地址族",
    ),
    ("nobody listens there", "那里没有人在监听"),
    (
        "without TLS it is tcp:// or ws://",
        "不用 TLS 时应写 tcp:// 或 ws://",
    ),
    ("there is no such socket file", "没有这个套接字文件"),
    (
        "the socket there is of another type",
        "那里的套接字是另一种类型",
    ),
    ("there is no route to that network", "没有到那个网络的路由"),
    (
        "a broadcast address wants `broadcast=1`",
        "广播地址需要 `broadcast=1`",
    ),
    (
        "the parent process has to leave the descriptor open",
        "父进程必须保留该描述符",
    ),
];

/// How deep gaps within gaps are looked up.
const DEPTH: u32 = 4;

/// A text of the crates below in the language of the reader.
pub(crate) fn known(text: &str, lang: Lang) -> String {
    match lang {
        Lang::En => text.to_owned(),
        Lang::Zh => chinese(text, DEPTH),
    }
}

/// An error and its causes on one line.
pub(crate) fn chained(error: &anyhow::Error, lang: Lang) -> String {
    let causes = error.chain().map(|cause| known(&cause.to_string(), lang));
    causes.collect::<Vec<_>>().join(": ")
}

fn chinese(text: &str, depth: u32) -> String {
    let mut all = KNOWN.iter().chain(ERRORS);
    let found = all.find_map(|(en, zh)| Some((zh, gaps(en, text)?)));
    match found {
        Some((zh, gaps)) if depth > 0 => {
            let gaps: Vec<_> = gaps.iter().map(|gap| chinese(gap, depth - 1)).collect();
            filled(zh, &gaps)
        }
        _ => text.to_owned(),
    }
}

/// What stands for each `{}` if the text is of this pattern.
fn gaps<'a>(pattern: &str, text: &'a str) -> Option<Vec<&'a str>> {
    let mut parts = pattern.split("{}");
    let mut rest = text.strip_prefix(parts.next()?)?;
    let mut parts = parts.peekable();
    let mut gaps = vec![];
    while let Some(part) = parts.next() {
        let (gap, after) = match parts.peek() {
            None => (rest.strip_suffix(part)?, ""),
            // Two gaps beside each other: the first is empty.
            Some(_) => rest.split_once(part)?,
        };
        gaps.push(gap);
        rest = after;
    }
    rest.is_empty().then_some(gaps)
}

/// The Chinese with its gaps filled: `{}` in their order, `{1}` by number.
fn filled(zh: &str, gaps: &[String]) -> String {
    let mut in_order = gaps.iter();
    let mut filled = String::new();
    let mut rest = zh;
    while let Some((before, name, after)) = super::split_placeholder(rest) {
        let gap = match name.parse::<usize>() {
            Ok(number) => gaps.get(number),
            Err(_) => in_order.next(),
        };
        filled.push_str(before);
        filled.push_str(gap.map_or("", String::as_str));
        rest = after;
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_translated_and_the_rest_stays() {
        let check = |text: &str, zh: &str| {
            assert_eq!(known(text, Lang::Zh), zh);
            assert_eq!(known(text, Lang::En), text);
        };
        check("reset by the peer", "被对端复位");
        check("idle for 50ms", "空闲超过 50ms");
        check("something new", "something new");
    }

    #[test]
    fn several_gaps_are_found_in_their_order_and_looked_up_themselves() {
        let check = |text: &str, zh: &str| assert_eq!(known(text, Lang::Zh), zh);
        check(
            "`foo` has no port; write foo:PORT",
            "`foo` 没有端口；请写 foo:PORT",
        );
        check(
            "option `nodelay=2`: allowed is 1, 0, on or off",
            "选项 `nodelay=2`：可用：1、0、on、off",
        );
        check(
            "stream ended at least 3 bytes before the end of the frame at byte 7",
            "流提前结束：第 7 字节处的帧至少还差 3 字节",
        );
        check("cannot resolve a for tcp://a:1", "无法为 tcp://a:1 解析 a");
    }

    #[test]
    fn both_languages_have_the_same_gaps() {
        for (en, zh) in KNOWN.iter().chain(ERRORS) {
            let count = en.matches("{}").count();
            let numbered = (0..count)
                .filter(|it| zh.contains(&format!("{{{it}}}")))
                .count();
            assert_eq!(count, zh.matches("{}").count() + numbered, "{en}");
            assert!(!zh.is_empty() && zh != en, "{en}");
        }
    }

    /// Texts in a source: the literals behind `before`, with `{}` for what is filled in.
    fn texts(source: &str, before: &str) -> Vec<String> {
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        let parts = source.split(before).skip(1);
        let literals = parts.filter_map(|part| {
            let part = part.trim_start().strip_prefix('"')?;
            let mut text = String::new();
            let mut chars = part.chars();
            loop {
                match chars.next()? {
                    '"' => return Some(text),
                    '\\' => match chars.next()? {
                        // A line that goes on.
                        '\n' => chars = chars.as_str().trim_start().chars(),
                        c => text.push(c),
                    },
                    '{' => {
                        text.push_str("{}");
                        chars.by_ref().find(|c| *c == '}')?;
                    }
                    c => text.push(c),
                }
            }
        });
        literals.collect()
    }

    /// An error or a hint that its engineer forgot to translate.
    #[test]
    fn every_error_and_hint_has_its_chinese() {
        let net = include_str!("../../../net/src/error.rs");
        let (_, hints) = net.split_once("pub fn hint(").unwrap();
        let hints = hints.split("\n    }\n").next().unwrap();
        let namespace = include_str!("../../../observe/src/namespace/error.rs");
        let told = [
            texts(
                include_str!("../../../net/src/endpoint/error.rs"),
                "#[error(",
            ),
            texts(
                include_str!("../../../net/src/options/error.rs"),
                "#[error(",
            ),
            texts(include_str!("../../../frame/src/error.rs"), "#[error("),
            texts(net, "#[error("),
            texts(hints, "Some("),
            texts(namespace, "Some("),
            texts(
                include_str!("../../../net/src/options/value.rs"),
                "=> format!(",
            ),
        ];
        for texts in &told {
            assert!(texts.len() > 3, "{texts:?}");
        }
        // Nothing but gaps, which are looked up, or texts that stand there with each of their parts.
        let is_bare = |text: &&String| {
            let rest = text.replace("{}", "");
            let is_made_of_parts = [
                "cannot  ",
                "cannot  : ",
                "unknown option ``  knows ",
                " to  ",
                " is no ",
            ];
            !rest.chars().any(char::is_alphabetic) || is_made_of_parts.contains(&&*rest)
        };
        // A sample of a text: each gap holds a letter.
        let is_unknown = |text: &&String| {
            let sample = text.replace("{}", "x");
            !is_bare(text) && known(&sample, Lang::Zh) == sample
        };
        let missing: Vec<_> = told.iter().flatten().filter(is_unknown).collect();
        assert!(missing.is_empty(), "no Chinese for {missing:#?}");
    }
}
