//! The lines of the log and of errors.

use super::texts;

texts! {
    LISTENING: "listening on {endpoint}: {service}", "正在监听 {endpoint}：{service}";
    INSECURE: "warning: any program of this machine may use {endpoint}: {service}", "警告：本机任何程序都可使用 {endpoint}：{service}";
    SOCKET: "the socket of {endpoint}", "{endpoint} 的套接字";
    ACCEPTED: "connected to {local}", "已连接到 {local}";
    CONNECTED: "connected from {local}", "已从 {local} 连出";
    SESSION: "first datagram to {local}", "向 {local} 发来首个数据报";
    PEER_CLOSED: "read 0 bytes: the peer sends no more", "读到 0 字节：对端不再发送";
    CLOSED: "disconnected, read {read_bytes} in {read_messages}, wrote {written_bytes} in {written_messages}",
        "已断开，读 {read_bytes}（{read_messages}），写 {written_bytes}（{written_messages}）";
    CLOSED_WITH_REASON: "disconnected ({reason}), read {read_bytes} in {read_messages}, wrote {written_bytes} in {written_messages}",
        "已断开（{reason}），读 {read_bytes}（{read_messages}），写 {written_bytes}（{written_messages}）";
    NO_HANDSHAKE: "{peer} is not the one: {reason}", "{peer} 握手未成：{reason}";
    SPEAKS_TLS: "all that the peer said is a TLS alert: it speaks TLS, so try tls:// or wss://", "对端只回了一个 TLS 警报：对端使用 TLS，请改用 tls:// 或 wss://";
    REFUSED: "refused: {limit}", "已拒绝：{limit}";
    BAD_FRAME: "bad frame: {error}", "坏帧：{error}";
    BAD_FRAME_TOLD: "bad frame", "坏帧";
    TRUNCATED: "truncated: got {got} of {of} bytes", "数据报被截断：{of} 字节中只收到 {got} 字节";
    DROPPED: "message dropped: {error}", "消息已丢弃：{error}";
    ACCEPT_PAUSED: "accepting pauses: {error}", "暂停接受连接：{error}";
    ACCEPT_RESUMED: "accepting goes on", "恢复接受连接";
    TURNED_AWAY: "turned away: {error}", "拒之门外：{error}";
    COMMAND_STARTED: "{who} runs {command} (pid {pid})", "{who} 运行 {command}（pid {pid}）";
    COMMAND_REFUSED: "{who} asked for {command}, which was not run: {error}", "{who} 请求 {command}，未运行：{error}";
    COMMAND_ENDED: "{command} of {who} {outcome} after {ms} ms{notes}", "{who} 的 {command} {outcome}，用时 {ms} 毫秒{notes}";
    COMMAND_STATUS: "exited with {status}", "退出，状态 {status}";
    COMMAND_SIGNAL: "was ended by SIG{signal}", "被 SIG{signal} 终止";
    COMMAND_TIMED_OUT: " (its time was over)", "（超时）";
    COMMAND_LEFT_RUNNING: " (something it started goes on)", "（它启动的程序仍在运行）";
    COMMAND_ABANDONED: " (nobody waited any more)", "（已无人等待）";
    FILE_STORED: "{who} stored {name}, {bytes} in {ms} ms", "{who} 存入 {name}，{bytes}，用时 {ms} 毫秒";
    FILE_SENT: "{who} got {name}, {bytes} in {ms} ms", "{who} 取走 {name}，{bytes}，用时 {ms} 毫秒";
    FILE_REFUSED: "{who} was refused {name}: {error}", "拒绝 {who} 的 {name}：{error}";
    FILE_INTERRUPTED: "{name} of {who} broke off, {bytes} are kept", "{who} 的 {name} 中断，保留 {bytes}";
    PUBLIC: "everybody may read what {service} has at {endpoint}", "任何人都可以读取 {endpoint} 上 {service} 的内容";
    READ: "read {bytes}: {text}", "读到 {bytes}：{text}";
    READ_EMPTY: "read an empty message", "读到一条空消息";
    READ_FAILED: "read failed: {error}", "读取失败：{error}";
    WROTE: "wrote {bytes}: {text}", "写出 {bytes}：{text}";
    WROTE_PART: "wrote {bytes} of {asked}: {text}", "写出 {bytes}（共 {asked} 字节）：{text}";
    WROTE_EMPTY: "wrote an empty message", "写出一条空消息";
    WRITE_FAILED: "write failed: {error}", "写入失败：{error}";
    UNDECODABLE: " ({count} undecodable)", "（{count} 个字节无法解码）";
    CUT: "… ({more} more)", "……（另有 {more} 字节）";
    LOST: "{count} events lost: this log is read too slowly", "丢失 {count} 个事件：日志读取太慢";
    DRAINING: "ending: {open} connections may finish; a second signal ends at once",
        "正在结束：等待 {open} 个连接收尾；再发一次信号则立即退出";
    RELOADED: "config read again: added {added}; removed {removed}; changed {changed}",
        "已重新读取配置：新增 {added}；移除 {removed}；变更 {changed}";
    RELOAD_FAILED: "config not read again, the old one stays: {error}", "未能重新读取配置，沿用旧配置：{error}";
    STOPPED: "ended: served {accepted}, read {read_bytes}, wrote {written_bytes}",
        "已结束：服务过 {accepted} 个对端，读 {read_bytes}，写 {written_bytes}";
    BYTES_ONE: "{n} byte", "{n} 字节";
    BYTES: "{n} bytes", "{n} 字节";
    MESSAGES_ONE: "{n} message", "{n} 条消息";
    MESSAGES: "{n} messages", "{n} 条消息";
    OPTIONS: "Options, for -o NAME=VALUE and for an endpoint's query (ENDPOINT?NAME=VALUE); with the endpoints that take them",
        "选项：用于 -o 名称=值，或端点后的 ?名称=值；附适用的端点";
    SERVES: "sockeye serves:", "sockeye 正在提供：";
    TRY: "Try, from another terminal:", "在另一个终端里试试：";
    BUILT_IN: "These are the defaults; docs/config.md shows how to write a sockeye.toml. Ctrl-C ends it.",
        "以上是默认服务；如何写 sockeye.toml 见 docs/config.md。按 Ctrl-C 结束。";
    FROM_CONFIG: "From {path}; a SIGHUP reads it again. Ctrl-C ends it.",
        "来自 {path}；发送 SIGHUP 重新读取。按 Ctrl-C 结束。";
    DOES_ECHO: "answers with what it got", "原样返回收到的内容";
    DOES_UPPER: "answers in upper case", "转成大写返回";
    DOES_REPLY: "answers with its text", "用固定格式回答";
    DOES_DISCARD: "takes everything, says nothing", "全部收下，不作回答";
    DOES_PRINT: "prints what it gets", "打印收到的内容";
    DOES_CHARGEN: "sends text without end", "不停地发送文本";
    DOES_DAYTIME: "says what time it is", "报告当前时间";
    DOES_HUB: "what one says all others hear", "一人发言，其他人都能听到";
    DOES_FILES: "takes and sends files", "收发文件";
    DOES_CHAT: "rooms and messages for every IRC client", "聊天室与消息，任何 IRC 客户端可用";
    DOES_RELAY: "passes everything on", "转发一切";
    DOES_EXEC: "runs commands for those who may", "为获准者执行命令";
    TRY_DIAL: "type a line, read it in upper case", "输入一行，看它变成大写";
    TRY_PYTHON: "Python's socket module", "Python 的 socket 模块";
    TRY_NCAT: "netcat", "netcat（ncat）";
    TRY_SOCAT_UDP: "a datagram", "一个数据报";
    TRY_SOCAT_UNIX: "a Unix socket", "Unix 套接字";
    MEMBER_IN: "{nick} is in the chat", "{nick} 进入聊天";
    MEMBER_IN_AS: "{nick} is in the chat, logged in as {account}", "{nick} 进入聊天，账号 {account}";
    MEMBER_OUT: "{nick} left the chat: {reason}", "{nick} 离开聊天：{reason}";
    TRY_CHAT: "chat with whoever else is here", "与在场的人聊天";
    TRY_CHAT_NCAT: "the same with netcat: what you type is IRC", "用 netcat 聊天：输入的每一行都是 IRC";
    UNDECODABLE_TOTAL: "{count} could not be decoded; shown as \\xNN", "{count}无法解码，以 \\xNN 显示";
    TALKING: "connected to {peer} from {local}; Ctrl-D ends", "已连接 {peer}（本端 {local}）；按 Ctrl-D 结束";
    CHECK_OPEN: "connected in {ms} ms", "已连接，用时 {ms} 毫秒";
    CHECK_UDP: "no error yet (UDP asks nobody)", "尚无错误（UDP 不与对方握手）";
    TRUST_IT: "The key of {place} is {key} and is not known. Trust it? [yes/no]",
        "{place} 的公钥是 {key}，尚不认识。信任它吗？[yes/no]";
    YES_OR_NO: "Please type yes or no:", "请输入 yes 或 no：";
    PINNED: "pinned the key of {place}: {key}", "已记下 {place} 的公钥：{key}";
    HOW_TO_TRUST: "if it is the right one: sockeye key pin {place} {key}, or --trust-on-first-use",
        "若确认无误：sockeye key pin {place} {key}，或加 --trust-on-first-use";
    EXEC_STARTED: "{host}: the command runs, as process {pid} there", "{host}：命令已运行，在那里的进程号是 {pid}";
    EXEC_ENDED: "{host}: {what}", "{host}：{what}";
    EXEC_STATUS: "exit status {status}", "退出码 {status}";
    EXEC_SIGNAL: "ended by signal {name}", "被信号 {name} 终止";
    EXEC_TIMED_OUT: "ended, its time was over", "运行超时，已终止";
    EXEC_LEFT_RUNNING: "something that the command started still runs there and holds its output",
        "命令启动的程序仍在那里运行，并占着它的输出";
    EXEC_NOT_RUN: "not run", "未运行";
    EXEC_HOST: "host", "主机";
    EXEC_EXIT: "exit", "退出码";
    EXEC_TOOK: "time", "用时";
    EXEC_PROGRESS: "{done} of {all} hosts are done, {failed} failed", "{all} 台主机已完成 {done} 台，失败 {failed} 台";
    HOW_TO_CHANGE: "somebody else may answer there; if the key was changed on purpose: sockeye key forget {place}",
        "可能是别人在那里应答；若公钥是有意更换的：sockeye key forget {place}";
    UNKNOWN_ARGUMENT: "there is no {argument}", "没有 {argument} 这个参数";
    UNKNOWN_VERB: "there is no verb {argument}", "没有 {argument} 这个命令";
    MISSING_ARGUMENT: "{argument} is missing", "缺少 {argument}";
    INVALID_VALUE: "{value} is no value for {argument}", "{value} 不能用于 {argument}";
    ARGUMENT_CONFLICT: "{argument} and {other} exclude each other", "{argument} 与 {other} 不能同时使用";
    ALLOWED: ", allowed are: {values}", "，可选：{values}";
    MEANT: ", did you mean {word}?", "，是否想写 {word}？";
    TRY_HELP: "; try {command}", "；用法见 {command}";
    RESUMING: "{name}: resuming at {percent} %", "{name}：从 {percent} % 处续传";
    SKIPPED: "{path}: skipped, it {why}", "{path}：已跳过（{why}）";
    GREW: "{name}: grew while it was sent; the {bytes} bytes that it had at first were", "{name}：传送期间变长了，已传送开始时的 {bytes} 字节";
    FILES_ONE: "{n} file", "{n} 个文件";
    FILES: "{n} files", "{n} 个文件";
    TRANSFERRED: "{files}, {bytes} in {time}, {rate}", "{files}，{bytes}，用时 {time}，{rate}";
    NOT_TRANSFERRED: "; {n} not transferred", "；{n} 个未传送";
    TIME_LEFT: "{time} left", "剩余 {time}";
    INTERRUPTED: "interrupted", "已中断";
    INTERRUPTED_AT: "interrupted at {percent} %; the same command goes on from there", "在 {percent} % 处中断；再次执行同一命令即可续传";
    INTERRUPTED_RESUMES: "interrupted; the same command goes on from there", "已中断；再次执行同一命令即可续传";
    SENT_NOT_CONFIRMED: "{name}: sent, not confirmed", "{name}：已发送，未得到确认";
    SENT_AS: "{name}: stored as {stored}", "{name}：已存为 {stored}";
    SENT_ANSWERED: "{name}: sent; the peer answered {text}", "{name}：已发送；对端回答 {text}";
    LEFT_OUT: "{n} left out by the server: links, devices, names that are not UTF-8, unreadable folders",
        "服务器略去了 {n} 项：链接、设备、非 UTF-8 名称、不可读的目录";
}
