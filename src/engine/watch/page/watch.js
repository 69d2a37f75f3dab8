// Asks the server a few times a second what its threads have done, and draws it a moment later.
// Times are the server's, in nanoseconds since it began to write down; `shown` is the right edge of the lanes.
'use strict';

const POLL_MS = 250;
const KEPT_NS = 12e9; // a little more than the rings hold
const DELAY_NS = 650e6; // drawn so much later, so that what is drawn has been heard of
const byId = (id) => document.getElementById(id);
if (window.parent !== window) document.documentElement.classList.add('framed');
const calm = matchMedia('(prefers-reduced-motion: reduce)');

// What a stretch of work came to: a colour of Okabe and Ito's, which people with any colour vision tell apart, and a
// pattern besides.
const SORTS = {
  accept: ['#009e73', 'dots', 'accepts'],
  take: ['#8fb8d0', 'plain', 'takes a connection, reads'],
  answer: ['#0072b2', 'plain', 'answers'],
  room: ['#d55e00', 'upright', 'stops: the client must take more'],
  head: ['#e69f00', 'slanted', 'stops: half a head'],
  turn: ['#cc79a7', 'level', 'stops: its share is used up'],
  close: ['#56b4e9', 'cross', 'closes'],
  observer: ['#8a8a8a', 'plain', 'tells this page'],
};

const state = {
  next: null, lanes: [], polls: [], names: null,
  offset: null, // the server's clock less this one's
  paused: false, shownAt: 0, failed: 0, watchers: new Set(), connections: new Map(), sampling: 1, missed: 0,
};

// ---- what the server says --------------------------------------------------------------------------------------------

async function poll() {
  if (!document.hidden && !state.paused) {
    try {
      const query = state.next ? `?since=${state.next.join(',')}` : '';
      const answer = await fetch(`status.json${query}`, { cache: 'no-store' });
      if (!answer.ok) throw new Error(String(answer.status));
      take(await answer.json());
      state.failed = 0;
    } catch (error) {
      state.failed += 1;
    }
    say();
  }
  setTimeout(poll, state.failed > 4 ? 4 * POLL_MS : POLL_MS);
}

function take(status) {
  const last = state.polls.at(-1);
  if (last && status.now < last.now) return location.reload(); // another server has come in its place
  const offset = status.now - performance.now() * 1e6;
  state.offset = state.offset === null ? offset : Math.max(state.offset + (offset - state.offset) / 16, offset);
  state.names = status.names;
  if (!state.next) {
    state.lanes = status.lanes.map((lane) => ({ name: lane.name, stretches: [], busy: [], before: null, open: null, woke: null }));
    state.next = status.lanes.map((lane) => Math.max(0, lane.next - 4000));
  } else {
    status.lanes.forEach((lane, index) => {
      lane.events.forEach((event) => hear(state.lanes[index], event));
      state.missed += lane.missed;
      state.next[index] = lane.next;
      forget(state.lanes[index], status.now - KEPT_NS);
    });
  }
  delete status.lanes;
  state.polls.push(status);
  while (state.polls[0].now < status.now - KEPT_NS) state.polls.shift();
  reconcile(status);
}

function forget(lane, before) {
  const drop = (list) => { let count = 0; while (count < list.length && list[count].end < before) count += 1; list.splice(0, count); };
  drop(lane.stretches);
  drop(lane.busy);
}

// One event: [time, connection, kind, value].
function hear(lane, [at, connection, kind, value]) {
  const what = state.names.kinds[kind];
  if (what === 'woke') { lane.woke = at; lane.open = null; }
  else if (what === 'rests') { if (lane.woke !== null) lane.busy.push({ begin: lane.woke, end: at }); lane.woke = null; lane.open = null; }
  else if (what === 'samples') { state.sampling = value; lane.open = null; }
  else {
    if (!lane.open || lane.open.connection !== connection) {
      lane.open = { begin: lane.before ?? at, end: at, connection, sort: 'take' };
      lane.stretches.push(lane.open);
    }
    lane.open.end = at;
    follow(lane.open, connection, what, value, at);
  }
  lane.before = at;
}

