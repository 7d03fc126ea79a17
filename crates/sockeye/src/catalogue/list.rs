//! What `list` tells.

use super::texts;

texts! {
    KIND: "KIND", "类型";
    STATE: "STATE", "状态";
    RECV_Q: "RECV-Q", "收队列";
    SEND_Q: "SEND-Q", "发队列";
    LOCAL: "LOCAL", "本端";
    REMOTE: "REMOTE", "对端";
    TIMER: "TIMER", "定时器";
    RTT: "RTT", "往返";
    RETRANSMITS: "RETRANS", "重传";
    USER: "USER", "用户";
    PROGRAM: "PROGRAM", "程序";
    SERVER: "SERVER", "服务端";
    CLIENT: "CLIENT", "客户端";
    QUEUES: "QUEUES", "收/发";
    SOCKETS: "SOCKETS", "套接字";
    TOTAL: "total", "合计";
    HIDDEN: "programs of {n} processes are hidden: other users' descriptors are seen as root only", "{n} 个进程的程序看不到：其他用户的描述符只有 root 可见";
    MISSING: "{part} sockets are not seen: {why}", "看不到 {part} 套接字：{why}";
    INTERRUPTED: "{part} sockets changed while they were read: some may be missing or double", "{part} 套接字在读取过程中有变化：可能有遗漏或重复";
    MANY_TIME_WAIT: "{n} in TIME-WAIT: they belong to nobody and go by themselves after 60 s. The end that closes\nfirst has them; they keep a port from being reused only together with the same peer.",
        "{n} 个 TIME-WAIT：不属于任何程序，60 秒后自行消失。先关闭的一端留下它们；\n只有与同一对端的同一组合才不能复用端口。";
    MANY_CLOSE_WAIT: "{n} in CLOSE-WAIT: the peer has closed and the program has not. They stay until it does.",
        "{n} 个 CLOSE-WAIT：对端已关闭，而程序尚未关闭；在它关闭之前一直保留。";
    RECEIVE: "receive", "接收";
    SEND: "send   ", "发送";
    PEER: "peer   ", "对端";
    UNREAD: "{unread} unread, in {memory} of memory, of {limit}", "未读 {unread}，占内存 {memory}，上限 {limit}";
    UNREAD_MEMORY: "{memory} of memory unread, of {limit}", "未读内容占内存 {memory}，上限 {limit}";
    UNSENT: "{unacked} unacknowledged █, {unsent} unsent ▒, in {memory} of memory, of {limit}", "未确认 {unacked} █，未发送 {unsent} ▒，占内存 {memory}，上限 {limit}";
    DROPS: "{n} packets thrown away for want of room", "因缓冲区无空间丢弃 {n} 个包";
    ACCEPT_QUEUE: "{waiting} connections wait to be accepted, of {backlog} (backlog)", "{waiting} 个连接等待 accept，上限 {backlog}（backlog）";
    TIMER_LINE: "timer {timer}", "定时器 {timer}";
    TCP_TIME: "round trip {rtt} ± {var}, least {least}; sent again after {rto}", "往返 {rtt} ± {var}，最短 {least}；{rto} 后重传";
    TCP_WINDOW: "{name}: window {cwnd} segments, threshold {ssthresh}, segment {mss} B; the peer has room for {window}", "{name}：拥塞窗口 {cwnd} 段，阈值 {ssthresh}，每段 {mss} B；对端还可接收 {window}";
    TCP_DATA: "sent {sent}, acknowledged {acked}, received {received}; segments out {out}, in {in}", "已发 {sent}，已确认 {acked}，已收 {received}；发出 {out} 段，收到 {in} 段";
    TCP_RATES: "paced at {pacing}, delivered {delivery}", "发送节奏 {pacing}，送达速率 {delivery}";
    RETRANSMITTED: "sent again {n} segments, {bytes}; {lost} taken for lost", "重传 {n} 段（{bytes}），视为丢失 {lost} 段";
    OUT_OF_ORDER: "{n} segments came out of order", "{n} 段乱序到达";
    RWND_LIMITED: "held up {took} by the peer's window", "因对端窗口等待 {took}";
    SNDBUF_LIMITED: "held up {took} by the send buffer", "因发送缓冲区等待 {took}";
    BETWEEN: "; ", "；";
    LIVE_STATUS: "{shown} of {all} sockets, every {every}", "{all} 个套接字中的 {shown} 个，每 {every} 查看一次";
    PAUSED: "stopped: Space goes on", "已暂停：空格继续";
    GONE: "This socket is gone. Esc goes back.", "此套接字已不存在。按 Esc 返回。";
    KEYS: "↑↓ move  / filter  s sort  r turn round  Enter follow  Space stop  q end", "↑↓ 移动  / 筛选  s 排序  r 反序  Enter 跟踪  空格 暂停  q 结束";
    KEYS_FOLLOWING: "Esc back  Space stop  q end", "Esc 返回  空格 暂停  q 结束";
    IDENTITY: "inode {inode}, cookie {cookie}", "inode {inode}，cookie {cookie}";
}
