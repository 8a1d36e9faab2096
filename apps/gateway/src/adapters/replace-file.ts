import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Replaces an existing file, keeping owner, group and mode. A reader during this, or after a crash, finds the old or the new file,
 * never half of it. One caller at a time.
 *
 * @param path no symbolic link, because the link itself would be replaced
 */
export async function replaceFile(path: string, content: string): Promise<void> {
  const { uid, gid, mode } = await stat(path);
  const beside = `${path}.new`;
  // Left behind by a crash, or an attacker's link.
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
  // The new name is on disk only after its folder.
  const folder = await open(dirname(path), 'r');
  await folder.sync().finally(() => folder.close());
}
