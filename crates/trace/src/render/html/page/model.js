// Flows as the page knows them: their events by row, what touches which bytes, and whose message it is.

let about, events;

const shapeOf = (item) => events.shapes[events.shape[item]];
const endOf = (item) => events.time[item] + events.took[item];
const isCall = (row) => row === ROW.CALL || row < 6 && row % 3 !== ROW.WIRE;

// The lane that a row is switched on and off with.
function laneOf(row) {
  return row >= 6 ? 'life' : ['write', 'wire', 'read'][row % 3];
}

// The rows in which a call or packet is drawn: nine, since the life of each end has its own.
function trackOf(shape) {
  return shape.row === ROW.CALL ? 6 + shape.end : shape.row === ROW.PACKET ? 8 + shape.end : shape.row;
}
const TRACKS = 10;

// The events of a flow, by track, in the order of time.
function tracksOf(flow) {
  if (flow.tracks) return flow.tracks;
  const counts = new Uint32Array(TRACKS);
  for (let item = flow.first; item < flow.last; item++) counts[trackOf(shapeOf(item))]++;
  const tracks = Array.from(counts, (count) => ({ items: new Uint32Array(count), odd: [] }));
  counts.fill(0);
  for (let item = flow.first; item < flow.last; item++) {
    const shape = shapeOf(item);
    const track = trackOf(shape);
    tracks[track].items[counts[track]++] = item;
    if (isOdd(item, shape)) tracks[track].odd.push(item);
  }
  // Packets that carry nothing are drawn among those that carry bytes.
  for (const way of [0, 1]) {
    const wire = tracks[way * 3 + ROW.WIRE], bare = tracks[8 + way];
    wire.bytes = wire.items;
    wire.items = Uint32Array.from(merged(wire.items, bare.items));
    wire.odd = [...merged(wire.odd, bare.odd)];
  }
  for (const track of tracks) {
    track.ends = new Float64Array(track.items.length);
    let latest = 0;
    track.items.forEach((item, index) => track.ends[index] = latest = Math.max(latest, endOf(item)));
  }
  return flow.tracks = tracks;
}

function* merged(one, other) {
  let at = 0;
  for (const item of one) {
    while (at < other.length && other[at] < item) yield other[at++];
    yield item;
  }
  while (at < other.length) yield other[at++];
}

// Whether a packet was sent again, overtaken, or lost on its way.
function isBad(shape) {
  return shape.note > 0 && shape.note < 4 || shape.note === LOST;
}

// Whether something went wrong here: a call failed (and did not only have to wait), bytes were sent again.
function isOdd(item, shape) {
  if (isCall(shape.row)) return events.result[item] < 0 && events.result[item] !== -11 && events.result[item] !== -115;
  return isBad(shape) || (shape.tcp & 4) !== 0;
}

// The first index of a track whose event began at `time` or later.
function indexAt(items, time) {
  let low = 0, high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (events.time[items[middle]] < time) low = middle + 1; else high = middle;
  }
  return low;
}

// Where an event lies among those it can be joined with: bytes of a stream, numbers of datagrams.
function keyOf(flow, item) {
  const row = shapeOf(item).row;
  if (row >= 6) return null;
  if (flow.stream) return events.len[item] ? [events.lo[item], events.lo[item] + events.len[item]] : null;
  return isCall(row) && events.result[item] < 0 ? null : [events.datagram[item], events.datagram[item] + 1];
}

// The events of a row that touch bytes, by where they begin, and how far any of them reaches.
function byKey(flow, row) {
  const track = tracksOf(flow)[row];
  if (track.byKey) return track.byKey;
  const all = track.bytes || track.items;
  const keys = [];
  for (const item of all) {
    const key = keyOf(flow, item);
    if (key) keys.push([key[0], key[1], item]);
  }
  if (keys.some((key, index) => index && key[0] < keys[index - 1][0])) keys.sort((a, b) => a[0] - b[0] || a[2] - b[2]);
  const from = Float64Array.from(keys, (key) => key[0]);
  const items = Uint32Array.from(keys, (key) => key[2]);
  let furthest = 0;
  const reach = Float64Array.from(keys, (key) => furthest = Math.max(furthest, key[1]));
  return track.byKey = { from, reach, items };
}

// The events of a row that touch any of the bytes from `lo` to `hi`.
function touching(flow, row, lo, hi, most = 400) {
  const { from, reach, items } = byKey(flow, row);
  const found = [];
  for (let index = lowerBound(reach, lo + 0.5); index < items.length && from[index] < hi && found.length < most; index++) {
    const key = keyOf(flow, items[index]);
    if (key[1] > lo) found.push(items[index]);
  }
  return found;
}

// What touches the bytes of an event in the other lanes of its way.
function joinedTo(flow, item) {
  const key = keyOf(flow, item);
  if (!key) return [];
  const row = shapeOf(item).row;
  const way = row - row % 3;
  return [0, 1, 2].filter((lane) => lane !== row % 3).flatMap((lane) => touching(flow, way + lane, ...key));
}

