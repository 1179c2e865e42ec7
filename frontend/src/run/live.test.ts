import { flushPromises } from '@vue/test-utils'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { effectScope, ref, type EffectScope } from 'vue'

import type { Run, RunStatus, Step } from '@/api/model'
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
