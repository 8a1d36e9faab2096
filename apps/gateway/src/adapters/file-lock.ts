import { randomUUID } from 'node:crypto';
import { readlink, symlink, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { StartError } from '@app/ops';

const WAIT_MS = 20_000;
const ASK_EVERY_MS = 20;

/** Locks that this process holds. */
const held = new Set<string>();

/**
 * Runs a task alone: other tasks with the lock of the same file wait. The lock is a symbolic link beside the file, created together
 * with its content (`<process>@<host>#<uuid>`) or not at all; the lock of a dead process is taken over.
 *
 * @throws {StartError} naming the other process, if it keeps the lock for `waitMs` (default 20,000: 20 s)
 */
export async function withFileLock<T>(path: string, run: () => Promise<T>, waitMs = WAIT_MS): Promise<T> {
  const lock = `${path}.lock`;
  const mine = `${process.pid}@${hostname()}#${randomUUID()}`;
  const deadlineMs = performance.now() + waitMs;
  held.add(mine);
  try {
    while (!(await taken(lock, mine))) {
      if (performance.now() > deadlineMs) throw await stillHeld(path, lock);
      await breakDead(lock, mine);
      await delay(ASK_EVERY_MS * (1 + Math.random()));
    }
    try {
      return await run();
    } finally {
      if ((await holderOf(lock)) === mine) await unlink(lock);
    }
  } finally {
    held.delete(mine);
  }
}

async function taken(lock: string, mine: string): Promise<boolean> {
  return symlink(mine, lock).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return false;
      throw error;
    },
  );
}

async function holderOf(lock: string): Promise<string | undefined> {
  return readlink(lock).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

/**
 * To remove the lock of a dead process, a process must hold the lock of that lock, and check again under it: otherwise a third process
 * that saw the same dead one a moment ago would remove the lock of the second.
 */
async function breakDead(lock: string, mine: string): Promise<void> {
  const holder = await holderOf(lock);
  if (holder === undefined || isAlive(holder)) return;
  const right = `${lock}.${holder.split('#')[1]}`;
  if (!(await taken(right, mine))) return;
  try {
    if ((await holderOf(lock)) === holder) await unlink(lock);
  } finally {
    await unlink(right);
  }
}

/** A process of another host, such as a container on the same folder, is unknown: it counts as alive. */
function isAlive(holder: string): boolean {
  const [, pid, host] = /^(\d+)@(.*)#[\w-]{36}$/.exec(holder) ?? [];
  if (host !== hostname()) return true;
  // An earlier process with the same number, such as the first ones of a container.
  if (Number(pid) === process.pid) return held.has(holder);
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

async function stillHeld(path: string, lock: string): Promise<StartError> {
  const [process = 'a process', host = 'an unknown host'] = (await holderOf(lock))?.split(/[@#]/) ?? [];
  return new StartError(
    `${path} is being changed by process ${process} on ${host}, and nothing was changed here. If that process is gone, delete ${lock}.`,
  );
}