// Where the messages of a way begin.
function messagesOf(flow, way) {
  flow.starts ??= [];
  if (flow.starts[way]) return flow.starts[way];
  if (flow.messages[way].length) return flow.starts[way] = Float64Array.from(flow.messages[way]);
  // Where nobody says more, each write is a message; without writes, what there is instead.
  const row = [ROW.WRITE, ROW.WIRE, ROW.READ].find((lane) => byKey(flow, way * 3 + lane).items.length) ?? 0;
  const { from } = byKey(flow, way * 3 + row);
  return flow.starts[way] = from.filter((start, index) => index === 0 || start > from[index - 1]);
}

// The messages that an event touches: numbers of the first and the last.
function messagesAt(flow, item) {
  const key = keyOf(flow, item);
  if (!key) return null;
  const way = shapeOf(item).row < 3 ? 0 : 1;
  if (!flow.stream) return [key[0], key[0]];
  const starts = messagesOf(flow, way);
  const first = lowerBound(starts, key[0] + 0.5) - 1;
  return [Math.max(first, 0), Math.max(lowerBound(starts, key[1]) - 1, first, 0)];
}

const COLOURS = 8;
const colourOf = (way, message) => `m${(message + way * 4) % COLOURS}`;

// The parts of an event by message: where they lie in it, as fractions, their bytes, their colour.
// Half of the room is shared evenly, so that one byte among thousands can be seen.
function slicesOf(flow, item, most = 16) {
  const span = messagesAt(flow, item);
  if (!span) return [];
  const way = shapeOf(item).row < 3 ? 0 : 1;
  const [first, last] = span;
  const [lo, hi] = keyOf(flow, item);
  if (first === last) return [{ from: 0, to: 1, lo, hi, colour: colourOf(way, first) }];
  if (last - first >= most) return [{ from: 0, to: 1, lo, hi, colour: 'many' }];
  const starts = messagesOf(flow, way);
  const slices = [];
  let at = 0;
  for (let message = first; message <= last; message++) {
    const slice = { from: at, lo: Math.max(starts[message], lo), hi: Math.min(starts[message + 1] ?? hi, hi), colour: colourOf(way, message) };
    slice.to = at += 0.5 / (last - first + 1) + 0.5 * (slice.hi - slice.lo) / (hi - lo);
    slices.push(slice);
  }
  return slices;
}

// Where a byte lies in an event, as a fraction.
function spotOf(slices, offset) {
  const slice = slices.find((it) => offset < it.hi) || slices.at(-1);
  const part = Math.min(Math.max((offset - slice.lo) / (slice.hi - slice.lo), 0), 1);
  return slice.from + part * (slice.to - slice.from);
}

function excerptOf(item) {
  const at = events.excerptAt[item];
  return events.bytes.subarray(at, at + events.excerptLen[item]);
}

const TCP_FLAGS = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR'];
const MSG_FLAGS = { 1: 'OOB', 2: 'PEEK', 4: 'DONTROUTE', 8: 'CTRUNC', 32: 'TRUNC', 64: 'DONTWAIT', 128: 'EOR', 256: 'WAITALL', 8192: 'ERRQUEUE', 16384: 'NOSIGNAL', 32768: 'MORE', 65536: 'WAITFORONE', 536870912: 'FASTOPEN', 1073741824: 'CMSG_CLOEXEC' };

function tcpFlags(bits) {
  return TCP_FLAGS.filter((_, bit) => bits >> bit & 1).join(' ');
}

function messageFlags(bits) {
  return Object.keys(MSG_FLAGS).filter((bit) => bits & bit).map((bit) => `MSG_${MSG_FLAGS[bit]}`).join(' ');
}

function resultOf(item) {
  const result = events.result[item];
  return result < 0 ? `−1 ${about.errnos[-result] || -result}` : String(result);
}

function nameOf(shape) {
  if (shape.row === ROW.PACKET || shape.row < 6 && shape.row % 3 === ROW.WIRE) return tcpFlags(shape.tcp);
  return about.calls[shape.call] || about.kinds[shape.kind].toLowerCase();
}

// The side of a call: a process and its descriptor.
function sideOf(flow, shape) {
  if (!shape.side) return null;
  return about.sides[flow.apart ? shape.side - 1 : flow.ends[shape.end].sides[shape.side - 1]];
}

function processOf(side) {
  return side && about.processByPid.get(side.pid);
}

// The command line of a side's process, without the folder of its program.
function programOf(side) {
  const process = processOf(side);
  if (!process) return '';
  const [program = process.name, ...rest] = process.command;
  return [program.slice(program.lastIndexOf('/') + 1), ...rest].join(' ');
}

// Whose an end is, in a few words.
function whoIs(flow, end) {
  const sides = flow.ends[end].sides.map((index) => about.sides[index]);
  const programs = [...new Set(sides.map(programOf).filter(Boolean))];
  return { programs: visible(programs.join(', ')), pids: [...new Set(sides.map((side) => side.pid).filter(Boolean))], fds: sides.map((side) => side.fd), watched: sides.length > 0 };
}

function flowOf(item) {
  let low = 0, high = about.flows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (about.flows[middle].last <= item) low = middle + 1; else high = middle;
  }
  return about.flows[low];
}

