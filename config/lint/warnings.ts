/** A warning, and whether there is reason for it. */
export type Warning = readonly [applies: boolean, line: string]

/** The lines of those that apply. */
export function warn (...warnings: Warning[]): string[] {
  return warnings.flatMap(([applies, line]) => applies ? [line] : [])
}

/** Whether a host name or an address is of this machine alone. */
export function isLoopback (host: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/.test(host)
}
