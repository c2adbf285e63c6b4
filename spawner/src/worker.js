// The service worker of every page of a workspace. It leads a page whose session is over to the login:
// a page that only tries its WebSocket again and again learns nothing from being refused.
addEventListener('install', () => skipWaiting());
addEventListener('activate', (event) => event.waitUntil(clients.claim()));

addEventListener('fetch', (event) => {
  const { clientId, request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || request.mode === 'navigate') return;
  if (origin !== location.origin || isOurs(pathname)) return;
  const answer = fetch(request);
  event.respondWith(answer);
  event.waitUntil(answer.then(({ status }) => status === 401 && lead(clientId)).catch(() => {}));
});

/** The workspace refuses some requests itself; only the spawner knows whether the session is over. */
async function lead(id) {
  const client = await clients.get(id);
  if (client?.frameType !== 'top-level') return;
  const { pathname, search } = new URL(client.url);
  if (isOurs(pathname)) return;
  const { status } = await fetch('/-/api/v1/me', { cache: 'no-store' });
  if (status !== 401) return;
  await client.navigate(`/-/login?next=${encodeURIComponent(pathname + search)}`);
}

function isOurs(path) {
  return path.startsWith('/-/');
}
