import { randomUUID } from 'node:crypto';
import { Venues, type NewVenue, type Venue, type VenueChange } from '../core/venue.js';

const EXAMPLES: readonly Venue[] = [
  { id: 'royal-institution', name: 'Royal Institution', city: 'London', capacity: 440 },
  { id: 'teatro-regio', name: 'Teatro Regio', city: 'Turin', capacity: 1582 },
  { id: 'philharmonie', name: 'Philharmonie', city: 'Berlin', capacity: 2440 },
];

/** Venues in the memory of this process: this service is only an example for the guard. */
export class MemoryVenues extends Venues {
  private readonly venues = new Map(EXAMPLES.map((venue) => [venue.id, venue]));

  private readonly listeners = new Set<(change: VenueChange) => void>();

  override async list(): Promise<readonly Venue[]> {
    return [...this.venues.values()];
  }

  override async find(id: string): Promise<Venue | undefined> {
    return this.venues.get(id);
  }

  override async add(venue: NewVenue): Promise<Venue> {
    const added = { id: randomUUID(), ...venue };
    this.venues.set(added.id, added);
    this.tell({ kind: 'added', venue: added });
    return added;
  }

  override async change(id: string, changes: Partial<NewVenue>): Promise<Venue | undefined> {
    const venue = this.venues.get(id);
    if (!venue) return undefined;
    const changed = { ...venue, ...changes };
    this.venues.set(id, changed);
    this.tell({ kind: 'changed', venue: changed });
    return changed;
  }

  override async remove(id: string): Promise<boolean> {
    const venue = this.venues.get(id);
    if (!venue) return false;
    this.venues.delete(id);
    this.tell({ kind: 'removed', venue });
    return true;
  }

  override onChange(listener: (change: VenueChange) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private tell(change: VenueChange): void {
    for (const listener of this.listeners) listener(change);
  }
}
