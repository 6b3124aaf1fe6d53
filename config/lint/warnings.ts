/** A warning, and whether it applies. */
export type Warning = readonly [applies: boolean, line: string]

/** Returns the lines of the warnings that apply. */
export function warn (...warnings: Warning[]): string[] {
  return warnings.flatMap(([applies, line]) => applies ? [line] : [])
}
