// OpenClaw's Control UI as a user meets it: no prompt, a chat, and what is left in the browser.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { check, required, saw, signIn, withBrowser } from './driver.mjs';

const address = required('ADDRESS');

/** Everything that the page sends and gets, as text. */
const seen = [];

await withBrowser(async (context, page) => {
  watch(page);
  await page.goto(`${address}/`);
  await signIn(page);
  const composer = page.getByRole('textbox', { name: 'Chat composer' });
  await composer.waitFor({ timeout: 170_000 });
  check(page.url().startsWith(`${address}/`), `to be at the address, not ${page.url()}`);
  await picture(page, 'openclaw-connected');
  saw('the composer', { url: page.url() });

  saw('answer', { text: await chat(page, 'good morning', 0) });
  await picture(page, 'openclaw-chat');

  // Also without a first visit's help: what the browser has kept must do.
  await page.reload();
  await composer.waitFor();
  saw('answer after a reload', { text: await chat(page, 'still there', 1) });
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

/** Asks, and waits until the answer stands there, after so many others; its text. */
async function chat(page, text, others) {
  await page.getByRole('textbox', { name: 'Chat composer' }).fill(text);
  await page.locator('.chat-send-btn--send:enabled').click();
  // The stand-in repeats the last message, which is OpenClaw's own and not the user's.
  const answer = page.getByText(new RegExp(`Hello ${required('PERSON')}, `)).nth(others);
  try {
    await answer.waitFor({ timeout: 170_000 });
  } catch (error) {
    await picture(page, 'openclaw-failed');
    throw error;
  }
  return answer.innerText();
}

async function picture(page, name) {
  const folder = required('SCREENSHOTS');
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
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
