/** Who has which colour, everywhere on the page. */
import type { Target } from "../../runtime/contract/targets.ts";
import { escapeHtml } from "./svg.ts";

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
  `<p class="keys">${entries.map(({ name, colour }) => `<span><i style="background:var(--${colour})"></i>${escapeHtml(name)}</span>`).join("")}</p>`;
