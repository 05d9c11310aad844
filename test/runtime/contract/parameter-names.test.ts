/** Names of parameters: with and without the layer's number. */
import { expect, test } from "vitest";
import {
  isNameIn,
  nameIn,
  nameInLayer,
  nameInLayers,
  POSITION_TABLE,
  TOKEN_TABLE,
} from "../../../runtime/contract/parameter-names.ts";

test("a section's parameters begin with its name", () => {
  expect(nameIn("layer", "attention.qkv")).toBe("layers.attention.qkv");
  expect(nameIn("output", "linear")).toBe("output.linear");
  expect(isNameIn("output", "output.linear.weight")).toBe(true);
  expect(isNameIn("output", "outputs.linear.weight")).toBe(false);
  expect(isNameIn("embed", TOKEN_TABLE)).toBe(false);
});

test("a layer's tensor has the layer's number, and others have none", () => {
  expect(nameInLayer("layers.mlp.up.weight", 12)).toBe("layers.12.mlp.up.weight");
  expect(nameInLayers("layers.12.mlp.up.weight")).toBe("layers.mlp.up.weight");
  for (const name of [TOKEN_TABLE, POSITION_TABLE, "output.layers.1.weight"]) {
    expect(nameInLayer(name, 1)).toBe(name);
    expect(nameInLayers(name)).toBe(name);
  }
});
