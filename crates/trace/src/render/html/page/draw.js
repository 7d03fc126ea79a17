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

class Picture extends Between {
  constructor(svg, stage) {
    super();
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
