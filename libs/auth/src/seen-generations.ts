import { isGenerationOf, parseGeneration } from '@app/user-token-client';

/** Servers change seldom; the bound is there for a store that goes mad. */
const MAX_SUPERSEDED = 1_000;

/**
 * The generations of the store, in the order in which this process has seen them. One that was missing for a moment, or that
 * another one took the place of, never counts again: only a store that is older than what was seen can bring it back.
 */
export class SeenGenerations {
  private current: string | undefined;
  private readonly superseded = new Set<string>();

  /**
   * @param value what stood under `GENERATION_KEY`, and from which server it came
   * @returns the same where it counts
   */
  trusted(value: string | null | undefined, serverId: string | undefined): string | undefined {
    // Of a server that is not known nothing can be said, not even that the one of before is over.
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
