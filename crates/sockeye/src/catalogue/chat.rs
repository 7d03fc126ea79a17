//! What `chat` says.

use super::texts;

texts! {
    FROM_CONTACT: "a message from [{peer}]:", "来自[{peer}]的一条消息:";
    JOINED: "{who} joined", "{who} 进来了";
    LEFT: "{who} left{why}", "{who} 离开了{why}";
    HAS_QUIT: "{who} is gone{why}", "{who} 下线了{why}";
    RENAMED: "{who} is now called {what}", "{who} 改名为 {what}";
    PUT_OUT: "{who} put out {what}", "{who} 请出了 {what}";
    MODE_SET: "{who} set {what}", "{who} 设置了 {what}";
    TOPIC_SET: "{who} set the topic: {what}", "{who} 设置了话题：{what}";
    TOPIC_GONE: "{who} took the topic away", "{who} 清除了话题";
    INVITED: "{who} invited to {what}", "{who} 邀请加入 {what}";
    IS_AWAY: "{who} is away: {what}", "{who} 暂离：{what}";
    IS_BACK: "{who} is back", "{who} 回来了";
    FOUND: "{when} {place} <{who}> {text}", "{when} {place} <{who}>：{text}";
    FOUND_ALL: "{n} found", "找到 {n} 条";
    UNKNOWN_CONTACT: "there is nobody called {name}; choose one of: {known}", "没有名为 {name} 的联系人；可选：{known}";
    UNKNOWN_COMMAND: "there is no command /{name}; allowed are {known}", "没有命令 /{name}；可用的有 {known}";
    USAGE: "write {usage}", "用法：{usage}";
    NOT_TO_A_SERVER: "nobody reads this; /join #ROOM, /query NICK, or /raw LINE for the server itself", "这里无人阅读；请用 /join #ROOM、/query NICK，或用 /raw LINE 直接发给服务器";
    NOT_CONNECTED: "{server} is not connected; nothing was sent", "{server} 未连接；没有发送";
    TOO_MUCH_PENDING: "too much is on its way; wait for the server", "待确认的消息过多，请等待服务器";
    NO_SERVER: "there is no server here", "这里没有服务器";
    NO_HISTORY: "nothing is kept here", "这里不保存历史";
    NO_SEARCH: "this server cannot search", "此服务器不能搜索";
    NOT_PRIVATE: "a password is not said where others can read it; use tls://", "他人可见的连接上不发送密码；请使用 tls://";
    PASSWORD_OF: "password of {name}:", "{name} 的密码：";
    NO_ROOM: "this is no room", "这里不是房间";
    WHO_IS: "to whom? {known}", "请选择聊天对象：{known}";
    ADDRESS_OF: "{who} is at {what}", "{who} 的地址是 {what}";
    TOPIC_IS: "the topic: {what}", "话题：{what}";
    NAMES_ARE: "{n} here: {what}", "在场 {n} 人：{what}";
    CONTACT_GONE: "the connection has ended", "连接已结束";
    CONNECTED_TO: "{server}: connected as {nick}", "{server}：已连接，昵称 {nick}";
    ALL_NOT_DELIVERED: "{n} of the messages were not delivered", "有 {n} 条消息未能送达";
    EXPORTED: "{n} messages are in {file}", "{n} 条消息已写入 {file}";
    NOT_DELIVERED: "not delivered to {to}: {text}", "未能送达 {to}：{text}";
}
