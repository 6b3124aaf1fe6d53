/*
 * Types that an application extends by declaration merging. The package exports this file with `export *`, because TypeScript merges
 * declarations through no other form of export.
 */

/**
 * Data that an application keeps with each session, a JSON object. The application declares its members:
 * `declare module 'portcullis' { interface SessionData { cart?: string[] } }`.
 */
export interface SessionData {}

/**
 * Claims that an application adds to the tokens of `accessToken` and `mint`. The application declares them:
 * `declare module 'portcullis' { interface TokenClaims { tenant?: string } }`.
 */
export interface TokenClaims {}

/** A value whose members, and theirs, cannot be changed. */
export type DeepReadonly<Value> = Value extends object ? { readonly [Name in keyof Value]: DeepReadonly<Value[Name]> } : Value
