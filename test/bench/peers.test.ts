/**
 * The ONNX files that `sinter bench` gives to ONNX Runtime: the wire format against bytes made by hand, and,
 * where the peers are installed (npm ci --prefix bench/peers), a small GPT-2 with a key-value cache against
 * Sinter's own kernels.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startPeer } from "../../bench/suite/peer-process.ts";
import { externalTensor, FLOAT, node } from "../../bench/peers/onnx.ts";
import { gpt2Onnx, gpt2Weights, weightBytes } from "../../bench/peers/onnx-gpt2.ts";
import { concat } from "../../runtime/base/bytes.ts";
import { int, message, string, varint } from "../../runtime/base/protobuf-write.ts";
import { peers, Peers } from "../../bench/suite/peers.ts";
import { writeOnnxFolder } from "../../bench/suite/onnx-folder.ts";
import { checkSource } from "../../compiler/2-check/check.ts";
import { compileModel } from "../../compiler/compile.ts";
import { createModel } from "../../runtime/engine/model.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { PYTHON, pythonHas } from "../support/debian-python.ts";
import { inProject } from "../support/paths.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("protocol buffers", () => {
  test("varints: the specification's own example, and a negative number in ten bytes", () => {
    expect([...varint(150)]).toEqual([0x96, 1]);
    expect([...varint(0)]).toEqual([0]);
    expect([...varint(-1)]).toEqual([...Array<number>(9).fill(0xff), 1]);
  });
  test("fields: number, text, message", () => {
    expect(hex(int(1, 150))).toBe("089601");
    expect(hex(string(2, "testing"))).toBe("120774657374696e67");
    expect(hex(message(3, [int(1, 150)]))).toBe("1a03089601");
  });
});

describe("ONNX", () => {
  test("a node: inputs, outputs, name, operator, attribute", () => {
    const text = hex(node("Gemm", ["a"], ["c"], { transB: 1 }));
    expect(text).toBe(
      hex(
        concat([
          string(1, "a"),
          string(2, "c"),
          string(3, "Gemm/c"),
          string(4, "Gemm"),
          message(5, [string(1, "transB"), int(3, 1), int(20, 2)]),
        ]),
      ),
    );
  });
  test("weights beside the file: where they lie", () => {
    const text = Buffer.from(
      externalTensor("w", FLOAT, [2, 3], { file: "weights.bin", offset: 64, bytes: 24 }),
    ).toString("latin1");
    expect(text).toContain("location");
    expect(text).toContain("weights.bin");
    expect(text).toMatch(/offset.{2}64/s);
  });
  test("GPT-2's weights have GPT-2's size, and the file names them all", () => {
    const sizes = { vocab: 50257, context: 1024, width: 768, layers: 12, heads: 12, hidden: 3072 };
    const weights = gpt2Weights(sizes);
    expect(weights.reduce((sum, w) => sum + weightBytes(w) / 4, 0)).toBe(124_439_808);
    const text = Buffer.from(gpt2Onnx(sizes, "weights.bin")).toString("latin1");
    for (const { name } of weights) expect(text).toContain(name);
  });
});

const SMALL = `model small {
  vocab 61   context 128   width 32   layers 2   heads 4
  embed token + position
  layer {
    x += attention(layernorm(x), bias: true)
    x += mlp(layernorm(x), hidden: 4 * width, activation: gelu_tanh, bias: true)
  }
  output linear(layernorm(x), tied: true)
  train { batch 1 context 8 }
}`;

const script = (name: string): string => inProject(`bench/peers/${name}`);
const installed = existsSync(inProject("bench/peers/node_modules/onnxruntime-node"));

describe.skipIf(!installed)(
  `ONNX Runtime${installed ? "" : " (not installed: npm ci --prefix bench/peers)"}`,
  () => {
    let folder = "";
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "sinter-onnx-"));
      const bundle = await compileModel(checkSource(SMALL).models[0]!, {
        targets: ["simd"],
        modules: ["infer"],
      });
      const ours = await createModel(bundle, "infer", {
        host: nodeHost,
        workers: 1,
        target: "simd",
        seed: 3,
      });
      for (const t of ours.of("parameter"))
        for (let slice = 0, i = t.place.offset; slice < t.place.slices; slice++)
          t.fill(slice, () => Math.sin(i++) / 4); // biases too
      await writeOnnxFolder(folder, ours, [3, 1, 4, 1, 5], [9, 2]);
      await ours.close();
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    test.each(["node", "web"])(
      "%s: a small GPT-2 has the logits of Sinter's kernels, and is timed",
      async (kind) => {
        const peer = await startPeer(process.execPath, [script("onnxruntime.ts"), kind]);
        const rates = await peer.ask({ what: "infer", which: folder, threads: 1, seconds: 0 });
        await peer.close();
        expect(rates.map((r) => r.what)).toEqual(["prefill", "decode"]);
        for (const { median, best } of rates) expect(best).toBeGreaterThanOrEqual(median);
      },
    );
    test("logits that differ are refused, not timed", async () => {
      const path = join(folder, "expected.bin");
      const right = readFileSync(path);
      const wrong = new Float32Array(Uint8Array.from(right).buffer);
      wrong[61 + 7] = wrong[61 + 7]! + 1;
      writeFileSync(path, new Uint8Array(wrong.buffer));
      const peer = await startPeer(process.execPath, [script("onnxruntime.ts"), "node"]);
      await expect(peer.ask({ what: "infer", which: folder, threads: 1, seconds: 0 })).rejects.toThrow(
        /after token 1 of decoding, logit 7 is .* not timed/,
      );
      await peer.close();
      writeFileSync(path, right);
    });
    test.each(["onnxruntime.ts node", "onnxruntime.ts web", "tfjs.ts", "jax-js.ts"])(
      "%s multiplies",
      async (program) => {
        const [file, ...args] = program.split(" ");
        const peer = await startPeer(process.execPath, [script(file!), ...args]);
        for (const which of ["5x7x3", "nt:5x7x3", "tn:5x7x3"]) {
          const [rate] = await peer.ask({ what: "sgemm", which, threads: 1, seconds: 0 });
          expect(rate!.median, which).toBeGreaterThan(0);
        }
        await peer.close();
      },
    );
  },
);

describe("processes", () => {
  test("a peer that is not there is one line with the way to get it", async () => {
    const lines: string[] = [];
    const all = new Peers((line) => lines.push(line));
    await all.look([
      { ...peers[0]!, name: "nobody", commands: [["/nonexistent/program"]], install: "npm i nobody" },
    ]);
    expect(all.here("sgemm")).toEqual([]);
    expect(all.states()[0]!.missing).toMatch(/npm i nobody$/);
  });
  test("one that dies or answers with an error is reported", async () => {
    await expect(
      startPeer(process.execPath, ["-e", "console.error('no such thing'); process.exit(3)"]),
    ).rejects.toThrow("no such thing");
    const peer = await startPeer(process.execPath, [
      "-e",
      `console.log('{"about":"x"}'); process.stdin.once('data', () => console.log('{"error":"cannot"}'))`,
    ]);
    await expect(peer.ask({ what: "sgemm", which: "1x1x1", threads: 1, seconds: 0 })).rejects.toThrow(
      "cannot",
    );
    await peer.close();
  });
});

describe.skipIf(!pythonHas("torch"))("PyTorch", () => {
  test("fused attention and fused AdamW train as the others do, where this version has them", () => {
    const found = spawnSync(PYTHON, ["-c", TWO_WAYS], { encoding: "utf8", cwd: inProject("bench/peers") });
    const { ways, about } = JSON.parse(found.stdout || found.stderr) as Trained;
    for (const losses of Object.values(ways))
      for (const [i, loss] of losses.entries()) expect(loss).toBeCloseTo(ways["batched foreach"]![i]!, 4);
    const best =
      Object.keys(ways).length > 1 ? "scaled_dot_product_attention, fused" : "attention by bmm, foreach";
    expect(about).toBe(`${best} AdamW`);
  });

  test("no step begins after the time that a request gives it, and one is timed", async () => {
    const peer = await startPeer(PYTHON, [inProject("bench/peers/pytorch.py"), "serve"]);
    try {
      const [rate] = await peer.ask({ what: "train", which: "S", threads: 1, seconds: 60, within: 0.01 });
      expect(rate!.runs).toBe(1);
      expect(rate!.mean).toBeGreaterThan(0);
    } finally {
      await peer.close();
    }
  });
});

interface Trained {
  readonly about: string;
  readonly ways: Readonly<Record<string, readonly number[]>>;
}

/** Losses of three steps of S, each way from the same weights on the same batch. */
const TWO_WAYS = `
import sys, json
sys.argv = ["", "--plain"]
import pytorch as peer, torch
torch.manual_seed(2)
tokens, targets = torch.randint(65, (2, 12, 64))
ways = {}
for peer.ATTENTION in ["batched", "fused"][: 2 if peer.HAS_FUSED else 1]:
    for peer.ADAMW in ["foreach", "fused"][: 2 if peer.HAS_FUSED else 1]:
        torch.manual_seed(1)
        model = peer.GPT(**peer.SIZES["S"])
        optimizer = peer.adamw(model.parameters(), lr=1e-3)
        losses = ways[f"{peer.ATTENTION} {peer.ADAMW}"] = []
        for step in range(3):
            optimizer.zero_grad()
            loss = model(tokens, targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
print(json.dumps(dict(about=peer.TRAINS, ways=ways)))
`;
