// Single events: calls as bars, packets as arrows, and what is written beside them. The picture is
// these, what lies between them (between.js), and the bands that hold both (draw.js).

// recv(2): MSG_PEEK, which takes nothing.
const PEEK = 2;

class Marks {
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
    const size = failed ? about.errnos[-events.result[item]] || '' : shape.row < 6 ? (shape.flags & PEEK ? 'PEEK ' : '') + counted(events.result[item]) : '';
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
}
