import { ClockWatch, DependencyWatch, type Checks, type Fault, type Logger } from '@app/ops';
import type { UserTokenClient } from '@app/user-token-client';

const LOOK_MS = 5_000;
const RETRY_MS = 1_000;
const FIRST_LOOK_MS = 1_000;

/** The part of a service's readiness that concerns user-token. */
export interface UserTokenReadiness {
  readonly checks: Checks;
  close(): void;
}

/**
 * Whether any user-token answers (`userToken`), and how its clock differs (`clock`). A service that has never reached one takes no
 * traffic: its USER_TOKEN_URL or its certificates are wrong, or none runs yet. Later, it continues with what it knows.
 */
export async function userTokenReadiness(client: UserTokenClient, log: Logger): Promise<UserTokenReadiness> {
  const clock = new ClockWatch(() => client.clock.skewMs, 'user-token', log);
  const watch = new DependencyWatch({
    names: ['userToken'],
    look: async () => ({ userToken: await findingOf(client) }),
    everyMs: LOOK_MS,
    retryMs: RETRY_MS,
    log,
  });
  await watch.settled(FIRST_LOOK_MS);
  return {
    checks: { userToken: () => watch.check('userToken'), clock: () => clock.check() },
    close: () => {
      watch.close();
      clock.close();
    },
  };
}

async function findingOf(client: UserTokenClient): Promise<Fault | 'well'> {
  const { answered, failures } = await client.rollCall();
  if (answered > 0) return 'well';
  const reasons = failures.map(({ message }) => message).join('; ');
  return { detail: `no user-token answers: ${reasons}`, holdsBackNew: true };
}
