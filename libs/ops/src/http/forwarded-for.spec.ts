import type { IncomingMessage } from 'node:http';
import { createLogger } from '../index.js';
import { forwardedForReader, plainAddress } from './forwarded-for.js';

describe('an address in the form of proxies and sockets', () => {
  it.each([
    ['203.0.113.8', '203.0.113.8'],
    ['203.0.113.8:50001', '203.0.113.8'],
    ['203.0.113.8:', '203.0.113.8'],
    ['"203.0.113.8"', '203.0.113.8'],
    ['"203.0.113.8:50001"', '203.0.113.8'],
    ['[203.0.113.8]:50001', '203.0.113.8'],
    ['::ffff:203.0.113.8', '203.0.113.8'],
    ['::FFFF:203.0.113.8', '203.0.113.8'],
    ['::ffff:cb00:7108', '203.0.113.8'],
    ['0:0:0:0:0:ffff:203.0.113.8', '203.0.113.8'],
    ['[::ffff:203.0.113.8]:443', '203.0.113.8'],
    ['2001:db8::1', '2001:db8::1'],
    ['2001:DB8:0:0:0::1', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['"[2001:db8::1]:443"', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['[fe80::1%25eth0]:443', 'fe80::1'],
    ['0000:0000:0000:0000:0000:ffff:255.255.255.255%a', '255.255.255.255'],
    ['64:ff9b::203.0.113.8', '64:ff9b::cb00:7108'],
    ['::1', '::1'],
  ])('%s is %s', (text, address) => {
    expect(plainAddress(text)).toBe(address);
  });

  it.each([
    '',
    ' ',
    '-',
    'unknown',
    '_hidden',
    'localhost',
    'garbage',
    '""',
    '[]',
    '[]:443',
    '203.0.113',
    '203.0.113.256',
    '203.0.113.8:50001:1',
    '203.0.113.08',
    '203.0.113.8/32',
    'for=203.0.113.8',
    '3405803784',
    '2001:db8:::1',
    '2001:db8::1]',
    "203.0.113.8'; DROP TABLE",
    '203.0.113.8\u0000',
  ])('%j is no address', (text) => {
    expect(plainAddress(text)).toBeUndefined();
  });
});

describe('X-Forwarded-For', () => {
  const lines: string[] = [];
  const logger = createLogger({
    service: 'test',
    environment: 'test',
    destination: { write: (line) => void lines.push(line) },
  });

  const left = (hops: number, forwardedFor: string | undefined) => {
    const headers = forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor };
    forwardedForReader(hops, logger)({ headers } as IncomingMessage);
    return (headers as Record<string, unknown>)['x-forwarded-for'];
  };

  beforeEach(() => {
    lines.length = 0;
  });

  it.each([
    ['one proxy', 1, '198.51.100.1, 203.0.113.8:50001', '203.0.113.8'],
    ['two', 2, '198.51.100.1, 203.0.113.8 , 10.0.0.1', '203.0.113.8'],
    ['three', 3, 'made up,203.0.113.8,10.0.0.2,10.0.0.1', '203.0.113.8'],
    ['three, past the outermost of them', 3, '203.0.113.8, 10.0.0.1', '203.0.113.8'],
    ['two, of which the inner one writes an unreadable entry', 2, '203.0.113.8, unknown', '203.0.113.8'],
  ])('behind %s becomes the entry of the outermost one', (_title, hops, given, address) => {
    expect(left(hops, given)).toBe(address);
    expect(lines).toEqual([]);
  });

  it.each([
    ['one proxy: the socket counts', 1, '203.0.113.8, unknown', undefined],
    ['one proxy that wrote nothing', 1, '', undefined],
    ['one proxy that added nothing', 1, '203.0.113.8,', undefined],
    ['two: the outer proxy counts', 2, '203.0.113.8, unknown, 10.0.0.1', '10.0.0.1'],
    ['three, with two unreadable entries', 3, 'a, b, 10.0.0.1', '10.0.0.1'],
  ])('that is unreadable is logged, behind %s', (_title, hops, given, address) => {
    expect(left(hops, given)).toBe(address);
    expect(lines).toHaveLength(1);
  });

  it('is logged once, with a bounded part of it', () => {
    const read = forwardedForReader(1, logger);
    for (let i = 0; i < 3; i += 1) {
      read({ headers: { 'x-forwarded-for': `${'x'.repeat(5_000)}${i}` } } as unknown as IncomingMessage);
    }
    expect(lines).toHaveLength(1);
    expect(lines[0]!.length).toBeLessThan(1_000);
  });

  it('stays unchanged without trusted proxies', () => {
    expect(left(0, 'anything')).toBe('anything');
    expect(left(1, undefined)).toBeUndefined();
    expect(lines).toEqual([]);
  });
});
