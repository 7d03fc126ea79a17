//! The Chinese of errors: endpoints, options, framings, what the network says.
//!
//! What stands for a gap is looked up in turn. The longest and most special stand first.

/// English and Chinese, as [`super::known()`] has them.
pub(super) const ERRORS: &[(&str, &str)] = &[
    // Endpoints.
    ("the endpoint is empty; {}", "端点为空；{}"),
    ("unknown scheme `{}`; {}", "没有 `{}` 这种端点；{}"),
    (
        "`{}`: two slashes follow `{}:`; write {}://HOST{}",
        "`{}`：`{}:` 之后要有两个斜杠；请写 {}://主机{}",
    ),
    (
        "allowed are HOST:PORT, {} and stdio: (or -)",
        "可用：HOST:PORT、{} 和 stdio:（即 -）",
    ),
    ("`{}` has no port; write {}", "`{}` 没有端口；请写 {}"),
    (
        "`{}`: `{}` is no port; allowed are 0 to 65535{}",
        "`{}`：`{}` 不是端口；可用 0 到 65535{}",
    ),
    (
        ", and a range only where ports are checked",
        "，端口范围只能用于检查端口",
    ),
    (
        "`{}`: the range of ports ends before it begins",
        "`{}`：端口范围的终点在起点之前",
    ),
    (
        "`{}`: an IPv6 address stands in brackets; write {}",
        "`{}`：IPv6 地址要放在方括号内；请写 {}",
    ),
    ("`{}` is no {} address", "`{}` 不是 {} 地址"),
    ("`{}` is no host name: {}", "`{}` 不是主机名：{}"),
    ("`{}` is no network interface: {}", "`{}` 不是网络接口：{}"),
    (
        "the Unix socket name `{}` has {} bytes, the limit is {} (unix(7))",
        "Unix 套接字名 `{}` 有 {} 字节，上限为 {}（unix(7)）",
    ),
    (
        "`{}`: `{}` is no percent escape (a plain percent sign is written %25)",
        "`{}`：`{}` 不是百分号转义（百分号本身写作 %25）",
    ),
    (
        "`{}` is not UTF-8 once its percent escapes are decoded",
        "`{}` 解开百分号转义之后不是 UTF-8",
    ),
    (
        "`{}` is no file descriptor; write fd:N with N from 0 to 2147483647",
        "`{}` 不是文件描述符；请写 fd:N，N 为 0 到 2147483647",
    ),
    (
        "`{}`: ip:// needs proto=icmp, icmpv6, igmp or a number from 0 to 255{}",
        "`{}`：ip:// 需要 proto=icmp、icmpv6、igmp 或 0 到 255 的数{}",
    ),
    (", not `{}`", "，而不是 `{}`"),
    ("unknown proxy scheme `{}`", "没有 `{}` 这种代理"),
    (
        "a password does not belong where everybody can read it: write USER@HOST:PORT and set {}",
        "密码不应写在人人可读之处：请写 用户@主机:端口，并设置 {}",
    ),
    (
        "`{}`: only ?OPTION=VALUE&… may follow {}, not `{}`",
        "`{}`：{} 之后只能是 ?选项=值&…，而不是 `{}`",
    ),
    (
        "`{}`: {}; write {}:/PATH or {}:@NAME",
        "`{}`：{}；请写 {}:/路径 或 {}:@名称",
    ),
    ("a Unix socket needs a name", "Unix 套接字需要名称"),
    (
        "a name has at most 253 bytes (RFC 1123)",
        "名称最多 253 字节（RFC 1123）",
    ),
    (
        "a name has 1 to 15 bytes (netdevice(7))",
        "名称为 1 到 15 字节（netdevice(7)）",
    ),
    (
        "a program to run is missing (or holds a NUL byte)",
        "缺少要运行的程序（或含有 NUL 字节）",
    ),
    (
        "nothing has '{}' in its name; there are {}",
        "没有名称中含 '{}' 的；可选：{}",
    ),
    (
        "{} is there already: --force writes over it",
        "{} 已存在：--force 会覆盖它",
    ),
    // Options.
    (
        "unknown option `{}`, did you mean `{}`? {} knows {}",
        "没有 `{}` 这个选项，是否想写 `{}`？{} 可用：{}",
    ),
    (
        "unknown option `{}`; {} knows {}",
        "没有 `{}` 这个选项；{} 可用：{}",
    ),
    (
        "option `{}` does not fit {}; it is for {}",
        "选项 `{}` 不适合 {}；它用于 {}",
    ),
    ("option `{}={}`: {}", "选项 `{}={}`：{}"),
    ("option `{}` is written twice", "选项 `{}` 写了两次"),
    (
        "option `{}` is only for {}, and this endpoint is {}",
        "选项 `{}` 只用于{}，而此端点{}",
    ),
    ("listening", "监听"),
    ("dialling", "拨号"),
    ("listened on", "用于监听"),
    ("dialled", "用于拨号"),
    ("option `{}` was refused{}", "选项 `{}` 被拒绝{}"),
    ("{}; allowed is {}", "{}；可用：{}"),
    ("allowed is {}", "可用：{}"),
    ("1, 0, on or off", "1、0、on、off"),
    ("a number from {} to {}", "{} 到 {} 的数"),
    (
        "a length from 0 to {}, on or off",
        "0 到 {} 的长度，或 on、off",
    ),
    (
        "a size up to 2147483647 bytes, such as 64KiB",
        "不超过 2147483647 字节的大小，例如 64KiB",
    ),
    ("whole seconds from {} to {}", "{} 到 {} 的整秒数"),
    (
        "whole milliseconds up to 2147483647ms",
        "不超过 2147483647ms 的整毫秒数",
    ),
    (
        "a duration such as 500ms, 2s or 1m",
        "时长，例如 500ms、2s、1m",
    ),
    (
        "a word of letters, digits, - and _",
        "由字母、数字、- 和 _ 组成的词",
    ),
    ("an interface's name or index", "接口的名称或编号"),
    (
        "HOST, HOST:PORT or :PORT (for Unix sockets /PATH or @NAME)",
        "主机、主机:端口 或 :端口（Unix 套接字为 /路径 或 @名称）",
    ),
    (
        "a multicast address, also with @INTERFACE",
        "组播地址，也可加 @接口",
    ),
    ("a framing such as line or u32be", "分帧，例如 line、u32be"),
    (
        "socks5://HOST:PORT or http://HOST:PORT, also with USER@",
        "socks5://主机:端口 或 http://主机:端口，也可加 用户@",
    ),
    ("the name of a file", "文件名"),
    ("system or a PEM file", "system 或 PEM 文件"),
    (
        "a key as SHA256: and 43 letters of base64",
        "公钥：SHA256: 加 43 个 base64 字符",
    ),
    ("a host name", "主机名"),
    (
        "protocol names such as h2,http/1.1",
        "协议名，例如 h2,http/1.1",
    ),
    (
        "an origin such as https://example.org, or null",
        "来源，例如 https://example.org，或 null",
    ),
    (
        "names such as binary.ircv3.net,text.ircv3.net",
        "名称，例如 binary.ircv3.net,text.ircv3.net",
    ),
    // Framings as text.
    (
        "framing {} breaks at byte {}: {}",
        "分帧 {} 在第 {} 字节处有误：{}",
    ),
    (
        "no framing is called {}; known are {}",
        "没有叫 {} 的分帧；可用：{}",
    ),
    (
        "{} cannot follow {}; allowed is {}",
        "{} 不能跟在 {} 之后；可用：{}",
    ),
    ("{} is given twice", "{} 给了两次"),
    (
        "\\{} is no escape; known are \\n \\r \\t \\0 \\\\ \\, and \\xNN",
        "\\{} 不是转义；可用 \\n \\r \\t \\0 \\\\ \\, 和 \\xNN",
    ),
    (
        "with these modifiers no message fits: {}",
        "这样的修饰下没有消息装得下：{}",
    ),
    (
        "{} is no size: write a number of bytes, alone or with KiB, MiB, GiB or TiB",
        "{} 不是大小：请写字节数，可加 KiB、MiB、GiB、TiB",
    ),
    // Frames of a peer.
    (
        "frame at byte {} announces {}, the limit is {}; {}",
        "第 {} 字节处的帧声称有 {}，上限为 {}；{}",
    ),
    (
        "frame at byte {} announces {}{}, the limit is {}{}",
        "第 {} 字节处的帧声称有 {}{}，上限为 {}{}",
    ),
    (
        "frame at byte {} is longer than the limit of {}{}",
        "第 {} 字节处的帧超过上限 {}{}",
    ),
    (
        "frame at byte {} is broken at byte {}: {}{}",
        "第 {} 字节处的帧在第 {} 字节处损坏：{}{}",
    ),
    (
        "stream ended at least {} before the end of the frame at byte {}",
        "流提前结束：第 {1} 字节处的帧至少还差 {0}",
    ),
    ("the length {} is negative", "长度 {} 为负"),
    (
        "the length {} is below {}, which it has to count",
        "长度 {} 小于它必须计入的 {}",
    ),
    ("the length has a leading zero", "长度以零开头"),
    (
        "the varint ends in a zero byte that its number does not need",
        "varint 末尾有多余的零字节",
    ),
    ("the length does not fit 64 bits", "长度超出 64 位"),
    ("the header is longer than {}", "报头超过 {}"),
    (
        "the header has no Content-Length",
        "报头没有 Content-Length",
    ),
    (
        "the header gives two lengths, {} and {}",
        "报头给出两个长度：{} 和 {}",
    ),
    (
        "found {} after the escape byte db, allowed are dc and dd",
        "转义字节 db 之后是 {}，只能是 dc 或 dd",
    ),
    (
        "the code {} points {} past the end of the frame",
        "编码 {} 指到帧尾之后 {}",
    ),
    (
        "the JSON header ends before its object does",
        "JSON 报头在对象结束之前就结束了",
    ),
    (
        "the header is no JSON object: found {}, allowed is {}",
        "报头不是 JSON 对象：读到 {}，可用：{}",
    ),
    (
        "the JSON header is nested deeper than {} levels",
        "JSON 报头嵌套超过 {} 层",
    ),
    ("the JSON header is not UTF-8", "JSON 报头不是 UTF-8"),
    (
        "the header's {} is no whole number of bytes from 0 to 2^64 - 1",
        "报头的 {} 不是 0 到 2^64 - 1 的整数字节数",
    ),
    (
        "the header gives two sizes, {} and {}",
        "报头给出两个大小：{} 和 {}",
    ),
    ("found {}, allowed is {}", "读到 {}，可用：{}"),
    // Messages of our own.
    (
        "the message holds the delimiter at byte {}",
        "消息在第 {} 字节处含有分隔符",
    ),
    (
        "the message has {}, this framing carries exactly {}",
        "消息有 {}，这种分帧只能装正好 {}",
    ),
    (
        "this framing cannot carry an empty message",
        "这种分帧装不了空消息",
    ),
    (
        "the message has {}, the limit is {}",
        "消息有 {}，上限为 {}",
    ),
    (
        "the message has {}, the length field can announce {}",
        "消息有 {}，长度字段最多表示 {}",
    ),
    (
        "the message has {}, this framing needs at least {}",
        "消息有 {}，这种分帧至少需要 {}",
    ),
    (
        "the message does not begin with a JSON header, it breaks at byte {}: {}",
        "消息不是以 JSON 报头开头，第 {} 字节处有误：{}",
    ),
    (
        "the JSON header announces a body of {}, behind it are {}",
        "JSON 报头声称正文有 {}，其后却有 {}",
    ),
    (
        "this framing cannot stream a body, only framings with a length can",
        "这种分帧不能分段传送正文，带长度的才能",
    ),
    // What the network says.
    ("cannot open a socket for {}", "无法为 {} 打开套接字"),
    ("cannot configure the socket of {}", "无法设置 {} 的套接字"),
    ("cannot bind the socket of {}", "无法绑定 {} 的套接字"),
    ("cannot listen on {}", "无法监听 {}"),
    ("cannot take over {}", "无法接管 {}"),
    ("cannot lock {}", "无法锁定 {}"),
    ("cannot resolve {} for {}", "无法为 {1} 解析 {0}"),
    ("{} has no {} address", "{} 没有 {} 地址"),
    ("cannot connect to {}", "无法连接 {}"),
    ("no answer from {} within {}", "{} 在 {} 内没有回答"),
    ("cannot open {}", "无法打开 {}"),
    ("cannot run {}", "无法运行 {}"),
    ("cannot reach {} through {}", "无法经 {1} 到达 {0}"),
    (
        "the key of {} is {} and is not known",
        "{} 的公钥是 {}，尚不认识",
    ),
    (
        "the key of {} is {}, not that of pin=",
        "{} 的公钥是 {}，与 pin= 不符",
    ),
    ("{} is not trusted: {}", "{} 不受信任：{}"),
    ("cannot use the keys for {}", "无法使用 {} 的密钥"),
    ("cannot read from the peer", "无法从对端读取"),
    ("cannot write to the peer", "无法向对端写入"),
    // Amounts, and what stands between.
    ("{} to {} bytes", "{} 到 {} 字节"),
    ("{} to {} connections", "{} 到 {} 个连接"),
    ("{} to {} hops", "{} 到 {} 跳"),
    ("{} to {} probes", "{} 到 {} 次探问"),
    ("1 byte", "1 字节"),
    ("{} bytes", "{} 字节"),
    ("{} connections", "{} 个连接"),
    ("{} is {}, allowed is {} to {}", "{} 为 {}，可用 {} 到 {}"),
    ("the delimiter's length", "分隔符的长度"),
    ("\"{}\" is no {}", "\"{}\" 不是{}"),
];
