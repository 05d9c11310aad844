/**
 * What stands between kernels that touch the same bytes. An entry is a chain of phases; the work of a phase
 * is cut into parts, as many as there are workers, and the next phase begins when all parts are done. Usually
 * each worker does its own part, and they meet there. Where other programs take cores from the workers, parts
 * belong to whoever comes first, and all of a kernel's tasks are handed out in pieces (kernel.ts): those who
 * have a core do everything, a worker that has taken nothing is not waited for, and when it is back it goes
 * through the phases that are over without doing anything.
 *
 * Whether that is so, the phases say themselves: who waits for so long that it falls asleep waits for a
 * worker without a core, as kernels are cut into even shares. Whoever ends a phase decides for the next one,
 * while nobody else has a part of either.
 */

/**
 * CONTROL_ROUND is one word, so that all that it says is of the same moment: how many parts of the phase are
 * taken (of at most MAX_WORKERS), whether workers are held up, and from bit 8 on the number of the phase.
 */
const TAKEN = 0x7f;
export const HELD = 0x80;
const ONE_PHASE = 0x100;

/**
 * Spins before sleeping, some 200 µs: a worker that sleeps is waked too late for the next kernel
 * (bench/EXPERIMENTS.md).
 */
const SPINS = 400_000;

/** What a sleep counts; each phase forgets a sixteenth: 16 · 16 is where somebody always sleeps. */
const SLEEP = 16;
const FORGET = 4;
/**
 * Workers are held up where one sleeps in three of eight phases, and no longer below one of four. On a busy
 * machine one does in six to seven of eight (training M, bench/EXPERIMENTS.md).
 */
const HELD_FROM = 96;
const HELD_TO = 64;

/** Begins the text of a phase; the block behind it does the part of the work that `part` says. */
export const PHASE_HEAD = "for (let part = firstPart(worker); part >= 0; part = nextPart())";

export const barrier = `const TAKEN: i32 = ${TAKEN}; // in CONTROL_ROUND: how many parts are taken
const HELD: i32 = ${HELD}; // whether parts belong to whoever comes first
const ONE_PHASE: i32 = ${ONE_PHASE}; // the number of the phase is counted in these

/** The phase in which this worker is, as in CONTROL_ROUND. */
let phase: i32 = 0;

/** Do other programs hold workers up? It stays so while this worker has a part. */
function isHeld(): bool {
  return (load<i32>(CONTROL_ROUND) & HELD) != 0;
}

/** Is the phase in which this worker is over, by this value of CONTROL_ROUND? */
function isOver(round: i32): bool {
  return (round & -ONE_PHASE) != phase;
}

/** The first part of this phase that the worker is to do; -1: none is left, and the phase is over. */
function firstPart(worker: i32): i32 {
  if (load<i32>(CONTROL_WORKERS) == 1) return 0;
  const round = atomic.load<i32>(CONTROL_ROUND);
  return (round & HELD) != 0 || isOver(round) ? takePart() : worker;
}

/** A part is done: the next one, or -1 when the phase is over. */
function nextPart(): i32 {
  const workers = load<i32>(CONTROL_WORKERS);
  if (workers == 1) return -1;
  const held = isHeld();
  if (atomic.add<i32>(CONTROL_PARTS, 1) == workers - 1) endPhase(held);
  else if (held) {
    const part = takePart();
    if (part >= 0) atomic.store<i32>(CONTROL_SLEPT, 1); // it would have been another's, who is not here
    return part;
  } else awaitEnd();
  return -1;
}

/** Takes a part of this phase that nobody has taken; -1: there is none, and the phase is over. */
function takePart(): i32 {
  const workers = load<i32>(CONTROL_WORKERS);
  for (;;) {
    const round = atomic.load<i32>(CONTROL_ROUND), part = round & TAKEN;
    if (isOver(round) || part >= workers) break;
    // not if the phase has ended meanwhile: then its number is another
    if (atomic.cmpxchg<i32>(CONTROL_ROUND, round, round + 1) == round) return part;
  }
  awaitEnd();
  return -1;
}

/** All parts are done, so nobody has one. */
function endPhase(held: bool): void {
  atomic.store<i32>(CONTROL_PARTS, 0);
  memory.fill(TASK_COUNTERS, 0, TASK_COUNTER_BYTES);
  const next = countSleeps(held) ? HELD : 0;
  phase += ONE_PHASE;
  atomic.store<i32>(CONTROL_ROUND, phase | next);
  atomic.notify(CONTROL_ROUND, -1);
  if (atomic.load<i32>(CONTROL_ABORT) != 0) unreachable();
}

/**
 * Waits until the phase is over: spins briefly, then sleeps; where there are more workers than cores, it
 * sleeps at once. It leaves by a trap when the host has raised CONTROL_ABORT.
 */
function awaitEnd(): void {
  let spins = load<i32>(CONTROL_CROWDED) == 0 ? ${SPINS} : 0;
  for (;;) {
    const round = atomic.load<i32>(CONTROL_ROUND);
    if (isOver(round)) break;
    if (--spins >= 0) continue;
    atomic.store<i32>(CONTROL_SLEPT, 1);
    if (atomic.load<i32>(CONTROL_ABORT) != 0) unreachable();
    atomic.wait<i32>(CONTROL_ROUND, round, 100_000_000); // ns: looks at CONTROL_ABORT ten times a second
  }
  phase += ONE_PHASE;
  if (atomic.load<i32>(CONTROL_ABORT) != 0) unreachable();
}

/** The entry is over for this worker. The last one to leave it sets the number of the phase back. */
function leave(): void {
  const workers = load<i32>(CONTROL_WORKERS);
  if (workers == 1) return;
  phase = 0;
  if (atomic.add<i32>(CONTROL_LEFT, 1) < workers - 1) return;
  atomic.store<i32>(CONTROL_LEFT, 0);
  atomic.store<i32>(CONTROL_ROUND, atomic.load<i32>(CONTROL_ROUND) & HELD);
}

/** Are workers held up in the next phase, if they were (or were not) in the one that ends? */
function countSleeps(held: bool): bool {
  const before = load<i32>(CONTROL_SLEEPS), slept = atomic.load<i32>(CONTROL_SLEPT);
  if ((before | slept) == 0) return false;
  const sleeps = before - ((before + ${(1 << FORGET) - 1}) >> ${FORGET}) + slept * ${SLEEP};
  atomic.store<i32>(CONTROL_SLEPT, 0);
  store<i32>(CONTROL_SLEEPS, sleeps);
  return sleeps > ${HELD_FROM} || (held && sleeps >= ${HELD_TO});
}
`;
