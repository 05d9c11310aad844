/** `npm run study -- planner-runs`: hours of whole runs, published and planned. */
import { reportRuns } from "./planner/runs.ts";

reportRuns();
