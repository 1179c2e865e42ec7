// @vitest-environment happy-dom
import { effectScope } from 'vue'
import { expect, it, vi } from 'vitest'

import type { StreamEvent, StreamOptions } from '@/api/stream'

import { useBuildLog } from './log'

const followBuild = vi.hoisted(() => vi.fn())
vi.mock('@/api/builds', () => ({ followBuild }))

function line(number: number, text: string): StreamEvent {
  return { id: String(number), event: 'line', data: { stage: 'check', text } }
}

function follow() {
  let end!: () => void
  let fail!: (fault: Error) => void
  const following = new Promise<void>((resolve, reject) => ((end = resolve), (fail = reject)))
  followBuild.mockReset().mockReturnValue(following)
  const scope = effectScope()
  const log = scope.run(() => useBuildLog('b1'))!
  return { scope, log, end, fail, options: followBuild.mock.calls[0]![1] as StreamOptions }
}

it('keeps the lines in their order until the build is over', async () => {
  const { log, end, options } = follow()
  options.onEvent(line(1, 'one'))
  options.onEvent(line(2, 'two'))
  options.onEvent({ id: '2', event: 'done', data: { status: 'succeeded' } })
  expect(log.lines.value.map(({ text }) => text)).toEqual(['one', 'two'])
  expect(log.isLive.value).toBe(true)
  end()
  await vi.waitFor(() => expect(log.isLive.value).toBe(false))
})

it('begins anew with a build that was taken up again', () => {
  const { log, options } = follow()
  for (const [number, text] of [[1, 'old'], [2, 'old too'], [1, 'new']] as const) options.onEvent(line(number, text))
  expect(log.lines.value.map(({ text }) => text)).toEqual(['new'])
})

it('stops following with its component, and tells why it could not', async () => {
  const { scope, log, fail, options } = follow()
  fail(new Error('no way'))
  await vi.waitFor(() => expect(log.problem.value).toBeDefined())
  scope.stop()
  expect(options.signal.aborted).toBe(true)
})
