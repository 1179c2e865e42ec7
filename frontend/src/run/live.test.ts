import { flushPromises } from '@vue/test-utils'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { effectScope, ref, type EffectScope } from 'vue'

import type { Run, RunStatus, Step } from '@/api/model'
import { ApiProblem } from '@/api/problem'
import type { StreamOptions } from '@/api/stream'

import { useLiveRun, type LiveRun } from './live'

const api = vi.hoisted(() => ({ readRun: vi.fn(), readSteps: vi.fn(), followRun: vi.fn() }))
vi.mock('@/api/runs', () => api)

const id = ref('1')
let scope: EffectScope
let stream: StreamOptions
let end: () => void

function now(status: RunStatus, steps: number): void {
  api.readRun.mockResolvedValue({ id: id.value, status } as Run)
  api.readSteps.mockResolvedValue(Array.from({ length: steps }, (_, seq) => ({ seq, status: 'succeeded' }) as Step))
}

function open(): LiveRun {
  scope = effectScope()
  return scope.run(() => useLiveRun(id))!
}

beforeEach(() => {
  vi.useFakeTimers()
  vi.clearAllMocks()
  id.value = '1'
  api.followRun.mockImplementation((_run: string, options: StreamOptions) => {
    stream = options
    return new Promise<void>((resolve) => (end = resolve))
  })
})
afterEach(() => {
  scope.stop()
  vi.useRealTimers()
})

it('lights up with every event and reads the end', async () => {
  now('running', 1)
  const { run, steps } = open()
  await flushPromises()
  now('running', 2)
  stream.onEvent({ id: '2', event: 'step', data: {} })
  await flushPromises()
  expect(steps.value).toHaveLength(2)
  now('succeeded', 3)
  end()
  await vi.advanceTimersByTimeAsync(200)
  expect([run.value?.status, steps.value.length]).toEqual(['succeeded', 3])
})

it('reads once for many events, and once more for those that came meanwhile', async () => {
  now('running', 1)
  open()
  await flushPromises()
  api.readRun.mockClear()
  for (let event = 0; event < 50; event++) stream.onEvent({ id: '', event: 'step', data: {} })
  await vi.advanceTimersByTimeAsync(1000)
  expect(api.readRun).toHaveBeenCalledTimes(2)
})

it('does not follow a run that has ended, and leaves the old one for the next', async () => {
  now('running', 1)
  const { run } = open()
  await flushPromises()
  id.value = '2'
  now('failed', 1)
  await flushPromises()
  expect([stream.signal.aborted, run.value?.id, api.followRun.mock.calls.length]).toEqual([true, '2', 1])
})

it('asks again by itself when no answer comes, and follows the run then', async () => {
  api.readSteps.mockRejectedValueOnce(new TypeError('refused'))
  const { run, problem } = open()
  await flushPromises()
  expect(problem.value?.isUnreachable).toBe(true)
  now('running', 1)
  await vi.advanceTimersByTimeAsync(3000)
  expect([run.value?.status, problem.value, api.followRun.mock.calls.length]).toEqual(['running', undefined, 1])
})

it('does not ask again what was refused', async () => {
  api.readSteps.mockRejectedValueOnce(new ApiProblem(404, {}))
  const { problem } = open()
  await vi.advanceTimersByTimeAsync(10_000)
  expect([problem.value?.status, api.readSteps.mock.calls.length]).toEqual([404, 1])
})
