import {
  BadRequestException,
  StandardSchemaValidationPipe,
  UnsupportedMediaTypeException,
  type ArgumentMetadata,
} from '@nestjs/common';

/** The wrong part of the input, and the fault; never the received value. */
export interface InputError {
  /** Path of a field of the body, a header's name, or `body`. */
  readonly path: string;
  readonly message: string;
}

/** Response of an exception about input, worded by both filters. */
export function notValid(errors: readonly InputError[]) {
  return { message: 'The input is not valid', errors };
}

/** A body of another type where JSON is expected. */
export function notJson(): UnsupportedMediaTypeException {
  const message = 'must be application/json, and the body JSON';
  return new UnsupportedMediaTypeException(notValid([{ path: 'Content-Type', message }]));
}

/** Parameters of a form by name: a text, or a list for a repeated one. */
export class FormBody {
  readonly [name: string]: string | readonly string[] | undefined;
}

/**
 * Checks input against the schema in its decorator (`@Body({ schema })`). The exception names the wrong field and the fault,
 * never the received value. A body with a schema must be JSON.
 */
export class InputPipe extends StandardSchemaValidationPipe {
  constructor() {
    super({
      exceptionFactory: (issues) =>
        new BadRequestException(
          notValid(
            issues.map(({ path, message }) => ({ path: (path ?? []).map(String).join('.'), message })),
          ),
        ),
    });
  }

  override async transform<T>(value: T, metadata: ArgumentMetadata): Promise<T> {
    // `curl -d` labels JSON as a form; names of missing fields would not point to that header.
    if (metadata.schema && value instanceof FormBody) throw notJson();
    return super.transform(value, metadata);
  }
}
