import { expect, it } from 'vitest'

import type { Step } from '@/api/model'

import { edgeKey, lightUp } from './lit'

function step(seq: number, state: string, rest: Partial<Step>): Step {
  return {
    ...{ seq, state, type: 'set', attempt: 1, status: 'succeeded', next: null, started_at: '', finished_at: null },
    ...{ duration_ms: null, changes: {}, removed: [], error: null, emitted: [], logs: [] },
    ...{ usage: {} },
    ...rest,
  }
}

it('counts visits, not attempts, and shows the last status', () => {
  const { states } = lightUp([
    step(1, 'ask', { status: 'retrying' }),
    step(1, 'ask', { attempt: 2, next: 'look' }),
    step(2, 'look', { next: 'ask' }),
    step(3, 'ask', { status: 'running' }),
  ])
  expect(states.get('ask')).toEqual({ status: 'running', visits: 2 })
  expect(states.get('look')).toEqual({ status: 'succeeded', visits: 1 })
})

it('marks the transitions taken, and the end when the run went there', () => {
  const { states, taken } = lightUp([step(1, 'a', { next: 'b' }), step(2, 'b', { next: 'end' })])
  expect([...taken]).toEqual([edgeKey('a', 'b'), edgeKey('b', 'end')])
  expect(states.has('end')).toBe(true)
})

it('counts the visits of an end that is a state like others', () => {
  const { states } = lightUp([step(1, 'a', { next: 'end' }), step(2, 'end', { type: 'end' })])
  expect(states.get('end')).toEqual({ status: 'succeeded', visits: 1 })
})
