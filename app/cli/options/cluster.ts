/** `--on h100:1024`: devices of one kind, and how many. */
import { readAmount } from "../../../compiler/planner/amounts.ts";
import { acceleratorNamed, acceleratorNames, type Accelerator } from "../../../compiler/planner/hardware.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { named, read, text, withDefault } from "./option.ts";

export interface Cluster {
  readonly card: Accelerator;
  readonly devices: number;
}

export const clusterOption = (help: string) =>
  withDefault("h100:8", read(text("<device:n>", `${help}: ${acceleratorNames.join(", ")}`), readCluster));

/** Without a number, one node. */
function readCluster(given: string): Cluster {
  const [name, count] = given.split(":");
  const card = acceleratorNamed(named("device", acceleratorNames, name!))!;
  const devices = count === undefined ? card.node : readAmount(count);
  if (devices !== undefined && Number.isInteger(devices)) return { card, devices };
  throw new SinterError("usage", `--on takes a device and how many, as h100:1024, not \`${given}\``);
}
