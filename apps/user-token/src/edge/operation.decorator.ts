import { MessagePattern, Payload } from '@nestjs/microservices';
import { messages, type MessageName } from '@app/contract';
import type { Observable } from 'rxjs';
import type { z } from 'zod';

type Message<Name extends MessageName> = (typeof messages)[Name];

type RequestTo<Name extends MessageName> = z.infer<
  Message<Name> extends { batch: { request: infer Request } } ? Request : Message<Name>['request']
>;

type AnswerOf<Name extends MessageName> =
  Message<Name> extends { batch: { reply: infer Reply } }
    ? Observable<z.infer<Reply>>
    : Promise<z.infer<Message<Name>['result']>> | z.infer<Message<Name>['result']>;

/**
 * Makes a method of a controller the handler of a message, as the table of the contract has it: pattern, the check of the payload,
 * and the types of its one parameter and of its answer.
 */
export function Operation<Name extends MessageName>(name: Name) {
  const message: {
    readonly pattern: string;
    readonly request: z.ZodType;
    readonly batch?: { readonly request: z.ZodType };
  } = messages[name];
  return <Handler extends (request: RequestTo<Name>) => AnswerOf<Name>>(
    controller: object,
    method: string,
    descriptor: TypedPropertyDescriptor<Handler>,
  ): void => {
    Payload({ schema: message.batch?.request ?? message.request })(controller, method, 0);
    MessagePattern(message.pattern)(controller, method, descriptor);
  };
}
