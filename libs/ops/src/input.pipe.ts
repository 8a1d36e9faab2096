import {
  BadRequestException,
  StandardSchemaValidationPipe,
  UnsupportedMediaTypeException,
  type ArgumentMetadata,
} from '@nestjs/common';

/** Which part of the input is wrong, and how; never what was received. */
export interface InputError {
  /** Of a field of the body, a header's name, or `body`. */
  readonly path: string;
  readonly message: string;
}

/** Response of an exception about input, as both filters word it. */
export function notValid(errors: readonly InputError[]) {
  return { message: 'The input is not valid', errors };
}

/** A body where JSON is read and something else was sent. */
export function notJson(): UnsupportedMediaTypeException {
  const message = 'must be application/json, and the body JSON';
  return new UnsupportedMediaTypeException(notValid([{ path: 'Content-Type', message }]));
}

/** Parameters of a form by name: a text, or a list where one is given more than once. */
export class FormBody {
  readonly [name: string]: string | readonly string[] | undefined;
}

/**
 * Checks input against the schema that its decorator names (`@Body({ schema })`). The exception says which field is wrong
 * and how, never what was received. A body with a schema has to be JSON.
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
    // `curl -d` calls JSON a form; the names of the fields that are missing then would lead nobody to the header.
    if (metadata.schema && value instanceof FormBody) throw notJson();
    return super.transform(value, metadata);
  }
}
