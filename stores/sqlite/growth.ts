const pollMs = 10

export interface Growth {
  /** Checks whether the log has grown, and if so calls the listeners. */
  check: () => void
  subscribe: (listener: () => void) => () => void
  stop: () => void
}

/** Notifies listeners of new entries of the log; polling detects those of other processes. A check takes a few microseconds. */
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

/** Returns null when the read fails. The next check repeats it, and pull reports the failure to its caller. */
function tryRead (readHead: () => number): number | null {
  try {
    return readHead()
  } catch {
    return null
  }
}
