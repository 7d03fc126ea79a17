// What can be done: with the pointer, the wheel, two fingers and the keyboard.

class Act {
  constructor(picture, overview, tip) {
    this.picture = picture;
    this.overview = overview;
    this.tip = tip;
    this.chosen = null;
    this.finding = -1;
    this.pointers = new Map();
    this.frames = [];
  }

  // Draws once a frame, however often it is asked.
  redraw(all = false) {
    this.dirty = this.dirty || all;
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      const began = performance.now();
      this.asked = 0;
      this.picture.draw();
      if (this.dirty) this.overview.draw(); else this.overview.move();
      this.dirty = false;
      const { view, axis } = this.picture;
      document.getElementById('window').textContent = lasting(axis.time(view.to) - axis.time(view.from));
      this.frames.push(performance.now() - began);
      if (this.frames.length > 500) this.frames.shift();
    });
  }

  look(from, to) {
    const { axis, view } = this.picture;
    const length = Math.min(Math.max(to - from, axis.least), axis.total);
    const middle = (from + to) / 2;
    view.from = Math.min(Math.max(middle - length / 2, 0), axis.total - length);
    view.to = view.from + length;
    this.redraw();
  }

  fit() { this.look(0, this.picture.axis.total); }

  zoom(factor, x = GUTTER + this.picture.width / 2) {
    const { view, width } = this.picture;
    const at = view.from + (x - GUTTER) / width * (view.to - view.from);
    const length = Math.min(Math.max((view.to - view.from) * factor, this.picture.axis.least), this.picture.axis.total);
    const part = (at - view.from) / (view.to - view.from);
    this.look(at - part * length, at + (1 - part) * length);
  }

  pan(pixels) {
    const { view, width } = this.picture;
    const by = pixels / width * (view.to - view.from);
    this.look(view.from + by, view.to + by);
  }

  // Shows a span of time with some room around it.
  lookAtTimes(from, to) {
    const { axis } = this.picture;
    const a = axis.place(from), b = axis.place(to);
    const room = Math.max((b - a) * 0.15, axis.least / 2, (axis instanceof TrueAxis ? 2000 : 0.3));
    this.look(a - room, b + room);
  }

  // Switches the axis, and keeps looking at the same times.
  shorten(on) {
    const { picture } = this;
    const from = picture.axis.time(picture.view.from), to = picture.axis.time(picture.view.to);
    const all = picture.view.from <= 0 && picture.view.to >= picture.axis.total;
    picture.axis = on ? new ShortAxis(momentsOf(picture.flows)) : new TrueAxis(about.span_ns);
    document.getElementById('shorten').setAttribute('aria-pressed', String(on));
    if (all) this.fit(); else this.look(picture.axis.place(from), picture.axis.place(to));
    this.redraw(true);
  }

  get isShort() { return this.picture.axis instanceof ShortAxis; }

  filter(text) {
    const { chosen, hits, lanes } = applyFilter(text);
    this.picture.flows = chosen;
    this.picture.hits = hits.size ? hits : null;
    // What a filter switched off comes back with the next one.
    if (lanes.length || this.filtered) this.lanes(lanes.length ? ['write', 'wire', 'read', 'life'].filter((lane) => !lanes.some((it) => lane.startsWith(it))) : []);
    this.filtered = lanes.length > 0;
    if (!chosen.some((flow) => flow.open) && chosen.length) chosen[0].open = true;
    document.getElementById('filter-count').textContent = hits.size ? `${counted(hits.size)} ${words.items(hits.size)}` : '';
    listFindings(chosen, this);
    listFlows(chosen, this);
    if (this.isShort) this.shorten(true);
    this.redraw(true);
  }

  lanes(hidden) {
    this.picture.hidden = new Set(hidden);
    for (const button of document.querySelectorAll('[data-lane]')) button.setAttribute('aria-pressed', String(!this.picture.hidden.has(button.dataset.lane)));
    this.redraw();
  }

  showFlow(flow) {
    const { picture } = this;
    flow.open = true;
    picture.layout();
    picture.stage.scrollTop = flow.top - TOP;
    if (flow.last > flow.first) this.lookAtTimes(events.time[flow.first], lastMoment(flow));
    this.mark('[data-show]', (it) => it.dataset.show === String(flow.number));
  }

  mark(selector, is) {
    for (const element of document.querySelectorAll(selector)) {
      if (is(element)) element.setAttribute('aria-current', 'true'); else element.removeAttribute('aria-current');
    }
  }

  showFinding(index) {
    const finding = about.findings[index];
    if (!finding) return;
    this.finding = index;
    this.mark('[data-finding]', (it) => it.dataset.finding === String(index));
    const flow = about.flows[finding.flow] || (finding.items.length ? flowOf(finding.items[0]) : null);
    if (flow) {
      if (!this.picture.flows.includes(flow)) { document.getElementById('filter').value = ''; this.filter(''); }
      flow.open = true;
      this.picture.layout();
      this.picture.stage.scrollTop = flow.top - TOP;
    }
    const items = new Set(finding.items);
    if (flow && finding.way !== null && flow.stream && finding.bytes[1] > finding.bytes[0]) {
      for (const lane of [0, 1, 2]) for (const item of touching(flow, finding.way * 3 + lane, ...finding.bytes, 100)) items.add(item);
    }
    const from = Math.min(...[...items].map((item) => events.time[item]), finding.at_ns);
    const to = Math.max(...[...items].map(endOf), finding.at_ns);
    this.lookAtTimes(from, to);
    this.kept = items;
    this.keptBytes = null;
    this.picture.light(items);
    document.getElementById('spoken').textContent = visible(finding.text);
  }

  hover(item, x, y) {
    const flow = flowOf(item);
    this.picture.light(new Set([item, ...joinedTo(flow, item)]), keyOf(flow, item));
    this.tip.show(flow, item, x, y);
  }

  leave() {
    this.tip.hide();
    this.picture.light(this.kept || new Set(), this.keptBytes);
  }

  // Keeps an event: its details stay open, and what is joined to it stays lit.
  choose(item, move = false) {
    const flow = flowOf(item);
    this.chosen = item;
    this.kept = new Set([item, ...joinedTo(flow, item)]);
    this.keptBytes = keyOf(flow, item);
    showDetails(flow, item, this);
    if (move) this.reveal(flow, item);
    this.picture.light(this.kept, this.keptBytes);
    this.redraw();
  }

  // Moves the window where an event is not in it.
  reveal(flow, item) {
    const { picture } = this;
    flow.open = true;
    const place = picture.axis.place(endOf(item));
    const { from, to } = picture.view;
    if (place < from || place > to) this.look(place - (to - from) / 2, place + (to - from) / 2);
    const total = picture.layout();
    if (total && (flow.top < picture.stage.scrollTop || flow.top + flow.height > picture.stage.scrollTop + picture.stage.clientHeight)) picture.stage.scrollTop = flow.top - TOP;
  }

  letGo() {
    this.chosen = null;
    this.kept = null;
    this.keptBytes = null;
    this.finding = -1;
    this.mark('[data-finding]', () => false);
    document.getElementById('details').hidden = true;
    this.leave();
    this.redraw();
  }

  // The event beside the chosen one: in its lane, or in the next lane at about the same time.
  step(along, across) {
    const flow = this.chosen === null ? this.picture.flows.find((it) => it.open) : flowOf(this.chosen);
    if (!flow) return;
    const tracks = tracksOf(flow);
    const order = [6, 5, 0, 1, 4, 3, 2, 7].filter((row) => tracks[row].items.length);
    if (!order.length) return;
    const { view, axis } = this.picture;
    let row = this.chosen === null ? order[0] : trackOf(shapeOf(this.chosen));
    if (row >= 8) row = row === 8 ? 1 : 4;
    if (across) row = order[Math.min(Math.max(order.indexOf(row) + across, 0), order.length - 1)];
    const { items } = tracks[row];
    const time = this.chosen === null ? axis.time(view.from) : events.time[this.chosen];
    const at = indexAt(items, time);
    const index = this.chosen !== null && !across ? items.indexOf(this.chosen) + along : at;
    const item = items[Math.min(Math.max(index, 0), items.length - 1)];
    this.choose(item, true);
    document.getElementById('spoken').textContent = [lineOf(flow, item), ...factsOf(flow, item).map((fact) => fact.join(': '))].join('. ');
  }
}

