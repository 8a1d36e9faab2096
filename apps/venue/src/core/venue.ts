/** A place where events are held. */
export interface Venue {
  readonly id: string;
  readonly name: string;
  readonly city: string;
  /** People admitted at a time. */
  readonly capacity: number;
}

export type NewVenue = Omit<Venue, 'id'>;

/** What has become of a venue; of one that was removed, what it was. */
export interface VenueChange {
  readonly kind: 'added' | 'changed' | 'removed';
  readonly venue: Venue;
}

/** Where venues are kept. */
export abstract class Venues {
  abstract list(): Promise<readonly Venue[]>;
  abstract find(id: string): Promise<Venue | undefined>;
  abstract add(venue: NewVenue): Promise<Venue>;
  /** @returns the changed venue, or undefined when there is none of this id */
  abstract change(id: string, changes: Partial<NewVenue>): Promise<Venue | undefined>;
  /** @returns whether there was one */
  abstract remove(id: string): Promise<boolean>;
  /** Told of each change from now on. @returns how to stop being told */
  abstract onChange(listener: (change: VenueChange) => void): () => void;
}