function follow(stretch, connection, what, value, at) {
  const its = state.connections.get(connection) ?? { begun: null, why: '', last: at };
  its.last = at;
  const parkedFor = what === 'parked' ? ['request', 'head', 'room', 'turn', 'end'][value] : null;
  if (what === 'accepted') stretch.sort = 'accept';
  if (what === 'received' && its.begun === null) { [its.begun, its.longer, its.why] = [at, false, 'active']; }
  if (what === 'observed') state.watchers.add(connection);
  if (what === 'finished') { stretch.sort = 'answer'; its.begun = null; }
  // A browser that watches may ask for other things by the same connection.
  if (what === 'answered') { state.watchers.delete(connection); stretch.sort = 'answer'; }
  if (parkedFor === 'request' || parkedFor === 'end') its.begun = null;
  else if (parkedFor) {
    // Whose request was not heard of has waited for longer than is known.
    if (its.begun === null) [its.begun, its.longer] = [at, true];
    stretch.sort = parkedFor;
    its.why = parkedFor;
  }
  if (what === 'took' && its.begun !== null) its.why = its.why || 'active';
  if (what === 'closed') { if (stretch.sort === 'take') stretch.sort = 'close'; state.connections.delete(connection); state.watchers.delete(connection); }
  else state.connections.set(connection, its);
  if (state.watchers.has(connection)) stretch.sort = 'observer';
}

// What was left out of the rings may have ended a wait: there are no more of a kind than the pond has.
function reconcile(status) {
  if (!status.pond) return;
  const room = { head: status.pond.half_a_head, room: status.pond.waiting_to_write, turn: status.pond.turns_due + status.pond.active, active: status.pond.active };
  const waiting = [...state.connections].filter(([, its]) => its.begun !== null).sort((a, b) => b[1].last - a[1].last);
  for (const [connection, its] of waiting) {
    if (its.last > status.now - 500e6) continue; // the pond was counted a moment before or after
    if (room[its.why] > 0) room[its.why] -= 1; else state.connections.delete(connection);
  }
}

// ---- numbers ---------------------------------------------------------------------------------------------------------

// The last answer by a time, and the one so many nanoseconds before it.
function between(at, span) {
  const until = state.polls.filter((each) => each.now <= at);
  const now = until.at(-1) ?? state.polls[0];
  const before = until.findLast((each) => each.now <= now.now - span) ?? state.polls[0];
  return { now, before, seconds: (now.now - before.now) / 1e9 };
}

const digits = (number) => number >= 100 ? Math.round(number).toLocaleString('en') : number >= 10 ? number.toFixed(1) : number.toFixed(2);
function time(seconds) {
  if (!(seconds > 0)) return '–';
  if (seconds < 1e-3) return `${digits(seconds * 1e6)} µs`;
  return seconds < 1 ? `${digits(seconds * 1e3)} ms` : `${digits(seconds)} s`;
}

function numbers(at) {
  if (state.polls.length < 2) return;
  const { now, before, seconds } = between(at, 1e9);
  if (seconds > 0) {
    byId('rate').textContent = digits((now.totals.responses - before.totals.responses) / seconds);
    const busy = now.workers.reduce((sum, each, index) => sum + each.busy_seconds - before.workers[index].busy_seconds, 0);
    byId('utilisation').textContent = `${Math.min(100, 100 * busy / seconds / now.workers.length).toFixed(0)} %`;
    threads(now, before, seconds);
  }
  const last = now.recent.seconds;
  byId('p50').textContent = time(last.p50);
  byId('p99').textContent = time(last.p99);
  byId('p999').textContent = time(last.p99_9);
  byId('little').textContent = `${digits(now.recent.in_service)}, ${digits(now.recent.seen)}`;
}

function cells(row, texts) {
  texts.forEach((text, index) => {
    const cell = row.insertCell();
    cell.textContent = text;
    if (index > 0 && row.parentNode.id === 'threads') cell.className = 'number';
  });
}

