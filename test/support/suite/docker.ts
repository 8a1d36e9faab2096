import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** @throws an error with the command's standard error */
export async function docker(...args: readonly string[]): Promise<string> {
  const { stdout } = await run('docker', args, { maxBuffer: 16 * 1024 * 1024 });
  return stdout.trim();
}

/** Builds a target of the Dockerfile, without the unchanged parts. @returns its id */
export async function buildImage(target: string): Promise<string> {
  const { NODE_IMAGE } = process.env;
  const base = NODE_IMAGE === undefined ? [] : ['--build-arg', `NODE_IMAGE=${NODE_IMAGE}`];
  return docker('build', '--quiet', '--target', target, ...base, '.');
}
