// From time to a place on the page and back. A place is a number from 0 to `total`; the window is a
// range of places.

// Time as it passed.
class TrueAxis {
  constructor(span) {
    this.total = Math.max(span, 1);
    this.least = 20;
  }

  place(time) { return time; }

  time(place) { return place; }
}

// Pauses shortened: between two moments at which something began or ended lies room that grows with
// the logarithm of the pause, so that microseconds and seconds can be seen side by side.
class ShortAxis {
  constructor(moments) {
    const sorted = Float64Array.from(moments).sort();
    let count = 0;
    for (let index = 0; index < sorted.length; index++) {
      if (index === 0 || sorted[index] > sorted[count - 1]) sorted[count++] = sorted[index];
    }
    this.times = sorted.subarray(0, count);
    this.places = new Float64Array(count);
    for (let index = 1; index < count; index++) {
      this.places[index] = this.places[index - 1] + 0.35 + Math.log10(1 + (this.times[index] - this.times[index - 1]) / 1000);
    }
    this.total = Math.max(this.places.at(-1) || 0, 1);
    this.least = Math.min(0.5, this.total);
  }

  place(time) { return between(time, this.times, this.places); }

  time(place) { return between(place, this.places, this.times); }
}

// Reads `value` among `from`, and gives what stands at the same spot of `to`.
function between(value, from, to) {
  if (from.length === 0) return 0;
  const above = Math.min(Math.max(lowerBound(from, value), 1), from.length - 1);
  if (above < 1) return to[0];
  const part = (value - from[above - 1]) / (from[above] - from[above - 1]);
  return to[above - 1] + Math.min(Math.max(part, 0), 1) * (to[above] - to[above - 1]);
}

// The first index whose value is not below `value`.
function lowerBound(array, value, low = 0, high = array.length) {
  while (low < high) {
    const middle = (low + high) >> 1;
    if (array[middle] < value) low = middle + 1; else high = middle;
  }
  return low;
}

// Where the window's times are marked: [time, label].
function ticks(axis, view, width) {
  return axis instanceof ShortAxis ? shortTicks(axis, view, width) : trueTicks(view, width);
}

function trueTicks(view, width) {
  const rough = (view.to - view.from) / Math.max(width / 110, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((it) => it >= rough);
  const steps = rough < 10e9 ? Math.max(step, 1) : [10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400].map((it) => it * 1e9).find((it) => it >= rough) || step;
  const first = Math.ceil(view.from / steps) * steps;
  const base = baseOf(view, steps);
  const marks = [];
  for (let time = first; time <= view.to && marks.length < 100; time += steps) {
    marks.push([time, base === 0 ? clock(time, steps) : `+${lasting(Math.round(time - base))}`]);
  }
  marks.base = base;
  return marks;
}

// What labels count from: the start, or, where all of them would share many digits, a round time
// before the window.
function baseOf(view, step) {
  if (view.from / step < 5000) return 0;
  const unit = 10 ** Math.ceil(Math.log10(view.to - view.from));
  return Math.floor(view.from / unit) * unit;
}

// A time since the start, as exact as the step between two marks.
function clock(time, step) {
  if (time >= 60e9) {
    const seconds = time / 1e9;
    const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60].map((it) => String(it).padStart(2, '0'));
    const digits = Math.max(0, Math.ceil(-Math.log10(step / 1e9)));
    return `${parts.join(':')}:${(seconds % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, '0')}`;
  }
  const [unit, name] = time >= 1e9 ? [1e9, 's'] : time >= 1e6 ? [1e6, 'ms'] : time >= 1e3 ? [1e3, 'µs'] : [1, 'ns'];
  const digits = Math.min(Math.max(0, Math.ceil(-Math.log10(step / unit) - 1e-9)), 9);
  return `${+(time / unit).toFixed(digits)} ${name}`;
}

function shortTicks(axis, view, width) {
  const marks = [];
  const room = 92 / width * (view.to - view.from);
  let next = view.from;
  for (let index = lowerBound(axis.places, view.from); index < axis.places.length; index = Math.max(index + 1, lowerBound(axis.places, next))) {
    const place = axis.places[index];
    if (place > view.to) break;
    // As exact as it must be to differ from the moments around it.
    const pause = Math.min(axis.times[index] - (axis.times[index - 1] ?? -Infinity), (axis.times[index + 1] ?? Infinity) - axis.times[index]);
    marks.push([axis.times[index], clock(axis.times[index], Math.max(pause / 2, 1))]);
    // A label at the left end begins at its mark; the others stand around theirs.
    next = place + room * (place - view.from < room / 3 ? 1.4 : 1);
  }
  return marks;
}

// Pauses of a shortened axis that are drawn much shorter than they were: [from, to] in time.
function pauses(axis, view, width) {
  const found = [];
  if (!(axis instanceof ShortAxis)) return found;
  const least = 26 / width * (view.to - view.from);
  const first = Math.max(lowerBound(axis.places, view.from), 1);
  for (let index = first; index < axis.places.length && axis.places[index - 1] < view.to && found.length < 60; index++) {
    const pause = axis.times[index] - axis.times[index - 1];
    if (pause >= 1e6 && axis.places[index] - axis.places[index - 1] > least) found.push([axis.times[index - 1], axis.times[index]]);
  }
  return found;
}