function threads(now, before, seconds) {
  const body = document.createElement('tbody');
  body.id = 'threads';
  const row = (name, its, was) => {
    const per = (key) => (its[key] - was[key]) / seconds;
    const batches = its.batches - was.batches;
    cells(body.insertRow(), [name, `${Math.min(100, 100 * per('busy_seconds')).toFixed(0)} %`, digits(per('turns')),
      batches ? digits((its.turns - was.turns) / batches) : '–', `${(100 * per('processor_seconds')).toFixed(0)} %`,
      `${digits(per('voluntary_switches'))} / ${digits(per('involuntary_switches'))}`]);
  };
  row('accept', now.accepting, before.accepting);
  now.workers.forEach((its, index) => row(`worker ${index}`, its, before.workers[index]));
  byId('threads').replaceWith(body);
}

const WHY = { head: 'half a head: the rest has not come', room: 'the client takes no more of the response', turn: 'its turn is due', active: 'a worker has it' };

function slowest(now) {
  const waiting = [...state.connections].filter(([id, its]) => its.begun !== null && !state.watchers.has(id) && now - its.begun > 50e6);
  waiting.sort((a, b) => a[1].begun - b[1].begun);
  const body = document.createElement('tbody');
  body.id = 'slowest';
  for (const [connection, its] of waiting.slice(0, 6)) {
    const row = body.insertRow();
    cells(row, [connection, (its.longer ? 'over ' : '') + time((now - its.begun) / 1e9), WHY[its.why] ?? its.why]);
    row.cells[1].className = 'number';
  }
  if (!waiting.length) cells(body.insertRow(), ['none waits', '', '']);
  byId('slowest').replaceWith(body);
}

function say() {
  const status = state.polls.at(-1);
  const label = byId('state');
  const gone = state.failed > 2;
  label.textContent = gone ? 'not answering' : status ? status.state : 'connecting';
  label.classList.toggle('bad', gone || status?.state === 'draining');
  byId('sampling').textContent = state.sampling > 1
    ? `Too much happens to write all of it down: one batch in ${state.sampling} is drawn. The numbers count everything.`
    : 'Everything is drawn that happens.';
  const ago = state.paused && status ? (liveAt() - state.shownAt) / 1e9 : 0;
  byId('told').textContent = gone ? 'The server does not answer: it is gone, or drains with its port closed. What is shown is the last that was heard.'
    : state.paused ? `Paused, ${ago.toFixed(2)} s ago. Step with the buttons or the arrow keys.` : '';
}

// ---- drawing ---------------------------------------------------------------------------------------------------------

// When nothing more is heard, time stands still: what is shown was so, and whether it is nobody knows.
const liveAt = () => state.offset === null ? 0
  : Math.min(state.offset + performance.now() * 1e6, state.polls.at(-1).now + 1e9) - DELAY_NS;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

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

function drawLanes(end) {
  const lanes = state.lanes;
  const narrow = byId('lanes').clientWidth < 600;
  const [row, label] = [lanes.length > 12 ? 22 : 44, narrow ? 0 : 84];
  const above = narrow ? 16 : 0;
  const { pen, width, height } = fit(byId('lanes'), lanes.length * (row + above + 6) + 20);
  const span = Number(byId('span').value) * 1e9;
  const begin = end - span;
  const x = (at) => label + (at - begin) / span * (width - label);
  const [text, soft, line] = [colour('--text'), colour('--soft'), colour('--line')];
  pen.font = '13px system-ui, sans-serif';
  lanes.forEach((lane, index) => {
    const top = index * (row + above + 6) + above;
    pen.fillStyle = text;
    pen.fillText(lane.name, 0, narrow ? top - 4 : top + row / 2 + 4);
    pen.fillStyle = line;
    pen.fillRect(label, top + row - 1, width - label, 1);
    pen.save();
    pen.beginPath();
    pen.rect(label, top, width - label, row);
    pen.clip();
    pen.fillStyle = soft;
    for (const { begin: from, end: to } of lane.busy) if (to > begin && from < end) pen.fillRect(x(from), top + row - 5, Math.max(1, x(to) - x(from)), 4);
    for (const each of lane.stretches) {
      if (each.end < begin || each.begin > end) continue;
      const left = x(each.begin);
      const wide = Math.max(2, x(each.end) - left);
      pen.fillStyle = fill(pen, each.sort);
      pen.fillRect(left, top + 2, wide, row - 9);
      if (wide > 6) { pen.strokeStyle = colour('--panel'); pen.strokeRect(left + .5, top + 2.5, wide - 1, row - 10); }
      if (wide > 60 && row > 30) { pen.fillStyle = '#fff'; pen.fillText(each.connection, left + 5, top + row / 2 + 1, wide - 8); }
    }
    pen.restore();
  });
  pen.fillStyle = soft;
  for (let step = 0; step <= 5; step += narrow ? 5 : 1) {
    const said = step === 5 ? (state.paused ? 'shown' : 'now') : `−${digits(span / 1e9 * (5 - step) / 5)} s`;
    pen.textAlign = step === 0 ? 'left' : step === 5 ? 'right' : 'center';
    pen.fillText(said, label + (width - label) * step / 5, height - 4);
  }
  pen.textAlign = 'left';
}

