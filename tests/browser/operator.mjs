// What an operator does at the control address, and that the way there is by keyboard too.
import { check, heading, pictures, required, saw, signIn, withBrowser } from './driver.mjs';

const control = required('CONTROL');
const user = required('OTHER_ID');

await withBrowser(async (context, page) => {
  await page.goto(control);
  await signIn(page);
  await heading(page, 'Workspaces');
  check(page.url() === `${control}/-/users`, `the table, not ${page.url()}`);
  await page.locator('tr', { hasText: user }).getByText('Ready').waitFor();
  await pictures(page, 'operator');

  // At the address of workspaces there is no table, whoever asks.
  const other = await context.newPage();
  await other.goto(`${required('ADDRESS')}/-/users`);
  await heading(other, 'Not at this address');
  await pictures(other, 'operator-elsewhere');
  await other.close();

  // By keyboard alone: the user is found, and the workspace restarted.
  await focusOn(page, () => document.activeElement.name === 'user');
  await page.keyboard.type(user.slice(0, 8));
  await page.keyboard.press('Enter');
  await page.waitForURL(`${control}/-/users?user=${user.slice(0, 8)}`);
  check(await page.locator('tbody tr').count() === 1, 'the one user');
  await focusOn(page, () => document.activeElement.textContent === 'Manage');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await pictures(page, 'operator-manage');
  await focusOn(page, () => document.activeElement.textContent === 'Restart');
  await page.keyboard.press('Enter');
  await page.waitForURL(`${control}/-/users?user=${user.slice(0, 8)}`);
  saw('restarted');
});

/** Goes on with the Tab key until the focus is there. */
async function focusOn(page, there) {
  for (let step = 0; step < 40; step += 1) {
    await page.keyboard.press('Tab');
    if (await page.evaluate(there)) return;
  }
  throw new Error(`no way by keyboard to ${there}`);
}