function titleOf(flow) {
  if (flow.apart) return words.apart;
  return visible(`${flow.transport} ${flow.ends[0].address || '?'} → ${flow.ends[1].address || '?'}`);
}

// Everything that is known of an event, as [name, value].
function factsOf(flow, item) {
  const shape = shapeOf(item);
  const facts = [[words.began, `${clock(events.time[item], 1)}  ·  ${wallClock(events.time[item])}`]];
  if (isCall(shape.row)) callFacts(flow, item, shape, facts); else packetFacts(flow, item, shape, facts);
  const messages = messagesAt(flow, item);
  if (messages && flow.stream) facts.push([messages[0] === messages[1] ? words.message : words.messages, messages[0] === messages[1] ? `${messages[0] + 1}` : `${messages[0] + 1} – ${messages[1] + 1}`]);
  return facts;
}

function callFacts(flow, item, shape, facts) {
  const side = sideOf(flow, shape);
  facts.push([words.took, lasting(events.took[item])]);
  if (side) facts.push([words.process, visible(`${programOf(side)}  pid ${side.pid}${side.fd >= 0 ? `  fd ${side.fd}` : ''}`)]);
  if (shape.thread && !(side && side.pid === shape.thread)) facts.push([words.thread, String(shape.thread)]);
  const text = events.texts[events.text[item]];
  if (text) facts.push([shape.row === ROW.CALL ? words.arguments : words.to, text]);
  if (shape.row < 6) {
    facts.push([shape.row % 3 === ROW.WRITE ? words.asked : words.room, counted(events.asked[item])]);
    const bytes = rangeOf(flow, item);
    if (bytes) facts.push([words.bytes, bytes]);
  }
  const end = shape.row % 3 === ROW.READ && shape.row < 6 && flow.stream && events.result[item] === 0 && events.asked[item] > 0;
  facts.push([words.result, resultOf(item) + (end ? ` (${words.endOfStream})` : '')]);
  if (shape.flags) facts.push([words.flags, messageFlags(shape.flags)]);
  if (shape.state) facts.push([words.state, about.states[shape.state]]);
  const fill = fillAfter(flow.gauges[shape.end], endOf(item));
  if (fill) facts.push([words.buffers, fill]);
}

// How full the buffers were when a call had returned.
function fillAfter(gauge, time) {
  const after = lowerBound(gauge.time, time);
  const index = after < gauge.time.length && gauge.time[after] < time + 1e6 ? after : after - 1;
  if (index < 0) return '';
  return `${sized(gauge.sending[index])} ${words.unacked}, ${sized(gauge.unread[index])} ${words.unread}`;
}

function packetFacts(flow, item, shape, facts) {
  const bytes = shape.row < 6 && rangeOf(flow, item);
  if (shape.tcp) facts.push([words.flags, tcpFlags(shape.tcp)]);
  const text = events.texts[events.text[item]];
  if (text) facts.push([words.note, text]);
  if (bytes) facts.push([words.bytes, bytes]);
  if (shape.note) facts.push([words.note, notes[shape.note]]);
  if (shape.note === 5) return;
  if (shape.pieces > 1) facts.push([words.piece, `${shape.piece + 1} ${words.of} ${shape.pieces}`]);
  facts.push([words.frame, counted(events.result[item])]);
  if (shape.tcp) {
    facts.push([words.seq, String(events.seq[item])], [words.ack, String(events.ack[item])]);
    const raw = shape.row === ROW.PACKET && !(shape.tcp & 2);
    facts.push([words.window, counted(events.asked[item]) + (raw && events.asked[item] ? ` (${words.unscaled})` : '')]);
  } else if (events.seq[item]) {
    facts.push([words.ipId, `0x${events.seq[item].toString(16)}`]);
  }
}

function rangeOf(flow, item) {
  const from = events.lo[item], length = events.len[item];
  const range = length ? `${counted(length)}  [${counted(from)} … ${counted(from + length)})` : '';
  return flow.stream ? range : `${words.datagram} ${events.datagram[item] + 1}${range && `  ${counted(length)}`}`;
}

// The wall clock, in UTC, to the nanosecond.
function wallClock(time) {
  const ns = BigInt(about.base_ns) + BigInt(Math.round(time));
  const date = new Date(Number(ns / 1000000n));
  if (Number.isNaN(date.getTime())) return String(ns);
  return `${date.toISOString().slice(0, 19).replace('T', ' ')}.${String(ns % 1000000000n).padStart(9, '0')} UTC`;
}

// An event in one line, for a title and to be spoken.
function lineOf(flow, item) {
  const shape = shapeOf(item);
  const whose = shape.row === ROW.CALL || shape.row < 6 && shape.row % 3 !== ROW.WIRE ? words[shape.end ? 'server' : 'client'] : shape.end ? '←' : '→';
  const name = nameOf(shape) || (shape.note === 5 ? words.inferred : words.wire);
  const range = shape.row < 6 ? rangeOf(flow, item) : '';
  return `${whose}  ${name}  ${range || (isCall(shape.row) ? `= ${resultOf(item)}` : '')}`.trim();
}
