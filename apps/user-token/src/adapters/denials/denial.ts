import { formerName } from '@app/store';
import { admissionKey, former, subjectDenialKey, tokenDenialKey } from '@app/contract';
import { z } from 'zod';

/** Denies one token, until it ends. */
const tokenDenialSchema = z.object({
  subjectKey: z.string(),
  tokenId: z.string(),
  expiresAtSeconds: z.number(),
});

/** Denies all tokens of a subject that were issued in a second or before it, except the admitted ones. */
const subjectDenialSchema = z.object({
  subjectKey: z.string(),
  issuedUntilSeconds: z.number(),
  /** Names the denial: the time by the store's clock, but always later than that of the subject's previous denial. */
  revokedAtMs: z.number(),
  expiresAtSeconds: z.number(),
});

/** Exempts one token from a denial of its subject, whatever its `iat`: this suite obtained it after that denial. A later denial applies to it. */
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

export const announcementSchema = z.object({
  denials: z.array(denialSchema),
  /** Names its entry in the journal. Versions without a journal announce without it. */
  entryId: z.string().min(1).optional(),
});

export function denialKey(denial: Denial): string {
  if ('tokenId' in denial) return tokenDenialKey(denial.subjectKey, denial.tokenId);
  if ('admittedTokenId' in denial) return admissionKey(denial.admittedTokenId);
  return subjectDenialKey(denial.subjectKey);
}

/** The key in versions without prefixes. */
export function formerDenialKey(denial: Denial): string {
  if ('tokenId' in denial) return formerName(former.tokenDenialKey(denial.tokenId));
  if ('admittedTokenId' in denial) return formerName(former.admissionKey(denial.admittedTokenId));
  return formerName(former.subjectDenialKey(denial.subjectKey));
}

/** How long a denial outlives the token that it denies: a replica that never reached the store uses its own clock, which may be behind. */
export const RETENTION_SECONDS = 3_600;

export function retainedUntilMs({ expiresAtSeconds }: Denial): number {
  return (expiresAtSeconds + RETENTION_SECONDS) * 1000;
}

/** Whether one denial of a subject replaces another one: it is later, or corrects it. */
export function replaces(denial: SubjectDenial, other: SubjectDenial): boolean {
  return (
    denial.revokedAtMs > other.revokedAtMs ||
    (denial.revokedAtMs === other.revokedAtMs && denial.issuedUntilSeconds < other.issuedUntilSeconds)
  );
}

export function isSubjectDenial(denial: Denial): denial is SubjectDenial {
  return 'revokedAtMs' in denial;
}

export function laterOf(one: SubjectDenial | undefined, other: SubjectDenial | undefined) {
  if (!one || !other) return one ?? other;
  return replaces(other, one) ? other : one;
}

/** @returns undefined for a value that is no denial */
export function denialIn(value: string | null | undefined): Denial | undefined {
  return parseJson(value, denialSchema);
}

/** @returns undefined for a value that is no denial of a subject */
export function subjectDenialIn(value: string | null | undefined): SubjectDenial | undefined {
  const denial = denialIn(value);
  return denial && isSubjectDenial(denial) ? denial : undefined;
}

/** -1 for a value that is no admission. */
export function admittedAfterMs(value: string | null | undefined): number {
  const denial = denialIn(value);
  return denial && 'admittedTokenId' in denial ? denial.afterMs : -1;
}

/** @returns undefined for a text that is not JSON of this shape */
export function parseJson<T>(json: string | null | undefined, schema: z.ZodType<T>): T | undefined {
  if (json == null) return undefined;
  try {
    return schema.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
}
