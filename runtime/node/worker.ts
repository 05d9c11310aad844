/** One worker thread of Node's. */
import { parentPort, workerData } from "node:worker_threads";
import { serve } from "../pool-thread.ts";
import type { WorkerPlan } from "../pool.ts";

serve(workerData as WorkerPlan, (message) => parentPort!.postMessage(message));
