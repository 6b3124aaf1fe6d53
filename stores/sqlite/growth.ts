const pollMs = 10

export interface Growth {
  /** Looks whether the log has grown, and if so calls the listeners. */
  check: () => void
  subscribe: (listener: () => void) => () => void
  stop: () => void
}

/** Notices entries of the log, those of other processes by looking; a look costs a few microseconds. */
export function watchGrowth (readHead: () => number): Growth {
  const listeners = new Set<() => void>()
  let timer: NodeJS.Timeout | null = null
  let seen = 0

  function check (): void {
    if (listeners.size === 0) return
    const head = tryRead(readHead)
    if (head === null || head === seen) return
    seen = head
    for (const listener of listeners) listener()
  }

  function stop (): void {
    if (timer !== null) clearInterval(timer)
    timer = null
  }

  function subscribe (listener: () => void): () => void {
    const own = () => listener()
    listeners.add(own)
    if (timer === null) {
      seen = tryRead(readHead) ?? 0
      timer = setInterval(check, pollMs).unref()
    }
    return () => {
      listeners.delete(own)
      if (listeners.size === 0) stop()
    }
  }

  return { check, subscribe, stop }
}

/** A look that fails is repeated with the next one; pull tells the caller. */
function tryRead (readHead: () => number): number | null {
  try {
    return readHead()
  } catch {
    return null
  }
}
