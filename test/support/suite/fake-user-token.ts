import type { AddressInfo, Server } from 'node:net';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, Payload, Transport, type MicroserviceOptions } from '@nestjs/microservices';
import {
  failureOnWire,
  messages,
  tokenHash,
  type Failure,
  type Pong,
  type Principal,
  type Verdict,
  type VerifyBatch,
  type VerifyReply,
} from '@app/contract';
import { from, mergeMap, type Observable } from 'rxjs';

/** The fake's reaction to a verification: answer, fail like user-token, stay silent, or leave it out of the answer. */
export type Behaviour = (accessToken: string) => Verdict | Failure | 'silence' | 'nothing' | Promise<Verdict>;

/** A user-token with the real protocol over real TCP, and with answers of the spec. */
export interface FakeUserToken {
  readonly url: string;
  readonly port: number;
  /** Tokens in the questions so far. */
  readonly asked: string[];
  /** Messages with these questions. */
  readonly messages: number;
  behave(behaviour: Behaviour): void;
  /** Its answer to each log-in and refresh. */
  grants(result: unknown): void;
  /** Sets its clock so far ahead of the machine's. */
  setClock(aheadMs: number): void;
  /** Answers nothing any more, pings included, like a stopped process. */
  freeze(): void;
  /** Answers again. */
  thaw(behaviour: Behaviour): void;
  stop(): Promise<void>;
}

export async function startFakeUserToken(port = 0): Promise<FakeUserToken> {
  const asked: string[] = [];
  let received = 0;
  let frozen = false;
  let aheadMs = 0;
  const nowMs = () => Date.now() + aheadMs;
  let behaviour: Behaviour = () => ({ active: false, reason: 'invalid' });

  let granted: unknown;

  async function answer(accessToken: string, index: number): Promise<VerifyReply> {
    asked.push(accessToken);
    const verdict = await behaviour(accessToken);
    if (verdict === 'silence') return new Promise(() => undefined);
    if (verdict === 'nothing') return { nowMs: nowMs(), answers: [] };
    const answer = { index, tokenHash: tokenHash(accessToken) };
    return {
      nowMs: nowMs(),
      answers: [{ ...answer, ...('code' in verdict ? { failure: failureOnWire(verdict) } : { verdict }) }],
    };
  }

  @Controller()
  class VerifyController {
    @MessagePattern(messages.verify.pattern)
    verify(@Payload() { requests }: VerifyBatch): Observable<VerifyReply> {
      received += 1;
      return from(requests).pipe(mergeMap(({ accessToken }, index) => from(answer(accessToken, index))));
    }

    @MessagePattern(messages.login.pattern)
    login(): unknown {
      if (granted === undefined) throw new Error('this fake grants nothing');
      return granted;
    }

    @MessagePattern(messages.refresh.pattern)
    refresh(): unknown {
      return this.login();
    }

    @MessagePattern(messages.ping.pattern)
    ping(): Pong | Promise<Pong> {
      return frozen ? new Promise(() => undefined) : { nowMs: nowMs() };
    }
  }

  @Module({ controllers: [VerifyController] })
  class FakeModule {}

  const app = await NestFactory.createMicroservice<MicroserviceOptions>(FakeModule, {
    transport: Transport.TCP,
    options: { host: '127.0.0.1', port },
    logger: false,
  });
  await app.listen();
  const bound = (app.unwrap<Server>().address() as AddressInfo).port;
  return {
    url: `tcp://127.0.0.1:${bound}`,
    port: bound,
    asked,
    get messages() {
      return received;
    },
    behave: (next) => {
      behaviour = next;
    },
    grants: (result) => {
      granted = result;
    },
    setClock: (next) => {
      aheadMs = next;
    },
    freeze: () => {
      frozen = true;
      behaviour = () => 'silence';
    },
    thaw: (next) => {
      frozen = false;
      behaviour = next;
    },
    stop: () => app.close(),
  };
}

/** A principal that is valid for an hour, with a default for each field. */
export function principal(overrides: Partial<Principal> = {}): Principal {
  const nowSeconds = Math.floor(Date.now() / 1000);
  return {
    subject: 'auth0|ada',
    scopes: ['read:venues'],
    permissions: ['write:venues'],
    issuer: 'https://issuer.test/',
    audience: ['https://api.test/'],
    issuedAtSeconds: nowSeconds,
    expiresAtSeconds: nowSeconds + 3600,
    claims: {},
    ...overrides,
  };
}

export function active(overrides: Partial<Principal> = {}, epoch: string | null = ''): Verdict {
  return { active: true, principal: principal(overrides), epoch };
}
