/** A server that follows a training: when it looks, what it takes, and what it says of what goes wrong. */
import { expect, test } from "vitest";
import { follow, type Followed } from "../../../app/server/follow.ts";
import { fakeServing } from "../../support/fake-serving.ts";

/** Follows until something has been heard so many times. `steps`: what is the newest, look by look. */
async function heard(steps: readonly (number | undefined | Error)[], times: number): Promise<unknown[]> {
  const serving = fakeServing();
  serving.renew = async (load) => {
    const model = {} as Parameters<typeof load>[0];
    serving.facts = { ...serving.facts!, ...(await load(model)) };
  };
  const ended = new AbortController();
  const out: unknown[] = [];
  const hear = (what: unknown): void => {
    out.push(what);
    if (out.length === times) ended.abort();
  };
  let look = 0;
  const followed: Followed = {
    async newest() {
      const step = steps[Math.min(look++, steps.length - 1)];
      if (step instanceof Error) throw step;
      return step;
    },
    renew: async () => ({ fingerprint: `fp_${look}`, step: steps[look - 1] as number, created: 0 }),
    renewed: hear,
    failed: (cause) => hear((cause as Error).message),
  };
  await follow(serving, followed, { signal: ended.signal, everyMs: 1 });
  return [...out, serving.facts!.fingerprint];
}

test("each newer step is taken once; what cannot be read now is looked for again", async () => {
  const gone = new Error("the folder is away");
  expect(await heard([undefined, 5, 5, gone, 5, 8], 3)).toEqual([5, "the folder is away", 8, "fp_6"]);
});
