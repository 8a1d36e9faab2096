import {
  Controller,
  Get,
  Module,
  UseGuards,
  type CanActivate,
  type INestApplication,
  type ModuleMetadata,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { venues } from './venues.js';

export interface NestServer {
  readonly platform?: 'fastify' | 'express';
  /** Guards the route; undefined leaves it open. */
  readonly guard?: Type<CanActivate>;
  /** More decorators of the route. */
  readonly decorate?: MethodDecorator;
  readonly module?: ModuleMetadata;
  /** Before it listens. */
  readonly prepare?: (app: INestApplication) => void;
}

/** Serves `GET /venues` with Nest, the same controller for all, and tells the parent process the port. */
export async function serveNest({
  platform = 'fastify',
  guard,
  decorate,
  module,
  prepare,
}: NestServer): Promise<void> {
  @Controller('venues')
  class VenuesController {
    @Get()
    list(): typeof venues {
      return venues;
    }
  }
  const route = Object.getOwnPropertyDescriptor(VenuesController.prototype, 'list')!;
  if (guard) UseGuards(guard)(VenuesController.prototype, 'list', route);
  decorate?.(VenuesController.prototype, 'list', route);

  @Module({ ...module, controllers: [VenuesController] })
  class VenuesModule {}

  const app = await NestFactory.create(
    VenuesModule,
    platform === 'fastify' ? new FastifyAdapter() : new ExpressAdapter(),
    { logger: ['error'] },
  );
  prepare?.(app);
  await app.listen(0, '127.0.0.1');
  announce(new URL(await app.getUrl()).port);
}

/** Tells the parent process where this server listens, and how much heap is in use whenever it asks. */
export function announce(port: string | number): void {
  process.send!({ port: Number(port) });
  process.on('message', () => {
    globalThis.gc?.();
    process.send!({ heapBytes: process.memoryUsage().heapUsed });
  });
}

/** A setting that the parent process has passed on. */
export function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set; servers are started by npm run bench`);
  return value;
}
