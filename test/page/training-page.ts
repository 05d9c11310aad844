/** The page with its panel that trains, as tests use it: by what stands there, as a visitor does. */
import type { OpenPage } from "../support/chromium-page.ts";

const BUTTONS = "document.querySelector('.train .controls .row').children";
const STATE = "document.querySelector('.train .controls .state')?.textContent";

/** Resolves with an expression's value when it has one in the page that is true. */
export const until = (page: OpenPage, expression: string): Promise<unknown> =>
  page.evaluate(
    `new Promise((done) => {
      const look = () => { const value = ${expression}; value ? done(value) : setTimeout(look, 10); };
      look();
    })`,
  );

/** What the panel says of its state, when that holds this text. */
export const untilSaid = async (page: OpenPage, what: RegExp): Promise<string> =>
  (await until(page, `${what}.test(${STATE} ?? "") && ${STATE}`)) as string;

export async function openTraining(page: OpenPage): Promise<void> {
  await until(page, "document.querySelector('#tab-train') !== null");
  await page.evaluate("document.querySelector('#tab-train').click()");
  await until(page, STATE);
}

/** Presses the first (train, pause, go on), second (one step) or third (begin again) button. */
export const press = (page: OpenPage, button: 0 | 1 | 2): Promise<unknown> =>
  page.evaluate(`${BUTTONS}[${button}].click()`);

/** Replaces the editor's text, by keys. */
export async function writeSpec(page: OpenPage, text: string): Promise<void> {
  const content = "document.querySelector('.editor-host')?.shadowRoot?.querySelector('.cm-content')";
  await until(page, `${content} != null`);
  await page.evaluate(`${content}.focus()`);
  await page.press("Control+a");
  await page.type(text);
  const name = /^model ([\w-]+)/m.exec(text)![1]!;
  await until(page, `document.querySelector('#status .name')?.textContent === ${JSON.stringify(name)}`);
}

export const learnFrom = (page: OpenPage, text: string): Promise<unknown> =>
  page.evaluate(`(() => {
    const area = document.querySelector('.train .own textarea');
    area.value = ${JSON.stringify(text)};
    area.dispatchEvent(new Event('input'));
    area.parentElement.querySelector('button').click();
  })()`);

/** Sets the number field at this place of the settings: 0 is the seed, 1 the steps. */
export const setNumber = (page: OpenPage, field: 0 | 1, value: number): Promise<unknown> =>
  page.evaluate(`(() => {
    const input = document.querySelectorAll('.train .fields input[type=number]')[${field}];
    input.value = ${value};
    input.dispatchEvent(new Event('change'));
  })()`);

/** As when the visitor goes to another tab: a checkpoint is written. */
export const hide = (page: OpenPage): Promise<unknown> =>
  page.evaluate(`(() => {
    Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  })()`);

/** The names of the newest run's checkpoints, and the SHA-256 of the last one's bytes. */
export const newestCheckpoint = (
  page: OpenPage,
): Promise<{ readonly names: readonly string[]; readonly sha256: string }> =>
  page.evaluate(`(async () => {
    const root = await navigator.storage.getDirectory();
    const named = async (folder) => (await Array.fromAsync(folder.keys())).sort();
    const runs = await root.getDirectoryHandle('runs');
    const run = await runs.getDirectoryHandle((await named(runs)).at(-1));
    const names = (await named(run)).filter((name) => name.endsWith('.safetensors'));
    const file = await (await run.getFileHandle(names.at(-1))).getFile();
    const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', await file.arrayBuffer()));
    return { names, sha256: [...hash].map((b) => b.toString(16).padStart(2, '0')).join('') };
  })()`) as Promise<{ readonly names: readonly string[]; readonly sha256: string }>;
