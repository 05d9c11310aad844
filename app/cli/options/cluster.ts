/** `--on h100:1024`: devices of one kind, and how many. */
import { readAmount } from "../../../compiler/planner/amounts.ts";
import {
  acceleratorNamed,
  acceleratorNames,
  type Accelerator,
} from "../../../compiler/planner/tables/hardware.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { named, read, text, type Option } from "./option.ts";

export interface Cluster {
  readonly card: Accelerator;
  readonly devices: number;
}

/** As it is written; which device is meant is known when the spec is read. */
export interface AskedCluster {
  readonly name: string;
  /** Absent: one node. */
  readonly devices: number | undefined;
}

/** Devices of a spec's own. */
type OwnHardware = ReadonlyMap<string, Accelerator>;
const NONE: OwnHardware = new Map();

/** What is planned for where nothing is said. */
export const standardCluster = (own: OwnHardware = NONE): Cluster =>
  clusterOf({ name: "h100", devices: 8 }, own);

/** Undefined: none was named. */
export const anyCluster = (help: string): Option<AskedCluster | undefined> =>
  read(text("<device:n>", `${help}: ${acceleratorNames.join(", ")}, or one of the spec's`), readCluster);

function readCluster(given: string): AskedCluster {
  const [name, count] = given.split(":");
  const devices = count === undefined ? undefined : readAmount(count);
  if (count === undefined || (devices !== undefined && Number.isInteger(devices)))
    return { name: name!, devices };
  throw new SinterError("usage", `--on takes a device and how many, as h100:1024, not \`${given}\``);
}

/** The spec's own devices come first. */
export function clusterOf({ name, devices }: AskedCluster, own: OwnHardware = NONE): Cluster {
  const known = [...new Set([...own.keys(), ...acceleratorNames])];
  const found = named("device", known, name);
  const card = own.get(found) ?? acceleratorNamed(found)!;
  return { card, devices: devices ?? card.node };
}
