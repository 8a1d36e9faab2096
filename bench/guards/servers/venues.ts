/** What every server answers to `GET /venues`: 319 bytes of JSON. */
export const venues = [
  { id: 'the-fillmore', name: 'The Fillmore', city: 'San Francisco', capacity: 1315 },
  { id: 'paradiso', name: 'Paradiso', city: 'Amsterdam', capacity: 1500 },
  { id: 'village-vanguard', name: 'Village Vanguard', city: 'New York', capacity: 123 },
  { id: 'ronnie-scotts', name: "Ronnie Scott's Jazz Club", city: 'London', capacity: 250 },
];

/** The scope that the guarded ones ask for. */
export const REQUIRED_SCOPE = 'read:venues';

/** Whether a `scope` claim (RFC 8693 section 4.2) holds it; for peers that leave this to their users. */
export function mayReadVenues(scope: unknown): boolean {
  return typeof scope === 'string' && scope.split(' ').includes(REQUIRED_SCOPE);
}
