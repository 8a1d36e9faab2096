import { z } from 'zod';

const name = z.string().trim().min(1).max(200);
const city = z.string().trim().min(1).max(100);
const capacity = z.number().int().min(1).max(1_000_000);

/** Body of POST /venues. */
export const newVenueSchema = z.strictObject({ name, city, capacity });

/** Body of PATCH /venues/:id: the fields to change, at least one. */
export const venueChangesSchema = z
  .strictObject({ name: name.optional(), city: city.optional(), capacity: capacity.optional() })
  .refine((changes) => Object.keys(changes).length > 0, 'at least one of name, city and capacity is required')
  .transform(({ name: newName, city: newCity, capacity: newCapacity }) => ({
    ...(newName !== undefined && { name: newName }),
    ...(newCity !== undefined && { city: newCity }),
    ...(newCapacity !== undefined && { capacity: newCapacity }),
  }));

/** `:id` in a path. */
export const venueIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9-]{1,64}$/, 'must be 1 to 64 letters, digits or hyphens');

export type NewVenueBody = z.infer<typeof newVenueSchema>;
export type VenueChangesBody = z.infer<typeof venueChangesSchema>;
