//! `sockeye serve`.

use crate::catalogue::{Example, Page, Text};

pub(super) const PAGE: Page = Page {
    verb: "serve",
    about: "提供一项服务；不写服务名则启动示例服务：本机上所有安全的服务",
    args: &[
        ("service", "如何回答；不写则提供配置中的全部服务"),
        (
            "endpoints",
            "在哪里监听：tcp://主机:端口、udp://…、unix:路径、主机:端口、:端口 等（端口 0：任选空闲端口；不写：本机空闲端口）",
        ),
        ("text", "reply 的回答内容；{} 代表收到的消息"),
        ("to", "relay 把一切转发到哪里"),
        ("root", "files 的根目录：一切文件都在其下存取"),
        ("read_only", "files 不接受任何人存入"),
        ("public", "任何人都可以读取 files"),
        (
            "frame",
            "字节流如何切分为消息：raw、line、u32be 等（默认 raw）",
        ),
        ("encoding", "对端文本的编码：utf-8、gbk 等（默认 utf-8）"),
        ("quit_on", "收到这条消息时原样回答并结束会话"),
        (
            "option",
            "设置套接字选项，写法同端点中的参数；-o help 列出全部",
        ),
        ("backlog", "内核为尚未 accept 的连接排队的上限"),
        (
            "allow",
            "exec 只运行这条命令；以 … 结尾则运行以此开头的任何命令；可重复",
        ),
        ("allow_env", "exec 只允许请求设置这个环境变量；可重复"),
        ("shell", "exec 也运行 shell 命令行"),
        (
            "insecure_anyone",
            "exec、files：为本机任何程序服务（回环地址上的明文套接字）",
        ),
        (
            "store",
            "chat 保存聊天记录的目录（默认 ~/.local/share/sockeye/chat）",
        ),
        ("replay", "chat 向加入聊天室者显示最近多少条消息（默认 20）"),
        ("retain", "chat 每条消息保存多久：12h、30d、52w（默认永久）"),
        (
            "retain_messages",
            "chat 每个会话保存最近多少条消息（默认全部）",
        ),
        ("history", "chat 是否保存聊天记录：on、off（默认 on）"),
        ("server_name", "chat 中本服务器的名字（默认 sockeye.local）"),
        ("network", "chat 中全体服务器合称的名字（默认 sockeye）"),
        ("motd", "chat 向来者显示的文字"),
        (
            "flood",
            "chat 成员每秒可持续发多少行，或 off（默认 4，一次最多 32）",
        ),
        (
            "sendq",
            "chat 中读得慢的成员可积压多少，超过即断开（默认 1MiB）",
        ),
        (
            "rooms_per_member",
            "chat 成员最多同时在几个聊天室（默认 50）",
        ),
        ("desk", "chat 中纯文本来客出现的聊天室（默认 #desk）"),
        (
            "guest_encoding",
            "chat 纯文本来客所用的编码：utf-8、gbk、…（默认 utf-8）",
        ),
        (
            "guest_idle",
            "chat 纯文本来客这么久没有收发即视为离开（默认 10m）",
        ),
        (
            "cluster",
            "chat 与其他服务器合为一体，经由这个 NATS 共享一切：nats://HOST:4222",
        ),
        (
            "cluster_credentials",
            "NATS 要求的凭据所在文件：user 与 password，或 token",
        ),
        (
            "cluster_replicas",
            "由几台 NATS 服务器保存聊天内容，1 至 5（默认 1）",
        ),
        (
            "cluster_lease",
            "chat 的服务器沉默多久后视为已离开（默认 10s）",
        ),
        ("once", "只服务一个对端，然后结束"),
        ("requests", "回答这么多次后关闭该连接，继续接受新连接"),
        (
            "max_connections",
            "同时存在的连接数（数据报则为对端数）上限",
        ),
        ("idle_timeout", "连接空闲这么久后关闭：500ms、2s、1m"),
        ("allow_from", "只接受这个网段的对端：10.0.0.0/8；可重复"),
        (
            "origin",
            "允许该来源（Origin）的网页中的浏览器接入：https://example.org；可重复",
        ),
        ("read_size", "每次最多读多少：512、64KiB"),
        (
            "read_pause",
            "每次读之前等待的时间，固定或随机：200ms、0..1s",
        ),
        (
            "amplify",
            "允许数据报服务的回答比请求大：伪造源地址者可借此放大攻击",
        ),
        ("show", "显示每次读写：时间、对端、字节数、内容"),
        ("ansi", "对端文本中的控制字符原样送到终端"),
        ("show_socket", "列出每个套接字的选项：所求与内核所给"),
        ("json", "向标准输出写 JSON Lines 事件（docs/events.md）"),
        ("events", "把这些事件写入文件，或写入已打开的描述符 fd:N"),
        (
            "config",
            "示例服务的配置文件（默认 ./sockeye.toml，其次 ~/.config/sockeye/sockeye.toml）",
        ),
        (
            "trace",
            "写一个供 `show` 读取的会话：每次读写，以及获准抓取的包",
        ),
        ("trace_bytes", "其中每次读写保留多少内容 [默认：256]"),
    ],
    examples: &[
        Example {
            line: "sockeye serve",
            does: Text {
                en: "the exchange: echo and upper on loopback",
                zh: "示例服务：本机上的 echo 与 upper",
            },
        },
        Example {
            line: "sockeye serve upper 0.0.0.0:50000 udp://0.0.0.0:50000",
            does: Text {
                en: "upper-case whatever comes, on all interfaces, TCP and UDP",
                zh: "在所有网卡上把收到的内容转成大写，TCP 与 UDP",
            },
        },
        Example {
            line: "sockeye serve exec --allow uptime --allow 'systemctl status …'",
            does: Text {
                en: "run these commands for our own user",
                zh: "为本用户运行这些命令",
            },
        },
        Example {
            line: "sockeye serve echo :7007",
            does: Text {
                en: "answer each line with itself",
                zh: "每一行原样返回",
            },
        },
    ],
};
