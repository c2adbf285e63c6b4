// What a user sees whose workspace does not start, and that it goes on by itself once it can.
import { createInterface } from 'node:readline';
import { check, heading, pictures, required, saw, signIn, withBrowser } from './driver.mjs';

const address = required('ADDRESS');

await withBrowser(async (context, page) => {
  await page.goto(`${address}/`);
  await signIn(page);
  const notice = page.locator('.notice', { hasText: required('NOTICE') });
  await notice.waitFor();
  saw('notice', { heading: await page.locator('h1').textContent(), text: await notice.textContent() });
  await pictures(page, required('PICTURE'));
  await page.goto(`${address}/-/`);
  await heading(page, 'Your workspace');
  await notice.waitFor();
  await pictures(page, `${required('PICTURE')}-home`);
  check(await page.getByRole('button').count() > 1, 'something to do about it');

  await page.goto(`${address}/`);
  await notice.waitFor();
  saw('waiting');
  // Whoever started this removes the trouble now, and says so.
  await new Promise((resolve) => createInterface(process.stdin).once('line', resolve));
  await page.getByRole('textbox', { name: 'Message' }).waitFor();
  saw('workspace');
});
process.exit(0);
