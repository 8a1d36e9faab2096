/** The value of a line of INFO; also undefined where INFO is not allowed. */
export function valueOf(info: unknown, name: string): string | undefined {
  return typeof info === 'string' ? new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] : undefined;
}
