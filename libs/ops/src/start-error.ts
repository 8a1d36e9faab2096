/** Why a service cannot start, in words for whoever started it. */
export class StartError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'StartError';
  }
}

/**
 * Binds a listener, and explains it where the port cannot be had.
 *
 * @param setting the variable that chooses the port
 * @throws {StartError}
 */
export async function listenOrExplain<T>(
  { service, port, setting }: { service: string; port: number; setting: string },
  listen: () => Promise<T>,
): Promise<T> {
  try {
    return await listen();
  } catch (error) {
    const inSuite = `${service.replace(/ ops$/, '').replaceAll('-', '_').toUpperCase()}_${setting}`;
    const code = (error as { code?: unknown } | null)?.code;
    if (code === 'EADDRINUSE') {
      throw new StartError(
        `Port ${port} (${service}) is already in use: stop what listens there, or choose another port with ${setting} (${inSuite} under npm start).`,
        { cause: error },
      );
    }
    if (code === 'EACCES' || code === 'EADDRNOTAVAIL') {
      throw new StartError(
        `Port ${port} (${service}) cannot be listened on (${code}): check HOST and ${setting}.`,
        {
          cause: error,
        },
      );
    }
    throw error;
  }
}