function lastMoment(flow) {
  return tracksOf(flow).reduce((latest, track) => Math.max(latest, track.ends.at(-1) ?? 0), 0);
}

// Every moment at which something of these flows began or ended.
function momentsOf(flows) {
  const count = flows.reduce((sum, flow) => sum + flow.last - flow.first, 0);
  const moments = new Float64Array(count * 2);
  let at = 0;
  for (const flow of flows) {
    for (let item = flow.first; item < flow.last; item++) {
      moments[at++] = events.time[item];
      moments[at++] = endOf(item);
    }
  }
  return moments;
}

function listen(act) {
  const { picture, overview } = act;
  const { stage, svg } = picture;
  listenPointer(act, stage);
  listenOverview(act, overview.svg);
  listenKeys(act, stage);
  stage.addEventListener('scroll', () => act.redraw());
  new ResizeObserver(() => act.redraw(true)).observe(stage);
  svg.addEventListener('pointermove', (event) => {
    if (act.pointers.size) return;
    const mark = event.target.closest?.('[data-item]');
    if (mark) return act.hover(+mark.dataset.item, event.clientX, event.clientY);
    const density = event.target.closest?.('[data-density]');
    act.leave();
    if (density) act.tip.say(countUnder(picture, density, event), event.clientX, event.clientY);
  });
  svg.addEventListener('pointerleave', () => act.leave());
  const click = (id, action) => document.getElementById(id).addEventListener('click', action);
  click('zoom-in', () => act.zoom(1 / 2));
  click('zoom-out', () => act.zoom(2));
  click('fit', () => act.fit());
  click('shorten', () => act.shorten(!act.isShort));
  click('close', () => act.letGo());
  click('help', () => toggleKeys());
  for (const button of document.querySelectorAll('[data-lane]')) {
    button.addEventListener('click', () => {
      const hidden = new Set(picture.hidden);
      if (!hidden.delete(button.dataset.lane)) hidden.add(button.dataset.lane);
      act.lanes(hidden);
    });
  }
  let waiting;
  document.getElementById('filter').addEventListener('input', (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => act.filter(event.target.value), 150);
  });
}

