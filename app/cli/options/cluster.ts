/** `--on h100:1024`: devices of one kind, and how many. */
import { readAmount } from "../../../compiler/planner/amounts.ts";
import {
  acceleratorNamed,
  acceleratorNames,
  type Accelerator,
} from "../../../compiler/planner/tables/hardware.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { named, read, text, withDefault, type Option } from "./option.ts";

export interface Cluster {
  readonly card: Accelerator;
  readonly devices: number;
}

const STANDARD = "h100:8";
export const standardCluster = (): Cluster => readCluster(STANDARD);

/** Undefined: none was named. */
export const anyCluster = (help: string): Option<Cluster | undefined> =>
  read(text("<device:n>", `${help}: ${acceleratorNames.join(", ")}`), readCluster);

export const clusterOption = (help: string) => withDefault(STANDARD, anyCluster(help));

/** Without a number, one node. */
function readCluster(given: string): Cluster {
  const [name, count] = given.split(":");
  const card = acceleratorNamed(named("device", acceleratorNames, name!))!;
  const devices = count === undefined ? card.node : readAmount(count);
  if (devices !== undefined && Number.isInteger(devices)) return { card, devices };
  throw new SinterError("usage", `--on takes a device and how many, as h100:1024, not \`${given}\``);
}
