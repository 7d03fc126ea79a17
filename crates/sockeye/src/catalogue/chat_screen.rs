//! What the screen of `chat` says.

use super::texts;

texts! {
    FIRST: "the beginning of what is kept", "所保留内容的开头";
    OLDER: "PageUp fetches older messages", "按 PageUp 获取更早的消息";
    FETCHING: "fetching older messages …", "正在获取更早的消息 …";
    NOTHING_KEPT: "nothing older is kept", "没有保留更早的内容";
    MISSED: "what you missed", "你错过的消息";
    NEW: "new", "新消息";
    AND_MORE: "and {n} more", "等，另有 {n} 人";
    NOT_SENT: "not sent", "未发送";
    MORE_BELOW: " ↓ {n} new ", " ↓ {n} 条新消息 ";
    BELOW: " ↓ Ctrl-End: newest ", " ↓ Ctrl-End：最新 ";
    UP: "connected as {nick}", "已连接，昵称 {nick}";
    UP_AWAY: "connected as {nick}, away", "已连接，昵称 {nick}，暂时离开";
    CONNECTING: "connecting …", "正在连接 …";
    RECONNECTING: "away: next try in {seconds} s", "已断开：{seconds} 秒后重试";
    STOPPED: "not connected", "未连接";
    CONTACTS: "contacts", "联系人";
    MEMBERS_ONE: "1 person", "1 人";
    MEMBERS: "{n} people", "{n} 人";
    WITH_WHOM: "To whom? Type a name, or move with ↑ ↓ and press Enter.", "和谁聊天？输入名字，或用 ↑ ↓ 选择后按 Enter。";
    NO_CONTACTS: "Nobody is listed yet: /join #room, /msg NICK, or --contacts FILE.", "还没有联系人：可用 /join #房间、/msg 昵称，或 --contacts FILE。";
    CHOOSE_PROMPT: "name", "名字";
    KEYS: "F1 help  Tab complete  PgUp older  Alt-A unread  Alt-↑↓ switch  quit contacts", "F1 帮助  Tab 补全  PgUp 更早  Alt-A 未读  Alt-↑↓ 切换  quit 联系人";
    KEYS_SHORT: "F1 help  Alt-A unread", "F1 帮助  Alt-A 未读";
    KEYS_CHOOSING: "Enter open  ↑↓ move  Tab complete  F1 help  Ctrl-C end", "Enter 打开  ↑↓ 移动  Tab 补全  F1 帮助  Ctrl-C 结束";
    SEVERAL_LINES: "{n} lines: Enter sends each, Ctrl-C clears", "{n} 行：Enter 逐行发送，Ctrl-C 清除";
    ONCE_MORE: "Ctrl-C once more ends; what is open is kept by the servers", "再按一次 Ctrl-C 结束；聊天内容由服务器保留";
    NOTHING_UNREAD: "nothing new anywhere", "没有未读消息";
    TOO_SMALL: "too small", "窗口太小";
    HELP_TITLE: " Keys ", " 按键 ";
    HELP_COMMANDS: "/help lists the commands. ↑ ↓ and PageDown move this page, Esc closes it.", "输入 /help 查看命令。↑ ↓ 与 PageDown 翻看，Esc 关闭。";
    SAID_TITLE: " ↑ ↓ move, Esc closes ", " ↑ ↓ 翻看，Esc 关闭 ";
    KEY_ENTER: "send; where a contact is chosen: open", "发送；选择联系人时：打开";
    KEY_NEW_LINE: "begin another line, which is sent as a message of its own", "另起一行，各行分别作为一条消息发送";
    KEY_TAB: "complete a nick, a room, a contact or a command; again: the next, or the one before", "补全昵称、房间、联系人或命令；再按：下一个或上一个";
    KEY_RECALL: "what was typed before", "之前输入过的内容";
    KEY_PAGE: "older and newer messages; at the top PageUp fetches what is older still", "翻看更早或更新的消息；到顶时 PageUp 继续获取更早的";
    KEY_ROW: "one row up or down", "上下滚动一行";
    KEY_ENDS: "the oldest message here, the newest", "最早的一条，最新的一条";
    KEY_NUMBER: "to the first, second … conversation of the list", "切换到列表中的第 1 至第 9 个会话";
    KEY_NEIGHBOUR: "to the conversation before or behind this one", "切换到上一个或下一个会话";
    KEY_UNREAD: "to what is unread, mentions of you first", "跳到未读会话，提到你的优先";
    KEY_TRAFFIC: "show who came and went: together, each, not at all", "进出提示：合并显示、逐条显示、不显示";
    KEY_ADDRESS: "the other end's address", "对方的地址";
    KEY_QUIT: "leave the conversation, back to the contacts", "离开会话，回到联系人列表";
    KEY_READLINE: "edit as in a shell", "与 shell 相同的行编辑";
    KEY_REDRAW: "draw everything anew", "重新绘制整个屏幕";
    KEY_STOP: "stop for now; fg goes on", "暂停程序；用 fg 恢复";
    KEY_END: "clear the line; on an empty line, twice: end", "清空输入行；空行时按两次：结束程序";
}
