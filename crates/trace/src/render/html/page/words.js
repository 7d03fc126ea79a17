'use strict';
// What people read, in both languages.

const WORDS = {
  en: {
    filter: 'Filter', filterHelp: 'words in bytes, addresses or programs, port: pid: program: finding: flow: text:',
    findings: 'Findings', flows: 'Flows', none: 'none',
    fit: 'Fit', fitTitle: 'Show everything (0)', zoomIn: 'Zoom in (+)', zoomOut: 'Zoom out (−)',
    shorten: 'Shorten pauses', shortenTitle: 'Draw pauses short, so that what happened around them has room (p)',
    laneWrite: 'writes', laneWire: 'wire', laneRead: 'reads', laneLife: 'other calls',
    help: 'Keys (?)', close: 'Close (Esc)',
    client: 'client', server: 'server', wire: 'wire', apart: 'Of no flow: listening sockets, packets of others',
    notWatched: 'not watched', noWire: 'not captured', inferred: 'inferred from the kernel’s counters',
    midway: 'recording began in the middle', noPackets: 'no packets of it',
    began: 'began', took: 'took', thread: 'thread', process: 'process', arguments: 'arguments', to: 'other end',
    bytes: 'bytes', result: 'result', asked: 'asked', room: 'room', state: 'TCP state', flags: 'flags', frame: 'frame',
    window: 'window', seq: 'seq', ack: 'ack', ipId: 'IP id', datagram: 'datagram', piece: 'piece', of: 'of',
    note: 'note', message: 'message', messages: 'messages', shows: 'shown here', endOfStream: 'end of stream',
    joined: 'Joined by bytes', nothingJoined: 'Nothing else touches these bytes.',
    sendBuffer: 'send', readBuffer: 'receive', buffers: 'buffers', unacked: 'not acknowledged', unread: 'not read',
    written: 'written', carried: 'carried', read: 'read',
    items: (n) => n === 1 ? 'event' : 'events', flowsOf: (n) => n === 1 ? 'flow' : 'flows', shown: 'shown', recorded: 'recorded', watching: 'watching cost',
    stops: 'stops', each: 'each', cut: 'The recording ended in the middle of a fact.', lost: 'facts did not fit',
    more: 'more', many: (n) => `${n} events here; zoom in`, failed: 'failed or sent again',
    times: (n) => `${n} times`, gap: 'not seen', unscaled: 'as it stands in the header',
    keys: [['drag', 'move'], ['wheel, pinch, + −', 'zoom'], ['wheel over the names', 'scroll'], ['0', 'show everything'], ['← →', 'event before, event after'],
      ['↑ ↓', 'lane above, lane below'], ['Shift ← →', 'move the window'], ['Enter, click', 'keep the details open'],
      ['n, N', 'next finding, finding before'], ['p', 'shorten pauses'], ['/', 'filter'], ['Esc', 'let go']],
  },
  zh: {
    filter: '筛选', filterHelp: '字节、地址或程序中的文字,或 port: pid: program: finding: flow: text:',
    findings: '发现', flows: '会话流', none: '无',
    fit: '全部', fitTitle: '显示全部 (0)', zoomIn: '放大 (+)', zoomOut: '缩小 (−)',
    shorten: '缩短停顿', shortenTitle: '把停顿画短,给前后发生的事留出空间 (p)',
    laneWrite: '写', laneWire: '线路', laneRead: '读', laneLife: '其他调用',
    help: '按键 (?)', close: '关闭 (Esc)',
    client: '客户端', server: '服务器', wire: '线路', apart: '不属于任何流:监听套接字、他人的数据包',
    notWatched: '未观察', noWire: '未捕获', inferred: '由内核计数推断',
    midway: '从中途开始记录', noPackets: '没有它的数据包',
    began: '开始', took: '耗时', thread: '线程', process: '进程', arguments: '参数', to: '对端',
    bytes: '字节', result: '结果', asked: '请求', room: '空间', state: 'TCP 状态', flags: '标志', frame: '帧长',
    window: '窗口', seq: '序号', ack: '确认号', ipId: 'IP 标识', datagram: '数据报', piece: '分片', of: '/',
    note: '说明', message: '消息', messages: '消息', shows: '此处显示', endOfStream: '流结束',
    joined: '由字节相连', nothingJoined: '没有别的事件涉及这些字节。',
    sendBuffer: '发送', readBuffer: '接收', buffers: '缓冲区', unacked: '未确认', unread: '未读',
    written: '写入', carried: '传送', read: '读取',
    items: () => '个事件', flowsOf: () => '条流', shown: '显示', recorded: '记录于', watching: '观察开销',
    stops: '次停顿', each: '每次', cut: '记录在一个事实的中间结束。', lost: '个事实放不下',
    more: '更多', many: (n) => `此处有 ${n} 个事件,放大可见`, failed: '失败或重传',
    times: (n) => `${n} 次`, gap: '未能看到', unscaled: '首部原值',
    keys: [['拖动', '移动'], ['滚轮、捏合、+ −', '缩放'], ['在名称上滚轮', '滚动'], ['0', '显示全部'], ['← →', '上一个、下一个事件'],
      ['↑ ↓', '上一行、下一行'], ['Shift ← →', '移动窗口'], ['回车、单击', '保持详情'],
      ['n、N', '下一个、上一个发现'], ['p', '缩短停顿'], ['/', '筛选'], ['Esc', '取消']],
  },
};

