import { MfaHandles, type PendingMfa } from '../../core/log-in/mfa-handles.js';
import type { SealedBox } from './sealed-box.js';

/** Life of Auth0's `mfa_token`. */
const LIFETIME_SECONDS = 600;
const PURPOSE = 'mfa_handle:v1';

/** Handles that hold their log-in, sealed under this deployment's secret. The store has nothing of it. */
export class SealedMfaHandles extends MfaHandles {
  constructor(private readonly box: SealedBox) {
    super();
  }

  override seal(pending: PendingMfa): string {
    const expiresAtSeconds = Date.now() / 1000 + LIFETIME_SECONDS;
    return this.box.seal(PURPOSE, PURPOSE, JSON.stringify({ pending, expiresAtSeconds }));
  }

  override open(handle: string): PendingMfa | undefined {
    const content = this.box.open(PURPOSE, PURPOSE, handle);
    if (content === undefined) return undefined;
    const { pending, expiresAtSeconds } = JSON.parse(content) as {
      pending: PendingMfa;
      expiresAtSeconds: number;
    };
    return Date.now() / 1000 < expiresAtSeconds ? pending : undefined;
  }
}
