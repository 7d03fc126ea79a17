// What lies between the lanes, and what stands for many events: ribbons, buffers, densities.

class Between extends Marks {
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
        // What was lost on its way reached no reader.
        if (lane === ROW.READ && shapeOf(mark.item).note === LOST) continue;
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

  // The most that the buffers of an end held, and their size.
  fills(gauge, parent, y) {
    if (!gauge.time.length || this.shape.gap < 52) return;
    const lines = [[words.sendBuffer, gauge.mostSending, gauge.sendRoom], [words.readBuffer, gauge.mostUnread, gauge.readRoom]];
    lines.forEach(([name, most, room], index) => this.text(parent, 12, y + index * 14, `${name} ≤ ${sized(most)} / ${sized(room.at(-1))}`, { class: 'quiet small' }));
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
}

function largest(values) {
  return values.reduce((a, b) => Math.max(a, b), 0);
}
