import { ServerTCP, type BaseRpcContext, type ReadPacket, type TcpOptions } from '@nestjs/microservices';
import type { Log } from '../core/log.js';

const REPORT_INTERVAL_MS = 60_000;

/**
 * Nest's TCP server, which would log the pattern of every event that nobody handles, and with it whatever a stranger sent.
 * The contract has no events: one line a minute says that there were some.
 */
export class QuietTcpServer extends ServerTCP {
  private unreported = 0;
  private reportedAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    options: NonNullable<TcpOptions['options']>,
    private readonly log: Log,
  ) {
    super(options);
  }

  override async handleEvent(pattern: string, packet: ReadPacket, context: BaseRpcContext): Promise<unknown> {
    if (this.getHandlerByPattern(pattern)) return super.handleEvent(pattern, packet, context);
    this.unreported += 1;
    if (performance.now() - this.reportedAtMs < REPORT_INTERVAL_MS) return;
    this.log.warn({ events: this.unreported }, 'events that are not of the contract were dropped');
    this.unreported = 0;
    this.reportedAtMs = performance.now();
  }
}