// How many events a column of a density stands for.
function countUnder(picture, density, event) {
  const x = event.clientX - picture.svg.getBoundingClientRect().left;
  const flow = about.flows.find((it) => String(it.number) === density.dataset.of);
  const { items } = tracksOf(flow)[density.dataset.density];
  const count = indexAt(items, picture.timeAt(x + COLUMN)) - indexAt(items, picture.timeAt(x - COLUMN));
  return words.many(counted(count));
}

function listenPointer(act, stage) {
  const { picture, pointers } = act;
  const inside = (event) => event.clientX - stage.getBoundingClientRect().left;
  let moved = 0;
  picture.svg.addEventListener('pointerdown', (event) => {
    if (event.button) return;
    pointers.set(event.pointerId, { x: inside(event), y: event.clientY });
    picture.svg.setPointerCapture(event.pointerId);
    act.pressed = event.target;
    moved = 0;
  });
  picture.svg.addEventListener('pointermove', (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = { x: inside(event), y: event.clientY };
    const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, it]) => it);
    if (others.length) {
      const [other] = others;
      act.zoom((Math.abs(before.x - other.x) + 1) / (Math.abs(now.x - other.x) + 1), (now.x + other.x) / 2);
    } else {
      moved += Math.abs(now.x - before.x) + Math.abs(now.y - before.y);
      if (moved > 3) {
        act.tip.hide();
        act.pan(before.x - now.x);
        stage.scrollTop += before.y - now.y;
      }
    }
    pointers.set(event.pointerId, now);
  });
  const up = (event) => {
    if (!pointers.delete(event.pointerId) || moved > 3 || event.type !== 'pointerup') return;
    const mark = act.pressed.closest?.('[data-item]');
    const fold = act.pressed.closest?.('[data-fold]');
    if (mark) return act.choose(+mark.dataset.item);
    if (!fold) return act.letGo();
    const flow = picture.flows.find((it) => String(it.number) === fold.dataset.fold);
    flow.open = !flow.open;
    act.redraw();
  };
  picture.svg.addEventListener('pointerup', up);
  picture.svg.addEventListener('pointercancel', up);
  stage.addEventListener('wheel', (event) => {
    const x = inside(event);
    // Over the names at the left the wheel scrolls, as it does in a list.
    if (x < GUTTER && !event.ctrlKey) return;
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : 1;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) return act.pan((event.deltaX || event.deltaY) * unit);
    act.zoom(Math.exp(Math.max(Math.min(event.deltaY * unit, 240), -240) * (event.ctrlKey ? 0.01 : 0.002)), x);
  }, { passive: false });
}

