//! What `lab` says.

use super::texts;

texts! {
    REFUSED_AT_HOME: "nobody listens at {address} on the client's host: the server is on another one, at 10.0.0.2, which has the name server", "客户端主机上的 {address} 没有人监听：服务器在另一台主机上，地址是 10.0.0.2，名字是 server";
    CONNECTING: "Connections begin", "建立连接";
    MESSAGES: "Where messages end", "消息的边界";
    CALLS: "What calls return", "调用的返回";
    BUFFERS: "Buffers and windows", "缓冲区与窗口";
    DATAGRAMS: "Datagrams", "数据报";
    CLOSING: "Connections end", "关闭连接";
    NETWORK: "What the network does", "网络的行为";
    HOW_TO_RUN: "`sockeye lab NAME` runs one, `sockeye lab FILE.toml` one of your own (docs/lab.md)", "`sockeye lab 名称` 运行其中一个，`sockeye lab 文件.toml` 运行你自己的（docs/lab.md）";
    RUNNING: "lab {name}: {seconds} s", "实验 {name}：{seconds} 秒";
    CHANGED: "hosts and wire are not as the scenario has them: what it expects may not hold", "主机和线路的设置已被改动：实验的预期可能不成立";
    PLAIN: "The phenomenon", "现象";
    CURE: "The cure: {cure}", "对策：{cure}";
    PLAIN_SHORT: "phenomenon", "现象";
    CURE_SHORT: "cure", "对策";
    PROGRAMS_ON_LOOPBACK: "both programs ran on the loopback device of this machine, because {why}", "两个程序都在本机的回环设备上运行，因为 {why}";
    LOOPBACK: "on the loopback device, because {why}: there is no wire to see, {n} expectations are not looked at", "在回环设备上运行，因为 {why}：看不到线路，有 {n} 项预期未检查";
    STUCK: "step {step}: {why}", "第 {step} 步：{why}";
    NOTHING: "nothing", "什么都没有";
    DIFFERS: "{value}: expected {expected}; seen {seen}", "{value}：预期{expected}；实际看到 {seen}";
    NO_WIRE: "{value}: expected {expected}; not looked at on the loopback device", "{value}：预期{expected}；在回环设备上不检查";
    NOT_REACHED: "{value}: expected {expected}; the run ended before it", "{value}：预期{expected}；运行在此之前就结束了";
    DIFFERENCE: "The difference", "差别";
    WHY: "Why", "原理";
    WHY_CURE: "What the cure does", "对策的作用";
    SEE: "see also: sockeye lab {names}", "另见：sockeye lab {names}";
    IS: "{value}", "为 {value}";
    IS_NOT: "not {value}", "不为 {value}";
    AT_LEAST: "at least {value}", "至少 {value}";
    AT_MOST: "at most {value}", "至多 {value}";
    HAS: "with {value}", "含有 {value}";
    LACKS: "without {value}", "不含 {value}";
}
