// OpenClaw's Control UI, as far as a chat goes.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { required } from './driver.mjs';

/** How long a pod may take to start, and a chat on a busy machine. */
const PATIENCE = 170_000;

/** Where a user writes. It is there once the page has its connection. */
export function composer(page) {
  return page.getByRole('textbox', { name: 'Chat composer' });
}

/** Waits for the page, whatever has to start for it. */
export async function opened(page) {
  await orPicture(page, composer(page).waitFor({ timeout: PATIENCE }));
}

/** Says something, and waits until the answer to it stands there; the answer's text. */
export async function chat(page, text) {
  await composer(page).fill(text);
  await orPicture(page, send(page));
  await answered(page, text);
  return answer(page, text).innerText();
}

/** Clicks until there is nothing left to send: before the page has its session, a click does nothing. */
async function send(page) {
  const until = Date.now() + PATIENCE;
  const button = page.locator('.chat-send-btn--send:enabled');
  do {
    await button.click({ timeout: PATIENCE });
    const sent = button.waitFor({ state: 'detached', timeout: 5_000 });
    if (await sent.then(() => true, () => false)) return;
  } while (Date.now() < until);
  throw new Error('expected the message to be sent');
}

/** Waits until the answer to what was said stands there. The stand-in repeats what it was told. */
export async function answered(page, text) {
  await orPicture(page, answer(page, text).waitFor({ timeout: PATIENCE }));
}

function answer(page, text) {
  // The whole of it: less would be found in all that is said together, before there is an answer.
  return page.getByText(`Hello ${required('PERSON')}, stand-in-1 here. You said: ${text}`).last();
}

export async function picture(page, name) {
  const folder = required('SCREENSHOTS');
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

async function orPicture(page, waiting) {
  try {
    await waiting;
  } catch (error) {
    await picture(page, 'openclaw-failed');
    throw error;
  }
}
