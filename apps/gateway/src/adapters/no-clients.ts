import { ClientRegistry } from '../core/client.js';

/** The registry without clients. */
export class NoClients extends ClientRegistry {
  override async find(): Promise<undefined> {
    return undefined;
  }

  override async scopes(): Promise<readonly string[]> {
    return [];
  }

  override readonly trouble = undefined;

  override inForce(): string {
    return 'no clients';
  }

  override async close(): Promise<void> {}
}
