/** One thread of a page's pool: a module worker, whose first message is its plan. */
import { serve } from "../engine/pool-thread.ts";
import type { WorkerPlan } from "../engine/pool.ts";

addEventListener(
  "message",
  ({ data }: MessageEvent<WorkerPlan>) => {
    serve(data, (message) => postMessage(message));
    postMessage("ended");
  },
  { once: true },
);
