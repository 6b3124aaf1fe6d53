/** The questions that a child process of a bench answers; each answer is a plain value. */
export type Answers = Record<string, (question: never) => unknown>

/** `turns` is the number of turns of the event loop so far; only programs of the benches know theirs. */
export interface CpuTime { cpuUs: number, atUs: number, turns?: number }

/** Returns the arguments that the parent has passed on the command line. */
export function argsOfParent<Args> (): Args {
  return JSON.parse(process.argv[2] ?? '{}') as Args
}

/** Tells the parent that this process is ready, answers its questions one by one, and ends with it. */
export function serveParent (ready: object, answers: Answers, end: () => Promise<void> = async () => {}): void {
  process.on('message', (message: { id: number, name: string, question: never }) => {
    const { id, name, question } = message
    Promise.resolve(question).then(answers[name]).then(
      answer => process.send?.({ id, answer }),
      (error: Error) => process.send?.({ id, error: error.stack ?? error.message })
    )
  })
  process.once('disconnect', () => {
    void end().finally(() => process.exit())
  })
  process.send?.({ id: 0, answer: ready })
}

/** Returns the CPU time of all threads of this process, including the garbage collector's and the store's. */
export function cpuTime (): CpuTime {
  const { user, system } = process.cpuUsage()
  return { cpuUs: user + system, atUs: performance.now() * 1000, turns: performance.nodeTiming.uvMetricsInfo.loopCount }
}
