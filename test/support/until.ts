/** Waiting for what a page comes to. */
import type { OpenPage } from "./chromium-page.ts";

/** Resolves when an expression has come true in the page. */
export const until = (page: OpenPage, expression: string): Promise<unknown> =>
  page.evaluate(
    `new Promise((done) => {
      const look = () => (${expression}) ? done(true) : setTimeout(look, 50);
      look();
    })`,
  );
