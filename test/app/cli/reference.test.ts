/** compiler/LANGUAGE.md is what the tables say now. */
import { expect, test } from "vitest";
import { reference } from "../../../app/cli/help/reference.ts";
import { golden } from "../../support/golden.ts";
import { root } from "../../support/paths.ts";

test("compiler/LANGUAGE.md is fresh", () => golden(`${root}/compiler/LANGUAGE.md`, reference()));
test("nothing is left open in it", () => expect(reference()).not.toMatch(/undefined|NaN|\[object/));
