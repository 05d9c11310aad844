/** The colours of targets and peers, the same in all charts. */
import type { Target } from "../../runtime/contract/targets.ts";
import { element, escapeHtml } from "../../runtime/report/markup.ts";

export const targetColour: Readonly<Record<Target, string>> = {
  wide: "wide",
  relaxed: "relaxed",
  simd: "simd",
};
export const targetName = (target: Target): string => `Sinter, ${target}`;

const peerColours: Readonly<Record<string, string>> = {
  PyTorch: "torch",
  "PyTorch, malloc as it is": "torch-plain",
  "onnxruntime-node": "ort-node",
  "onnxruntime-web": "ort-web",
  tfjs: "tfjs",
  "jax-js": "jax",
};
export const peerColour = (name: string): string => peerColours[name] ?? "other";

export interface Key {
  readonly name: string;
  readonly colour: string;
}
export const keys = (entries: readonly Key[]): string =>
  element("p", { class: "keys" }, entries.map(legend).join(""));

const legend = ({ name, colour }: Key): string =>
  element("span", {}, element("i", { style: `background:var(--${colour})` }, "") + escapeHtml(name));
