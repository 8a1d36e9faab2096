import { open, realpath } from 'node:fs/promises';
import { StartError } from '@app/ops';
import { ClientDocument, type ClientRecord } from './client-document.js';
import type { ClientRecords } from './client-records.js';
import { withFileLock } from './file-lock.js';
import { replaceFile } from './replace-file.js';

/** Clients of a YAML file, for `npm run client`. */
export class ClientFile implements ClientRecords {
  readonly inForceWhen = 'Every gateway that reads this file uses it within a second.';

  constructor(private readonly path: string) {}

  async list(): Promise<readonly ClientRecord[]> {
    return (await ClientDocument.read(this.path)).clients;
  }

  async change(clientId: string, change: (found: ClientRecord | undefined) => ClientRecord): Promise<void> {
    await ClientDocument.read(this.path);
    // A symbolic link stays a link.
    const target = await realpath(this.path);
    // A replacement does not write to the old file: this checks the right to write.
    await open(target, 'r+').then(
      (file) => file.close(),
      (error: unknown) => this.explain(error),
    );
    await withFileLock(target, async () => {
      const document = await ClientDocument.read(target);
      const found = document.clients.find((client) => client.client_id === clientId);
      await replaceFile(target, document.with(change(found)));
    }).catch((error: unknown) => this.explain(error));
  }

  async inForceAs(): Promise<string> {
    return `revision ${(await ClientDocument.read(this.path)).revision}`;
  }

  async close(): Promise<void> {}

  private explain(error: unknown): never {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (code === undefined || syscall === undefined) throw error;
    throw new StartError(`${this.path} cannot be changed (${code}): ${ADVICE[code] ?? `${syscall} failed`}.`);
  }
}

const NOT_ALLOWED =
  'this user may not write to the file or to its folder, or may not keep its owner; run the command as its owner or as root';
const ADVICE: Readonly<Record<string, string>> = {
  EACCES: NOT_ALLOWED,
  EPERM: NOT_ALLOWED,
  EROFS: 'it is mounted read-only; change it where it is mounted from',
  // A mount point cannot be replaced by a rename; even if it could, a container would still see the old file.
  EBUSY: 'it is mounted by itself and cannot be replaced; mount the folder that it is in instead',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
};
