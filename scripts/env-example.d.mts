/** The text of `.env.example`. */
export function envExample(): string;
/** `docs/settings.md` with its table as it should be. */
export function withSettingsTable(document: string): string;
