/** Password hashes with scrypt (RFC 7914), written `scrypt$N=16384,r=8,p=1$<salt>$<hash>`, both parts base64url. */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

export interface PasswordHash {
  /** CPU and memory cost: a power of two. */
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelization: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

const defaults = { cost: 16_384, blockSize: 8, parallelization: 1, saltBytes: 16, hashBytes: 32 };
const grammar = /^scrypt\$N=(\d{1,7}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9_-]+)\$([A-Za-z0-9_-]+)$/;

/** @returns the hash, or the fault of the text (never quoted in the reason). */
export function parsePasswordHash(text: string): PasswordHash | string {
  const match = grammar.exec(text);
  if (!match) return 'not of the form scrypt$N=16384,r=8,p=1$<salt>$<hash>';
  const [cost, blockSize, parallelization] = match.slice(1, 4).map(Number) as [number, number, number];
  const salt = Buffer.from(match[4]!, 'base64url');
  const hash = Buffer.from(match[5]!, 'base64url');
  if (!Number.isInteger(Math.log2(cost)) || cost < 16_384 || cost > 1_048_576) {
    return 'N is not a power of two from 16384 to 1048576';
  }
  if (blockSize < 8 || blockSize > 16) return 'r is not from 8 to 16';
  if (parallelization < 1 || parallelization > 16) return 'p is not from 1 to 16';
  if (salt.length < 16) return 'the salt is shorter than 16 bytes';
  if (hash.length < 32 || hash.length > 64) return 'the hash is not 32 to 64 bytes long';
  return { cost, blockSize, parallelization, salt, hash };
}

/** Hashes with a fresh salt. Every byte of the password counts, however long it is. */
export async function hashPassword(password: string, work: Partial<Work> = {}): Promise<string> {
  const { cost, blockSize, parallelization, saltBytes, hashBytes } = { ...defaults, ...work };
  const salt = randomBytes(saltBytes);
  const hash = await derive(password, {
    cost,
    blockSize,
    parallelization,
    salt,
    hash: Buffer.alloc(hashBytes),
  });
  const parameters = `N=${cost},r=${blockSize},p=${parallelization}`;
  return `scrypt$${parameters}$${salt.toString('base64url')}$${hash.toString('base64url')}`;
}

/** Compares in constant time. */
export async function passwordMatches(password: string, expected: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, expected), expected.hash);
}

/** The work to check a hash: all hashes with the same work take equally long. */
export type Work = Pick<PasswordHash, 'cost' | 'blockSize' | 'parallelization'>;

export function isSameWork(one: Work, other: Work): boolean {
  return (
    one.cost === other.cost &&
    one.blockSize === other.blockSize &&
    one.parallelization === other.parallelization
  );
}

/** A hash without a password, checked for unknown users, so that both cases take equally long. */
export function decoyPasswordHash({ cost, blockSize, parallelization }: Work = defaults): PasswordHash {
  const { saltBytes, hashBytes } = defaults;
  return { cost, blockSize, parallelization, salt: randomBytes(saltBytes), hash: randomBytes(hashBytes) };
}

/** The asynchronous form runs in libuv's thread pool: the event loop stays free. */
function derive(
  password: string,
  { cost, blockSize, parallelization, salt, hash }: PasswordHash,
): Promise<Buffer> {
  const maxmem = 256 * cost * blockSize;
  return new Promise((resolve, reject) => {
    scrypt(password, salt, hash.length, { cost, blockSize, parallelization, maxmem }, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}
