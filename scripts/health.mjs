// HEALTHCHECK of a container: `node scripts/health.mjs 9001` exits with 0 when that ops listener says ready.
const [defaultPort] = process.argv.slice(2);
const port = process.env.OPS_PORT || defaultPort;
const response = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => undefined);
process.exit(response?.ok ? 0 : 1);
