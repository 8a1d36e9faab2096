/** `npm run client`: changes the registered clients. */
import { runClientCommand } from './run-client-command.js';

process.exitCode = await runClientCommand(process.argv.slice(2), process);
