/** How the drawing of rooms is used: headers open and close, kernels are chosen, by pointer and by keys. */
import { partAt } from "../../parts/places.ts";
import type { Structure } from "../../check/questions/structure.ts";

export interface UseOfRooms {
  /** The step of the kernel that is chosen. */
  readonly chosen: number | undefined;
  choose(step: number): void;
  toggle(room: string, isOpen: boolean): void;
}

export function useRooms(within: HTMLElement, { chosen, choose, toggle }: UseOfRooms): void {
  const kernels = [...within.querySelectorAll<SVGElement>("[data-kernel]")];
  const stepOf = (kernel: Element): number => Number(kernel.getAttribute("data-kernel"));
  const press = (kernel: SVGElement): void => {
    for (const other of kernels) {
      other.setAttribute("aria-pressed", String(other === kernel));
      other.setAttribute("tabindex", other === kernel ? "0" : "-1");
    }
  };
  const first = kernels.find((kernel) => stepOf(kernel) === chosen);
  if (first) press(first);
  else kernels[0]?.setAttribute("tabindex", "0"); // one of them is reached by Tab, the others by arrows
  const use = (target: Element): boolean => {
    const header = target.closest("[data-header]");
    if (header) {
      toggle(header.getAttribute("data-header")!, header.getAttribute("aria-expanded") !== "true");
      return true;
    }
    const kernel = target.closest<SVGElement>("[data-kernel]");
    if (!kernel) return false;
    press(kernel);
    choose(stepOf(kernel));
    return true;
  };
  within.addEventListener("click", ({ target }) => void use(target as Element));
  within.addEventListener("keydown", (event) => {
    const target = event.target as SVGElement;
    if (event.key === "Enter" || event.key === " ") {
      if (use(target)) event.preventDefault();
      return;
    }
    const at = kernels.indexOf(target);
    const next = at < 0 ? undefined : kernels[at + ({ ArrowDown: 1, ArrowUp: -1 }[event.key] ?? NaN)];
    if (!next) return;
    event.preventDefault();
    next.focus();
    press(next);
    choose(stepOf(next));
  });
}

/** Marks the kernels of the part at a place of the spec. */
export function lightUp(within: HTMLElement, { parts, kernels }: Structure, at: number): void {
  const here = partAt(parts, at);
  const lit = new Set(
    kernels
      .filter(({ part }) => here && part?.section === here.section && part.part === here.part)
      .map(({ step }) => `${step}`),
  );
  for (const kernel of within.querySelectorAll("[data-kernel]"))
    kernel.classList.toggle("lit", lit.has(kernel.getAttribute("data-kernel")!));
}
