/**
 * What follows a drawn token: it stands in its text, and the text goes on to the next run or ends. Texts that
 * end leave the run; the others close ranks, in their order, one row each.
 *
 *   texts[lane, p + 1] = drawn[i]       of the text of lane spans[i,lane] whose last token had position p
 *   an end   the token is one of the lane's ends; it has all tokens that it may have; the context is full;
 *            no token could be drawn
 *   loop     counts this step down, and says whether another one follows: there are steps and texts left,
 *            the host has not asked to stop, and every token could be drawn
 *
 * One task: it is some hundred instructions for each text.
 */
import {
  loopField,
  progressField,
  spanField,
  textEnds,
  type TextEnd,
} from "../../../runtime/contract/entries.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";
import { defineOp } from "../kit/op.ts";

/** What stands in a lane's `progress` for an end; 0: its text goes on. */
const codeOf = (end: TextEnd): number => textEnds.indexOf(end);

export const advance_texts = defineOp(
  "drawn[S]:i32 logprobs[S,2] ends[A,M]:i32 tokens[R]:i32 positions[R]:i32 spans[S,4]:i32 rows[1]:i32 span_count[1]:i32 loop[3]:i32 progress[A,4]:i32 texts[A,T]:i32 token_logprobs[A,T] choice_logprobs[A,T] -> tokens_out[R]:i32 positions_out[R]:i32 spans_out[S,4]:i32 rows_out[1]:i32 span_count_out[1]:i32 loop_out[3]:i32 progress_out[A,4]:i32 texts_out[A,T]:i32 token_logprobs_out[A,T] choice_logprobs_out[A,T]",
  {
    doc: "texts[lane,p+1] = drawn[i]; texts that end leave the run, the others are its rows",
    flops: () => 0,
    bytes: ({ S }) => 256 * S,
    mutates: {
      tokens_out: "tokens",
      positions_out: "positions",
      spans_out: "spans",
      rows_out: "rows",
      span_count_out: "span_count",
      loop_out: "loop",
      progress_out: "progress",
      texts_out: "texts",
      token_logprobs_out: "token_logprobs",
      choice_logprobs_out: "choice_logprobs",
    },
    reference(t, { M, T }) {
      let kept = 0;
      let sound = true;
      for (let i = 0; i < t.span_count[0]!; i++) {
        const lane = t.spans[4 * i + spanField.lane]!;
        const position = t.spans[4 * i + spanField.start]! + 1;
        const token = t.drawn[i]!;
        const progress = t.progress_out.subarray(4 * lane, 4 * lane + 4);
        progress[progressField.row] = i;
        let end: TextEnd = "corrupt";
        if (token >= 0) {
          t.texts_out[lane * T + position] = token;
          t.token_logprobs_out[lane * T + position] = t.logprobs[2 * i]!;
          t.choice_logprobs_out[lane * T + position] = t.logprobs[2 * i + 1]!;
          progress[progressField.length] = position + 1;
          progress[progressField.left]! -= 1;
          const ends = (t.ends[lane * M + (token >> 5)]! >> (token & 31)) & 1;
          end = ends
            ? "end of text"
            : progress[progressField.left]! <= 0
              ? "tokens"
              : position === T - 1
                ? "context"
                : "none";
        } else sound = false;
        progress[progressField.end] = codeOf(end);
        if (end !== "none") continue;
        t.tokens_out[kept] = token;
        t.positions_out[kept] = position;
        t.spans_out.set([lane, position, kept, 1], 4 * kept);
        kept++;
      }
      t.rows_out[0] = kept;
      t.span_count_out[0] = kept;
      t.loop_out[loopField.steps]! -= 1;
      const goesOn =
        t.loop_out[loopField.steps]! > 0 && kept > 0 && sound && t.loop_out[loopField.stop] === 0;
      t.loop_out[loopField.more] = goesOn ? 1 : 0;
    },
    tasks: () => 1,
    emit(w, at, { M, T }) {
      const span = (field: keyof typeof spanField): string => `span, ${4 * spanField[field]}`;
      const progress = (field: keyof typeof progressField): string =>
        `progress_i, ${4 * progressField[field]}`;
      const loop = (field: keyof typeof loopField): string => `${at.loop}, ${4 * loopField[field]}`;
      w.line("if (first == last) return; // another worker does it");
      w.line(`const count = load<i32>(${at.span_count});`);
      w.line("let kept = 0, sound = true;");
      w.block("for (let i = 0; i < count; i++)", () => {
        w.line(`const span = ${at.spans} + <usize>i * ${rowBytes(4)};`);
        w.line(`const lane = <usize>load<i32>(${span("lane")}), position = load<i32>(${span("start")}) + 1;`);
        w.line(`const token = load<i32>(${at.drawn} + (<usize>i << 2));`);
        w.line(`const progress_i = ${at.progress} + lane * ${rowBytes(4)};`);
        w.line(`store<i32>(progress_i, i, ${4 * progressField.row});`);
        w.line(`let end = ${codeOf("corrupt")}; // of the text; ${codeOf("none")}: it goes on`);
        w.block("if (token >= 0)", () => {
          w.line(`const place = lane * ${rowBytes(T)} + (<usize>position << 2);`);
          w.line(`store<i32>(${at.texts} + place, token);`);
          w.line(`const logprobs_i = ${at.logprobs} + <usize>i * ${rowBytes(2)};`);
          w.line(`store<f32>(${at.token_logprobs} + place, load<f32>(logprobs_i));`);
          w.line(`store<f32>(${at.choice_logprobs} + place, load<f32>(logprobs_i, 4));`);
          w.line(`store<i32>(progress_i, position + 1, ${4 * progressField.length});`);
          w.line(`const left = load<i32>(${progress("left")}) - 1;`);
          w.line(`store<i32>(progress_i, left, ${4 * progressField.left});`);
          w.line(`const bits = load<u32>(${at.ends} + lane * ${rowBytes(M)} + (<usize>(token >> 5) << 2));`);
          w.line(`end = ${codeOf("none")};`);
          w.line(`if ((bits >> (token & 31)) & 1) end = ${codeOf("end of text")};`);
          w.line(`else if (left <= 0) end = ${codeOf("tokens")};`);
          w.line(`else if (position == ${T - 1}) end = ${codeOf("context")};`);
        });
        w.line("else sound = false;");
        w.line(`store<i32>(progress_i, end, ${4 * progressField.end});`);
        w.line(`if (end != ${codeOf("none")}) continue;`);
        w.line(`store<i32>(${at.tokens} + (<usize>kept << 2), token);`);
        w.line(`store<i32>(${at.positions} + (<usize>kept << 2), position);`);
        w.line(`const to = ${at.spans} + <usize>kept * ${rowBytes(4)};`);
        w.line(`store<i32>(to, <i32>lane, ${4 * spanField.lane});`);
        w.line(`store<i32>(to, position, ${4 * spanField.start});`);
        w.line(`store<i32>(to, kept, ${4 * spanField.first});`);
        w.line(`store<i32>(to, 1, ${4 * spanField.rows});`);
        w.line("kept++;");
      });
      w.line(`store<i32>(${at.rows}, kept);`);
      w.line(`store<i32>(${at.span_count}, kept);`);
      w.line(`const steps = load<i32>(${loop("steps")}) - 1;`);
      w.line(`store<i32>(${at.loop}, steps, ${4 * loopField.steps});`);
      w.line(`const asked = atomic.load<i32>(${loop("stop")}) != 0; // by the host, at any time`);
      w.line(
        `store<i32>(${at.loop}, steps > 0 && kept > 0 && sound && !asked ? 1 : 0, ${4 * loopField.more});`,
      );
    },
    /**
     * Two tokens at position 3 of lanes from the last one down; lane 1 ends by its token, lane 2 by its
     * number.
     */
    sample(tensor, { S, A, M, T }, noise, i) {
      switch (tensor) {
        case "drawn":
          return i === 3 ? -1 : (5 * i + 2) % Math.min(32 * M, 50);
        case "ends":
          return Math.floor(i / M) === 1 ? -1 : 0;
        case "spans":
          return [A - 1 - (i >> 2), i >> 2 === 4 ? T - 2 : 3, i >> 2, 1][i & 3]!;
        case "rows":
        case "span_count":
          return S;
        case "loop":
          return [7, 0, 1][i]!;
        case "progress":
          return i >> 2 === 2 ? 1 : 9;
        case "tokens":
        case "positions":
        case "texts":
          return i % 7;
        default:
          return noise();
      }
    },
    cases: [
      { d: { S: 1, R: 1, A: 1, M: 2, T: 9 } },
      { d: { S: 5, R: 8, A: 8, M: 2, T: 21 } },
      { d: { S: 3, R: 3, A: 4, M: 1, T: 16 } },
      { d: { S: 64, R: 128, A: 64, M: 16, T: 257 } },
    ],
  },
);
