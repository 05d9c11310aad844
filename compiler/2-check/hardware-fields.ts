/**
 * THE table of `hardware NAME { … }`: what a spec may say of a device that the table of accelerators
 * (planner/tables/hardware.ts) does not have, or has with other figures. All in base units.
 */
import { integer, real, realAbove } from "../../runtime/contract/limits.ts";
import { number, type Fields, type ValuesOf } from "./fields.ts";
import { planFields } from "./plan-fields.ts";

const operations = (precision: string) =>
  number(`Operations per second of dense products in ${precision}.`, {
    ...real(1e9, 1e21),
    unit: "operations per second",
  });
const rate = (of: string) => number(of, { ...real(1e6, 1e18), unit: "bytes per second" });

/** What must be given is given by the device that this one is like, where there is one. */
export const hardwareFields = {
  bf16: operations("bf16"),
  fp16: operations("fp16"),
  fp8: operations("fp8"),
  fp32: operations("fp32"),
  memory: number("Bytes of a device.", { ...integer(1e6, 1e15), unit: "bytes" }),
  bandwidth: rate("Bytes per second of a device's memory."),
  node: number("Devices that share a node's links.", integer(1, 1e6)),
  link: rate("Bytes per second of a device in one direction, within a node."),
  network: rate("The same between nodes."),
  power: number("Watts of a device.", { ...realAbove(0, 1e6), unit: "watts" }),
  price: number("Dollars for an hour of one device.", realAbove(0, 10_000)),
  price_kind: planFields.price_kind,
  price_year: planFields.price_year,
} satisfies Fields;

export type HardwareValues = Partial<ValuesOf<typeof hardwareFields>>;
