// What is said about one event: beside the pointer, and at length when it was chosen.

function hexOf(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    const hex = Array.from(row, (byte) => byte.toString(16).padStart(2, '0'));
    const text = Array.from(row, (byte) => byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '·').join('');
    lines.push(`${at.toString(16).padStart(4, '0')}  ${hex.slice(0, 8).join(' ').padEnd(23)}  ${hex.slice(8).join(' ').padEnd(23)}  ${text}`);
  }
  return lines.join('\n');
}

function factList(facts) {
  const list = element('dl');
  for (const [name, value] of facts) list.append(element('dt', { text: name }), element('dd', { text: value }));
  return list;
}

function headOf(flow, item) {
  const shape = shapeOf(item);
  const colour = slicesOf(flow, item)[0]?.colour || 'none';
  return element('p', { class: 'head' }, element('span', { class: `chip ${colour}`, 'aria-hidden': 'true' }), element('strong', { text: lineOf(flow, item) }),
    element('span', { class: 'quiet', text: flow.apart ? '' : `  #${flow.number}` }), element('span', { class: 'bad', text: isBad(shape) ? `  ${notes[shape.note]}` : '' }));
}

class Tip {
  constructor(element) {
    this.element = element;
  }

  show(flow, item, x, y) {
    const bytes = excerptOf(item);
    const parts = [headOf(flow, item), factList(factsOf(flow, item))];
    if (bytes.length) {
      parts.push(element('p', { class: 'payload', text: clip(textOf(bytes), 160) }));
      parts.push(element('pre', { text: hexOf(bytes.subarray(0, 48)) }));
      parts.push(element('p', { class: 'quiet', text: this.shown(item, bytes) }));
    }
    this.place(parts, x, y);
  }

  // How much of it is here.
  shown(item, bytes) {
    const whole = shapeOf(item).row < 6 ? events.len[item] : bytes.length;
    return whole > bytes.length ? `${words.shows}: ${counted(bytes.length)} / ${counted(whole)}` : '';
  }

  say(text, x, y) {
    this.place([element('p', { text })], x, y);
  }

  place(parts, x, y) {
    this.element.replaceChildren(...parts);
    this.element.hidden = false;
    const { width, height } = this.element.getBoundingClientRect();
    const left = x + 18 + width > innerWidth - 8 ? x - 18 - width : x + 18;
    const top = y + 14 + height > innerHeight - 8 ? y - 14 - height : y + 14;
    this.element.style.left = `${Math.max(left, 8)}px`;
    this.element.style.top = `${Math.max(Math.min(top, innerHeight - height - 8), 8)}px`;
  }

  hide() {
    this.element.hidden = true;
  }
}

function showDetails(flow, item, act) {
  const section = document.getElementById('details');
  section.hidden = false;
  section.dataset.item = item;
  document.getElementById('detail-facts').replaceChildren(headOf(flow, item), factList(factsOf(flow, item)));
  const bytes = excerptOf(item);
  const shown = act.tip.shown(item, bytes);
  const said = bytes.length ? [element('p', { class: 'payload', text: textOf(bytes) }), element('pre', { text: hexOf(bytes), tabindex: 0 }), element('p', { class: 'quiet', text: shown })] : [];
  document.getElementById('detail-bytes').replaceChildren(...said);
  const list = element('ul');
  for (const other of joinedTo(flow, item).slice(0, 200)) {
    const button = element('button', { type: 'button', text: `${clock(events.time[other], 1)}  ${lineOf(flow, other)}`, 'data-joined': other });
    button.addEventListener('click', () => act.choose(other, true));
    list.append(element('li', {}, button));
  }
  document.getElementById('detail-joined').replaceChildren(element('h3', { text: words.joined }), list.children.length ? list : element('p', { class: 'quiet', text: words.nothingJoined }));
}
