import { readFile } from 'node:fs/promises';

const MS_PER_TICK = 10;

/** CPU time of each process for one request, all threads, in microseconds, by the name of the process. */
export type CpuUs = Readonly<Record<string, number>>;

/** @param pids by the name of the process */
export async function withCpu<Sent extends { readonly requests: number }>(
  pids: Readonly<Record<string, number>>,
  send: () => Promise<Sent>,
): Promise<Sent & { readonly cpuUs: CpuUs }> {
  const names = Object.keys(pids);
  const read = () => Promise.all(names.map((name) => cpuMs(pids[name]!)));
  const before = await read();
  const sent = await send();
  const after = await read();
  const us = names.map((name, index) => [name, (1000 * (after[index]! - before[index]!)) / sent.requests]);
  return { ...sent, cpuUs: Object.fromEntries(us) as CpuUs };
}

export function totalOf(cpuUs: CpuUs): number {
  return Object.values(cpuUs).reduce((sum, us) => sum + us, 0);
}

async function cpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name, in brackets, may hold spaces; after it utime and stime are the 12th and the 13th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return MS_PER_TICK * (Number(fields[11]) + Number(fields[12]));
}
