// From the address to a chat and out again, as a user goes it.
import { check, heading, pictures, required, saw, signIn, withBrowser } from './driver.mjs';

const address = required('ADDRESS');
const PROGRESS = '**/-/api/v1/me/server/progress';

await withBrowser(async (context, page) => {
  // The page must not go on while its picture is taken.
  await page.route(PROGRESS, () => {});

  await page.goto(`${address}/?from=bookmark`);
  check(!page.url().startsWith(address), `the identity provider, not ${page.url()}`);
  await signIn(page);
  await heading(page, 'Starting your workspace');
  check(page.url() === `${address}/?from=bookmark`, `to be where the user wanted to be, not ${page.url()}`);
  await pictures(page, 'progress');
  // Lets the held request go; from here on the page's script goes on by itself.
  await page.unroute(PROGRESS);
  await page.getByRole('textbox', { name: 'Message' }).waitFor();
  check(page.url() === `${address}/?from=bookmark`, `to stay at the address, not ${page.url()}`);
  await page.locator('#model option').first().waitFor({ state: 'attached' });
  await page.getByRole('textbox', { name: 'Message' }).fill('good morning');
  await page.getByRole('button', { name: 'Send' }).click();
  await page.locator('.assistant', { hasText: 'good morning' }).waitFor();
  saw('answer', { text: await page.locator('.assistant').textContent() });

  await whatThePodsPageMayNot(context, page);

  await page.goto(`${address}/-/`);
  await heading(page, 'Your workspace');
  await pictures(page, 'home');
  // By keyboard alone: the first stop of the focus is the first thing to do.
  await page.keyboard.press('Tab');
  check(await page.evaluate(() => document.activeElement.textContent) === 'Open', 'the focus on Open');

  await page.getByRole('button', { name: 'Sign out' }).click();
  await heading(page, 'You are signed out');
  check(page.url() === `${address}/-/signed-out`, `to be back from the identity provider, not ${page.url()}`);
  await pictures(page, 'signed-out');
  const cookies = await context.cookies(address);
  check(!cookies.some(({ name }) => name.startsWith('__Host-openclaw')), 'no cookie of ours to be left');
  await page.getByRole('link', { name: 'Sign in' }).click();
  await page.locator('#username').waitFor();
  saw('the identity provider asks again');
  await signIn(page);
  await page.waitForURL(`${address}/**`);
  await endedAtTheIdentityProvider(context, page);
});

/** Signing out at the identity provider ends what is open here. */
async function endedAtTheIdentityProvider(context, page) {
  await page.goto(`${address}/`);
  await page.getByRole('textbox', { name: 'Message' }).waitFor();
  await page.evaluate(() => new Promise((opened, refused) => {
    const socket = new WebSocket(`wss://${location.host}/ws`);
    socket.onopen = opened;
    socket.onerror = refused;
    globalThis.ended = new Promise((ended) => { socket.onclose = ({ code }) => ended(code); });
  }));
  const other = await context.newPage();
  await other.goto(`${required('ISSUER')}/protocol/openid-connect/logout`);
  await other.locator('#kc-logout').click();
  const code = await page.evaluate(() => globalThis.ended);
  saw('the socket ended with the session', { code });
  await page.goto(`${address}/`);
  await heading(page, 'You are signed out');
  await pictures(page, 'session-ended');
}

/** A page that the pod serves is at our origin. It must not get at what is ours. */
async function whatThePodsPageMayNot(context, page) {
  const seen = await page.evaluate(async () => {
    const post = (path) => fetch(path, { method: 'POST', redirect: 'manual' }).then(({ status }) => status);
    return {
      cookies: document.cookie,
      home: await fetch('/-/').then(({ status }) => status),
      logout: await post('/-/logout'),
      stop: await post('/-/server/stop'),
      remove: await fetch('/-/api/v1/me/server', { method: 'DELETE' }).then(({ status }) => status),
    };
  });
  check(seen.cookies === '', `no cookie within reach of a script, not ${seen.cookies}`);
  for (const what of ['home', 'logout', 'stop', 'remove']) check(seen[what] === 403, `${what} to be refused, not ${seen[what]}`);

  const opened = context.waitForEvent('page');
  await page.evaluate(() => { globalThis.opened = window.open('/-/'); });
  await heading(await opened, 'Your workspace');
  const read = await page.evaluate(() => {
    try {
      return globalThis.opened.document.querySelector('[name=csrf]')?.value ?? null;
    } catch {
      return null;
    }
  });
  check(read === null, 'a window that the pod opened to be out of its reach');
  await (await opened).close();

  const framed = await page.evaluate(() => new Promise((resolve) => {
    const frame = document.createElement('iframe');
    frame.onload = () => {
      let token = null;
      try { token = frame.contentDocument?.querySelector('[name=csrf]')?.value ?? null; } catch { /* out of reach */ }
      frame.remove();
      resolve(token);
    };
    frame.src = '/-/';
    document.body.append(frame);
  }));
  check(framed === null, 'a frame of the pod to show nothing');
  saw('a page of the pod gets at nothing of ours', seen);
}