// Dots in a box, one for each connection while there is room for them.
function dots(pen, count, [left, top, wide, high], style, phase) {
  const size = 9;
  const columns = Math.max(1, Math.floor(wide / size));
  const room = columns * Math.max(1, Math.floor(high / size));
  pen.fillStyle = style;
  for (let index = 0; index < Math.min(count, room); index += 1) {
    const bob = calm.matches ? 0 : Math.sin(phase + index * 1.7) * 1.2;
    pen.beginPath();
    pen.arc(left + (index % columns) * size + size / 2, top + Math.floor(index / columns) * size + size / 2 + bob, 3.3, 0, 7);
    pen.fill();
  }
}

function box(pen, title, count, [left, top, wide, high], style, ground, phase) {
  pen.fillStyle = ground;
  pen.beginPath();
  pen.roundRect(left, top, wide, high, 8);
  pen.fill();
  pen.fillStyle = colour('--text');
  pen.font = '600 20px system-ui, sans-serif';
  pen.fillText(count.toLocaleString('en'), left + 10, top + 25);
  const after = pen.measureText(count.toLocaleString('en')).width;
  pen.font = '13px system-ui, sans-serif';
  pen.fillText(title, left + 18 + after, top + 24, wide - after - 26);
  dots(pen, count, [left + 10, top + 36, wide - 20, high - 44], style, phase);
}

function wheel(pen, name, share, [cx, cy, radius], angle) {
  pen.strokeStyle = colour('--accent');
  pen.lineWidth = 3;
  pen.beginPath();
  pen.arc(cx, cy, radius, 0, 7);
  for (let spoke = 0; spoke < 8; spoke += 1) {
    const turn = angle + spoke * Math.PI / 4;
    pen.moveTo(cx + Math.cos(turn) * radius * .45, cy + Math.sin(turn) * radius * .45);
    pen.lineTo(cx + Math.cos(turn) * radius * 1.18, cy + Math.sin(turn) * radius * 1.18);
  }
  pen.stroke();
  pen.fillStyle = colour('--text');
  pen.textAlign = 'center';
  pen.font = '12px system-ui, sans-serif';
  pen.fillText(`${(100 * share).toFixed(0)} %`, cx, cy + 4);
  pen.fillText(name, cx, cy + radius * 1.18 + 15);
  pen.textAlign = 'left';
}

