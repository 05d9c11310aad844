/** The kernels of a module as AssemblyScript, and which line of the spec each of them is of. */
import { modulePieces, type ModulePiece } from "../../../../compiler/8-emit/module.ts";
import { roomsOf } from "../../../../compiler/drawing/rooms.ts";
import type { PlacedPart } from "../../../../compiler/language-service/language-service.ts";
import { planModule } from "../../../../compiler/compile.ts";
import type { ModuleName } from "../../../../runtime/contract/manifest.ts";
import type { Target } from "../../../../runtime/contract/targets.ts";
import { analysisOf } from "../analysis-of.ts";

export interface AskedKernels {
  readonly text: string;
  readonly model: string;
  readonly module: ModuleName;
  readonly target: Target;
}

/** Where an entry calls a kernel. */
export interface KernelCall {
  readonly entry: string;
  readonly room: string;
  readonly step: number;
}

export interface KernelText extends ModulePiece {
  readonly lines: number;
  /** A kernel's; none of other pieces. */
  readonly calls: readonly KernelCall[];
  /** The parts of the spec that it computes something of: places in `parts`. */
  readonly of: readonly number[];
}

export interface Kernels {
  readonly text: string;
  readonly pieces: readonly KernelText[];
  readonly parts: readonly PlacedPart[];
  /** A module that one memory does not hold: over how many it is divided; the pieces are the first one's. */
  readonly memories: number;
}

export const kernelQuestions = {
  /** Undefined: the text has no such model without errors. */
  kernels: ({ text, model: name, module, target }: AskedKernels): Kernels | undefined => {
    const analysis = analysisOf(text);
    const model = analysis.models.find((facts) => facts.name === name)?.model;
    if (!model) return undefined;
    const plan = planModule(model, module, { targets: [target] });
    const { programs: byTarget, placement } = plan.over?.partitions?.[0] ?? plan;
    const programs = byTarget.get(target)!;
    const parts = analysis.parts().filter((part) => part.model === name);
    const uses = new Map<string, { calls: KernelCall[]; of: Set<number> }>();
    for (const program of programs)
      for (const { name: room, kernels } of roomsOf(model, program, programs))
        for (const { name: kernel, step, part } of kernels) {
          const use = uses.get(kernel) ?? { calls: [], of: new Set<number>() };
          uses.set(kernel, use);
          use.calls.push({ entry: program.graph.entry, room, step });
          const at = parts.findIndex((one) => one.section === part?.section && one.part === part.part);
          if (at >= 0) use.of.add(at);
        }
    const pieces = modulePieces(target, programs, placement).map((piece): KernelText => {
      const use = piece.kind === "kernel" ? uses.get(piece.name) : undefined;
      const lines = piece.text.trimEnd().split("\n").length;
      return { ...piece, lines, calls: use?.calls ?? [], of: [...(use?.of ?? [])] };
    });
    return { text, pieces, parts, memories: plan.over?.partitions?.length ?? 1 };
  },
};
