import { formerName } from '@app/store';
import { admissionKey, former, subjectDenialKey, tokenDenialKey } from '@app/contract';
import { z } from 'zod';

/** One token, until it has ended. */
const tokenDenialSchema = z.object({
  subjectKey: z.string(),
  tokenId: z.string(),
  expiresAtSeconds: z.number(),
});

/** Every token of a subject that was issued up to and including a second, but for those that are admitted. */
const subjectDenialSchema = z.object({
  subjectKey: z.string(),
  issuedUntilSeconds: z.number(),
  /** By the store's clock, and later than that of each denial of this subject before. Names the denial. */
  revokedAtMs: z.number(),
  expiresAtSeconds: z.number(),
});

/** A token that this suite was given after its subject was denied, whatever its `iat`: later denials end it, that one does not. */
const admissionSchema = z.object({
  admittedTokenId: z.string(),
  /** `revokedAtMs` of the denial. */
  afterMs: z.number(),
  expiresAtSeconds: z.number(),
});

/** A denial as it is stored and announced. */
export const denialSchema = z.union([tokenDenialSchema, subjectDenialSchema, admissionSchema]);
export type TokenDenial = z.infer<typeof tokenDenialSchema>;
export type SubjectDenial = z.infer<typeof subjectDenialSchema>;
export type Admission = z.infer<typeof admissionSchema>;
export type Denial = z.infer<typeof denialSchema>;

export const announcementSchema = z.object({ denials: z.array(denialSchema) });

export function denialKey(denial: Denial): string {
  if ('tokenId' in denial) return tokenDenialKey(denial.subjectKey, denial.tokenId);
  if ('admittedTokenId' in denial) return admissionKey(denial.admittedTokenId);
  return subjectDenialKey(denial.subjectKey);
}

/** Where versions look for it that put no prefix before names. */
export function formerDenialKey(denial: Denial): string {
  if ('tokenId' in denial) return formerName(former.tokenDenialKey(denial.tokenId));
  if ('admittedTokenId' in denial) return formerName(former.admissionKey(denial.admittedTokenId));
  return formerName(former.subjectDenialKey(denial.subjectKey));
}

/**
 * How long a denial is kept beyond the end of what it denies: a replica that has never reached the store goes by its own clock,
 * which may be behind.
 */
export const RETENTION_SECONDS = 3_600;

export function retainedUntilMs({ expiresAtSeconds }: Denial): number {
  return (expiresAtSeconds + RETENTION_SECONDS) * 1000;
}

/** Whether one denial of a subject takes the place of another: the later one, and of the same one its correction. */
export function replaces(denial: SubjectDenial, other: SubjectDenial): boolean {
  return (
    denial.revokedAtMs > other.revokedAtMs ||
    (denial.revokedAtMs === other.revokedAtMs && denial.issuedUntilSeconds < other.issuedUntilSeconds)
  );
}

/** @returns undefined for what is not JSON of this shape */
export function parseJson<T>(json: string | null | undefined, schema: z.ZodType<T>): T | undefined {
  if (json == null) return undefined;
  try {
    return schema.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
}
