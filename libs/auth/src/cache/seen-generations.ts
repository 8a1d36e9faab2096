import { isGenerationOf, parseGeneration } from '@app/contract';

/** Servers change seldom; the bound protects against a store with ever new values. */
const MAX_SUPERSEDED = 1_000;

/**
 * The generations of the store, in the order in which this process has seen them. A generation that was missing for a moment, or was
 * replaced by another, never counts again: only a store with older data can bring it back.
 */
export class SeenGenerations {
  private current: string | undefined;
  private readonly superseded = new Set<string>();

  /**
   * @param value the value of `GENERATION_KEY`, and the server that it came from
   * @returns the same value if it counts
   */
  trusted(value: string | null | undefined, serverId: string | undefined): string | undefined {
    // An unknown server proves nothing, not even that the previous generation is over.
    if (serverId === undefined) return undefined;
    if (value !== this.current || !isGenerationOf(value, serverId)) this.change(value, serverId);
    return this.current;
  }

  private change(value: string | null | undefined, serverId: string): void {
    if (this.current !== undefined) this.supersede(this.current);
    const counts =
      isGenerationOf(value, serverId) && parseGeneration(value) !== undefined && !this.superseded.has(value);
    this.current = counts ? value : undefined;
  }

  private supersede(generation: string): void {
    this.superseded.add(generation);
    if (this.superseded.size <= MAX_SUPERSEDED) return;
    const [oldest = ''] = this.superseded;
    this.superseded.delete(oldest);
  }
}
