/* Helpers for the tests of an application. The package exports this file as `portcullis/testing`; docs/guides/testing.md describes it. */

export { testClock, type TestClock } from './clock.ts'
export { failingStore, memoryStore, type FailingStore, type StoreOperation } from './failing-store.ts'
export { signedIn, type CredentialHeaders, type SignedIn } from './signed-in.ts'
