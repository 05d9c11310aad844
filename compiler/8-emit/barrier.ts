/**
 * The barrier between two kernels that touch the same bytes, and what it says of the machine: who waits for
 * so long that it falls asleep waits for a worker that another program has taken the core from, as kernels
 * are cut into even shares. Where that happens often, all of a kernel's tasks are handed out in pieces
 * (kernel.ts), so that those who have a core do the work of one who has none, and wait for its last piece
 * alone. The last worker to arrive decides so, while nobody else runs; hence all agree on it.
 */

/**
 * Spins before sleeping, some 200 µs: a worker that sleeps is waked too late for the next kernel
 * (bench/EXPERIMENTS.md).
 */
const SPINS = 400_000;

/** What a sleep counts; each round forgets a sixteenth: 16 · 16 is where somebody always sleeps. */
const SLEEP = 16;
const FORGET = 4;
/**
 * Workers are held up where one sleeps in three of eight rounds, and no longer below one of four. On a busy
 * machine one does in six to seven of eight (training M, bench/EXPERIMENTS.md).
 */
const HELD_FROM = 96;
const HELD_TO = 64;

export const barrier = `/**
 * All workers arrive before any goes on. A worker spins briefly, then sleeps; where there are more of them
 * than cores, it sleeps at once. It leaves by a trap when the host has raised CONTROL_ABORT.
 */
function barrier(): void {
  const workers = load<i32>(CONTROL_WORKERS);
  if (workers == 1) return;
  const round = atomic.load<i32>(CONTROL_ROUND);
  if (atomic.add<i32>(CONTROL_ARRIVED, 1) == workers - 1) {
    atomic.store<i32>(CONTROL_ARRIVED, 0);
    memory.fill(TASK_COUNTERS, 0, TASK_COUNTER_BYTES);
    countSleeps();
    atomic.add<i32>(CONTROL_ROUND, 1);
    atomic.notify(CONTROL_ROUND, -1);
  } else {
    const spins = load<i32>(CONTROL_CROWDED) == 0 ? ${SPINS} : 0;
    for (let spin = 0; spin < spins; spin++) if (atomic.load<i32>(CONTROL_ROUND) != round) return;
    atomic.store<i32>(CONTROL_SLEPT, 1);
    while (atomic.load<i32>(CONTROL_ROUND) == round) {
      if (atomic.load<i32>(CONTROL_ABORT) != 0) unreachable();
      atomic.wait<i32>(CONTROL_ROUND, round, 100_000_000); // ns: looks at CONTROL_ABORT ten times a second
    }
  }
  if (atomic.load<i32>(CONTROL_ABORT) != 0) unreachable();
}

/** Are workers held up? Whoever arrives last looks, and the others see it once they have left. */
function countSleeps(): void {
  const before = load<i32>(CONTROL_SLEEPS), slept = atomic.load<i32>(CONTROL_SLEPT);
  if ((before | slept) == 0) return;
  const sleeps = before - ((before + ${(1 << FORGET) - 1}) >> ${FORGET}) + slept * ${SLEEP};
  atomic.store<i32>(CONTROL_SLEPT, 0);
  store<i32>(CONTROL_SLEEPS, sleeps);
  if (sleeps > ${HELD_FROM}) store<i32>(CONTROL_HELD, 1);
  else if (sleeps < ${HELD_TO}) store<i32>(CONTROL_HELD, 0);
}
`;
