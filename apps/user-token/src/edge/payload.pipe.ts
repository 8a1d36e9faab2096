import { StandardSchemaValidationPipe } from '@nestjs/common';
import { RpcException } from '@nestjs/microservices';
import type { Failure } from '@app/contract';

/** Checks every payload against the schema of its handler. The answer names the fields that are wrong, never what they held. */
export class PayloadPipe extends StandardSchemaValidationPipe {
  constructor() {
    super({
      exceptionFactory: (issues) => {
        const fields = issues.map(({ path }) => (path ?? []).map(String).join('.')).filter(Boolean);
        const failure: Failure = {
          code: 'invalid_payload',
          message: `the payload is not of the contract at: ${fields.join(', ') || 'the whole payload'}`,
        };
        return new RpcException(failure);
      },
    });
  }
}
