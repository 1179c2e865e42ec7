// @vitest-environment happy-dom
import { flushPromises } from '@vue/test-utils'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { effectScope, shallowRef, type EffectScope } from 'vue'

import type { Flow, Validation } from '@/api/model'

import { useDraft, type Draft } from './draft'

const validate = vi.hoisted(() => vi.fn<(yaml: string, signal: AbortSignal) => Promise<Validation>>())
vi.mock('@/api/flows', () => ({ validateFlow: validate }))

const PROBLEM = { code: 'unknown-target', severity: 'warning', message: 'no b' }
const flow = shallowRef<Flow>()
let scope: EffectScope

function published(text: string, version = 1): Flow {
  return { id: 'f', version, yaml_content: text, problems: [], graph: null } as unknown as Flow
}

function open(): Draft {
  scope = effectScope()
  return scope.run(() => useDraft(flow))!
}

beforeEach(() => {
  vi.useFakeTimers()
  validate.mockReset().mockResolvedValue({ valid: true, problems: [PROBLEM], graph: null, listener: null } as unknown as Validation)
  sessionStorage.clear()
  flow.value = published('one')
})
afterEach(() => {
  scope.stop()
  vi.useRealTimers()
})

it('is asked about once, when the person pauses', async () => {
  const { text, problems, isChecking } = open()
  text.value = 'on'
  await flushPromises()
  text.value = 'two'
  await flushPromises()
  expect([isChecking.value, validate.mock.calls.length]).toEqual([true, 0])
  await vi.advanceTimersByTimeAsync(500)
  expect(validate.mock.calls.map(([yaml]) => yaml)).toEqual(['two'])
  expect([problems.value, isChecking.value]).toEqual([[PROBLEM], false])
})

it('is not judged by an answer to an older text', async () => {
  const { text, problems } = open()
  validate.mockImplementationOnce((_yaml, signal) => new Promise((_, refuse) => signal.addEventListener('abort', refuse)))
  text.value = 'two'
  await vi.advanceTimersByTimeAsync(500)
  text.value = 'three'
  await vi.advanceTimersByTimeAsync(500)
  expect(validate.mock.calls.map(([yaml]) => yaml)).toEqual(['two', 'three'])
  expect(problems.value).toEqual([PROBLEM])
})

it('survives a reload until it is published', async () => {
  open().text.value = 'two'
  await flushPromises()
  scope.stop()
  const { text, isChanged } = open()
  expect([text.value, isChanged.value]).toEqual(['two', true])
  flow.value = published('two', 2)
  await flushPromises()
  expect([isChanged.value, sessionStorage.length]).toEqual([false, 0])
})

it('follows what others publish while nobody has touched it, and stays when somebody has', async () => {
  const { text } = open()
  flow.value = published('theirs', 2)
  await flushPromises()
  expect(text.value).toBe('theirs')
  text.value = 'mine'
  flow.value = published('theirs again', 3)
  await flushPromises()
  expect(text.value).toBe('mine')
})
