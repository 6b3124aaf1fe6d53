import assert from 'node:assert/strict'

/**
 * Runs one test, as `test` of node:test and of tap do. The context of a test adds tests to it, and is passed to the function that opens
 * the store.
 */
export type RunTest<Context> = (name: string, run: (context: Context) => Promise<void>) => unknown

/** A test of the contract, whichever program runs it. Assertions throw AssertionError. */
export interface Test {
  /** The context of the program that runs the test. */
  readonly context: unknown
  /** Adds a test. The added ones run one after another when the function that adds them has resolved. */
  test (name: string, run: (t: Test) => Promise<void>): void
  /** Calls back when the test has ended. */
  teardown (end: () => unknown): void
  ok (value: unknown, message?: string): void
  notOk (value: unknown, message?: string): void
  equal (actual: unknown, expected: unknown, message?: string): void
  not (actual: unknown, unexpected: unknown, message?: string): void
  type (value: unknown, name: string): void
  strictSame (actual: unknown, expected: unknown, message?: string): void
  /** The value has every member of the pattern; lists have the same length. */
  match (actual: unknown, pattern: unknown, message?: string): void
  rejects (promise: Promise<unknown>, expected: (new () => Error) | object, message?: string): Promise<void>
}

interface Runner { test: RunTest<unknown> }

type Run = (t: Test) => Promise<void>

/** Adds a test to those of the program: awaited, because some programs end a test with its function, with the tests in it. */
export async function addTest (test: RunTest<unknown>, name: string, run: Run): Promise<void> {
  await test(name, async context => { await runIn(context, run) })
}

async function runIn (context: unknown, run: Run): Promise<void> {
  const t = new AssertingTest(context)
  try {
    await run(t)
    for (const [name, inner] of t.added) await addTest(async (...given) => await (context as Runner).test(...given), name, inner)
  } finally {
    for (const end of t.ends.reverse()) await end()
  }
}

class AssertingTest implements Test {
  readonly context: unknown
  readonly added: Array<[name: string, run: Run]> = []
  readonly ends: Array<() => unknown> = []
  readonly ok = (value: unknown, ...message: string[]): void => { assert.ok(value, ...message as [string]) }
  readonly equal = (actual: unknown, expected: unknown, ...message: string[]): void => { assert.equal(actual, expected, ...message as [string]) }
  readonly strictSame = (actual: unknown, expected: unknown, ...message: string[]): void => { assert.deepEqual(actual, expected, ...message as [string]) }

  constructor (context: unknown) {
    this.context = context
  }

  test (name: string, run: Run): void {
    this.added.push([name, run])
  }

  teardown (end: () => unknown): void {
    this.ends.push(end)
  }

  notOk (value: unknown, ...message: string[]): void {
    assert.ok(!value, ...message as [string])
  }

  not (actual: unknown, unexpected: unknown, ...message: string[]): void {
    assert.notEqual(actual, unexpected, ...message as [string])
  }

  type (value: unknown, name: string): void {
    assert.equal(typeof value, name)
  }

  match (actual: unknown, pattern: unknown, ...message: string[]): void {
    assert.deepEqual(selected(actual, pattern), pattern, ...message as [string])
  }

  async rejects (promise: Promise<unknown>, expected: (new () => Error) | object, ...message: string[]): Promise<void> {
    await assert.rejects(promise, expected as (new () => Error), ...message as [string])
  }
}

/** Returns the part of a value that a pattern names. */
function selected (actual: unknown, pattern: unknown): unknown {
  if (Array.isArray(pattern) && Array.isArray(actual)) return actual.map((item, index) => selected(item, pattern[index]))
  if (!isObject(pattern) || !isObject(actual)) return actual
  return Object.fromEntries(Object.keys(pattern).filter(name => name in actual).map(name => [name, selected(actual[name], pattern[name])]))
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
