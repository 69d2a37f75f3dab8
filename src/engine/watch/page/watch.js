// Asks the server a few times a second what its threads have done, and draws it a moment later.
// Times are the server's, in nanoseconds since it began to write down; `shown` is the right edge of the lanes.
'use strict';

const POLL_MS = 250;
const SLOW_POLL_MS = 5000; // where nobody answers: another server may come, and the browser complains of every try
const KEPT_NS = 12e9; // a little more than the rings hold
const DELAY_NS = 600e6; // drawn so much later, so that what is drawn has been heard of
const FIRST_EVENTS = 4000; // of each lane, from before this page was opened
const byId = (id) => document.getElementById(id);
if (window.parent !== window) document.documentElement.classList.add('framed');
const isFramed = document.documentElement.classList.contains('framed');
const shownSpan = () => Number(byId('span').value) * 1e9;
const calm = matchMedia('(prefers-reduced-motion: reduce)');

// What a stretch of work came to: a colour of Okabe and Ito's, which people with any colour vision tell apart, a pattern
// besides, and in what colour to write on it.
const SORTS = {
  accept: ['#009e73', 'dots', 'accepts', '#000'],
  take: ['#8fb8d0', 'plain', 'takes a connection, reads', '#000'],
  answer: ['#0072b2', 'plain', 'answers', '#fff'],
  room: ['#d55e00', 'upright', 'stops: the client must take more', '#000'],
  head: ['#e69f00', 'slanted', 'stops: half a head', '#000'],
  turn: ['#cc79a7', 'level', 'stops: its share is used up', '#000'],
  close: ['#56b4e9', 'cross', 'closes', '#000'],
  observer: ['#8a8a8a', 'plain', 'tells this page', '#000'],
};
const NAMES = Object.keys(SORTS);

// The numbers above the picture, from two answers a second apart: a name, a text, over what, an explanation.
const second = () => '1 s';
const lately = (two) => `${whole(two.now.recent.over_seconds)} s`;
const NUMBERS = [
  ['requests/s', (two) => digits(per(two, (status) => status.totals.responses)), second, 'responses sent per second'],
  ['utilisation', (two) => `${Math.min(100, 100 * per(two, busy) / two.now.workers.length).toFixed(0)} %`, second, 'share of their time that workers are busy'],
  ['p50', (two) => time(two.now.recent.seconds.p50), lately, 'half of the responses took no longer, from when a worker took the request to the last byte'],
  ['p99', (two) => time(two.now.recent.seconds.p99), lately, 'the same of 99 in 100'],
  ['p99.9', (two) => time(two.now.recent.seconds.p99_9), lately, 'the same of 999 in 1000'],
  ['wait, p99', (two) => time(two.now.recent.wait_seconds.p99), lately, 'from the kernel\'s receipt of a request until a worker took it; 99 in 100 waited no longer'],
  ['L = λ·W', (two) => two.now.recent.responses_per_second > 0 ? digits(two.now.recent.in_service) : '–', (two) => `${lately(two)}, finished`, "Little's law: requests in service are requests per second times the mean time of one, as far as they are finished"],
  ['L, seen', (two) => digits(two.now.recent.seen), lately, 'requests in service, on the average of thousands of looks'],
];

const state = {
  next: null, lanes: [], polls: [], names: null,
  offset: null, // the server's clock less this one's
  paused: false, shownAt: 0, failed: 0, watchers: new Set(),
};
const last = () => state.polls.at(-1);
// Two tries, for a connection that was closed just then may have been the browser's last but one.
const isGone = () => state.failed > 1;
const isEnded = () => isGone() && last()?.state === 'draining';

// ---- what the server says --------------------------------------------------------------------------------------------

let [nextPoll, asks] = [0, false];
async function poll() {
  if (asks) return; // an event that is told twice would be heard twice
  clearTimeout(nextPoll);
  if (!document.hidden && !state.paused) {
    asks = true;
    try {
      const query = state.next ? `?since=${state.next.join(',')}` : '';
      const answer = await fetch(`status.json${query}`, { cache: 'no-store' });
      if (!answer.ok) throw new Error(String(answer.status));
      take(await answer.json());
      state.failed = 0;
    } catch (error) {
      state.failed += 1;
    }
    asks = false;
    say();
  }
  nextPoll = setTimeout(poll, state.failed < 3 ? POLL_MS : Math.min(SLOW_POLL_MS, POLL_MS * 2 ** state.failed));
}
document.addEventListener('visibilitychange', poll);

