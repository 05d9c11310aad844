/**
 * The measurement of a machine does not depend on how busy it is: a run that is continued must choose the
 * same target.
 */
import { afterEach, describe, expect, it } from "vitest";
import { nodeHost } from "../../../runtime/node/host.ts";
import { probe } from "../../../runtime/engine/probe.ts";

describe("the probe on a busy machine", () => {
  const now = performance.now.bind(performance);
  afterEach(() => void (performance.now = now));

  it("is not taken in by runs that were held up, however many come first", async () => {
    const quiet = (await probe("simd", 40, nodeHost))!.gflops;
    let late = 0;
    let reads = 0;
    performance.now = () => {
      // the first twenty runs each take 30 ms more, which is longer than the entire measurement
      if (reads++ < 40) late += 30;
      return now() + late;
    };
    const busy = (await probe("simd", 12, nodeHost))!.gflops;
    expect(busy).toBeGreaterThan(quiet / 4);
  });
});