const angles = [];
function drawPlace(at, elapsed) {
  const { now } = between(at, 0);
  const narrow = byId('place').clientWidth < 600;
  const { pen, width, height } = fit(byId('place'), narrow ? 560 : 250);
  if (!now?.pond) return;
  const { pond, workers } = now;
  const [phase, water, plain] = [performance.now() / 600, colour('--water'), colour('--ground')];
  const queued = now.accept_queues.reduce((sum, queue) => sum + queue.length, 0);
  const limit = now.accept_queues.reduce((sum, queue) => sum + queue.limit, 0);
  const title = now.accept_queues.length ? `accept queue, of ${limit.toLocaleString('en')}` : 'accept queue: the kernel does not say';
  const gap = 10;
  const queue = narrow ? [0, 0, width, 80] : [0, 0, width * .19, height];
  const lake = narrow ? [0, 92, width, 300] : [width * .19 + gap, 0, width * .53, height];
  const mill = narrow ? [0, 404, width, height - 404] : [width * .72 + 2 * gap, 0, width * .28 - 2 * gap, height];
  box(pen, title, queued, queue, SORTS.accept[0], plain, phase);
  pen.fillStyle = colour('--soft');
  pen.font = '13px system-ui, sans-serif';
  pen.fillText(`pond: ${pond.connections.toLocaleString('en')} of ${pond.limit.toLocaleString('en')} connections`, lake[0], lake[1] + 13);
  const groups = [
    ['idle', pond.idle, '#0072b2'], ['half a head', pond.half_a_head, SORTS.head[0]],
    ['waiting to write', pond.waiting_to_write, SORTS.room[0]],
    [pond.lingering ? `turns due, ${pond.lingering} lingering` : 'turns due', pond.turns_due + pond.lingering, SORTS.turn[0]],
  ];
  const wide = (lake[2] - gap) / 2;
  const high = (lake[3] - 20 - gap) / 2;
  groups.forEach(([name, count, style], index) => box(pen, name, count,
    [lake[0] + (index % 2) * (wide + gap), lake[1] + 20 + Math.floor(index / 2) * (high + gap), wide, high], style, water, phase));
  pen.fillStyle = colour('--soft');
  pen.font = '13px system-ui, sans-serif';
  pen.fillText(`workers: ${Math.max(0, pond.active - 1)} connections active`, mill[0], mill[1] + 13, mill[2]);
  const columns = Math.ceil(Math.sqrt(workers.length * mill[2] / Math.max(1, mill[3] - 20)));
  const rows = Math.ceil(workers.length / columns);
  const cell = [mill[2] / columns, (mill[3] - 20) / rows];
  const radius = Math.max(5, Math.min(44, cell[0] / 3, (cell[1] - 22) / 2.5));
  workers.forEach((its, index) => {
    angles[index] = (angles[index] ?? 0) + (calm.matches || state.paused ? 0 : its.busy_share * elapsed * 5);
    const [cx, cy] = [mill[0] + (index % columns + .5) * cell[0], mill[1] + 20 + (Math.floor(index / columns) + .5) * cell[1] - 8];
    wheel(pen, workers.length > 16 ? `${index}` : `worker ${index}`, its.busy_share ?? 0, [cx, cy, radius], angles[index]);
  });
}

let [drawn, told] = [performance.now(), 0];
function frame(at) {
  const live = liveAt();
  if (!state.paused) state.shownAt = live;
  if (state.polls.length) {
    drawPlace(state.shownAt + DELAY_NS, (at - drawn) / 1000);
    drawLanes(state.shownAt);
    if (at - told > 200) { told = at; numbers(state.shownAt + DELAY_NS); if (!state.paused) slowest(live + DELAY_NS); say(); }
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
  pause(true);
  const span = Number(byId('span').value) * 1e9;
  const oldest = Math.min(...state.lanes.map((lane) => lane.stretches[0]?.begin ?? Infinity), liveAt());
  state.shownAt = Math.min(state.polls.at(-1)?.now ?? 0, Math.max(oldest + span / 4, state.shownAt + direction * span / 4));
  say();
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

for (const [sort, [, , text]] of Object.entries(SORTS)) {
  const item = document.createElement('li');
  const sample = document.createElement('canvas');
  sample.width = 28;
  sample.height = 16;
  const pen = sample.getContext('2d');
  pen.fillStyle = fill(pen, sort);
  pen.fillRect(0, 0, 28, 16);
  item.append(sample, text);
  byId('legend').append(item);
}
requestAnimationFrame(frame);
poll();
