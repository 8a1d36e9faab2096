import { BadRequestException, StandardSchemaValidationPipe } from '@nestjs/common';

/**
 * Checks input against the schema that its decorator names (`@Body({ schema })`). The exception says which field is wrong
 * and how, never what was received.
 */
export class InputPipe extends StandardSchemaValidationPipe {
  constructor() {
    super({
      exceptionFactory: (issues) =>
        new BadRequestException({
          message: 'The input is not valid',
          errors: issues.map(({ path, message }) => ({ path: (path ?? []).map(String).join('.'), message })),
        }),
    });
  }
}
