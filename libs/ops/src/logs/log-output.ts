import { constants, fstatSync, openSync, writeSync } from 'node:fs';

export interface LogOutputOptions {
  /** Default 1, standard output. */
  readonly descriptor?: number;
  /** Bytes that wait for a reader before lines are dropped. Default 4 MiB. */
  readonly maxWaitingBytes?: number;
  /** How long the end of the process may wait for a reader. Default 1,000 (1 s). */
  readonly exitTimeoutMs?: number;
}

/** Size of one write: what Docker reads at once. With less, a write costs a request more than its line does. */
const CHUNK_BYTES = 16_384;

/** How long lines may wait for others in the same write. */
const GATHER_MS = 10;

/** Wait after a reader had no room: first, and maximum. */
const FIRST_PAUSE_MS = 1;
const LONGEST_PAUSE_MS = 50;

/** Wait after a failure that room does not repair: no reader, or no space on the disk. */
const FAILED_PAUSE_MS = 1_000;

const LINE_FEED = 0x0a;

interface Chunk {
  readonly bytes: Buffer;
  written: number;
}

/**
 * The exit of log lines from the process. A write never waits: lines without room at the reader stay here, up to a bound, and lines
 * beyond that are dropped and counted. A stream that writes in the background would delay the end of the process while its reader
 * stands still: Node waits there for pending writes.
 */
export class LogOutput {
  /** Called once there is room again, with the number of dropped lines. */
  onLoss: (dropped: number) => void = () => undefined;

  private readonly descriptor: number;
  private readonly maxWaitingBytes: number;
  private readonly exitTimeoutMs: number;
  private readonly chunks: Chunk[] = [];
  /** Lines that become a chunk. */
  private gathered = '';
  private waitingBytes = 0;
  private dropped = 0;
  private full = false;
  private gathering: NodeJS.Timeout | undefined;
  private pausing: NodeJS.Timeout | undefined;
  private pauseMs = FIRST_PAUSE_MS;
  private ending = false;

  constructor({
    descriptor = 1,
    maxWaitingBytes = 4 * 1024 * 1024,
    exitTimeoutMs = 1_000,
  }: LogOutputOptions = {}) {
    this.descriptor = neverBlocking(descriptor);
    this.maxWaitingBytes = maxWaitingBytes;
    this.exitTimeoutMs = exitTimeoutMs;
    process.once('exit', () => this.end());
  }

  /** Writes a line now, and all before it. */
  write(line: string): void {
    this.add(line);
    if (this.pausing === undefined || this.ending) this.flush();
  }

  /** Writes a line together with others, in {@link GATHER_MS} at the latest. */
  writeSoon(line: string): void {
    const added = this.add(line);
    if (this.ending || (!added && this.pausing === undefined)) this.flush();
    else if (this.pausing !== undefined) return;
    else if (this.chunks.length > 0) this.writeChunks();
    else this.gathering ??= setTimeout(() => this.flush(), GATHER_MS).unref();
  }

  private add(line: string): boolean {
    if (this.full || this.waitingBytes + line.length > this.maxWaitingBytes) {
      this.full = true;
      this.dropped += 1;
      return false;
    }
    if (this.gathered.length + line.length > CHUNK_BYTES) this.seal();
    this.gathered += line;
    this.waitingBytes += line.length;
    return true;
  }

  private seal(): void {
    if (this.gathered === '') return;
    const bytes = Buffer.from(this.gathered);
    this.waitingBytes += bytes.length - this.gathered.length;
    this.gathered = '';
    this.chunks.push({ bytes, written: 0 });
  }

  private flush(): void {
    clearTimeout(this.gathering);
    this.gathering = undefined;
    this.seal();
    this.writeChunks();
  }

  private writeChunks(): void {
    const failure = this.writeWhatFits();
    if (failure !== undefined) this.pause(failure);
    // From half of the bound on, so that a slightly slow reader gets few such reports.
    if (!this.full || this.waitingBytes > this.maxWaitingBytes / 2) return;
    const { dropped } = this;
    this.full = false;
    this.dropped = 0;
    this.onLoss(dropped);
  }

  /** @returns the reason why a rest was not written */
  private writeWhatFits(): NodeJS.ErrnoException | undefined {
    for (let chunk = this.chunks[0]; chunk !== undefined; chunk = this.chunks[0]) {
      try {
        const count = writeSync(this.descriptor, chunk.bytes, chunk.written);
        chunk.written += count;
        this.waitingBytes -= count;
        this.pauseMs = FIRST_PAUSE_MS;
        if (chunk.written === chunk.bytes.length) this.chunks.shift();
      } catch (error) {
        return error as NodeJS.ErrnoException;
      }
    }
    return undefined;
  }

  private pause(failure: NodeJS.ErrnoException): void {
    if (this.ending) return;
    const pauseMs = hasNoRoom(failure) ? this.pauseMs : FAILED_PAUSE_MS;
    this.pauseMs = Math.min(2 * this.pauseMs, LONGEST_PAUSE_MS);
    clearTimeout(this.pausing);
    this.pausing = setTimeout(() => {
      this.pausing = undefined;
      this.flush();
    }, pauseMs).unref();
  }

  /** Writes the rest, for a reader that takes it in time. */
  private end(): void {
    this.ending = true;
    this.seal();
    const deadlineMs = performance.now() + this.exitTimeoutMs;
    let failure = this.writeWhatFits();
    while (failure !== undefined && hasNoRoom(failure) && performance.now() < deadlineMs) {
      sleep(FIRST_PAUSE_MS);
      failure = this.writeWhatFits();
    }
    const lost = this.dropped + this.chunks.reduce((lines, chunk) => lines + linesLeft(chunk), 0);
    if (lost > 0) process.stderr.write(`${lost} log lines were lost: standard output did not take them\n`);
  }
}

/**
 * A descriptor of the same pipe, terminal or socket whose writes fail instead of waiting. A pipe is opened again where possible,
 * because all processes that write to it share this property.
 */
function neverBlocking(descriptor: number): number {
  const stats = fstatSync(descriptor);
  if (stats.isFIFO() || stats.isCharacterDevice()) {
    try {
      const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
      return openSync(`/proc/self/fd/${descriptor}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
    } catch {
      // There is no /proc, no reader any more, or no right.
    }
  }
  // Node sets this for pipes and sockets when its own stream for them exists.
  if (!stats.isFile() && descriptor === 1) void process.stdout;
  return descriptor;
}

function hasNoRoom({ code }: NodeJS.ErrnoException): boolean {
  return code === 'EAGAIN' || code === 'EBUSY';
}

function linesLeft({ bytes, written }: Chunk): number {
  let lines = 0;
  for (let at = bytes.indexOf(LINE_FEED, written); at !== -1; at = bytes.indexOf(LINE_FEED, at + 1))
    lines += 1;
  return lines;
}

const neverWoken = new Int32Array(new SharedArrayBuffer(4));

function sleep(ms: number): void {
  Atomics.wait(neverWoken, 0, 0, ms);
}
