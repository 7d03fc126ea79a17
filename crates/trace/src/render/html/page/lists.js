// The lists at the side: what was found, the flows, and what the filter leaves of them.

// Flows that the list shows at once; the filter finds the others.
const LISTED = 500;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const key in attributes) {
    if (key === 'text') made.textContent = attributes[key]; else made.setAttribute(key, attributes[key]);
  }
  made.append(...children);
  return made;
}

function listFindings(chosen, act) {
  const list = document.getElementById('findings');
  list.replaceChildren();
  const seen = new Set(chosen);
  about.findings.forEach((finding, index) => {
    if (finding.flow !== null && !seen.has(about.flows[finding.flow])) return;
    const flow = finding.flow === null ? '' : `#${about.flows[finding.flow]?.number ?? ''}`;
    const button = element('button', { type: 'button', class: `finding weight-${finding.weight}`, 'data-finding': index },
      element('span', { class: 'sign', 'aria-hidden': 'true', text: ['i', '!', '✕'][finding.weight] }),
      element('span', { class: 'name', title: finding.name, text: finding.label }),
      element('span', { class: 'quiet', text: [flow, finding.count > 1 ? words.times(counted(finding.count)) : ''].filter(Boolean).join(' · ') }),
      element('span', { class: 'sentence', text: visible(finding.text) }));
    button.addEventListener('click', () => act.showFinding(index));
    list.append(element('li', {}, button));
  });
  document.getElementById('finding-count').textContent = list.children.length + (about.more_findings ? ` + ${counted(about.more_findings)}` : '');
  if (!list.children.length) list.append(element('li', { class: 'quiet', text: words.none }));
}

function listFlows(chosen, act) {
  const list = document.getElementById('flows');
  list.replaceChildren();
  for (const flow of chosen.slice(0, LISTED)) {
    const ends = flow.apart ? [] : [0, 1].map((end) => whoIs(flow, end).programs || '·');
    const button = element('button', { type: 'button', class: 'flow', 'data-show': flow.number },
      element('span', { class: 'name', text: flow.apart ? '' : `${flow.number}` }),
      element('span', { class: 'where', text: titleOf(flow) }),
      element('span', { class: 'quiet who', text: ends.join(' → ') }),
      element('span', { class: 'quiet', text: `${counted(flow.last - flow.first)} ${words.items(flow.last - flow.first)}` }));
    button.addEventListener('click', () => act.showFlow(flow));
    list.append(element('li', {}, button));
  }
  if (chosen.length > LISTED) list.append(element('li', { class: 'quiet', text: `+ ${counted(chosen.length - LISTED)} ${words.more}` }));
  const all = about.flows.length;
  document.getElementById('flow-count').textContent = chosen.length === all ? counted(all) : `${counted(chosen.length)} / ${counted(all)}`;
}

// What a filter asks for: words with a name (`port:80`) and words without.
function parseFilter(text) {
  return text.trim().split(/\s+/).filter(Boolean).map((word) => {
    const [, name, value] = /^(port|pid|program|finding|flow|text|lane):(.*)$/.exec(word) || [null, '', word];
    return { name, value: value.toLowerCase() };
  });
}

// The flows that pass a filter, and the events whose bytes or arguments it names.
function applyFilter(text) {
  const wanted = parseFilter(text).filter((it) => it.value && it.name !== 'lane');
  const lanes = parseFilter(text).filter((it) => it.name === 'lane' && it.value).map((it) => it.value);
  const hits = new Set();
  const chosen = about.flows.filter((flow) => wanted.every((it) => passes(flow, it, hits)));
  return { chosen, hits, lanes };
}

function passes(flow, { name, value }, hits) {
  const sides = flow.ends.flatMap((end) => end.sides.map((index) => about.sides[index]));
  const found = () => about.findings.some((it) => about.flows[it.flow] === flow && (it.name.includes(value) || it.label.includes(value)));
  const runs = () => sides.some((side) => programOf(side).toLowerCase().includes(value));
  switch (name) {
    case 'port': return flow.ends.some((end) => end.address.endsWith(`:${value}`));
    case 'pid': return sides.some((side) => String(side.pid) === value);
    case 'flow': return String(flow.number) === value;
    case 'program': return runs();
    case 'finding': return found();
    case 'text': return holds(flow, value, hits);
    default: {
      // Both are asked, so that what holds the word is marked.
      const held = holds(flow, value, hits);
      return held || titleOf(flow).toLowerCase().includes(value) || runs() || found();
    }
  }
}

const lower = (byte) => byte >= 65 && byte <= 90 ? byte + 32 : byte;

// Whether bytes or arguments of a flow's events hold a text; those that do are put into `hits`.
function holds(flow, text, hits) {
  const needle = new TextEncoder().encode(text);
  const texts = flow.last > flow.first ? events.texts.map((it) => it.toLowerCase().includes(text)) : [];
  let any = false;
  for (let item = flow.first; item < flow.last; item++) {
    if (!texts[events.text[item]] && !find(item, needle)) continue;
    any = true;
    hits.add(item);
  }
  return any;
}

function find(item, needle) {
  const { bytes } = events;
  const from = events.excerptAt[item], last = from + events.excerptLen[item] - needle.length;
  for (let at = from; at <= last; at++) {
    if (lower(bytes[at]) !== needle[0]) continue;
    let same = 1;
    while (same < needle.length && lower(bytes[at + same]) === needle[same]) same++;
    if (same === needle.length) return true;
  }
  return false;
}
