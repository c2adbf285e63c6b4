// Two users in two browsers: each gets the own workspace, at whatever address of the other's.
import { check, required, saw, signIn, withBrowser } from './driver.mjs';

const address = required('ADDRESS');
const people = [required('PERSON'), required('OTHER')];
const passwords = [required('PASSWORD'), required('OTHER_PASSWORD')];

await withBrowser((_, one) => withBrowser(async (__, two) => {
  const pages = [one, two];
  const open = (page) => page.getByRole('textbox', { name: 'Message' }).waitFor();
  await Promise.all(pages.map(async (page, at) => {
    await page.goto(`${address}/?private=${people[at]}`);
    await signIn(page, people[at], passwords[at]);
    await open(page);
  }));
  // Each opens the address that the other sees.
  const urls = pages.map((page) => page.url());
  await Promise.all(pages.map(async (page, at) => {
    await page.goto(urls[1 - at]);
    await open(page);
  }));
  const told = await Promise.all(pages.map(chat));
  const servers = await Promise.all(pages.map((page) => page.evaluate(async () => (await fetch('/-/api/v1/me')).json())));
  check(servers[0].name !== servers[1].name, 'two users');
  for (const at of [0, 1]) {
    check(told[at].startsWith(`Hello ${people[at]}, `), `${people[at]}'s own key to be used, not: ${told[at]}`);
    check(servers[at].server.name === `openclaw-${servers[at].name}`, 'the own pod');
  }
  // Asking for the other's by name is refused.
  const refused = await one.evaluate((name) => fetch(`/-/api/v1/users/${name}/server`).then(({ status }) => status), servers[1].name);
  check(refused === 403, `the other's server to be refused, not ${refused}`);
  saw('two users', { told });
}));

async function chat(page) {
  await page.locator('#model option').first().waitFor({ state: 'attached' });
  await page.getByRole('textbox', { name: 'Message' }).fill('who am I');
  await page.getByRole('button', { name: 'Send' }).click();
  await page.locator('.assistant', { hasText: 'who am I' }).waitFor();
  return page.locator('.assistant').textContent();
}
