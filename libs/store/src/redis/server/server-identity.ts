import type { RedisClient } from '../connection/redis-connection.js';
import { refusal } from '../connection/redis-refusal.js';
import { valueOf } from './server-info.js';

/** Which server answers, and whose data it has. */
export class ServerIdentity {
  private run: string | undefined;
  private replication: string | undefined;
  private replica = false;

  /** Names the process that answers; a new one after each start of Redis. Undefined where Redis does not tell. */
  get runId(): string | undefined {
    return this.run;
  }

  /** False for a copy of another server. */
  get isMaster(): boolean {
    return !this.replica;
  }

  /** Names the process and the history of its data. Undefined for a replica, and while one of them is unknown. */
  get id(): string | undefined {
    if (this.replica) return undefined;
    return this.run && this.replication && `${this.run}.${this.replication}`;
  }

  /** The connection is lost; the next may lead to another server. */
  forget(): void {
    this.run = undefined;
  }

  /** A server that refuses the question stays unknown. */
  async identify(client: RedisClient): Promise<void> {
    this.run = undefined;
    this.run = valueOf(await client.info('server').catch(refusal), 'run_id');
  }

  /** Learns whose data it has, from `INFO replication`: the history changes when the server gets the data of another one. */
  learn(replication: unknown): void {
    this.replication = valueOf(replication, 'master_replid');
    this.replica = valueOf(replication, 'role') === 'slave';
  }
}
