/** Settles as the work does, but rejects as soon as the signal is aborted, with its reason. */
export function unlessAborted<Result> (signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const abort = (): void => { reject(signal.reason) }
    signal.addEventListener('abort', abort)
    void work().then(resolve, reject).then(() => { signal.removeEventListener('abort', abort) })
  })
}