function listenOverview(act, svg) {
  const { overview, picture } = act;
  const x = (event) => event.clientX - svg.getBoundingClientRect().left;
  let grabbed = null, last = 0;
  const drag = (event) => {
    const { view } = picture;
    const place = overview.place(x(event));
    const by = place - last;
    last = place;
    if (grabbed === 'from') act.look(Math.min(place, view.to - picture.axis.least), view.to);
    else if (grabbed === 'to') act.look(view.from, Math.max(place, view.from + picture.axis.least));
    else act.look(view.from + by, view.to + by);
  };
  svg.addEventListener('pointerdown', (event) => {
    grabbed = overview.grab(x(event));
    last = overview.place(x(event));
    svg.setPointerCapture(event.pointerId);
    if (grabbed === 'outside') {
      const half = (picture.view.to - picture.view.from) / 2;
      act.look(last - half, last + half);
    }
  });
  svg.addEventListener('pointermove', (event) => {
    if (grabbed) return drag(event);
    svg.style.cursor = { from: 'ew-resize', to: 'ew-resize', inside: 'grab', outside: 'pointer' }[overview.grab(x(event))];
  });
  for (const type of ['pointerup', 'pointercancel']) svg.addEventListener(type, () => grabbed = null);
}

function toggleKeys(show = document.getElementById('keys').hidden) {
  document.getElementById('keys').hidden = !show;
  document.getElementById('help').setAttribute('aria-expanded', String(show));
}

function listenKeys(act, stage) {
  const filter = document.getElementById('filter');
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === filter) {
      if (event.key === 'Escape') { filter.value = ''; act.filter(''); filter.blur(); }
      return;
    }
    const onStage = event.target === stage || event.target === document.body;
    const action = keyAction(act, event, onStage, filter);
    if (!action) return;
    event.preventDefault();
    action();
  });
}

function keyAction(act, event, onStage, filter) {
  const anywhere = {
    '+': () => act.zoom(1 / 1.6), '=': () => act.zoom(1 / 1.6), '-': () => act.zoom(1.6), 0: () => act.fit(),
    p: () => act.shorten(!act.isShort), '/': () => filter.focus(), '?': () => toggleKeys(),
    n: () => act.showFinding((act.finding + 1) % Math.max(about.findings.length, 1)),
    N: () => act.showFinding((act.finding + about.findings.length - 1) % Math.max(about.findings.length, 1)),
    Escape: () => { toggleKeys(false); act.letGo(); },
  }[event.key];
  if (anywhere || !onStage) return anywhere;
  const { width } = act.picture;
  return {
    ArrowLeft: () => event.shiftKey ? act.pan(-width / 4) : act.step(-1, 0),
    ArrowRight: () => event.shiftKey ? act.pan(width / 4) : act.step(1, 0),
    ArrowUp: () => act.step(0, -1), ArrowDown: () => act.step(0, 1),
    PageUp: () => { act.picture.stage.scrollTop -= act.picture.stage.clientHeight / 2; },
    PageDown: () => { act.picture.stage.scrollTop += act.picture.stage.clientHeight / 2; },
    Home: () => act.pan(-Infinity), End: () => act.pan(Infinity),
    Enter: () => { if (act.chosen !== null) act.choose(act.chosen, true); },
  }[event.key];
}
