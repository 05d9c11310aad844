/** What a worker thread of Node's pool runs. */
import { parentPort, workerData } from "node:worker_threads";
import { serve } from "../engine/pool-thread.ts";
import type { WorkerPlan } from "../engine/pool.ts";

serve(workerData as WorkerPlan, (message) => parentPort!.postMessage(message));
