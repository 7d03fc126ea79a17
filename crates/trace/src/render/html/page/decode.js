// The facts, as facts.rs wrote them, in columns: a row of an array for each event.

const ROW = { WRITE: 0, WIRE: 1, READ: 2, CALL: 6, PACKET: 7 };

// The bytes of all blocks, laid end to end.
function bytesOfBlocks() {
  const blocks = [...document.querySelectorAll('script.facts')];
  let total = 0;
  for (const block of blocks) {
    const text = block.textContent;
    total += text.length / 4 * 3 - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0);
  }
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const block of blocks) {
    const text = block.textContent;
    block.remove();
    if (bytes.setFromBase64) {
      at += bytes.subarray(at).setFromBase64(text).written;
    } else {
      for (const c of atob(text)) bytes[at++] = c.charCodeAt(0);
    }
  }
  return bytes;
}

function decode(about) {
  const bytes = bytesOfBlocks();
  const n = about.items;
  const events = {
    bytes, n,
    time: new Float64Array(n), took: new Uint32Array(n), shape: new Uint32Array(n),
    lo: new Float64Array(n), len: new Uint32Array(n), datagram: new Uint32Array(n),
    // Of calls: what they asked for and returned. Of packets: window and length of the frame.
    asked: new Uint32Array(n), result: new Int32Array(n), seq: new Uint32Array(n), ack: new Uint32Array(n),
    text: new Uint32Array(n), excerptAt: new Uint32Array(n), excerptLen: new Uint16Array(n),
    shapes: [], texts: [''],
  };
  const reader = new Numbers(bytes);
  // What belongs to no flow comes last, as a flow of its own.
  about.flows.push({ number: 0, apart: true, transport: '', stream: true, wire: true, ends: [{ address: '', sides: [] }, { address: '', sides: [] }], written: [0, 0], carried: [0, 0], read: [0, 0], joined: [true, true] });
  let item = 0;
  for (const flow of about.flows) item = decodeFlow(flow, events, reader, item);
  if (about.flows.at(-1).first === about.flows.at(-1).last) about.flows.pop();
  return events;
}

// Numbers of seven bits a byte, the lowest first.
class Numbers {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  next() {
    const bytes = this.bytes;
    let byte = bytes[this.at++];
    if (byte < 128) return byte;
    let number = byte & 127;
    byte = bytes[this.at++];
    number |= (byte & 127) << 7;
    if (byte < 128) return number;
    byte = bytes[this.at++];
    number |= (byte & 127) << 14;
    if (byte < 128) return number;
    // Beyond 21 bits shifts would soon be signed.
    for (let unit = 2097152; ; unit *= 128) {
      byte = bytes[this.at++];
      number += (byte & 127) * unit;
      if (byte < 128 || byte === undefined) return number;
    }
  }

  signed() {
    const number = this.next();
    return number % 2 ? -(number + 1) / 2 : number / 2;
  }

  skip(length) {
    this.at += length;
    return this.at - length;
  }
}

function decodeFlow(flow, events, reader, item) {
  flow.messages = [0, 1].map(() => decodeMessages(reader));
  const count = reader.next();
  const offset = new Float64Array(6);
  const datagram = new Uint32Array(6);
  const seq = [0, 0], ack = [0, 0], window = [0, 0];
  let time = 0;
  flow.first = item;
  flow.last = item + count;
  for (; item < flow.last; item++) {
    const shape = events.shapes[decodeShape(events, reader, item)];
    time += reader.next();
    events.time[item] = time;
    events.took[item] = reader.next();
    const row = shape.row;
    if (row < 6) {
      events.lo[item] = offset[row] + reader.signed();
      events.len[item] = reader.next();
      offset[row] = events.lo[item] + events.len[item];
      if (!flow.stream) events.datagram[item] = datagram[row] += reader.signed();
    }
    if (row === ROW.CALL) {
      events.result[item] = reader.signed();
      events.asked[item] = reader.next();
    } else if (row === ROW.PACKET || row % 3 === ROW.WIRE) {
      events.result[item] = reader.next();
      events.asked[item] = window[shape.end] += reader.signed();
      events.seq[item] = seq[shape.end] += reader.signed();
      events.ack[item] = ack[shape.end] += reader.signed();
    } else {
      events.asked[item] = events.len[item] + reader.signed();
      events.result[item] = events.len[item] + reader.signed();
    }
    events.text[item] = decodeText(events, reader);
    decodeExcerpt(events, reader, item);
  }
  decodeGauges(flow, reader);
  return item;
}

// How full the buffers of each end were: what was written and not acknowledged, what came and was not
// read, and the room for each.
function decodeGauges(flow, reader) {
  flow.gauges = [0, 1].map(() => ({ time: [], sending: [], sendRoom: [], unread: [], readRoom: [] }));
  const before = [[0, 0, 0, 0], [0, 0, 0, 0]];
  let time = 0;
  for (let left = reader.next(); left > 0; left--) {
    const end = reader.next();
    time += reader.signed();
    const gauge = flow.gauges[end], now = before[end];
    for (let field = 0; field < 4; field++) now[field] += reader.signed();
    gauge.time.push(time);
    [gauge.sending, gauge.sendRoom, gauge.unread, gauge.readRoom].forEach((column, field) => column.push(now[field]));
  }
}

function decodeMessages(reader) {
  const starts = [];
  let end = 0;
  for (let left = reader.next(); left > 0; left--) {
    const start = end + reader.signed();
    starts.push(start);
    end = start + reader.next();
  }
  return starts;
}

// Shapes, as texts, are said when they first occur, and by their number from then on.
function decodeShape(events, reader, item) {
  const number = reader.next();
  if (number) return events.shape[item] = number - 1;
  const [row, end, kind, call, flags, state, note, tcp, piece, pieces, side, thread] = Array.from({ length: 12 }, () => reader.next());
  events.shapes.push({ row, end, kind, call, flags, state, note, tcp, piece, pieces, side, thread });
  return events.shape[item] = events.shapes.length - 1;
}

function decodeText(events, reader) {
  const number = reader.next();
  if (number !== 1) return number && number - 1;
  const length = reader.next();
  const at = reader.skip(length);
  events.texts.push(visible(new TextDecoder().decode(events.bytes.subarray(at, at + length))));
  return events.texts.length - 1;
}

// The bytes themselves, or how far back they stand.
function decodeExcerpt(events, reader, item) {
  const head = reader.next();
  if (head === 0) return;
  const length = Math.floor(head / 2);
  events.excerptLen[item] = length;
  if (head % 2) {
    const here = reader.at;
    events.excerptAt[item] = here - reader.next();
  } else {
    events.excerptAt[item] = reader.skip(length);
  }
}
