//! What `watch` says.

use super::texts;

texts! {
    PROGRAM_ENDED: "{program}: {how}", "{program}：{how}";
    STILL_WATCHING: "watching; Ctrl-C ends the programs and draws what was seen", "正在观察；按 Ctrl-C 结束程序并画出所见";
    LIVE: "live", "进行中";
    PAUSED: "paused", "已暂停";
    ENDING: "ending the programs", "正在结束程序";
    ENDED: "ended", "已结束";
    SEEN: "{lasted}  connections {flows}  calls {calls}  packets {packets}", "{lasted}  {flows} 个连接  {calls} 次调用  {packets} 个包";
    WIRE_CAPTURED: "wire: captured", "线路：抓到的包";
    WIRE_INFERRED: "wire: inferred", "线路：推断";
    WIRE_NONE: "wire: not seen", "线路：未看到";
    GAPS: "{n} gaps", "{n} 处未能看到";
    CARRIED: "{there} there, {back} back", "去 {there}，回 {back}";
    NOTHING_YET: "no connection yet", "还没有连接";
    NOTHING: "there was no connection", "没有连接";
    CLIENT: "client", "客户端";
    SERVER: "server", "服务器";
    TO_SEND: "send", "发送";
    HELD: "{unsent} unsent, {unacked} unacknowledged", "{unsent} 未发，{unacked} 未确认";
    TO_READ: "receive", "接收";
    UNREAD: "{unread} unread", "{unread} 未读";
    FOUND: " found ", " 发现 ";
    SAID: " said by the programs ", " 程序的输出 ";
    KEYS: " q end  ↑↓ PgUp PgDn scroll  End follow  Tab connection  Space pause  x hex  w found  o output", " q 结束  ↑↓ PgUp PgDn 滚动  End 跟随  Tab 换连接  空格 暂停  x 十六进制  w 发现  o 输出";
    KEYS_ENDED: " q leave  ↑↓ PgUp PgDn scroll  Home End  Tab connection  x hex  w found  o output", " q 离开  ↑↓ PgUp PgDn 滚动  Home End  Tab 换连接  x 十六进制  w 发现  o 输出";
}
