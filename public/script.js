// The pages read right without this. It fills in the address that they came from, says how they arrived, gives each group
// of commands a button that copies it, and makes tables of what programs print; and on the first page it shows the server
// at work, and has it work.
'use strict';

if (location.host) {
  for (const origin of document.querySelectorAll('.origin')) {
    origin.textContent = location.origin;
  }
  for (const host of document.querySelectorAll('.host')) {
    host.textContent = location.host;
  }
}

// Once the page is loaded, the browser knows how long the server took; unless it had the page already.
window.addEventListener('load', () => {
  const proof = document.getElementById('proof');
  const [page] = performance.getEntriesByType('navigation');
  if (!proof || !page || !page.nextHopProtocol || !page.requestStart) {
    return;
  }
  const milliseconds = page.responseEnd - page.requestStart;
  const time = milliseconds < 1 ? 'under a millisecond' : `${milliseconds.toFixed(1)} ms`;
  const protocol = page.nextHopProtocol.toUpperCase();
  proof.textContent = `From ${location.host} by ${protocol} in ${time}`;
});

// ---- the server at work ------------------------------------------------------------------------------------------------

const STATUS = '/.millpond/status.json';
const live = document.getElementById('live');
// Whether this browser is one that is shown it.
const watched = live && location.host ? isShown() : Promise.resolve(false);

async function isShown() {
  try {
    const answer = await fetch(STATUS, { method: 'HEAD', cache: 'no-store' });
    return answer.ok && answer.headers.get('Content-Type') === 'application/json';
  } catch {
    return false;
  }
}

watched.then((is) => {
  if (!is) {
    return;
  }
  const frame = document.createElement('iframe');
  frame.title = 'This server at work';
  frame.src = '/.millpond/';
  frame.addEventListener('load', () => fit(frame));
  const alone = document.createElement('figcaption');
  alone.innerHTML = '<span>Grey is what this picture itself asks for.</span> <a href="/.millpond/">The same alone, in full</a>';
  live.replaceChildren(frame, alone);
  live.classList.add('shown');
});

// As high as what it shows, so that there is one page to scroll and not two. It never gets lower at the same width, or the
// page would jump whenever there is less to be seen.
function fit(frame) {
  const page = frame.contentDocument;
  // The browser's own, about a server that is gone, is nobody's to look into.
  if (!page) {
    return;
  }
  let width = 0;
  new ResizeObserver(() => {
    if (width !== frame.clientWidth) {
      width = frame.clientWidth;
      frame.style.height = '0';
    }
    frame.style.height = `${Math.max(parseFloat(frame.style.height), page.documentElement.scrollHeight)}px`;
  }).observe(page.body);
}

for (const experiment of document.querySelectorAll('.experiment')) {
  const action = experiment.querySelector('.action');
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = experiment.dataset.label;
  const told = document.createElement('p');
  told.setAttribute('role', 'status');
  button.addEventListener('click', async () => {
    // Not disabled, which would take the focus away.
    if (button.getAttribute('aria-disabled') === 'true') {
      return;
    }
    button.setAttribute('aria-disabled', 'true');
    told.textContent = 'Under way …';
    try {
      told.textContent = await run(experiment.dataset);
    } catch (error) {
      told.textContent = error.told ?? 'The server did not answer.';
    }
    button.removeAttribute('aria-disabled');
  });
  if (location.host) {
    action.replaceChildren(button, told);
  }
}

// What came of an experiment, in words.
async function run({ requests, atOnce, slow }) {
  const before = await look();
  const done = slow ? await beside(slow, () => load(Number(requests), Number(atOnce))) : await load(Number(requests), Number(atOnce));
  const after = await look(before && before.totals.responses + Number(requests));
  const half = `half of them within ${done.median < 10 ? done.median.toFixed(1) : Math.round(done.median)} ms`;
  const words = [`${done.count} answers in ${done.seconds.toFixed(2)} s, ${half}.`];
  if (before && after) {
    const by = after.workers.map(({ responses }, index) => [index, responses - before.workers[index].responses]);
    const those = by.filter(([, count]) => count > 0).map(([index, count]) => `worker ${index} gave ${count}`);
    const all = by.reduce((sum, [, count]) => sum + count, 0);
    // Counted is what was sent whole, as the download is if browser and kernel have taken all of it by then.
    const download = slow && all > done.count ? ' (one is the download)' : '';
    words.push(`Of ${by.length} ${by.length === 1 ? 'worker' : 'workers'}, ${those.join(', ')}${download}.`);
    words.push(`Connections in the pond: ${after.pond.connections}.`);
  }
  return words.join(' ');
}

// Asks so often, and has so many under way at a time.
async function load(count, atOnce) {
  const waits = [];
  let left = count;
  const ask = async () => {
    while (left > 0) {
      left -= 1;
      const begun = performance.now();
      const answer = await fetch('hello.txt', { cache: 'no-store' });
      await answer.text();
      if (!answer.ok) {
        throw new Error(answer.statusText);
      }
      waits.push(performance.now() - begun);
    }
  };
  const begun = performance.now();
  await Promise.all(Array.from({ length: atOnce }, ask));
  const seconds = (performance.now() - begun) / 1000;
  waits.sort((one, other) => one - other);
  return { count, seconds, median: waits[count >> 1] };
}

