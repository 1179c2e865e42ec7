/** A run and its steps, read once and then kept up to date by the platform's stream until the run ends. */
import { onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'

import { isFinished, type Run, type Step } from '@/api/model'
import { toProblem, type ApiProblem } from '@/api/problem'
import { followRun, readRun, readSteps } from '@/api/runs'
import { sleep } from '@/api/sleep'

/** At least this long between two readings, however fast the run is. */
const PAUSE_MS = 150
/** Between two readings while no answer comes. */
const RETRY_MS = 3000

export interface LiveRun {
  run: Readonly<Ref<Run | undefined>>
  steps: Readonly<Ref<readonly Step[]>>
  problem: Readonly<Ref<ApiProblem | undefined>>
  /** The stream stands: what is shown is what is. */
  isLive: Readonly<Ref<boolean>>
  refresh: () => Promise<void>
}

export function useLiveRun(id: Readonly<Ref<string>>): LiveRun {
  const run = shallowRef<Run>()
  const steps = shallowRef<readonly Step[]>([])
  const problem = shallowRef<ApiProblem>()
  const isLive = ref(false)
  let watching = new AbortController()
  let reading: Promise<void> | undefined
  let again = false

  watch(
    id,
    () => {
      watching.abort()
      watching = new AbortController()
      run.value = undefined
      steps.value = []
      problem.value = undefined
      isLive.value = false
      void begin(watching.signal)
    },
    { immediate: true },
  )
  onScopeDispose(() => watching.abort())

  async function begin(signal: AbortSignal): Promise<void> {
    await read(signal)
    if (signal.aborted || !run.value || isFinished(run.value.status)) return
    try {
      await followRun(id.value, { signal, onEvent: () => void refresh(), onConnected: (on) => (isLive.value = on) })
      if (!signal.aborted) await refresh()
    } catch (fault) {
      problem.value = toProblem(fault)
    } finally {
      if (!signal.aborted) isLive.value = false
    }
  }

  /** Read now, or once more after the reading under way. */
  function refresh(): Promise<void> {
    if (reading) again = true
    reading ??= readAndRest().finally(() => {
      reading = undefined
      if (again && !watching.signal.aborted) {
        again = false
        void refresh()
      }
    })
    return reading
  }

  async function readAndRest(): Promise<void> {
    await read(watching.signal)
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }

  /** Read, again and again until the platform answers or refuses. */
  async function read(signal: AbortSignal): Promise<void> {
    for (;;) {
      await readOnce(signal)
      if (signal.aborted || !problem.value || problem.value.isFinal) return
      await sleep(RETRY_MS, signal)
    }
  }

  async function readOnce(signal: AbortSignal): Promise<void> {
    try {
      // The run last: steps that are newer than it do no harm, an end without its steps would.
      const foundSteps = await readSteps(id.value)
      const found = await readRun(id.value)
      const settled = isFinished(found.status) && !isSettled(foundSteps) ? await readSteps(id.value) : foundSteps
      if (signal.aborted) return
      steps.value = settled
      run.value = found
      problem.value = undefined
    } catch (fault) {
      if (!signal.aborted) problem.value = toProblem(fault)
    }
  }

  return { run, steps, problem, isLive, refresh }
}

function isSettled(steps: readonly Step[]): boolean {
  return steps.every((step) => step.status !== 'running')
}
