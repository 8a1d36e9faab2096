/** A place where events are held. */
export interface Venue {
  readonly id: string;
  readonly name: string;
  readonly city: string;
  /** Maximum number of people. */
  readonly capacity: number;
}

export type NewVenue = Omit<Venue, 'id'>;

/** A venue after a change; for a removed one, its last state. */
export interface VenueChange {
  readonly kind: 'added' | 'changed' | 'removed';
  readonly venue: Venue;
}

/** The storage of venues. */
export abstract class Venues {
  abstract list(): Promise<readonly Venue[]>;
  abstract find(id: string): Promise<Venue | undefined>;
  abstract add(venue: NewVenue): Promise<Venue>;
  /** @returns the changed venue, or undefined if there is none with this id */
  abstract change(id: string, changes: Partial<NewVenue>): Promise<Venue | undefined>;
  /** @returns whether there was one */
  abstract remove(id: string): Promise<boolean>;
  /** Calls the listener for each change from now on. @returns a function that ends this */
  abstract onChange(listener: (change: VenueChange) => void): () => void;
}
