// Begins: reads the data, says who and what, draws.

// A session with no more events than this begins with its pauses shortened.
const FEW = 4000;

function start() {
  about = JSON.parse(document.getElementById('about').textContent);
  speak(about.lang);
  about.processByPid = new Map(about.processes.map((process) => [process.pid, process]));
  events = decode(about);
  sayHead();
  const picture = new Picture(document.getElementById('picture'), document.getElementById('stage'));
  const act = new Act(picture, new Overview(document.getElementById('overview'), picture), new Tip(document.getElementById('tip')));
  const few = about.flows.filter((flow) => !flow.apart).slice(0, 3);
  if (about.flows.length <= 3) for (const flow of few) flow.open = true; else if (few[0]) few[0].open = true;
  picture.flows = about.flows;
  picture.axis = new TrueAxis(about.span_ns);
  picture.view = { from: 0, to: picture.axis.total };
  listen(act);
  act.filter('');
  act.shorten(events.n <= FEW);
  act.fit();
  // For tests, and for whoever asks the console.
  window.sockeye = { about, events, picture, act };
  document.documentElement.dataset.ready = 'true';
}

function sayHead() {
  const { head } = about;
  const command = visible(head.command.join(' ') || head.verb);
  document.title = `sockeye · ${clip(command, 60)}`;
  document.getElementById('command').textContent = command;
  const flows = about.flows.filter((flow) => !flow.apart).length;
  const facts = [`${counted(about.items)} ${words.items(about.items)}`, `${counted(flows)} ${words.flowsOf(flows)}`, lasting(about.span_ns)];
  if (head.host) facts.push(`${words.recorded} ${visible(head.host)}`);
  facts.push(wallClock(0).slice(0, 19) + ' UTC');
  if (about.cost) facts.push(`${words.watching} ${counted(about.cost[0])} ${words.stops}, ${words.each} ${lasting(about.cost[1])}`);
  document.getElementById('facts').textContent = facts.join('  ·  ');
  const warnings = about.gaps.slice(0, 8).map((gap) => `${words.gap}: ${gap.what}${gap.count ? ` × ${counted(gap.count)}` : ''}`);
  if (about.gaps.length + about.more_gaps > 8) warnings.push(`+ ${about.gaps.length + about.more_gaps - 8} ${words.more}`);
  if (about.cut) warnings.push(words.cut);
  if (about.lost) warnings.push(`${counted(about.lost)} ${words.lost}`);
  document.getElementById('warnings').textContent = visible(warnings.join('  ·  '));
  const keys = element('dl');
  for (const [key, what] of words.keys) keys.append(element('dt', { text: key }), element('dd', { text: what }));
  document.getElementById('keys').replaceChildren(keys);
}

start();
