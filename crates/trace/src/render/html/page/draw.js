// The picture: each flow a band with the client's calls above, the wire between, the server's calls
// below. Only what can be seen becomes an element; where there is too much of it, its density does.

const SVG = 'http://www.w3.org/2000/svg';
// Elements that the picture may hold, and events that one lane may draw one by one.
const NODES = 3000;
const SINGLE = 400;
const GUTTER = 168;
const TOP = 46;
const FOLDED = 46;
// The baselines of the axis: its times, and the pauses between them.
const TIMES = 16;
const PAUSES = 31;
const COLUMN = 3;

function node(name, attributes, parent) {
  const element = document.createElementNS(SVG, name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  parent?.append(element);
  return element;
}

// Heights of an open band, for a stage with room for `open` of them.
function bandShape(height, open) {
  const each = (height - TOP) / Math.max(open, 1) - 12;
  // What is left when every row has the least it needs goes to rows and gaps alike.
  const grow = Math.min(Math.max((each - 300) / 300, 0), 1);
  const rows = { head: 26, life: 20 + 6 * grow, call: 24 + 8 * grow, wire: 27 + 8 * grow, foot: 14 };
  const fixed = rows.head + 2 * (rows.life + 2 * rows.call) + 2 * rows.wire + rows.foot;
  const gap = Math.min(Math.max((each - fixed) / 2, 30), 120);
  const y = {};
  let at = rows.head;
  const take = (name, size) => { y[name] = [at, size]; at += size; };
  take(6, rows.life); take(5, rows.call); take(0, rows.call);
  at += gap;
  take(1, rows.wire); take(4, rows.wire);
  at += gap;
  take(3, rows.call); take(2, rows.call); take(7, rows.life);
  return { y, gap, height: at + rows.foot };
}

class Picture {
  constructor(svg, stage) {
    this.svg = svg;
    this.stage = stage;
    this.axis = new TrueAxis(1);
    this.view = { from: 0, to: 1 };
    this.flows = [];
    this.hidden = new Set();
    this.marks = new Map();
    this.lit = new Set();
    this.hits = null;
  }

  get width() { return Math.max(this.stage.clientWidth - GUTTER - 14, 50); }

  x(time) { return GUTTER + (this.axis.place(time) - this.view.from) / (this.view.to - this.view.from) * this.width; }

  timeAt(x) { return this.axis.time(this.view.from + (x - GUTTER) / this.width * (this.view.to - this.view.from)); }

  // Where each band lies, from the top of all of them.
  layout() {
    const open = this.flows.filter((flow) => flow.open).length;
    this.shape = bandShape(this.stage.clientHeight - (this.flows.length - open) * FOLDED, open);
    let top = TOP;
    for (const flow of this.flows) {
      flow.top = top;
      flow.height = flow.open ? this.shape.height : FOLDED;
      top += flow.height;
    }
    return top + 10;
  }

  draw() {
    const total = this.layout();
    document.getElementById('height').style.height = `${total}px`;
    const height = this.stage.clientHeight;
    const scroll = this.stage.scrollTop;
    this.svg.setAttribute('width', this.stage.clientWidth);
    this.svg.setAttribute('height', height);
    this.marks.clear();
    this.nodes = 0;
    const root = node('g', {});
    const definitions = this.svg.querySelector('defs') || this.define();
    const seen = this.flows.filter((flow) => flow.top + flow.height > scroll && flow.top < scroll + height);
    this.breaks = this.pauses();
    this.tracks = Math.max(seen.filter((flow) => flow.open).length * 8 + seen.length, 1);
    const marks = ticks(this.axis, this.view, this.width);
    for (const [time] of marks) this.tick(root, this.x(time), height);
    const bands = node('g', { transform: `translate(0 ${-scroll})` }, root);
    for (const flow of seen) this.band(flow, node('g', { transform: `translate(0 ${flow.top})`, 'data-flow': flow.number }, bands));
    this.gaps(root, height);
    this.time(root, marks);
    this.svg.replaceChildren(definitions, root);
    this.light(this.lit, this.litBytes);
  }

  define() {
    const defs = node('defs', {});
    for (const [id, size] of [['hatch', 8], ['hatch-fine', 5]]) {
      const pattern = node('pattern', { id, width: size, height: size, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' }, defs);
      node('line', { x1: 0, y1: 0, x2: 0, y2: size, class: 'hatching' }, pattern);
    }
    const many = node('linearGradient', { id: 'many', x1: 0, x2: 1 }, defs);
    for (let colour = 0; colour < COLOURS; colour++) {
      node('stop', { offset: colour / COLOURS, class: `stop m${colour}` }, many);
      node('stop', { offset: (colour + 1) / COLOURS, class: `stop m${colour}` }, many);
    }
    const clip = node('clipPath', { id: 'plot' }, defs);
    node('rect', { x: GUTTER, y: -10, width: 100000, height: 100000 }, clip);
    return defs;
  }

  text(parent, x, y, text, attributes = {}) {
    const element = node('text', { x, y, ...attributes }, parent);
    element.textContent = text;
    this.nodes++;
    return element;
  }

  rect(parent, x, y, width, height, attributes) {
    this.nodes++;
    return node('rect', { x: x.toFixed(2), y, width: Math.max(width, 0).toFixed(2), height, ...attributes }, parent);
  }

  // A flow: its title, and its lanes or their densities.
  band(flow, parent) {
    const end = GUTTER + this.width;
    node('line', { x1: 0, x2: end + 14, y1: 0.5, y2: 0.5, class: 'edge' }, parent);
    const title = node('g', { class: 'title', 'data-fold': flow.number }, parent);
    this.rect(title, 0, 1, end + 14, flow.open ? 24 : FOLDED - 2, { class: 'cover' });
    this.text(title, 10, 17, flow.open ? '▾' : '▸', { class: 'quiet' });
    this.text(title, 26, 17, (flow.apart ? '' : `${flow.number}   `) + titleOf(flow), { class: 'strong' });
    const said = flow.apart ? '' : [0, 1].map((way) => `${way ? '←' : '→'} ${counted(Math.max(flow.written[way], flow.carried[way], flow.read[way]))} B`).join('   ');
    this.text(title, end, 17, said, { class: 'quiet', 'text-anchor': 'end' });
    if (!flow.open) return this.folded(flow, parent);
    this.lanes(flow, parent);
  }

  // A folded band: three strips of density.
  folded(flow, parent) {
    const tracks = tracksOf(flow);
    const group = node('g', { 'clip-path': 'url(#plot)' }, parent);
    [[0, 5, 6], [1, 4], [3, 2, 7]].forEach((rows, strip) => {
      const items = rows.map((row) => tracks[row]).filter((track) => track.items.length);
      for (const track of items) this.density(group, track, 25 + strip * 6, 5, 'd' + strip);
    });
  }

  lanes(flow, parent) {
    const tracks = tracksOf(flow);
    const { y } = this.shape;
    const end = GUTTER + this.width;
    const areas = [['client', y[6][0], y[0][0] + y[0][1]], ['wire', y[1][0], y[4][0] + y[4][1]], ['server', y[3][0], y[7][0] + y[7][1]]];
    for (const [name, from, to] of areas) this.rect(parent, GUTTER, from - 2, this.width + 8, to - from + 4, { class: `lane lane-${name}`, rx: 4 });
    const plot = node('g', { 'clip-path': 'url(#plot)' }, parent);
    for (const { left, right } of this.breaks) this.rect(plot, left, y[6][0], right - left, y[7][0] + y[7][1] - y[6][0], { class: 'pause' });
    this.gauges(flow, plot, areas);
    const ribbons = node('g', { class: 'ribbons' }, plot);
    const drawn = new Map();
    const order = [6, 7, 0, 3, 1, 4, 5, 2];
    for (const row of order) {
      if (this.hidden.has(row >= 6 ? 'life' : laneOf(row))) continue;
      this.track(flow, row, tracks[row], node('g', { class: 'track' }, plot), drawn);
    }
    for (const way of [0, 1]) this.ribbons(flow, way, drawn, ribbons);
    this.gutter(flow, parent, areas, tracks, plot, end);
  }

  // How full the buffers were, where they are: between the calls and the wire. What waits to be sent
  // lies against the calls that wrote it, what waits to be read against the wire that brought it.
  gauges(flow, parent, areas) {
    flow.gauges.forEach((gauge, end) => {
      if (!gauge.time.length) return;
      const [near, far] = end ? [areas[2][1] - 3, areas[1][2] + 3] : [areas[0][2] + 3, areas[1][1] - 3];
      const most = Math.max(gauge.mostSending ??= largest(gauge.sending), gauge.mostUnread ??= largest(gauge.unread), 1);
      for (const [values, style, from, to] of [[gauge.sending, 'sending', near, far], [gauge.unread, 'unread', far, near]]) {
        const path = this.steps(gauge.time, values, from, (to - from) * 0.8 / most);
        if (!path) continue;
        this.nodes++;
        node('path', { d: path, class: `gauge ${style}`, 'data-gauge': end }, parent);
      }
    });
  }

  // A line of steps over a base, closed: the largest value of each pixel.
  steps(times, values, base, scale) {
    const from = this.axis.time(this.view.from), to = this.axis.time(this.view.to);
    const first = Math.max(lowerBound(times, from) - 1, 0), last = Math.min(lowerBound(times, to) + 1, times.length);
    let path = '', pixel = -Infinity, most = 0, any = 0;
    for (let index = first; index < last; index++) {
      const x = Math.max(Math.min(this.x(times[index]), GUTTER + this.width + 10), GUTTER - 10);
      most = x - pixel < 1 ? Math.max(most, values[index]) : values[index];
      if (x - pixel >= 1) pixel = x;
      any += most;
      path += `${path ? 'H' : 'M'}${x.toFixed(1)}${path ? 'V' : ' '}${(base + most * scale).toFixed(1)}`;
    }
    return any ? `${path}H${(last < times.length ? GUTTER + this.width + 10 : this.x(times[last - 1])).toFixed(1)}V${base}H${Math.max(this.x(times[first]), GUTTER - 10).toFixed(1)}Z` : '';
  }

  // Who is who, at the left; and what is missing, where it would stand.
  gutter(flow, parent, areas, tracks, plot, end) {
    const label = (y, lines) => lines.filter(Boolean).forEach((line, index) => {
      const element = this.text(parent, 12, y + 12 + index * 15, shorten(line, 22), { class: index ? 'quiet' : 'strong' });
      if (line.length > 22) node('title', {}, element).textContent = line;
    });
    areas.forEach(([name, from, to], index) => {
      if (name === 'wire') return label(from, [words.wire, this.wireNote(flow, tracks)]);
      const who = whoIs(flow, index / 2);
      const role = flow.apart ? '' : words[name];
      label(from, who.watched ? [role, who.programs, `pid ${who.pids.join(', ')}`] : [role, flow.ends[index / 2].address]);
      this.fills(flow.gauges[index / 2], parent, index ? from - 40 : to + 18);
      if (!who.watched && !flow.apart) this.missing(plot, from, to, words.notWatched);
    });
    const [, from, to] = areas[1];
    const packets = tracks[1].items.length + tracks[4].items.length;
    if (!packets && !flow.apart) this.missing(plot, from, to, flow.wire ? about.head.wire_note || words[about.head.wire === 'captured' ? 'noPackets' : 'noWire'] : words.noWire);
    if (!flow.joined[0] || !flow.joined[1]) {
      const first = Math.min(this.x(events.time[flow.first] ?? 0), end);
      if (first > GUTTER) {
        this.rect(plot, GUTTER, areas[0][1], first - GUTTER, areas[2][2] - areas[0][1], { class: 'missing' });
        if (first - GUTTER > 180) this.text(plot, GUTTER + 8, from - 12, words.midway, { class: 'quiet' });
      }
    }
  }

  // The most that the buffers of an end held, and their size.
  fills(gauge, parent, y) {
    if (!gauge.time.length || this.shape.gap < 52) return;
    const lines = [[words.sendBuffer, gauge.mostSending, gauge.sendRoom], [words.readBuffer, gauge.mostUnread, gauge.readRoom]];
    lines.forEach(([name, most, room], index) => this.text(parent, 12, y + index * 14, `${name} ≤ ${sized(most)} / ${sized(room.at(-1))}`, { class: 'quiet small' }));
  }

  wireNote(flow, tracks) {
    const first = tracks[1].items[0] ?? tracks[4].items[0];
    return first !== undefined && shapeOf(first).note === 5 ? words.inferred : '';
  }

  missing(parent, from, to, text) {
    this.rect(parent, GUTTER, from - 2, this.width + 8, to - from + 4, { class: 'missing', rx: 4 });
    const label = this.text(parent, GUTTER + this.width / 2, (from + to) / 2 + 4, visible(text), { class: 'quiet halo', 'text-anchor': 'middle' });
    return label;
  }

  // The events of one lane, one by one or as a density.
  track(flow, row, track, parent, drawn) {
    const [top, height] = this.shape.y[row];
    const from = this.axis.time(this.view.from), to = this.axis.time(this.view.to);
    const low = lowerBound(track.ends, from), high = Math.max(indexAt(track.items, to + 1), low);
    const single = Math.min(SINGLE, Math.floor(NODES * 0.8 / this.tracks / 2.2));
    if (high - low > single) {
      this.density(parent, track, top + 2, height - 4, row === 1 || row === 4 ? 'd1' : [6, 5, 0].includes(row) ? 'd0' : 'd2', { row, flow });
      return;
    }
    let free = -Infinity, before = -Infinity;
    for (let index = low; index < high; index++) {
      const item = track.items[index];
      if (endOf(item) < from) continue;
      const next = index + 1 < track.items.length ? this.x(events.time[track.items[index + 1]]) : Infinity;
      const mark = isCall(shapeOf(item).row) ? this.call(flow, item, parent, top, height, next) : this.packet(flow, item, parent, top, height, { before, next, free });
      drawn.set(item, mark);
      before = this.x(events.time[item]);
      free = mark.right;
    }
  }

  mark(flow, item, parent) {
    const shape = shapeOf(item);
    const group = node('g', { class: `mark ${isOdd(item, shape) ? 'odd' : ''} ${shape.note === 5 ? 'inferred' : ''} ${this.hits?.has(item) ? 'hit' : ''}`, 'data-item': item, 'data-row': shape.row }, parent);
    this.nodes++;
    this.marks.set(item, group);
    return group;
  }

  // A call: a bar from its entry to its exit. Where it waited, the wait is a line, and what it moved
  // stands at its end.
  call(flow, item, parent, top, height, next) {
    const shape = shapeOf(item);
    const group = this.mark(flow, item, parent);
    const from = this.x(events.time[item]);
    const to = Math.max(this.x(endOf(item)), from + 6);
    const slices = slicesOf(flow, item);
    const bytes = shape.row < 6;
    const most = Math.max(10, Math.min(slices.length * 7, 70));
    const waits = bytes && shape.row % 3 === ROW.READ ? to - from > most + 6 : !bytes && to - from > 16;
    const solid = waits ? to - (bytes ? most : 6) : from;
    const y = top + 2, h = height - 5;
    const left = Math.max(from, GUTTER - 20), right = Math.min(to, GUTTER + this.width + 20);
    if (waits) {
      this.rect(group, left, y + h / 2 - 2.5, Math.max(Math.min(solid, right) - left, 0), 5, { class: 'wait' });
      this.rect(group, from, y + 2, 1.5, h - 4, { class: 'wait-edge' });
    }
    const kind = events.result[item] < 0 ? 'failed' : slices.length ? '' : 'plain';
    if (slices.length && !kind) for (const it of slices) this.rect(group, solid + it.from * (to - solid), y, Math.max((it.to - it.from) * (to - solid), 1), h, { class: `fill ${it.colour}` });
    this.rect(group, solid, y, to - solid, h, { class: `outline ${kind}`, rx: 2.5 });
    if (kind === 'failed') this.nodes++, node('path', { d: `M${solid} ${y}L${to} ${y + h}M${to} ${y}L${solid} ${y + h}`, class: 'cross' }, group);
    const edge = this.label(flow, item, group, { from: left, solid, to: Math.min(to, right), next, y: y + h / 2 + 4, waits });
    return { item, left: solid, right: Math.max(to, edge), from: solid, to, top, bottom: top + height, slices };
  }

  label(flow, item, group, { from, solid, to, next, y, waits }) {
    const shape = shapeOf(item);
    const name = nameOf(shape);
    const failed = events.result[item] < 0;
    const size = failed ? about.errnos[-events.result[item]] || '' : shape.row < 6 ? counted(events.len[item]) : '';
    const text = events.texts[events.text[item]];
    const said = shape.row < 6 ? clip(textOf(excerptOf(item).subarray(0, 40)), 28) : clip(text, 30);
    const state = shape.row === ROW.CALL && shape.state ? about.states[shape.state] : '';
    const choices = [[name, size, said && shape.row < 6 ? `“${said}”` : said, state], [name, size, state], [name, size], [size || name]].map((parts) => parts.filter(Boolean).join(' '));
    const inside = solid - from - 10, after = Math.min(next, GUTTER + this.width) - to - 8;
    for (const choice of choices) {
      const width = widthOf(choice);
      if (!choice) continue;
      // Before the end of a wait, else behind the bar.
      if (waits && width < inside) return this.text(group, solid - 5, y, choice, { class: 'label halo', 'text-anchor': 'end' }), to;
      if (width < after && to < GUTTER + this.width) return this.text(group, to + 4, y, choice, { class: 'label halo' }), to + 4 + width;
    }
    return to;
  }

  // A packet: a point in time, drawn as an arrow that points to where it goes.
  packet(flow, item, parent, top, height, { before, next, free }) {
    const shape = shapeOf(item);
    const group = this.mark(flow, item, parent);
    const slices = slicesOf(flow, item);
    const at = this.x(events.time[item]);
    // As wide as its neighbours let it be. Pieces of one packet share its time: they stand side by side.
    const room = Math.min(at - before, next - at) || Infinity;
    const width = Math.min(slices.length ? Math.max(9, Math.min(slices.length * 6, 42)) : 7, Math.max(room - 1, 5));
    const x = Math.max(at - width / 2, shape.piece ? free + 1 : -Infinity);
    const down = shape.end === 0;
    const y = top + 3, h = height - 6, tip = slices.length ? 7 : 5;
    const bodyFrom = down ? y : y + tip, bodyTo = down ? y + h - tip : y + h;
    const inset = slices.length ? 0 : 4;
    if (slices.length) {
      const tips = (at) => down ? Math.abs(at - 0.5) * 2 * -tip + tip : Math.abs(at - 0.5) * 2 * tip - tip;
      for (const { from: a, to: b, colour } of slices) {
        // The tip is cut among the slices, too.
        const cuts = a < 0.5 && b > 0.5 ? [a, 0.5, b] : [a, b];
        const edge = cuts.map((at) => [x + at * width, (down ? bodyTo : bodyFrom) + tips(at)]);
        const far = down ? bodyFrom : bodyTo;
        this.nodes++;
        node('path', { d: `M${x + a * width} ${far}L${edge.map((it) => it.map((v) => v.toFixed(2)).join(' ')).join('L')}L${x + b * width} ${far}Z`, class: `fill ${colour}` }, group);
      }
    }
    const middle = x + width / 2;
    const corners = down
      ? [[x, bodyFrom + inset], [x, bodyTo], [middle, y + h], [x + width, bodyTo], [x + width, bodyFrom + inset]]
      : [[x, bodyTo - inset], [x, bodyFrom], [middle, y], [x + width, bodyFrom], [x + width, bodyTo - inset]];
    this.nodes++;
    node('path', { d: `M${corners.map((it) => it.map((v) => v.toFixed(2)).join(' ')).join('L')}Z`, class: `outline ${slices.length ? '' : 'plain'}` }, group);
    const edge = this.packetLabel(item, shape, group, x + width, next, top + height / 2 + 4);
    return { item, left: x, right: Math.max(x + width, edge), from: x, to: x + width, top: bodyFrom, bottom: bodyTo, slices };
  }

  packetLabel(item, shape, group, right, next, y) {
    const size = shape.row < 6 ? counted(events.len[item]) : '';
    const flags = shape.tcp & 7 || !size ? tcpFlags(shape.tcp) : '';
    const note = notes[shape.note];
    const after = Math.min(next - 6, GUTTER + this.width) - right - 8;
    for (const parts of [[size, flags, note], [size, flags], [size || flags]]) {
      const choice = parts.filter(Boolean).join(' ');
      const width = widthOf(choice);
      if (choice && width < after) return this.text(group, right + 3, y, choice, { class: 'label halo' }), right + 3 + width;
    }
    return right;
  }

  // Bytes on their way: from a write to the segments that carried them to the reads that took them.
  ribbons(flow, way, drawn, parent) {
    const row = way * 3;
    const wire = [...drawn.values()].filter((mark) => shapeOf(mark.item).row === row + ROW.WIRE && mark.slices.length);
    const ribbon = (upper, lower, from, to, item, other) => {
      if (this.nodes > NODES) return;
      const cut = (mark) => {
        const [left, right] = [from, to].map((at) => mark.from + spotOf(mark.slices, at) * (mark.to - mark.from));
        return [left, Math.max(right, left + 1)];
      };
      const [a, b] = cut(upper), [c, d] = cut(lower);
      const y0 = upper.bottom, y1 = lower.top, m = (y0 + y1) / 2;
      const first = flow.stream ? Math.max(lowerBound(messagesOf(flow, way), from + 0.5) - 1, 0) : from;
      this.nodes++;
      node('path', { d: `M${a.toFixed(1)} ${y0}C${a.toFixed(1)} ${m} ${c.toFixed(1)} ${m} ${c.toFixed(1)} ${y1}L${d.toFixed(1)} ${y1}C${d.toFixed(1)} ${m} ${b.toFixed(1)} ${m} ${b.toFixed(1)} ${y0}Z`, class: `ribbon ${colourOf(way, first)}`, 'data-from': item, 'data-to': other, 'data-lo': from, 'data-hi': to }, parent);
    };
    // Cut by message, so that each keeps its colour.
    const join = (upper, lower) => {
      const [a, b] = keyOf(flow, upper.item), [c, d] = keyOf(flow, lower.item);
      let from = Math.max(a, c);
      const to = Math.min(b, d);
      if (!flow.stream) return ribbon(upper, lower, from, to, upper.item, lower.item);
      const starts = messagesOf(flow, way);
      for (let index = lowerBound(starts, from + 0.5), pieces = 0; from < to; index++, pieces++) {
        const cut = pieces < 15 ? Math.min(starts[index] ?? to, to) : to;
        ribbon(upper, lower, from, cut, upper.item, lower.item);
        from = cut;
      }
    };
    const between = (lane) => {
      for (const mark of wire) {
        for (const item of touching(flow, row + lane, ...keyOf(flow, mark.item), 60)) {
          const other = drawn.get(item);
          if (!other) continue;
          if (other.top < mark.top) join(other, mark); else join(mark, other);
        }
      }
    };
    if (wire.length) {
      between(ROW.WRITE);
      between(ROW.READ);
      return;
    }
    // Without a wire the reads hang on the writes.
    for (const mark of drawn.values()) {
      if (shapeOf(mark.item).row !== row || !mark.slices.length) continue;
      for (const item of touching(flow, row + ROW.READ, ...keyOf(flow, mark.item), 60)) {
        const other = drawn.get(item);
        if (other) join(...(mark.top < other.top ? [mark, other] : [other, mark]));
      }
    }
  }

  // How many events there are where they have no room: a column every few pixels, as high as the
  // logarithm of their number.
  density(parent, track, top, height, style, about = null) {
    const columns = Math.ceil(this.width / COLUMN);
    const full = Math.log2(1 + Math.max(8, track.items.length / columns * 8));
    let path = '', oddPath = '';
    let before = indexAt(track.items, this.axis.time(this.view.from));
    let oddBefore = indexAt(track.odd, this.axis.time(this.view.from));
    const floor = top + height;
    for (let column = 0; column < columns; column++) {
      const time = this.axis.time(this.view.from + (column + 1) / columns * (this.view.to - this.view.from));
      const last = column === columns - 1;
      const after = indexAt(track.items, last ? time + 1 : time);
      const x = GUTTER + column * COLUMN;
      if (after > before) {
        const tall = Math.max(Math.min(Math.log2(1 + after - before) / full, 1) * height, 1.5).toFixed(1);
        path += `M${x} ${floor}v-${tall}h${COLUMN}v${tall}z`;
      }
      before = after;
      const oddAfter = indexAt(track.odd, last ? time + 1 : time);
      if (oddAfter > oddBefore) oddPath += `M${x} ${top}h${COLUMN}v3h-${COLUMN}z`;
      oddBefore = oddAfter;
    }
    const attributes = about ? { 'data-density': about.row, 'data-of': about.flow.number } : {};
    if (about) this.rect(parent, GUTTER, top, this.width, height, { class: 'density-back', ...attributes });
    if (path) this.nodes++, node('path', { d: path, class: `density ${style}`, ...attributes }, parent);
    if (oddPath) this.nodes++, node('path', { d: oddPath, class: 'density odd' }, parent);
  }

  // The pauses that are drawn short and can be seen.
  pauses() {
    return pauses(this.axis, this.view, this.width).map(([from, to]) => ({
      label: lasting(to - from), left: Math.max(this.x(from) + 3, GUTTER), right: Math.min(this.x(to) - 3, GUTTER + this.width),
    })).filter(({ left, right }) => right - left >= 8);
  }

  // What could not be seen.
  gaps(parent, height) {
    for (const gap of about.gaps.slice(0, 100)) {
      const x = this.x(gap.at_ns);
      if (x < GUTTER - 6 || x > GUTTER + this.width + 6) continue;
      const group = node('g', { class: 'gap' }, parent);
      this.rect(group, x - 4, TOP, 8, height - TOP, { class: 'missing strong' });
      node('title', {}, group).textContent = visible(`${words.gap}: ${gap.what}${gap.count ? ` × ${gap.count}` : ''}${gap.pid ? `, pid ${gap.pid}` : ''}. ${gap.detail}`);
    }
  }

  tick(parent, x, height) {
    if (x < GUTTER - 0.5) return;
    this.nodes++;
    node('line', { x1: x.toFixed(1), x2: x.toFixed(1), y1: TIMES + 5, y2: height, class: 'tick' }, parent);
  }

  // The axis, over whatever was scrolled below it.
  time(parent, marks) {
    this.rect(parent, 0, 0, GUTTER + this.width + 14, TOP, { class: 'axis-back' });
    for (const [time, label] of marks) {
      const x = this.x(time);
      if (x < GUTTER - 0.5) continue;
      this.tick(parent, x, TOP);
      this.text(parent, x.toFixed(1), TIMES, label, { class: 'time', 'text-anchor': x < GUTTER + 30 ? 'start' : 'middle' });
    }
    this.text(parent, 12, TIMES, marks.base ? `${clock(marks.base, 1)} +` : wallClock(0).slice(11, 19) + ' UTC', { class: 'time' });
    for (const { label, left, right } of this.breaks) {
      this.rect(parent, left, TIMES + 6, right - left, PAUSES - TIMES, { class: 'pause' });
      if (widthOf(label) < right - left + 16) this.text(parent, (left + right) / 2, PAUSES, label, { class: 'quiet halo small', 'text-anchor': 'middle' });
    }
  }

  // Lets some events stand out, with the ribbons between them: those of some bytes, where only these
  // are asked for.
  light(items, bytes = null) {
    this.lit = items;
    this.litBytes = bytes;
    this.svg.classList.toggle('some-lit', items.size > 0);
    for (const [item, group] of this.marks) group.classList.toggle('lit', items.has(item));
    for (const ribbon of this.svg.querySelectorAll('.ribbon')) {
      const { from, to, lo, hi } = ribbon.dataset;
      ribbon.classList.toggle('lit', items.has(+from) && items.has(+to) && (!bytes || lo < bytes[1] && hi > bytes[0]));
    }
  }
}

function largest(values) {
  return values.reduce((a, b) => Math.max(a, b), 0);
}

// The width of a label: every face the page may get is narrower than this.
function widthOf(text) {
  let width = 0;
  for (const c of text) width += c.codePointAt(0) > 0x2e80 ? 11.5 : 6.7;
  return width;
}

function clip(text, most) {
  const letters = [...text];
  return letters.length > most ? `${letters.slice(0, most - 1).join('')}…` : text;
}

// A label of a column: its beginning, which is what differs least, gives way.
function shorten(text, most) {
  const letters = [...text];
  return letters.length > most ? `${letters.slice(0, most - 1).join('')}…` : text;
}