function take(status) {
  const offset = status.now - performance.now() * 1e6;
  // Another server has come in its place: its clock began later.
  if (last() && (status.now < last().now || (state.failed > 0 && offset < state.offset - 1e9))) return location.reload();
  state.offset = state.offset === null ? offset : Math.max(state.offset + (offset - state.offset) / 16, offset);
  state.names = status.names;
  if (!state.next) {
    state.lanes = status.lanes.map((lane) => ({ name: lane.name, stretches: [], gaps: [], before: null, open: null, cut: lane.next > FIRST_EVENTS }));
    state.next = status.lanes.map((lane) => Math.max(0, lane.next - FIRST_EVENTS));
  } else {
    status.lanes.forEach((told, index) => {
      const lane = state.lanes[index];
      if ((told.missed > 0 || lane.cut) && told.events.length) {
        lane.gaps.push({ begin: lane.before ?? 0, end: told.events[0][0] });
        lane.before = lane.open = null;
        lane.cut = false;
      }
      told.events.forEach((event) => hear(lane, event));
      state.next[index] = told.next;
      for (const list of [lane.stretches, lane.gaps]) list.splice(0, firstFrom(list, status.now - KEPT_NS));
    });
  }
  status.one_in = Math.max(...status.lanes.map((lane) => lane.one_in));
  delete status.lanes;
  state.polls.push(status);
  while (state.polls[0].now < status.now - KEPT_NS) state.polls.shift();
}

// The first that ends at a time or later; they are in order.
function firstFrom(list, at) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].end < at) low = middle + 1; else high = middle;
  }
  return low;
}

// One event: [time, connection, kind, value].
function hear(lane, [at, connection, kind, value]) {
  const what = state.names.kinds[kind];
  if (what === 'woke' || what === 'rests' || what === 'samples') lane.open = null;
  else {
    if (!lane.open || lane.open.connection !== connection) {
      lane.open = { begin: lane.before ?? at, end: at, connection, sort: 'take' };
      lane.stretches.push(lane.open);
    }
    lane.open.end = at;
    lane.open.sort = sortOf(lane.open.sort, what, value);
    if (what === 'observed') state.watchers.add(connection);
    // A browser that watches may ask for other things by the same connection.
    if (what === 'answered') state.watchers.delete(connection);
    if (state.watchers.has(connection)) lane.open.sort = 'observer';
    if (what === 'closed') state.watchers.delete(connection);
  }
  lane.before = at;
}

function sortOf(sort, what, value) {
  if (what === 'accepted') return 'accept';
  if (what === 'answered' || what === 'finished') return 'answer';
  if (what === 'parked') return { 1: 'head', 2: 'room', 3: 'turn' }[value] ?? sort;
  return what === 'closed' && sort === 'take' ? 'close' : sort;
}

// ---- numbers ---------------------------------------------------------------------------------------------------------

// The last answer by a time, and the one so many nanoseconds before it.
function between(at, span) {
  const now = state.polls.findLast((each) => each.now <= at) ?? state.polls[0];
  const before = state.polls.findLast((each) => each.now <= now.now - span) ?? state.polls[0];
  return { now, before, seconds: (now.now - before.now) / 1e9 };
}

const per = ({ now, before, seconds }, count) => (count(now) - count(before)) / seconds;
const busy = (status) => status.workers.reduce((sum, worker) => sum + worker.busy_seconds, 0);
const whole = (number) => Math.round(number).toLocaleString('en');
const short = (number) => number >= 1e4 ? `${whole(number / 1e3)} k` : whole(number);
const digits = (number) => number >= 100 ? whole(number) : number >= 10 ? number.toFixed(1) : number > 0 ? number.toFixed(2) : '0';
function time(seconds) {
  if (!(seconds > 0)) return '–';
  if (seconds < 1e-3) return `${digits(seconds * 1e6)} µs`;
  return seconds < 1 ? `${digits(seconds * 1e3)} ms` : `${digits(seconds)} s`;
}

