import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Replaces a file that exists, keeping owner, group and mode. Who reads meanwhile, or after a crash, finds the old file or the new
 * one, never half of it. One caller at a time.
 *
 * @param path no symbolic link: that would be replaced itself
 */
export async function replaceFile(path: string, content: string): Promise<void> {
  const { uid, gid, mode } = await stat(path);
  const beside = `${path}.new`;
  // Left behind by a crash, or put there for us to follow.
  await rm(beside, { force: true });
  try {
    const file = await open(beside, 'wx', 0o600);
    try {
      await file.chown(uid, gid);
      await file.chmod(mode & 0o7777);
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  // The new name is on disk only once its folder is.
  const folder = await open(dirname(path), 'r');
  await folder.sync().finally(() => folder.close());
}
