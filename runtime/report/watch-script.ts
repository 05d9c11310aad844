/**
 * The script of a report that is served while the run trains: it takes the page anew whenever the server says
 * that there is something new, and leaves alone what the reader has opened.
 */
const status = (): HTMLElement => document.querySelector("#live")!;
let end: string | undefined;
let isStale = false;
let isTaking = false;

/** One request at a time; what has changed meanwhile is taken after it. A page that is not seen waits. */
async function take(): Promise<void> {
  isStale = true;
  if (isTaking || document.hidden) return;
  isTaking = true;
  try {
    while (isStale) {
      isStale = false;
      const text = await (await fetch("/", { cache: "no-store" })).text();
      show(new DOMParser().parseFromString(text, "text/html").querySelector("main")!);
    }
  } catch {
    isStale = true; // the server says it again, or has ended
  } finally {
    isTaking = false;
  }
}

function show(next: HTMLElement): void {
  const opened = [...document.querySelectorAll("details")].map(({ open }) => open);
  for (const [i, details] of next.querySelectorAll("details").entries()) details.open = opened[i] ?? false;
  next.querySelector("#live")!.textContent = status().textContent;
  document.querySelector("main")!.replaceWith(next);
}

const source = new EventSource("/events");
const say = (text: string): void => {
  if (status().textContent !== text) status().textContent = text;
};
source.addEventListener("changed", () => {
  say("follows the run");
  void take();
});
source.addEventListener("end", (event) => {
  end = String(event.data);
  source.close();
  say(`the run has ended: ${end}`);
});
source.addEventListener("error", () => {
  if (end === undefined) say("the run is not there any more, or has no room for another page");
});
document.addEventListener("visibilitychange", () => {
  if (isStale) void take();
});
