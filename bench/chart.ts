import type { GuardResult } from './results.js';

const WIDTH = 860;
const LABEL_WIDTH = 330;
const VALUE_WIDTH = 150;
const BAR_HEIGHT = 18;
const LINE_HEIGHT = 28;
const TOP = 46;
const COLOURS = { platform: '#9aa4b1', ours: '#1f6feb', peer: '#d9822b' } as const;
const LEGEND = { platform: 'platform', ours: 'BearerGuard', peer: 'others' } as const;

/** Bars of requests per second with the range of the rounds, for one token; SVG that reads on light and on dark pages. */
export function chartOf(results: readonly GuardResult[]): string {
  const rows = results.filter(({ traffic }) => traffic === 'one token');
  const scale =
    (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / Math.max(...rows.map((row) => row.requestsPerSecond.max));
  const height = TOP + rows.length * LINE_HEIGHT + 10;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13" role="img">`,
    `<title>Requests per second by guard</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    ...legend(),
    ...rows.flatMap((row, index) => bar(row, TOP + index * LINE_HEIGHT, scale)),
    '</svg>\n',
  ].join('\n');
}

function legend(): string[] {
  return (['platform', 'ours', 'peer'] as const).flatMap((kind, index) => {
    const x = LABEL_WIDTH + index * 170;
    return [
      `<rect x="${x}" y="14" width="12" height="12" fill="${COLOURS[kind]}"/>`,
      `<text x="${x + 18}" y="24" fill="#24292f">${LEGEND[kind]}</text>`,
    ];
  });
}

function bar(
  { title, kind, requestsPerSecond: { median, min, max } }: GuardResult,
  y: number,
  scale: number,
) {
  const middle = y + BAR_HEIGHT / 2;
  const at = (value: number) => (LABEL_WIDTH + value * scale).toFixed(1);
  return [
    `<text x="${LABEL_WIDTH - 10}" y="${middle + 4}" text-anchor="end" fill="#24292f">${title}</text>`,
    `<rect x="${LABEL_WIDTH}" y="${y}" width="${(median * scale).toFixed(1)}" height="${BAR_HEIGHT}" fill="${COLOURS[kind]}"/>`,
    `<line x1="${at(min)}" x2="${at(max)}" y1="${middle}" y2="${middle}" stroke="#24292f"/>`,
    `<text x="${Number(at(max)) + 8}" y="${middle + 4}" fill="#24292f">${Math.round(median).toLocaleString('en-US')} req/s</text>`,
  ];
}
