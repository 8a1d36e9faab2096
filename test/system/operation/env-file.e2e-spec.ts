import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceProcess } from '@app/test-support/suite/service-process';

describe('a file of variables', () => {
  const fileWith = (content: string | Buffer) => {
    const file = join(mkdtempSync(join(tmpdir(), 'env-')), 'own.env');
    writeFileSync(file, content);
    return file;
  };

  it('is read before the service, does not replace variables that are set, and its misspelt names are logged', async () => {
    const ENV_FILE = fileWith(
      '\ufeffLOG_LEVEL=\'warn\'\r\nDRAIN_DELAY_MS="0" # ms\r\n \t\r\nexport REDIS_URI=redis://127.0.0.1:1\r\nPORT=1\r\n',
    );
    const venue = ServiceProcess.spawn('venue', { ENV_FILE, REDIS_URL: 'memory:' });
    await venue.printed(/REDIS_URI.*REDIS_URL/);
    expect(venue.stdout).toContain('a variable is set, but this service does not read it');
    expect(await venue.stop()).toMatchObject({ signal: null });
    expect(venue.stdout).not.toContain('listens on');
    expect(venue.stderr).toBe('');
  });

  it.each<[string, string | Buffer, RegExp]>([
    ['is UTF-16', Buffer.from('\ufeffPORT=1', 'utf16le'), /own\.env cannot be read: save it as UTF-8/],
    [
      'has a value that Node cuts at its #',
      'AUTH0_CLIENT_SECRET=canary#canary',
      /the value of AUTH0_CLIENT_SECRET has a "#": put single quotes/,
    ],
    [
      'has a line without a =',
      "PORT=1\n\n# a comment\nPEM='a\nb'\nCLIENT_SECRET canary\n",
      /line 6 is not of the form NAME=value/,
    ],
    ['has lines that end with CR alone', 'PORT=1\rCLIENT_SECRET=canary', /end its lines with LF or CR LF/],
    ['has a line of YAML', 'LOG_LEVEL: canary', /line 1 is not of the form NAME=value/],
    ['has quotes within quotes', `HOST='"127.0.0.1"'`, /HOST has quotes around its value/],
  ])('that %s has a clear message', async (_title, content, message) => {
    const failing = ServiceProcess.spawn('venue', { ENV_FILE: fileWith(content) });
    expect(await failing.exit()).toEqual({ code: 1, signal: null });
    expect(failing.stderr).toMatch(message);
    expect(failing.stderr).not.toMatch(/canary|^\s+at /m);
  });

  it('that is requested but absent has a clear message', async () => {
    const failing = ServiceProcess.spawn('venue', { ENV_FILE: '/no/such/file' });
    expect(await failing.exit()).toEqual({ code: 1, signal: null });
    expect(failing.stderr).toMatch(/^The variables in \/no\/such\/file cannot be read: ENOENT/);
  });
});