// By the number that the writer gives them (shape.rs).
const NOTES = {
  en: ['', 'retransmission', 'partly retransmitted', 'out of order', 'IP fragment', 'inferred', 'keep-alive', 'window probe', 'lost on the way'],
  zh: ['', '重传', '部分重传', '乱序', 'IP 分片', '推断', '保活', '窗口探测', '途中丢失'],
};

// The note of what did not arrive.
const LOST = 8;

let words = WORDS.en;
let notes = NOTES.en;

function speak(lang) {
  words = WORDS[lang] || WORDS.en;
  notes = NOTES[lang] || NOTES.en;
  for (const element of document.querySelectorAll('[data-say]')) element.textContent = words[element.dataset.say];
  for (const element of document.querySelectorAll('[data-hint]')) element.placeholder = `${words[element.dataset.hint]}  /`;
  for (const element of document.querySelectorAll('[data-title]')) {
    element.title = words[element.dataset.title];
    element.setAttribute('aria-label', element.title);
  }
}

// A length of time in nanoseconds, with three digits.
function lasting(ns) {
  const steps = [[1e3, 1, 'ns'], [1e6, 1e3, 'µs'], [1e9, 1e6, 'ms'], [60e9, 1e9, 's'], [3600e9, 60e9, 'min'], [Infinity, 3600e9, 'h']];
  const [, unit, name] = steps.find(([below]) => ns < below);
  const value = ns / unit;
  const digits = unit === 1 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${+value.toFixed(digits)} ${name}`;
}

function counted(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

// A size, with three digits.
function sized(bytes) {
  const power = bytes < 1000 ? 0 : bytes < 1024 * 1000 ? 1 : 2;
  const value = bytes / 1024 ** power;
  return `${+value.toFixed(power && value < 100 ? 1 : 0)} ${['B', 'KiB', 'MiB'][power]}`;
}

// Text of a peer as it may be shown: what controls a terminal, turns text around or cannot be seen
// stands there as its number.
function visible(text) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu, (c) => {
    const known = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[c];
    const number = c.codePointAt(0);
    return known || (number < 256 ? `\\x${number.toString(16).padStart(2, '0')}` : `\\u{${number.toString(16)}}`);
  });
}

// Bytes as text: what is no UTF-8 stands there as \xNN.
function textOf(bytes) {
  let text = '';
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at];
    const length = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
    let piece = null;
    if (length && at + length <= bytes.length) {
      try { piece = DECODER.decode(bytes.subarray(at, at + length)); } catch { piece = null; }
    }
    text += piece === null ? `\\x${first.toString(16).padStart(2, '0')}` : visible(piece);
    at += piece === null ? 1 : length;
  }
  return text;
}
const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
