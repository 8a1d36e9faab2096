/** Range of an option, both bounds included. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly unit: string;
}

/**
 * @param name of the option, as in the options object
 * @returns the value
 * @throws {TypeError} for a value that is no number (NaN too), or out of the bounds
 */
export function bounded(name: string, value: number, { min, max, unit }: Bounds): number {
  if (typeof value === 'number' && value >= min && value <= max) return value;
  throw new TypeError(`${name} must be a number from ${min} to ${max} (${unit}), not ${String(value)}`);
}
