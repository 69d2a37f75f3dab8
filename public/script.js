// The page reads right without this. It fills in the address that the page came from, says how the page arrived, and
// gives each group of commands a button that copies it.
'use strict';

if (location.host) {
  for (const origin of document.querySelectorAll('.origin')) {
    origin.textContent = location.origin;
  }
  for (const host of document.querySelectorAll('.host')) {
    host.textContent = location.host;
  }
}

// Once the page is loaded, the browser knows how long the server took.
window.addEventListener('load', () => {
  const [page] = performance.getEntriesByType('navigation');
  if (!page || !page.nextHopProtocol || !page.requestStart) {
    return;
  }
  const milliseconds = page.responseEnd - page.requestStart;
  const time = milliseconds < 1 ? 'under a millisecond' : `${milliseconds.toFixed(1)} ms`;
  const protocol = page.nextHopProtocol.toUpperCase();
  document.getElementById('proof').textContent = `From ${location.host} by ${protocol} in ${time}`;
});

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
