/**
 * Rows sorted by expert. Every choice (r, k) of the router gets a slot. The slots of one expert are
 * neighbours, in the order of the rows, so that its product is one of contiguous rows. There are S = R · K
 * slots; F = E + 1.
 *
 *   slots[r,k]                     the slot of the choice
 *   sources[s]                     r · K + k of the slot's choice
 *   starts[e] … starts[e+1] − 1    the slots of expert e
 *
 * Of L = live[0] rows there are live_slots[0] = L · K slots; slots behind them belong to nobody.
 */
import { defineOp } from "../kit/op.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";

export const dispatch = defineOp(
  "choice[R,K]:i32 live[1]?:i32 -> slots[R,K]:i32 sources[S]:i32 starts[F]:i32 live_slots[1]?:i32",
  {
    doc: "a stable counting sort of the choices by expert",
    flops: ({ S }) => 4 * S,
    rows: "R",
    reference({ choice, live, slots, sources, starts, live_slots }, { K, F }) {
      let slot = 0;
      for (let e = 0; e < F - 1; e++) {
        starts[e] = slot;
        for (const [i, expert] of choice.entries()) {
          if (expert !== e || (live && i >= live[0]! * K)) continue;
          slots[i] = slot;
          sources[slot++] = i;
        }
      }
      starts[F - 1] = slot;
      if (live_slots) live_slots[0] = slot;
    },
    tasks: () => 1, // a few thousand steps: one worker is enough
    scratch: ({ F }) => 4 * F,
    emit(w, at, { R, K, S, F }, { has }) {
      const bytes = rowBytes(K);
      const E = F - 1;
      const eachChoice = (body: () => void): void =>
        w.block(`for (let r = 0; r < rows; r++)`, () =>
          w.block(`for (let k = 0; k < ${K}; k++)`, () => {
            w.line(
              `const place = <usize>r * ${bytes} + (<usize>k << 2), e = <usize>load<i32>(${at.choice} + ` +
                "place) << 2;",
            );
            body();
          }),
        );
      w.line("if (first == last) return;");
      w.line(`const rows = ${has("live") ? `min(load<i32>(${at.live}), ${R})` : R};`);
      w.line(`memory.fill(scratch, 0, ${4 * E}); // how many, then the next slot of each expert`);
      eachChoice(() => w.line("store<i32>(scratch + e, load<i32>(scratch + e) + 1);"));
      w.line(`memory.fill(${at.starts}, 0, ${rowBytes(F)});`);
      w.line("let start = 0;");
      w.block(`for (let e: usize = 0; e < ${4 * E}; e += 4)`, () => {
        w.line("const count = load<i32>(scratch + e);");
        w.line(`store<i32>(${at.starts} + e, start);`);
        w.line("store<i32>(scratch + e, start);");
        w.line("start += count;");
      });
      w.line(`store<i32>(${at.starts}, start, ${4 * E});`);
      if (has("live_slots")) {
        w.line(`memory.fill(${at.live_slots}, 0, ${rowBytes(1)});`);
        w.line(`store<i32>(${at.live_slots}, start);`);
      }
      w.line(`memory.fill(${at.slots}, 0, ${R * bytes});`);
      eachChoice(() => {
        w.line("const slot = load<i32>(scratch + e);");
        w.line("store<i32>(scratch + e, slot + 1);");
        w.line(`store<i32>(${at.slots} + place, slot);`);
        w.line(`store<i32>(${at.sources} + (<usize>slot << 2), r * ${K} + k);`);
      });
      if (has("live"))
        w.line(`memory.fill(${at.sources} + (<usize>start << 2), 0, ${4 * S} - (<usize>start << 2));`);
      if (rowBytes(S) > 4 * S) w.line(`memory.fill(${at.sources} + ${4 * S}, 0, ${rowBytes(S) - 4 * S});`);
    },
    sample: (_tensor, { F }, _noise, i) => (i * i + (i >> 2)) % (F - 1),
    cases: [
      { d: { R: 7, K: 2, S: 14, F: 6 } },
      { d: { R: 9, K: 2, S: 18, F: 6 }, with: ["live", "live_slots"] },
      { d: { R: 17, K: 1, S: 17, F: 9 } },
      { d: { R: 5, K: 3, S: 15, F: 4 } },
      { d: { R: 768, K: 2, S: 1536, F: 9 } },
    ],
  },
);
