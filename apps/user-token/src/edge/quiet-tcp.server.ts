import { ServerTCP, type BaseRpcContext, type ReadPacket, type TcpOptions } from '@nestjs/microservices';
import { LineLimit } from '@app/ops';
import type { Log } from '../core/log.js';

/**
 * Nest's TCP server, which would log the pattern of every event that nobody handles, and with it whatever a stranger sent.
 * The contract has no events: one line a minute says that there were some.
 */
export class QuietTcpServer extends ServerTCP {
  private readonly limit = new LineLimit({ lines: 1, perMs: 60_000 });

  constructor(
    options: NonNullable<TcpOptions['options']>,
    private readonly log: Log,
  ) {
    super(options);
  }

  override async handleEvent(pattern: string, packet: ReadPacket, context: BaseRpcContext): Promise<unknown> {
    if (this.getHandlerByPattern(pattern)) return super.handleEvent(pattern, packet, context);
    const more = this.limit.admit('event');
    if (more) this.log.warn(more, 'events that are not of the contract were dropped');
  }
}
