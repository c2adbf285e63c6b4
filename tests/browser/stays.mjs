// A conversation in OpenClaw's Control UI that goes on whatever has happened since, which whoever started
// this brings about. The page is left in between, because an open one keeps its workspace awake; but not
// before the upgrade, over which it stays open.
import { createInterface } from 'node:readline';
import { answered, chat, opened, picture } from './control-ui.mjs';
import { required, saw, signIn, withBrowser } from './driver.mjs';

const address = required('ADDRESS');
const told = createInterface(process.stdin)[Symbol.asyncIterator]();
/** What other runs of this have left in the home is not what was said now. */
const run = Date.now().toString(36);
const said = [];

await withBrowser(async (_, page) => {
  await page.goto(`${address}/`);
  await signIn(page);
  await goesOn(page, 'first');
  await leave(page, 'first');

  await comesBack(page);
  await goesOn(page, 'woken');
  saw('woken');

  await told.next();
  await goesOn(page, 'upgraded');
  await leave(page, 'upgraded');

  await comesBack(page);
  await goesOn(page, 'rotated');
  await leave(page, 'rotated');
});
process.exit(0);

/** All that was said so far still stands there, and more can be said. */
async function goesOn(page, what) {
  await opened(page);
  for (const text of said) await answered(page, text);
  await picture(page, `openclaw-${what}-before`);
  said.push(`${what} in run ${run}`);
  await chat(page, said.at(-1));
  await picture(page, `openclaw-${what}`);
}

async function leave(page, what) {
  await page.goto('about:blank');
  saw(what);
}

async function comesBack(page) {
  await told.next();
  await page.goto(`${address}/`);
}
