/** `npm run study -- fit-planner`: the constants of the planner's step times, fitted and tried. */
import { reportFit } from "./planner/fit.ts";

reportFit();
