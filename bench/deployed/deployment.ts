import { RedisServer } from '../../test/support/redis/redis-server.js';
import { DeployedProcess, type Service } from './deployed-process.js';
import { AUDIENCE, CLIENT_ID, type Issuer } from '../issuer.js';

const SECRET = 'bench-only-secret-0123456789-0123456789';

/** A Redis and a user-token of their own, and what else is started beside them; made anew for every round. */
export class Deployment {
  private readonly started: DeployedProcess[] = [];
  userToken!: DeployedProcess;

  private constructor(
    readonly redis: RedisServer,
    private readonly issuer: Issuer,
    private readonly directory: string,
  ) {}

  static async start(issuer: Issuer, directory: string): Promise<Deployment> {
    issuer.rewind();
    const deployment = new Deployment(await RedisServer.start(), issuer, directory);
    try {
      deployment.userToken = await deployment.startService('user-token', {
        AUTH0_CLIENT_ID: CLIENT_ID,
        AUTH0_CLIENT_SECRET: SECRET,
        SESSION_SECRETS: SECRET,
        // Its Redis is younger than the tokens.
        DENIALS_UNKNOWN: 'accept',
      });
    } catch (error) {
      await deployment[Symbol.asyncDispose]();
      throw error;
    }
    return deployment;
  }

  async startService(
    service: Service,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<DeployedProcess> {
    const started = await DeployedProcess.start(service, this.directory, {
      ...(service === 'user-token' ? this.suite : this.guard),
      ...environment,
    });
    this.started.push(started);
    return started;
  }

  /** What a service with a guard is told. */
  get guard() {
    return {
      ...this.suite,
      USER_TOKEN_URL: `tcp://127.0.0.1:${this.userToken.port}`,
      TOKEN_CACHE_SECRET: SECRET,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.started.map((service) => service.stop()));
    await this.redis.stop();
  }

  private get suite() {
    return {
      AUTH0_ISSUER_URL: this.issuer.url,
      AUTH0_AUDIENCE: AUDIENCE,
      REDIS_URL: this.redis.url,
      NODE_EXTRA_CA_CERTS: this.issuer.caFile,
    };
  }
}