function numbers(at) {
  const two = between(at, 1e9);
  const known = two.seconds > 0 && !isEnded();
  NUMBERS.forEach(([, text, over], index) => {
    const item = byId('numbers').children[index];
    if (known) item.querySelector('small').textContent = over(two);
    item.querySelector('dd').textContent = known ? text(two) : '–';
  });
  threads(known ? two : null);
  slowest(isEnded() ? null : two.now);
  byId('sampling').textContent = drawnOf(at);
}

// How much of what happened is in sight.
function drawnOf(end) {
  const begin = end - shownSpan();
  const oneIn = Math.max(1, ...state.polls.filter((each) => each.now >= begin && each.now <= end + POLL_MS * 1e6).map((each) => each.one_in));
  const holes = state.lanes.some((lane) => lane.gaps.some((gap) => gap.end > begin && gap.begin < end));
  if (oneIn > 1) return `Too much happens to write all of it down: one batch in ${oneIn} is drawn. The numbers count everything.`;
  return holes ? 'What is hatched was written over, or too much, before this page asked. The numbers count everything.' : 'Everything that happens is drawn.';
}

function table(id, rows) {
  const body = document.createElement('tbody');
  body.id = id;
  const heads = byId(id).parentNode.tHead.rows[0].cells;
  for (const texts of rows) {
    const row = body.insertRow();
    texts.forEach((text, index) => { const cell = row.insertCell(); cell.textContent = text; cell.className = heads[index].className; });
  }
  byId(id).replaceWith(body);
}

function threads(two) {
  const row = (name, its, was) => {
    const more = (key) => (its[key] - was[key]) / two.seconds;
    const percent = (key) => `${Math.min(100, 100 * more(key)).toFixed(0)} %`;
    const turns = name === 'accept' ? ['–', '–'] : [digits(more('turns')), more('batches') ? digits(more('turns') / more('batches')) : '–'];
    return [name, percent('busy_seconds'), ...turns, percent('processor_seconds'), `${short(more('voluntary_switches'))} / ${short(more('involuntary_switches'))}`];
  };
  table('threads', two ? [row('accept', two.now.accepting, two.before.accepting), ...two.now.workers.map((its, index) => row(`worker ${index}`, its, two.before.workers[index]))]
    : state.lanes.map((lane) => [lane.name, '–', '–', '–', '–', '–']));
}

const WHY = { 1: 'has sent half a head', 2: 'is read more slowly than sent', 3: 'its turn is due' };

function slowest(now) {
  const held = (now?.workers ?? []).map((worker, index) => [`worker ${index}`, worker.busy_since, 'is held up by a disk, or computes'])
    .filter(([, since]) => since !== null && now.now - since > 50e6);
  const parked = (now?.waits ?? []).map(([connection, what, since]) => [connection, since, WHY[what]]);
  const rows = [...held, ...parked].map(([who, since, why]) => [who, time((now.now - since) / 1e9), why]);
  table('slowest', rows.length ? rows : [['none waits', '', '']]);
}

function say() {
  const status = last();
  const label = byId('state');
  label.textContent = isEnded() ? 'ended' : isGone() ? 'not answering' : status?.state ?? 'connecting';
  label.className = isGone() ? 'bad' : status?.state === 'draining' ? 'leaving' : '';
  // What is said of a drain is of the moment that is drawn.
  const drawn = state.polls.length ? between(state.shownAt, 0).now : status;
  byId('told').textContent = told(drawn?.state === 'draining' ? drawn : status);
}

