// OpenClaw's Control UI as a user meets it: no prompt, a chat, and what is left in the browser.
import { writeFileSync } from 'node:fs';
import { chat, opened, picture } from './control-ui.mjs';
import { check, required, saw, signIn, withBrowser } from './driver.mjs';

const address = required('ADDRESS');

/** Everything that the page sends and gets, as text. */
const seen = [];

await withBrowser(async (context, page) => {
  watch(page);
  await page.goto(`${address}/`);
  await signIn(page);
  await opened(page);
  check(page.url().startsWith(`${address}/`), `to be at the address, not ${page.url()}`);
  await picture(page, 'openclaw-connected');
  saw('the composer', { url: page.url() });

  saw('answer', { text: await chat(page, 'good morning') });
  await picture(page, 'openclaw-chat');

  // Also without a first visit's help: what the browser has kept must do.
  await page.reload();
  await opened(page);
  saw('answer after a reload', { text: await chat(page, 'still there') });
  check(seen.some((line) => line.startsWith('frame sent')), 'frames of a WebSocket');
  await keep(context, page);

  // The page itself only tries its WebSocket again. What leads it away is the worker that it registered.
  await page.evaluate(() => navigator.serviceWorker.ready);
  await signOutIn(await context.newPage());
  await page.locator('#username').waitFor();
  await picture(page, 'openclaw-signed-out');
  saw('the login', { url: page.url() });
});

/** Signs out in another tab. */
async function signOutIn(tab) {
  await tab.goto(`${address}/-/`);
  await tab.getByRole('button', { name: 'Sign out' }).click();
  await tab.waitForURL(`${address}/-/signed-out`);
}

function watch(page) {
  page.on('request', (request) => {
    seen.push(`request ${request.method()} ${request.url()} ${JSON.stringify(request.headers())} ${request.postData() ?? ''}`);
  });
  page.on('response', (response) => {
    seen.push(`response ${response.url()} ${JSON.stringify(response.headers())}`);
  });
  page.on('console', (message) => seen.push(`console ${message.text()}`));
  page.on('websocket', (socket) => {
    seen.push(`websocket ${socket.url()}`);
    socket.on('framesent', ({ payload }) => seen.push(`frame sent ${payload}`));
    socket.on('framereceived', ({ payload }) => seen.push(`frame received ${payload}`));
  });
}

/** Writes down what was seen, and what the browser still has. */
async function keep(context, page) {
  const has = await page.evaluate(async () => ({
    url: location.href,
    referrer: document.referrer,
    history: history.state,
    local: { ...localStorage },
    session: { ...sessionStorage },
    databases: (await indexedDB.databases()).map(({ name }) => name),
    page: document.documentElement.outerHTML,
  }));
  seen.push(JSON.stringify(has), JSON.stringify(await context.cookies()));
  writeFileSync(required('SEEN'), seen.join('\n'));
}
