/** What a run has done to its machine: which states it visited, which transitions it took, where it is. */
import type { Step, StepStatus } from '@/api/model'

export interface LitState {
  status: StepStatus
  visits: number
}

export interface Lit {
  states: ReadonlyMap<string, LitState>
  /** Transitions taken, as made by `edgeKey`. */
  taken: ReadonlySet<string>
}

export function edgeKey(source: string, target: string): string {
  return JSON.stringify([source, target])
}

/** The last attempt of a state tells its status; visits are counted without retries. */
export function lightUp(steps: readonly Step[]): Lit {
  const states = new Map<string, LitState>()
  const taken = new Set<string>()
  for (const step of steps) {
    const visits = (states.get(step.state)?.visits ?? 0) + (step.attempt === 1 ? 1 : 0)
    states.set(step.state, { status: step.status, visits })
    if (step.next) taken.add(edgeKey(step.state, step.next))
  }
  // The end that nobody wrote has no step of its own.
  if (!states.has('end') && steps.some((step) => step.next === 'end')) states.set('end', { status: 'succeeded', visits: 1 })
  return { states, taken }
}
