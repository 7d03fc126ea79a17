//! What `capture` says.

use super::texts;

texts! {
    MORE_PACKETS: "… {count} more packets (--limit 0 writes all)", "… 还有 {count} 个包（--limit 0 全部写出）";
    NUMBER: "No", "序号";
    INTERFACE: "On", "接口";
    SOURCE: "Source", "源地址";
    DESTINATION: "Destination", "目的地址";
    FRAME: "Frame", "帧长";
    FRAME_WITH_FCS: "Frame+FCS", "帧长+FCS";
    TIME: "Time", "时间";
    PROTOCOL: "Proto", "协议";
    PORTS: "Ports", "端口";
    FLAGS: "Flags", "标志";
    SEQ: "Seq", "序列号";
    LEN: "Len", "长度";
    CAPTURING: "capturing on {interface}; Ctrl-C ends", "正在捕获 {interface}；按 Ctrl-C 结束";
    CAPTURING_ALL: "capturing on every interface ({interfaces}); --interface NAME picks one; Ctrl-C ends",
        "正在捕获所有接口（{interfaces}）；--interface 名字 只看一个；按 Ctrl-C 结束";
    WRITING: "writing to {file}", "写入 {file}";
    FCS_IS_COMPUTED: "frame lengths count padding to 64 bytes and the check sum: computed, the kernel shows neither",
        "帧长包含补齐到 64 字节的填充和校验和：均为推算，内核看不到";
    SUMMARY_ONE: "{packets} packet, {dropped} dropped by the kernel", "{packets} 个包，内核丢弃 {dropped} 个";
    SUMMARY: "{packets} packets, {dropped} dropped by the kernel", "{packets} 个包，内核丢弃 {dropped} 个";
    DROPPED_HINT: "a larger --ring, a smaller --snap or a narrower filter loses fewer",
        "加大 --ring、减小 --snap 或缩小过滤范围可以少丢";
    NOT_PERMITTED: "permit it with: sudo setcap cap_net_raw+ep {program}; or watch programs without it: sockeye watch --isolate",
        "授权：sudo setcap cap_net_raw+ep {program}；或无需授权地观察程序：sockeye watch --isolate";
    MIDWAY: " (began before the capture)", "（捕获前已开始）";
    GAP: "{bytes} bytes were not captured", "有 {bytes} 字节未捕获";
    RESET: "reset", "连接重置";
    END: "end", "结束";
    MORE: " … and {bytes} bytes more", " … 还有 {bytes} 字节";
    INCOMPLETE: " (incomplete)", "（不完整）";
}
