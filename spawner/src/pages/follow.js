// Follows the start on the server; without this script the page reloads itself.
const main = document.querySelector('main');
const { page, phase: rendered, held, reload } = main.dataset;

let source;
const ends = (phase) => phase === 'Stopping' || phase === 'Suspending';

function show({ phase, progress, message, reason }) {
  const text = document.getElementById('message');
  if (text.textContent !== message) text.textContent = message;
  text.classList.toggle('notice', Boolean(reason));
  document.getElementById('bar').value = progress;
  let before = true;
  for (const step of document.querySelectorAll('li')) {
    const now = step.dataset.phases.split(' ').includes(phase);
    before &&= !now;
    step.className = before ? 'done' : '';
    if (now) step.setAttribute('aria-current', 'step');
    else step.removeAttribute('aria-current');
  }
}

function follow({ data }) {
  const step = JSON.parse(data);
  const over = step.ready || step.failed;
  if (over) source.close();
  if (page === 'home') {
    if (step.phase !== rendered) location.reload();
  } else if (over || ends(step.phase) !== ends(rendered) || Boolean(step.held) !== (held !== undefined)) {
    // Ready: to the workspace. Failed, or somebody has to do something first: the server says what.
    location.reload();
  } else if (step.phase === 'Stopped' && rendered !== 'Stopped') {
    // Called off in another window.
    location.assign('/-/');
  } else {
    show(step);
  }
}

if (page === 'queue') {
  // Asking again keeps the place.
  setTimeout(() => location.reload(), reload * 1000);
} else {
  source = new EventSource('/-/api/v1/me/server/progress');
  source.onmessage = follow;
  // A lost connection is taken up again by itself; a refusal is not.
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000);
  };
}
