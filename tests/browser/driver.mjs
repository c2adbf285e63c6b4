// What the browser tests share: a browser as a user has it, pictures of a page in every form, and
// axe's verdict on it.
import { readFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** The value of an environment variable that has to be there. */
export function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

/** Says one thing that was seen, as a line of JSON. */
export function saw(what, details = {}) {
  console.log(JSON.stringify({ saw: what, ...details }));
}

export function check(holds, what) {
  if (!holds) throw new Error(`expected ${what}`);
}

/** A new browser with a profile of its own; `use` gets its first page. */
export async function withBrowser(use) {
  const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    ignoreHTTPSErrors: true,
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      // For service workers, to which ignoreHTTPSErrors does not reach.
      '--ignore-certificate-errors',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
      // Keycloak's cookies are Secure; in a development cluster it has no TLS.
      ...(process.env.INSECURE_ORIGIN
        ? [`--unsafely-treat-insecure-origin-as-secure=${process.env.INSECURE_ORIGIN}`] : []),
    ],
  });
  context.setDefaultTimeout(60_000);
  try {
    await use(context, context.pages()[0] ?? (await context.newPage()));
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

const SIZES = { desktop: { width: 1000, height: 760 }, phone: { width: 390, height: 780 } };

/** Pictures of the page, light and dark, on a desk and on a phone; none of them may scroll sideways. */
export async function pictures(page, name) {
  const folder = required('SCREENSHOTS');
  mkdirSync(folder, { recursive: true });
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    for (const [size, viewport] of Object.entries(SIZES)) {
      await page.setViewportSize(viewport);
      await page.screenshot({ path: join(folder, `${name}-${colorScheme}-${size}.png`) });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      check(!wide, `${name} to fit on a ${size}`);
      await accessible(page, `${name}, ${colorScheme}, ${size}`);
    }
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
}

/** axe finds nothing. */
async function accessible(page, name) {
  await page.evaluate(axeSource);
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help} (${nodes.map((node) => node.html).join(' ')})`);
  check(found.length === 0, `no accessibility violation of ${name}, not ${found.join('; ')}`);
  check(passes.length > 5, `axe to look at ${name}`);
  saw('accessible', { page: name, rules: passes.length });
}

/** Fills in Keycloak's form. */
export async function signIn(page, name = required('PERSON'), password = required('PASSWORD')) {
  await page.locator('#username').fill(name);
  await page.locator('#password').fill(password);
  await page.locator('#kc-login').click();
}

export async function heading(page, text) {
  await page.getByRole('heading', { level: 1, name: text, exact: true }).waitFor();
  saw('heading', { text, url: page.url() });
}
