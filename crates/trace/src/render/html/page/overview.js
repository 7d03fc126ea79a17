// All of the recording in one strip, and the part of it that the stage shows.

const STRIP = { height: 58, pad: 6 };

class Overview {
  constructor(svg, picture) {
    this.svg = svg;
    this.picture = picture;
  }

  get left() { return GUTTER; }

  get width() { return this.picture.width; }

  place(x) { return Math.min(Math.max((x - this.left) / this.width, 0), 1) * this.picture.axis.total; }

  x(place) { return this.left + place / this.picture.axis.total * this.width; }

  // Counts everything once for each change of the flows, the axis or the width.
  count() {
    const columns = Math.max(Math.floor(this.width / 2), 1);
    const counts = [0, 1, 2].map(() => new Uint32Array(columns));
    const odd = new Uint8Array(columns);
    const { axis, flows } = this.picture;
    const strip = [0, 1, 2, 2, 1, 0];
    for (const flow of flows) {
      for (let item = flow.first; item < flow.last; item++) {
        const shape = shapeOf(item);
        const column = Math.min(Math.floor(axis.place(events.time[item]) / axis.total * columns), columns - 1);
        const lane = shape.row === ROW.PACKET ? 1 : shape.row === ROW.CALL ? shape.end * 2 : strip[shape.row];
        counts[lane][column]++;
        if (isOdd(item, shape)) odd[column] = 1;
      }
    }
    this.counts = counts;
    this.odd = odd;
  }

  draw() {
    this.count();
    const { svg } = this;
    svg.setAttribute('width', this.picture.stage.clientWidth);
    svg.setAttribute('height', STRIP.height);
    svg.replaceChildren();
    node('rect', { x: this.left, y: 0, width: this.width, height: STRIP.height, class: 'overview-back', rx: 4 }, svg);
    const room = (STRIP.height - 2 * STRIP.pad) / 3;
    const most = Math.log2(1 + this.counts.reduce((all, lane) => lane.reduce((a, b) => Math.max(a, b), all), 1));
    this.counts.forEach((lane, index) => {
      let path = '';
      const floor = STRIP.pad + room * (index + 1) - 1;
      const step = this.width / lane.length;
      lane.forEach((count, column) => {
        if (count) path += `M${(this.left + column * step).toFixed(1)} ${floor.toFixed(1)}v-${Math.max(Math.log2(1 + count) / most * (room - 2), 2).toFixed(1)}h${step.toFixed(2)}V${floor.toFixed(1)}z`;
      });
      node('path', { d: path, class: `density d${index}` }, svg);
    });
    let path = '';
    this.odd.forEach((is, column) => { if (is) path += `M${(this.left + column * this.width / this.odd.length).toFixed(1)} 1h2v3h-2z`; });
    node('path', { d: path, class: 'density odd' }, svg);
    this.shades = [node('rect', { y: 0, height: STRIP.height, class: 'shade' }, svg), node('rect', { y: 0, height: STRIP.height, class: 'shade' }, svg)];
    this.frame = node('rect', { y: 0.75, height: STRIP.height - 1.5, class: 'view-frame', rx: 3 }, svg);
    this.grips = [0, 1].map(() => node('rect', { y: STRIP.height / 2 - 9, height: 18, width: 5, rx: 2.5, class: 'grip' }, svg));
    this.move();
  }

  // Puts the window where the stage looks.
  move() {
    const { view } = this.picture;
    const from = this.x(view.from), to = Math.max(this.x(view.to), from + 3);
    const set = (element, values) => { for (const key in values) element.setAttribute(key, values[key]); };
    set(this.shades[0], { x: this.left, width: Math.max(from - this.left, 0) });
    set(this.shades[1], { x: to, width: Math.max(this.left + this.width - to, 0) });
    set(this.frame, { x: from, width: to - from });
    const room = to - from > 16 ? 'visible' : 'hidden';
    set(this.grips[0], { x: from - 2.5, visibility: room });
    set(this.grips[1], { x: to - 2.5, visibility: room });
  }

  // What is under the pointer: an edge of the window, its inside, or neither.
  grab(x) {
    const { view } = this.picture;
    const from = this.x(view.from), to = this.x(view.to);
    if (Math.abs(x - from) < 6) return 'from';
    if (Math.abs(x - to) < 6) return 'to';
    return x > from && x < to ? 'inside' : 'outside';
  }
}
