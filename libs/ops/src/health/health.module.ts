import { Controller, Get, Inject, Module, type DynamicModule } from '@nestjs/common';
import { HealthCheck, HealthCheckService, HealthIndicatorService, TerminusModule } from '@nestjs/terminus';
import { NoAccessLog } from '../logs/access-log.js';

/** State of one dependency of the service. `detail` is for operators. */
export interface CheckResult {
  readonly up: boolean;
  /** Up, but with a fault: shown, and no reason to keep traffic away. */
  readonly degraded?: boolean;
  readonly detail?: string;
}

export type Checks = Readonly<Record<string, () => CheckResult | Promise<CheckResult>>>;

/** For a dependency that the service can miss, or miss with less speed: down becomes degraded. */
export function degradedAtMost({ up, degraded, ...rest }: CheckResult): CheckResult {
  return { ...rest, up: true, degraded: !up || Boolean(degraded) };
}

/** The checks of readiness. */
export interface Health {
  readonly checks: Checks;
  draining: boolean;
}

const HEALTH = Symbol('HEALTH');

@Controller('health')
class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    @Inject(HEALTH) private readonly state: Health,
  ) {}

  /** The process runs. Other faults do not show here, because a restart would not repair them. */
  @Get('live')
  @NoAccessLog()
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** The service can take traffic: no check is down (degraded is allowed), and it is not draining. 503 otherwise. */
  @Get('ready')
  @NoAccessLog()
  @HealthCheck()
  ready() {
    const checks = Object.entries<Checks[string]>({
      ...this.state.checks,
      accepting: () => (this.state.draining ? { up: false, detail: 'draining' } : { up: true }),
    });
    return this.health.check(
      checks.map(([name, check]) => async () => {
        const { up, degraded, detail } = await resultOf(check);
        const indicator = this.indicators.check(name);
        const data: Record<string, string> = detail === undefined ? {} : { detail };
        if (!up) return indicator.down(data);
        return degraded ? indicator.degraded(data) : indicator.up(data);
      }),
    );
  }
}

/** A failing check means that its dependency is down; the reason goes to the log, not to the caller. */
async function resultOf(check: Checks[string]): Promise<CheckResult> {
  try {
    return await check();
  } catch {
    return { up: false, detail: 'the check failed' };
  }
}

@Module({})
export class HealthModule {
  static forState(state: Health): DynamicModule {
    return {
      module: HealthModule,
      imports: [TerminusModule.forRoot({ logger: false })],
      controllers: [HealthController],
      providers: [{ provide: HEALTH, useValue: state }],
    };
  }
}
