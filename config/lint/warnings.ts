/** A warning, and whether there is reason for it. */
export type Warning = readonly [applies: boolean, line: string]

/** The lines of those that apply. */
export function warn (...warnings: Warning[]): string[] {
  return warnings.flatMap(([applies, line]) => applies ? [line] : [])
}
