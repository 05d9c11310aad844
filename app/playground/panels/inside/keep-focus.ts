/** Children that are made anew: the one with the focus gives it to its successor of the same `data-key`. */
export function replaceChildren(place: HTMLElement, children: readonly Node[]): void {
  const { activeElement } = document;
  const key =
    activeElement instanceof HTMLElement && place.contains(activeElement)
      ? activeElement.dataset["key"]
      : undefined;
  place.replaceChildren(...children);
  if (key !== undefined) place.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`)?.focus();
}
