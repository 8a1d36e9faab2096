import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withCpu } from '../cpu.js';
import { Deployment } from './deployment.js';
import type { Issuer } from '../issuer.js';
import { load } from '../load.js';
import { joined, Measurements, type Measured, type Sample } from '../measured.js';

/** Values of ACCESS_LOG. */
const ACCESS_LOGS = ['off', 'refused', 'all'] as const;

export interface VenueRow {
  readonly title: string;
  readonly accessLog: (typeof ACCESS_LOGS)[number];
}

const rows: readonly VenueRow[] = ACCESS_LOGS.map((accessLog) => ({
  title: `deployed venue, ACCESS_LOG=${accessLog}`,
  accessLog,
}));

const WARM_UP_SECONDS = 3;

/** The built venue as its image starts it, in-process hits of one token, a new process for every row in every round. */
export async function measureVenue(
  issuer: Issuer,
  directory: string,
  { rounds, seconds }: { rounds: number; seconds: number },
): Promise<Measured<VenueRow>[]> {
  const tokensFile = join(directory, 'venue-token');
  await writeFile(tokensFile, (await issuer.mint(1)).join('\n'));
  const measurements = new Measurements<VenueRow>();
  for (let round = 0; round < rounds; round += 1) {
    await using deployment = await Deployment.start(issuer, directory);
    const venues = [];
    for (const row of rows) {
      const venue = await deployment.startService('venue', { ACCESS_LOG: row.accessLog });
      await load(venue.port, { tokensFile, seconds: WARM_UP_SECONDS });
      venues.push({ row, venue, slices: [] as Sample[] });
    }
    // In turn, as in guards.ts.
    for (let second = 0; second < seconds; second += 1) {
      for (const { row, venue, slices } of round % 2 === 0 ? venues : venues.toReversed()) {
        const sample = await withCpu({ venue: venue.pid }, () =>
          load(venue.port, { tokensFile, seconds: 1 }),
        );
        if (sample.refused > 0) throw new Error(`${row.title}: ${sample.refused} requests were refused`);
        slices.push(sample);
      }
    }
    for (const { row, slices } of venues) measurements.add(row, round, row.title, joined(slices));
  }
  return measurements.list();
}
