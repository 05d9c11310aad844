/** Files that are dropped on an element. */
export function takeDrops(on: HTMLElement, take: (files: readonly File[]) => void): void {
  on.addEventListener("dragover", (event) => event.preventDefault());
  on.addEventListener("drop", (event) => {
    event.preventDefault();
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length > 0) take(files);
  });
}