// Does something while a download is read with pauses.
async function beside(path, something) {
  const [PAUSE_MS, FILLING_MS, LOOKING_MS] = [500, 3000, 4000];
  const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  const stop = new AbortController();
  const answer = await fetch(path, { cache: 'no-store', signal: stop.signal });
  if (!answer.ok) {
    stop.abort();
    throw Object.assign(new Error(answer.statusText), { told: `There is no ${path} yet: make it first.` });
  }
  const reader = answer.body.getReader();
  const read = async () => {
    while (!stop.signal.aborted && !(await reader.read()).done) {
      await pause(PAUSE_MS);
    }
  };
  // It ends with an error when it is broken off, as it is to be.
  const reading = read().catch(() => {});
  try {
    // Until browser and kernel have taken as much as they take for somebody who doesn't read.
    await pause(FILLING_MS);
    const done = await something();
    await pause(LOOKING_MS);
    return done;
  } finally {
    stop.abort();
    await reading;
  }
}

// What the server counts, if this browser is told; a response is counted a moment after it has come, and so waited for.
async function look(responses = 0) {
  if (!await watched) {
    return null;
  }
  for (let tries = 0; ; tries += 1) {
    const status = await (await fetch(STATUS, { cache: 'no-store' })).json();
    if (status.totals.responses >= responses || tries === 20) {
      return status;
    }
  }
}

// ---- what programs print -----------------------------------------------------------------------------------------------

// Three spaces and more are between two columns; within one there is never more than one.
for (const printed of document.querySelectorAll('.seen')) {
  const [heads, ...rows] = printed.textContent.split('\n').map((line) => line.split(/ {3,}/));
  const table = document.createElement('table');
  table.setAttribute('aria-label', printed.getAttribute('aria-label'));
  const put = (parent, name, role, text = '') => {
    const element = document.createElement(name);
    // A table stays one where the style sheet sets its rows as blocks.
    element.setAttribute('role', role);
    element.textContent = text;
    return parent.appendChild(element);
  };
  table.setAttribute('role', 'table');
  const head = put(put(table, 'thead', 'rowgroup'), 'tr', 'row');
  heads.forEach((name) => put(head, 'th', 'columnheader', name));
  const body = put(table, 'tbody', 'rowgroup');
  for (const cells of rows) {
    const row = put(body, 'tr', 'row');
    cells.forEach((text, at) => {
      const cell = at === 0 ? put(row, 'th', 'rowheader', text) : put(row, 'td', 'cell', text);
      cell.dataset.head = heads[at];
    });
  }
  const frame = document.createElement('div');
  frame.className = 'printed';
  frame.append(table);
  printed.replaceWith(frame);
  stack(frame, table);
}

// Where a table is too wide, it is set closer; and if that isn't enough, each of its rows becomes a block, in which each
// cell says what it is.
function stack(frame, table) {
  let width = 0;
  new ResizeObserver(() => {
    if (width === frame.clientWidth) {
      return;
    }
    width = frame.clientWidth;
    frame.classList.remove('close', 'stacked');
    const { paddingLeft, paddingRight } = getComputedStyle(frame);
    const room = width - parseFloat(paddingLeft) - parseFloat(paddingRight);
    frame.classList.toggle('close', table.offsetWidth > room);
    if (table.offsetWidth > room) {
      frame.classList.replace('close', 'stacked');
    }
  }).observe(frame);
}

// ---- commands ----------------------------------------------------------------------------------------------------------

// A line of a command is broken between its words, and within one only if it is longer than a line.
for (const command of document.querySelectorAll('.commands code')) {
  const pieces = [...command.childNodes];
  let word = null;
  command.replaceChildren();
  const put = (piece) => {
    if (!word) {
      word = document.createElement('span');
      word.className = 'word';
      command.append(word);
    }
    word.append(piece);
  };
  for (const piece of pieces) {
    const parts = piece.nodeType === Node.TEXT_NODE ? piece.data.split(/( +)/).filter(Boolean) : [piece];
    for (const part of parts) {
      if (typeof part === 'string' && part.startsWith(' ')) {
        word = null;
        command.append(part);
      } else {
        put(part);
      }
    }
  }
}

for (const commands of document.querySelectorAll('.commands')) {
  const lines = [...commands.querySelectorAll('code')];
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = 'Copy';
  button.setAttribute('aria-label', `Copy: ${lines[0].textContent}`);
  button.addEventListener('click', async () => {
    const copied = await copy(lines.map((line) => line.textContent).join('\n'));
    say(button, copied ? 'Copied' : 'Select it');
  });
  commands.prepend(button);
}

// The clipboard is only there for an address that the browser trusts: localhost is one, a neighbour's is not.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    const focused = document.activeElement;
    area.value = text;
    area.className = 'unseen';
    document.body.append(area);
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    focused.focus();
    return copied;
  }
}

function say(button, word) {
  const said = document.getElementById('said');
  button.textContent = word;
  said.textContent = word;
  setTimeout(() => {
    button.textContent = 'Copy';
    said.textContent = '';
  }, 2000);
}