function told(status) {
  const many = (count, one, more) => `${whole(count)} ${count === 1 ? one : more}`;
  const finished = ({ drain }) => `${many(drain.finished, 'response', 'responses')} finished since the signal`;
  if (isEnded()) return `The server was draining, and has ended. Last heard: ${finished(last())}. As soon as there is another at this address, this page shows it.`;
  if (isGone()) return 'Nobody answers. What is shown is the last that was heard; this page goes on asking.';
  if (state.paused && status) return `Paused; shown is ${(Math.max(0, last().now - state.shownAt) / 1e9).toFixed(2)} s before the last news. Step with the buttons or the arrow keys.`;
  if (status?.state !== 'draining') return `Live: drawn ${DELAY_NS / 1e9} s after it happens.`;
  const left = `${many(status.pond.connections - status.pond.watching, 'connection is', 'connections are')} waited for, ${finished(status)}.`;
  return (status.drain.port_closed ? 'The port is closed. ' : 'Who comes is still let in. ') + left;
}

// ---- drawing ---------------------------------------------------------------------------------------------------------

// When nothing more is heard, time stands still: what is shown was so, and whether it is nobody knows.
function liveAt() {
  if (state.offset === null) return 0;
  const at = Math.min(state.offset + performance.now() * 1e6, last().now + DELAY_NS) - DELAY_NS;
  return calm.matches ? Math.floor(at / 500e6) * 500e6 : at;
}

