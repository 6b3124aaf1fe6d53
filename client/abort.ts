/** Resolves as the work does, but rejects at once when the signal is aborted, with its reason. */
export async function unlessAborted<Result> (signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
  signal.throwIfAborted()
  return await new Promise((resolve, reject) => {
    // eslint-disable-next-line prefer-promise-reject-errors -- the reason that the page has given
    const abort = (): void => { reject(signal.reason as Error) }
    signal.addEventListener('abort', abort)
    void work().then(resolve, reject).then(() => { signal.removeEventListener('abort', abort) })
  })
}