let colours = {};
function lookAtColours() {
  const style = getComputedStyle(document.documentElement);
  colours = Object.fromEntries(['ground', 'text', 'soft', 'line', 'panel', 'water', 'accent', 'dot', 'watcher'].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}
const font = (size, weight = '') => `${weight} ${size}px system-ui, sans-serif`;

function fit(canvas, height) {
  const scale = devicePixelRatio || 1;
  const width = canvas.clientWidth;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const pen = canvas.getContext('2d');
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

const patterns = new Map();
function fill(pen, sort) {
  if (patterns.has(sort)) return patterns.get(sort);
  const [ground, pattern] = SORTS[sort];
  const tile = document.createElement('canvas');
  tile.width = tile.height = 8;
  const ink = tile.getContext('2d');
  ink.fillStyle = ground;
  ink.fillRect(0, 0, 8, 8);
  ink.strokeStyle = ink.fillStyle = '#000a';
  ink.lineWidth = 2;
  const line = (...points) => { ink.beginPath(); ink.moveTo(points[0], points[1]); ink.lineTo(points[2], points[3]); ink.stroke(); };
  if (pattern === 'upright') line(4, 0, 4, 8);
  if (pattern === 'level') line(0, 4, 8, 4);
  if (pattern === 'slanted' || pattern === 'cross') line(-1, 9, 9, -1);
  if (pattern === 'cross') line(-1, -1, 9, 9);
  if (pattern === 'dots') ink.fillRect(2, 2, 3, 3);
  patterns.set(sort, pen.createPattern(tile, 'repeat'));
  return patterns.get(sort);
}

// Turns too short to be seen are gathered in bins of a few pixels, each with its sorts by their shares of the time.
const BIN = 3;
let shares = new Float64Array(0);

function drawTurns(pen, lane, begin, span, [left, top, wide, high]) {
  const [end, binTime] = [begin + span, span * BIN / wide];
  const x = (at) => left + (at - begin) / span * wide;
  const firstBin = Math.floor(begin / binTime);
  const bins = Math.ceil(wide / BIN) + 2;
  if (shares.length < bins * NAMES.length) shares = new Float64Array(bins * NAMES.length);
  shares.fill(0);
  const blocks = [];
  for (let index = firstFrom(lane.stretches, begin); index < lane.stretches.length; index += 1) {
    const each = lane.stretches[index];
    if (each.begin > end) break;
    if (each.end - each.begin >= 2 * binTime) blocks.push(each);
    else shares[Math.max(0, Math.floor(each.begin / binTime) - firstBin) * NAMES.length + NAMES.indexOf(each.sort)] += Math.max(each.end - each.begin, 1);
  }
  for (let bin = 0; bin < bins; bin += 1) {
    const its = shares.subarray(bin * NAMES.length, (bin + 1) * NAMES.length);
    const sum = its.reduce((sum, share) => sum + share, 0);
    if (sum === 0) continue;
    const [from, to] = [Math.round(x((firstBin + bin) * binTime)), Math.round(x((firstBin + bin + 1) * binTime))];
    // What is rare is seen, too.
    const sorts = its.reduce((count, share) => count + (share > 0), 0);
    let at = top + high;
    for (let sort = 0; sort < NAMES.length; sort += 1) {
      if (its[sort] === 0) continue;
      const tall = 4 + (high - 4 * sorts) * its[sort] / sum;
      at -= tall;
      pen.fillStyle = SORTS[NAMES[sort]][0];
      pen.fillRect(from, Math.round(at), to - from, Math.round(at + tall) - Math.round(at));
    }
  }
  for (const each of blocks) {
    const [from, long] = [x(each.begin), x(each.end) - x(each.begin)];
    pen.fillStyle = fill(pen, each.sort);
    pen.fillRect(from, top, long, high);
    pen.lineWidth = 1;
    pen.strokeStyle = colours.panel;
    pen.strokeRect(from + .5, top + .5, long - 1, high - 1);
    const said = pen.measureText(each.connection).width + 8;
    const seen = Math.max(from, left);
    if (said + 8 > x(each.end) - seen || high < 20) continue;
    pen.fillStyle = SORTS[each.sort][0];
    pen.fillRect(seen + 4, top + high / 2 - 9, said, 18);
    pen.fillStyle = SORTS[each.sort][3];
    pen.fillText(each.connection, seen + 8, top + high / 2 + 5);
  }
  pen.fillStyle = colours.soft;
  for (const gap of lane.gaps) {
    if (gap.end < begin || gap.begin > end) continue;
    hatch(pen, Math.max(x(gap.begin), left), Math.min(x(gap.end), left + wide), top, high);
  }
}

function hatch(pen, from, to, top, high) {
  for (let at = from; at < to; at += 6) pen.fillRect(at, top, 1, high);
}

// How busy a thread was from one answer to the next, by its counts.
function drawBusy(pen, its, begin, span, [left, top, wide, high]) {
  pen.fillStyle = colours.soft;
  const x = (at) => Math.round(left + (at - begin) / span * wide);
  for (let index = 1; index < state.polls.length; index += 1) {
    const [before, now] = [state.polls[index - 1], state.polls[index]];
    if (now.now < begin || before.now > begin + span) continue;
    const share = Math.min(1, (its(now).busy_seconds - its(before).busy_seconds) * 1e9 / (now.now - before.now));
    pen.fillRect(x(before.now), top + high - share * high, x(now.now) - x(before.now), share * high);
  }
}

function drawLanes(end) {
  const narrow = byId('lanes').clientWidth < 600;
  const row = isFramed ? Math.max(20, Math.min(40, Math.floor(165 / state.lanes.length) - 6)) : state.lanes.length > 12 ? 28 : 52;
  const [label, above] = [narrow ? 0 : 84, narrow ? 22 : 0];
  const { pen, width, height } = fit(byId('lanes'), state.lanes.length * (row + above + 6) + 24);
  const span = shownSpan();
  const strip = row > 30 ? 10 : 5;
  pen.font = font(15);
  state.lanes.forEach((lane, index) => {
    const top = index * (row + above + 6) + above;
    pen.fillStyle = colours.text;
    pen.fillText(lane.name, 0, narrow ? top - 5 : top + (row - strip) / 2 + 5);
    pen.fillStyle = colours.line;
    pen.fillRect(label, top + row, width - label, 1);
    pen.save();
    pen.beginPath();
    pen.rect(label, top, width - label, row);
    pen.clip();
    drawTurns(pen, lane, end - span, span, [label, top, width - label, row - strip - 2]);
    drawBusy(pen, (status) => index === 0 ? status.accepting : status.workers[index - 1], end - span, span, [label, top + row - strip, width - label, strip]);
    pen.restore();
  });
  pen.fillStyle = colours.soft;
  const steps = narrow ? 1 : 5;
  for (let step = 0; step <= steps; step += 1) {
    const ago = span / 1e9 * (steps - step) / steps;
    const said = step < steps ? `−${ago < 1 ? `${+(ago * 1e3).toFixed(1)} ms` : `${+ago.toFixed(1)} s`}` : state.paused ? 'shown' : isGone() ? 'last heard' : 'now';
    pen.textAlign = step === 0 ? 'left' : step === steps ? 'right' : 'center';
    pen.fillText(said, label + (width - label) * step / steps, height - 5);
  }
  pen.textAlign = 'left';
}

// Dots in a box, one for each connection while there is room for them; those that watch are the last.
function dots(pen, count, watching, [left, top, wide, high], style, phase) {
  const size = 10;
  const columns = Math.max(1, Math.floor(wide / size));
  const room = columns * Math.max(1, Math.floor(high / size));
  const shown = count > room ? room - 1 : count;
  for (let index = 0; index < shown; index += 1) {
    const bob = calm.matches || state.paused ? 0 : Math.sin(phase + index * 1.7) * 1.1;
    pen.fillStyle = index < count - watching ? style : colours.watcher;
    pen.beginPath();
    pen.arc(left + (index % columns + .5) * size, top + (Math.floor(index / columns) + .5) * size + bob, 3.7, 0, 7);
    pen.fill();
  }
  if (shown < count) {
    pen.fillStyle = colours.text;
    pen.font = font(15, '600');
    pen.fillText('…', left + (shown % columns) * size - 1, top + (Math.floor(shown / columns) + .5) * size + 4);
  }
}

function box(pen, title, [count, watching], [left, top, wide, high], style, ground, phase) {
  pen.fillStyle = ground;
  pen.strokeStyle = colours.line;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.roundRect(left + .5, top + .5, wide - 1, high - 1, 8);
  pen.fill();
  pen.stroke();
  pen.fillStyle = colours.text;
  pen.font = font(15);
  const said = count === null ? '' : whole(count);
  // Where there is little height the count stands beside the title, else below it.
  const beside = high < 90;
  pen.font = font(beside ? 16 : 24, '600');
  const taken = beside && said ? pen.measureText(said).width + 8 : 0;
  if (beside) pen.fillText(said, left + wide - 10 - taken + 8, top + 19);
  pen.font = font(15);
  const lines = wrap(pen, title, wide - 20 - taken);
  lines.forEach((line, index) => pen.fillText(line, left + 10, top + 19 + index * 17, wide - 20 - taken));
  const below = top + 8 + lines.length * 17;
  if (count === null) return;
  pen.font = font(24, '600');
  if (!beside) pen.fillText(said, left + 10, below + 21, wide - 20);
  const ceiling = beside ? below : below + 29;
  dots(pen, count, watching, [left + 10, ceiling, wide - 20, top + high - 4 - ceiling], style, phase);
}

// A text in as many lines as it takes.
function wrap(pen, text, wide) {
  return text.split(' ').reduce((lines, word) => {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    return lines.length && pen.measureText(longer).width > wide ? [...lines, word] : [...lines.slice(0, -1), longer];
  }, []);
}

function wheel(pen, name, share, [cx, cy, radius], angle) {
  pen.strokeStyle = colours.accent;
  pen.lineWidth = radius > 24 ? 3 : 1.5;
  pen.beginPath();
  pen.arc(cx, cy, radius, 0, 7);
  for (let spoke = 0; spoke < 8; spoke += 1) {
    const turn = angle + spoke * Math.PI / 4;
    pen.moveTo(cx + Math.cos(turn) * radius * .72, cy + Math.sin(turn) * radius * .72);
    pen.lineTo(cx + Math.cos(turn) * radius * 1.18, cy + Math.sin(turn) * radius * 1.18);
  }
  pen.stroke();
  pen.fillStyle = colours.text;
  pen.textAlign = 'center';
  pen.font = font(radius > 24 ? 15 : 12);
  if (radius > 24) pen.fillText(`${(100 * share).toFixed(0)} %`, cx, cy + 5);
  pen.fillText(name, cx, cy + radius * 1.18 + (radius > 24 ? 17 : 12));
  pen.textAlign = 'left';
}

function arrow(pen, x, y, direction) {
  pen.fillStyle = colours.soft;
  pen.beginPath();
  if (direction === 'right') { pen.moveTo(x - 5, y - 8); pen.lineTo(x + 6, y); pen.lineTo(x - 5, y + 8); }
  else { pen.moveTo(x - 8, y - 5); pen.lineTo(x, y + 6); pen.lineTo(x + 8, y - 5); }
  pen.fill();
}

// What there is when a server has ended.
const nothing = (status) => ({ ...status, accept_queues: [], pond: Object.fromEntries(Object.entries(status.pond).map(([key, count]) => [key, key === 'limit' ? count : 0])) });

// So many wheels, as large as they can be, and with room for their numbers beside each other.
function arrange(count, wide, high) {
  const all = Array.from({ length: count }, (_, index) => {
    const [columns, rows] = [index + 1, Math.ceil(count / (index + 1))];
    const cell = [wide / columns, high / rows];
    return { columns, cell, radius: Math.max(5, Math.min(46, cell[0] / 3, (cell[1] - 26) / 2.5)) };
  });
  return all.reduce((best, each) => each.cell[0] >= 22 && each.radius >= best.radius ? each : best);
}

const angles = [];
function drawPlace(at, elapsed) {
  const { now: heard, before, seconds } = between(at, 1e9);
  const narrow = byId('place').clientWidth < 720;
  const { pen, width, height } = fit(byId('place'), narrow ? isFramed ? 350 : 592 : isFramed ? 150 : 290);
  if (!heard?.pond) return;
  const { pond, workers, accept_queues: queues, state: its } = isEnded() && !state.paused ? nothing(heard) : heard;
  const phase = performance.now() / 600;
  const sum = (key) => queues.reduce((sum, queue) => sum + queue[key], 0);
  const title = queues.length ? `accept queue, of ${whole(sum('limit'))}` : its === 'draining' ? 'the port is closed' : 'accept queue: not known';
  const gap = 26;
  const [high1, high2] = isFramed ? [46, 154] : [50, 306];
  const queue = narrow ? [0, 0, width, high1] : [0, 22, width * .17, height - 22];
  const lake = narrow ? [0, high1 + gap, width, high2] : [queue[2] + gap, 0, width * .53, height];
  const milltop = high1 + high2 + 2 * gap;
  const mill = narrow ? [0, milltop, width, height - milltop] : [lake[0] + lake[2] + gap, 0, width - lake[0] - lake[2] - gap, height];
  box(pen, title, [queues.length ? sum('length') : null, 0], queue, SORTS.accept[0], colours.panel, phase);
  if (narrow) { arrow(pen, width / 2, lake[1] - gap / 2 - 1, 'down'); arrow(pen, width / 2, milltop - gap / 2 - 1, 'down'); }
  else { arrow(pen, queue[2] + gap / 2, height / 2 + 10, 'right'); arrow(pen, mill[0] - gap / 2, height / 2 + 10, 'right'); }
  // Whoever has asked for this is with a worker.
  const watching = Math.min(pond.idle, Math.max(0, pond.watching - 1));
  const boxes = [
    [watching ? `idle, ${watching} watching` : 'idle', pond.idle, colours.dot, watching],
    ['half a head', pond.half_a_head, SORTS.head[0], 0], ['waiting to write', pond.waiting_to_write, SORTS.room[0], 0],
    [pond.lingering ? `turns due, ${pond.lingering} lingering` : 'turns due', pond.turns_due + pond.lingering, SORTS.turn[0], 0],
  ];
  const [wide, high] = [(lake[2] - 10) / 2, (lake[3] - 32) / 2];
  boxes.forEach(([name, count, style, grey], index) => box(pen, name, [count, grey],
    [lake[0] + (index % 2) * (wide + 10), lake[1] + 22 + Math.floor(index / 2) * (high + 10), wide, high], style, colours.water, phase));
  const asks = Math.min(1, pond.active);
  const connections = `connections: ${whole(pond.connections)} of ${whole(pond.limit)}`;
  const asking = `${connections} (1 asks for this page)`;
  const active = pond.active - asks;
  pen.fillStyle = colours.soft;
  pen.font = font(15);
  const heading = !asks ? connections : pen.measureText(asking).width < lake[2] ? asking : `${connections} (1 asks)`;
  pen.fillText(heading, lake[0], lake[1] + 14, lake[2]);
  pen.fillText(`with workers: ${whole(active)}`, mill[0], mill[1] + 14, mill[2]);
  const { columns, cell, radius } = arrange(workers.length, mill[2], mill[3] - 20);
  pen.font = font(radius > 24 ? 15 : 12);
  const plain = workers.length > 8 || pen.measureText('worker 0').width > cell[0] - 8;
  workers.forEach((worker, index) => {
    const share = isEnded() || !(seconds > 0) ? 0 : Math.min(1, (worker.busy_seconds - before.workers[index].busy_seconds) / seconds);
    angles[index] = (angles[index] ?? 0) + (calm.matches || state.paused ? 0 : share * elapsed * 5);
    const [cx, cy] = [mill[0] + (index % columns + .5) * cell[0], mill[1] + 20 + (Math.floor(index / columns) + .5) * cell[1] - 8];
    wheel(pen, cell[1] < 24 ? '' : plain ? `${index}` : `worker ${index}`, share, [cx, cy, radius], angles[index]);
  });
  const said = `${title}: ${sum('length')}; ${asks ? asking : connections}; ${boxes.map(([name, count]) => `${name} ${count}`).join('; ')}; with workers ${active}`;
  if (byId('place').getAttribute('aria-label') !== said) byId('place').setAttribute('aria-label', said);
}

let [drawn, told_at] = [performance.now(), 0];
function frame(at) {
  if (state.polls.length) {
    if (!state.paused) state.shownAt = liveAt();
    if (at - told_at > 200) { told_at = at; lookAtColours(); numbers(state.shownAt); say(); }
    drawPlace(state.shownAt, (at - drawn) / 1000);
    drawLanes(state.shownAt);
  }
  drawn = at;
  requestAnimationFrame(frame);
}

// ---- the reader's hands ----------------------------------------------------------------------------------------------

function pause(paused) {
  state.paused = paused;
  byId('pause').textContent = paused ? 'Go on' : 'Pause';
  byId('pause').setAttribute('aria-pressed', String(paused));
  say();
}

function step(direction) {
  if (!state.polls.length) return;
  pause(true);
  const span = shownSpan();
  state.shownAt = Math.min(last().now, Math.max(state.polls[0].now, state.shownAt + direction * span / 4));
  told_at = 0;
}

byId('pause').addEventListener('click', () => pause(!state.paused));
byId('back').addEventListener('click', () => step(-1));
byId('forward').addEventListener('click', () => step(1));
document.addEventListener('keydown', (event) => {
  if (['SELECT', 'BUTTON', 'A'].includes(event.target.tagName) && event.key === ' ') return;
  if (event.target.tagName === 'SELECT' || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === ' ') { pause(!state.paused); event.preventDefault(); }
  if (event.key === 'ArrowLeft') step(-1);
  if (event.key === 'ArrowRight') step(1);
});

for (const [name, , , hint] of NUMBERS) {
  const [item, term] = [document.createElement('div'), document.createElement('dt')];
  item.title = hint;
  term.append(`${name} `, document.createElement('small'));
  item.append(term, Object.assign(document.createElement('dd'), { textContent: '–' }));
  byId('numbers').append(item);
}

function explain(text, draw) {
  const [item, sample] = [document.createElement('li'), document.createElement('canvas')];
  [sample.width, sample.height] = [28, 16];
  draw(sample.getContext('2d'));
  item.append(sample, text);
  byId('legend').append(item);
}
for (const [sort, [, , text]] of Object.entries(SORTS)) explain(text, (pen) => { pen.fillStyle = fill(pen, sort); pen.fillRect(0, 0, 28, 16); });
explain('below: how busy it was', (pen) => { pen.fillStyle = '#808890'; pen.fillRect(0, 6, 10, 10); pen.fillRect(10, 12, 8, 4); pen.fillRect(18, 2, 10, 14); });
explain('not kept', (pen) => { pen.fillStyle = '#808890'; hatch(pen, 2, 28, 0, 16); });
requestAnimationFrame(frame);
poll();
